/*-------------------------------------------------------------------------
 *
 * decimals_avx2.c
 *	  Shortest decimal numbers of floats, for x86-64 CPUs with AVX2.
 *
 * The digits are those of an integer in the interval of what is rounded to the
 * float, multiplied by a power of ten 10^t with which the interval is longer
 * than 1 and shorter than 10; types/format_float.c says why.  There the
 * computation is exact, here it is in double, which is off by less than 2^-25.
 * That matters only where the result is next to an integer, at an end of the
 * interval, or next to the middle between two, at the float itself.  Such
 * elements are left to the caller, as are all that need another power of ten.
 *
 * src/distance/decimals_avx2.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "distance/kernels.h"

#ifdef HNSW_KERNELS_X86

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma,f16c,popcnt")))

#define LANES			4

/* 0.0001 and 10, between which t is from MIN_T to MIN_T + 5 */
#define FIRST_DONE		0x38d1b717
#define END_OF_DONE		0x41200000
#define MIN_T			7

/* How near to an integer is too near */
#define MARGIN			0x1p-20

typedef struct Scale
{
	__m256d		ten_to_t;
	__m256d		rest;			/* makes digits after the point nine */
} Scale;

static inline AVX2 __m256d
pick(__m256 table, __m128i index)
{
	__m256		picked = _mm256_permutevar8x32_ps(table,
												  _mm256_castsi128_si256(index));

	return _mm256_cvtps_pd(_mm256_castps256_ps128(picked));
}

static inline AVX2 Scale
pick_scale(__m128i t)
{
	/* 10^t / 10^6 and 10^(9 - t), which floats can be */
	const __m256 powers = _mm256_setr_ps(1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1, 1);
	const __m256 rests = _mm256_setr_ps(1e2, 1e1, 1, 1, 1, 1, 1, 1);
	__m128i		index = _mm_sub_epi32(t, _mm_set1_epi32(MIN_T));
	Scale		scale;

	scale.ten_to_t = _mm256_mul_pd(pick(powers, index), _mm256_set1_pd(1e6));
	scale.rest = pick(rests, index);
	return scale;
}

/* Two characters for each 16-bit number below 100, the tens first */
static inline AVX2 __m128i
two_characters(__m128i numbers)
{
	__m128i		tens = _mm_mulhi_epu16(numbers, _mm_set1_epi16(6554));
	__m128i		ones = _mm_sub_epi16(numbers,
									 _mm_mullo_epi16(tens,
													 _mm_set1_epi16(10)));

	return _mm_add_epi8(_mm_or_si128(tens, _mm_slli_epi16(ones, 8)),
						_mm_set1_epi8('0'));
}

static inline AVX2 void
store(uint32 *to, __m128i lanes)
{
	_mm_storeu_si128((__m128i *) to, lanes);
}

/* Quotients of whole numbers below 2^31, by the reciprocal of a power of ten */
static inline AVX2 __m256d
divide(__m256d numbers, double reciprocal)
{
	/* a reciprocal that is too small would make 0.99... of 1 */
	return _mm256_floor_pd(_mm256_mul_pd(numbers,
										 _mm256_set1_pd(reciprocal)));
}

static inline AVX2 __m256d
remainder_of(__m256d numbers, __m256d quotients, double divisor)
{
	return _mm256_fnmadd_pd(quotients, _mm256_set1_pd(divisor), numbers);
}

/* Stores the nine digits of numbers below 10^9. */
static inline AVX2 void
split_nine(Decimals *to, int i, __m256d numbers)
{
	__m256d		first = divide(numbers, 1e-8);
	__m256d		eight = remainder_of(numbers, first, 1e8);
	__m256d		upper = divide(eight, 1e-4);
	__m256d		lower = remainder_of(eight, upper, 1e4);
	__m256d		both = _mm256_fmadd_pd(lower, _mm256_set1_pd(65536), upper);
	__m128i		fours = _mm256_cvttpd_epi32(both);
	__m128i		hundreds = _mm_srli_epi16(_mm_mulhi_epu16(fours,
														  _mm_set1_epi16(5243)),
										  3);
	__m128i		rest = _mm_sub_epi16(fours,
									 _mm_mullo_epi16(hundreds,
													 _mm_set1_epi16(100)));

	/* of upper in the lower halves of lanes, of lower in the upper ones */
	hundreds = two_characters(hundreds);
	rest = two_characters(rest);

	store(to->first + i, _mm256_cvttpd_epi32(first));
	store(to->upper + i,
		  _mm_blend_epi16(hundreds, _mm_slli_epi32(rest, 16), 0xaa));
	store(to->lower + i,
		  _mm_blend_epi16(_mm_srli_epi32(hundreds, 16), rest, 0xaa));
}

/*
 * The magnitudes of floats; those that are not done are replaced by one in
 * reach and have all bits of *left set.
 */
