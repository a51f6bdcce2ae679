/*-------------------------------------------------------------------------
 *
 * sparsevec_ops.c
 *	  The type sparsevec: distances, norm, comparison.
 *
 * src/types/sparsevec_ops.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "types/comparison.h"
#include "types/norm.h"
#include "types/sparsevec.h"

/*
 * Distances
 */

typedef float (*SparseSum) (SparseArray a, SparseArray b);

/* Computes a sum of both arguments of an SQL function. */
static double
sum_arguments(FunctionCallInfo fcinfo, SparseSum sum)
{
	SparseVector *a = PG_GETARG_SPARSEVEC(0);
	SparseVector *b = PG_GETARG_SPARSEVEC(1);
	double		result;

	check_same_dim(&sparsevec_kind, a->dim, b->dim);
	result = sum(sparsevec_array(a), sparsevec_array(b));

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

PG_FUNCTION_INFO_V1(sparsevec_l2_distance);
Datum
sparsevec_l2_distance(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sqrt(sum_arguments(fcinfo, sparse_l2_squared)));
}

PG_FUNCTION_INFO_V1(sparsevec_l2_squared_distance);
Datum
sparsevec_l2_squared_distance(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sum_arguments(fcinfo, sparse_l2_squared));
}

PG_FUNCTION_INFO_V1(sparsevec_inner_product);
Datum
sparsevec_inner_product(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sum_arguments(fcinfo, sparse_inner_product));
}

PG_FUNCTION_INFO_V1(sparsevec_negative_inner_product);
Datum
sparsevec_negative_inner_product(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(-sum_arguments(fcinfo, sparse_inner_product));
}

PG_FUNCTION_INFO_V1(sparsevec_l1_distance);
Datum
sparsevec_l1_distance(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sum_arguments(fcinfo, sparse_l1));
}

static float
squared_norm(SparseArray a)
{
	return distance_kernels->inner_product_f32(a.values, a.values, a.n);
}

PG_FUNCTION_INFO_V1(sparsevec_cosine_distance);
Datum
sparsevec_cosine_distance(PG_FUNCTION_ARGS)
{
	SparseVector *a = PG_GETARG_SPARSEVEC(0);
	SparseVector *b = PG_GETARG_SPARSEVEC(1);
	CosineParts parts;

	check_same_dim(&sparsevec_kind, a->dim, b->dim);
	parts.dot = sparse_inner_product(sparsevec_array(a), sparsevec_array(b));
	parts.norm_a = squared_norm(sparsevec_array(a));
	parts.norm_b = squared_norm(sparsevec_array(b));

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_FLOAT8(cosine_distance(parts));
}

/*
 * Norm
 */

static double
norm(SparseVector *vector)
{
	return sqrt(sum_of_squares(sparsevec_values(vector), vector->nnz));
}

PG_FUNCTION_INFO_V1(sparsevec_norm);
Datum
sparsevec_norm(PG_FUNCTION_ARGS)
{
	SparseVector *a = PG_GETARG_SPARSEVEC(0);
	double		result = norm(a);

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_FLOAT8(result);
}

/* Zero stays zero, and what becomes zero is left out. */
PG_FUNCTION_INFO_V1(sparsevec_l2_normalize);
Datum
sparsevec_l2_normalize(PG_FUNCTION_ARGS)
{
	SparseVector *a = PG_GETARG_SPARSEVEC(0);
	const float *values = sparsevec_values(a);
	double		length = norm(a);
	float	   *quotients = palloc_array(float, Max(a->nnz, 1));
	int			nnz = 0;
	SparseVector *result;

	for (int i = 0; i < a->nnz; i++)
	{
		quotients[i] = values[i] / length;
		nnz += quotients[i] != 0;
	}

	result = sparsevec_create(a->dim, nnz);
	nnz = 0;
	for (int i = 0; i < a->nnz; i++)
	{
		if (quotients[i] == 0)
			continue;
		result->indices[nnz] = a->indices[i];
		sparsevec_values(result)[nnz] = quotients[i];
		nnz++;
	}

	pfree(quotients);
	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_POINTER(result);
}

/*
 * Comparison: by the first element that differs, then by dimensions, as if
 * zeros were there.
 */

/* The index of an element, or one beyond all where there is none */
static inline int32
index_at(SparseArray a, int i)
{
	return i < a.n ? a.indices[i] : PG_INT32_MAX;
}

/* -1, 0 or 1 */
static int
compare(SparseVector *vector_a, SparseVector *vector_b)
{
	SparseArray a = sparsevec_array(vector_a);
	SparseArray b = sparsevec_array(vector_b);
	int			i = 0;
	int32		next_a;
	int32		next_b;

	while (i < a.n && i < b.n &&
		   a.indices[i] == b.indices[i] && a.values[i] == b.values[i])
		i++;

	next_a = index_at(a, i);
	next_b = index_at(b, i);
	if (Min(next_a, next_b) < Min(vector_a->dim, vector_b->dim))
	{
		float		value_a = next_a <= next_b ? a.values[i] : 0;
		float		value_b = next_b <= next_a ? b.values[i] : 0;

		return value_a < value_b ? -1 : 1;
	}

	return (vector_a->dim > vector_b->dim) - (vector_a->dim < vector_b->dim);
}

/* Copies are freed, as sorting calls this many times in a memory context. */
static int
compare_arguments(FunctionCallInfo fcinfo)
{
	SparseVector *a = PG_GETARG_SPARSEVEC(0);
	SparseVector *b = PG_GETARG_SPARSEVEC(1);
	int			result = compare(a, b);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

COMPARISON_FUNCTIONS(sparsevec, compare_arguments(fcinfo));
