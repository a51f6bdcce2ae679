/*-------------------------------------------------------------------------
 *
 * graph_test.c
 *	  The graph core against the textbook: search, selection, build, order.
 *
 * graph_test [seed]
 *
 * test/unit/graph_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "graph/build_internal.h"
#include "graph/graph.h"
#include "graph/pool.h"
#include "graph/visited.h"
#include "graph_memory.h"

#define SIFT_BASE	"test/data/sift_base.bvecs"
#define SIFT_QUERY	"test/data/sift_query.bvecs"

static const GraphSelectOptions default_select = {true, false, true};

/*-------------------------------------------------------------------------
 * The visited set
 *-------------------------------------------------------------------------
 */
static void
test_visited(void)
{
	VisitedSet	set;
	bool		agrees = true;
	bool		empties = true;

	visited_init(&set);
	for (int round = 0; round < 60; round++)
	{
		uint32		range = 1 + unit_random_below(round % 7 ? 900 : 60000);
		PointId		first = round % 2 ? PG_UINT32_MAX - range :
			(PointId) unit_random() % (PG_UINT32_MAX - range);
		uint32		stride = 1 + unit_random_below((PG_UINT32_MAX - first) /
												   range);
		bool	   *naive = calloc(range, sizeof(bool));
		uint64		count = 0;
		uint32		room = unit_random_below(2 * range);

		visited_reset(&set, room);
		for (uint32 added = 0; added < 2 * range;)
		{
			PointId		points[GRAPH_MAX_LINKS];
			PointId		expected[GRAPH_MAX_LINKS];
			int			n = unit_random_below(GRAPH_MAX_LINKS + 1);
			int			nnew = 0;

			for (int i = 0; i < n; i++)
			{
				uint32		k = unit_random_below(range);

				points[i] = first + k * stride;
				if (!naive[k])
					expected[nnew++] = points[i];
				naive[k] = true;
			}
			if (count + n > room)
				visited_reserve(&set, n);
			agrees = agrees && count + n <= visited_slots(&set) / 4 &&
				visited_add(&set, points, n) == nnew &&
				memcmp(points, expected, nnew * sizeof(PointId)) == 0;
			count += nnew;
			added += n + 1;
		}
		agrees = agrees && set.count == count &&
			count * 4 <= visited_slots(&set);
		empties = empties && set.bits <= set.allocated_bits;
		free(naive);
	}
	unit_ok(agrees, "visited set agrees with an array");

	for (int i = 0; i < 100; i++)
		visited_reset(&set, 0);
	unit_ok(empties && set.bits == VISITED_MIN_BITS &&
			visited_memory(&set) >= 60000 * sizeof(PointId),
			"visited set uses less of its table after a large search");

	for (int i = 0; i < 100; i++)
	{
		PointId    *slots = set.slots;

		visited_reset(&set, 0);
		empties = empties && set.bits == VISITED_MIN_BITS;
		visited_reset(&set, 3000);
		empties = empties && set.slots == slots &&
			visited_slots(&set) >= 12000;
	}
	unit_ok(empties, "and all of it again, without another table");
	visited_free(&set);
}

/*-------------------------------------------------------------------------
 * The pool and the points left behind
 *-------------------------------------------------------------------------
 */
#define POOL_TEST_MAX	300

/* What is worst goes; what came first stays in front among equals. */
static void
naive_pool_insert(PoolEntry *entries, int *n, int limit, PoolEntry entry)
{
	int			i = *n;

	while (i > 0 && entries[i - 1].distance > entry.distance)
	{
		entries[i] = entries[i - 1];
		i--;
	}
	entries[i] = entry;
	*n = Min(*n + 1, limit);
}

static int
naive_pool_next(const PoolEntry *entries, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (!entries[i].expanded)
			return i;
	}
	return -1;
}

static bool
same_entries(const Pool *pool, const PoolEntry *entries, int n)
{
	for (int i = 0; i < n; i++)
	{
		PoolEntry	entry = pool_entry(pool, i);

		if (entry.point != entries[i].point ||
			entry.distance != entries[i].distance ||
			entry.expanded != entries[i].expanded)
			return false;
	}
	return true;
}

static void
test_pool(void)
{
	Pool		pool;
	bool		agrees = true;

	pool_init(&pool);
	for (int round = 0; round < 100; round++)
	{
		PoolEntry	naive[POOL_TEST_MAX + 1];
		int			n = 0;
		int			limit = 1 + unit_random_below(POOL_TEST_MAX);
		int			values = 1 + unit_random_below(round % 2 ? 10 : 100000);

		pool_reset(&pool, limit);
		for (int i = 0; i < 1000; i++)
		{
			PoolEntry	entry = {(float) unit_random_below(values), i, false};
			PoolEntry	out = entry;
			PoolEntry	last = n > 0 ? naive[n - 1] : entry;
			int			next = pool_next(&pool);

			agrees = agrees && next == naive_pool_next(naive, n);
			if (next >= 0 && unit_random_below(3) == 0)
				pool.points[next].expanded = naive[next].expanded = true;
			else if (n > 0 && unit_random_below(20) == 0)
			{
				int			gone = unit_random_below(n);

				pool_remove(&pool, gone);
				n--;
				memmove(naive + gone, naive + gone + 1,
						(n - gone) * sizeof(PoolEntry));
			}
			else if (pool_rejects(&pool, entry.distance))
				agrees = agrees && n == limit &&
					entry.distance >= last.distance;
			else
			{
				bool		full = n == limit;

				naive_pool_insert(naive, &n, limit, entry);
				agrees = agrees && pool_insert(&pool, entry, &out) == full &&
					(!full || out.point == last.point);
			}
			agrees = agrees && pool.count == n &&
				same_entries(&pool, naive, n);
		}
	}
	pool_free(&pool);
	unit_ok(agrees, "pool agrees with a sorted list");
}

