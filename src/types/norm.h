/*-------------------------------------------------------------------------
 *
 * norm.h
 *	  Norms and angles.
 *
 * src/types/norm.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_NORM_H
#define HNSW_NORM_H

#include <math.h>

#include "distance/distance.h"

/* In double, where no vector overflows */
static inline double
sum_of_squares(const float *values, int n)
{
	double		sums[4] = {0, 0, 0, 0};
	int			i = 0;

	/* independent sums, as each addition waits for the one before */
	for (; i + 4 <= n; i += 4)
	{
		for (int lane = 0; lane < 4; lane++)
			sums[lane] += (double) values[i + lane] * values[i + lane];
	}
	for (; i < n; i++)
		sums[0] += (double) values[i] * values[i];

	return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* Keeps NaN. */
static inline double
clamp_similarity(double similarity)
{
	if (similarity > 1)
		return 1;
	if (similarity < -1)
		return -1;
	return similarity;
}

/* NaN when one of them is zero: such vectors have no direction. */
static inline double
cosine_distance(CosineParts parts)
{
	double		product = (double) parts.norm_a * parts.norm_b;

	return 1 - clamp_similarity(parts.dot / sqrt(product));
}

#endif							/* HNSW_NORM_H */
