/*-------------------------------------------------------------------------
 *
 * norm.h
 *	  Sums of squares in double, where no vector overflows.
 *
 * src/types/norm.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_NORM_H
#define HNSW_NORM_H

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

#endif							/* HNSW_NORM_H */