static void
test_spill(void)
{
	Spill		spill;
	bool		agrees = true;

	spill_init(&spill, NULL);
	for (int round = 0; round < 50; round++)
	{
		float	   *values = calloc(5000, sizeof(float));
		int			n = 0;

		spill_reset(&spill);
		for (int i = 0; i < 3000; i++)
		{
			PoolEntry	entry = {(float) unit_random_below(500), i, false};

			if (unit_random_below(3) > 0)
			{
				spill_add(&spill, entry);
				values[n++] = entry.distance;
			}
			else
			{
				int			least = 0;

				for (int j = 1; j < n; j++)
				{
					if (values[j] < values[least])
						least = j;
				}
				agrees = agrees && spill_take(&spill, &entry) == (n > 0) &&
					(n == 0 || entry.distance == values[least]);
				if (n > 0)
					values[least] = values[--n];
			}
		}
		agrees = agrees && spill.count == (uint64) n;
		free(values);
	}
	spill_free(&spill);
	unit_ok(agrees, "points left behind come back nearest first");
}

/*-------------------------------------------------------------------------
 * Search
 *-------------------------------------------------------------------------
 */

/*
 * Distances without ties among fewer than 1024 points, below 0 in half of the
 * stores: the farthest are then the nearest.
 */
static float
scattered_distance(const MemoryStore *store, const float *from, uint32 index)
{
	union
	{
		float		distance;
		uint32		bits;
	}			value;

	value.distance = memory_l2(store, from, index);
	value.bits = (value.bits & ~(uint32) 0x3FF) | index;
	return store->first == 0 ? -value.distance : value.distance;
}

/* Three values, one of them infinite */
static float
coarse_distance(const MemoryStore *store, const float *from, uint32 index)
{
	float		distance = memory_l2(store, from, index);

	if (distance < 1.5f)
		return 1;
	return distance < 3 ? 2 : (float) INFINITY;
}

static float
equal_distance(const MemoryStore *store, const float *from, uint32 index)
{
	return from == memory_vector(store, index) ? 0 : 7;
}

static float
infinite_distance(const MemoryStore *store, const float *from, uint32 index)
{
	return (float) INFINITY;
}

/* Up to degree links of every point to points chosen at random */
static MemoryStore *
random_graph(uint32 n, int degree, int nlevels, double dead)
{
	PointId		first = unit_random_below(2) ? 0 : InvalidPointId - n;
	MemoryStore *store = memory_create(n, 3, first, nlevels);

	store->distance = scattered_distance;
	memory_fill_clusters(store, 3, 0.5);
	for (uint32 i = 0; i < n; i++)
	{
		store->dead[i] = unit_random_double() < dead;
		for (int level = 0; level < nlevels; level++)
		{
			int			count = unit_random_below(degree + 1);
			PointId    *links = calloc(count + 1, sizeof(PointId));

			for (int j = 0; j < count; j++)
				links[j] = first + unit_random_below(n);
			store->links[level][i] = links;
			store->nlinks[level][i] = count;
		}
	}
	return store;
}

/* Another one, whose points are groups when max_group is above 0 */
static MemoryStore *
random_grouped_graph(uint32 n, int degree, double dead, int max_group)
{
	MemoryStore *store;

	do
	{
		store = random_graph(n, degree, 1, dead);
		if (max_group == 0)
			return store;
		if (store->first == 0)
			break;
		memory_free(store);
	} while (true);
	memory_set_groups(store, 1 + unit_random_below(max_group));
	return store;
}

/* Takes the nearest (or farthest) entry out of an array. */
static GraphNeighbour
naive_take(GraphNeighbour *set, int *n, bool nearest)
{
	int			best = 0;
	GraphNeighbour taken;

	for (int i = 1; i < *n; i++)
	{
		if ((set[i].distance < set[best].distance) == nearest)
			best = i;
	}
	taken = set[best];
	set[best] = set[--*n];
	return taken;
}

/* The sets of a textbook search */
typedef struct Textbook
{
	MemoryStore *store;
	int			ef;
	bool	   *seen;
	GraphNeighbour *candidates;
	GraphNeighbour *found;
	int			ncandidates;
	int			nfound;
	uint64		nscored;
} Textbook;

/* Meets a point and what comes with it. */
static void
textbook_meet(Textbook *book, PointId point)
{
	MemoryStore *store = book->store;
	PointId		first;
	PointId		end;

	memory_group(store, point, &first, &end);
	for (PointId i = first; i < end; i++)
	{
		GraphNeighbour met = {memory_to_query(store, i), i};

		if (book->seen[i - store->first])
			continue;
		book->seen[i - store->first] = true;
		book->nscored++;
		book->candidates[book->ncandidates++] = met;
		if (store->dead[i - store->first])
			continue;
		book->found[book->nfound++] = met;
		if (book->nfound > book->ef)
			(void) naive_take(book->found, &book->nfound, false);
	}
}

/* Algorithm 2 of the paper; dead points are candidates and no results. */
static int
textbook_search(MemoryStore *store, PointId entry, int ef,
				GraphNeighbour *results, uint64 *nscored)
{
	Textbook	book = {.store = store, .ef = ef};

	book.seen = calloc(store->n, sizeof(bool));
	book.candidates = calloc(store->n + 1, sizeof(GraphNeighbour));
	book.found = calloc(ef + 2, sizeof(GraphNeighbour));
	textbook_meet(&book, entry);
	while (book.ncandidates > 0)
	{
		GraphNeighbour nearest = naive_take(book.candidates, &book.ncandidates,
											true);
		uint32		index = nearest.point - store->first;
		float		worst = -(float) INFINITY;

		for (int i = 0; i < book.nfound; i++)
			worst = Max(worst, book.found[i].distance);
		if (book.nfound == ef && nearest.distance > worst)
			break;
		for (int i = 0; i < store->nlinks[0][index]; i++)
			textbook_meet(&book, store->links[0][index][i]);
	}
	qsort(book.found, book.nfound, sizeof(GraphNeighbour), memory_compare);
	memcpy(results, book.found, book.nfound * sizeof(GraphNeighbour));
	*nscored = book.nscored;
	free(book.seen);
	free(book.candidates);
	free(book.found);
	return book.nfound;
}

