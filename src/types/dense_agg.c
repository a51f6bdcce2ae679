/*-------------------------------------------------------------------------
 *
 * dense_agg.c
 *	  The types vector and halfvec: the aggregate avg.  (sum needs the
 *	  functions behind the operator + only.)
 *
 * The state is an SQL array double precision[] of {n, sum of the elements 0,
 * sum of the elements 1, ...}.  Before the first value it is {0}.
 *
 * Users can call the functions of an aggregate with any array, so nothing is
 * taken for granted.  Inside an aggregate the state belongs to it and is
 * changed in place, as float8_accum does.
 *
 * src/types/dense_agg.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "compat.h"
#include "types/dense.h"
#include "types/number_array.h"
#include "utils/float.h"

#define STATE_DIM(state)	(ARR_DIMS(state)[0] - 1)
#define STATE_COUNT(state)	(*(float8 *) number_array_elements(state))
#define STATE_SUMS(state)	((float8 *) number_array_elements(state) + 1)

/*
 * average_state
 *		The state in a Datum; an error that names the caller if it is none.
 */
static ArrayType *
average_state(Datum datum, const VectorKind *kind, const char *caller)
{
	ArrayType  *state = DatumGetArrayTypeP(datum);

	if (ARR_NDIM(state) != 1 ||
		ARR_DIMS(state)[0] < 1 ||
		ARR_HASNULL(state) ||
		ARR_ELEMTYPE(state) != FLOAT8OID)
		elog(ERROR, "%s_%s: expected state array", kind->name, caller);

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
		result = number_array_create(FLOAT8OID, sizeof(float8), dim + 1);
		STATE_COUNT(result) = STATE_COUNT(state);
		memset(STATE_SUMS(result), 0, sizeof(float8) * dim);
		return result;
	}

	check_expected_dim(STATE_DIM(state), dim, NULL);
	return AggCheckCallContext(fcinfo, NULL) ? state :
		DatumGetArrayTypePCopy(PointerGetDatum(state));
}

static void
check_sums(const float8 *sums, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (unlikely(isinf(sums[i])))
			float_overflow_error();
	}
}

/* The transition function */
static pg_attribute_always_inline Datum
dense_accum(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	ArrayType  *state = average_state(PG_GETARG_DATUM(0), kind, "accum");
	DenseVector *vector = PG_GETARG_DENSE(kind, 1);
	float8	   *sums;

	state = writable_state(fcinfo, state, vector->dim);
	sums = STATE_SUMS(state);
	for (int i = 0; i < vector->dim; i += DENSE_CHUNK)
	{
		int			n = Min(DENSE_CHUNK, vector->dim - i);
		float		buffer[DENSE_CHUNK];
		const float *values = dense_floats(kind, vector, i, n, buffer);

		for (int k = 0; k < n; k++)
			sums[i + k] += values[k];
	}
	check_sums(sums, vector->dim);
	STATE_COUNT(state) += 1;

	PG_FREE_IF_COPY(vector, 1);
	PG_RETURN_ARRAYTYPE_P(state);
}

DENSE_FUNCTION(accum);

/* The final function; NULL is the average of nothing. */
static pg_attribute_always_inline Datum
dense_avg(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	ArrayType  *state = average_state(PG_GETARG_DATUM(0), kind, "avg");
	int			dim = STATE_DIM(state);
	float8		count = STATE_COUNT(state);
	float8	   *sums = STATE_SUMS(state);
	float		values[DENSE_MAX_DIM];

	if (count == 0)
		PG_RETURN_NULL();

	check_dim(kind, dim, NULL);
	for (int i = 0; i < dim; i++)
		values[i] = (float) (sums[i] / count);
	check_elements(kind, values, dim);

	PG_RETURN_POINTER(dense_from_floats(kind, values, dim));
}

DENSE_FUNCTION(avg);

/* Joins the states of parallel workers, of either type's average. */
PG_FUNCTION_INFO_V1(vector_combine);
Datum
vector_combine(PG_FUNCTION_ARGS)
{
	ArrayType  *state = average_state(PG_GETARG_DATUM(0), &vector_kind,
									  "combine");
	ArrayType  *other = average_state(PG_GETARG_DATUM(1), &vector_kind,
									  "combine");
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
	check_sums(sums, dim);
	STATE_COUNT(state) += STATE_COUNT(other);

	PG_RETURN_ARRAYTYPE_P(state);
}
