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

/*
 * The longest of the numbers that are read in one go, with a space in front and
 * a comma behind, and what is read of a pair, where an index of eight digits
 * and a colon come before.
 */
#define SHORT_NUMBER	24
#define SHORT_PAIR		(1 + 8 + 1 + SHORT_NUMBER)

static inline bool
is_digit(char c)
{
	return (unsigned char) (c - '0') < 10;
}

/* The same byte eight times */
#define BYTES(byte)		(UINT64CONST(0x0101010101010101) * (byte))

/* Eight bytes, the first one lowest */
static inline uint64
load_bytes(const char *pt)
{
	uint64		chunk;

	memcpy(&chunk, pt, sizeof(chunk));
#ifdef WORDS_BIGENDIAN
	chunk = pg_bswap64(chunk);
#endif
	return chunk;
}

/*
 * leading_digits
 *		How many of eight bytes are digits, before one that is none.  The
 *		digits in chunk must have been made numbers.
 */
static inline int
leading_digits(uint64 chunk)
{
	/* a high bit for what is no digit; wrong only behind the first such */
	uint64		others = (chunk | (chunk + BYTES(0x7f - 9))) & BYTES(0x80);

	return others == 0 ? 8 : pg_rightmost_one_pos64(others) / 8;
}

/*
 * value_of_digits
 *		What the first n of eight bytes mean, n from 0 to 8.
 */
static inline uint64
value_of_digits(uint64 chunk, int n)
{
	/* leading zeros instead of the rest, in two steps as 64 is too far */
	chunk = chunk << (32 - 4 * n) << (32 - 4 * n);

	/* from digits to pairs, then fours, then all eight */
	chunk = chunk * 10 + (chunk >> 8);
	return ((chunk & UINT64CONST(0x000000ff000000ff)) *
			(100 + (UINT64CONST(1000000) << 32)) +
			((chunk >> 16) & UINT64CONST(0x000000ff000000ff)) *
			(1 + (UINT64CONST(10000) << 32))) >> 32;
}

static const uint32 small_powers[9] = {
	1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000
};

/*
 * read_chunk
 *		Adds the digits among the first bytes of the eight at pt to *digits,
 *		and returns how many they are.
 *
 * The bytes are handled together.  Numbers differ in length, and a loop over
 * bytes would mispredict its end on most of them.
 */
