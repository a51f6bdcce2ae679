/*-------------------------------------------------------------------------
 *
 * text.c
 *	  Reading the text form of a vector, for all types.
 *
 * src/types/text.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "types/parse_float.h"
#include "types/text.h"

bool
read_element(TextCursor *cursor, bool strict, float *value)
{
	const VectorKind *kind = cursor->kind;
	const char *start = cursor->pt;
	ParseFloatResult result = parse_float(&cursor->pt, cursor->limit, value);

	if (unlikely(result == PARSE_FLOAT_INVALID))
		ereturn(cursor->escontext, false, (invalid_syntax(cursor)));

	if (is_element(kind, *value) &&
		!(strict && unlikely(result == PARSE_FLOAT_UNDERFLOW)))
		return true;

	/* a number, not a word */
	if (result == PARSE_FLOAT_OVERFLOW || isfinite(*value))
		ereturn(cursor->escontext, false,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("\"%s\" is out of range for type %s",
						pnstrdup(start, cursor->pt - start), kind->name)));

	return refuse_element(kind, *value, cursor->escontext);
}

bool
read_int32(TextCursor *cursor, int32 *value)
{
	const char *pt = cursor->pt;
	bool		negative = *pt == '-';
	int64		magnitude = 0;

	if (*pt == '-' || *pt == '+')
		pt++;
	if (*pt < '0' || *pt > '9')
		ereturn(cursor->escontext, false, (invalid_syntax(cursor)));

	for (; *pt >= '0' && *pt <= '9'; pt++)
		magnitude = Min(magnitude * 10 + (*pt - '0'), PG_INT32_MAX);

	cursor->pt = pt;
	*value = negative ? -magnitude : magnitude;
	return true;
}
