/*-------------------------------------------------------------------------
 *
 * distance_test.c
 *	  Every set of distance kernels against double arithmetic and against
 *	  the portable set.
 *
 * Inputs end right before an unreadable page, begin right after one, or lie
 * anywhere between, so that a read outside the arguments crashes.
 *
 * Called with --bench it prints nanoseconds per call instead.
 *
 * test/unit/distance_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <float.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "distance/distance.h"

#define MAX_BYTES 64000
#define MAX_FLOATS 16000
#define MAX_HALVES 300
#define MAX_LOG2N 15
#define REGION_BYTES ((size_t) 1 << 18)

typedef enum Placement
{
	AT_START,
	AT_END,
	ANYWHERE,
	PLACEMENTS
} Placement;

typedef enum FloatPattern
{
	FLOATS_NORMAL,
	FLOATS_FAR_FROM_ZERO,
	FLOATS_ALL_MAGNITUDES,
	FLOATS_SUBNORMAL,
	FLOATS_EQUAL,
	FLOAT_PATTERNS
} FloatPattern;

typedef enum BytePattern
{
	BYTES_RANDOM,
	BYTES_EXTREMES,
	BYTES_LARGEST,
	BYTES_SMALLEST,
	BYTES_ZERO,
	BYTE_PATTERNS
} BytePattern;

static const char *const placement_names[] = {"start", "end", "anywhere"};

static const int long_lengths[] = {
	384, 511, 767, 768, 769, 1000, 1535, 1536, 4099, 15999, 16000,
	16001, 63999, 64000
};

/* The kernels under test, for the report */
typedef enum Kernel
{
	L2_SQUARED_F32,
	INNER_PRODUCT_F32,
	L1_F32,
	COSINE_F32,
	L2_SQUARED_F16,
	INNER_PRODUCT_F16,
	L1_F16,
	COSINE_F16,
	F32_FROM_F16,
	F16_FROM_F32,
	L1_F32_U8,
	DOT_U8_S8,
	DOT_U4_S8,
	XOR_BITS,
	AND_BITS,
	OR_BITS,
	HADAMARD_F32,
	KERNELS
} Kernel;

static const char *const kernel_names[] = {
	"l2_squared_f32", "inner_product_f32", "l1_f32", "cosine_f32",
	"l2_squared_f16", "inner_product_f16", "l1_f16", "cosine_f16",
	"f32_from_f16", "f16_from_f32",
	"l1_f32_u8", "dot_u8_s8", "dot_u4_s8", "xor_bits", "and_bits", "or_bits",
	"hadamard_f32"
};

static const DistanceKernels *const *sets;
static int	set_count;

#define MAX_SETS 8
static int64 checks[MAX_SETS][KERNELS];
static int64 failures[MAX_SETS][KERNELS];

/* Where the current inputs lie, for the report */
static int	current_length;
static int	current_pattern;
static Placement current_placement;

static void
check(int set, Kernel kernel, bool condition)
{
	checks[set][kernel]++;
	if (condition)
		return;
	if (failures[set][kernel]++ < 3)
		printf("# %s %s: n = %d, pattern %d, at %s\n",
			   sets[set]->name, kernel_names[kernel], current_length,
			   current_pattern, placement_names[current_placement]);
}

/* Readable memory between two unreadable pages */
typedef struct Region
{
	char	   *start;
} Region;

static Region
make_region(void)
{
	size_t		page = sysconf(_SC_PAGESIZE);
	Region		region;
	char	   *base = mmap(NULL, REGION_BYTES + 2 * page,
							PROT_READ | PROT_WRITE,
							MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED || REGION_BYTES % page != 0 ||
		mprotect(base, page, PROT_NONE) != 0 ||
		mprotect(base + page + REGION_BYTES, page, PROT_NONE) != 0)
	{
		perror("guarded memory");
		exit(2);
	}
	region.start = base + page;
	return region;
}

/* Copies the data into the region, at a multiple of alignment. */
static void *
place(const Region *region, const void *data, size_t bytes, size_t alignment,
	  Placement placement)
{
	size_t		room = REGION_BYTES - bytes;
	char	   *target = region->start;

	if (placement == AT_END)
		target += room;
	else if (placement == ANYWHERE)
		target += unit_random_below(room / alignment + 1) * alignment;
	memcpy(target, data, bytes);
	return target;
}

