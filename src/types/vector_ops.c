/*-------------------------------------------------------------------------
 *
 * vector_ops.c
 *	  The type vector: distances, norms, arithmetic, comparison.
 *
 * src/types/vector_ops.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "compat.h"
#include "distance/distance.h"
#include "types/vector.h"
#include "utils/float.h"
#include "utils/varbit.h"

/*
 * Distances
 *
 * Sums are those of the kernels, in float4, so that they overflow to infinity
 * before the result is widened.
 */

typedef float (*F32Kernel) (const float *a, const float *b, int n);

/* Runs a kernel on both arguments of an SQL function. */
static inline double
apply_kernel(F32Kernel kernel, FunctionCallInfo fcinfo)
{
	Vector	   *a = PG_GETARG_VECTOR(0);
	Vector	   *b = PG_GETARG_VECTOR(1);
	double		result;

	vector_check_dims(a, b);
	result = kernel(a->x, b->x, a->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

/* Keeps NaN. */
static inline double
clamp_similarity(double similarity)
{
	if (similarity > 1)
		return 1;
	if (similarity < -1)
		return -1;
	return similarity;
}

PG_FUNCTION_INFO_V1(l2_distance);
Datum
l2_distance(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sqrt(apply_kernel(distance_kernels->l2_squared_f32,
									   fcinfo)));
}

PG_FUNCTION_INFO_V1(vector_l2_squared_distance);
Datum
vector_l2_squared_distance(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(apply_kernel(distance_kernels->l2_squared_f32, fcinfo));
}

PG_FUNCTION_INFO_V1(inner_product);
Datum
inner_product(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(apply_kernel(distance_kernels->inner_product_f32,
								  fcinfo));
}

PG_FUNCTION_INFO_V1(vector_negative_inner_product);
Datum
vector_negative_inner_product(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(-apply_kernel(distance_kernels->inner_product_f32,
								   fcinfo));
}

PG_FUNCTION_INFO_V1(l1_distance);
Datum
l1_distance(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(apply_kernel(distance_kernels->l1_f32, fcinfo));
}

/* NaN when one of them is zero: such vectors have no direction. */
PG_FUNCTION_INFO_V1(cosine_distance);
Datum
cosine_distance(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR(0);
	Vector	   *b = PG_GETARG_VECTOR(1);
	CosineParts parts;
	double		similarity;

	vector_check_dims(a, b);
	parts = distance_kernels->cosine_f32(a->x, b->x, a->dim);
	similarity = parts.dot / sqrt((double) parts.norm_a * parts.norm_b);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_FLOAT8(1 - clamp_similarity(similarity));
}

/* The angle between vectors of norm 1, as a fraction of pi. */
PG_FUNCTION_INFO_V1(vector_spherical_distance);
Datum
vector_spherical_distance(PG_FUNCTION_ARGS)
{
	double		similarity = apply_kernel(distance_kernels->inner_product_f32,
										  fcinfo);

	PG_RETURN_FLOAT8(acos(clamp_similarity(similarity)) / M_PI);
}

/*
 * Properties and derived values
 */

/* In double, where no vector overflows. */
static double
norm(const Vector *a)
{
	double		sums[4] = {0, 0, 0, 0};
	int			i = 0;

	/* independent sums, as each addition waits for the one before */
	for (; i + 4 <= a->dim; i += 4)
	{
		for (int lane = 0; lane < 4; lane++)
			sums[lane] += (double) a->x[i + lane] * a->x[i + lane];
	}
	for (; i < a->dim; i++)
		sums[0] += (double) a->x[i] * a->x[i];

	return sqrt((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

PG_FUNCTION_INFO_V1(vector_dims);
Datum
vector_dims(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR(0);
	int			dim = a->dim;

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_INT32(dim);
}

PG_FUNCTION_INFO_V1(vector_norm);
Datum
vector_norm(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR(0);
	double		result = norm(a);

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_FLOAT8(result);
}

/* Zero stays zero. */
PG_FUNCTION_INFO_V1(l2_normalize);
Datum
l2_normalize(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR(0);
	Vector	   *result = vector_create(a->dim);
	double		length = norm(a);

	for (int i = 0; i < a->dim; i++)
		result->x[i] = length > 0 ? a->x[i] / length : 0;

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_VECTOR(result);
}

PG_FUNCTION_INFO_V1(binary_quantize);
Datum
binary_quantize(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR(0);
	VarBit	   *result = palloc0(VARBITTOTALLEN(a->dim));
	bits8	   *bits = VARBITS(result);

	SET_VARSIZE(result, VARBITTOTALLEN(a->dim));
	VARBITLEN(result) = a->dim;
	for (int i = 0; i < a->dim; i++)
		bits[i / 8] |= (a->x[i] > 0) << (7 - i % 8);

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_VARBIT_P(result);
}

/*
 * What of start..start + count - 1, counted from 1, is inside the vector, as
 * substring does it; but there must be something.
 */
PG_FUNCTION_INFO_V1(subvector);
Datum
subvector(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR(0);
	int64		start = PG_GETARG_INT32(1);
	int64		end = start + PG_GETARG_INT32(2);
	Vector	   *result;

	start = Max(start, 1);
	end = Min(end, a->dim + 1);
	check_dim(&vector_kind, end - start, NULL);

	result = vector_create(end - start);
	memcpy(result->x, &a->x[start - 1], sizeof(float) * result->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_VECTOR(result);
}

/*
 * Arithmetic, element by element
 */

PG_FUNCTION_INFO_V1(vector_add);
Datum
vector_add(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR(0);
	Vector	   *b = PG_GETARG_VECTOR(1);
	Vector	   *result;

	vector_check_dims(a, b);
	result = vector_create(a->dim);
	for (int i = 0; i < a->dim; i++)
		result->x[i] = a->x[i] + b->x[i];

	for (int i = 0; i < a->dim; i++)
	{
		if (unlikely(isinf(result->x[i])))
			float_overflow_error();
	}

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_VECTOR(result);
}

PG_FUNCTION_INFO_V1(vector_sub);
Datum
vector_sub(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR(0);
	Vector	   *b = PG_GETARG_VECTOR(1);
	Vector	   *result;

	vector_check_dims(a, b);
	result = vector_create(a->dim);
	for (int i = 0; i < a->dim; i++)
		result->x[i] = a->x[i] - b->x[i];

	for (int i = 0; i < a->dim; i++)
	{
		if (unlikely(isinf(result->x[i])))
			float_overflow_error();
	}

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_VECTOR(result);
}

PG_FUNCTION_INFO_V1(vector_mul);
Datum
vector_mul(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR(0);
	Vector	   *b = PG_GETARG_VECTOR(1);
	Vector	   *result;

	vector_check_dims(a, b);
	result = vector_create(a->dim);
	for (int i = 0; i < a->dim; i++)
		result->x[i] = a->x[i] * b->x[i];

	for (int i = 0; i < a->dim; i++)
	{
		if (unlikely(isinf(result->x[i])))
			float_overflow_error();
		if (unlikely(result->x[i] == 0) && a->x[i] != 0 && b->x[i] != 0)
			float_underflow_error();
	}

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_VECTOR(result);
}

PG_FUNCTION_INFO_V1(vector_concat);
Datum
vector_concat(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR(0);
	Vector	   *b = PG_GETARG_VECTOR(1);
	int			dim = a->dim + b->dim;
	Vector	   *result;

	check_dim(&vector_kind, dim, NULL);
	result = vector_create(dim);
	memcpy(result->x, a->x, sizeof(float) * a->dim);
	memcpy(result->x + a->dim, b->x, sizeof(float) * b->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_VECTOR(result);
}

/*
 * Comparison
 */

int
vector_compare(const Vector *a, const Vector *b)
{
	int			dim = Min(a->dim, b->dim);

	for (int i = 0; i < dim; i++)
	{
		if (a->x[i] < b->x[i])
			return -1;
		if (a->x[i] > b->x[i])
			return 1;
	}

	return a->dim - b->dim;
}

/*
 * Compares both arguments of an SQL function.  Copies are freed, as sorting
 * and index builds call this many times in one memory context.
 */
static int
compare_arguments(FunctionCallInfo fcinfo)
{
	Vector	   *a = PG_GETARG_VECTOR(0);
	Vector	   *b = PG_GETARG_VECTOR(1);
	int			result = vector_compare(a, b);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

PG_FUNCTION_INFO_V1(vector_lt);
Datum
vector_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

PG_FUNCTION_INFO_V1(vector_le);
Datum
vector_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

PG_FUNCTION_INFO_V1(vector_eq);
Datum
vector_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

PG_FUNCTION_INFO_V1(vector_ne);
Datum
vector_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

PG_FUNCTION_INFO_V1(vector_ge);
Datum
vector_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

PG_FUNCTION_INFO_V1(vector_gt);
Datum
vector_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

PG_FUNCTION_INFO_V1(vector_cmp);
Datum
vector_cmp(PG_FUNCTION_ARGS)
{
	int			order = compare_arguments(fcinfo);

	/* -1, 0 or 1, which users see */
	PG_RETURN_INT32((order > 0) - (order < 0));
}
