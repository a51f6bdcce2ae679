/*-------------------------------------------------------------------------
 *
 * dense_text.c
 *	  The text form "[1,2.5,-3]" of the types that store every element.
 *
 * src/types/dense_text.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "compat.h"
#include "types/dense_text.h"
#include "types/parse_float.h"

/* White space as C and SQL have it, in any locale and server version */
static inline const char *
skip_space(const char *pt)
{
	while (*pt == ' ' || (*pt >= '\t' && *pt <= '\r'))
		pt++;
	return pt;
}

#define invalid_syntax(kind, str) \
	errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), \
	errmsg("invalid input syntax for type %s: \"%s\"", (kind)->name, (str))

/* Text that is being read: all of it, its end, and what is next */
typedef struct TextCursor
{
	const char *str;
	const char *limit;
	const char *pt;
} TextCursor;

/*
 * parse_element
 *		Reads a number and moves behind it.  Underflow to zero is no error.
 */
static inline bool
parse_element(const VectorKind *kind, TextCursor *cursor, float *value,
			  Node *escontext)
{
	const char *start = cursor->pt;
	ParseFloatResult result = parse_float(&cursor->pt, cursor->limit, value);

	if (unlikely(result == PARSE_FLOAT_INVALID))
		ereturn(escontext, false, (invalid_syntax(kind, cursor->str)));

	if (is_element(kind, *value))
		return true;

	/* a number, not a word */
	if (result == PARSE_FLOAT_OVERFLOW || isfinite(*value))
		ereturn(escontext, false,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("\"%s\" is out of range for type %s",
						pnstrdup(start, cursor->pt - start), kind->name)));

	return refuse_element(kind, *value, escontext);
}

/*
 * parse_elements
 *		Reads what is between the brackets, and moves to the closing one.
 *		Returns how many elements there are, or 0 after a soft error.
 */
static int
parse_elements(const VectorKind *kind, TextCursor *cursor, float *values,
			   Node *escontext)
{
	int			dim = 0;

	cursor->pt = skip_space(cursor->pt);
	if (*cursor->pt == ']')
	{
		(void) check_dim(kind, 0, escontext);
		return 0;
	}

	for (;;)
	{
		if (dim == kind->max_dim)
		{
			(void) check_dim(kind, (int64) dim + 1, escontext);
			return 0;
		}
		if (!parse_element(kind, cursor, &values[dim], escontext))
			return 0;
		dim++;

		cursor->pt = skip_space(cursor->pt);
		if (*cursor->pt == ']')
			return dim;
		if (*cursor->pt != ',')
			ereturn(escontext, 0, (invalid_syntax(kind, cursor->str)));
		cursor->pt = skip_space(cursor->pt + 1);
	}
}

/*
 * dense_parse
 *		Reads the elements of str into values, which has room for
 *		kind->max_dim of them, and returns how many there are, at least 1.
 *
 * Returns 0 after a soft error.
 */
int
dense_parse(const VectorKind *kind, const char *str, float *values,
			Node *escontext)
{
	TextCursor	cursor = {str, str + strlen(str), skip_space(str)};
	int			dim;

	if (*cursor.pt != '[')
		ereturn(escontext, 0,
				(invalid_syntax(kind, str),
				 errdetail("Vector contents must start with \"[\".")));
	cursor.pt++;

	dim = parse_elements(kind, &cursor, values, escontext);
	if (dim == 0)
		return 0;

	if (*skip_space(cursor.pt + 1) != '\0')
		ereturn(escontext, 0,
				(invalid_syntax(kind, str),
				 errdetail("Junk after closing right brace.")));

	return dim;
}

/*
 * dense_format
 *		The text form in palloc'd memory, each element with as few digits as
 *		tell it from every other float.
 */
char *
dense_format(const float *values, int n)
{
	/* brackets, and FLOAT_SHORTEST_DECIMAL_LEN counts a byte for the comma */
	char	   *str = palloc(FLOAT_SHORTEST_DECIMAL_LEN * n + 3);
	char	   *pt = str;

	*pt++ = '[';
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			*pt++ = ',';
		pt += float_to_shortest_decimal_bufn(values[i], pt);
	}
	*pt++ = ']';
	*pt = '\0';

	return str;
}
