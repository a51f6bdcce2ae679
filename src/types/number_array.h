/*-------------------------------------------------------------------------
 *
 * number_array.h
 *	  SQL arrays of numbers, as vector types are cast from and to them.
 *
 * src/types/number_array.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_NUMBER_ARRAY_H
#define HNSW_NUMBER_ARRAY_H

#include "types/kind.h"
#include "utils/array.h"

extern int	number_array_dim(const VectorKind *kind, ArrayType *array);
extern void number_array_read(const VectorKind *kind, ArrayType *array,
							 float *values);

/* The elements, one after the other; ARR_DATA_PTR mixes signs and warns. */
static inline void *
number_array_elements(ArrayType *array)
{
	Size		offset = ARR_HASNULL(array) ? (Size) array->dataoffset :
		ARR_OVERHEAD_NONULLS(ARR_NDIM(array));

	return (char *) array + offset;
}

extern ArrayType *number_array_create(Oid element_type, int element_size,
									 int n);

#endif							/* HNSW_NUMBER_ARRAY_H */
