/*-------------------------------------------------------------------------
 *
 * build.c
 *	  Building a graph in memory by inserting one point after the other.
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

static int
build_get_links(GraphStore *store, PointId point, GraphLevel level,
				PointId *links, bool *live)
{
	GraphBuild *build = (GraphBuild *) store;
	LinkList	list;

	*live = true;
	if (point >= build->ninserted || level > build->levels[point])
		return 0;
	list = build_list(build, point, level);
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

	for (int i = 0; i < list.capacity; i += 64 / sizeof(PointId))
		__builtin_prefetch(list.links + i);
}

/* Gives every point its level; returns how many lists there are above 0. */
static uint64
assign_levels(GraphBuild *build)
{
	uint64		nupper = 0;

	for (PointId point = 0; point < build->npoints; point++)
	{
		GraphLevel	level = graph_random_level(build->options.seed, point,
											   build->options.m);

		build->levels[point] = level;
		build->upper[point] = (uint32) nupper;
		nupper += level;
	}
	return nupper;
}

static Size
list_bytes(int m, GraphLevel level)
{
	return build_list_words(m, level) * sizeof(uint32);
}

GraphBuild *
graph_build_create(const GraphBuildOptions *options, GraphStore *distances,
				   void (*set_query) (GraphStore *distances, PointId point),
				   PointId npoints)
{
	GraphBuild *build = palloc0(sizeof(GraphBuild));
	uint64		nupper;

	Assert(options->m >= GRAPH_MIN_M && options->m <= GRAPH_MAX_M);
	Assert(options->ef_construction >= 1);
	build->store.get_links = build_get_links;
	build->store.score = build_score;
	build->store.score_between = build_score_between;
	build->store.prefetch_links = build_prefetch_links;
	build->options = *options;
	build->distances = distances;
	build->set_query = set_query;
	build->npoints = npoints;
	build->entry = InvalidPointId;
	build->levels = graph_array_alloc(npoints, sizeof(GraphLevel));
	build->upper = graph_array_alloc(npoints, sizeof(uint32));
	nupper = assign_levels(build);
	build->in_links = graph_array_alloc0(npoints, sizeof(uint16));
	build->lists[0] = graph_array_alloc(npoints, list_bytes(options->m, 0));
	build->lists[1] = graph_array_alloc(nupper, list_bytes(options->m, 1));
	build->candidates = graph_array_alloc(2 * options->ef_construction,
										  sizeof(GraphNeighbour));
	build->search = graph_search_create(&build->store,
										options->select.extend_candidates);
	return build;
}

void
graph_build_free(GraphBuild *build)
{
	graph_search_free(build->search);
	pfree(build->lists[0]);
	pfree(build->lists[1]);
	pfree(build->levels);
	pfree(build->upper);
	pfree(build->in_links);
	pfree(build->candidates);
	pfree(build);
}

double
graph_build_bytes_per_point(int m)
{
	double		fixed = sizeof(GraphLevel) + sizeof(uint32) + sizeof(uint16);

	/* what graph_locality_order takes and returns */
	fixed += 3 * sizeof(PointId) + sizeof(uint8);

	/* a point has 1 / (m - 1) lists above level 0 on average */
	return fixed + list_bytes(m, 0) + (double) list_bytes(m, 1) / (m - 1);
}

/* Appends the results of the last search to the candidates. */
static int
take_candidates(GraphBuild *build, int have)
{
	int			n;
	const GraphNeighbour *results = graph_search_results(build->search, &n);

	memcpy(build->candidates + have, results, n * sizeof(GraphNeighbour));
	return have + n;
}

/*
 * Fills in the candidates for the links of a new point at a level, found from
 * the given entries; returns how many.
 *
 * All links of all results were followed, so that the neighbours' neighbours
 * that are nearest are among the points that the search met and left behind.
 */
static int
find_candidates(GraphBuild *build, const GraphNeighbour *entries,
				int nentries, GraphLevel level)
{
	int			ef = build->options.ef_construction;
	int			n;

	(void) graph_search_level(build->search, entries, nentries, level, ef);
	n = take_candidates(build, 0);
	if (build->options.select.extend_candidates)
	{
		(void) graph_search_continue(build->search, ef, false);
		n = take_candidates(build, n);
	}
	return n;
}

/* Links a new point at a level, both ways. */
static void
link_at_level(GraphBuild *build, PointId point, GraphLevel level,
			  int ncandidates)
{
	GraphNeighbour *links = build->candidates;
	int			n;

	n = build_set_links(build, point, level, links, ncandidates);
	for (int i = 0; i < n; i++)
	{
		GraphNeighbour back = {links[i].distance, point};

		build_add_link(build, links[i].point, level, back);
	}
}

void
graph_build_add(GraphBuild *build, PointId point)
{
	GraphLevel	level = build->levels[point];
	GraphLevel	top;
	GraphNeighbour nearest;
	const GraphNeighbour *entries = &nearest;
	int			nentries = 1;

	Assert(point == build->ninserted && point < build->npoints);
	for (int l = 0; l <= level; l++)
		memset(build_list(build, point, (GraphLevel) l).head, 0,
			   sizeof(ListHead));
	if (point == 0)
	{
		build->entry = point;
		build->ninserted = 1;
		return;
	}

	build->set_query(build->distances, point);
	top = build->levels[build->entry];
	nearest = graph_descend(build->search, build->entry, top, level + 1);
	for (int l = Min(level, top); l >= 0; l--)
	{
		nentries = find_candidates(build, entries, nentries, (GraphLevel) l);
		entries = build->candidates;
		link_at_level(build, point, (GraphLevel) l, nentries);
	}
	build->ninserted = point + 1;
	if (level > top)
		build->entry = point;
}

PointId
graph_build_entry(const GraphBuild *build)
{
	return build->entry;
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
	if (point >= build->ninserted || level > build->levels[point])
		return NULL;
	list = build_list(build, point, level);
	*count = list.head->count;
	return list.links;
}

GraphStore *
graph_build_store(GraphBuild *build)
{
	return &build->store;
}
