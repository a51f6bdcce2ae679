/*-------------------------------------------------------------------------
 *
 * kernels_avx512.c
 *	  Distance kernels for x86-64 CPUs with AVX-512 and VNNI.
 *
 * Tails use masked loads, which do not fault on elements masked out and read
 * them as zero.  A pair of zeros adds nothing to any of the sums.
 *
 * There are two sets: "avx512_popcnt" adds the population count instruction
 * that the first CPUs with VNNI lack.
 *
 * src/distance/kernels_avx512.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "distance/kernels.h"

#ifdef HNSW_KERNELS_X86

#include <immintrin.h>

#define AVX512_FEATURES \
	"avx2,fma,f16c,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"
#define AVX512 __attribute__((target(AVX512_FEATURES)))
#define AVX512_POPCNT \
	__attribute__((target(AVX512_FEATURES ",avx512vpopcntdq")))

/* float lanes and bytes in a register */
#define LANES 16
#define BYTES 64

/* The first lanes lanes; lanes < LANES */
static inline AVX512 __mmask16
first_lanes(int lanes)
{
	return (__mmask16) ((1U << lanes) - 1);
}

/* The first bytes bytes; bytes < BYTES */
static inline AVX512 __mmask64
first_bytes(int bytes)
{
	return (UINT64CONST(1) << bytes) - 1;
}

static inline AVX512 __m512i
load_bytes(const void *bytes)
{
	return _mm512_loadu_si512(bytes);
}

static inline AVX512 __m512
absolute(__m512 v)
{
	return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), v);
}

static pg_attribute_always_inline AVX512 __m512
add_term(__m512 sum, __m512 a, __m512 b, TermKind kind)
{
	__m512		difference;

	if (kind == TERM_PRODUCT)
		return _mm512_fmadd_ps(a, b, sum);

	difference = _mm512_sub_ps(a, b);
	if (kind == TERM_ABSOLUTE_DIFFERENCE)
		return _mm512_add_ps(sum, absolute(difference));
	return _mm512_fmadd_ps(difference, difference, sum);
}

static pg_attribute_always_inline AVX512 __m512
load_lanes(const void *array, int i, ElementKind element)
{
	const Half *halves = (const Half *) array + i;

	if (element == ELEMENT_F16)
		return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) halves));
	return _mm512_loadu_ps((const float *) array + i);
}

/* The elements from i to n, less than LANES of them, and zeros after them */
static pg_attribute_always_inline AVX512 __m512
load_tail(const void *array, int i, int n, ElementKind element)
{
	__mmask16	mask = first_lanes(n - i);
	const Half *halves = (const Half *) array + i;

	if (element == ELEMENT_F16)
		return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, halves));
	return _mm512_maskz_loadu_ps(mask, (const float *) array + i);
}

static pg_attribute_always_inline AVX512 __m512
add_term_at(__m512 sum, const void *a, const void *b, int i, TermKind kind,
			ElementKind element)
{
	return add_term(sum, load_lanes(a, i, element), load_lanes(b, i, element),
					kind);
}

static pg_attribute_always_inline AVX512 float
sum_terms(const void *a, const void *b, int n, TermKind kind,
		  ElementKind element)
{
	__m512		sum0 = _mm512_setzero_ps();
	__m512		sum1 = sum0;
	__m512		sum2 = sum0;
	__m512		sum3 = sum0;
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
		sum1 = add_term(sum1, load_tail(a, i, n, element),
						load_tail(b, i, n, element), kind);

	return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum0, sum1),
											  _mm512_add_ps(sum2, sum3)));
}

typedef struct CosineSums
{
	__m512		dot;
	__m512		norm_a;
	__m512		norm_b;
} CosineSums;

static pg_attribute_always_inline AVX512 void
add_cosine(CosineSums *sums, __m512 a, __m512 b)
{
	sums->dot = _mm512_fmadd_ps(a, b, sums->dot);
	sums->norm_a = _mm512_fmadd_ps(a, a, sums->norm_a);
	sums->norm_b = _mm512_fmadd_ps(b, b, sums->norm_b);
}

static pg_attribute_always_inline AVX512 CosineParts
sum_cosine(const void *a, const void *b, int n, ElementKind element)
{
	__m512		zero = _mm512_setzero_ps();
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
		add_cosine(&odd, load_tail(a, i, n, element),
				   load_tail(b, i, n, element));

	parts.dot = _mm512_reduce_add_ps(_mm512_add_ps(even.dot, odd.dot));
	parts.norm_a = _mm512_reduce_add_ps(_mm512_add_ps(even.norm_a,
													  odd.norm_a));
	parts.norm_b = _mm512_reduce_add_ps(_mm512_add_ps(even.norm_b,
													  odd.norm_b));
	return parts;
}