static Region regions[3];

static float
random_float(FloatPattern pattern)
{
	switch (pattern)
	{
		case FLOATS_FAR_FROM_ZERO:
			return 1000 + unit_random_normal();
		case FLOATS_ALL_MAGNITUDES:
			return unit_random_normal() * exp(8 * unit_random_normal());
		case FLOATS_SUBNORMAL:
			return unit_random_normal() * 1e-40;
		case FLOATS_EQUAL:
			return 0.1f;
		default:
			return unit_random_normal();
	}
}

static void
fill_floats(float *x, int n, FloatPattern pattern)
{
	for (int i = 0; i < n; i++)
		x[i] = random_float(pattern);
}

/* Bits of any finite Half, or all near to each other */
static void
fill_halves(Half *x, int n, BytePattern pattern)
{
	for (int i = 0; i < n; i++)
	{
		x[i] = unit_random_below(0x7c00) | (unit_random_below(2) << 15);
		if (pattern != BYTES_RANDOM)
			x[i] = 0x3c00 + unit_random_below(1024);
	}
}

static void
fill_codes(uint8 *codes, int n, BytePattern pattern)
{
	static const uint8 extremes[] = {0, 15, 128, 240, 255};

	for (int i = 0; i < n; i++)
	{
		if (pattern == BYTES_RANDOM)
			codes[i] = unit_random_below(256);
		else if (pattern == BYTES_EXTREMES)
			codes[i] = extremes[unit_random_below(lengthof(extremes))];
		else
			codes[i] = pattern == BYTES_ZERO ? 0 : 255;
	}
}

static void
fill_query(int8 *query, int n, BytePattern pattern)
{
	static const int8 extremes[] = {-128, -127, 0, 127};

	for (int i = 0; i < n; i++)
	{
		if (pattern == BYTES_RANDOM)
			query[i] = (int) unit_random_below(256) - 128;
		else if (pattern == BYTES_EXTREMES)
			query[i] = extremes[unit_random_below(lengthof(extremes))];
		else
			query[i] = pattern == BYTES_LARGEST ? 127 : -128;
	}
}

/*
 * An exact sum and the sum of the magnitudes of its terms, which is what the
 * error bound in distance.h is relative to
 */
typedef struct Sum
{
	double		value;
	double		magnitude;
} Sum;

static void
add_to(Sum *sum, double term, double magnitude)
{
	sum->value += term;
	sum->magnitude += magnitude;
}

/* The bound of distance.h, and the rounding of results below normal range */
static bool
close_to(float result, Sum exact, int n)
{
	double		bound = (n / 8.0 + 16) * ldexp(exact.magnitude, -24) +
		(n + 16) * ldexp(1, -148);

	return fabs(result - exact.value) <= bound;
}

/* What the float kernels of one kind of element should give */
typedef struct ExactSums
{
	Sum			l2;
	Sum			dot;
	Sum			l1;
	Sum			norm_a;
	Sum			norm_b;
} ExactSums;

static void
add_to_sums(ExactSums *sums, double x, double y)
{
	add_to(&sums->l2, (x - y) * (x - y), (x - y) * (x - y));
	add_to(&sums->dot, x * y, fabs(x * y));
	add_to(&sums->l1, fabs(x - y), fabs(x - y));
	add_to(&sums->norm_a, x * x, x * x);
	add_to(&sums->norm_b, y * y, y * y);
}

static bool
parts_close_to(CosineParts parts, const ExactSums *exact, int n)
{
	return close_to(parts.dot, exact->dot, n) &&
		close_to(parts.norm_a, exact->norm_a, n) &&
		close_to(parts.norm_b, exact->norm_b, n);
}

static void
test_float_sums(const float *a, const float *b, int n)
{
	ExactSums	exact = {0};

	for (int i = 0; i < n; i++)
		add_to_sums(&exact, a[i], b[i]);

	for (int set = 0; set < set_count; set++)
	{
		check(set, L2_SQUARED_F32,
			  close_to(sets[set]->l2_squared_f32(a, b, n), exact.l2, n));
		check(set, INNER_PRODUCT_F32,
			  close_to(sets[set]->inner_product_f32(a, b, n), exact.dot, n));
		check(set, L1_F32,
			  close_to(sets[set]->l1_f32(a, b, n), exact.l1, n));
		check(set, COSINE_F32,
			  parts_close_to(sets[set]->cosine_f32(a, b, n), &exact, n));
	}
}

