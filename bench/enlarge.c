/*-------------------------------------------------------------------------
 *
 * enlarge.c
 *	  Copies of the vectors of a file, all but the first with noise.
 *
 * The copies of a vector are far from each other in the output: all first
 * ones, all second ones, and so on.
 *
 * bench/enlarge.c
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "vecs.h"

/* A state of xorshift64* (Vigna, arXiv 1402.6246); never 0. */
static uint64_t state = 88172645463325252ULL;

/* In (0, 1) */
static double
random_double(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (((state * 2685821657736338717ULL) >> 11) + 0.5) / 9007199254740992.0;
}

/* Normally distributed, by the method of Box and Muller */
static double
random_normal(void)
{
	return sqrt(-2 * log(random_double())) *
		cos(6.283185307179586 * random_double());
}

static unsigned char
to_byte(double value)
{
	value = round(value);
	return value < 0 ? 0 : value > 255 ? 255 : (unsigned char) value;
}

int
main(int argc, char **argv)
{
	FloatVectors base;
	unsigned char *record;
	FILE	   *out;
	int			times;
	double		noise;

	if (argc != 5 || (times = atoi(argv[3])) < 1 ||
		(noise = atof(argv[4])) < 0)
	{
		fprintf(stderr, "usage: enlarge BASE OUTPUT TIMES NOISE\n");
		return 2;
	}
	base = read_vectors(argv[1], 0);
	record = must_alloc(base.dim);
	out = fopen(argv[2], "wb");
	if (out == NULL)
	{
		perror(argv[2]);
		return 1;
	}
	for (int copy = 0; copy < times; copy++)
	{
		for (int i = 0; i < base.count; i++)
		{
			const float *vector = base.values + (size_t) i * base.dim;

			for (int j = 0; j < base.dim; j++)
				record[j] = to_byte(vector[j] +
									(copy > 0 ? noise * random_normal() : 0));
			fwrite(&base.dim, sizeof(base.dim), 1, out);
			fwrite(record, base.dim, 1, out);
		}
	}
	if (fclose(out) != 0)
	{
		perror(argv[2]);
		return 1;
	}
	return 0;
}
