/*-------------------------------------------------------------------------
 *
 * kernels_avx2.c
 *	  Distance kernels for x86-64 CPUs with AVX2, FMA and F16C.
 *
 * No load touches a byte outside the arguments.  Float tails use masked
 * loads, which do not fault on lanes that are masked out.  Byte tails of
 * arrays of at least a register's length load the last full register again
 * and blank out what was counted before; shorter arrays go to plain C.
 *
 * src/distance/kernels_avx2.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "distance/kernels.h"

#ifdef HNSW_KERNELS_X86

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma,f16c,popcnt")))

/* float lanes and bytes in a register */
#define LANES 8
#define BYTES 32

/* A register's worth at offset 8 - k has its first k lanes set. */
static const int32 first_lanes[2 * LANES] = {
	-1, -1, -1, -1, -1, -1, -1, -1,
	0, 0, 0, 0, 0, 0, 0, 0
};

/* A register's worth at offset k has its last k bytes set. */
static const int8 last_bytes[2 * BYTES] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1
};

static inline AVX2 __m256i
first_lanes_mask(int lanes)
{
	return _mm256_loadu_si256((const __m256i *) (first_lanes + LANES - lanes));
}

static inline AVX2 __m256i
last_bytes_mask(int bytes)
{
	return _mm256_loadu_si256((const __m256i *) (last_bytes + bytes));
}

static inline AVX2 __m256i
load_bytes(const void *bytes)
{
	return _mm256_loadu_si256((const __m256i *) bytes);
}

static inline AVX2 float
fold_f32(__m256 v)
{
	__m128		sum = _mm_add_ps(_mm256_castps256_ps128(v),
								 _mm256_extractf128_ps(v, 1));

	sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
	sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
	return _mm_cvtss_f32(sum);
}

static inline AVX2 int32
fold_i32(__m256i v)
{
	__m128i		sum = _mm_add_epi32(_mm256_castsi256_si128(v),
									_mm256_extracti128_si256(v, 1));

	sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(1, 0, 3, 2)));
	sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(2, 3, 0, 1)));
	return _mm_cvtsi128_si32(sum);
}

static inline AVX2 __m256
absolute(__m256 v)
{
	return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

static pg_attribute_always_inline AVX2 __m256
add_term(__m256 sum, __m256 a, __m256 b, TermKind kind)
{
	__m256		difference;

	if (kind == TERM_PRODUCT)
		return _mm256_fmadd_ps(a, b, sum);

	difference = _mm256_sub_ps(a, b);
	if (kind == TERM_ABSOLUTE_DIFFERENCE)
		return _mm256_add_ps(sum, absolute(difference));
	return _mm256_fmadd_ps(difference, difference, sum);
}

static pg_attribute_always_inline AVX2 __m256
load_lanes(const void *array, int i, ElementKind element)
{
	const Half *halves = (const Half *) array + i;

	if (element == ELEMENT_F16)
		return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) halves));
	return _mm256_loadu_ps((const float *) array + i);
}

static inline AVX2 __m128i
load_half_tail(const Half *array, int n, int count)
{
	Half		all[LANES] = {0};
	const void *mask = last_bytes + BYTES / 2 + count * sizeof(Half);

	if (n >= LANES)
		return _mm_and_si128(_mm_loadu_si128((const __m128i *)
											 (array + n - LANES)),
							 _mm_loadu_si128((const __m128i *) mask));

	memcpy(all, array, n * sizeof(Half));
	return _mm_loadu_si128((const __m128i *) all);
}

/* The last count of n elements, count < LANES, and zeros about them */
static pg_attribute_always_inline AVX2 __m256
load_tail(const void *array, int n, int count, ElementKind element)
{
	if (element == ELEMENT_F16)
		return _mm256_cvtph_ps(load_half_tail(array, n, count));
	return _mm256_maskload_ps((const float *) array + n - count,
							  first_lanes_mask(count));
}

