/*-------------------------------------------------------------------------
 *
 * exact.c
 *	  The exact nearest neighbours, by L2, of queries among some vectors.
 *
 * The ordinals of the vectors that count are read from standard input, one a
 * line.  The result is an ivecs file, as the data sets have one.
 *
 * bench/exact.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vecs.h"

#define LANES 16

/* Vectors that all queries are compared with while they are in the cache */
#define BLOCK 1024

#ifdef __x86_64__
#define FAST_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FAST_CLONES
#endif

typedef struct Neighbour
{
	float		distance;
	int			id;
} Neighbour;

/* Sums in lanes, which the compiler can put into vector registers. */
FAST_CLONES static float
l2_squared(const float *a, const float *b, int dim)
{
	float		lanes[LANES] = {0};
	float		sum = 0;
	int			i = 0;

	for (; i + LANES <= dim; i += LANES)
	{
		for (int j = 0; j < LANES; j++)
		{
			float		d = a[i + j] - b[i + j];

			lanes[j] += d * d;
		}
	}
	for (; i < dim; i++)
		sum += (a[i] - b[i]) * (a[i] - b[i]);
	for (int j = 0; j < LANES; j++)
		sum += lanes[j];
	return sum;
}

/* Nearest first; of equal distances the lower id, as in the data sets. */
static void
offer(Neighbour *nearest, int *n, int k, float distance, int id)
{
	int			i;

	if (*n == k && distance >= nearest[k - 1].distance)
		return;
	if (*n < k)
		(*n)++;
	for (i = *n - 1; i > 0 && nearest[i - 1].distance > distance; i--)
		nearest[i] = nearest[i - 1];
	nearest[i].distance = distance;
	nearest[i].id = id;
}

static int
compare_ints(const void *a, const void *b)
{
	int			x = *(const int *) a;
	int			y = *(const int *) b;

	return (x > y) - (x < y);
}

static int *
read_ordinals(const FloatVectors *base, int *n)
{
	int		   *ids = must_alloc(sizeof(int) * base->count);
	int			id;

	*n = 0;
	while (scanf("%d", &id) == 1)
	{
		if (id < 0 || id >= base->count || *n == base->count)
		{
			fprintf(stderr, "exact: no vector %d\n", id);
			exit(1);
		}
		ids[(*n)++] = id;
	}
	qsort(ids, *n, sizeof(int), compare_ints);
	return ids;
}

int
main(int argc, char **argv)
{
	FloatVectors base;
	FloatVectors queries;
	Neighbour  *nearest;		/* k for each query */
	int		   *counts;
	int		   *ids;
	int			nids;
	int			k;
	FILE	   *out;

	if (argc != 5 || (k = atoi(argv[4])) < 1)
	{
		fprintf(stderr, "usage: exact BASE QUERIES OUTPUT K < ordinals\n");
		return 2;
	}
	base = read_vectors(argv[1], 0);
	queries = read_vectors(argv[2], 0);
	ids = read_ordinals(&base, &nids);
	nearest = must_alloc(sizeof(Neighbour) * k * queries.count);
	counts = must_alloc(sizeof(int) * queries.count);
	memset(counts, 0, sizeof(int) * queries.count);
	out = fopen(argv[3], "wb");
	if (nids < k || base.dim != queries.dim || out == NULL)
	{
		fprintf(stderr, "exact: cannot make %s\n", argv[3]);
		return 1;
	}
	for (int begin = 0; begin < nids; begin += BLOCK)
	{
		int			end = begin + BLOCK < nids ? begin + BLOCK : nids;

		for (int i = 0; i < queries.count; i++)
		{
			const float *query = queries.values + (size_t) i * queries.dim;

			for (int j = begin; j < end; j++)
				offer(nearest + (size_t) i * k, &counts[i], k,
					  l2_squared(query,
								 base.values + (size_t) ids[j] * base.dim,
								 base.dim), ids[j]);
		}
	}
	for (int i = 0; i < queries.count; i++)
	{
		fwrite(&k, sizeof(k), 1, out);
		for (int j = 0; j < k; j++)
			fwrite(&nearest[(size_t) i * k + j].id, sizeof(int), 1, out);
	}
	if (fclose(out) != 0)
	{
		perror(argv[3]);
		return 1;
	}
	return 0;
}