static bool
same_neighbours(const GraphNeighbour *a, const GraphNeighbour *b, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (a[i].point != b[i].point || a[i].distance != b[i].distance)
			return false;
	}
	return true;
}

static int
count_live(const MemoryStore *store, const GraphNeighbour *results, int n)
{
	int			nlive = 0;

	for (int i = 0; i < n; i++)
		nlive += !store->dead[results[i].point - store->first];
	return nlive;
}

/*
 * Sorted and without duplicates; live, or if that is not asked for, the nearer
 * half is
 */
static bool
results_are_sound(const MemoryStore *store, const GraphNeighbour *results,
				  int n, bool all_live)
{
	bool	   *seen = calloc(store->n, sizeof(bool));
	bool		sound = true;

	for (int i = 0; i < n; i++)
	{
		uint32		index = results[i].point - store->first;

		sound = sound && !seen[index] &&
			(!store->dead[index] || (!all_live && i >= (n + 1) / 2)) &&
			results[i].distance == memory_to_query(store, results[i].point) &&
			(i == 0 || results[i - 1].distance <= results[i].distance);
		seen[index] = true;
	}
	free(seen);
	return sound;
}

/* No point was scored more than once. */
static bool
scored_once(const MemoryStore *store)
{
	for (uint32 i = 0; i < store->n; i++)
	{
		if (store->scored[i] > 1)
			return false;
	}
	return !store->misused;
}

static void
random_query(MemoryStore *store, float *query)
{
	for (int i = 0; i < store->dim; i++)
		query[i] = (float) unit_random_normal();
	store->query = query;
	memory_forget(store);
}

static void
test_search_is_textbook(double dead, bool keep_rejected, int max_group)
{
	bool		same = true;
	bool		once = true;
	bool		sound = true;
	bool		counted = true;

	for (int round = 0; round < 40; round++)
	{
		uint32		n = 1 + unit_random_below(round % 4 ? 600 : 20);
		MemoryStore *store = random_grouped_graph(n,
												  1 + unit_random_below(12),
												  dead, max_group);
		GraphSearch *search = graph_search_create(&store->store,
												  keep_rejected);
		int			by_caller = max_group == 0;

		for (int i = 0; i < 20; i++)
		{
			int			ef = 1 + unit_random_below(i % 3 ? 40 : 700);
			GraphNeighbour *expected = calloc(ef + 1, sizeof(GraphNeighbour));
			GraphSearchStats before = *graph_search_stats(search);
			const GraphSearchStats *after = graph_search_stats(search);
			float		query[3];
			GraphNeighbour entries[2];
			const GraphNeighbour *results;
			int			nresults;
			int			nexpected;
			uint64		nscored;

			random_query(store, query);
			entries[0].point = store->first + unit_random_below(n);
			entries[0].distance = memory_to_query(store, entries[0].point);
			entries[1] = entries[0];
			graph_search_level(search, entries, 2, 0, ef);
			results = graph_search_results(search, &nresults);
			nexpected = textbook_search(store, entries[0].point, ef, expected,
										&nscored);
			sound = sound && nresults <= ef &&
				results_are_sound(store, results, nresults, true);
			once = once && scored_once(store);
			same = same && nresults == nexpected &&
				same_neighbours(results, expected, nresults);
			counted = counted && nscored == store->nscored + by_caller &&
				(max_group > 4 ||
				 after->met - before.met == store->nscored) &&
				after->visited - before.visited == store->nscored &&
				after->expanded - before.expanded == store->nread;
			free(expected);
		}
		graph_search_free(search);
		memory_free(store);
	}
	unit_ok(sound, "results are live, sorted, distinct (%g dead, groups of %d)",
			dead, max_group);
	unit_ok(once, "no distance is computed twice (%g dead, groups of %d)",
			dead, max_group);
	if (dead > 0 && !keep_rejected)
		return;
	unit_ok(same, "search finds what the textbook finds (%g dead, groups of %d)",
			dead, max_group);
	unit_ok(counted, "and looks at as many points (%g dead, groups of %d)",
			dead, max_group);
}

/* Reaches a point and what comes with it; returns the new depth. */
static int
reach(const MemoryStore *store, PointId point, bool *reached, uint32 *stack,
	  int depth)
{
	PointId		first;
	PointId		end;

	memory_group(store, point, &first, &end);
	for (PointId i = first; i < end; i++)
	{
		uint32		to = i - store->first;

		if (!reached[to])
		{
			reached[to] = true;
			stack[depth++] = to;
		}
	}
	return depth;
}

/* Marks what can be reached at level 0; returns how many live points. */
static int
mark_reachable(const MemoryStore *store, PointId entry, bool *reached)
{
	uint32	   *stack = calloc(store->n, sizeof(uint32));
	int			depth = reach(store, entry, reached, stack, 0);
	int			live = 0;

	while (depth > 0)
	{
		uint32		index = stack[--depth];

		live += !store->dead[index];
		for (int i = 0; i < store->nlinks[0][index]; i++)
			depth = reach(store, store->links[0][index][i], reached, stack,
						  depth);
	}
	free(stack);
	return live;
}

/*
 * The results are the nearest live points of those that were met and not
 * given before.  Marks them as given.
 */
static bool
batch_is_nearest(const MemoryStore *store, const GraphNeighbour *results,
				 int n, bool *given)
{
	float		worst = n > 0 ? results[n - 1].distance : -(float) INFINITY;
	bool		good = true;

	for (int i = 0; i < n; i++)
	{
		good = good && !given[results[i].point - store->first];
		given[results[i].point - store->first] = true;
	}
	for (uint32 i = 0; i < store->n; i++)
	{
		if (store->scored[i] && !given[i] && !store->dead[i])
			good = good && memory_to_query(store, store->first + i) >= worst;
	}
	return good;
}

