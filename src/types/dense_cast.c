/*-------------------------------------------------------------------------
 *
 * dense_cast.c
 *	  The types vector and halfvec: casts to each other, from and to arrays.
 *
 * src/types/dense_cast.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "types/dense.h"
#include "types/number_array.h"

/* From integer[], real[], double precision[] and numeric[]. */
static pg_attribute_always_inline Datum
dense_from_array(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int32		typmod = PG_GETARG_INT32(1);
	int			dim = number_array_dim(kind, array);
	float		values[DENSE_MAX_DIM];

	check_expected_dim(typmod, dim, NULL);
	number_array_read(kind, array, values);

	PG_FREE_IF_COPY(array, 0);
	PG_RETURN_POINTER(dense_from_floats(kind, values, dim));
}

DENSE_FUNCTION(from_array);

static pg_attribute_always_inline Datum
dense_to_float4(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	DenseVector *a = PG_GETARG_DENSE(kind, 0);
	ArrayType  *result = number_array_create(FLOAT4OID, sizeof(float),
											 a->dim);

	dense_read(kind, a, 0, number_array_elements(result), a->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_ARRAYTYPE_P(result);
}

DENSE_FUNCTION(to_float4);

/* The cast to itself applies a type modifier. */
static pg_attribute_always_inline Datum
dense_to_same(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	DenseVector *a = PG_GETARG_DENSE(kind, 0);

	check_expected_dim(PG_GETARG_INT32(1), a->dim, NULL);

	PG_RETURN_POINTER(a);
}

DENSE_FUNCTION(to_same);

static pg_attribute_always_inline Datum
convert(FunctionCallInfo fcinfo, const VectorKind *from, const VectorKind *to)
{
	DenseVector *a = PG_GETARG_DENSE(from, 0);
	DenseVector *result;

	check_expected_dim(PG_GETARG_INT32(1), a->dim, NULL);

	result = dense_create(to, a->dim);
	for (int i = 0; i < a->dim; i += DENSE_CHUNK)
	{
		int			n = Min(DENSE_CHUNK, a->dim - i);
		float		buffer[DENSE_CHUNK];
		const float *values = dense_floats(from, a, i, n, buffer);

		check_elements(to, values, n);
		dense_store(to, result, i, values, n);
	}

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(vector_to_halfvec);
Datum
vector_to_halfvec(PG_FUNCTION_ARGS)
{
	return convert(fcinfo, &vector_kind, &halfvec_kind);
}

PG_FUNCTION_INFO_V1(halfvec_to_vector);
Datum
halfvec_to_vector(PG_FUNCTION_ARGS)
{
	return convert(fcinfo, &halfvec_kind, &vector_kind);
}
