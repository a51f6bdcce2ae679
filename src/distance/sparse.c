/*-------------------------------------------------------------------------
 *
 * sparse.c
 *	  Distances of sparse arrays.
 *
 * A kernel finds for each element of one array its partner in the other, 0
 * where there is none, and what of the other is left without partner.  The
 * rest is work for the kernels of dense arrays.
 *
 * src/distance/sparse.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "distance/distance.h"

float
sparse_l2_squared(SparseArray a, SparseArray b)
{
	float		partners[SPARSE_MAX];
	float		rest[SPARSE_MAX];

	distance_kernels->align_sparse(a, b, partners, rest);
	return distance_kernels->l2_squared_f32(a.values, partners, a.n) +
		distance_kernels->inner_product_f32(rest, rest, b.n);
}

float
sparse_inner_product(SparseArray a, SparseArray b)
{
	float		partners[SPARSE_MAX];
	float		rest[SPARSE_MAX];

	distance_kernels->align_sparse(a, b, partners, rest);
	return distance_kernels->inner_product_f32(a.values, partners, a.n);
}

float
sparse_l1(SparseArray a, SparseArray b)
{
	static const float zeros[256];
	float		partners[SPARSE_MAX];
	float		rest[SPARSE_MAX];
	float		sum;

	distance_kernels->align_sparse(a, b, partners, rest);
	sum = distance_kernels->l1_f32(a.values, partners, a.n);
	for (int j = 0; j < b.n; j += lengthof(zeros))
		sum += distance_kernels->l1_f32(rest + j, zeros,
										Min((int) lengthof(zeros), b.n - j));
	return sum;
}
