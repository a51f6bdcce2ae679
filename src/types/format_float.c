/*-------------------------------------------------------------------------
 *
 * format_float.c
 *	  Float to text, with the results of float_to_shortest_decimal_bufn in a
 *	  fraction of its time.
 *
 * The text has as few digits as tell the float from all others.  These are the
 * digits of a decimal number in the interval of what is rounded to the float,
 * whose ends are half a step away on either side and do not count.  A step is
 * 2^-r; for numbers of the magnitude that is printed without an exponent there
 * is a power of ten 10^t, t <= 12, with 1 < 2^-r * 10^t < 10.  Multiplied by
 * it, the interval is longer than 1 and shorter than 10, so it has an integer
 * and at most one multiple of ten: if there is one that is the answer, zeros
 * at its end left out, or else the integer that is nearest to the float.
 * Mantissa times 10^t is less than 2^64: all of this is exact in integers, in
 * units of 2^-r.
 *
 * Below a power of two the step is half as long, and there may be no integer
 * in what remains of the interval, or not the nearest one.  These few numbers
 * and all of other magnitudes are left to the function of core.
 *
 * src/types/format_float.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "distance/distance.h"
#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"
#include "types/format_float.h"

#define MANTISSA_BITS	23
#define MANTISSA_MASK	((1U << MANTISSA_BITS) - 1)
#define SIGN_BIT		0x80000000U

/* 0.0001, the smallest number printed without an exponent, and the end */
#define FIRST_FIXED		0x38d1b717U
#define END_OF_FIXED	0x49742400U /* 1000000 */

/* Digits of a fraction that are not leading zeros, at most */
#define FRACTION_DIGITS 9

/*
 * 10^t, and what makes a fraction below it one of FRACTION_DIGITS digits;
 * where t is greater its first digits are zeros.
 */
typedef struct Scale
{
	uint64		power;
	uint32		rest;
	int			zeros;
} Scale;

static const Scale scales[] = {
	{UINT64CONST(1), 1000000000, 0},
	{UINT64CONST(10), 100000000, 0},
	{UINT64CONST(100), 10000000, 0},
	{UINT64CONST(1000), 1000000, 0},
	{UINT64CONST(10000), 100000, 0},
	{UINT64CONST(100000), 10000, 0},
	{UINT64CONST(1000000), 1000, 0},
	{UINT64CONST(10000000), 100, 0},
	{UINT64CONST(100000000), 10, 0},
	{UINT64CONST(1000000000), 1, 0},
	{UINT64CONST(10000000000), 1, 1},
	{UINT64CONST(100000000000), 1, 2},
	{UINT64CONST(1000000000000), 1, 3}
};

/*
 * Three digits of each number below 1000, and how many of them are zeros in
 * front of it
 */
#define DIGITS_0(a, b, c) \
	{a, b, c, a != '0' ? 0 : b != '0' ? 1 : 2}
#define DIGITS_1(a, b) \
	DIGITS_0(a, b, '0'), DIGITS_0(a, b, '1'), DIGITS_0(a, b, '2'), \
	DIGITS_0(a, b, '3'), DIGITS_0(a, b, '4'), DIGITS_0(a, b, '5'), \
	DIGITS_0(a, b, '6'), DIGITS_0(a, b, '7'), DIGITS_0(a, b, '8'), \
	DIGITS_0(a, b, '9')
#define DIGITS_2(a) \
	DIGITS_1(a, '0'), DIGITS_1(a, '1'), DIGITS_1(a, '2'), DIGITS_1(a, '3'), \
	DIGITS_1(a, '4'), DIGITS_1(a, '5'), DIGITS_1(a, '6'), DIGITS_1(a, '7'), \
	DIGITS_1(a, '8'), DIGITS_1(a, '9')

static const char small_numbers[1000][4] = {
	DIGITS_2('0'), DIGITS_2('1'), DIGITS_2('2'), DIGITS_2('3'),
	DIGITS_2('4'), DIGITS_2('5'), DIGITS_2('6'), DIGITS_2('7'),
	DIGITS_2('8'), DIGITS_2('9')
};

/* Writes nine digits, and one byte more. */
static inline void
put_nine(char *pt, uint32 number)
{
	uint32		upper = number / 1000;

	memcpy(pt, small_numbers[upper / 1000], 4);
	memcpy(pt + 3, small_numbers[upper % 1000], 4);
	memcpy(pt + 6, small_numbers[number % 1000], 4);
}

/*
 * Writes a number below 1000 without zeros in front, and returns its end;
 * touches four bytes.
 */
static inline char *
put_three(char *pt, uint32 number)
{
	const char *three = small_numbers[number];

	memcpy(pt, three + three[3], 4);
	return pt + 3 - three[3];
}

/*
 * Writes any integer, and returns its end; touches one byte more, and four at
 * least.
 */
static inline char *
put_integer(char *pt, uint32 number)
{
	uint32		thousands = number / 1000;
	uint32		millions = thousands / 1000;

	if (number < 1000)
		return put_three(pt, number);
	if (likely(thousands < 1000))
		pt = put_three(pt, thousands);
	else
	{
		if (millions < 1000)
			pt = put_three(pt, millions);
		else
		{
			pt = put_three(pt, millions / 1000);
			memcpy(pt, small_numbers[millions % 1000], 4);
			pt += 3;
		}
		memcpy(pt, small_numbers[thousands % 1000], 4);
		pt += 3;
	}
	memcpy(pt, small_numbers[number % 1000], 4);
	return pt + 3;
}

