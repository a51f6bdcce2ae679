/*-------------------------------------------------------------------------
 *
 * kernels_neon.c
 *	  Distance kernels for 64-bit ARM.
 *
 * What does not fill a register is done in plain C, element by element.
 *
 * There are two sets: "neon" runs on every 64-bit ARM CPU, "neon_dot" adds
 * the dot product instructions of ARMv8.2.
 *
 * src/distance/kernels_neon.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "distance/kernels.h"

#ifdef HNSW_KERNELS_NEON

#include <arm_neon.h>

/* float lanes and bytes in a register */
#define LANES 4
#define BYTES 16

static pg_attribute_always_inline float32x4_t
add_term(float32x4_t sum, float32x4_t a, float32x4_t b, TermKind kind)
{
	float32x4_t difference;

	if (kind == TERM_PRODUCT)
		return vfmaq_f32(sum, a, b);

	if (kind == TERM_ABSOLUTE_DIFFERENCE)
		return vaddq_f32(sum, vabdq_f32(a, b));
	difference = vsubq_f32(a, b);
	return vfmaq_f32(sum, difference, difference);
}

static pg_attribute_always_inline float32x4_t
load_lanes(const void *array, int i, ElementKind element)
{
	const Half *halves = (const Half *) array + i;

	if (element == ELEMENT_F16)
		return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves)));
	return vld1q_f32((const float *) array + i);
}

static pg_attribute_always_inline float32x4_t
add_term_at(float32x4_t sum, const void *a, const void *b, int i,
			TermKind kind, ElementKind element)
{
	return add_term(sum, load_lanes(a, i, element), load_lanes(b, i, element),
					kind);
}

static pg_attribute_always_inline float
sum_terms(const void *a, const void *b, int n, TermKind kind,
		  ElementKind element)
{
	float32x4_t sum0 = vdupq_n_f32(0);
	float32x4_t sum1 = sum0;
	float32x4_t sum2 = sum0;
	float32x4_t sum3 = sum0;
	float		sum;
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

	sum = vaddvq_f32(vaddq_f32(vaddq_f32(sum0, sum1), vaddq_f32(sum2, sum3)));
	for (; i < n; i++)
		sum += term(load_element(a, i, element), load_element(b, i, element),
					kind);
	return sum;
}

typedef struct CosineSums
{
	float32x4_t dot;
	float32x4_t norm_a;
	float32x4_t norm_b;
} CosineSums;

static pg_attribute_always_inline void
add_cosine(CosineSums *sums, float32x4_t a, float32x4_t b)
{
	sums->dot = vfmaq_f32(sums->dot, a, b);
	sums->norm_a = vfmaq_f32(sums->norm_a, a, a);
	sums->norm_b = vfmaq_f32(sums->norm_b, b, b);
}

static pg_attribute_always_inline CosineParts
sum_cosine(const void *a, const void *b, int n, ElementKind element)
{
	float32x4_t zero = vdupq_n_f32(0);
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

	parts.dot = vaddvq_f32(vaddq_f32(even.dot, odd.dot));
	parts.norm_a = vaddvq_f32(vaddq_f32(even.norm_a, odd.norm_a));
	parts.norm_b = vaddvq_f32(vaddq_f32(even.norm_b, odd.norm_b));
	for (; i < n; i++)
	{
		float		x = load_element(a, i, element);
		float		y = load_element(b, i, element);

		parts.dot += x * y;
		parts.norm_a += x * x;
		parts.norm_b += y * y;
	}
	return parts;
}

FLOAT_KERNELS(, f32, float, ELEMENT_F32)
FLOAT_KERNELS(, f16, Half, ELEMENT_F16)

static void
f32_from_f16(float *to, const Half *from, int n)
{
	int			i;

	for (i = 0; i + LANES <= n; i += LANES)
		vst1q_f32(to + i, load_lanes(from, i, ELEMENT_F16));
	distance_kernels_portable.f32_from_f16(to + i, from + i, n - i);
}