static inline int
read_chunk(const char *pt, uint64 *digits)
{
	uint64		chunk = load_bytes(pt) ^ BYTES('0');
	int			n = leading_digits(chunk);

	*digits = *digits * small_powers[n] + value_of_digits(chunk, n);
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

/* Without a branch, as signs in vectors cannot be predicted */
static inline float
apply_sign(float value, bool negative)
{
	uint32		bits;

	memcpy(&bits, &value, sizeof(bits));
	bits ^= (uint32) negative << 31;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/*
 * round_safely
 *		Stores a double that is off by ERROR_UNITS at most as a float, or
 *		returns false when it could be rounded either way.
 */
static inline bool
round_safely(double approximate, float *value)
{
	const uint64 half = UINT64CONST(1) << (LOST_BITS - 1);
	uint64		bits;

	memcpy(&bits, &approximate, sizeof(bits));
	bits &= (UINT64CONST(1) << LOST_BITS) - 1;
	*value = (float) approximate;
	return bits - (half - ERROR_UNITS) > 2 * ERROR_UNITS;
}

/*
 * scale
 *		Stores digits * 10^exponent rounded to float, or returns false when it
 *		cannot be sure of the last bit.
 */
static inline bool
scale(uint64 digits, int exponent, float *value)
{
	double		product;

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

	return round_safely(product, value);
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

	*value = apply_sign(*value, negative);
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

/*
 * pick_word
 *		One of two words, without a branch or an address that waits for the
 *		choice.
 */
static inline uint64
pick_word(bool second, uint64 a, uint64 b)
{
	return a ^ ((a ^ b) & -(uint64) second);
}

/*
 * parse_short_integer
 *		Reads an integer of up to four digits at pt, which word begins with,
 *		and a comma; returns where they end, or NULL if it is something else.
 */
static inline const char *
parse_short_integer(const char *pt, uint64 word, float *value)
{
	uint64		chunk = word ^ BYTES('0');
	int			n = leading_digits(chunk);

	if (n < 1 || n > 4 || pt[n] != ',')
		return NULL;

	*value = (float) value_of_digits(chunk, n);
	return pt + n + 1;
}

/*
 * parse_short_fraction
 *		The same for up to 15 digits behind the point at pt[-1]; first and second
 *		are the words there, digit is what is before the point.
 */
static inline const char *
parse_short_fraction(const char *pt, uint64 digit, uint64 first,
					 uint64 second, float *value)
{
	int			n_first;
	int			n_second;
	int64		digits;

	/* bytes behind the first that is no digit do not count */
	first ^= BYTES('0');
	second ^= BYTES('0');
	n_first = leading_digits(first);
	n_second = leading_digits(second) & -(n_first == 8);
	pt += n_first + n_second;
	if (n_second == 8 || *pt != ',')
		return NULL;

	digits = digit * small_powers[n_first] + value_of_digits(first, n_first);
	digits = digits * small_powers[n_second] +
		value_of_digits(second, n_second);
	if (!round_safely((double) digits *
					  powers_of_ten[-MIN_POWER - n_first - n_second], value))
		return NULL;
	return pt + 1;
}

/*
 * parse_short
 *		Reads a number that parse_float_run() is for, and its comma, at pt,
 *		where there are SHORT_NUMBER bytes or more.  Returns where they end, or
 *		NULL if it is something else.
 *
 * Where a number begins is known when the one before has been read to its end,
 * so the way from there to its own end is kept short: what follows a minus or
 * none is loaded for both before it is known which it is.
 */
static inline const char *
parse_short(const char *pt, float *value)
{
	float		magnitude = 0;
	bool		negative;
	uint64		word;

	if (unlikely(*pt == ' '))
		pt++;
	negative = *pt == '-';
	word = pick_word(negative, load_bytes(pt), load_bytes(pt + 1));
	if (!is_digit((char) word))
		return NULL;
	if ((char) (word >> 8) == '.')
		pt = parse_short_fraction(pt + negative + 2, (word & 0xff) - '0',
								  pick_word(negative, load_bytes(pt + 2),
											load_bytes(pt + 3)),
								  pick_word(negative, load_bytes(pt + 10),
											load_bytes(pt + 11)), &magnitude);
	else
		pt = parse_short_integer(pt + negative, word, &magnitude);

	*value = apply_sign(magnitude, negative);
	return pt;
}

int
parse_float_run(const char **str, const char *limit, float *values, int max)
{
	const char *pt = *str;
	int			n = 0;

	while (n < max && limit - pt >= SHORT_NUMBER)
	{
		const char *end = parse_short(pt, &values[n]);

		if (end == NULL)
			break;
		pt = end;
		n++;
	}
	*str = pt;
	return n;
}

/*
 * parse_short_pair
 *		The same for a pair that parse_pair_run() is for, where there are
 *		SHORT_PAIR bytes or more.
 */
static inline const char *
parse_short_pair(const char *pt, IndexedFloat *pair)
{
	uint64		chunk;
	int			n;

	if (unlikely(*pt == ' '))
		pt++;
	chunk = load_bytes(pt) ^ BYTES('0');
	n = leading_digits(chunk);
	if (n < 1 || pt[n] != ':')
		return NULL;

	pair->index = (int32) value_of_digits(chunk, n) - 1;
	return parse_short(pt + n + 1, &pair->value);
}

int
parse_pair_run(const char **str, const char *limit, IndexedFloat *pairs,
			   int max)
{
	const char *pt = *str;
	int			n = 0;

	while (n < max && limit - pt >= SHORT_PAIR)
	{
		const char *end = parse_short_pair(pt, &pairs[n]);

		if (end == NULL)
			break;
		pt = end;
		n += pairs[n].value != 0;
	}
	*str = pt;
	return n;
}