/* The value of a Half by its definition */
static double
naive_half_value(Half half)
{
	int			exponent = (half >> 10) & 31;
	int			mantissa = half & 1023;
	double		magnitude;

	if (exponent == 31)
		magnitude = mantissa == 0 ? INFINITY : NAN;
	else if (exponent == 0)
		magnitude = ldexp(mantissa, -24);
	else
		magnitude = ldexp(1024 + mantissa, exponent - 25);
	return half & 0x8000 ? -magnitude : magnitude;
}

static void
test_half_sums(const Half *a, const Half *b, int n)
{
	ExactSums	exact = {0};

	for (int i = 0; i < n; i++)
		add_to_sums(&exact, naive_half_value(a[i]), naive_half_value(b[i]));

	for (int set = 0; set < set_count; set++)
	{
		check(set, L2_SQUARED_F16,
			  close_to(sets[set]->l2_squared_f16(a, b, n), exact.l2, n));
		check(set, INNER_PRODUCT_F16,
			  close_to(sets[set]->inner_product_f16(a, b, n), exact.dot, n));
		check(set, L1_F16,
			  close_to(sets[set]->l1_f16(a, b, n), exact.l1, n));
		check(set, COSINE_F16,
			  parts_close_to(sets[set]->cosine_f16(a, b, n), &exact, n));
	}
}

/* The same number, or both none */
static bool
same_float(float a, double b)
{
	return (isnan(a) && isnan(b)) || (a == b && !signbit(a) == !signbit(b));
}

/* All Halfs there are, by pieces of n */
static void
test_widening(int n)
{
	Half		halves[MAX_HALVES];
	float		zeros[MAX_HALVES] = {0};

	current_length = n;
	for (uint32 start = 0; start < 65536; start += n)
	{
		int			count = Min((uint32) n, 65536 - start);
		Half	   *from;

		for (int i = 0; i < count; i++)
			halves[i] = start + i;
		from = place(&regions[0], halves, count * sizeof(Half), sizeof(Half),
					 AT_END);
		for (int set = 0; set < set_count; set++)
		{
			float	   *to = place(&regions[1], zeros, count * sizeof(float),
								   sizeof(float), AT_END);
			bool		same = true;

			sets[set]->f32_from_f16(to, from, count);
			for (int i = 0; i < count; i++)
				same &= same_float(to[i], naive_half_value(from[i]));
			check(set, F32_FROM_F16, same);
		}
	}
}

/*
 * The Half nearest to a finite float, by trying the one below it in magnitude
 * and the one above it.
 */
static Half
naive_round(float value)
{
	double		magnitude = fabs((double) value);
	uint32		low = 0;
	uint32		high = 0x7c00;
	double		middle;

	while (high - low > 1)
	{
		uint32		half = (low + high) / 2;

		if (naive_half_value(half) <= magnitude)
			low = half;
		else
			high = half;
	}
	/* infinity takes the place of 65536 */
	middle = (naive_half_value(low) +
			  (high == 0x7c00 ? 65536 : naive_half_value(high))) / 2;
	if (magnitude > middle || (magnitude == middle && low % 2 != 0))
		low = high;
	return (signbit(value) ? 0x8000 : 0) | low;
}

/* A float that is a Half, halfway between two, next to one of these, or any */
static float
random_narrow_float(void)
{
	double		value = naive_half_value(unit_random_below(0x7c00));
	double		next = naive_half_value(unit_random_below(0x7c00));
	float		result;

	switch (unit_random_below(4))
	{
		case 0:
			result = value;
			break;
		case 1:
			next = ldexp(1, unit_random_below(41) - 25);
			result = value + next;
			break;
		case 2:
			result = nextafterf(value, next);
			break;
		default:
			result = unit_random_normal() *
				exp2((int) unit_random_below(50) - 30);
			break;
	}
	return unit_random_below(2) ? result : -result;
}