static void
test_continue(double dead, MemoryDistance distance, int max_group,
			  const char *what)
{
	bool		complete = true;
	bool		nearest = true;
	bool		once = true;

	for (int round = 0; round < 60; round++)
	{
		uint32		n = 1 + unit_random_below(700);
		MemoryStore *store = random_grouped_graph(n,
												  1 + unit_random_below(10),
												  dead, max_group);
		GraphSearch *search = graph_search_create(&store->store, true);
		bool	   *given = calloc(n, sizeof(bool));
		bool	   *reached = calloc(n, sizeof(bool));
		int			ef = 1 + unit_random_below(50);
		int			total = 0;
		int			nresults;
		float		query[3];
		GraphNeighbour entry;

		store->distance = distance;
		random_query(store, query);
		entry.point = store->first + unit_random_below(n);
		entry.distance = memory_to_query(store, entry.point);
		if (max_group == 0)
			store->scored[entry.point - store->first]++;
		nresults = graph_search_level(search, &entry, 1, 0, ef);
		while (nresults > 0)
		{
			const GraphNeighbour *results;

			results = graph_search_results(search, &nresults);
			nearest = nearest && nresults <= ef &&
				results_are_sound(store, results, nresults, max_group == 0) &&
				batch_is_nearest(store, results, nresults, given);
			total += count_live(store, results, nresults);
			ef = 1 + unit_random_below(50);
			nresults = graph_search_continue(search, ef, true);
		}
		once = once && scored_once(store);
		complete = complete &&
			total == mark_reachable(store, entry.point, reached);
		free(given);
		free(reached);
		graph_search_free(search);
		memory_free(store);
	}
	unit_ok(complete, "continuing gives every reachable live point (%s)",
			what);
	unit_ok(nearest, "each batch is the nearest of what was met (%s)", what);
	unit_ok(once, "continuing computes no distance twice (%s)", what);
}

static void
test_drain(void)
{
	bool		good = true;

	for (int round = 0; round < 60; round++)
	{
		uint32		n = 1 + unit_random_below(700);
		MemoryStore *store = random_graph(n, 1 + unit_random_below(10), 1, 0);
		GraphSearch *search = graph_search_create(&store->store, true);
		bool	   *given = calloc(n, sizeof(bool));
		float		last = -(float) INFINITY;
		uint64		total = 0;
		uint64		nread = 0;
		float		query[3];
		GraphNeighbour entry;
		int			nresults;

		random_query(store, query);
		entry.point = store->first;
		entry.distance = memory_to_query(store, entry.point);
		store->scored[0]++;
		nresults = graph_search_level(search, &entry, 1, 0,
									  1 + unit_random_below(30));
		for (int batch = 0; nresults > 0; batch++)
		{
			const GraphNeighbour *results;

			results = graph_search_results(search, &nresults);
			good = good && batch_is_nearest(store, results, nresults, given) &&
				(batch == 0 || results[0].distance >= last);
			last = results[nresults - 1].distance;
			total += nresults;
			if (batch == 0)
				nread = store->nread;
			nresults = graph_search_continue(search, 1 + unit_random_below(9),
											 false);
		}
		good = good && nread == store->nread && total == store->nscored + 1 &&
			graph_search_stats(search)->continuations > 0;
		free(given);
		graph_search_free(search);
		memory_free(store);
	}
	unit_ok(good, "draining gives the rest of what was met, nearest first");
}

/* Dead points late found must not cost results when nothing is kept. */
static void
test_ef_beyond_everything(void)
{
	bool		good = true;

	for (int round = 0; round < 40; round++)
	{
		uint32		n = 1 + unit_random_below(300);
		MemoryStore *store = random_graph(n, 6, 1, 0.5);
		GraphSearch *search = graph_search_create(&store->store, false);
		bool	   *reached = calloc(n, sizeof(bool));
		GraphNeighbour entry;
		float		query[3];

		store->distance = round % 2 ? coarse_distance : infinite_distance;
		random_query(store, query);
		entry.point = store->first;
		entry.distance = memory_to_query(store, entry.point);
		good = good && graph_search_level(search, &entry, 1, 0, n) ==
			mark_reachable(store, entry.point, reached);
		free(reached);
		graph_search_free(search);
		memory_free(store);
	}
	unit_ok(good, "ef as large as the graph gives all of it");
}

/* Straight from the definition: move to the nearest neighbour or stop */
static PointId
textbook_descent(const MemoryStore *store, PointId here, int from, int to)
{
	for (int level = from; level >= to; level--)
	{
		bool		moved;

		do
		{
			uint32		index = here - store->first;

			moved = false;
			for (int i = 0; i < store->nlinks[level][index]; i++)
			{
				PointId		link = store->links[level][index][i];

				if (memory_to_query(store, link) <
					memory_to_query(store, here))
				{
					here = link;
					moved = true;
				}
			}
		} while (moved);
	}
	return here;
}

static void
test_descend(void)
{
	bool		good = true;

	for (int round = 0; round < 100; round++)
	{
		uint32		n = 1 + unit_random_below(300);
		MemoryStore *store = random_graph(n, 8, 4, 0.2);
		GraphSearch *search = graph_search_create(&store->store, false);
		int			from = unit_random_below(4);
		int			to = unit_random_below(5);
		PointId		entry = store->first + unit_random_below(n);
		float		query[3];
		GraphNeighbour nearest;

		random_query(store, query);
		nearest = graph_descend(search, entry, from, to);
		good = good && scored_once(store) &&
			nearest.point == textbook_descent(store, entry, from, to) &&
			nearest.distance == memory_to_query(store, nearest.point);
		graph_search_free(search);
		memory_free(store);
	}
	unit_ok(good, "descent moves to the nearest neighbour, level by level");
}

static void
test_search_memory(void)
{
	MemoryStore *store = random_graph(3000, 10, 1, 0);
	GraphSearch *search = graph_search_create(&store->store, true);
	float		queries[20][3];
	Size		settled = 0;
	bool		prefetches = false;

	for (int i = 0; i < 40; i++)
	{
		GraphNeighbour entry;

		if (i < 20)
			random_query(store, queries[i]);
		store->query = queries[i % 20];
		memory_forget(store);
		entry = graph_descend(search, store->first + i % 20, 0, 1);
		graph_search_level(search, &entry, 1, 0, 500);
		prefetches = prefetches || store->nprefetched > 0;
		if (i < 20)
			settled = graph_search_memory(search);
	}
	unit_ok(graph_search_memory(search) == settled && settled < 200000,
			"the same searches again need no more memory");
	unit_ok(prefetches, "the next links are asked for ahead");
	graph_search_free(search);
	memory_free(store);
}