static pg_attribute_always_inline AVX2 __m256
add_term_at(__m256 sum, const void *a, const void *b, int i, TermKind kind,
			ElementKind element)
{
	return add_term(sum, load_lanes(a, i, element), load_lanes(b, i, element),
					kind);
}

static pg_attribute_always_inline AVX2 float
sum_terms(const void *a, const void *b, int n, TermKind kind,
		  ElementKind element)
{
	__m256		sum0 = _mm256_setzero_ps();
	__m256		sum1 = sum0;
	__m256		sum2 = sum0;
	__m256		sum3 = sum0;
	int			i;

	for (i = 0; i + 4 * LANES <= n; i += 4 * LANES)
	{
		sum0 = add_term_at(sum0, a, b, i, kind, element);
		sum1 = add_term_at(sum1, a, b, i + LANES, kind, element);
		sum2 = add_term_at(sum2, a, b, i + 2 * LANES, kind, element);
		sum3 = add_term_at(sum3, a, b, i + 3 * LANES, kind, element);
	}
	for (; i + LANES <= n; i += LANES)
		sum0 = add_term_at(sum0, a, b, i, kind, element);
	if (i < n)
		sum1 = add_term(sum1, load_tail(a, n, n - i, element),
						load_tail(b, n, n - i, element), kind);

	return fold_f32(_mm256_add_ps(_mm256_add_ps(sum0, sum1),
								  _mm256_add_ps(sum2, sum3)));
}

typedef struct CosineSums
{
	__m256		dot;
	__m256		norm_a;
	__m256		norm_b;
} CosineSums;

static pg_attribute_always_inline AVX2 void
add_cosine(CosineSums *sums, __m256 a, __m256 b)
{
	sums->dot = _mm256_fmadd_ps(a, b, sums->dot);
	sums->norm_a = _mm256_fmadd_ps(a, a, sums->norm_a);
	sums->norm_b = _mm256_fmadd_ps(b, b, sums->norm_b);
}

static pg_attribute_always_inline AVX2 CosineParts
sum_cosine(const void *a, const void *b, int n, ElementKind element)
{
	__m256		zero = _mm256_setzero_ps();
	CosineSums	even = {zero, zero, zero};
	CosineSums	odd = even;
	CosineParts parts;
	int			i;

	for (i = 0; i + 2 * LANES <= n; i += 2 * LANES)
	{
		add_cosine(&even, load_lanes(a, i, element),
				   load_lanes(b, i, element));
		add_cosine(&odd, load_lanes(a, i + LANES, element),
				   load_lanes(b, i + LANES, element));
	}
	if (i + LANES <= n)
	{
		add_cosine(&even, load_lanes(a, i, element),
				   load_lanes(b, i, element));
		i += LANES;
	}
	if (i < n)
		add_cosine(&odd, load_tail(a, n, n - i, element),
				   load_tail(b, n, n - i, element));

	parts.dot = fold_f32(_mm256_add_ps(even.dot, odd.dot));
	parts.norm_a = fold_f32(_mm256_add_ps(even.norm_a, odd.norm_a));
	parts.norm_b = fold_f32(_mm256_add_ps(even.norm_b, odd.norm_b));
	return parts;
}

FLOAT_KERNELS(AVX2, f32, float, ELEMENT_F32)
FLOAT_KERNELS(AVX2, f16, Half, ELEMENT_F16)

static inline AVX2 void
store_halves(Half *to, __m256 values)
{
	_mm_storeu_si128((__m128i *) to,
					 _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT));
}

/* What does not fill a register is done with some of what came before. */
static AVX2 void
f32_from_f16(float *to, const Half *from, int n)
{
	if (n < LANES)
	{
		distance_kernels_portable.f32_from_f16(to, from, n);
		return;
	}

	for (int i = 0; i + LANES <= n; i += LANES)
		_mm256_storeu_ps(to + i, load_lanes(from, i, ELEMENT_F16));
	_mm256_storeu_ps(to + n - LANES, load_lanes(from, n - LANES, ELEMENT_F16));
}

