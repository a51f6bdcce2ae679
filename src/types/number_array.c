/*-------------------------------------------------------------------------
 *
 * number_array.c
 *	  SQL arrays of numbers, as vector types are cast from and to them.
 *
 * src/types/number_array.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "types/number_array.h"
#include "utils/fmgrprotos.h"

/*
 * number_array_dim
 *		The number of elements of an array that is to become a vector: it must
 *		be one-dimensional, without nulls, neither empty nor too long.
 */
int
number_array_dim(const VectorKind *kind, ArrayType *array)
{
	int			n;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("array must be 1-D")));

	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("array must not contain nulls")));

	n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	check_dim(kind, n, NULL);
	return n;
}

/* From elements that lie one after the other as C numbers of a type. */
#define READ_ELEMENTS(type) \
	do { \
		const type *elements = number_array_elements(array); \
		for (int i = 0; i < n; i++) \
			values[i] = (float) elements[i]; \
	} while (0)

static void
read_numeric_elements(ArrayType *array, float *values)
{
	Datum	   *elements;
	int			n;

	deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT, &elements,
					  NULL, &n);
	for (int i = 0; i < n; i++)
		values[i] = DatumGetFloat4(DirectFunctionCall1(numeric_float4,
													   elements[i]));
	pfree(elements);
}

/*
 * number_array_read
 *		Converts the elements of an array that number_array_dim has passed, and
 *		checks them.
 */
void
number_array_read(const VectorKind *kind, ArrayType *array, float *values)
{
	int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	switch (ARR_ELEMTYPE(array))
	{
		case INT4OID:
			READ_ELEMENTS(int32);
			break;
		case FLOAT4OID:
			READ_ELEMENTS(float4);
			break;
		case FLOAT8OID:
			READ_ELEMENTS(float8);
			break;
		case NUMERICOID:
			read_numeric_elements(array, values);
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("unsupported array type")));
	}

	check_elements(kind, values, n);
}

/*
 * number_array_create
 *		A one-dimensional array without nulls of n elements of fixed size,
 *		which are not set.
 */
ArrayType *
number_array_create(Oid element_type, int element_size, int n)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + (Size) element_size * n;
	ArrayType  *array = palloc(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = element_type;
	ARR_DIMS(array)[0] = n;
	ARR_LBOUND(array)[0] = 1;

	return array;
}
