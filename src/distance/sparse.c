/*-------------------------------------------------------------------------
 *
 * sparse.c
 *	  Distances of sparse arrays.
 *
 * Which array has the next index is as good as random, so that a branch on it
 * would be mispredicted at every other step: both are advanced by a comparison
 * that is a number.
 *
 * src/distance/sparse.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "distance/kernels.h"
#include "distance/sparse.h"

static pg_attribute_always_inline float
sum_merged(SparseArray a, SparseArray b, TermKind kind)
{
	float		sums[2] = {0, 0};
	int			i = 0;
	int			j = 0;

	while (i < a.n && j < b.n)
	{
		bool		has_a = a.indices[i] <= b.indices[j];
		bool		has_b = b.indices[j] <= a.indices[i];

		sums[0] += term(has_a ? a.values[i] : 0, has_b ? b.values[j] : 0,
						kind);
		i += has_a;
		j += has_b;
	}
	if (kind == TERM_PRODUCT)
		return sums[0];

	for (; i < a.n; i++)
		sums[i % 2] += term(a.values[i], 0, kind);
	for (; j < b.n; j++)
		sums[j % 2] += term(0, b.values[j], kind);
	return sums[0] + sums[1];
}

float
sparse_l2_squared(SparseArray a, SparseArray b)
{
	return sum_merged(a, b, TERM_SQUARED_DIFFERENCE);
}

float
sparse_inner_product(SparseArray a, SparseArray b)
{
	return sum_merged(a, b, TERM_PRODUCT);
}

float
sparse_l1(SparseArray a, SparseArray b)
{
	return sum_merged(a, b, TERM_ABSOLUTE_DIFFERENCE);
}
