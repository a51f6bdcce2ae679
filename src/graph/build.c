/*-------------------------------------------------------------------------
 *
 * build.c
 *	  The memory of a graph under construction, and the graph as a store.
 *
 * All that members of a team share is one piece of memory without pointers
 * in it, so that each of them can have it at another address.
 *
 * src/graph/build.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <string.h>

#include "graph/build_internal.h"
#include "graph/graph.h"
#include "graph/memory.h"
#include "graph/select.h"

/* splitmix64's finalizer */
static uint64
mix64(uint64 z)
{
	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/*
 * Whole numbers only, so that every machine gives the same levels: a point
 * reaches level l when its hash is below 2^64 / m^l.
 */
GraphLevel
graph_random_level(uint64 seed, uint64 ordinal, int m)
{
	uint64		hash = mix64(mix64(seed + UINT64CONST(0x9E3779B97F4A7C15)) +
							 ordinal * UINT64CONST(0x9E3779B97F4A7C15));
	uint64		bound = PG_UINT64_MAX / m;
	GraphLevel	level = 0;

	while (level < GRAPH_MAX_LEVEL && hash < bound)
	{
		level++;
		bound /= m;
	}
	return level;
}

/*
 * Copies n links of a list that has cache lines of its own, line by line.  What is
 * copied behind the last link costs less than it takes to know the length.
 */
static inline void
copy_lines(PointId *links, LinkList list, int n)
{
	const uint32 *words = (const uint32 *) list.head;

	StaticAssertStmt(sizeof(ListHead) == sizeof(uint32), "links begin at word 1");
	memcpy(links, words + 1, CACHE_LINE - sizeof(uint32));
	for (int i = LINE_WORDS; i <= n; i += LINE_WORDS)
		memcpy(links + i - 1, words + i, CACHE_LINE);
}

static int
build_get_links(GraphStore *store, PointId point, GraphLevel level,
				PointId *links, bool *live)
{
	GraphBuild *build = (GraphBuild *) store;
	LinkList	list;

	build_check_interrupts(build);
	*live = true;
	if (point >= build->shared->ninserted ||
		(level > 0 && level > build->levels[point]))
		return 0;
	list = build_list(build, point, level);
	if (build_lists_at_lines(build->options.m, level))
		copy_lines(links, list, list.head->count);
	else
		memcpy(links, list.links, list.head->count * sizeof(PointId));
	return list.head->count;
}

static void
build_score(GraphStore *store, const PointId *points, int n, float *distances)
{
	GraphStore *underlying = ((GraphBuild *) store)->distances;

	underlying->score(underlying, points, n, distances);
}

static void
build_score_between(GraphStore *store, PointId from, const PointId *points,
					int n, float *distances)
{
	GraphStore *underlying = ((GraphBuild *) store)->distances;

	underlying->score_between(underlying, from, points, n, distances);
}

static void
build_prefetch_links(GraphStore *store, PointId point, GraphLevel level)
{
	LinkList	list = build_list((GraphBuild *) store, point, level);

	for (int i = 0; i < list.capacity; i += CACHE_LINE / sizeof(PointId))
		__builtin_prefetch(list.links + i);
}

/*-------------------------------------------------------------------------
 * Memory
 *-------------------------------------------------------------------------
 */

/* How many of everything there are */
typedef struct BuildCounts
{
	PointId		npoints;
	uint32		nupper;
	uint32		max_batch;
	uint32		max_waiting;
} BuildCounts;

static void
count_everything(BuildCounts *counts, const GraphBuildOptions *options,
				 PointId npoints)
{
	uint64		nupper = 0;
	PointId		end;

	memset(counts, 0, sizeof(BuildCounts));
	counts->npoints = npoints;
	for (PointId begin = 0; begin < npoints; begin = end)
	{
		uint32		nwaiting = 0;

		end = build_batch_end(npoints, begin);
		for (PointId point = begin; point < end; point++)
		{
			GraphLevel	level = graph_random_level(options->seed, point,
												   options->m);

			nwaiting += build_own_links(options->m, 0) +
				level * build_own_links(options->m, 1);
			nupper += level;
		}
		counts->max_waiting = Max(counts->max_waiting, nwaiting);
		counts->max_batch = Max(counts->max_batch, end - begin);
	}
	counts->nupper = (uint32) nupper;
}

/* Sets a pointer to the next array in the memory, and goes to its end. */
#define PLACE(pointer, cursor, count) \
	((pointer) = (void *) (cursor), \
	 (cursor) += TYPEALIGN(CACHE_LINE, \
						   graph_array_size(count, sizeof(*(pointer)))))

/* Sets the pointers into the memory; returns where it ends. */
static char *
place_arrays(GraphBuild *build, char *memory, const BuildCounts *counts)
{
	int			m = build->options.m;
	uint64		nlists[2] = {counts->npoints, counts->nupper};
	char	   *cursor = memory;

	PLACE(build->shared, cursor, 1);
	PLACE(build->levels, cursor, counts->npoints);
	PLACE(build->upper, cursor, counts->npoints);
	PLACE(build->in_links, cursor, counts->npoints);
	PLACE(build->in_changes, cursor, counts->npoints);
	for (int i = 0; i < 2; i++)
	{
		PLACE(build->lists[i], cursor,
			  nlists[i] * build_list_stride(m, (GraphLevel) i));
		PLACE(build->distances_of[i], cursor,
			  nlists[i] * build_list_capacity(m, (GraphLevel) i));
		PLACE(build->waiting_for[i], cursor, nlists[i]);
	}
	PLACE(build->order, cursor, counts->max_batch);
	PLACE(build->groups, cursor, counts->max_batch);
	PLACE(build->waiting, cursor, counts->max_waiting);
	PLACE(build->targets, cursor, counts->max_waiting);
	return cursor;
}

Size
graph_build_size(const GraphBuildOptions *options, PointId npoints)
{
	GraphBuild	build;
	BuildCounts counts;

	build.options = *options;
	count_everything(&counts, options, npoints);
	return place_arrays(&build, NULL, &counts) - (char *) NULL;
}

/* Gives every point its level and its lists above level 0. */
static void
assign_levels(GraphBuild *build, PointId npoints)
{
	uint32		nupper = 0;

	for (PointId point = 0; point < npoints; point++)
	{
		GraphLevel	level = graph_random_level(build->options.seed, point,
											   build->options.m);

		build->levels[point] = level;
		build->upper[point] = nupper;
		nupper += level;
	}
}

void
graph_build_init(void *memory, const GraphBuildOptions *options,
				 PointId npoints)
{
	GraphBuild	build;
	BuildCounts counts;
	BuildShared *shared;

	Assert(options->m >= GRAPH_MIN_M && options->m <= GRAPH_MAX_M);
	Assert(options->ef_construction >= 1);
	build.options = *options;
	count_everything(&counts, options, npoints);
	(void) place_arrays(&build, memory, &counts);

	shared = build.shared;
	memset(shared, 0, sizeof(BuildShared));
	shared->options = *options;
	shared->npoints = npoints;
	shared->nupper = counts.nupper;
	shared->max_batch = counts.max_batch;
	shared->max_waiting = counts.max_waiting;
	shared->npivots = build_count_pivots(npoints);
	shared->entry = InvalidPointId;
	assign_levels(&build, npoints);
	memset(build.in_links, 0, npoints * sizeof(uint16));
	memset(build.in_changes, 0, npoints * sizeof(int16));
	memset(build.waiting_for[0], 0xFF, npoints * sizeof(uint32));
	memset(build.waiting_for[1], 0xFF, counts.nupper * sizeof(uint32));
}

GraphBuild *
graph_build_attach(void *memory, GraphStore *distances,
				   void (*set_query) (GraphStore *distances, PointId point))
{
	GraphBuild *build = palloc0(sizeof(GraphBuild));
	BuildShared *shared = memory;
	BuildCounts counts = {
		shared->npoints, shared->nupper, shared->max_batch,
		shared->max_waiting
	};

	build->store.get_links = build_get_links;
	build->store.score = build_score;
	build->store.score_between = build_score_between;
	build->store.prefetch_links = build_prefetch_links;
	build->options = shared->options;
	build->distances = distances;
	build->set_query = set_query;
	(void) place_arrays(build, memory, &counts);
	build->candidates =
		graph_array_alloc(Max(2 * (uint32) build->options.ef_construction,
							  counts.max_batch), sizeof(GraphNeighbour));
	build->search =
		graph_search_create(&build->store,
							build->options.select.extend_candidates);
	return build;
}

GraphBuild *
graph_build_create(const GraphBuildOptions *options, GraphStore *distances,
				   void (*set_query) (GraphStore *distances, PointId point),
				   PointId npoints)
{
	void	   *memory = graph_array_alloc(graph_build_size(options, npoints) +
										   CACHE_LINE, 1);
	void	   *aligned = (void *) TYPEALIGN(CACHE_LINE, memory);
	GraphBuild *build;

	graph_build_init(aligned, options, npoints);
	build = graph_build_attach(aligned, distances, set_query);
	build->own_memory = memory;
	return build;
}

void
graph_build_free(GraphBuild *build)
{
	graph_search_free(build->search);
	pfree(build->candidates);
	if (build->own_memory != NULL)
		pfree(build->own_memory);
	pfree(build);
}

/*-------------------------------------------------------------------------
 * What there is
 *-------------------------------------------------------------------------
 */
PointId
graph_build_entry(const GraphBuild *build)
{
	return build->shared->entry;
}

GraphLevel
graph_build_level(const GraphBuild *build, PointId point)
{
	return build->levels[point];
}

const PointId *
graph_build_links(const GraphBuild *build, PointId point, GraphLevel level,
				  int *count)
{
	LinkList	list;

	*count = 0;
	if (point >= build->shared->ninserted || level > build->levels[point])
		return NULL;
	list = build_list(build, point, level);
	*count = list.head->count;
	return list.links;
}

void
graph_build_get(const GraphBuild *build, PointId point, GraphLevel level,
				GraphLinks *links)
{
	LinkList	list = build_list(build, point, level);

	links->count = list.head->count;
	links->naccepted = list.head->naccepted;
	for (int i = 0; i < links->count; i++)
	{
		links->links[i].point = list.links[i];
		links->links[i].distance = list.distances[i];
	}
	graph_sort_neighbours(links->links + links->naccepted,
						  links->count - links->naccepted);
}

int
graph_build_capacity(int m)
{
	return build_list_capacity(m, 0);
}

GraphStore *
graph_build_store(GraphBuild *build)
{
	return &build->store;
}
