/*-------------------------------------------------------------------------
 *
 * parse_float.c
 *	  Text to float, with the results of strtof in a fraction of its time.
 *
 * strtof must be ready for hundreds of digits; what vectors hold has at most
 * 17 and fits a 64-bit integer.  That integer times a power of ten, computed
 * in double, is off by a few units in the last of its 53 bits.  Rounding to
 * the 24 bits of a float is right all the same unless the value lies within
 * that error of the middle between two floats, where it could fall to either
 * side.  This is seen from the bits, and such numbers go to strtof, as does
 * everything unusual: long mantissas, subnormal and huge values, hexadecimal,
 * words.
 *
 * src/types/parse_float.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <errno.h>
#include <math.h>

#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"
#include "types/parse_float.h"

/* As many decimal digits always fit 64 bits */
#define MAX_DIGITS		19

/* Powers of ten in the table; with others the product is no normal float */
#define MIN_POWER		(-64)
#define MAX_POWER		38

/*
 * Where the fast way may be taken: inside the normal floats, with a little
 * distance to their ends.
 */
#define MIN_FAST		1.2e-38
#define MAX_FAST		3.4e38

/* Of a double, the bits that rounding to float takes away */
#define LOST_BITS		29

/*
 * Conversion of the digits, the table's entry and the product are each off by
 * at most one unit in the last place, together by little more than three.
 */
#define ERROR_UNITS		8

static const double powers_of_ten[MAX_POWER - MIN_POWER + 1] = {
	1e-64, 1e-63, 1e-62, 1e-61, 1e-60, 1e-59, 1e-58, 1e-57, 1e-56, 1e-55,
	1e-54, 1e-53, 1e-52, 1e-51, 1e-50, 1e-49, 1e-48, 1e-47, 1e-46, 1e-45,
	1e-44, 1e-43, 1e-42, 1e-41, 1e-40, 1e-39, 1e-38, 1e-37, 1e-36, 1e-35,
	1e-34, 1e-33, 1e-32, 1e-31, 1e-30, 1e-29, 1e-28, 1e-27, 1e-26, 1e-25,
	1e-24, 1e-23, 1e-22, 1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-16, 1e-15,
	1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4,
	1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
	1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
	1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34,
	1e35, 1e36, 1e37, 1e38
};

static inline bool
is_digit(char c)
{
	return (unsigned char) (c - '0') < 10;
}

/* The same byte eight times */
#define BYTES(byte)		(UINT64CONST(0x0101010101010101) * (byte))

/*
 * read_chunk
 *		Adds the digits among the first bytes of the eight at pt to *digits,
 *		and returns how many they are.
 *
 * The bytes are handled together, the first one lowest.  Numbers differ in
 * length, and a loop over bytes would mispredict its end on most of them.
 */
static inline int
read_chunk(const char *pt, uint64 *digits)
{
	static const uint32 powers[9] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000
	};
	uint64		chunk;
	uint64		others;
	int			n = 8;

	memcpy(&chunk, pt, sizeof(chunk));
#ifdef WORDS_BIGENDIAN
	chunk = pg_bswap64(chunk);
#endif

	/* a high bit for what is no digit; wrong only behind the first such */
	chunk ^= BYTES('0');
	others = (chunk | (chunk + BYTES(0x7f - 9))) & BYTES(0x80);
	if (others != 0)
	{
		n = pg_rightmost_one_pos64(others) / 8;
		if (n == 0)
			return 0;
		/* leading zeros instead of the rest */
		chunk <<= 64 - 8 * n;
	}

	/* from digits to pairs, then fours, then all eight */
	chunk = chunk * 10 + (chunk >> 8);
	chunk = ((chunk & UINT64CONST(0x000000ff000000ff)) *
			 (100 + (UINT64CONST(1000000) << 32)) +
			 ((chunk >> 16) & UINT64CONST(0x000000ff000000ff)) *
			 (1 + (UINT64CONST(10000) << 32))) >> 32;

	*digits = *digits * powers[n] + chunk;
	return n;
}

/*
 * read_digits
 *		Adds the digits at pt to *digits, which may wrap around, and returns
 *		where they end.
 */
