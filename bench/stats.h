/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  Clocks, latency summaries and the CSV rows of the benchmark clients.
 *
 * bench/stats.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* One measured run: all queries once per client at one ef. */
typedef struct RunResult
{
	int			ef;
	int			k;
	int			clients;
	int			round;
	int			queries;		/* over all clients */
	double		recall;
	double		wall;			/* seconds */
	double	   *latency;		/* seconds, one per query; gets sorted */
	double		cpu;			/* seconds on a CPU, < 0: unknown */
	double		waited;			/* seconds ready but not on a CPU */
} RunResult;

#define CSV_COLUMNS \
	"clients,ef,k,round,queries,recall,qps,mean_us,p50_us,p90_us,p95_us," \
	"p99_us,max_us,cpu_us,waited_pct"

static inline double
now_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static inline int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/*
 * Latency in microseconds that the given share of the queries stays within.
 */
static inline double
percentile_us(const RunResult *run, double share)
{
	int			i = (int) (share * run->queries);

	return 1e6 * run->latency[i < run->queries ? i : run->queries - 1];
}

/*
 * The scheduler's account of a process or thread, from its schedstat file:
 * seconds on a CPU and seconds ready but waiting for one.  Returns 0 where
 * there is none.
 */
static inline int
read_schedstat(const char *path, double *cpu, double *waited)
{
	FILE	   *f = fopen(path, "r");
	long long	run;
	long long	wait;
	int			ok;

	if (f == NULL)
		return 0;
	ok = fscanf(f, "%lld %lld", &run, &wait) == 2;
	fclose(f);
	if (ok)
	{
		*cpu = run * 1e-9;
		*waited = wait * 1e-9;
	}
	return ok;
}

static inline void
print_run(RunResult *run)
{
	double		sum = 0;

	qsort(run->latency, run->queries, sizeof(double), compare_doubles);
	for (int i = 0; i < run->queries; i++)
		sum += run->latency[i];
	printf("%d,%d,%d,%d,%d,%.5f,%.1f,%.1f,%.1f,%.1f,%.1f,%.1f,%.1f,",
		   run->clients, run->ef, run->k, run->round, run->queries,
		   run->recall, run->queries / run->wall, 1e6 * sum / run->queries,
		   percentile_us(run, 0.50), percentile_us(run, 0.90),
		   percentile_us(run, 0.95), percentile_us(run, 0.99),
		   percentile_us(run, 1.0));
	if (run->cpu >= 0)
		printf("%.1f,%.1f\n", 1e6 * run->cpu / run->queries,
			   100.0 * run->waited / (run->wall * run->clients));
	else
		printf(",\n");
	fflush(stdout);
}

#endif							/* BENCH_STATS_H */