static AVX2 void
f16_from_f32(Half *to, const float *from, int n)
{
	if (n < LANES)
	{
		distance_kernels_portable.f16_from_f32(to, from, n);
		return;
	}

	for (int i = 0; i + LANES <= n; i += LANES)
		store_halves(to + i, _mm256_loadu_ps(from + i));
	store_halves(to + n - LANES, _mm256_loadu_ps(from + n - LANES));
}

/*
 * The transform of the eight lanes of a register.  Each lane becomes its
 * partner plus or minus itself; a product with 1 or -1 is exact, so the
 * fused operation rounds like the addition it replaces.
 */
static pg_attribute_always_inline AVX2 __m256
transform_lanes(__m256 v)
{
	const __m256 sign1 = _mm256_setr_ps(1, -1, 1, -1, 1, -1, 1, -1);
	const __m256 sign2 = _mm256_setr_ps(1, 1, -1, -1, 1, 1, -1, -1);
	const __m256 sign4 = _mm256_setr_ps(1, 1, 1, 1, -1, -1, -1, -1);

	v = _mm256_fmadd_ps(v, sign1,
						_mm256_permute_ps(v, _MM_SHUFFLE(2, 3, 0, 1)));
	v = _mm256_fmadd_ps(v, sign2,
						_mm256_permute_ps(v, _MM_SHUFFLE(1, 0, 3, 2)));
	return _mm256_fmadd_ps(v, sign4, _mm256_permute2f128_ps(v, v, 1));
}

static pg_attribute_always_inline AVX2 void
butterfly(__m256 *low, __m256 *high)
{
	__m256		sum = _mm256_add_ps(*low, *high);

	*high = _mm256_sub_ps(*low, *high);
	*low = sum;
}

static pg_attribute_always_inline AVX2 __m256
read_lanes(const float *x, bool first)
{
	__m256		v = _mm256_loadu_ps(x);

	return first ? transform_lanes(v) : v;
}

/*
 * Up to three stages of the transform, on 2^stages registers that start half
 * elements apart, preceded by the stages within a register if first.
 */
static pg_attribute_always_inline AVX2 void
transform_group(float *x, size_t half, int stages, bool first)
{
	__m256		v[8];

	v[0] = read_lanes(x, first);
	if (stages >= 1)
	{
		v[1] = read_lanes(x + half, first);
		butterfly(&v[0], &v[1]);
	}
	if (stages >= 2)
	{
		v[2] = read_lanes(x + 2 * half, first);
		v[3] = read_lanes(x + 3 * half, first);
		butterfly(&v[2], &v[3]);
		butterfly(&v[0], &v[2]);
		butterfly(&v[1], &v[3]);
	}
	if (stages >= 3)
	{
		v[4] = read_lanes(x + 4 * half, first);
		v[5] = read_lanes(x + 5 * half, first);
		v[6] = read_lanes(x + 6 * half, first);
		v[7] = read_lanes(x + 7 * half, first);
		butterfly(&v[4], &v[5]);
		butterfly(&v[6], &v[7]);
		butterfly(&v[4], &v[6]);
		butterfly(&v[5], &v[7]);
		butterfly(&v[0], &v[4]);
		butterfly(&v[1], &v[5]);
		butterfly(&v[2], &v[6]);
		butterfly(&v[3], &v[7]);
		_mm256_storeu_ps(x + 4 * half, v[4]);
		_mm256_storeu_ps(x + 5 * half, v[5]);
		_mm256_storeu_ps(x + 6 * half, v[6]);
		_mm256_storeu_ps(x + 7 * half, v[7]);
	}
	if (stages >= 2)
	{
		_mm256_storeu_ps(x + 2 * half, v[2]);
		_mm256_storeu_ps(x + 3 * half, v[3]);
	}
	if (stages >= 1)
		_mm256_storeu_ps(x + half, v[1]);
	_mm256_storeu_ps(x, v[0]);
}

