/*-------------------------------------------------------------------------
 *
 * half.h
 *	  Half-precision numbers, IEEE 754 binary16, in plain C.
 *
 * Half stands for its bits: a sign, 5 bits of exponent, 10 of mantissa.  Every
 * Half is a float.  Loops over many of them belong into the kernels, which
 * have instructions for it.
 *
 * src/distance/half.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_HALF_H
#define HNSW_HALF_H

typedef uint16 Half;

#define HALF_SIGN		0x8000
#define HALF_INFINITY	0x7c00
#define HALF_NAN		0x7e00

/* The least float that rounds to an infinite Half, half a step above 65504 */
#define HALF_OVERFLOW	65520.0f

/* The greatest float that rounds to zero, half of the smallest Half */
#define HALF_UNDERFLOW	0x1p-25f

static inline float
half_to_float(Half half)
{
	uint32		magnitude = half & ~HALF_SIGN;
	uint32		bits = magnitude << 13;
	float		value;

	/*
	 * With the exponent's field in its place as a float, subnormal numbers
	 * included, the value is off by the difference of the biases.
	 */
	memcpy(&value, &bits, sizeof(value));
	value *= 0x1p112f;
	memcpy(&bits, &value, sizeof(bits));

	if (magnitude >= HALF_INFINITY)
		bits |= 0x7f800000;
	bits |= (uint32) (half & HALF_SIGN) << 16;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Rounds to the nearest, and to even in the middle between two. */
static inline Half
float_to_half(float value)
{
	uint32		bits;
	uint32		sign;

	memcpy(&bits, &value, sizeof(bits));
	sign = (bits >> 16) & HALF_SIGN;
	bits &= 0x7fffffff;

	if (bits > 0x7f800000)
		return sign | HALF_NAN;
	if (bits >= 0x47800000)		/* 65536 */
		return sign | HALF_INFINITY;

	if (bits < 0x38800000)		/* 2^-14, subnormal as Half */
	{
		/* the last bit of a sum just above 0.5 stands for 2^-24 */
		float		sum;

		memcpy(&sum, &bits, sizeof(sum));
		sum += 0.5f;
		memcpy(&bits, &sum, sizeof(bits));
		return sign | (bits - 0x3f000000);
	}

	/* change of bias; a half of the last bit, or less when that bit is 0 */
	bits += 0xc8000fff + ((bits >> 13) & 1);
	return sign | (bits >> 13);
}

#endif							/* HNSW_HALF_H */