/*-------------------------------------------------------------------------
 * Selection
 *-------------------------------------------------------------------------
 */

/* Algorithm 4 of the paper; in a tie the accepted one must be as far */
static int
textbook_select(const MemoryStore *store, const GraphSelectOptions *options,
				const GraphNeighbour *candidates, int n, int max,
				GraphNeighbour *chosen)
{
	GraphNeighbour *rest = calloc(n + 1, sizeof(GraphNeighbour));
	int			nrest = 0;
	int			nchosen = 0;

	for (int i = 0; i < n && nchosen < max; i++)
	{
		bool		good = true;

		for (int j = 0; options->heuristic && j < nchosen; j++)
		{
			float		between;

			between = store->distance(store,
									  memory_vector(store, chosen[j].point -
													store->first),
									  candidates[i].point - store->first);
			good = good && (between > candidates[i].distance ||
							(between == candidates[i].distance &&
							 between > chosen[j].distance));
		}
		if (good)
			chosen[nchosen++] = candidates[i];
		else
			rest[nrest++] = candidates[i];
	}
	for (int i = 0; options->keep_pruned && i < nrest && nchosen < max; i++)
		chosen[nchosen++] = rest[i];
	qsort(chosen, nchosen, sizeof(GraphNeighbour), memory_compare);
	free(rest);
	return nchosen;
}

static void
shuffle(GraphNeighbour *neighbours, int n)
{
	for (int i = n - 1; i > 0; i--)
	{
		int			j = unit_random_below(i + 1);
		GraphNeighbour swap = neighbours[i];

		neighbours[i] = neighbours[j];
		neighbours[j] = swap;
	}
}

static void
test_select(GraphSelectOptions options, MemoryDistance distance,
			const char *what)
{
	bool		same = true;
	bool		kept = true;

	for (int round = 0; round < 200; round++)
	{
		int			n = unit_random_below(round % 8 ? 100 : 700);
		int			max = 1 + unit_random_below(round % 3 ? 32 :
												GRAPH_MAX_LINKS);
		MemoryStore *store = memory_create(n + 1, 1 + unit_random_below(8), 5,
										   1);
		GraphNeighbour *sorted = calloc(n + 1, sizeof(GraphNeighbour));
		GraphNeighbour *candidates = calloc(n + 1, sizeof(GraphNeighbour));
		GraphNeighbour *chosen = calloc(max + 1, sizeof(GraphNeighbour));
		int			nchosen;
		int			count;

		memory_fill_clusters(store, 4, 0.3);
		store->distance = distance;
		store->query = memory_vector(store, n);
		for (int i = 0; i < n; i++)
		{
			sorted[i].point = store->first + i;
			sorted[i].distance = memory_to_query(store, sorted[i].point);
		}
		qsort(sorted, n, sizeof(GraphNeighbour), memory_compare);
		memcpy(candidates, sorted, n * sizeof(GraphNeighbour));
		if (round % 2)
			shuffle(candidates, n);
		count = graph_select_neighbours(&store->store, &options, candidates, n,
										max);
		nchosen = textbook_select(store, &options, sorted, n, max, chosen);
		same = same && !store->misused && count == nchosen &&
			same_neighbours(candidates, chosen, count);
		qsort(candidates, n, sizeof(GraphNeighbour), memory_compare);
		kept = kept && same_neighbours(candidates, sorted, n);
		free(sorted);
		free(candidates);
		free(chosen);
		memory_free(store);
	}
	unit_ok(same, "selection chooses what the textbook chooses (%s)", what);
	unit_ok(kept, "selection loses no candidate (%s)", what);
}

/*-------------------------------------------------------------------------
 * Build
 *-------------------------------------------------------------------------
 */
static void
test_levels(void)
{
	static const int ms[] = {2, 5, 16, 100};
	bool		geometric = true;
	bool		repeats = true;
	bool		bounded = true;

	for (int i = 0; i < (int) lengthof(ms); i++)
	{
		uint64		seed = unit_random();
		double		expected = 200000;
		uint64		at_least[GRAPH_MAX_LEVEL + 2] = {0};

		for (uint64 ordinal = 0; ordinal < 200000; ordinal++)
		{
			GraphLevel	level = graph_random_level(seed, ordinal, ms[i]);

			bounded = bounded && level <= GRAPH_MAX_LEVEL;
			repeats = repeats &&
				level == graph_random_level(seed, ordinal, ms[i]);
			for (int l = 0; l <= level; l++)
				at_least[l]++;
		}
		for (int l = 0; l <= GRAPH_MAX_LEVEL; l++)
		{
			geometric = geometric &&
				fabs(at_least[l] - expected) <= 6 * sqrt(expected) + 6;
			expected /= ms[i];
		}
	}
	unit_ok(geometric && bounded, "levels are geometric with factor 1/m");
	unit_ok(repeats, "levels can be repeated");

	/* the same on every machine */
	unit_ok(graph_random_level(7, 12, 4) == 0 &&
			graph_random_level(7, 13, 4) == 3 &&
			graph_random_level(7, 119, 4) == 4 &&
			graph_random_level(7, 389, 4) == 2, "levels as expected");
}

typedef struct BuildCase
{
	uint32		n;
	int			dim;
	int			clusters;
	int			m;
	int			ef_construction;
	GraphSelectOptions select;
	MemoryDistance distance;
	const char *name;
} BuildCase;

static GraphBuild *
create_build(const BuildCase *c, MemoryStore *store, uint64 seed)
{
	GraphBuildOptions options = {
		.m = c->m,
		.ef_construction = c->ef_construction,
		.select = c->select,
		.seed = seed,
	};

	return graph_build_create(&options, &store->store, memory_set_query,
							  c->n);
}