static void
test_narrowing(int n)
{
	static const float edges[] = {
		0, 65504, 65519, 65519.996f, 65520, 65536, 1e30f, FLT_MAX, INFINITY,
		0x1p-14f, 0x1.ffcp-15f, 0x1.ffep-15f, 0x1p-24f, 0x1p-25f,
		0x1.000002p-25f, 0x1.8p-24f, 1e-10f, 1e-40f
	};
	float		values[MAX_HALVES];
	Half		zeros[MAX_HALVES] = {0};
	float	   *from;

	current_length = n;
	for (int i = 0; i < n; i++)
	{
		values[i] = random_narrow_float();
		if (unit_random_below(8) == 0)
			values[i] = copysignf(edges[unit_random_below(lengthof(edges))],
								  values[i]);
	}
	from = place(&regions[0], values, n * sizeof(float), sizeof(float),
				 AT_END);

	for (int set = 0; set < set_count; set++)
	{
		Half	   *to = place(&regions[1], zeros, n * sizeof(Half),
							   sizeof(Half), AT_END);
		bool		same = true;

		sets[set]->f16_from_f32(to, from, n);
		for (int i = 0; i < n; i++)
			same &= to[i] == naive_round(from[i]);
		check(set, F16_FROM_F32, same);
	}
}

static void
test_scaled_l1(const float *query, const uint8 *code, int n)
{
	float		low = unit_random_normal();
	float		step = fabs(unit_random_normal()) / 100;
	Sum			exact = {0, 0};

	for (int i = 0; i < n; i++)
	{
		double		scaled = (double) step * code[i];

		add_to(&exact, fabs(query[i] - (low + scaled)),
			   fabs(query[i]) + fabs(low) + fabs(scaled));
	}

	for (int set = 0; set < set_count; set++)
		check(set, L1_F32_U8,
			  close_to(sets[set]->l1_f32_u8(query, code, low, step, n),
					   exact, n));
}

static void
test_dots(const uint8 *code, const int8 *query_lo, const int8 *query_hi,
		  int n)
{
	int64		dot8 = 0;
	int64		dot4 = 0;

	for (int i = 0; i < n; i++)
	{
		dot8 += (int64) code[i] * query_lo[i];
		dot4 += (int64) (code[i] % 16) * query_lo[i];
		dot4 += (int64) (code[i] / 16) * query_hi[i];
	}

	for (int set = 0; set < set_count; set++)
	{
		check(set, DOT_U8_S8,
			  sets[set]->dot_u8_s8(code, query_lo, n) == dot8);
		check(set, DOT_U4_S8,
			  sets[set]->dot_u4_s8(code, query_lo, query_hi, n) == dot4);
	}
}

static uint64
naive_popcount(uint8 byte)
{
	uint64		count = 0;

	for (; byte != 0; byte >>= 1)
		count += byte & 1;
	return count;
}

static void
test_bits(const uint8 *a, const uint8 *b, int n)
{
	uint64		xor_count = 0;
	uint64		and_count = 0;
	uint64		or_count = 0;

	for (int i = 0; i < n; i++)
	{
		xor_count += naive_popcount(a[i] ^ b[i]);
		and_count += naive_popcount(a[i] & b[i]);
		or_count += naive_popcount(a[i] | b[i]);
	}

	for (int set = 0; set < set_count; set++)
	{
		check(set, XOR_BITS, sets[set]->xor_bits(a, b, n) == xor_count);
		check(set, AND_BITS, sets[set]->and_bits(a, b, n) == and_count);
		check(set, OR_BITS, sets[set]->or_bits(a, b, n) == or_count);
	}
}

static void
test_floats_of_length(int n)
{
	static float x[MAX_FLOATS];
	static float y[MAX_FLOATS];
	static uint8 codes[MAX_FLOATS];

	current_length = n;
	for (int pattern = 0; pattern < FLOAT_PATTERNS; pattern++)
	{
		current_pattern = pattern;
		fill_floats(x, n, pattern);
		fill_floats(y, n, pattern);
		fill_codes(codes, n, BYTES_RANDOM);

		for (int where = 0; where < PLACEMENTS; where++)
		{
			float	   *a = place(&regions[0], x, n * sizeof(float),
								  sizeof(float), where);
			float	   *b = place(&regions[1], y, n * sizeof(float),
								  sizeof(float), where);
			uint8	   *c = place(&regions[2], codes, n, 1, where);

			current_placement = where;
			test_float_sums(a, b, n);
			test_scaled_l1(a, c, n);
		}
	}
}