static void
f16_from_f32(Half *to, const float *from, int n)
{
	int			i;

	for (i = 0; i + LANES <= n; i += LANES)
		vst1_u16(to + i,
				 vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(from + i))));
	distance_kernels_portable.f16_from_f32(to + i, from + i, n - i);
}

static void
align_sparse(SparseArray a, SparseArray b, float *partners, float *rest)
{
	distance_kernels_portable.align_sparse(a, b, partners, rest);
}

/*
 * The transform of the four lanes of a register.  Each lane becomes its
 * partner plus or minus itself; a product with 1 or -1 is exact, so the
 * fused operation rounds like the addition it replaces.
 */
static pg_attribute_always_inline float32x4_t
transform_lanes(float32x4_t v)
{
	static const float signs1[LANES] = {1, -1, 1, -1};
	static const float signs2[LANES] = {1, 1, -1, -1};

	v = vfmaq_f32(vrev64q_f32(v), v, vld1q_f32(signs1));
	return vfmaq_f32(vextq_f32(v, v, 2), v, vld1q_f32(signs2));
}

static pg_attribute_always_inline void
butterfly(float32x4_t *low, float32x4_t *high)
{
	float32x4_t sum = vaddq_f32(*low, *high);

	*high = vsubq_f32(*low, *high);
	*low = sum;
}

static pg_attribute_always_inline float32x4_t
read_lanes(const float *x, bool first)
{
	float32x4_t v = vld1q_f32(x);

	return first ? transform_lanes(v) : v;
}

/*
 * Up to three stages of the transform, on 2^stages registers that start half
 * elements apart, preceded by the stages within a register if first.
 */
static pg_attribute_always_inline void
transform_group(float *x, size_t half, int stages, bool first)
{
	float32x4_t v[8];

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
		vst1q_f32(x + 4 * half, v[4]);
		vst1q_f32(x + 5 * half, v[5]);
		vst1q_f32(x + 6 * half, v[6]);
		vst1q_f32(x + 7 * half, v[7]);
	}
	if (stages >= 2)
	{
		vst1q_f32(x + 2 * half, v[2]);
		vst1q_f32(x + 3 * half, v[3]);
	}
	if (stages >= 1)
		vst1q_f32(x + half, v[1]);
	vst1q_f32(x, v[0]);
}

/*
 * One pass over all n elements, which are a transform of every run of half
 * elements before it and of every run of half * 2^stages after it.
 */
static pg_attribute_always_inline void
transform_pass(float *x, size_t n, size_t half, int stages, bool first)
{
	for (size_t start = 0; start < n; start += half << stages)
		for (size_t i = 0; i < half; i += LANES)
			transform_group(x + start + i, half, stages, first);
}

static void
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

/* sums plus the sixteen products of two registers of bytes */
static pg_attribute_always_inline int32x4_t
add_products(int32x4_t sums, uint8x16_t code, int8x16_t query)
{
	int16x8_t	code_lo = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(code)));
	int16x8_t	code_hi = vreinterpretq_s16_u16(vmovl_high_u8(code));
	int16x8_t	query_lo = vmovl_s8(vget_low_s8(query));
	int16x8_t	query_hi = vmovl_high_s8(query);

	sums = vmlal_s16(sums, vget_low_s16(code_lo), vget_low_s16(query_lo));
	sums = vmlal_high_s16(sums, code_lo, query_lo);
	sums = vmlal_s16(sums, vget_low_s16(code_hi), vget_low_s16(query_hi));
	return vmlal_high_s16(sums, code_hi, query_hi);
}

static int32
dot_u8_s8(const uint8 *code, const int8 *query, int n)
{
	int32x4_t	sums = vdupq_n_s32(0);
	int			i;

	for (i = 0; i + BYTES <= n; i += BYTES)
		sums = add_products(sums, vld1q_u8(code + i), vld1q_s8(query + i));

	return vaddvq_s32(sums) +
		distance_kernels_portable.dot_u8_s8(code + i, query + i, n - i);
}