static MemoryStore *
create_points(const BuildCase *c)
{
	MemoryStore *store = memory_create(c->n, c->dim, 0, 1);

	store->distance = c->distance;
	memory_fill_clusters(store, c->clusters, 0.3);
	return store;
}

static bool
list_contains(const PointId *links, int n, PointId point)
{
	for (int i = 0; i < n; i++)
	{
		if (links[i] == point)
			return true;
	}
	return false;
}

/* Every list that still has room when the point has come has a link back. */
static bool
links_both_ways(GraphBuild *build, PointId point)
{
	int			m = build->options.m;

	for (int level = 0; level <= graph_build_level(build, point); level++)
	{
		int			n;
		const PointId *links = graph_build_links(build, point, level, &n);

		for (int i = 0; i < n; i++)
		{
			int			nback;
			const PointId *back = graph_build_links(build, links[i], level,
													&nback);

			if (nback < build_list_capacity(m, level) &&
				!list_contains(back, nback, point))
				return false;
		}
	}
	return true;
}

/* Lengths, numbers, levels, cached distances */
static bool
lists_are_sound(GraphBuild *build, const MemoryStore *store)
{
	for (PointId point = 0; point < store->n; point++)
	{
		GraphLevel	top = graph_build_level(build, point);
		int			n;

		if (top != graph_random_level(build->options.seed, point,
									  build->options.m) ||
			graph_build_links(build, point, top + 1, &n) != NULL || n != 0)
			return false;
		for (int level = 0; level <= top; level++)
		{
			const PointId *links = graph_build_links(build, point, level, &n);
			LinkList	list = build_list(build, point, level);

			if (n > GraphMaxLinks(build->options.m, level) ||
				list.head->naccepted > list.head->nknown ||
				list.head->nknown > n)
				return false;
			for (int i = 0; i < n; i++)
			{
				if (links[i] == point || links[i] >= store->n ||
					graph_build_level(build, links[i]) < level ||
					list_contains(links, i, links[i]) ||
					list.distances[i] !=
					store->distance(store, memory_vector(store, links[i]),
									point))
					return false;
			}
		}
	}
	return true;
}

static bool
in_links_are_right(GraphBuild *build, uint32 n)
{
	uint32	   *counts = calloc(n + 1, sizeof(uint32));
	bool		right = true;

	for (PointId point = 0; point < n; point++)
	{
		int			count;
		const PointId *links = graph_build_links(build, point, 0, &count);

		for (int i = 0; i < count; i++)
			counts[links[i]]++;
	}
	for (PointId point = 0; point < n; point++)
		right = right && counts[point] == build->in_links[point];
	free(counts);
	return right;
}

static uint32
count_reachable(GraphBuild *build, uint32 n)
{
	bool	   *reached = calloc(n + 1, sizeof(bool));
	PointId    *stack = calloc(n + 1, sizeof(PointId));
	uint32		depth = 0;
	uint32		total = 0;

	if (n > 0)
	{
		stack[depth++] = graph_build_entry(build);
		reached[stack[0]] = true;
	}
	while (depth > 0)
	{
		int			count;
		const PointId *links = graph_build_links(build, stack[--depth], 0,
												 &count);

		total++;
		for (int i = 0; i < count; i++)
		{
			if (!reached[links[i]])
			{
				reached[links[i]] = true;
				stack[depth++] = links[i];
			}
		}
	}
	free(reached);
	free(stack);
	return total;
}

static bool
same_graphs(GraphBuild *a, GraphBuild *b, uint32 n)
{
	if (graph_build_entry(a) != graph_build_entry(b))
		return false;
	for (PointId point = 0; point < n; point++)
	{
		for (int level = 0; level <= graph_build_level(a, point); level++)
		{
			int			na;
			int			nb;
			const PointId *la = graph_build_links(a, point, level, &na);
			const PointId *lb = graph_build_links(b, point, level, &nb);

			if (na != nb || memcmp(la, lb, na * sizeof(PointId)) != 0)
				return false;
		}
	}
	return true;
}

static bool
is_permutation(const PointId *new_ids, uint32 n)
{
	bool	   *used = calloc(n + 1, sizeof(bool));
	bool		good = true;

	for (uint32 i = 0; i < n; i++)
	{
		good = good && new_ids[i] < n && !used[new_ids[i]];
		if (good)
			used[new_ids[i]] = true;
	}
	free(used);
	return good;
}

/* Are the points of levels that one in 64 has, or fewer, before the others? */
static bool
high_levels_come_first(GraphBuild *build, const PointId *new_ids, int m,
					   uint32 n)
{
	int			lowest = (int) ceil(log(64) / log(m) - 1e-9);
	uint32		nhigh = 0;
	uint32		nfirst = 0;

	for (uint32 i = 0; i < n; i++)
		nhigh += graph_build_level(build, i) >= lowest;
	for (uint32 i = 0; i < n; i++)
		nfirst += graph_build_level(build, i) >= lowest && new_ids[i] < nhigh;
	return nfirst == nhigh;
}

/* Mean of log2 of the differences of numbers along links */
static double
mean_bits(GraphBuild *build, uint32 n, const PointId *new_ids)
{
	double		sum = 0;
	uint64		total = 0;

	for (PointId point = 0; point < n; point++)
	{
		int			count;
		const PointId *links = graph_build_links(build, point, 0, &count);

		for (int i = 0; i < count; i++)
		{
			double		a = new_ids ? new_ids[point] : point;
			double		b = new_ids ? new_ids[links[i]] : links[i];

			sum += log2(fabs(a - b));
			total++;
		}
	}
	return total > 0 ? sum / total : 0;
}