static void
test_halves_of_length(int n)
{
	static Half x[MAX_FLOATS];
	static Half y[MAX_FLOATS];

	current_length = n;
	for (int pattern = 0; pattern <= BYTES_EXTREMES; pattern++)
	{
		current_pattern = pattern;
		fill_halves(x, n, pattern);
		fill_halves(y, n, pattern);
		for (int where = 0; where < PLACEMENTS; where++)
		{
			current_placement = where;
			test_half_sums(place(&regions[0], x, n * sizeof(Half),
								 sizeof(Half), where),
						   place(&regions[1], y, n * sizeof(Half),
								 sizeof(Half), where), n);
		}
	}
}

static void
test_bytes_of_length(int n)
{
	static uint8 codes[MAX_BYTES];
	static uint8 more_codes[MAX_BYTES];
	static int8 query_lo[MAX_BYTES];
	static int8 query_hi[MAX_BYTES];

	current_length = n;
	for (int pattern = 0; pattern < BYTE_PATTERNS; pattern++)
	{
		current_pattern = pattern;
		fill_codes(codes, n, pattern);
		fill_codes(more_codes, n, pattern);
		fill_query(query_lo, n, pattern);
		fill_query(query_hi, n, pattern);

		for (int where = 0; where < PLACEMENTS; where++)
		{
			uint8	   *a = place(&regions[0], codes, n, 1, where);

			current_placement = where;
			test_dots(a, place(&regions[1], query_lo, n, 1, where),
					  place(&regions[2], query_hi, n, 1, where), n);
			test_bits(a, place(&regions[1], more_codes, n, 1, where), n);
		}
	}
}

/* The transform by its definition: signs are the parity of i & j. */
static bool
is_transform(const float *result, const float *x, int n)
{
	for (int i = 0; i < n; i++)
	{
		Sum			exact = {0, 0};

		for (int j = 0; j < n; j++)
		{
			int			common = i & j;
			uint64		ones = naive_popcount(common & 255) +
				naive_popcount(common >> 8);

			add_to(&exact, ones % 2 == 0 ? x[j] : -x[j], fabs(x[j]));
		}
		if (!close_to(result[i], exact, 0))
			return false;
	}
	return true;
}

/* Twice the transform is n times the input. */
static bool
is_own_inverse(const DistanceKernels *kernels, const float *result,
			   const float *x, int log2n)
{
	static float twice[1 << MAX_LOG2N];
	int			n = 1 << log2n;
	double		norm = 0;

	memcpy(twice, result, n * sizeof(float));
	kernels->hadamard_f32(twice, log2n);
	for (int i = 0; i < n; i++)
		norm += (double) x[i] * x[i];
	for (int i = 0; i < n; i++)
		if (fabs(twice[i] - (double) n * x[i]) > n * sqrt(norm) * 1e-5)
			return false;
	return true;
}

static void
test_hadamard(int log2n)
{
	static float x[1 << MAX_LOG2N];
	static float expected[1 << MAX_LOG2N];
	int			n = 1 << log2n;
	size_t		bytes = n * sizeof(float);

	current_length = n;
	for (int pattern = 0; pattern < FLOAT_PATTERNS; pattern++)
	{
		current_pattern = pattern;
		current_placement = ANYWHERE;
		fill_floats(x, n, pattern);
		memcpy(expected, x, bytes);
		sets[0]->hadamard_f32(expected, log2n);
		if (log2n <= 9)
			check(0, HADAMARD_F32, is_transform(expected, x, n));
		if (pattern == FLOATS_NORMAL)
			check(0, HADAMARD_F32,
				  is_own_inverse(sets[0], expected, x, log2n));

		for (int where = 0; where < PLACEMENTS; where++)
		{
			current_placement = where;
			for (int set = 0; set < set_count; set++)
			{
				float	   *result = place(&regions[0], x, bytes,
										   sizeof(float), where);

				sets[set]->hadamard_f32(result, log2n);
				check(set, HADAMARD_F32,
					  memcmp(result, expected, bytes) == 0);
			}
		}
	}
}

/*
 * One element decides: its product or difference overflows, or it is not a
 * number.
 */