FLOAT_KERNELS(AVX512, f32, float, ELEMENT_F32)
FLOAT_KERNELS(AVX512, f16, Half, ELEMENT_F16)

static AVX512 void
f32_from_f16(float *to, const Half *from, int n)
{
	int			i;

	for (i = 0; i + LANES <= n; i += LANES)
		_mm512_storeu_ps(to + i, load_lanes(from, i, ELEMENT_F16));
	if (i < n)
		_mm512_mask_storeu_ps(to + i, first_lanes(n - i),
							  load_tail(from, i, n, ELEMENT_F16));
}

static inline AVX512 __m256i
round_to_halves(__m512 values)
{
	return _mm512_cvtps_ph(values,
						   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static AVX512 void
f16_from_f32(Half *to, const float *from, int n)
{
	int			i;

	for (i = 0; i + LANES <= n; i += LANES)
		_mm256_storeu_si256((__m256i *) (to + i),
							round_to_halves(_mm512_loadu_ps(from + i)));
	if (i < n)
		_mm256_mask_storeu_epi16(to + i, first_lanes(n - i),
								 round_to_halves(load_tail(from, i, n,
														   ELEMENT_F32)));
}

/*
 * The transform of the sixteen lanes of a register.  Each lane becomes its
 * partner plus or minus itself; a product with 1 or -1 is exact, so the
 * fused operation rounds like the addition it replaces.
 */
static pg_attribute_always_inline AVX512 __m512
transform_lanes(__m512 v)
{
	const __m512 sign1 = _mm512_setr_ps(1, -1, 1, -1, 1, -1, 1, -1,
										1, -1, 1, -1, 1, -1, 1, -1);
	const __m512 sign2 = _mm512_setr_ps(1, 1, -1, -1, 1, 1, -1, -1,
										1, 1, -1, -1, 1, 1, -1, -1);
	const __m512 sign4 = _mm512_setr_ps(1, 1, 1, 1, -1, -1, -1, -1,
										1, 1, 1, 1, -1, -1, -1, -1);
	const __m512 sign8 = _mm512_setr_ps(1, 1, 1, 1, 1, 1, 1, 1,
										-1, -1, -1, -1, -1, -1, -1, -1);
	__m512		partners;

	partners = _mm512_permute_ps(v, _MM_SHUFFLE(2, 3, 0, 1));
	v = _mm512_fmadd_ps(v, sign1, partners);
	partners = _mm512_permute_ps(v, _MM_SHUFFLE(1, 0, 3, 2));
	v = _mm512_fmadd_ps(v, sign2, partners);
	partners = _mm512_shuffle_f32x4(v, v, _MM_SHUFFLE(2, 3, 0, 1));
	v = _mm512_fmadd_ps(v, sign4, partners);
	partners = _mm512_shuffle_f32x4(v, v, _MM_SHUFFLE(1, 0, 3, 2));
	return _mm512_fmadd_ps(v, sign8, partners);
}

static pg_attribute_always_inline AVX512 void
butterfly(__m512 *low, __m512 *high)
{
	__m512		sum = _mm512_add_ps(*low, *high);

	*high = _mm512_sub_ps(*low, *high);
	*low = sum;
}

static pg_attribute_always_inline AVX512 __m512
read_lanes(const float *x, bool first)
{
	__m512		v = _mm512_loadu_ps(x);

	return first ? transform_lanes(v) : v;
}

/*
 * Up to three stages of the transform, on 2^stages registers that start half
 * elements apart, preceded by the stages within a register if first.
 */
static pg_attribute_always_inline AVX512 void
transform_group(float *x, size_t half, int stages, bool first)
{
	__m512		v[8];

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
		_mm512_storeu_ps(x + 4 * half, v[4]);
		_mm512_storeu_ps(x + 5 * half, v[5]);
		_mm512_storeu_ps(x + 6 * half, v[6]);
		_mm512_storeu_ps(x + 7 * half, v[7]);
	}
	if (stages >= 2)
	{
		_mm512_storeu_ps(x + 2 * half, v[2]);
		_mm512_storeu_ps(x + 3 * half, v[3]);
	}
	if (stages >= 1)
		_mm512_storeu_ps(x + half, v[1]);
	_mm512_storeu_ps(x, v[0]);
}

/*
 * One pass over all n elements, which are a transform of every run of half
 * elements before it and of every run of half * 2^stages after it.
 */
static pg_attribute_always_inline AVX512 void
transform_pass(float *x, size_t n, size_t half, int stages, bool first)
{
	for (size_t start = 0; start < n; start += half << stages)
		for (size_t i = 0; i < half; i += LANES)
			transform_group(x + start + i, half, stages, first);
}

static AVX512 void
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

static AVX512 int32
dot_u8_s8(const uint8 *code, const int8 *query, int n)
{
	__m512i		sum0 = _mm512_setzero_si512();
	__m512i		sum1 = sum0;
	int			i;

	for (i = 0; i + 2 * BYTES <= n; i += 2 * BYTES)
	{
		sum0 = _mm512_dpbusd_epi32(sum0, load_bytes(code + i),
								   load_bytes(query + i));
		sum1 = _mm512_dpbusd_epi32(sum1, load_bytes(code + i + BYTES),
								   load_bytes(query + i + BYTES));
	}
	if (i + BYTES <= n)
	{
		sum0 = _mm512_dpbusd_epi32(sum0, load_bytes(code + i),
								   load_bytes(query + i));
		i += BYTES;
	}
	if (i < n)
	{
		__mmask64	mask = first_bytes(n - i);

		sum1 = _mm512_dpbusd_epi32(sum1,
								   _mm512_maskz_loadu_epi8(mask, code + i),
								   _mm512_maskz_loadu_epi8(mask, query + i));
	}

	return _mm512_reduce_add_epi32(_mm512_add_epi32(sum0, sum1));
}

/* 32-bit sums of the products of the low and of the high 4-bit codes */
typedef struct NibbleSums
{
	__m512i		lo;
	__m512i		hi;
} NibbleSums;

static pg_attribute_always_inline AVX512 void
add_nibbles(NibbleSums *sums, __m512i code, __m512i query_lo,
			__m512i query_hi)
{
	const __m512i nibble = _mm512_set1_epi8(15);
	__m512i		lo = _mm512_and_si512(code, nibble);
	__m512i		hi = _mm512_and_si512(_mm512_srli_epi16(code, 4), nibble);

	sums->lo = _mm512_dpbusd_epi32(sums->lo, lo, query_lo);
	sums->hi = _mm512_dpbusd_epi32(sums->hi, hi, query_hi);
}

static AVX512 int32
dot_u4_s8(const uint8 *code, const int8 *query_lo, const int8 *query_hi,
		  int n)
{
	NibbleSums	even = {_mm512_setzero_si512(), _mm512_setzero_si512()};
	NibbleSums	odd = even;
	int			i;

	for (i = 0; i + 2 * BYTES <= n; i += 2 * BYTES)
	{
		add_nibbles(&even, load_bytes(code + i), load_bytes(query_lo + i),
					load_bytes(query_hi + i));
		add_nibbles(&odd, load_bytes(code + i + BYTES),
					load_bytes(query_lo + i + BYTES),
					load_bytes(query_hi + i + BYTES));
	}
	if (i + BYTES <= n)
	{
		add_nibbles(&even, load_bytes(code + i), load_bytes(query_lo + i),
					load_bytes(query_hi + i));
		i += BYTES;
	}
	if (i < n)
	{
		__mmask64	mask = first_bytes(n - i);

		add_nibbles(&odd, _mm512_maskz_loadu_epi8(mask, code + i),
					_mm512_maskz_loadu_epi8(mask, query_lo + i),
					_mm512_maskz_loadu_epi8(mask, query_hi + i));
	}

	even.lo = _mm512_add_epi32(even.lo, odd.lo);
	even.hi = _mm512_add_epi32(even.hi, odd.hi);
	return _mm512_reduce_add_epi32(_mm512_add_epi32(even.lo, even.hi));
}

static pg_attribute_always_inline AVX512 __m512
scaled_difference(__m512 query, __m128i code, __m512 low, __m512 step)
{
	__m512		codes = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(code));

	return absolute(_mm512_sub_ps(query, _mm512_fmadd_ps(step, codes, low)));
}

