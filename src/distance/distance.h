/*-------------------------------------------------------------------------
 *
 * distance.h
 *	  Distance kernels: arithmetic on arrays of numbers, one implementation
 *	  per instruction set, picked once by CPU.
 *
 * Nothing here knows what an index or an SQL value is.  Every kernel accepts
 * any length including 0 and arrays aligned no better than their elements,
 * reads exactly the bytes it is told to, and sets no errors: overflow gives
 * infinity in the float kernels and cannot happen in the integer ones for the
 * lengths this extension allows (at most 64000 elements).
 *
 * The integer kernels, hadamard_f32 and the conversions give the same bits in
 * every set, so that codes written under one CPU mean the same under another
 * (NaNs keep no particular payload).  The float sums differ between sets in
 * rounding only: with t the sum of the magnitudes of the n exact terms, a
 * result is within (n / 8 + 16) * 2^-24 * t of the exact sum, as long as
 * nothing overflows and n times the smallest normal number is small against
 * t.  For l1_f32_u8 the magnitude of a term is |query| + |low| +
 * |step * code|.
 *
 * src/distance/distance.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_DISTANCE_H
#define HNSW_DISTANCE_H

#include "distance/decimals.h"
#include "distance/half.h"
#include "distance/sparse.h"

/* What the arrays of a float kernel hold */
typedef enum ElementKind
{
	ELEMENT_F32,
	ELEMENT_F16
} ElementKind;

/* Dot product and both squared norms, computed in one pass over the data. */
typedef struct CosineParts
{
	float		dot;
	float		norm_a;			/* sum of a[i]^2 */
	float		norm_b;			/* sum of b[i]^2 */
} CosineParts;

typedef struct DistanceKernels
{
	const char *name;			/* "portable", "avx2", "avx512",
								 * "avx512_popcnt", "neon", "neon_dot" */

	/* float32 arrays of n elements, accumulated in float32 */
	float		(*l2_squared_f32) (const float *a, const float *b, int n);
	float		(*inner_product_f32) (const float *a, const float *b, int n);
	float		(*l1_f32) (const float *a, const float *b, int n);
	CosineParts (*cosine_f32) (const float *a, const float *b, int n);

	/* the same of half-precision arrays, also accumulated in float32 */
	float		(*l2_squared_f16) (const Half *a, const Half *b, int n);
	float		(*inner_product_f16) (const Half *a, const Half *b, int n);
	float		(*l1_f16) (const Half *a, const Half *b, int n);
	CosineParts (*cosine_f16) (const Half *a, const Half *b, int n);

	/* n elements converted; exact, and rounded to the nearest even */
	void		(*f32_from_f16) (float *to, const Half *from, int n);
	void		(*f16_from_f32) (Half *to, const float *from, int n);

	/*
	 * Decimal digits of n elements, n at most DECIMALS_MAX.  NULL where many at
	 * a time are no faster than one by one.
	 */
	void		(*decimals_f32) (Decimals *to, const float *values, int n);

	/*
	 * For each element of a the value of b at its index, or 0, and the values
	 * of b with 0 instead of those.
	 */
	void		(*align_sparse) (SparseArray a, SparseArray b,
								 float *partners, float *rest);

	/*
	 * In-place unnormalized Walsh-Hadamard transform of 2^log2n elements
	 * (result is the true transform, no 1/sqrt(n)).
	 */
	void		(*hadamard_f32) (float *x, int log2n);

	/* sum of code[i] * query[i], n elements of one byte each */
	int32		(*dot_u8_s8) (const uint8 *code, const int8 *query, int n);

	/*
	 * Two 4-bit codes per byte: sum over the n bytes of (code[i] & 15) *
	 * query_lo[i] + (code[i] >> 4) * query_hi[i].
	 */
	int32		(*dot_u4_s8) (const uint8 *code, const int8 *query_lo,
							  const int8 *query_hi, int n);

	/* sum of |query[i] - (low + step * code[i])|, n elements */
	float		(*l1_f32_u8) (const float *query, const uint8 *code,
							  float low, float step, int n);

	/* population counts over n bytes of a^b, a&b and a|b */
	uint64		(*xor_bits) (const uint8 *a, const uint8 *b, int n);
	uint64		(*and_bits) (const uint8 *a, const uint8 *b, int n);
	uint64		(*or_bits) (const uint8 *a, const uint8 *b, int n);
} DistanceKernels;

/* The set in use: the portable one until distance_init() has run. */
extern const DistanceKernels *distance_kernels;

/* Picks the best set that this CPU runs. */
extern void distance_init(void);

/*
 * The compiled-in sets that this CPU can run, portable first, best last;
 * stores how many in *count.
 */
extern const DistanceKernels *const *distance_supported_kernels(int *count);

/* Forces a set by name; false when the name is unknown or not runnable here. */
extern bool distance_use_kernels(const char *name);

#endif							/* HNSW_DISTANCE_H */
