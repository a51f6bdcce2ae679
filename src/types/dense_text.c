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

/*
 * parse_element
 *		Reads the number at *pt, which is inside str, and moves behind it.
 *		Underflow to zero is no error.
 */
static inline bool
parse_element(const VectorKind *kind, const char *str, const char **pt,
			  float *value, Node *escontext)
{
	const char *start = *pt;
	ParseFloatResult result = parse_float(start, pt, value);

	if (unlikely(result == PARSE_FLOAT_INVALID))
		ereturn(escontext, false, (invalid_syntax(kind, str)));

	if (unlikely(result == PARSE_FLOAT_OVERFLOW))
		ereturn(escontext, false,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("\"%s\" is out of range for type %s",
						pnstrdup(start, *pt - start), kind->name)));

	return check_element(kind, *value, escontext);
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
	const char *pt = skip_space(str);
	int			dim = 0;

	if (*pt != '[')
		ereturn(escontext, 0,
				(invalid_syntax(kind, str),
				 errdetail("Vector contents must start with \"[\".")));

	pt = skip_space(pt + 1);
	if (*pt == ']')
	{
		(void) check_dim(kind, 0, escontext);
		return 0;
	}

	for (;;)
	{
		if (!check_dim(kind, dim + 1, escontext) ||
			!parse_element(kind, str, &pt, &values[dim], escontext))
			return 0;
		dim++;

		pt = skip_space(pt);
		if (*pt == ']')
			break;
		if (*pt != ',')
			ereturn(escontext, 0, (invalid_syntax(kind, str)));
		pt = skip_space(pt + 1);
	}

	pt = skip_space(pt + 1);
	if (*pt != '\0')
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