/* Every third point gets no number, the others those from 7 on. */
static bool
some_are_left_out(GraphBuild *build, uint32 n)
{
	bool	   *left_out = calloc(n + 1, sizeof(bool));
	GraphOrderOptions order = {.per_page = 5, .first = 7, .left_out = left_out};
	PointId    *kept = calloc(n + 1, sizeof(PointId));
	const PointId *new_ids;
	uint32		nkept = 0;
	bool		good = true;

	for (uint32 i = 0; i < n; i++)
		left_out[i] = i % 3 == 0;
	new_ids = graph_order_alone(build, &order);
	for (uint32 i = 0; i < n; i++)
	{
		if (left_out[i])
			good = good && !PointIdIsValid(new_ids[i]);
		else
			kept[nkept++] = new_ids[i] - 7;
	}
	good = good && is_permutation(kept, nkept);
	free(kept);
	free(left_out);
	return good;
}

/* Points with the same quotient share a page. */
#define POINTS_PER_PAGE		20

/* Pages that the points of a list are on, on average */
static double
mean_pages(GraphBuild *build, uint32 n, const PointId *new_ids)
{
	uint64		total = 0;

	for (PointId point = 0; point < n; point++)
	{
		int			count;
		const PointId *links = graph_build_links(build, point, 0, &count);
		PointId		pages[GRAPH_MAX_LINKS];
		int			npages = 0;

		for (int i = 0; i < count; i++)
		{
			PointId		id = new_ids ? new_ids[links[i]] : links[i];
			int			j = 0;

			while (j < npages && pages[j] != id / POINTS_PER_PAGE)
				j++;
			pages[j] = id / POINTS_PER_PAGE;
			npages = Max(npages, j + 1);
		}
		total += npages;
	}
	return (double) total / n;
}

static double
recall(GraphBuild *build, MemoryStore *store, const float *queries,
	   int nqueries, int k, int ef)
{
	GraphSearch *search = graph_search_create(graph_build_store(build), false);
	PointId		entry = graph_build_entry(build);
	GraphNeighbour *truth = calloc(k, sizeof(GraphNeighbour));
	int			found = 0;
	int			total = 0;

	for (int i = 0; i < nqueries; i++)
	{
		GraphNeighbour nearest;
		const GraphNeighbour *results;
		int			nresults;
		int			ntruth;

		store->query = queries + (size_t) i * store->dim;
		nearest = graph_descend(search, entry,
								graph_build_level(build, entry), 1);
		graph_search_level(search, &nearest, 1, 0, ef);
		results = graph_search_results(search, &nresults);
		ntruth = memory_nearest(store, k, truth);
		total += ntruth;
		for (int j = 0; j < Min(nresults, k); j++)
			found += results[j].distance <= truth[ntruth - 1].distance;
	}
	graph_search_free(search);
	free(truth);
	return total > 0 ? (double) found / total : 1;
}

static void
test_build(const BuildCase *c)
{
	MemoryStore *store = create_points(c);
	uint64		seed = unit_random();
	GraphBuild *build = create_build(c, store, seed);
	GraphBuild *again = create_build(c, store, seed);
	bool		both_ways = true;
	GraphOrderOptions order = {.per_page = POINTS_PER_PAGE};
	const PointId *new_ids;

	graph_build_alone(build);
	if (c->select.keep_pruned || !c->select.heuristic)
	{
		for (PointId point = 0; point < c->n; point++)
			both_ways = both_ways && links_both_ways(build, point);
	}
	unit_ok(both_ways && in_links_are_right(build, c->n),
			"%s: links go both ways where there is room", c->name);
	graph_build_connect(build);
	unit_ok(count_reachable(build, c->n) == c->n && !store->misused,
			"%s: every point can be reached", c->name);
	unit_ok(lists_are_sound(build, store), "%s: lists are sound", c->name);
	unit_ok(graph_build_connect(build) == 0,
			"%s: nothing to connect twice", c->name);

	graph_build_alone(again);
	graph_build_connect(again);
	unit_ok(same_graphs(build, again, c->n), "%s: a build can be repeated",
			c->name);
	graph_build_free(again);

	new_ids = graph_order_alone(build, &order);
	unit_ok(is_permutation(new_ids, c->n), "%s: the order is a permutation",
			c->name);
	unit_ok(high_levels_come_first(build, new_ids, c->m, c->n),
			"%s: high levels come first", c->name);
	if (c->n >= 1000 && c->distance == memory_l2 && c->m >= 8 && c->m <= 16)
	{
		double		before = mean_bits(build, c->n, NULL);
		double		after = mean_bits(build, c->n, new_ids);

		unit_ok(after < before - 1, "%s: neighbours come together "
				"(%.2f bits, were %.2f)", c->name, after, before);
		before = mean_pages(build, c->n, NULL);
		after = mean_pages(build, c->n, new_ids);
		unit_ok(after < before * 0.6, "%s: lists lead to few pages "
				"(%.2f, were %.2f)", c->name, after, before);
	}
	unit_ok(some_are_left_out(build, c->n), "%s: some are left out of the order",
			c->name);
	graph_build_free(build);
	memory_free(store);
}