/*
 * One pass over all n elements, which are a transform of every run of half
 * elements before it and of every run of half * 2^stages after it.
 */
static pg_attribute_always_inline AVX2 void
transform_pass(float *x, size_t n, size_t half, int stages, bool first)
{
	for (size_t start = 0; start < n; start += half << stages)
		for (size_t i = 0; i < half; i += LANES)
			transform_group(x + start + i, half, stages, first);
}

static AVX2 void
hadamard_f32(float *x, int log2n)
{
	size_t		n = (size_t) 1 << log2n;
	size_t		half;

	if (n < LANES)
	{
		distance_kernels_portable.hadamard_f32(x, log2n);
		return;
	}

	if (n >= 8 * LANES)
		transform_pass(x, n, LANES, 3, true);
	else if (n == 4 * LANES)
		transform_pass(x, n, LANES, 2, true);
	else if (n == 2 * LANES)
		transform_pass(x, n, LANES, 1, true);
	else
		transform_pass(x, n, LANES, 0, true);

	/* two passes of two stages beat one of three and one of one */
	for (half = 8 * LANES; half * 8 <= n && half * 16 != n; half *= 8)
		transform_pass(x, n, half, 3, false);
	for (; half * 4 <= n; half *= 4)
		transform_pass(x, n, half, 2, false);
	if (half * 2 <= n)
		transform_pass(x, n, half, 1, false);
}

/*
 * Adds the products of a register of code bytes, two 4-bit codes each, to
 * sums of 16 bits.  A call changes a sum by at most 4 * 15 * 128 = 7680, so
 * four calls fit.
 */
static pg_attribute_always_inline AVX2 __m256i
add_nibbles(__m256i sums, __m256i code, __m256i query_lo, __m256i query_hi)
{
	const __m256i nibble = _mm256_set1_epi8(15);
	__m256i		lo = _mm256_and_si256(code, nibble);
	__m256i		hi = _mm256_and_si256(_mm256_srli_epi16(code, 4), nibble);

	sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(lo, query_lo));
	return _mm256_add_epi16(sums, _mm256_maddubs_epi16(hi, query_hi));
}

/* Adjacent 16-bit sums times factor, as 32-bit sums */
static pg_attribute_always_inline AVX2 __m256i
widen_sums(__m256i sums, int16 factor)
{
	return _mm256_madd_epi16(sums, _mm256_set1_epi16(factor));
}

static AVX2 int32
dot_u4_s8(const uint8 *code, const int8 *query_lo, const int8 *query_hi,
		  int n)
{
	__m256i		total = _mm256_setzero_si256();
	__m256i		sums;
	int			i;

	if (n < BYTES)
		return distance_kernels_portable.dot_u4_s8(code, query_lo, query_hi,
												   n);

	for (i = 0; i + 4 * BYTES <= n; i += 4 * BYTES)
	{
		sums = _mm256_setzero_si256();
		for (int k = i; k < i + 4 * BYTES; k += BYTES)
			sums = add_nibbles(sums, load_bytes(code + k),
							   load_bytes(query_lo + k),
							   load_bytes(query_hi + k));
		total = _mm256_add_epi32(total, widen_sums(sums, 1));
	}
	if (i == n)
		return fold_i32(total);

	/* at most three full registers and a tail */
	sums = _mm256_setzero_si256();
	for (; i + BYTES <= n; i += BYTES)
		sums = add_nibbles(sums, load_bytes(code + i),
						   load_bytes(query_lo + i), load_bytes(query_hi + i));
	if (i < n)
	{
		__m256i		tail = _mm256_and_si256(load_bytes(code + n - BYTES),
											last_bytes_mask(n - i));

		sums = add_nibbles(sums, tail, load_bytes(query_lo + n - BYTES),
						   load_bytes(query_hi + n - BYTES));
	}
	return fold_i32(_mm256_add_epi32(total, widen_sums(sums, 1)));
}

/*
 * 16-bit sums of the products of the low and the high halves of code bytes.
 * _mm256_maddubs_epi16 on whole code bytes would saturate.
 */
