/*-------------------------------------------------------------------------
 *
 * dense_distance.c
 *	  The types vector and halfvec: distances.
 *
 * Sums are those of the kernels, in float4, so that they overflow to infinity
 * before the result is widened.
 *
 * src/types/dense_distance.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "compat.h"
#include "types/dense.h"
#include "types/norm.h"

typedef enum SumKind
{
	SUM_L2_SQUARED,
	SUM_INNER_PRODUCT,
	SUM_L1
} SumKind;

static pg_attribute_always_inline float
sum_floats(const void *a, const void *b, int n, SumKind sum)
{
	switch (sum)
	{
		case SUM_L2_SQUARED:
			return distance_kernels->l2_squared_f32(a, b, n);
		case SUM_INNER_PRODUCT:
			return distance_kernels->inner_product_f32(a, b, n);
		case SUM_L1:
			return distance_kernels->l1_f32(a, b, n);
	}
	pg_unreachable();
}

static pg_attribute_always_inline float
sum_halves(const void *a, const void *b, int n, SumKind sum)
{
	switch (sum)
	{
		case SUM_L2_SQUARED:
			return distance_kernels->l2_squared_f16(a, b, n);
		case SUM_INNER_PRODUCT:
			return distance_kernels->inner_product_f16(a, b, n);
		case SUM_L1:
			return distance_kernels->l1_f16(a, b, n);
	}
	pg_unreachable();
}

/* Runs a kernel on both arguments of an SQL function. */
static pg_attribute_always_inline double
sum_arguments(FunctionCallInfo fcinfo, const VectorKind *kind, SumKind sum)
{
	DenseVector *a = PG_GETARG_DENSE(kind, 0);
	DenseVector *b = PG_GETARG_DENSE(kind, 1);
	double		result;

	check_same_dim(kind, a->dim, b->dim);
	if (kind->element == ELEMENT_F16)
		result = sum_halves(a->x, b->x, a->dim, sum);
	else
		result = sum_floats(a->x, b->x, a->dim, sum);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

static pg_attribute_always_inline Datum
dense_l2_distance(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	PG_RETURN_FLOAT8(sqrt(sum_arguments(fcinfo, kind, SUM_L2_SQUARED)));
}

DENSE_FUNCTION(l2_distance);

static pg_attribute_always_inline Datum
dense_l2_squared_distance(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	PG_RETURN_FLOAT8(sum_arguments(fcinfo, kind, SUM_L2_SQUARED));
}

DENSE_FUNCTION(l2_squared_distance);

static pg_attribute_always_inline Datum
dense_inner_product(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	PG_RETURN_FLOAT8(sum_arguments(fcinfo, kind, SUM_INNER_PRODUCT));
}

DENSE_FUNCTION(inner_product);

static pg_attribute_always_inline Datum
dense_negative_inner_product(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	PG_RETURN_FLOAT8(-sum_arguments(fcinfo, kind, SUM_INNER_PRODUCT));
}

DENSE_FUNCTION(negative_inner_product);

static pg_attribute_always_inline Datum
dense_l1_distance(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	PG_RETURN_FLOAT8(sum_arguments(fcinfo, kind, SUM_L1));
}

DENSE_FUNCTION(l1_distance);

static pg_attribute_always_inline Datum
dense_cosine_distance(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	DenseVector *a = PG_GETARG_DENSE(kind, 0);
	DenseVector *b = PG_GETARG_DENSE(kind, 1);
	CosineParts parts;

	check_same_dim(kind, a->dim, b->dim);
	if (kind->element == ELEMENT_F16)
		parts = distance_kernels->cosine_f16((Half *) a->x, (Half *) b->x,
											 a->dim);
	else
		parts = distance_kernels->cosine_f32((float *) a->x, (float *) b->x,
											 a->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_FLOAT8(cosine_distance(parts));
}

DENSE_FUNCTION(cosine_distance);

/* The angle between vectors of norm 1, as a fraction of pi. */
static pg_attribute_always_inline Datum
dense_spherical_distance(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	double		similarity = sum_arguments(fcinfo, kind, SUM_INNER_PRODUCT);

	PG_RETURN_FLOAT8(acos(clamp_similarity(similarity)) / M_PI);
}

DENSE_FUNCTION(spherical_distance);
