/*-------------------------------------------------------------------------
 *
 * parse_float.h
 *	  Text to float, with the results of strtof in a fraction of its time.
 *
 * src/types/parse_float.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_PARSE_FLOAT_H
#define HNSW_PARSE_FLOAT_H

typedef enum ParseFloatResult
{
	PARSE_FLOAT_OK,
	PARSE_FLOAT_INVALID,		/* no number here */
	PARSE_FLOAT_OVERFLOW,		/* a number too large, read as infinity */
	PARSE_FLOAT_UNDERFLOW		/* a number too small, read as zero */
} ParseFloatResult;

/*
 * Reads the longest number that *str starts with, stores its value and moves
 * *str behind it (not at all when invalid).  limit is where the whole string
 * ends, with a zero byte.
 */
extern ParseFloatResult parse_float(const char **str, const char *limit,
									float *value);

/*
 * Reads numbers below 10000 that are written like most in vectors, each with
 * the comma behind it: perhaps a space, perhaps a minus, then a digit, a point
 * and up to 15 digits, or up to four digits alone.  Stops in front of the first
 * one that is written in another way or is not followed by a comma, moves *str
 * there, and returns how many it has read, at most max.
 */
extern int	parse_float_run(const char **str, const char *limit,
							float *values, int max);

/* An element of a sparse vector; the index is from 0, in text from 1 */
typedef struct IndexedFloat
{
	int32		index;
	float		value;
} IndexedFloat;

/*
 * Reads "index:number" in the same manner: perhaps a space, then up to eight
 * digits, a colon, and a number as above.  Pairs of the number zero are read and
 * forgotten.  Returns how many there are of the others, at most max.
 */
extern int	parse_pair_run(const char **str, const char *limit,
						   IndexedFloat *pairs, int max);

#endif							/* HNSW_PARSE_FLOAT_H */