/*
 * Products of a 4-bit code and a signed byte need 12 bits, so two of each
 * half of the code byte are added in 16 bits before they are widened.
 */
static int32
dot_u4_s8(const uint8 *code, const int8 *query_lo, const int8 *query_hi,
		  int n)
{
	int32x4_t	sums = vdupq_n_s32(0);
	int			i;

	for (i = 0; i + BYTES <= n; i += BYTES)
	{
		uint8x16_t	bytes = vld1q_u8(code + i);
		int8x16_t	lo = vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15)));
		int8x16_t	hi = vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4));
		int8x16_t	factor_lo = vld1q_s8(query_lo + i);
		int8x16_t	factor_hi = vld1q_s8(query_hi + i);
		int16x8_t	products;

		products = vmull_s8(vget_low_s8(lo), vget_low_s8(factor_lo));
		products = vmlal_high_s8(products, lo, factor_lo);
		products = vmlal_s8(products, vget_low_s8(hi),
							vget_low_s8(factor_hi));
		products = vmlal_high_s8(products, hi, factor_hi);
		sums = vpadalq_s16(sums, products);
	}

	return vaddvq_s32(sums) +
		distance_kernels_portable.dot_u4_s8(code + i, query_lo + i,
											query_hi + i, n - i);
}

static float
l1_f32_u8(const float *query, const uint8 *code, float low, float step, int n)
{
	const float32x4_t lows = vdupq_n_f32(low);
	const float32x4_t steps = vdupq_n_f32(step);
	float32x4_t even = vdupq_n_f32(0);
	float32x4_t odd = even;
	int			i;

	for (i = 0; i + 2 * LANES <= n; i += 2 * LANES)
	{
		uint16x8_t	codes = vmovl_u8(vld1_u8(code + i));
		float32x4_t codes_lo = vcvtq_f32_u32(vmovl_u16(vget_low_u16(codes)));
		float32x4_t codes_hi = vcvtq_f32_u32(vmovl_high_u16(codes));
		float32x4_t values_lo = vfmaq_f32(lows, steps, codes_lo);
		float32x4_t values_hi = vfmaq_f32(lows, steps, codes_hi);

		even = vaddq_f32(even, vabdq_f32(vld1q_f32(query + i), values_lo));
		odd = vaddq_f32(odd, vabdq_f32(vld1q_f32(query + i + LANES),
									   values_hi));
	}

	return vaddvq_f32(vaddq_f32(even, odd)) +
		distance_kernels_portable.l1_f32_u8(query + i, code + i, low, step,
											n - i);
}

static pg_attribute_always_inline uint8x16_t
join_registers(uint8x16_t a, uint8x16_t b, BitOperation operation)
{
	if (operation == BITS_AND)
		return vandq_u8(a, b);
	if (operation == BITS_OR)
		return vorrq_u8(a, b);
	return veorq_u8(a, b);
}

/*
 * Counts the bits of the first n - n % BYTES bytes; the caller adds the rest.
 */
static pg_attribute_always_inline uint64
count_bits(const uint8 *a, const uint8 *b, int n, BitOperation operation)
{
	uint64x2_t	counts = vdupq_n_u64(0);

	for (int i = 0; i + BYTES <= n; i += BYTES)
	{
		uint8x16_t	joined = join_registers(vld1q_u8(a + i), vld1q_u8(b + i),
											operation);
		uint16x8_t	pairs = vpaddlq_u8(vcntq_u8(joined));

		counts = vpadalq_u32(counts, vpaddlq_u16(pairs));
	}
	return vaddvq_u64(counts);
}

static uint64
xor_bits(const uint8 *a, const uint8 *b, int n)
{
	int			whole = n - n % BYTES;

	return count_bits(a, b, whole, BITS_XOR) +
		distance_kernels_portable.xor_bits(a + whole, b + whole, n - whole);
}

