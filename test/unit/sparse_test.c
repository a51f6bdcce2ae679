/*-------------------------------------------------------------------------
 *
 * sparse_test.c
 *	  Distances of sparse arrays against double arithmetic on dense ones.
 *
 * Arrays are allocated to their very size, so that a sanitizer sees a read
 * outside of them.
 *
 * Called with --bench it prints nanoseconds per call instead.
 *
 * test/unit/sparse_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <float.h>
#include <time.h>

#include "distance/distance.h"

#define MAX_DIM		2000
#define ROUNDS		8000

#define BENCH_DIM		30000
#define BENCH_ARRAYS	500

/* A dense array, and the sparse one of what is not zero in it */
typedef struct Example
{
	double		dense[MAX_DIM];
	int32	   *indices;
	float	   *values;
	int			n;
} Example;

static void
make_example(Example *example, int dim, double density)
{
	int			n = 0;

	for (int i = 0; i < dim; i++)
	{
		/* some of the values are those of other examples */
		float		value = unit_random_below(4) == 0 ? 1 :
			unit_random_normal();

		example->dense[i] = unit_random_double() < density ? value : 0;
		n += example->dense[i] != 0;
	}

	example->indices = malloc(Max(n, 1) * sizeof(int32));
	example->values = malloc(Max(n, 1) * sizeof(float));
	example->n = 0;
	for (int i = 0; i < dim; i++)
	{
		if (example->dense[i] == 0)
			continue;
		example->indices[example->n] = i;
		example->values[example->n] = example->dense[i];
		example->n++;
	}
}

static void
free_example(Example *example)
{
	free(example->indices);
	free(example->values);
}

static SparseArray
sparse(const Example *example)
{
	SparseArray array = {example->indices, example->values, example->n};

	return array;
}

/* Within the bound of distance.h, of terms with the given magnitudes' sum */
static bool
close_to(float result, double exact, double magnitude, int n)
{
	return fabs(result - exact) <= (n / 8.0 + 16) * ldexp(magnitude, -24);
}

static bool
right_distances(const Example *a, const Example *b, int dim)
{
	double		l2 = 0;
	double		dot = 0;
	double		l1 = 0;
	double		dot_magnitude = 0;
	int			n = a->n + b->n;

	for (int i = 0; i < dim; i++)
	{
		double		difference = a->dense[i] - b->dense[i];

		l2 += difference * difference;
		l1 += fabs(difference);
		dot += a->dense[i] * b->dense[i];
		dot_magnitude += fabs(a->dense[i] * b->dense[i]);
	}

	return close_to(sparse_l2_squared(sparse(a), sparse(b)), l2, l2, n) &&
		close_to(sparse_l1(sparse(a), sparse(b)), l1, l1, n) &&
		close_to(sparse_inner_product(sparse(a), sparse(b)), dot,
				 dot_magnitude, n);
}

static void
test_random(void)
{
	static Example a;
	static Example b;
	int			failures = 0;
	int			same = 0;

	for (int round = 0; round < ROUNDS; round++)
	{
		int			dim = 1 + unit_random_below(unit_random_below(8) == 0 ?
												MAX_DIM : 70);
		double		density = unit_random_double();

		make_example(&a, dim, density);
		make_example(&b, dim, unit_random_below(2) ? density :
					 unit_random_double() * unit_random_double());
		failures += !right_distances(&a, &b, dim);
		failures += !right_distances(&b, &a, dim);
		same += sparse_l2_squared(sparse(&a), sparse(&a)) == 0 &&
			sparse_l1(sparse(&b), sparse(&b)) == 0;
		free_example(&a);
		free_example(&b);
	}
	unit_ok(failures == 0, "%d pairs of arrays, %d wrong", 2 * ROUNDS,
			failures);
	unit_ok(same == ROUNDS, "an array is at distance 0 of itself");
}

static void
test_overflow(void)
{
	int32		first = 0;
	int32		last = PG_INT32_MAX;
	float		large = 3e38f;
	float		negative = -3e38f;
	SparseArray a = {&first, &large, 1};
	SparseArray b = {&last, &negative, 1};
	SparseArray c = {&first, &negative, 1};

	unit_ok(sparse_l2_squared(a, b) == INFINITY &&
			sparse_l1(a, b) == INFINITY && sparse_inner_product(a, b) == 0,
			"overflow of a sum");
	unit_ok(sparse_l2_squared(a, c) == INFINITY &&
			sparse_l1(a, c) == INFINITY &&
			sparse_inner_product(a, c) == -INFINITY,
			"overflow of a term");
}

/* Nanoseconds of CPU time */
static double
nanoseconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}


/* Arrays of BENCH_DIM dimensions with about n elements each */
static void
make_bench(SparseArray *arrays, int n)
{
	for (int k = 0; k < BENCH_ARRAYS; k++)
	{
		int32	   *indices = malloc(BENCH_DIM * sizeof(int32));
		float	   *values = malloc(BENCH_DIM * sizeof(float));
		int			count = 0;

		for (int i = 0; i < BENCH_DIM; i++)
		{
			if (unit_random_below(BENCH_DIM) >= (uint32) n)
				continue;
			indices[count] = i;
			values[count++] = unit_random_normal();
		}
		arrays[k].indices = indices;
		arrays[k].values = values;
		arrays[k].n = count;
	}
}

/* Best of several rounds over all pairs of one array with the others */
static double
bench_nanoseconds(const SparseArray *arrays)
{
	volatile float sink = 0;
	double		best = DBL_MAX;

	for (int round = 0; round < 10; round++)
	{
		double		start = nanoseconds_now();

		for (int k = 1; k < BENCH_ARRAYS; k++)
			sink = sink + sparse_l2_squared(arrays[0], arrays[k]);
		best = Min(best, (nanoseconds_now() - start) / (BENCH_ARRAYS - 1));
	}
	return best;
}

static int
run_bench(const DistanceKernels *const *sets, int count)
{
	static const int sizes[] = {30, 150, 1000};

	for (int i = 0; i < (int) lengthof(sizes); i++)
	{
		SparseArray arrays[BENCH_ARRAYS];

		make_bench(arrays, sizes[i]);
		printf("l2_squared, %d of %d:", sizes[i], BENCH_DIM);
		for (int set = 0; set < count; set++)
		{
			distance_use_kernels(sets[set]->name);
			printf("  %s %.0f ns", sets[set]->name,
				   bench_nanoseconds(arrays));
		}
		printf("\n");
		for (int k = 0; k < BENCH_ARRAYS; k++)
		{
			free(unconstify(int32 *, arrays[k].indices));
			free(unconstify(float *, arrays[k].values));
		}
	}
	return 0;
}

int
main(int argc, char **argv)
{
	int			count;
	const DistanceKernels *const *sets = distance_supported_kernels(&count);

	if (argc > 1 && strcmp(argv[1], "--bench") == 0)
		return run_bench(sets, count);

	unit_start(argc, argv);
	for (int i = 0; i < count; i++)
	{
		distance_use_kernels(sets[i]->name);
		printf("# %s\n", sets[i]->name);
		test_random();
		test_overflow();
	}
	return unit_finish();
}
