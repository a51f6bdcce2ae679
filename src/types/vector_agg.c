/*-------------------------------------------------------------------------
 *
 * vector_agg.c
 *	  The type vector: the aggregate avg.  (sum needs vector_add only.)
 *
 * src/types/vector_agg.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "types/average.h"
#include "types/vector.h"

PG_FUNCTION_INFO_V1(vector_accum);
Datum
vector_accum(PG_FUNCTION_ARGS)
{
	ArrayType  *state = average_state(PG_GETARG_DATUM(0), "vector_accum");
	Vector	   *value = PG_GETARG_VECTOR(1);

	PG_RETURN_ARRAYTYPE_P(average_add(fcinfo, state, value->x, value->dim));
}

PG_FUNCTION_INFO_V1(vector_avg);
Datum
vector_avg(PG_FUNCTION_ARGS)
{
	ArrayType  *state = average_state(PG_GETARG_DATUM(0), "vector_avg");
	int			dim = average_dim(&vector_kind, state);
	Vector	   *result;

	if (dim == 0)
		PG_RETURN_NULL();

	result = vector_create(dim);
	average_result(&vector_kind, state, result->x);

	PG_RETURN_VECTOR(result);
}
