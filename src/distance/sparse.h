/*-------------------------------------------------------------------------
 *
 * sparse.h
 *	  Distances of sparse arrays: values with their indices, all others 0.
 *
 * Sums are those of the dense kernels, and have the accuracy that distance.h
 * states.
 *
 * src/distance/sparse.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_SPARSE_H
#define HNSW_SPARSE_H

#define SPARSE_MAX	16000		/* elements of an array, at most */

typedef struct SparseArray
{
	const int32 *indices;		/* ascending, no two equal */
	const float *values;
	int			n;
} SparseArray;

extern float sparse_l2_squared(SparseArray a, SparseArray b);
extern float sparse_inner_product(SparseArray a, SparseArray b);
extern float sparse_l1(SparseArray a, SparseArray b);

#endif							/* HNSW_SPARSE_H */
