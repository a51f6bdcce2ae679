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

/* Each text ends where the next one begins, and nothing is written before. */
static void
test_sequence(void)
{
	char		str[1000];
	char	   *pt = str;

	for (int i = 0; i < 50; i++)
	{
		*pt++ = ',';
		pt = format_float(i % 2 ? 0.25f + i : -1e-20f, pt);
	}
	*pt = '\0';
	unit_ok(strncmp(str, ",-1e-20,1.25,-1e-20,3.25,-1e-20,5.25,", 37) == 0 &&
			strcmp(pt - 6, ",49.25") == 0, "one after the other: %s", str);
}

int
main(int argc, char **argv)
{
	bool		all = argc > 1 && strcmp(argv[1], "--all") == 0;

	unit_start(all ? 1 : argc, argv);
	test_floats(all ? 1 : STRIDE);
	test_decimals();
	test_edges();
	test_sequence();
	return unit_finish();
}