static inline const char *
read_digits(const char *pt, const char *limit, uint64 *digits)
{
	while (limit - pt >= 8)
	{
		int			n = read_chunk(pt, digits);

		pt += n;
		if (n < 8)
			return pt;
	}

	for (; is_digit(*pt); pt++)
		*digits = *digits * 10 + (*pt - '0');
	return pt;
}

/*
 * significant_digits
 *		Counts the digits in [pt, end) without leading zeros and the point.
 */
static int
significant_digits(const char *pt, const char *end)
{
	int			n = 0;

	for (; pt < end; pt++)
	{
		if (is_digit(*pt) && (n > 0 || *pt != '0'))
			n++;
	}
	return n;
}

/*
 * parse_exponent
 *		Reads "e", an optional sign and digits at *pt, and moves on.  Without
 *		any digits there is no exponent, and *pt stays.
 */
static int
parse_exponent(const char **pt)
{
	const char *p = *pt + 1;
	bool		negative = *p == '-';
	int			exponent = 0;

	if (*p == '-' || *p == '+')
		p++;
	if (!is_digit(*p))
		return 0;

	/* what is larger than a million is out of reach of any mantissa */
	for (; is_digit(*p); p++)
	{
		if (exponent < 1000000)
			exponent = exponent * 10 + (*p - '0');
	}

	*pt = p;
	return negative ? -exponent : exponent;
}

/*
 * scale
 *		Stores digits * 10^exponent rounded to float, or returns false when it
 *		cannot be sure of the last bit.
 */
static inline bool
scale(uint64 digits, int exponent, float *value)
{
	const uint64 half = UINT64CONST(1) << (LOST_BITS - 1);
	double		product;
	uint64		bits;

	if (digits == 0)
	{
		*value = 0;
		return true;
	}
	if (exponent < MIN_POWER || exponent > MAX_POWER)
		return false;

	product = (double) digits * powers_of_ten[exponent - MIN_POWER];
	if (!(product > MIN_FAST && product < MAX_FAST))
		return false;

	memcpy(&bits, &product, sizeof(bits));
	bits &= (UINT64CONST(1) << LOST_BITS) - 1;
	if (bits - (half - ERROR_UNITS) <= 2 * ERROR_UNITS)
		return false;

	*value = (float) product;
	return true;
}

/*
 * parse_decimal
 *		The fast way; false when the number is not for it.
 */
static inline bool
parse_decimal(const char **str, const char *limit, float *value)
{
	const char *pt = *str;
	const char *first;
	bool		negative = *pt == '-';
	uint64		digits = 0;
	int			ndigits;
	int			exponent = 0;

	if (*pt == '-' || *pt == '+')
		pt++;

	first = pt;
	if (is_digit(pt[0]) && pt[1] == '.')
		digits = *pt++ - '0';	/* most numbers in vectors */
	else
		pt = read_digits(pt, limit, &digits);
	ndigits = pt - first;
	if (*pt == '.')
	{
		const char *fraction = pt + 1;

		pt = read_digits(fraction, limit, &digits);
		exponent = fraction - pt;
		ndigits -= exponent;
	}

	if (ndigits == 0 || *pt == 'x' || *pt == 'X')
		return false;
	if (ndigits > MAX_DIGITS && significant_digits(first, pt) > MAX_DIGITS)
		return false;

	if (*pt == 'e' || *pt == 'E')
		exponent += parse_exponent(&pt);
	if (!scale(digits, exponent, value))
		return false;

	if (negative)
		*value = -*value;
	*str = pt;
	return true;
}

/*
 * parse_any
 *		The way of the C library, for all that it knows.
 */
static ParseFloatResult
parse_any(const char **str, float *value)
{
	char	   *end;

	errno = 0;
	*value = strtof(*str, &end);
	if (end == *str)
		return PARSE_FLOAT_INVALID;
	*str = end;

	if (errno == ERANGE && isinf(*value))
		return PARSE_FLOAT_OVERFLOW;
	if (errno == ERANGE && *value == 0)
		return PARSE_FLOAT_UNDERFLOW;
	return PARSE_FLOAT_OK;
}

ParseFloatResult
parse_float(const char **str, const char *limit, float *value)
{
	if (likely(parse_decimal(str, limit, value)))
		return PARSE_FLOAT_OK;

	return parse_any(str, value);
}