static void
test_infinity(int n)
{
	static float zeros[MAX_FLOATS];
	float	   *a = place(&regions[0], zeros, n * sizeof(float),
						  sizeof(float), AT_END);
	float	   *b = place(&regions[1], zeros, n * sizeof(float),
						  sizeof(float), AT_END);
	int			at = unit_random_below(n);

	current_length = n;
	for (int set = 0; set < set_count; set++)
	{
		const DistanceKernels *kernels = sets[set];
		CosineParts parts;

		a[at] = FLT_MAX;
		b[at] = -FLT_MAX;
		parts = kernels->cosine_f32(a, b, n);
		check(set, L2_SQUARED_F32,
			  kernels->l2_squared_f32(a, b, n) == INFINITY);
		check(set, INNER_PRODUCT_F32,
			  kernels->inner_product_f32(a, b, n) == -INFINITY);
		check(set, L1_F32, kernels->l1_f32(a, b, n) == INFINITY);
		check(set, COSINE_F32,
			  parts.dot == -INFINITY && parts.norm_a == INFINITY &&
			  parts.norm_b == INFINITY);

		a[at] = NAN;
		parts = kernels->cosine_f32(a, b, n);
		check(set, L2_SQUARED_F32, isnan(kernels->l2_squared_f32(a, b, n)));
		check(set, INNER_PRODUCT_F32,
			  isnan(kernels->inner_product_f32(a, b, n)));
		check(set, L1_F32, isnan(kernels->l1_f32(a, b, n)));
		check(set, COSINE_F32, isnan(parts.dot) && isnan(parts.norm_a));
	}
}

static void
test_choice(void)
{
	unit_ok(strcmp(distance_kernels->name, "portable") == 0,
			"the portable set serves before distance_init");
	unit_ok(strcmp(sets[0]->name, "portable") == 0,
			"the portable set comes first");
	distance_init();
	unit_ok(distance_kernels == sets[set_count - 1],
			"distance_init picks the last set, %s", distance_kernels->name);
	unit_ok(!distance_use_kernels("abacus") &&
			distance_kernels == sets[set_count - 1],
			"an unknown name changes nothing");
	for (int set = 0; set < set_count; set++)
		unit_ok(distance_use_kernels(sets[set]->name) &&
				distance_kernels == sets[set],
				"%s can be chosen by name", sets[set]->name);
}

static void
report(void)
{
	for (int set = 0; set < set_count; set++)
		for (int kernel = 0; kernel < KERNELS; kernel++)
			unit_ok(checks[set][kernel] > 0 && failures[set][kernel] == 0,
					"%s %s: %lld checks, %lld failures", sets[set]->name,
					kernel_names[kernel],
					(long long) checks[set][kernel],
					(long long) failures[set][kernel]);
}

/*
 * A benchmark's arguments, aligned to cache lines; the result is kept, so
 * that no call is dropped.
 */
typedef struct Bench
{
	const DistanceKernels *kernels;
	Kernel		kernel;
	int			dimensions;
	volatile double sink;
	float		x[1 << MAX_LOG2N] pg_attribute_aligned(64);
	float		y[1 << MAX_LOG2N] pg_attribute_aligned(64);
	Half		halves[MAX_FLOATS] pg_attribute_aligned(64);
	uint8		codes[MAX_FLOATS] pg_attribute_aligned(64);
	int8		query_lo[MAX_FLOATS] pg_attribute_aligned(64);
	int8		query_hi[MAX_FLOATS] pg_attribute_aligned(64);
} Bench;

static double
bench_call(Bench *bench)
{
	const DistanceKernels *kernels = bench->kernels;
	int			d = bench->dimensions;

	switch (bench->kernel)
	{
		case L2_SQUARED_F32:
			return kernels->l2_squared_f32(bench->x, bench->y, d);
		case INNER_PRODUCT_F32:
			return kernels->inner_product_f32(bench->x, bench->y, d);
		case L1_F32:
			return kernels->l1_f32(bench->x, bench->y, d);
		case COSINE_F32:
			return kernels->cosine_f32(bench->x, bench->y, d).dot;
		case L2_SQUARED_F16:
			return kernels->l2_squared_f16(bench->halves, bench->halves + d,
										   d);
		case INNER_PRODUCT_F16:
			return kernels->inner_product_f16(bench->halves,
											  bench->halves + d, d);
		case L1_F16:
			return kernels->l1_f16(bench->halves, bench->halves + d, d);
		case COSINE_F16:
			return kernels->cosine_f16(bench->halves, bench->halves + d,
									   d).dot;
		case F32_FROM_F16:
			kernels->f32_from_f16(bench->y, bench->halves, d);
			return bench->y[0];
		case F16_FROM_F32:
			kernels->f16_from_f32(bench->halves + d, bench->x, d);
			return bench->halves[d];
		case L1_F32_U8:
			return kernels->l1_f32_u8(bench->x, bench->codes, 0, 1, d);
		case DOT_U8_S8:
			return kernels->dot_u8_s8(bench->codes, bench->query_lo, d);
		case DOT_U4_S8:
			return kernels->dot_u4_s8(bench->codes, bench->query_lo,
									  bench->query_hi, d / 2);
		case XOR_BITS:
			return kernels->xor_bits(bench->codes, bench->codes + d, d / 8);
		case AND_BITS:
			return kernels->and_bits(bench->codes, bench->codes + d, d / 8);
		case OR_BITS:
			return kernels->or_bits(bench->codes, bench->codes + d, d / 8);
		default:
			for (int log2n = 0;; log2n++)
			{
				if (1 << (log2n + 1) > d)
				{
					kernels->hadamard_f32(bench->y, log2n);
					return bench->y[0];
				}
			}
	}
}

