/*-------------------------------------------------------------------------
 *
 * sparse_avx2.c
 *	  Partners in sparse arrays, for x86-64 CPUs with AVX2.
 *
 * Which of two arrays has the next index cannot be predicted.  Here blocks of
 * eight indices are compared each with each, and the block whose last index is
 * lower, or both, gives way to the next, by arithmetic.
 *
 * src/distance/sparse_avx2.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "distance/kernels.h"

#ifdef HNSW_KERNELS_X86

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma,f16c,popcnt")))

/* Elements of a block */
#define BLOCK			8

static inline AVX2 __m256i
load_indices(const int32 *indices)
{
	return _mm256_loadu_si256((const __m256i *) indices);
}

/* Elements turned by one place */
static inline AVX2 __m256i
turn(__m256i block)
{
	const __m256i next = _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 0);

	return _mm256_permutevar8x32_epi32(block, next);
}

/* Does any element of one block equal any of the other? */
static inline AVX2 bool
blocks_meet(__m256i a, __m256i b)
{
	/* within halves, and then with the halves of the other exchanged */
	__m256i		other = _mm256_permute2x128_si256(b, b, 1);
	__m256i		equal = _mm256_or_si256(_mm256_cmpeq_epi32(a, b),
										_mm256_cmpeq_epi32(a, other));

	for (int i = 1; i < BLOCK / 2; i++)
	{
		b = _mm256_shuffle_epi32(b, _MM_SHUFFLE(0, 3, 2, 1));
		other = _mm256_shuffle_epi32(other, _MM_SHUFFLE(0, 3, 2, 1));
		equal = _mm256_or_si256(equal, _mm256_cmpeq_epi32(a, b));
		equal = _mm256_or_si256(equal, _mm256_cmpeq_epi32(a, other));
	}
	return !_mm256_testz_si256(equal, equal);
}

/* Stores the partners among two blocks, and clears their values in rest. */
static AVX2 void
join_blocks(__m256i a, __m256i b, __m256i values, float *partners,
			float *rest)
{
	__m256i		found = _mm256_loadu_si256((const __m256i *) partners);
	__m256i		place = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	int			taken = 0;

	for (int i = 0; i < BLOCK; i++)
	{
		__m256i		equal = _mm256_cmpeq_epi32(a, b);
		int			mask = _mm256_movemask_ps(_mm256_castsi256_ps(equal));

		found = _mm256_or_si256(found, _mm256_and_si256(equal, values));
		taken |= (mask << i) | (mask >> (BLOCK - i));
		b = turn(b);
		values = turn(values);
	}

	_mm256_storeu_si256((__m256i *) partners, found);
	/* a bit for each place of b */
	place = _mm256_sllv_epi32(_mm256_set1_epi32(1), place);
	place = _mm256_and_si256(place, _mm256_set1_epi32(taken));
	place = _mm256_cmpeq_epi32(place, _mm256_setzero_si256());
	_mm256_storeu_ps(rest, _mm256_and_ps(_mm256_castsi256_ps(place),
										 _mm256_loadu_ps(rest)));
}

AVX2 void
align_sparse_avx2(SparseArray a, SparseArray b, float *partners, float *rest)
{
	int			i = 0;
	int			j = 0;

	align_begin(a, b, partners, rest);
	while (i + BLOCK <= a.n && j + BLOCK <= b.n)
	{
		int32		last_a = a.indices[i + BLOCK - 1];
		int32		last_b = b.indices[j + BLOCK - 1];
		__m256i		block_a = load_indices(a.indices + i);
		__m256i		block_b = load_indices(b.indices + j);

		if (blocks_meet(block_a, block_b))
			join_blocks(block_a, block_b,
						_mm256_loadu_si256((const __m256i *) (b.values + j)),
						partners + i, rest + j);
		i += (last_a <= last_b) * BLOCK;
		j += (last_b <= last_a) * BLOCK;
	}
	align_merging(a, i, b, j, partners, rest);
}

#endif							/* HNSW_KERNELS_X86 */
