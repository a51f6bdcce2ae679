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

/* Floats in a register; they are two registers of doubles */
#define LANES			8

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
	__m256i		wide = _mm256_castsi128_si256(index);
	__m256		picked = _mm256_permutevar8x32_ps(table, wide);

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
static inline AVX2 __m256i
two_characters(__m256i numbers)
{
	const __m256i ten = _mm256_set1_epi16(10);
	__m256i		tens = _mm256_mulhi_epu16(numbers, _mm256_set1_epi16(6554));
	__m256i		ones = _mm256_sub_epi16(numbers,
										_mm256_mullo_epi16(tens, ten));

	return _mm256_add_epi8(_mm256_or_si256(tens, _mm256_slli_epi16(ones, 8)),
						   _mm256_set1_epi8('0'));
}

static inline AVX2 void
store(uint32 *to, __m256i lanes)
{
	_mm256_storeu_si256((__m256i *) to, lanes);
}

/* Whole numbers as integers, from two registers */
static inline AVX2 __m256i
integers(__m256d low, __m256d high)
{
	return _mm256_setr_m128i(_mm256_cvttpd_epi32(low),
							 _mm256_cvttpd_epi32(high));
}

/* Quotients of whole numbers below 2^31, by the reciprocal of a divisor */
static inline AVX2 __m256d
divide(__m256d numbers, double reciprocal)
{
	/* a reciprocal that is too small would make 0.99... of 1 */
	return _mm256_floor_pd(_mm256_mul_pd(numbers,
										 _mm256_set1_pd(reciprocal)));
}

static inline AVX2 __m256d
remainders(__m256d numbers, __m256d quotients, double divisor)
{
	return _mm256_fnmadd_pd(quotients, _mm256_set1_pd(divisor), numbers);
}

/*
 * Splits numbers below 10^9: stores the first of nine digits, and returns four
 * of the others times 65536 plus the four before.
 */
static inline AVX2 __m256d
split_nine(__m256d numbers, __m256d *first)
{
	__m256d		eight;
	__m256d		upper;

	*first = divide(numbers, 1e-8);
	eight = remainders(numbers, *first, 1e8);
	upper = divide(eight, 1e-4);
	return _mm256_fmadd_pd(remainders(eight, upper, 1e4),
						   _mm256_set1_pd(65536), upper);
}

/* Stores the digits of numbers. */
static inline AVX2 void
store_digits(Decimals *to, int i, const double *numbers)
{
	__m256d		first_low;
	__m256d		first_high;
	__m256d		low = split_nine(_mm256_loadu_pd(numbers), &first_low);
	__m256d		high = split_nine(_mm256_loadu_pd(numbers + LANES / 2),
								  &first_high);
	__m256i		fours = integers(low, high);
	__m256i		hundreds = _mm256_mulhi_epu16(fours, _mm256_set1_epi16(5243));
	__m256i		rest;

	/* of upper in the lower halves of lanes, of lower in the upper ones */
	hundreds = _mm256_srli_epi16(hundreds, 3);
	rest = _mm256_sub_epi16(fours,
							_mm256_mullo_epi16(hundreds,
											   _mm256_set1_epi16(100)));
	hundreds = two_characters(hundreds);
	rest = two_characters(rest);

	store(to->first + i, integers(first_low, first_high));
	store(to->upper + i,
		  _mm256_blend_epi16(hundreds, _mm256_slli_epi32(rest, 16), 0xaa));
	store(to->lower + i,
		  _mm256_blend_epi16(_mm256_srli_epi32(hundreds, 16), rest, 0xaa));
}

/*
 * The magnitudes of floats; those that are not done are replaced by one in
 * reach and have all bits of *left set.
 */
static inline AVX2 __m256i
magnitudes(__m256i bits, __m256i *left)
{
	const __m256i first = _mm256_set1_epi32(FIRST_DONE);
	const __m256i last = _mm256_set1_epi32(END_OF_DONE - 1);
	__m256i		magnitude = _mm256_and_si256(bits,
											 _mm256_set1_epi32(0x7fffffff));
	__m256i		mantissa = _mm256_and_si256(bits,
											_mm256_set1_epi32(0x7fffff));
	__m256i		outside = _mm256_or_si256(_mm256_cmpgt_epi32(first, magnitude),
										  _mm256_cmpgt_epi32(magnitude, last));

	/* not powers of two, where the interval is another */
	*left = _mm256_or_si256(outside,
							_mm256_cmpeq_epi32(mantissa,
											   _mm256_setzero_si256()));
	return _mm256_blendv_epi8(magnitude, _mm256_set1_epi32(0x3f800001),
							  *left);
}