static double
nanoseconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

/* Best of several batches, since the machine may have other work */
static double
bench_nanoseconds(Bench *bench)
{
	const int	batches = 25;
	int			calls = 400000 / bench->dimensions + 1;
	double		best = DBL_MAX;

	for (int batch = 0; batch < batches; batch++)
	{
		double		start = nanoseconds_now();

		for (int i = 0; i < calls; i++)
			bench->sink = bench_call(bench);
		best = Min(best, (nanoseconds_now() - start) / calls);
	}
	return best;
}

static int
run_bench(void)
{
	static const int dimensions[] = {128, 384, 768, 1024, 1536};
	static Bench bench;

	fill_floats(bench.x, lengthof(bench.x), FLOATS_NORMAL);
	fill_halves(bench.halves, lengthof(bench.halves), BYTES_EXTREMES);
	fill_codes(bench.codes, lengthof(bench.codes), BYTES_RANDOM);
	fill_query(bench.query_lo, lengthof(bench.query_lo), BYTES_RANDOM);
	fill_query(bench.query_hi, lengthof(bench.query_hi), BYTES_RANDOM);

	printf("%-18s %-14s", "ns per call", "dimensions");
	for (int i = 0; i < (int) lengthof(dimensions); i++)
		printf("%8d", dimensions[i]);
	printf("\n");

	for (int kernel = 0; kernel < KERNELS; kernel++)
	{
		for (int set = 0; set < set_count; set++)
		{
			bench.kernels = sets[set];
			bench.kernel = kernel;
			printf("%-18s %-14s", kernel_names[kernel], sets[set]->name);
			for (int i = 0; i < (int) lengthof(dimensions); i++)
			{
				/* zeros, because repeated transforms would overflow */
				memset(bench.y, 0, sizeof(bench.y));
				bench.dimensions = dimensions[i];
				printf("%8.1f", bench_nanoseconds(&bench));
			}
			printf("\n");
		}
	}
	return 0;
}

int
main(int argc, char **argv)
{
	bool		bench = argc > 1 && strcmp(argv[1], "--bench") == 0;

	sets = distance_supported_kernels(&set_count);
	Assert(set_count <= MAX_SETS);
	if (bench)
		return run_bench();

	unit_start(argc, argv);
	for (int i = 0; i < (int) lengthof(regions); i++)
		regions[i] = make_region();

	test_choice();
	for (int n = 0; n <= 300; n++)
	{
		test_floats_of_length(n);
		test_halves_of_length(n);
		test_bytes_of_length(n);
	}
	for (int i = 0; i < (int) lengthof(long_lengths); i++)
	{
		if (long_lengths[i] <= MAX_FLOATS)
		{
			test_floats_of_length(long_lengths[i]);
			test_halves_of_length(long_lengths[i]);
		}
		test_bytes_of_length(long_lengths[i]);
	}
	for (int log2n = 0; log2n <= MAX_LOG2N; log2n++)
		test_hadamard(log2n);
	for (int n = 1; n <= 300; n++)
		test_infinity(n);
	for (int n = 1; n <= 40; n++)
		test_widening(n);
	for (int n = 0; n <= MAX_HALVES; n++)
		test_narrowing(n);
	report();

	return unit_finish();
}
