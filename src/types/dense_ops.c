/*-------------------------------------------------------------------------
 *
 * dense_ops.c
 *	  The types vector and halfvec: norms, parts, arithmetic, comparison.
 *
 * src/types/dense_ops.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "compat.h"
#include "types/comparison.h"
#include "types/dense.h"
#include "types/norm.h"
#include "utils/float.h"
#include "utils/varbit.h"

/*
 * How many elements the chunk has that begins at i.  Unsigned, as compilers
 * warn of the negative length that they think possible.
 */
static inline int
chunk_size(const DenseVector *vector, int i)
{
	return Min((uint32) DENSE_CHUNK, (uint32) (vector->dim - i));
}

/*
 * Properties and derived values
 */

static pg_attribute_always_inline double
norm(const VectorKind *kind, DenseVector *vector)
{
	double		sum = 0;

	for (int i = 0; i < vector->dim; i += DENSE_CHUNK)
	{
		int			n = chunk_size(vector, i);
		float		buffer[DENSE_CHUNK];

		sum += sum_of_squares(dense_floats(kind, vector, i, n, buffer), n);
	}

	return sqrt(sum);
}

static pg_attribute_always_inline Datum
dense_dims(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	DenseVector *a = PG_GETARG_DENSE(kind, 0);
	int			dim = a->dim;

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_INT32(dim);
}

DENSE_FUNCTION(dims);

static pg_attribute_always_inline Datum
dense_norm(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	DenseVector *a = PG_GETARG_DENSE(kind, 0);
	double		result = norm(kind, a);

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_FLOAT8(result);
}

DENSE_FUNCTION(norm);

/* Zero stays zero. */
static pg_attribute_always_inline Datum
dense_l2_normalize(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	DenseVector *a = PG_GETARG_DENSE(kind, 0);
	DenseVector *result = dense_create(kind, a->dim);
	double		length = norm(kind, a);

	for (int i = 0; i < a->dim; i += DENSE_CHUNK)
	{
		int			n = chunk_size(a, i);
		float		buffer[DENSE_CHUNK];
		float		quotients[DENSE_CHUNK];
		const float *x = dense_floats(kind, a, i, n, buffer);

		for (int k = 0; k < n; k++)
			quotients[k] = length > 0 ? x[k] / length : 0;
		dense_store(kind, result, i, quotients, n);
	}

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_POINTER(result);
}

DENSE_FUNCTION(l2_normalize);

static pg_attribute_always_inline Datum
dense_binary_quantize(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	DenseVector *a = PG_GETARG_DENSE(kind, 0);
	VarBit	   *result = palloc0(VARBITTOTALLEN(a->dim));

	SET_VARSIZE(result, VARBITTOTALLEN(a->dim));
	VARBITLEN(result) = a->dim;
	for (int i = 0; i < a->dim; i += DENSE_CHUNK)
	{
		int			n = chunk_size(a, i);
		float		buffer[DENSE_CHUNK];
		const float *x = dense_floats(kind, a, i, n, buffer);
		bits8	   *bits = VARBITS(result) + i / 8;

		for (int k = 0; k < n; k++)
			bits[k / 8] |= (x[k] > 0) << (7 - k % 8);
	}

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_VARBIT_P(result);
}

DENSE_FUNCTION(binary_quantize);

/*
 * What of start..start + count - 1, counted from 1, is inside the vector, as
 * substring does it; but there must be something.
 */
