/*-------------------------------------------------------------------------
 *
 * average.c
 *	  The state of the aggregate avg, the same for all types that have it.
 *
 * Users can call the functions of an aggregate with any array, so nothing is
 * taken for granted.  Inside an aggregate the state belongs to it and is
 * changed in place, as float8_accum does.
 *
 * src/types/average.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "compat.h"
#include "types/average.h"
#include "types/dense_array.h"
#include "utils/float.h"

#define STATE_DIM(state)	(ARR_DIMS(state)[0] - 1)
#define STATE_COUNT(state)	(*(float8 *) dense_array_elements(state))
#define STATE_SUMS(state)	((float8 *) dense_array_elements(state) + 1)

/*
 * average_state
 *		The state in a Datum; an error that names the caller if it is none.
 */
ArrayType *
average_state(Datum datum, const char *caller)
{
	ArrayType  *state = DatumGetArrayTypeP(datum);

	if (ARR_NDIM(state) != 1 ||
		ARR_DIMS(state)[0] < 1 ||
		ARR_HASNULL(state) ||
		ARR_ELEMTYPE(state) != FLOAT8OID)
		elog(ERROR, "%s: expected state array", caller);

	return state;
}

/*
 * writable_state
 *		The state itself if it may be changed, or else a copy.  One without
 *		dimensions gets dim of them.
 */
static ArrayType *
writable_state(FunctionCallInfo fcinfo, ArrayType *state, int dim)
{
	ArrayType  *result;

	if (STATE_DIM(state) == 0)
	{
		result = dense_array_create(FLOAT8OID, sizeof(float8), dim + 1);
		STATE_COUNT(result) = STATE_COUNT(state);
		memset(STATE_SUMS(result), 0, sizeof(float8) * dim);
		return result;
	}

	check_expected_dim(STATE_DIM(state), dim, NULL);
	return AggCheckCallContext(fcinfo, NULL) ? state :
		DatumGetArrayTypePCopy(PointerGetDatum(state));
}

static void
check_sums(ArrayType *state)
{
	int			dim = STATE_DIM(state);
	float8	   *sums = STATE_SUMS(state);

	for (int i = 0; i < dim; i++)
	{
		if (unlikely(isinf(sums[i])))
			float_overflow_error();
	}
}

/*
 * average_add
 *		The transition function: adds a vector of dim elements to the state.
 */
ArrayType *
average_add(FunctionCallInfo fcinfo, ArrayType *state, const float *values,
			int dim)
{
	float8	   *sums;

	state = writable_state(fcinfo, state, dim);
	sums = STATE_SUMS(state);
	for (int i = 0; i < dim; i++)
		sums[i] += values[i];
	check_sums(state);
	STATE_COUNT(state) += 1;

	return state;
}

/*
 * average_dim
 *		Dimensions of the result, or 0 if the average of nothing is wanted.
 */
int
average_dim(const VectorKind *kind, ArrayType *state)
{
	if (STATE_COUNT(state) == 0)
		return 0;

	check_dim(kind, STATE_DIM(state), NULL);
	return STATE_DIM(state);
}

/*
 * average_result
 *		The final function: stores the average_dim elements of the result.
 */
void
average_result(const VectorKind *kind, ArrayType *state, float *values)
{
	int			dim = STATE_DIM(state);
	float8		count = STATE_COUNT(state);
	float8	   *sums = STATE_SUMS(state);

	for (int i = 0; i < dim; i++)
		values[i] = (float) (sums[i] / count);
	check_elements(kind, values, dim);
}

/* Joins the states of parallel workers, of any type's average. */
PG_FUNCTION_INFO_V1(vector_combine);
Datum
vector_combine(PG_FUNCTION_ARGS)
{
	ArrayType  *state = average_state(PG_GETARG_DATUM(0), "vector_combine");
	ArrayType  *other = average_state(PG_GETARG_DATUM(1), "vector_combine");
	int			dim = STATE_DIM(other);
	float8	   *sums;

	if (STATE_COUNT(other) == 0)
		PG_RETURN_ARRAYTYPE_P(state);
	if (STATE_COUNT(state) == 0)
		PG_RETURN_ARRAYTYPE_P(other);

	state = writable_state(fcinfo, state, dim);
	sums = STATE_SUMS(state);
	for (int i = 0; i < dim; i++)
		sums[i] += STATE_SUMS(other)[i];
	check_sums(state);
	STATE_COUNT(state) += STATE_COUNT(other);

	PG_RETURN_ARRAYTYPE_P(state);
}