static int
trailing_zeros(uint32 number)
{
	int			zeros = 0;

	if (number % 10000 == 0)
	{
		number /= 10000;
		zeros = 4;
	}
	if (number % 100 == 0)
	{
		number /= 100;
		zeros += 2;
	}
	return zeros + (number % 10 == 0);
}

/* Zero, a sparse vector's element, and what is left to core */
static pg_noinline char *
format_rare(float value, char *str)
{
	if (value == 0)
	{
		*str = '-';
		return put_three(str + (signbit(value) != 0), 0);
	}
	return str + float_to_shortest_decimal_bufn(value, str);
}

static pg_attribute_always_inline char *
put_float(float value, char *str)
{
	uint32		bits;
	uint32		mantissa;
	int			r;
	int			t;
	const Scale *scale;
	uint64		scaled;
	uint64		half;
	uint32		below;
	uint32		high;
	uint32		number;
	uint32		tens;
	bool		is_short;
	uint32		integer;
	uint32		fraction;
	char	   *end;

	memcpy(&bits, &value, sizeof(bits));
	if (unlikely((bits & ~SIGN_BIT) - FIRST_FIXED >=
				 END_OF_FIXED - FIRST_FIXED))
		return format_rare(value, str);

	*str = '-';
	integer = (uint32) fabsf(value);
	if (integer == fabsf(value))
		return put_integer(str + (bits >> 31), integer);
	if (unlikely((bits & MANTISSA_MASK) == 0))
		return format_rare(value, str);

	mantissa = (bits & MANTISSA_MASK) | (1U << MANTISSA_BITS);
	r = 127 + MANTISSA_BITS - ((bits & ~SIGN_BIT) >> MANTISSA_BITS);
	t = (r * 1233 >> 12) + 1;	/* r * log10(2), rounded up */
	scale = &scales[t];

	/* the integers in the interval are those above below, up to high */
	scaled = mantissa * scale->power;
	half = scale->power / 2;
	high = (scaled + half - 1) >> r;
	below = (scaled - half) >> r;

	/* a multiple of ten, or the nearest one, the even one of two */
	tens = high / 10;
	is_short = tens * 10 > below;
	number = (scaled + (UINT64CONST(1) << (r - 1)) - 1 +
			  ((scaled >> r) & 1)) >> r;
	number += (tens * 10 - number) & -(uint32) is_short;

	/* the integer part is exact, as no interval goes over an integer */
	fraction = (number - integer * (uint32) scale->power) * scale->rest;

	str += bits >> 31;
	*str = '0' + integer;
	str = likely(integer < 10) ? str + 1 : put_integer(str, integer);
	memcpy(str, ".000", 4);
	put_nine(str + 1 + scale->zeros, fraction);
	end = str + 1 + t - is_short;
	if (unlikely((tens % 10 == 0) & is_short))
		end -= trailing_zeros(tens);
	return end;
}

char *
format_float(float value, char *str)
{
	return put_float(value, str);
}

/* Writes four characters, the first of which has the lowest value. */
static inline void
put_four(char *pt, uint32 characters)
{
#ifdef WORDS_BIGENDIAN
	characters = pg_bswap32(characters);
#endif
	memcpy(pt, &characters, sizeof(characters));
}

/*
 * put_decimal
 *		Writes the i-th of decimals, which a kernel has computed.
 */
static inline char *
put_decimal(char *str, bool negative, const Decimals *decimals, int i)
{
	uint64		others;
	char	   *nine;

	*str = '-';
	str += negative;
	memcpy(str, "0.000000", 8);
	*str += decimals->integer[i];
	nine = str + 2 + decimals->zeros[i];
	*nine = '0' + decimals->first[i];
	put_four(nine + 1, decimals->upper[i]);
	put_four(nine + 5, decimals->lower[i]);

	/* without zeros at the end */
	others = (uint64) decimals->lower[i] << 32 | decimals->upper[i];
	others ^= UINT64CONST(0x3030303030303030);
	if (likely(others != 0))
		return nine + 2 + pg_leftmost_one_pos64(others) / 8;
	if (decimals->first[i] != 0)
		return nine + 1;
	return str + 1;				/* an integer */
}

/*
 * format_chunk
 *		Writes up to DECIMALS_MAX numbers, each with a comma behind it, and
 *		with its index, counted from 1, in front, if there are any.
 */
static pg_attribute_always_inline char *
format_chunk(const int32 *indices, const float *values, int n, char *str)
{
	Decimals	decimals;

	/* kernels know no integers, and one is seldom alone */
	bool		by_kernel = distance_kernels->decimals_f32 != NULL &&
		values[0] != truncf(values[0]);

	if (by_kernel)
		distance_kernels->decimals_f32(&decimals, values, n);
	for (int i = 0; i < n; i++)
	{
		if (indices != NULL)
		{
			str = put_integer(str, (uint32) indices[i] + 1);
			*str++ = ':';
		}
		if (!by_kernel)
			str = put_float(values[i], str);
		else if (likely(decimals.left[i] == 0))
			str = put_decimal(str, signbit(values[i]) != 0, &decimals, i);
		else
			str = format_float(values[i], str);
		*str++ = ',';
	}
	return str;
}

char *
format_floats(const float *values, int n, char *str)
{
	for (int i = 0; i < n; i += DECIMALS_MAX)
		str = format_chunk(NULL, values + i, Min(n - i, DECIMALS_MAX), str);
	return str - 1;
}

char *
format_pairs(const int32 *indices, const float *values, int n, char *str)
{
	for (int i = 0; i < n; i += DECIMALS_MAX)
		str = format_chunk(indices + i, values + i, Min(n - i, DECIMALS_MAX),
						   str);
	return str - 1;
}

char *
format_integer(int32 number, char *str)
{
	return put_integer(str, (uint32) number);
}
