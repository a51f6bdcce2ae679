/*-------------------------------------------------------------------------
 *
 * vector_cast.c
 *	  The type vector: casts to itself, from and to arrays.
 *
 * src/types/vector_cast.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "types/dense_array.h"
#include "types/vector.h"

/* The cast to itself applies a type modifier. */
PG_FUNCTION_INFO_V1(vector);
Datum
vector(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR(0);

	check_expected_dim(PG_GETARG_INT32(1), a->dim, NULL);

	PG_RETURN_VECTOR(a);
}

/* From integer[], real[], double precision[] and numeric[]. */
PG_FUNCTION_INFO_V1(array_to_vector);
Datum
array_to_vector(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int32		typmod = PG_GETARG_INT32(1);
	int			dim = dense_array_dim(&vector_kind, array);
	Vector	   *result;

	check_expected_dim(typmod, dim, NULL);

	result = vector_create(dim);
	dense_array_read(&vector_kind, array, result->x);

	PG_FREE_IF_COPY(array, 0);
	PG_RETURN_VECTOR(result);
}

PG_FUNCTION_INFO_V1(vector_to_float4);
Datum
vector_to_float4(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR(0);
	ArrayType  *result = dense_array_create(FLOAT4OID, sizeof(float), a->dim);

	memcpy(dense_array_elements(result), a->x, sizeof(float) * a->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_ARRAYTYPE_P(result);
}
