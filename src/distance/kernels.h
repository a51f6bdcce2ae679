/*-------------------------------------------------------------------------
 *
 * kernels.h
 *	  What the implementations of the distance kernels share.
 *
 * Each kernels_*.c compiles everywhere and is empty on architectures that
 * it is not for.  Instruction sets beyond the baseline are asked for with
 * function attributes, so one build runs on every CPU of its architecture;
 * only distance.c decides which functions may run.
 *
 * Several kernels differ in one operation only.  They are written once as an
 * always-inlined function that takes the operation as an argument; every
 * caller passes a constant.
 *
 * src/distance/kernels.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_KERNELS_H
#define HNSW_KERNELS_H

#include <math.h>

#include "distance/distance.h"

#if defined(__x86_64__) && (defined(__clang__) || defined(__GNUC__))
#define HNSW_KERNELS_X86
#endif

#if defined(__aarch64__) && defined(__ARM_NEON) && \
	(defined(__clang__) || defined(__GNUC__))
#define HNSW_KERNELS_NEON
#endif

/*
 * The dot product instructions of ARMv8.2.  clang before 16 declares their
 * intrinsics only when the whole file is compiled for them.
 */
#ifdef HNSW_KERNELS_NEON
#if defined(__ARM_FEATURE_DOTPROD)
#define HNSW_KERNELS_NEON_DOT
#define NEON_DOT
#elif !defined(__clang__) || __clang_major__ >= 16
#define HNSW_KERNELS_NEON_DOT
#define NEON_DOT __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
#endif

/* What a float kernel sums up */
typedef enum TermKind
{
	TERM_SQUARED_DIFFERENCE,
	TERM_PRODUCT,
	TERM_ABSOLUTE_DIFFERENCE
} TermKind;

static pg_attribute_always_inline float
term(float a, float b, TermKind kind)
{
	if (kind == TERM_PRODUCT)
		return a * b;
	if (kind == TERM_ABSOLUTE_DIFFERENCE)
		return fabsf(a - b);
	return (a - b) * (a - b);
}

static pg_attribute_always_inline float
load_element(const void *array, int i, ElementKind element)
{
	if (element == ELEMENT_F16)
		return half_to_float(((const Half *) array)[i]);
	return ((const float *) array)[i];
}

/*
 * Defines the float kernels of one kind of element by a set's sum_terms() and
 * sum_cosine(); target is the attribute that names instruction sets.
 */
#define FLOAT_KERNELS(target, suffix, type, element) \
static target float \
l2_squared_##suffix(const type *a, const type *b, int n) \
{ \
	return sum_terms(a, b, n, TERM_SQUARED_DIFFERENCE, element); \
} \
static target float \
inner_product_##suffix(const type *a, const type *b, int n) \
{ \
	return sum_terms(a, b, n, TERM_PRODUCT, element); \
} \
static target float \
l1_##suffix(const type *a, const type *b, int n) \
{ \
	return sum_terms(a, b, n, TERM_ABSOLUTE_DIFFERENCE, element); \
} \
static target CosineParts \
cosine_##suffix(const type *a, const type *b, int n) \
{ \
	return sum_cosine(a, b, n, element); \
}

/* How a bit kernel joins its two inputs before it counts */
typedef enum BitOperation
{
	BITS_XOR,
	BITS_AND,
	BITS_OR
} BitOperation;

static pg_attribute_always_inline uint64
join_words(uint64 a, uint64 b, BitOperation operation)
{
	if (operation == BITS_AND)
		return a & b;
	if (operation == BITS_OR)
		return a | b;
	return a ^ b;
}

/*
 * What is left of two sparse arrays from their elements i and j on: stores
 * partners, and clears their values in rest.
 */
static inline void
align_merging(SparseArray a, int i, SparseArray b, int j, float *partners,
			  float *rest)
{
	while (i < a.n && j < b.n)
	{
		if (a.indices[i] < b.indices[j])
			i++;
		else if (a.indices[i] > b.indices[j])
			j++;
		else
		{
			partners[i++] = b.values[j];
			rest[j++] = 0;
		}
	}
}

/* Before anything is known of partners */
static inline void
align_begin(SparseArray a, SparseArray b, float *partners, float *rest)
{
	memset(partners, 0, a.n * sizeof(float));
	memcpy(rest, b.values, b.n * sizeof(float));
}

extern const DistanceKernels distance_kernels_portable;

#ifdef HNSW_KERNELS_X86
extern const DistanceKernels distance_kernels_avx2;
extern const DistanceKernels distance_kernels_avx512;
extern const DistanceKernels distance_kernels_avx512_popcnt;

/* decimals_avx2.c */
extern void decimals_avx2(Decimals *to, const float *values, int n);

/* sparse_avx2.c */
extern void align_sparse_avx2(SparseArray a, SparseArray b, float *partners,
							  float *rest);
#endif

#ifdef HNSW_KERNELS_NEON
extern const DistanceKernels distance_kernels_neon;
#endif
#ifdef HNSW_KERNELS_NEON_DOT
extern const DistanceKernels distance_kernels_neon_dot;
#endif

#endif							/* HNSW_KERNELS_H */
