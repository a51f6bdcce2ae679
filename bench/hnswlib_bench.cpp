/*-------------------------------------------------------------------------
 *
 * hnswlib_bench.cpp
 *	  Build time, recall and queries per second of the library hnswlib.
 *
 * The yardstick without pages, WAL and SQL: float32 vectors and the graph in
 * the memory of one process.  hnswlib picks its kernels from what the
 * compiler was told, so this file is to be compiled with -march=native;
 * otherwise it would run with SSE.
 *
 *	hnswlib_bench build BASE INDEX M EF_CONSTRUCTION THREADS
 *		prints "seconds,bytes,peak_kilobytes"
 *	hnswlib_bench query INDEX QUERIES TRUTH K EFS ROUNDS CLIENTS WARMUP LIMIT
 *		prints the rows of query_bench, LIMIT 0 standing for all queries
 *
 * bench/hnswlib_bench.cpp
 *
 *-------------------------------------------------------------------------
 */
#include <hnswlib/hnswlib.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "stats.h"
#include "vecs.h"

namespace
{

using Index = hnswlib::HierarchicalNSW<float>;

struct Searcher
{
	Index	   *index;
	const FloatVectors *queries;
	int			k;
	int			first;
	int			warmup;
	double	   *latency;
	std::vector<int32_t> found;
	std::vector<int> nfound;
	double		started;
	double		ended;
	double		cpu;
	double		waited;
	bool		cpu_known;
};

void
search_one(Searcher &s, int query)
{
	auto		result = s.index->searchKnn(
		s.queries->values + (size_t) query * s.queries->dim, s.k);
	int			n = 0;

	for (; !result.empty(); result.pop())
		s.found[(size_t) query * s.k + n++] = (int32_t) result.top().second;
	s.nfound[query] = n;
}

void
search_all(Searcher &s, std::atomic<int> &waiting)
{
	const char *account = "/proc/thread-self/schedstat";
	int			count = s.queries->count;
	double		cpu = 0;
	double		waited = 0;

	for (int i = 0; i < s.warmup; i++)
		search_one(s, (s.first + i) % count);
	waiting--;
	while (waiting > 0)
		std::this_thread::yield();

	s.cpu_known = read_schedstat(account, &cpu, &waited);
	s.started = now_seconds();
	for (int i = 0; i < count; i++)
	{
		double		start = now_seconds();

		search_one(s, (s.first + i) % count);
		s.latency[i] = now_seconds() - start;
	}
	s.ended = now_seconds();
	if (s.cpu_known)
	{
		read_schedstat(account, &s.cpu, &s.waited);
		s.cpu -= cpu;
		s.waited -= waited;
	}
}

void
run_searchers(std::vector<Searcher> &searchers, const IdLists &truth,
			  RunResult &run)
{
	std::atomic<int> waiting(run.clients);
	std::vector<std::thread> threads;
	double		started;
	double		ended;
	int			count = searchers[0].queries->count;

	for (auto &s : searchers)
		threads.emplace_back([&s, &waiting] { search_all(s, waiting); });
	for (auto &t : threads)
		t.join();

	started = searchers[0].started;
	ended = searchers[0].ended;
	run.recall = run.cpu = run.waited = 0;
	for (auto &s : searchers)
	{
		run.cpu += s.cpu;
		run.waited += s.waited;
		started = std::min(started, s.started);
		ended = std::max(ended, s.ended);
		for (int i = 0; i < count; i++)
			run.recall += list_recall(&s.found[(size_t) i * s.k], s.nfound[i],
									  truth.ids + (size_t) i * truth.width,
									  s.k) / count / run.clients;
	}
	run.wall = ended - started;
	run.queries = count * run.clients;
	if (!searchers[0].cpu_known)
		run.cpu = -1;
}

int
build(char **argv)
{
	FloatVectors base = read_vectors(argv[0], 0);
	int			nthreads = atoi(argv[4]);
	hnswlib::L2Space space(base.dim);
	Index		index(&space, base.count, atoi(argv[2]), atoi(argv[3]));
	std::atomic<int> next(0);
	std::vector<std::thread> threads;
	struct rusage usage;
	double		start = now_seconds();
	double		seconds;

	for (int t = 0; t < nthreads; t++)
		threads.emplace_back([&] {
			int			i;

			while ((i = next++) < base.count)
				index.addPoint(base.values + (size_t) i * base.dim, i);
		});
	for (auto &t : threads)
		t.join();
	seconds = now_seconds() - start;
	index.saveIndex(argv[1]);
	getrusage(RUSAGE_SELF, &usage);
	printf("%.3f,%zu,%ld\n", seconds, index.indexFileSize(),
		   usage.ru_maxrss);
	return 0;
}

int
query(char **argv)
{
	FloatVectors queries = read_vectors(argv[1], atoi(argv[8]));
	IdLists		truth = read_ids(argv[2]);
	int			k = atoi(argv[3]);
	int			rounds = atoi(argv[5]);
	int			clients = atoi(argv[6]);
	hnswlib::L2Space space(queries.dim);
	Index		index(&space, std::string(argv[0]));
	std::vector<double> latency((size_t) queries.count * clients);
	std::vector<Searcher> searchers(clients);

	if (truth.count < queries.count || truth.width < k)
	{
		fprintf(stderr, "the ground truth does not cover the queries\n");
		return 1;
	}
	for (int i = 0; i < clients; i++)
	{
		Searcher   &s = searchers[i];

		s.index = &index;
		s.queries = &queries;
		s.k = k;
		s.first = (int) ((long) queries.count * i / clients);
		s.warmup = atoi(argv[7]);
		s.latency = latency.data() + (size_t) i * queries.count;
		s.found.resize((size_t) queries.count * k);
		s.nfound.resize(queries.count);
	}
	for (int round = 1; round <= rounds; round++)
	{
		std::string efs(argv[4]);

		for (char *word = strtok(&efs[0], ","); word;
			 word = strtok(nullptr, ","))
		{
			RunResult	run = {};

			run.ef = atoi(word);
			run.k = k;
			run.clients = clients;
			run.round = round;
			run.latency = latency.data();
			index.setEf(run.ef);
			run_searchers(searchers, truth, run);
			print_run(&run);
		}
	}
	return 0;
}

}								/* namespace */

int
main(int argc, char **argv)
{
	if (argc == 7 && strcmp(argv[1], "build") == 0)
		return build(argv + 2);
	if (argc == 11 && strcmp(argv[1], "query") == 0)
		return query(argv + 2);
	fprintf(stderr,
			"usage: hnswlib_bench build BASE INDEX M EF_CONSTRUCTION THREADS\n"
			"       hnswlib_bench query INDEX QUERIES TRUTH K EFS ROUNDS "
			"CLIENTS WARMUP LIMIT\n");
	return 2;
}