typedef struct HalfSums
{
	__m256i		lo;
	__m256i		hi;
} HalfSums;

/* A call changes a sum by at most 2 * 15 * 128 = 3840, so eight calls fit. */
static pg_attribute_always_inline AVX2 void
add_halves(HalfSums *sums, __m256i code, __m256i query)
{
	const __m256i nibble = _mm256_set1_epi8(15);
	__m256i		lo = _mm256_and_si256(code, nibble);
	__m256i		hi = _mm256_and_si256(_mm256_srli_epi16(code, 4), nibble);

	sums->lo = _mm256_add_epi16(sums->lo, _mm256_maddubs_epi16(lo, query));
	sums->hi = _mm256_add_epi16(sums->hi, _mm256_maddubs_epi16(hi, query));
}

static pg_attribute_always_inline AVX2 __m256i
join_halves(const HalfSums *sums)
{
	return _mm256_add_epi32(widen_sums(sums->lo, 1),
							widen_sums(sums->hi, 16));
}

static AVX2 int32
dot_u8_s8(const uint8 *code, const int8 *query, int n)
{
	const HalfSums none = {_mm256_setzero_si256(), _mm256_setzero_si256()};
	__m256i		total = _mm256_setzero_si256();
	HalfSums	sums;
	int			i;

	if (n < BYTES)
		return distance_kernels_portable.dot_u8_s8(code, query, n);

	for (i = 0; i + 4 * BYTES <= n; i += 4 * BYTES)
	{
		sums = none;
		add_halves(&sums, load_bytes(code + i), load_bytes(query + i));
		add_halves(&sums, load_bytes(code + i + BYTES),
				   load_bytes(query + i + BYTES));
		add_halves(&sums, load_bytes(code + i + 2 * BYTES),
				   load_bytes(query + i + 2 * BYTES));
		add_halves(&sums, load_bytes(code + i + 3 * BYTES),
				   load_bytes(query + i + 3 * BYTES));
		total = _mm256_add_epi32(total, join_halves(&sums));
	}
	if (i == n)
		return fold_i32(total);

	/* at most three full registers and a tail */
	sums = none;
	for (; i + BYTES <= n; i += BYTES)
		add_halves(&sums, load_bytes(code + i), load_bytes(query + i));
	if (i < n)
	{
		__m256i		tail = _mm256_and_si256(load_bytes(code + n - BYTES),
											last_bytes_mask(n - i));

		add_halves(&sums, tail, load_bytes(query + n - BYTES));
	}
	return fold_i32(_mm256_add_epi32(total, join_halves(&sums)));
}

static AVX2 float
l1_f32_u8(const float *query, const uint8 *code, float low, float step, int n)
{
	const __m256 lows = _mm256_set1_ps(low);
	const __m256 steps = _mm256_set1_ps(step);
	__m256		even = _mm256_setzero_ps();
	__m256		odd = even;
	int			i;

	for (i = 0; i + LANES <= n; i += LANES)
	{
		__m128i		bytes = _mm_loadl_epi64((const __m128i *) (code + i));
		__m256		codes = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
		__m256		values = _mm256_fmadd_ps(steps, codes, lows);
		__m256		differences = _mm256_sub_ps(_mm256_loadu_ps(query + i),
												values);
		__m256		sum = _mm256_add_ps(even, absolute(differences));

		even = odd;
		odd = sum;
	}

	return fold_f32(_mm256_add_ps(even, odd)) +
		distance_kernels_portable.l1_f32_u8(query + i, code + i, low, step,
											n - i);
}

static pg_attribute_always_inline AVX2 __m256i
join_registers(__m256i a, __m256i b, BitOperation operation)
{
	if (operation == BITS_AND)
		return _mm256_and_si256(a, b);
	if (operation == BITS_OR)
		return _mm256_or_si256(a, b);
	return _mm256_xor_si256(a, b);
}