static void
test_builds(void)
{
	const GraphSelectOptions heuristic = {true, false, false};
	const GraphSelectOptions extended = {true, true, true};
	const GraphSelectOptions simple = {false, false, false};
	const BuildCase cases[] = {
		{0, 4, 1, 16, 40, default_select, memory_l2, "no point"},
		{1, 4, 1, 16, 40, default_select, memory_l2, "one point"},
		{2, 4, 1, 16, 40, default_select, memory_l2, "two points"},
		{20, 4, 1, 16, 40, default_select, memory_l2, "twenty points"},
		{3000, 8, 10, 16, 64, default_select, memory_l2, "clusters"},
		{1500, 8, 10, 8, 40, heuristic, memory_l2, "keep_pruned off"},
		{1500, 8, 10, 8, 40, extended, memory_l2, "extended"},
		{1500, 8, 10, 8, 40, simple, memory_l2, "simple"},
		{1500, 3, 50, 2, 10, default_select, memory_l2, "m = 2"},
		{1500, 3, 50, 2, 1, heuristic, memory_l2, "ef_construction = 1"},
		{1500, 16, 3, 100, 220, default_select, memory_l2, "m = 100"},
		{1000, 2, 4, 5, 40, default_select, equal_distance, "all equal"},
		{1000, 2, 4, 5, 40, heuristic, equal_distance, "all equal, pruned"},
		{1000, 2, 4, 5, 40, default_select, coarse_distance, "coarse"},
		{600, 2, 4, 5, 40, simple, coarse_distance, "coarse, simple"},
		{600, 2, 4, 5, 40, default_select, infinite_distance, "infinite"},
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
		test_build(&cases[i]);
}

/* The same vector very often, and others beside it */
static void
test_duplicates(void)
{
	BuildCase	c = {2000, 4, 20, 8, 40, default_select, memory_l2, NULL};
	MemoryStore *store = create_points(&c);
	GraphBuild *build = create_build(&c, store, 1);
	float		queries[20 * 4];

	for (uint32 i = 0; i < c.n; i++)
	{
		if (unit_random_below(2))
			memcpy(store->vectors + i * 4, store->vectors, 4 * sizeof(float));
	}
	graph_build_alone(build);
	graph_build_connect(build);
	unit_ok(count_reachable(build, c.n) == c.n,
			"duplicates: every point can be reached");
	for (int i = 0; i < (int) lengthof(queries); i++)
		queries[i] = (float) unit_random_normal();
	unit_ok(recall(build, store, queries, 20, 10, 100) > 0.9,
			"duplicates: neighbours are found");
	graph_build_free(build);
	memory_free(store);
}

static void
test_recall_clusters(void)
{
	BuildCase	c = {6000, 24, 40, 16, 64, default_select, memory_l2, NULL};
	MemoryStore *store = create_points(&c);
	GraphBuild *build = create_build(&c, store, 3);
	double		found;

	graph_build_alone(build);
	graph_build_connect(build);
	found = recall(build, store, memory_vector(store, 100), 200, 10, 40);
	unit_ok(found > 0.97, "clusters: recall %.4f", found);
	graph_build_free(build);
	memory_free(store);
}

/* Reads at most n vectors of bytes; NULL when the file is not there. */
static float *
read_bvecs(const char *name, int dim, uint32 *n)
{
	FILE	   *file = fopen(name, "rb");
	uint32		max = *n;
	float	   *vectors;
	int32		header;

	if (file == NULL)
		return NULL;
	vectors = calloc((size_t) max * dim, sizeof(float));
	for (*n = 0; *n < max; ++*n)
	{
		uint8		bytes[1024];

		if (fread(&header, sizeof(header), 1, file) != 1 || header != dim ||
			fread(bytes, 1, dim, file) != (size_t) dim)
			break;
		for (int i = 0; i < dim; i++)
			vectors[(size_t) *n * dim + i] = bytes[i];
	}
	fclose(file);
	return vectors;
}

static void
test_recall_sift(void)
{
	uint32		n = 10000;
	uint32		nqueries = 100;
	float	   *base = read_bvecs(SIFT_BASE, 128, &n);
	float	   *queries = read_bvecs(SIFT_QUERY, 128, &nqueries);
	BuildCase	c = {n, 128, 1, 16, 64, default_select, memory_l2, NULL};
	MemoryStore *store;
	GraphBuild *build;
	double		found;

	if (base == NULL || queries == NULL || n == 0 || nqueries == 0)
	{
		unit_ok(true, "sift: recall # SKIP no data");
		return;
	}
	store = memory_create(n, 128, 0, 1);
	free(store->vectors);
	store->vectors = base;
	build = create_build(&c, store, 3);
	graph_build_alone(build);
	graph_build_connect(build);
	found = recall(build, store, queries, nqueries, 10, 40);
	unit_ok(found > 0.98, "sift: recall %.4f", found);
	graph_build_free(build);
	memory_free(store);
	free(queries);
}

/* What a build takes is its lists and little else. */
static void
test_build_size(void)
{
	bool		good = true;

	for (int m = GRAPH_MIN_M; m <= GRAPH_MAX_M; m++)
	{
		GraphBuildOptions options = {m, 64, default_select, 1};
		PointId		n = 100000;
		double		size = (double) graph_build_size(&options, n) / n;
		double		lists = build_list_capacity(m, 0) * 8.0 +
			m * 8.0 / (m - 1);

		good = good && size > lists && size < lists * 1.1 + 90;
	}
	unit_ok(good, "a build takes the memory of its lists and little else");
}

int
main(int argc, char **argv)
{
	const GraphSelectOptions simple = {false, false, false};
	const GraphSelectOptions pruned = {true, false, false};

	unit_start(argc, argv);
	test_visited();
	test_pool();
	test_spill();
	test_search_is_textbook(0, false, 0);
	test_search_is_textbook(0, true, 0);
	test_search_is_textbook(0.3, true, 0);
	test_search_is_textbook(0.9, true, 0);
	test_search_is_textbook(0.5, false, 0);
	test_search_is_textbook(0, false, 1);
	test_search_is_textbook(0, false, 50);
	test_search_is_textbook(0.5, false, 50);
	test_continue(0, scattered_distance, 0, "all live");
	test_continue(0.5, scattered_distance, 0, "half dead");
	test_continue(1, scattered_distance, 0, "all dead");
	test_continue(0.2, coarse_distance, 0, "ties");
	test_continue(0.2, infinite_distance, 0, "infinite");
	test_continue(0, scattered_distance, 50, "groups");
	test_continue(0.5, scattered_distance, 50, "groups, half dead");
	test_continue(1, scattered_distance, 50, "groups, all dead");
	test_continue(0.2, infinite_distance, 50, "groups, infinite");
	test_drain();
	test_ef_beyond_everything();
	test_descend();
	test_search_memory();
	test_select(simple, memory_l2, "simple");
	test_select(pruned, memory_l2, "heuristic");
	test_select(default_select, memory_l2, "keep_pruned");
	test_select(pruned, coarse_distance, "heuristic, ties");
	test_select(default_select, coarse_distance, "keep_pruned, ties");
	test_levels();
	test_builds();
	test_duplicates();
	test_recall_clusters();
	test_recall_sift();
	test_build_size();
	return unit_finish();
}
