/*-------------------------------------------------------------------------
 *
 * decimals.h
 *	  Shortest decimal numbers of floats, many at a time.
 *
 * Kernels do what they can and leave the rest to the caller: an element that
 * is left is to be printed in another way.  The others are below 10 in
 * magnitude and printed without exponent: a digit, the point, up to three
 * zeros, and nine digits, of which zeros at the end are too many.
 *
 * src/distance/decimals.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_DECIMALS_H
#define HNSW_DECIMALS_H

#define DECIMALS_MAX	64

typedef struct Decimals
{
	uint32		left[DECIMALS_MAX]; /* not done, if not 0 */
	uint32		integer[DECIMALS_MAX];	/* the digit before the point */
	uint32		zeros[DECIMALS_MAX];	/* how many there are behind it */
	uint32		first[DECIMALS_MAX];	/* the first of the nine digits */

	/* four characters each, the first one in the byte of lowest value */
	uint32		upper[DECIMALS_MAX];
	uint32		lower[DECIMALS_MAX];
} Decimals;

#endif							/* HNSW_DECIMALS_H */
