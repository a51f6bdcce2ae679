/*-------------------------------------------------------------------------
 *
 * parse_float_test.c
 *	  parse_float must agree with strtof in value, end and errors.
 *
 * test/unit/parse_float_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <errno.h>

/* a number parser in a directory of files that need the server */
#include "types/parse_float.c"

#define RANDOM_ROUNDS	300000

static uint32
float_bits(float value)
{
	uint32		bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static float
float_from_bits(uint32 bits)
{
	float		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Does parse_float read this as strtof does? */
static bool
agrees(const char *str)
{
	char	   *strtof_end;
	const char *end = str;
	float		expected;
	float		value;
	ParseFloatResult result = parse_float(&end, str + strlen(str), &value);
	ParseFloatResult expected_result = PARSE_FLOAT_OK;

	errno = 0;
	expected = strtof(str, &strtof_end);
	if (strtof_end == str)
		expected_result = PARSE_FLOAT_INVALID;
	else if (errno == ERANGE && isinf(expected))
		expected_result = PARSE_FLOAT_OVERFLOW;
	else if (errno == ERANGE && expected == 0)
		expected_result = PARSE_FLOAT_UNDERFLOW;

	if (end == strtof_end && result == expected_result &&
		(float_bits(value) == float_bits(expected) ||
		 (isnan(value) && isnan(expected))))
		return true;

	printf("# \"%s\": %.9g (%08x), not %.9g (%08x); result %d, not %d; "
		   "%d bytes, not %d\n",
		   str, value, float_bits(value), expected, float_bits(expected),
		   result, expected_result, (int) (end - str),
		   (int) (strtof_end - str));
	return false;
}

static void
test_texts(void)
{
	static const char *const texts[] = {
		"", " ", "-", "+", ".", "-.", "e5", ".e5", "x", "]", ",1",
		"0", "-0", "+0", "0.0", "-0.000", "00", "000001", "1", "1.", ".5",
		"-.5", "1.5", " 1.5", "\t1.5", "1 ", "1,2", "1]", "1a", "--1", "+-1",
		"1..2", "1.5.5", "1e", "1e+", "1e-", "1ex", "1e5", "1E5", "1e+5",
		"1e-5", "1e05", "1e0000000000000000005", "1e99999999999999999999",
		"0e99999999999999999999", "1e-99999999999999999999", "0x", "0x1",
		"0x1p4", "0x.8", "-0X1.8p-3", "0xg", "0x1p-200", "0x1p200", "1x",
		"00x1", "inf", "-inf", "Infinity", "infinit", "INFINITY", "nan",
		"-nan", "NaN", "nan(123)", "nan(", "nanx",
		"3.4028234663852886e38", "3.4028235e38", "3.40282356e38",
		"3.4028235677973366e38", "3.4028235677973367e38", "3.4e38", "3.5e38",
		"4e38", "-4e38", "1e39", "340282346638528859811704183484516925440",
		"340282356779733661637539395458142568447",
		"340282356779733661637539395458142568448",
		"1.17549435e-38", "1.1754943e-38", "1.1754942e-38", "1.2e-38",
		"1.4e-45", "7.1e-46", "7.0064923216240853546186479164495e-46",
		"7.0064923216240853546186479164496e-46", "7e-46", "1e-46", "-1e-46",
		"1e-50", "1e-64", "1e-65", "1234567890123456789e-64",
		"1234567890123456789e-65", "9999999999999999999e19",
		"16777216", "16777217", "16777218", "16777219", "33554431",
		"9007199254740993", "9223372036854775807", "9223372036854775808",
		"18446744073709551615", "18446744073709551616", "9999999999999999999",
		"99999999999999999999", "10000000000000000000",
		"100000000000000000000", "0.00000000000000000000000001",
		"0.000000000000000000000000016777217", "0000000000000000000000001.5",
		"1.00000005960464477539062", "1.000000059604644775390625",
		"1.00000005960464477539063", "1.0000000596046447753906250000000001",
		"0.1", "0.2", "0.3", "0.12345678", "0.012345678901234567",
		"-0.0023064255714416504", "1.00000000000000000000000000000000000001",
		"123456789012345678901234567890e-30", "8388608.5", "8388609.5"
	};
	int			failures = 0;

	for (int i = 0; i < (int) lengthof(texts); i++)
	{
		if (!agrees(texts[i]))
			failures++;
	}
	unit_ok(failures == 0, "%d chosen texts", (int) lengthof(texts));
}

/* Every float printed with some number of digits */
static void
test_random_floats(void)
{
	int			failures = 0;

	for (int i = 0; i < RANDOM_ROUNDS; i++)
	{
		float		value = float_from_bits((uint32) unit_random());
		char		str[64];

		if (isnan(value) || isinf(value))
			continue;
		snprintf(str, sizeof(str),
				 unit_random_below(2) ? "%.*e" : "%.*g",
				 (int) unit_random_below(22), value);
		if (!agrees(str))
			failures++;
	}
	unit_ok(failures == 0, "random floats");
}

/* The numbers that rounding errors hurt: those next to a midpoint */
static void
test_midpoints(void)
{
	int			failures = 0;

	for (int i = 0; i < RANDOM_ROUNDS; i++)
	{
		/* not the largest float, which has no neighbour above */
		uint32		bits = unit_random_below(0x7f7fffff);
		double		midpoint = ((double) float_from_bits(bits) +
								(double) float_from_bits(bits + 1)) / 2;
		char		str[64];

		/* the last digits of a longer expansion are cut or changed */
		snprintf(str, sizeof(str), "%.*e", (int) unit_random_below(24),
				 midpoint * (1 + (unit_random_double() - 0.5) *
							 (unit_random_below(2) ? 0 : 1e-15)));
		if (!agrees(str))
			failures++;
	}
	unit_ok(failures == 0, "midpoints of random neighbours");
}

/* Digits, point and exponent wherever they fall */
static void
test_random_texts(void)
{
	static const char alphabet[] = "0123456789012345678900..eE+-x ,]\xb0\xff";
	int			failures = 0;

	for (int i = 0; i < RANDOM_ROUNDS; i++)
	{
		char		str[32];
		int			length = unit_random_below(sizeof(str) - 1);

		for (int j = 0; j < length; j++)
			str[j] = alphabet[unit_random_below(sizeof(alphabet) - 1)];
		str[length] = '\0';
		if (!agrees(str))
			failures++;
	}
	unit_ok(failures == 0, "random texts");
}

/* Decimal numbers as programs print them */
static void
test_random_decimals(void)
{
	int			failures = 0;

	for (int i = 0; i < RANDOM_ROUNDS; i++)
	{
		char		str[64];
		uint64		digits = unit_random() >> unit_random_below(64);

		snprintf(str, sizeof(str), "%s0.%s%llu",
				 unit_random_below(2) ? "-" : "",
				 &"000000"[unit_random_below(7)],
				 (unsigned long long) digits);
		if (!agrees(str))
			failures++;
	}
	unit_ok(failures == 0, "random decimals");
}

/* A number as programs print vectors: fraction or integer, some unusual ones */
static int
print_element(char *str, size_t size)
{
	double		value = unit_random_normal() * exp(2 * unit_random_normal());

	switch (unit_random_below(8))
	{
		case 0:
			return snprintf(str, size, "%d", (int) (value * 1000));
		case 1:
			return snprintf(str, size, "%.*g",
							(int) unit_random_below(18), value);
		case 2:
			return snprintf(str, size, "%d", (int) unit_random_below(20000));
		default:
			return snprintf(str, size, "%s%.*f",
							unit_random_below(4) == 0 ? " " : "",
							(int) unit_random_below(17), value);
	}
}

/* Runs of numbers, each as strtof reads it */
static void
test_runs(void)
{
	static const char *const separators[] = {",", ",", ",", ", ", " ,", ",,"};
	int			failures = 0;
	int			in_runs = 0;

	for (int i = 0; i < RANDOM_ROUNDS / 20; i++)
	{
		char		str[2000] = "";
		int			length = 0;
		float		values[40];
		const char *pt = str;
		const char *expected = str;
		int			max = unit_random_below(lengthof(values) + 1);
		int			n;

		for (int k = 0; k < 50; k++)
		{
			length += print_element(str + length, sizeof(str) - length);
			length += snprintf(str + length, sizeof(str) - length, "%s",
							   unit_random_below(20) == 0 ?
							   separators[unit_random_below(6)] : ",");
		}
		/* the end comes anywhere */
		length = unit_random_below(length + 1);
		str[length] = '\0';

		n = parse_float_run(&pt, str + length, values, max);
		for (int k = 0; k < n; k++)
		{
			char	   *end;
			float		value = strtof(expected, &end);

			if (float_bits(values[k]) != float_bits(value) || *end != ',')
				failures++;
			expected = end + 1;
		}
		if (n > max || pt != expected || pt > str + length)
			failures++;
		in_runs += n;
	}
	unit_ok(failures == 0, "runs of numbers");
	unit_ok(in_runs > RANDOM_ROUNDS / 10,
			"%d numbers were read in runs", in_runs);
}

/* What a run takes, and where it must stop */
static void
test_run_ends(void)
{
	static const struct
	{
		const char *text;
		int			n;
		int			length;
	}			cases[] = {
		{"1,2,3,", 3, 6},
		{"0.5,-0.25, 1.5,", 3, 15},
		{"9999,10000,", 1, 5},
		{"9.999999,10.5,", 1, 9},
		{"1.,2,", 2, 5},
		{"0.123456789012345,0.1234567890123456,", 1, 18},
		{"1,2]", 1, 2},
		{"1, ,", 1, 2},
		{"1,  2,", 1, 2},
		{"1,+2,", 1, 2},
		{"1,.5,", 1, 2},
		{"1,-,", 1, 2},
		{"1,2e5,", 1, 2},
		{"1,2.5e5,", 1, 2},
		{"1,0x1,", 1, 2},
		{"1,2 ,", 1, 2},
		/* in the middle between two floats */
		{"1,1.000000059604644,2,", 1, 2},
		{"-0,-0.0,", 2, 8}
	};
	int			failures = 0;

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		char		str[100];
		float		values[10];
		const char *pt = str;
		int			n;

		snprintf(str, sizeof(str), "%s%s", cases[i].text,
				 "]                              ");
		n = parse_float_run(&pt, str + strlen(str), values, 10);
		if (n != cases[i].n || pt - str != cases[i].length)
		{
			failures++;
			printf("# \"%s\": %d numbers, %d bytes\n", cases[i].text, n,
				   (int) (pt - str));
		}
	}
	unit_ok(failures == 0, "where runs end");
}

/* An index as it may be printed, or wrongly */
static int
print_index(char *str, size_t size)
{
	const char *space = unit_random_below(8) == 0 ? " " : "";
	long		index = unit_random_below(1 << (1 + unit_random_below(30)));

	if (unit_random_below(30) == 0)
		return snprintf(str, size, "%s%ld :", space, index);
	return snprintf(str, size, "%s%s%ld:", space,
					unit_random_below(30) == 0 ? "+" : "", index);
}

/* Runs of pairs, each as strtol and strtof read it, but those of zero */
static void
test_pair_runs(void)
{
	int			failures = 0;
	int			in_runs = 0;

	for (int i = 0; i < RANDOM_ROUNDS / 20; i++)
	{
		char		str[3000] = "";
		int			length = 0;
		IndexedFloat pairs[40];
		const char *pt = str;
		const char *expected = str;
		int			max = unit_random_below(lengthof(pairs) + 1);
		int			n;

		for (int k = 0; k < 50; k++)
		{
			length += print_index(str + length, sizeof(str) - length);
			length += print_element(str + length, sizeof(str) - length);
			str[length++] = unit_random_below(40) == 0 ? ' ' : ',';
		}
		length = unit_random_below(length + 1);
		str[length] = '\0';

		n = parse_pair_run(&pt, str + length, pairs, max);
		for (int k = 0; expected < pt;)
		{
			char	   *colon;
			char	   *end;
			long		index = strtol(expected, &colon, 10);
			float		value = strtof(colon + 1, &end);

			if (*colon != ':' || *end != ',' || end >= pt)
				failures++;
			if (value != 0 &&
				(k >= n || pairs[k].index != index - 1 ||
				 float_bits(pairs[k].value) != float_bits(value)))
				failures++;
			k += value != 0;
			expected = end + 1;
			if (expected == pt && k != n)
				failures++;
		}
		if (n > max || pt != expected || pt > str + length)
			failures++;
		in_runs += n;
	}
	unit_ok(failures == 0, "runs of pairs");
	unit_ok(in_runs > RANDOM_ROUNDS / 15, "%d pairs were read in runs",
			in_runs);
}

/* What a run of pairs takes, and where it must stop */
static void
test_pair_run_ends(void)
{
	static const struct
	{
		const char *text;
		int			n;
		int			length;
	}			cases[] = {
		{"1:2,3:4,", 2, 8},
		{" 1:2, 3: -4,", 2, 12},
		{"99999999:1,100000000:1,", 1, 11},
		{"0:1,00000002:1,", 2, 15},
		{"1:0,2:-0.0,3:0.5,4:0,", 1, 21},
		{"1:2,3 :4,", 1, 4},
		{"1:2,-3:4,", 1, 4},
		{"1:2,+3:4,", 1, 4},
		{"1:2,:4,", 1, 4},
		{"1:2,3,", 1, 4},
		{"1:2,3:,", 1, 4},
		{"1:2,3:  4,", 1, 4},
		{"1:2,3:4e5,", 1, 4},
		{"1:2,3:4}", 1, 4}
	};
	int			failures = 0;

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		char		str[100];
		IndexedFloat pairs[10];
		const char *pt = str;
		int			n;

		snprintf(str, sizeof(str), "%s%s", cases[i].text,
				 "}                                        ");
		n = parse_pair_run(&pt, str + strlen(str), pairs, 10);
		if (n != cases[i].n || pt - str != cases[i].length)
		{
			failures++;
			printf("# \"%s\": %d pairs, %d bytes\n", cases[i].text, n,
				   (int) (pt - str));
		}
	}
	unit_ok(failures == 0, "where runs of pairs end");
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	test_texts();
	test_random_floats();
	test_midpoints();
	test_random_texts();
	test_random_decimals();
	test_runs();
	test_run_ends();
	test_pair_runs();
	test_pair_run_ends();
	return unit_finish();
}
