/*-------------------------------------------------------------------------
 *
 * sparsevec_cast.c
 *	  The type sparsevec: casts to itself, from and to the dense types, from
 *	  arrays.
 *
 * src/types/sparsevec_cast.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "types/dense.h"
#include "types/number_array.h"
#include "types/sparsevec.h"

/*
 * from_floats
 *		The vector of dim elements, which check_element() has passed.
 */
static SparseVector *
from_floats(const float *values, int dim)
{
	SparseVector *result;
	int			nnz = 0;

	for (int i = 0; i < dim; i++)
		nnz += values[i] != 0;
	check_nnz(nnz, dim, NULL);

	result = sparsevec_create(dim, nnz);
	nnz = 0;
	for (int i = 0; i < dim; i++)
	{
		if (values[i] == 0)
			continue;
		result->indices[nnz] = i;
		sparsevec_values(result)[nnz] = values[i];
		nnz++;
	}

	return result;
}

/* From integer[], real[], double precision[] and numeric[]. */
PG_FUNCTION_INFO_V1(sparsevec_from_array);
Datum
sparsevec_from_array(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int32		typmod = PG_GETARG_INT32(1);
	int			dim = number_array_dim(&sparsevec_kind, array);
	float	   *values;
	SparseVector *result;

	check_expected_dim(typmod, dim, NULL);
	values = palloc_array(float, dim);
	number_array_read(&sparsevec_kind, array, values);
	result = from_floats(values, dim);

	pfree(values);
	PG_FREE_IF_COPY(array, 0);
	PG_RETURN_POINTER(result);
}

/* The cast to itself applies a type modifier. */
PG_FUNCTION_INFO_V1(sparsevec_to_same);
Datum
sparsevec_to_same(PG_FUNCTION_ARGS)
{
	SparseVector *a = PG_GETARG_SPARSEVEC(0);

	check_expected_dim(PG_GETARG_INT32(1), a->dim, NULL);

	PG_RETURN_POINTER(a);
}

static pg_attribute_always_inline Datum
dense_to_sparsevec(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	DenseVector *a = PG_GETARG_DENSE(kind, 0);
	float		buffer[DENSE_MAX_DIM];
	SparseVector *result;

	check_expected_dim(PG_GETARG_INT32(1), a->dim, NULL);
	result = from_floats(dense_floats(kind, a, 0, a->dim, buffer), a->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_POINTER(result);
}

DENSE_FUNCTION(to_sparsevec);

static pg_attribute_always_inline Datum
dense_from_sparsevec(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	SparseVector *a = PG_GETARG_SPARSEVEC(0);
	float		values[DENSE_MAX_DIM];
	DenseVector *result;

	check_dim(kind, a->dim, NULL);
	check_expected_dim(PG_GETARG_INT32(1), a->dim, NULL);
	check_elements(kind, sparsevec_values(a), a->nnz);
	check_stored_indices(a);

	memset(values, 0, sizeof(float) * a->dim);
	for (int i = 0; i < a->nnz; i++)
		values[a->indices[i]] = sparsevec_values(a)[i];
	result = dense_from_floats(kind, values, a->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_POINTER(result);
}

DENSE_FUNCTION(from_sparsevec);