static AVX512 float
l1_f32_u8(const float *query, const uint8 *code, float low, float step, int n)
{
	const __m512 lows = _mm512_set1_ps(low);
	const __m512 steps = _mm512_set1_ps(step);
	__m512		even = _mm512_setzero_ps();
	__m512		odd = even;
	int			i;

	for (i = 0; i + LANES <= n; i += LANES)
	{
		__m128i		bytes = _mm_loadu_si128((const __m128i *) (code + i));
		__m512		values = _mm512_loadu_ps(query + i);
		__m512		differences = scaled_difference(values, bytes, lows,
													steps);
		__m512		sum = _mm512_add_ps(even, differences);

		even = odd;
		odd = sum;
	}
	if (i < n)
	{
		__mmask16	mask = first_lanes(n - i);
		__m128i		bytes = _mm_maskz_loadu_epi8(mask, code + i);
		__m512		values = _mm512_maskz_loadu_ps(mask, query + i);
		__m512		differences = scaled_difference(values, bytes, lows,
													steps);

		/* lanes past the end hold the value of code 0, not 0 */
		even = _mm512_mask_add_ps(even, mask, even, differences);
	}

	return _mm512_reduce_add_ps(_mm512_add_ps(even, odd));
}

static pg_attribute_always_inline AVX512 __m512i
join_registers(__m512i a, __m512i b, BitOperation operation)
{
	if (operation == BITS_AND)
		return _mm512_and_si512(a, b);
	if (operation == BITS_OR)
		return _mm512_or_si512(a, b);
	return _mm512_xor_si512(a, b);
}