static uint64
and_bits(const uint8 *a, const uint8 *b, int n)
{
	int			whole = n - n % BYTES;

	return count_bits(a, b, whole, BITS_AND) +
		distance_kernels_portable.and_bits(a + whole, b + whole, n - whole);
}

static uint64
or_bits(const uint8 *a, const uint8 *b, int n)
{
	int			whole = n - n % BYTES;

	return count_bits(a, b, whole, BITS_OR) +
		distance_kernels_portable.or_bits(a + whole, b + whole, n - whole);
}

const DistanceKernels distance_kernels_neon = {
	.name = "neon",
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
	.align_sparse = align_sparse,
	.hadamard_f32 = hadamard_f32,
	.dot_u8_s8 = dot_u8_s8,
	.dot_u4_s8 = dot_u4_s8,
	.l1_f32_u8 = l1_f32_u8,
	.xor_bits = xor_bits,
	.and_bits = and_bits,
	.or_bits = or_bits,
};

#ifdef HNSW_KERNELS_NEON_DOT

/*
 * The instruction multiplies signed by signed, so 128 is subtracted from
 * every code byte (by flipping its high bit) and added back as 128 times the
 * sum of the query.  That product alone may leave 32 bits, hence the
 * unsigned arithmetic; the final sum does not.
 */
static NEON_DOT int32
dot_dot_u8_s8(const uint8 *code, const int8 *query, int n)
{
	const uint8x16_t high_bit = vdupq_n_u8(128);
	const int8x16_t ones = vdupq_n_s8(1);
	int32x4_t	sums = vdupq_n_s32(0);
	int32x4_t	query_sums = sums;
	uint32		shift;
	int			i;

	for (i = 0; i + BYTES <= n; i += BYTES)
	{
		uint8x16_t	shifted = veorq_u8(vld1q_u8(code + i), high_bit);
		int8x16_t	factors = vld1q_s8(query + i);

		sums = vdotq_s32(sums, vreinterpretq_s8_u8(shifted), factors);
		query_sums = vdotq_s32(query_sums, ones, factors);
	}

	shift = 128 * (uint32) vaddvq_s32(query_sums);
	return (int32) ((uint32) vaddvq_s32(sums) + shift) +
		distance_kernels_portable.dot_u8_s8(code + i, query + i, n - i);
}

static NEON_DOT int32
dot_dot_u4_s8(const uint8 *code, const int8 *query_lo, const int8 *query_hi,
			  int n)
{
	int32x4_t	sums_lo = vdupq_n_s32(0);
	int32x4_t	sums_hi = sums_lo;
	int			i;

	for (i = 0; i + BYTES <= n; i += BYTES)
	{
		uint8x16_t	bytes = vld1q_u8(code + i);
		int8x16_t	lo = vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15)));
		int8x16_t	hi = vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4));

		sums_lo = vdotq_s32(sums_lo, lo, vld1q_s8(query_lo + i));
		sums_hi = vdotq_s32(sums_hi, hi, vld1q_s8(query_hi + i));
	}

	return vaddvq_s32(vaddq_s32(sums_lo, sums_hi)) +
		distance_kernels_portable.dot_u4_s8(code + i, query_lo + i,
											query_hi + i, n - i);
}

const DistanceKernels distance_kernels_neon_dot = {
	.name = "neon_dot",
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
	.align_sparse = align_sparse,
	.hadamard_f32 = hadamard_f32,
	.dot_u8_s8 = dot_dot_u8_s8,
	.dot_u4_s8 = dot_dot_u4_s8,
	.l1_f32_u8 = l1_f32_u8,
	.xor_bits = xor_bits,
	.and_bits = and_bits,
	.or_bits = or_bits,
};

#endif							/* HNSW_KERNELS_NEON_DOT */
#endif							/* HNSW_KERNELS_NEON */