/* t for each magnitude, and half a step */
static inline AVX2 __m256i
decimal_places(__m256i magnitude, __m256 *half_step)
{
	__m256i		exponent = _mm256_and_si256(magnitude,
											_mm256_set1_epi32(0x7f800000));
	__m256i		power = _mm256_sub_epi32(exponent,
										 _mm256_set1_epi32(24 << 23));
	__m256i		r = _mm256_sub_epi32(_mm256_set1_epi32(150),
									 _mm256_srli_epi32(magnitude, 23));
	__m256i		product = _mm256_madd_epi16(r, _mm256_set1_epi32(1233));

	*half_step = _mm256_castsi256_ps(power);
	return _mm256_add_epi32(_mm256_srli_epi32(product, 12),
							_mm256_set1_epi32(1));
}

/* A fraction times what it lacks to 1, small next to any integer */
static inline AVX2 __m256d
clearance(__m256d number, __m256d integer)
{
	__m256d		fraction = _mm256_sub_pd(number, integer);

	return _mm256_fnmadd_pd(fraction, fraction, fraction);
}

/*
 * The integer in the interval around each scaled value, and how much clearance
 * there is from where it would be another one
 */
static inline AVX2 __m256d
find_integers(__m256d scaled, __m256d half, __m256d *least)
{
	__m256d		end = _mm256_add_pd(scaled, half);
	__m256d		begin = _mm256_sub_pd(scaled, half);
	__m256d		middle = _mm256_add_pd(scaled, _mm256_set1_pd(0.5));
	__m256d		high = _mm256_floor_pd(end);
	__m256d		below = _mm256_floor_pd(begin);
	__m256d		nearest = _mm256_floor_pd(middle);
	__m256d		tens = _mm256_mul_pd(divide(high, 0.1), _mm256_set1_pd(10));

	*least = _mm256_min_pd(_mm256_min_pd(clearance(end, high),
										 clearance(begin, below)),
						   clearance(middle, nearest));

	/* a multiple of ten, if there is one */
	return _mm256_blendv_pd(nearest, tens,
							_mm256_cmp_pd(tens, below, _CMP_GT_OQ));
}

/* Stores the number whose nine digits are those behind the point. */
static inline AVX2 __m256d
store_numbers(double *numbers, __m128 magnitude, __m128 half_step, __m128i t)
{
	__m256d		values = _mm256_cvtps_pd(magnitude);
	Scale		scale = pick_scale(t);
	__m256d		least;
	__m256d		number;
	__m256d		fraction;

	number = find_integers(_mm256_mul_pd(values, scale.ten_to_t),
						   _mm256_mul_pd(_mm256_cvtps_pd(half_step),
										 scale.ten_to_t),
						   &least);
	fraction = _mm256_fnmadd_pd(_mm256_floor_pd(values), scale.ten_to_t,
								number);
	_mm256_storeu_pd(numbers, _mm256_mul_pd(fraction, scale.rest));
	return _mm256_cmp_pd(least, _mm256_set1_pd(MARGIN), _CMP_LT_OQ);
}

/* The lower halves of the lanes of two registers */
static inline AVX2 __m256i
lower_halves(__m256d low, __m256d high)
{
	__m256		both = _mm256_shuffle_ps(_mm256_castpd_ps(low),
										 _mm256_castpd_ps(high),
										 _MM_SHUFFLE(2, 0, 2, 0));

	return _mm256_permute4x64_epi64(_mm256_castps_si256(both),
									_MM_SHUFFLE(3, 1, 2, 0));
}

/* All but the digits, and the numbers that they are of */
static inline AVX2 void
find_numbers(Decimals *to, double *numbers, int i, __m256i bits)
{
	__m256i		left;
	__m256		half_step;
	__m256i		magnitude = magnitudes(bits, &left);
	__m256		values = _mm256_castsi256_ps(magnitude);
	__m256i		t = decimal_places(magnitude, &half_step);
	__m256d		unsure_low;
	__m256d		unsure_high;

	unsure_low = store_numbers(numbers, _mm256_castps256_ps128(values),
							   _mm256_castps256_ps128(half_step),
							   _mm256_castsi256_si128(t));
	unsure_high = store_numbers(numbers + LANES / 2,
								_mm256_extractf128_ps(values, 1),
								_mm256_extractf128_ps(half_step, 1),
								_mm256_extracti128_si256(t, 1));

	store(to->left + i,
		  _mm256_or_si256(left, lower_halves(unsure_low, unsure_high)));
	store(to->integer + i, _mm256_cvttps_epi32(values));
	store(to->zeros + i,
		  _mm256_max_epi32(_mm256_sub_epi32(t, _mm256_set1_epi32(9)),
						   _mm256_setzero_si256()));
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
		find_numbers(to, numbers + i, i,
					 _mm256_loadu_si256((const __m256i *) (values + i)));
	for (; i < n; i++)
		to->left[i] = 1;
	for (i = 0; i + LANES <= n; i += LANES)
		store_digits(to, i, numbers + i);
}

#endif							/* HNSW_KERNELS_X86 */