/* Bits set in each 64-bit lane, by table lookup of half bytes */
static inline AVX512 __m512i
count_register(__m512i v)
{
	const __m512i nibble = _mm512_set1_epi8(15);
	const __m512i table =
	_mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3,
										 1, 2, 2, 3, 2, 3, 3, 4));
	__m512i		lo = _mm512_and_si512(v, nibble);
	__m512i		hi = _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble);
	__m512i		counts = _mm512_add_epi8(_mm512_shuffle_epi8(table, lo),
										 _mm512_shuffle_epi8(table, hi));

	return _mm512_sad_epu8(counts, _mm512_setzero_si512());
}

static pg_attribute_always_inline AVX512 uint64
count_bits(const uint8 *a, const uint8 *b, int n, BitOperation operation)
{
	__m512i		counts = _mm512_setzero_si512();
	__m512i		joined;
	int			i;

	for (i = 0; i + BYTES <= n; i += BYTES)
	{
		joined = join_registers(load_bytes(a + i), load_bytes(b + i),
								operation);
		counts = _mm512_add_epi64(counts, count_register(joined));
	}
	if (i < n)
	{
		__mmask64	mask = first_bytes(n - i);

		joined = join_registers(_mm512_maskz_loadu_epi8(mask, a + i),
								_mm512_maskz_loadu_epi8(mask, b + i),
								operation);
		counts = _mm512_add_epi64(counts, count_register(joined));
	}

	return (uint64) _mm512_reduce_add_epi64(counts);
}

static AVX512 uint64
xor_bits(const uint8 *a, const uint8 *b, int n)
{
	return count_bits(a, b, n, BITS_XOR);
}

static AVX512 uint64
and_bits(const uint8 *a, const uint8 *b, int n)
{
	return count_bits(a, b, n, BITS_AND);
}

static AVX512 uint64
or_bits(const uint8 *a, const uint8 *b, int n)
{
	return count_bits(a, b, n, BITS_OR);
}

/* count_bits() with the population count instruction */
static pg_attribute_always_inline AVX512_POPCNT uint64
popcnt_bits(const uint8 *a, const uint8 *b, int n, BitOperation operation)
{
	__m512i		counts = _mm512_setzero_si512();
	__m512i		joined;
	int			i;

	for (i = 0; i + BYTES <= n; i += BYTES)
	{
		joined = join_registers(load_bytes(a + i), load_bytes(b + i),
								operation);
		counts = _mm512_add_epi64(counts, _mm512_popcnt_epi64(joined));
	}
	if (i < n)
	{
		__mmask64	mask = first_bytes(n - i);

		joined = join_registers(_mm512_maskz_loadu_epi8(mask, a + i),
								_mm512_maskz_loadu_epi8(mask, b + i),
								operation);
		counts = _mm512_add_epi64(counts, _mm512_popcnt_epi64(joined));
	}

	return (uint64) _mm512_reduce_add_epi64(counts);
}

static AVX512_POPCNT uint64
popcnt_xor_bits(const uint8 *a, const uint8 *b, int n)
{
	return popcnt_bits(a, b, n, BITS_XOR);
}

static AVX512_POPCNT uint64
popcnt_and_bits(const uint8 *a, const uint8 *b, int n)
{
	return popcnt_bits(a, b, n, BITS_AND);
}

static AVX512_POPCNT uint64
popcnt_or_bits(const uint8 *a, const uint8 *b, int n)
{
	return popcnt_bits(a, b, n, BITS_OR);
}

const DistanceKernels distance_kernels_avx512 = {
	.name = "avx512",
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

const DistanceKernels distance_kernels_avx512_popcnt = {
	.name = "avx512_popcnt",
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
	.xor_bits = popcnt_xor_bits,
	.and_bits = popcnt_and_bits,
	.or_bits = popcnt_or_bits,
};

#endif							/* HNSW_KERNELS_X86 */