static inline AVX2 __m128i
magnitudes(__m128i bits, __m128i *left)
{
	const __m128i range = _mm_set1_epi32(END_OF_DONE - FIRST_DONE - 1);
	__m128i		magnitude = _mm_and_si128(bits, _mm_set1_epi32(0x7fffffff));
	__m128i		mantissa = _mm_and_si128(bits, _mm_set1_epi32(0x7fffff));
	__m128i		offset = _mm_sub_epi32(magnitude, _mm_set1_epi32(FIRST_DONE));
	__m128i		inside = _mm_cmpeq_epi32(_mm_min_epu32(offset, range),
										 offset);

	/* not powers of two, where the interval is another */
	*left = _mm_or_si128(_mm_cmpeq_epi32(mantissa, _mm_setzero_si128()),
						 _mm_xor_si128(inside, _mm_set1_epi32(-1)));
	return _mm_blendv_epi8(magnitude, _mm_set1_epi32(0x3f800001), *left);
}

/* t for each magnitude, and half a step */
static inline AVX2 __m128i
decimal_places(__m128i magnitude, __m128 *half_step)
{
	const __m128i exponents = _mm_set1_epi32(0x7f800000);
	__m128i		power = _mm_sub_epi32(_mm_and_si128(magnitude, exponents),
									  _mm_set1_epi32(24 << 23));
	__m128i		r = _mm_sub_epi32(_mm_set1_epi32(150),
								  _mm_srli_epi32(magnitude, 23));
	__m128i		log10 = _mm_srli_epi32(_mm_mullo_epi32(r,
													   _mm_set1_epi32(1233)),
									   12);

	*half_step = _mm_castsi128_ps(power);
	return _mm_add_epi32(log10, _mm_set1_epi32(1));
}

/* A fraction times what it lacks to 1, small next to any integer */
static inline AVX2 __m256d
clearance(__m256d number, __m256d integer)
{
	__m256d		fraction = _mm256_sub_pd(number, integer);

	return _mm256_fnmadd_pd(fraction, fraction, fraction);
}

/* All bits of a lane whose number has too little of it */
static inline AVX2 __m128i
too_near(__m256d clearance)
{
	const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
	__m256d		near = _mm256_cmp_pd(clearance, _mm256_set1_pd(MARGIN),
									 _CMP_LT_OQ);
	__m256i		lanes = _mm256_permutevar8x32_epi32(_mm256_castpd_si256(near),
													even);

	return _mm256_castsi256_si128(lanes);
}

/*
 * The integer in the interval around each product of values and 10^t, and
 * whether it could be another one
 */
static inline AVX2 __m256d
find_integers(__m256d values, __m128 half_step, __m256d ten_to_t,
			  __m128i *unsure)
{
	__m256d		scaled = _mm256_mul_pd(values, ten_to_t);
	__m256d		half = _mm256_mul_pd(_mm256_cvtps_pd(half_step), ten_to_t);
	__m256d		end = _mm256_add_pd(scaled, half);
	__m256d		begin = _mm256_sub_pd(scaled, half);
	__m256d		middle = _mm256_add_pd(scaled, _mm256_set1_pd(0.5));
	__m256d		high = _mm256_floor_pd(end);
	__m256d		below = _mm256_floor_pd(begin);
	__m256d		nearest = _mm256_floor_pd(middle);
	__m256d		tens = _mm256_mul_pd(divide(high, 0.1), _mm256_set1_pd(10));
	__m256d		least = _mm256_min_pd(clearance(end, high),
									  clearance(begin, below));

	*unsure = too_near(_mm256_min_pd(least, clearance(middle, nearest)));

	/* a multiple of ten, if there is one */
	return _mm256_blendv_pd(nearest, tens,
							_mm256_cmp_pd(tens, below, _CMP_GT_OQ));
}

/* Stores all but the digits, and the numbers that they are of. */
static inline AVX2 void
find_numbers(Decimals *to, double *numbers, int i, __m128i bits)
{
	__m128i		left;
	__m128i		unsure;
	__m128		half_step;
	__m128i		magnitude = magnitudes(bits, &left);
	__m256d		values = _mm256_cvtps_pd(_mm_castsi128_ps(magnitude));
	__m128i		t = decimal_places(magnitude, &half_step);
	Scale		scale = pick_scale(t);
	__m256d		integer = _mm256_floor_pd(values);
	__m256d		number = find_integers(values, half_step, scale.ten_to_t,
									   &unsure);
	__m256d		fraction = _mm256_fnmadd_pd(integer, scale.ten_to_t, number);

	_mm256_storeu_pd(numbers + i, _mm256_mul_pd(fraction, scale.rest));
	store(to->left + i, _mm_or_si128(left, unsure));
	store(to->integer + i, _mm256_cvttpd_epi32(integer));
	store(to->zeros + i,
		  _mm_max_epi32(_mm_sub_epi32(t, _mm_set1_epi32(9)),
						_mm_setzero_si128()));
}

/*
 * Two loops, as their chains of dependent instructions are long, and a CPU
 * works on several of the shorter ones at the same time.
 */
AVX2 void
decimals_avx2(Decimals *to, const float *values, int n)
{
	double		numbers[DECIMALS_MAX];
	int			i;

	for (i = 0; i + LANES <= n; i += LANES)
		find_numbers(to, numbers, i,
					 _mm_loadu_si128((const __m128i *) (values + i)));
	for (; i < n; i++)
		to->left[i] = 1;
	for (i = 0; i + LANES <= n; i += LANES)
		split_nine(to, i, _mm256_loadu_pd(numbers + i));
}

#endif							/* HNSW_KERNELS_X86 */
