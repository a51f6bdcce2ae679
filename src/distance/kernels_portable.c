/*-------------------------------------------------------------------------
 *
 * kernels_portable.c
 *	  Distance kernels in plain C, for every CPU.
 *
 * This set also defines the results: the others equal it bit for bit where
 * distance.h says so.  Float sums run in eight independent lanes, which a
 * compiler may turn into vector instructions without being allowed to
 * reorder float additions, and which keeps rounding errors small.
 *
 * src/distance/kernels_portable.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "distance/kernels.h"

#define LANES 8

static inline float
fold_lanes(const float *lanes)
{
	return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
		((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

static pg_attribute_always_inline float
sum_terms(const void *a, const void *b, int n, TermKind kind,
		  ElementKind element)
{
	float		sums[LANES] = {0};
	int			i;

	for (i = 0; i + LANES <= n; i += LANES)
		for (int lane = 0; lane < LANES; lane++)
			sums[lane] += term(load_element(a, i + lane, element),
							   load_element(b, i + lane, element), kind);
	for (int lane = 0; i + lane < n; lane++)
		sums[lane] += term(load_element(a, i + lane, element),
						   load_element(b, i + lane, element), kind);

	return fold_lanes(sums);
}

typedef struct CosineSums
{
	float		dot[LANES];
	float		norm_a[LANES];
	float		norm_b[LANES];
} CosineSums;

static pg_attribute_always_inline void
add_cosine(CosineSums *sums, int lane, float a, float b)
{
	sums->dot[lane] += a * b;
	sums->norm_a[lane] += a * a;
	sums->norm_b[lane] += b * b;
}

static pg_attribute_always_inline CosineParts
sum_cosine(const void *a, const void *b, int n, ElementKind element)
{
	CosineSums	sums = {{0}, {0}, {0}};
	CosineParts parts;
	int			i;

	for (i = 0; i + LANES <= n; i += LANES)
		for (int lane = 0; lane < LANES; lane++)
			add_cosine(&sums, lane, load_element(a, i + lane, element),
					   load_element(b, i + lane, element));
	for (int lane = 0; i + lane < n; lane++)
		add_cosine(&sums, lane, load_element(a, i + lane, element),
				   load_element(b, i + lane, element));

	parts.dot = fold_lanes(sums.dot);
	parts.norm_a = fold_lanes(sums.norm_a);
	parts.norm_b = fold_lanes(sums.norm_b);
	return parts;
}

FLOAT_KERNELS(, f32, float, ELEMENT_F32)
FLOAT_KERNELS(, f16, Half, ELEMENT_F16)

static void
f32_from_f16(float *to, const Half *from, int n)
{
	for (int i = 0; i < n; i++)
		to[i] = half_to_float(from[i]);
}

static void
f16_from_f32(Half *to, const float *from, int n)
{
	for (int i = 0; i < n; i++)
		to[i] = float_to_half(from[i]);
}

static void
align_sparse(SparseArray a, SparseArray b, float *partners, float *rest)
{
	align_begin(a, b, partners, rest);
	align_merging(a, 0, b, 0, partners, rest);
}

/*
 * Replaces the first count elements of low and high, which do not overlap,
 * by their sums and differences.
 */
static pg_attribute_always_inline void
butterflies(float *low, float *high, size_t count)
{
	float		sums[LANES];
	float		differences[LANES];

	for (size_t i = 0; i < count; i++)
	{
		sums[i] = low[i] + high[i];
		differences[i] = low[i] - high[i];
	}
	memcpy(low, sums, count * sizeof(float));
	memcpy(high, differences, count * sizeof(float));
}

static void
hadamard_f32(float *x, int log2n)
{
	size_t		n = (size_t) 1 << log2n;

	for (size_t start = 0; log2n >= 1 && start < n; start += 2)
		butterflies(x + start, x + start + 1, 1);
	for (size_t start = 0; log2n >= 2 && start < n; start += 4)
		butterflies(x + start, x + start + 2, 2);
	for (size_t start = 0; log2n >= 3 && start < n; start += 8)
		butterflies(x + start, x + start + 4, 4);
	for (size_t half = LANES; half < n; half *= 2)
		for (size_t start = 0; start < n; start += 2 * half)
			for (size_t i = start; i < start + half; i += LANES)
				butterflies(x + i, x + i + half, LANES);
}

static int32
dot_u8_s8(const uint8 *code, const int8 *query, int n)
{
	int32		sum = 0;

	for (int i = 0; i < n; i++)
		sum += code[i] * query[i];
	return sum;
}

static int32
dot_u4_s8(const uint8 *code, const int8 *query_lo, const int8 *query_hi,
		  int n)
{
	int32		sum = 0;

	for (int i = 0; i < n; i++)
		sum += (code[i] & 15) * query_lo[i] + (code[i] >> 4) * query_hi[i];
	return sum;
}

static float
l1_f32_u8(const float *query, const uint8 *code, float low, float step, int n)
{
	float		sums[LANES] = {0};
	int			i;

	for (i = 0; i + LANES <= n; i += LANES)
		for (int lane = 0; lane < LANES; lane++)
			sums[lane] += fabsf(query[i + lane] -
								(low + step * (float) code[i + lane]));
	for (int lane = 0; i + lane < n; lane++)
		sums[lane] += fabsf(query[i + lane] -
							(low + step * (float) code[i + lane]));

	return fold_lanes(sums);
}

/*
 * Bits set in a word, by adding neighbouring fields of 1, 2 and 4 bits and
 * collecting the eight byte sums with a multiplication.
 */
static inline int
count_word(uint64 word)
{
	const uint64 pairs = UINT64CONST(0x5555555555555555);
	const uint64 nibbles = UINT64CONST(0x3333333333333333);
	const uint64 bytes = UINT64CONST(0x0f0f0f0f0f0f0f0f);
	const uint64 ones = UINT64CONST(0x0101010101010101);

	word -= (word >> 1) & pairs;
	word = (word & nibbles) + ((word >> 2) & nibbles);
	word = (word + (word >> 4)) & bytes;
	return (int) ((word * ones) >> 56);
}

static pg_attribute_always_inline uint64
count_bits(const uint8 *a, const uint8 *b, int n, BitOperation operation)
{
	uint64		count = 0;
	int			i;

	for (i = 0; i + (int) sizeof(uint64) <= n; i += sizeof(uint64))
	{
		uint64		word_a;
		uint64		word_b;

		memcpy(&word_a, a + i, sizeof(uint64));
		memcpy(&word_b, b + i, sizeof(uint64));
		count += count_word(join_words(word_a, word_b, operation));
	}
	for (; i < n; i++)
		count += count_word(join_words(a[i], b[i], operation));

	return count;
}

static uint64
xor_bits(const uint8 *a, const uint8 *b, int n)
{
	return count_bits(a, b, n, BITS_XOR);
}

static uint64
and_bits(const uint8 *a, const uint8 *b, int n)
{
	return count_bits(a, b, n, BITS_AND);
}

static uint64
or_bits(const uint8 *a, const uint8 *b, int n)
{
	return count_bits(a, b, n, BITS_OR);
}

const DistanceKernels distance_kernels_portable = {
	.name = "portable",
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
