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
#include "types/format_float.h"
#include "types/parse_float.h"
#include "types/text.h"

/*
 * read_elements
 *		Reads what is between the brackets, and moves behind the closing one.
 *		Returns how many elements there are, or 0 after a soft error.
 */
static int
read_elements(TextCursor *cursor, float *values)
{
	int			max_dim = cursor->kind->max_dim;

	if (*cursor->pt == ']')
	{
		(void) check_dim(cursor->kind, 0, cursor->escontext);
		return 0;
	}

	for (int dim = 0;; dim++)
	{
		/* less than 10000, so there is nothing to check */
		dim += parse_float_run(&cursor->pt, cursor->limit, &values[dim],
							   max_dim - dim);
		if (dim == max_dim)
		{
			(void) check_dim(cursor->kind, (int64) dim + 1,
							 cursor->escontext);
			return 0;
		}
		skip_space(cursor);
		if (!read_element(cursor, false, &values[dim]))
			return 0;
		if (read_char(cursor, ','))
			continue;
		if (!read_char(cursor, ']'))
			ereturn(cursor->escontext, 0, (invalid_syntax(cursor)));
		return dim + 1;
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
	TextCursor	cursor = {kind, str, str + strlen(str), str, escontext};
	int			dim;

	if (!read_char(&cursor, '['))
		ereturn(escontext, 0,
				(invalid_syntax(&cursor),
				 errdetail("Vector contents must start with \"[\".")));

	dim = read_elements(&cursor, values);
	if (dim > 0 && *cursor.pt != '\0')
		ereturn(escontext, 0,
				(invalid_syntax(&cursor),
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
	/* FLOAT_SHORTEST_DECIMAL_LEN counts a byte for the comma */
	char	   *str = palloc(FLOAT_SHORTEST_DECIMAL_LEN * n +
							 FORMAT_FLOAT_ROOM);
	char	   *pt = str;

	*pt++ = '[';
	pt = format_floats(values, n, pt);
	*pt++ = ']';
	*pt = '\0';

	return str;
}
