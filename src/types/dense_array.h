/*-------------------------------------------------------------------------
 *
 * dense_array.h
 *	  SQL arrays of numbers, as vector types are cast from and to them.
 *
 * src/types/dense_array.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_DENSE_ARRAY_H
#define HNSW_DENSE_ARRAY_H

#include "types/kind.h"
#include "utils/array.h"

extern int	dense_array_dim(const VectorKind *kind, ArrayType *array);
extern void dense_array_read(const VectorKind *kind, ArrayType *array,
							 float *values);

/* The elements, one after the other; ARR_DATA_PTR mixes signs and warns. */
static inline void *
dense_array_elements(ArrayType *array)
{
	Size		offset = ARR_HASNULL(array) ? (Size) array->dataoffset :
		ARR_OVERHEAD_NONULLS(ARR_NDIM(array));

	return (char *) array + offset;
}

extern ArrayType *dense_array_create(Oid element_type, int element_size,
									 int n);

#endif							/* HNSW_DENSE_ARRAY_H */
