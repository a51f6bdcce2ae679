/*-------------------------------------------------------------------------
 *
 * format_float_test.c
 *	  format_float must write what float_to_shortest_decimal_bufn does.
 *
 * Called with --all it tries all floats there are, which takes minutes.
 *
 * test/unit/format_float_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "common/shortest_dec.h"
#include "distance/distance.h"
#include "types/format_float.h"

/* Every so many floats; a prime, so that all low bits come up */
#define STRIDE			1009
#define RANDOM_ROUNDS	300000

static float
float_from_bits(uint32 bits)
{
	float		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static bool
agrees(float value)
{
	char		expected[FLOAT_SHORTEST_DECIMAL_LEN];
	char		str[FORMAT_FLOAT_ROOM + 1];
	int			expected_len = float_to_shortest_decimal_bufn(value, expected);
	int			len;

	str[FORMAT_FLOAT_ROOM] = '#';
	len = format_float(value, str) - str;
	if (len == expected_len && memcmp(str, expected, len) == 0 &&
		str[FORMAT_FLOAT_ROOM] == '#')
		return true;

	printf("# %.9g: \"%.*s\", not \"%.*s\"\n", value, len, str, expected_len,
		   expected);
	return false;
}

/* Every step-th positive float, and the negative ones */
static void
test_floats(uint32 step)
{
	const uint32 infinity = 0x7f800000;
	int			failures = 0;

	for (uint32 bits = 0; bits < infinity && failures < 20; bits += step)
	{
		failures += !agrees(float_from_bits(bits));
		failures += !agrees(float_from_bits(bits | 0x80000000));
	}
	unit_ok(failures == 0, "each %uth of all floats", (unsigned int) step);
}

/* Numbers with few digits, and their neighbours */
static void
test_decimals(void)
{
	int			failures = 0;

	for (int i = 0; i < RANDOM_ROUNDS && failures < 20; i++)
	{
		double		decimal = unit_random_below(1000000) *
			pow(10, (int) unit_random_below(13) - 12);
		float		value = decimal;

		failures += !agrees(value);
		failures += !agrees(nextafterf(value, INFINITY));
		failures += !agrees(nextafterf(value, -INFINITY));
	}
	unit_ok(failures == 0, "numbers of few digits");
}

/* Powers of two and of ten, integers, and what lies next to them */
static void
test_edges(void)
{
	int			failures = 0;

	for (int exponent = -149; exponent < 128; exponent++)
	{
		float		value = ldexpf(1, exponent);

		failures += !agrees(value);
		failures += !agrees(nextafterf(value, INFINITY));
		failures += !agrees(nextafterf(value, 0));
	}
	for (int exponent = -45; exponent < 39; exponent++)
	{
		float		value = pow(10, exponent);

		failures += !agrees(value);
		failures += !agrees(-value);
		failures += !agrees(nextafterf(value, INFINITY));
		failures += !agrees(nextafterf(value, 0));
	}
	for (int i = 0; i <= 1100000; i++)
	{
		failures += !agrees(i);
		if (i % 8 == 0)
			failures += !agrees(-i - 0.5f);
	}
	unit_ok(failures == 0, "powers and integers");
}

/* Integers of every length, without a byte written too far */
static void
test_integers(void)
{
	int			failures = 0;

	for (int64 i = 0; i <= PG_INT32_MAX && failures < 20;
		 i += 1 + i / (i < 2000000 ? 1000000 : 20000))
	{
		for (int64 k = Max(i - 2, 0); k <= Min(i + 2, PG_INT32_MAX); k++)
		{
			char		expected[20];
			char		str[20];
			int			len = snprintf(expected, sizeof(expected), "%d", (int) k);

			memset(str, '#', sizeof(str));
			if (format_integer((int32) k, str) - str != len ||
				memcmp(str, expected, len) != 0 ||
				str[Max(len + 1, 4)] != '#')
				failures++;
		}
	}
	for (int64 power = 1; power <= 1000000000; power *= 10)
	{
		char		expected[20];
		char		str[20];

		for (int64 k = power - 1; k <= power; k++)
		{
			*format_integer((int32) k, str) = '\0';
			snprintf(expected, sizeof(expected), "%d", (int) k);
			failures += strcmp(str, expected) != 0;
		}
	}
	unit_ok(failures == 0, "integers");
}

/* Values of one kind each, and some of the others among them */
static float
random_value(int kind)
{
	switch (unit_random_below(50) == 0 ? (int) unit_random_below(6) : kind)
	{
		case 0:
			return unit_random_normal() / 30;
		case 1:
			return unit_random_normal();
		case 2:
			return rint(unit_random_normal() * 1000) / 1000;
		case 3:
			return rint(unit_random_normal() * 100);
		case 4:
			/* between two floats' middles is hard to say */
			return ldexp(rint(unit_random_normal() * 2000), -11);
		default:
			return float_from_bits(unit_random_below(0x7f800000) |
								   (uint32) unit_random_below(2) << 31);
	}
}

/* What format_floats has to write, or format_pairs if there are indices */
static char *
expected_text(const int32 *indices, const float *values, int n, char *pt)
{
	for (int i = 0; i < n; i++)
	{
		if (indices != NULL)
			pt += sprintf(pt, "%d:", indices[i] + 1);
		pt += float_to_shortest_decimal_bufn(values[i], pt);
		*pt++ = ',';
	}
	return pt - 1;
}

/* Many at a time, by each set of kernels; room is as large as it must be */
static void
test_many(const DistanceKernels *kernels, bool pairs)
{
	float		values[300];
	int32		indices[300];
	int			failures = 0;

	for (int round = 0; round < RANDOM_ROUNDS / 20; round++)
	{
		int			n = 1 + unit_random_below(lengthof(values));
		size_t		len = FLOAT_SHORTEST_DECIMAL_LEN +
			(pairs ? FORMAT_INDEX_LEN : 0);
		char	   *str = malloc(n * len + FORMAT_FLOAT_ROOM);
		char	   *expected = malloc(n * len + FORMAT_FLOAT_ROOM);
		char	   *end;
		char	   *expected_end;

		for (int i = 0; i < n; i++)
		{
			values[i] = random_value(round % 6);
			indices[i] = unit_random_below(1 << unit_random_below(31));
		}
		if (pairs)
			indices[n - 1] = PG_INT32_MAX - 1;
		expected_end = expected_text(pairs ? indices : NULL, values, n,
									 expected);
		end = pairs ? format_pairs(indices, values, n, str) :
			format_floats(values, n, str);
		if (end - str != expected_end - expected ||
			memcmp(str, expected, end - str) != 0)
			failures++;
		free(str);
		free(expected);
	}
	unit_ok(failures == 0, "%s: many %s at a time", kernels->name,
			pairs ? "pairs" : "numbers");
}

/* All that a kernel does, or a part of it */
static void
test_kernel(const DistanceKernels *kernels, uint32 step)
{
	const uint32 begin = 0x38000000;
	const uint32 end = 0x41800000;
	int			failures = 0;
	int			done = 0;

	for (uint32 bits = begin; bits < end; bits += step * DECIMALS_MAX)
	{
		float		values[DECIMALS_MAX];
		char		str[DECIMALS_MAX * FLOAT_SHORTEST_DECIMAL_LEN +
						FORMAT_FLOAT_ROOM];
		char	   *pt = str;
		char	   *str_end;
		Decimals	decimals;

		for (int i = 0; i < DECIMALS_MAX; i++)
			values[i] = float_from_bits(bits + i * step);
		memset(&decimals, 1, sizeof(decimals));
		if (kernels->decimals_f32 != NULL)
			kernels->decimals_f32(&decimals, values, DECIMALS_MAX);
		str_end = format_floats(values, DECIMALS_MAX, str);
		for (int i = 0; i < DECIMALS_MAX; i++)
		{
			char		expected[FLOAT_SHORTEST_DECIMAL_LEN];
			int			len = float_to_shortest_decimal_bufn(values[i],
															 expected);

			done += decimals.left[i] == 0;
			if (str_end - pt < len || memcmp(pt, expected, len) != 0)
			{
				failures++;
				break;
			}
			pt += len + 1;
		}
	}
	unit_ok(failures == 0, "%s: each %uth float of its range, %d done",
			kernels->name, (unsigned int) step, done);
}

int
main(int argc, char **argv)
{
	bool		all = argc > 1 && strcmp(argv[1], "--all") == 0;
	int			count;
	const DistanceKernels *const *sets = distance_supported_kernels(&count);

	unit_start(all ? 1 : argc, argv);
	test_floats(all ? 1 : STRIDE);
	test_decimals();
	test_edges();
	test_integers();
	for (int i = 0; i < count; i++)
	{
		distance_use_kernels(sets[i]->name);
		test_many(sets[i], false);
		test_many(sets[i], true);
		test_kernel(sets[i], all ? 1 : 61);
	}
	return unit_finish();
}