/* Bits set in each 64-bit lane, by table lookup of half bytes */
static inline AVX2 __m256i
count_register(__m256i v)
{
	const __m256i nibble = _mm256_set1_epi8(15);
	const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3,
										   1, 2, 2, 3, 2, 3, 3, 4,
										   0, 1, 1, 2, 1, 2, 2, 3,
										   1, 2, 2, 3, 2, 3, 3, 4);
	__m256i		lo = _mm256_and_si256(v, nibble);
	__m256i		hi = _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble);
	__m256i		counts = _mm256_add_epi8(_mm256_shuffle_epi8(table, lo),
										 _mm256_shuffle_epi8(table, hi));

	return _mm256_sad_epu8(counts, _mm256_setzero_si256());
}

static pg_attribute_always_inline AVX2 uint64
count_short(const uint8 *a, const uint8 *b, int n, BitOperation operation)
{
	uint64		count = 0;
	int			i;

	for (i = 0; i + (int) sizeof(uint64) <= n; i += sizeof(uint64))
	{
		uint64		word_a;
		uint64		word_b;

		memcpy(&word_a, a + i, sizeof(uint64));
		memcpy(&word_b, b + i, sizeof(uint64));
		count += _mm_popcnt_u64(join_words(word_a, word_b, operation));
	}
	for (; i < n; i++)
		count += _mm_popcnt_u64(join_words(a[i], b[i], operation));

	return count;
}

static pg_attribute_always_inline AVX2 uint64
count_bits(const uint8 *a, const uint8 *b, int n, BitOperation operation)
{
	__m256i		counts = _mm256_setzero_si256();
	__m128i		count;
	int			i;

	if (n < BYTES)
		return count_short(a, b, n, operation);

	for (i = 0; i + BYTES <= n; i += BYTES)
	{
		__m256i		joined = join_registers(load_bytes(a + i),
											load_bytes(b + i), operation);

		counts = _mm256_add_epi64(counts, count_register(joined));
	}
	if (i < n)
	{
		__m256i		joined = join_registers(load_bytes(a + n - BYTES),
											load_bytes(b + n - BYTES),
											operation);

		joined = _mm256_and_si256(joined, last_bytes_mask(n - i));
		counts = _mm256_add_epi64(counts, count_register(joined));
	}

	count = _mm_add_epi64(_mm256_castsi256_si128(counts),
						  _mm256_extracti128_si256(counts, 1));
	return (uint64) _mm_cvtsi128_si64(count) +
		(uint64) _mm_extract_epi64(count, 1);
}

static AVX2 uint64
xor_bits(const uint8 *a, const uint8 *b, int n)
{
	return count_bits(a, b, n, BITS_XOR);
}

static AVX2 uint64
and_bits(const uint8 *a, const uint8 *b, int n)
{
	return count_bits(a, b, n, BITS_AND);
}

static AVX2 uint64
or_bits(const uint8 *a, const uint8 *b, int n)
{
	return count_bits(a, b, n, BITS_OR);
}

const DistanceKernels distance_kernels_avx2 = {
	.name = "avx2",
	.l2_squared_f32 = l2_squared_f32,
	.inner_product_f32 = inner_product_f32,
	.l1_f32 = l1_f32,
	.cosine_f32 = cosine_f32,
	.l2_squared_f16 = l2_squared_f16,
	.inner_product_f16 = inner_product_f16,
	.l1_f16 = l1_f16,
	.cosine_f16 = cosine_f16,
	.f32_from_f16 = f32_from_f16,
	.f16_from_f32 = f16_from_f32,
	.decimals_f32 = decimals_avx2,
	.align_sparse = align_sparse_avx2,
	.hadamard_f32 = hadamard_f32,
	.dot_u8_s8 = dot_u8_s8,
	.dot_u4_s8 = dot_u4_s8,
	.l1_f32_u8 = l1_f32_u8,
	.xor_bits = xor_bits,
	.and_bits = and_bits,
	.or_bits = or_bits,
};

#endif							/* HNSW_KERNELS_X86 */