static pg_attribute_always_inline Datum
dense_subvector(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	DenseVector *a = PG_GETARG_DENSE(kind, 0);
	int64		start = PG_GETARG_INT32(1);
	int64		end = start + PG_GETARG_INT32(2);
	DenseVector *result;

	start = Max(start, 1);
	end = Min(end, a->dim + 1);
	check_dim(kind, end - start, NULL);

	result = dense_create(kind, end - start);
	memcpy(result->x, dense_elements(kind, a, start - 1),
		   dense_element_size(kind) * result->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_POINTER(result);
}

DENSE_FUNCTION(subvector);

/*
 * Arithmetic
 */

static pg_attribute_always_inline Datum
dense_concat(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	DenseVector *a = PG_GETARG_DENSE(kind, 0);
	DenseVector *b = PG_GETARG_DENSE(kind, 1);
	int			dim = a->dim + b->dim;
	DenseVector *result;

	check_dim(kind, dim, NULL);
	result = dense_create(kind, dim);
	memcpy(result->x, a->x, dense_element_size(kind) * a->dim);
	memcpy(dense_elements(kind, result, a->dim), b->x,
		   dense_element_size(kind) * b->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_POINTER(result);
}

DENSE_FUNCTION(concat);

typedef enum Operation
{
	ADD,
	SUBTRACT,
	MULTIPLY
} Operation;

static pg_attribute_always_inline float
operate(float a, float b, Operation operation)
{
	if (operation == ADD)
		return a + b;
	if (operation == SUBTRACT)
		return a - b;
	return a * b;
}

/* Stores the results for n elements, or raises an error for one of them. */
static pg_attribute_always_inline void
operate_on_chunk(const VectorKind *kind, const float *a, const float *b,
				 float *results, int n, Operation operation)
{
	for (int i = 0; i < n; i++)
		results[i] = operate(a[i], b[i], operation);

	for (int i = 0; i < n; i++)
	{
		if (!is_element(kind, results[i]))
			float_overflow_error();
		if (operation == MULTIPLY &&
			unlikely(fabsf(results[i]) <= kind->underflow) &&
			a[i] != 0 && b[i] != 0)
			float_underflow_error();
	}
}

/* Element by element */
static pg_attribute_always_inline Datum
dense_operate(FunctionCallInfo fcinfo, const VectorKind *kind,
			  Operation operation)
{
	DenseVector *a = PG_GETARG_DENSE(kind, 0);
	DenseVector *b = PG_GETARG_DENSE(kind, 1);
	DenseVector *result;

	check_same_dim(kind, a->dim, b->dim);
	result = dense_create(kind, a->dim);
	for (int i = 0; i < a->dim; i += DENSE_CHUNK)
	{
		int			n = chunk_size(a, i);
		float		buffer_a[DENSE_CHUNK];
		float		buffer_b[DENSE_CHUNK];
		float		results[DENSE_CHUNK];

		operate_on_chunk(kind, dense_floats(kind, a, i, n, buffer_a),
						 dense_floats(kind, b, i, n, buffer_b), results, n,
						 operation);
		dense_store(kind, result, i, results, n);
	}

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_POINTER(result);
}

static pg_attribute_always_inline Datum
dense_add(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	return dense_operate(fcinfo, kind, ADD);
}

DENSE_FUNCTION(add);

static pg_attribute_always_inline Datum
dense_sub(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	return dense_operate(fcinfo, kind, SUBTRACT);
}

DENSE_FUNCTION(sub);

static pg_attribute_always_inline Datum
dense_mul(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	return dense_operate(fcinfo, kind, MULTIPLY);
}

DENSE_FUNCTION(mul);

/*
 * Comparison: by the first element that differs, then by dimensions
 */

/* -1, 0 or 1 */
static int
compare_floats(const float *a, const float *b, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	}
	return 0;
}

static pg_attribute_always_inline int
compare(const VectorKind *kind, DenseVector *a, DenseVector *b)
{
	int			dim = Min(a->dim, b->dim);

	for (int i = 0; i < dim; i += DENSE_CHUNK)
	{
		int			n = Min(DENSE_CHUNK, dim - i);
		float		buffer_a[DENSE_CHUNK];
		float		buffer_b[DENSE_CHUNK];
		int			order;

		order = compare_floats(dense_floats(kind, a, i, n, buffer_a),
							   dense_floats(kind, b, i, n, buffer_b), n);
		if (order != 0)
			return order;
	}

	return (a->dim > b->dim) - (a->dim < b->dim);
}

/*
 * Compares both arguments of an SQL function.  Copies are freed, as sorting
 * and index builds call this many times in one memory context.
 */
static pg_attribute_always_inline int
compare_arguments(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	DenseVector *a = PG_GETARG_DENSE(kind, 0);
	DenseVector *b = PG_GETARG_DENSE(kind, 1);
	int			result = compare(kind, a, b);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

COMPARISON_FUNCTIONS(vector, compare_arguments(fcinfo, &vector_kind));
COMPARISON_FUNCTIONS(halfvec, compare_arguments(fcinfo, &halfvec_kind));
