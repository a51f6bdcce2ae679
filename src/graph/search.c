/*-------------------------------------------------------------------------
 *
 * search.c
 *	  Greedy descent, beam search and its continuation.
 *
 * A beam search always expands the nearest point it has met and not yet
 * expanded, and ends when the pool of the ef nearest live points holds no
 * such point.  Expanding works in two passes: first all links that lead to
 * unknown points are collected, then the store scores them in one call, so
 * that it can have all their memory on its way at the same time.
 *
 * Whether a point is live comes with its links, that is, when it is
 * expanded.  Until then it takes a place in the pool; a point that turns out
 * dead gives the place to the nearest of the points left behind.  So the
 * pool always holds the ef nearest points of those met that are not known to
 * be dead, which makes the result the same as if it had been known from the
 * start.
 *
 * In a store with groups a search meets groups, not points: when a link leads to
 * one point of a group all are scored, as they come at little cost.  That finds
 * more with half as many steps, and it is steps that lead to other groups, which
 * cost much.  So only the nearest half of the pool is expanded.  The other half
 * may hold points that are not live, and has its turn when the search goes on;
 * where it cannot (without keep_rejected) all of the pool is expanded.
 *
 * src/graph/search.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <string.h>

#include "graph/graph.h"
#include "graph/pool.h"
#include "graph/visited.h"

/*
 * Room for points that a search is given from its beginning.  It meets 440, 630,
 * 1050, 1900 on average with an ef of 20, 40, 80, 160 (SIFT, m = 16; HOG 850 with
 * 40).  What a larger ef needs beyond that comes as it is needed, since there may
 * not be so many points.
 */
#define MET_BY_SEARCH(ef)	(250 + 12 * Min(ef, 300))

/* Of a group that a search without groups meets it looks at so many points. */
#define MET_OF_GROUP		4

struct GraphSearch
{
	GraphStore *store;
	bool		keep_rejected;
	GraphLevel	level;			/* of the search under way */
	int			width;			/* so many of the nearest are expanded */
	VisitedSet	visited;		/* points, or groups at level 0 if it has any */
	Pool		pool;
	Spill		spill;			/* met, not given, not in the pool */
	GraphNeighbour *results;
	int			nresults;
	int			results_allocated;
	GraphSearchStats stats;

	/* the step under way: unknown points and their distances */
	PointId		points[GRAPH_MAX_LINKS];
	float		distances[GRAPH_MAX_LINKS];
	float		group_distances[GRAPH_MAX_GROUP];
};

GraphSearch *
graph_search_create(GraphStore *store, bool keep_rejected)
{
	GraphSearch *search = palloc0(sizeof(GraphSearch));

	search->store = store;
	search->keep_rejected = keep_rejected;
	visited_init(&search->visited);
	pool_init(&search->pool);
	spill_init(&search->spill, search);
	search->results_allocated = 64;
	search->results = palloc(search->results_allocated *
							 sizeof(GraphNeighbour));
	return search;
}

void
graph_search_free(GraphSearch *search)
{
	visited_free(&search->visited);
	pool_free(&search->pool);
	spill_free(&search->spill);
	pfree(search->results);
	pfree(search);
}

/* Scores the first n points of the step. */
static void
score_step(GraphSearch *search, int n)
{
	GraphStore *store = search->store;

	Assert(n <= GRAPH_MAX_LINKS);
	if (n > 0)
		store->score(store, search->points, n, search->distances);
	search->stats.visited += n;
	search->stats.met += n;
}

/*
 * Of the first n points of the step, or of their groups, keeps those that are
 * unknown, and returns how many.
 */
static inline int
meet(GraphSearch *search, int n, PointId group_size)
{
	if (group_size > 0)
	{
		for (int i = 0; i < n; i++)
			search->points[i] /= group_size;
	}
	visited_reserve(&search->visited, n);
	return visited_add(&search->visited, search->points, n);
}

/*
 * Reads the links of a point at a level.  Keeps those that lead to unknown
 * points, or the groups that are unknown, and returns how many.
 */
static int
collect_step(GraphSearch *search, PointId point, GraphLevel level,
			 PointId group_size, bool *live)
{
	GraphStore *store = search->store;
	int			nlinks;

	*live = true;
	nlinks = store->get_links(store, point, level, search->points, live);
	Assert(nlinks >= 0 && nlinks <= GRAPH_MAX_LINKS);
	search->stats.expanded++;
	return meet(search, nlinks, group_size);
}

/*
 * One visited set serves all levels: a point that was scored and not moved
 * to is no nearer than where the walk is, there and on every lower level.
 */
GraphNeighbour
graph_descend(GraphSearch *search, PointId entry, int from, int to)
{
	GraphNeighbour nearest;

	visited_reset(&search->visited, 0);
	search->points[0] = entry;
	visited_add(&search->visited, search->points, 1);
	score_step(search, 1);
	nearest.point = entry;
	nearest.distance = search->distances[0];

	for (int level = from; level >= to; level--)
	{
		PointId		here;

		do
		{
			bool		live;
			int			n;

			here = nearest.point;
			n = collect_step(search, here, (GraphLevel) level, 0, &live);
			score_step(search, n);
			for (int i = 0; i < n; i++)
			{
				if (search->distances[i] < nearest.distance)
				{
					nearest.distance = search->distances[i];
					nearest.point = search->points[i];
				}
			}
		} while (nearest.point != here);
	}
	return nearest;
}

static inline bool
has_groups(const GraphSearch *search)
{
	return search->store->group_size > 0;
}

/* Offers an entry to the pool; whatever finds no place is left behind. */
static inline void
offer(GraphSearch *search, PoolEntry entry)
{
	if (!pool_rejects(&search->pool, entry.distance) &&
		!pool_insert(&search->pool, entry, &entry))
		return;
	if (search->keep_rejected)
		spill_add(&search->spill, entry);
}

/* Fills the pool with the nearest of the points left behind. */
static void
refill(GraphSearch *search)
{
	PoolEntry	entry;

	while (!pool_is_full(&search->pool) &&
		   spill_take(&search->spill, &entry))
		pool_insert(&search->pool, entry, &entry);
}

/* The position in the pool of the point to expand next, or -1 */
static inline int
next_position(GraphSearch *search)
{
	int			next = pool_next(&search->pool);

	return next < search->width ? next : -1;
}

/*
 * The links that will be followed next, as far as is known yet, can be fetched
 * while something else is done.
 */
static inline void
prefetch_next(GraphSearch *search)
{
	GraphStore *store = search->store;
	int			next = next_position(search);

	if (next >= 0 && store->prefetch_links != NULL)
		store->prefetch_links(store, search->pool.points[next].point,
							  search->level);
}

/* Scores the first n points of the step and offers them. */
static inline void
offer_points(GraphSearch *search, int n)
{
	score_step(search, n);
	for (int i = 0; i < n; i++)
	{
		PoolEntry	entry = {search->distances[i], search->points[i], false};

		offer(search, entry);
	}
}

/* The same with all points of the first n groups */
static void
offer_groups(GraphSearch *search, int n)
{
	GraphStore *store = search->store;

	for (int i = 0; i < n; i++)
	{
		PointId		first = search->points[i] * store->group_size;
		int			npoints = store->score_group(store, first,
												 search->group_distances);

		Assert(npoints <= GRAPH_MAX_GROUP);
		search->stats.visited += npoints;
		search->stats.met += Min(npoints, MET_OF_GROUP);
		for (int k = 0; k < npoints; k++)
		{
			PoolEntry	entry = {search->group_distances[k], first + k, false};

			offer(search, entry);
		}
	}
}

/*
 * Follows the links of a point.  It is in the pool at a position, or not if that
 * is -1.  Returns how many points or groups were met.
 */
static inline int
expand(GraphSearch *search, PointId point, int position)
{
	bool		live;
	int			n;

	prefetch_next(search);
	n = collect_step(search, point, search->level,
					 search->store->group_size, &live);
	if (!live && position >= 0)
	{
		pool_remove(&search->pool, position);
		refill(search);
	}

	prefetch_next(search);
	if (has_groups(search))
		offer_groups(search, n);
	else
		offer_points(search, n);
	return n;
}

static inline int
expand_position(GraphSearch *search, int position)
{
	PoolPoint  *point = &search->pool.points[position];

	point->expanded = true;
	return expand(search, point->point, position);
}

/* The pool as results. */
static int
finish(GraphSearch *search)
{
	const Pool *pool = &search->pool;

	if (pool->limit > search->results_allocated)
	{
		search->results = graph_array_realloc(search->results, pool->limit,
											  sizeof(GraphNeighbour));
		search->results_allocated = pool->limit;
	}
	for (int i = 0; i < pool->count; i++)
	{
		search->results[i].distance = pool->distances[i];
		search->results[i].point = pool->points[i].point;
	}
	search->nresults = pool->count;
	return search->nresults;
}

static int
run(GraphSearch *search)
{
	int			position;

	while ((position = next_position(search)) >= 0)
		(void) expand_position(search, position);
	return finish(search);
}

/*
 * How many of ef points are expanded.  Those that are not must have their turn
 * when the search goes on.
 */
static int
width_of(const GraphSearch *search, int ef)
{
	return has_groups(search) && search->keep_rejected ? (ef + 1) / 2 : ef;
}

/* Makes the search one at a level that has met its entries. */
static void
begin(GraphSearch *search, const GraphNeighbour *entries, int nentries,
	  GraphLevel level, int ef)
{
	Assert(level == 0 || !has_groups(search));
	search->level = level;
	search->width = width_of(search, ef);
	visited_reset(&search->visited,
				  (has_groups(search) ? 0 : MET_BY_SEARCH(ef)) + nentries);
	spill_reset(&search->spill);
	pool_reset(&search->pool, ef);
	for (int i = 0; i < nentries; i++)
	{
		PoolEntry	entry = {entries[i].distance, entries[i].point, false};

		search->points[0] = entry.point;
		if (meet(search, 1, search->store->group_size) == 0)
			continue;
		if (has_groups(search))
			offer_groups(search, 1);
		else
			offer(search, entry);
	}
}

int
graph_search_level(GraphSearch *search, const GraphNeighbour *entries,
				   int nentries, GraphLevel level, int ef)
{
	begin(search, entries, nentries, level, ef);
	return run(search);
}

int
graph_search_distance(GraphSearch *search, GraphNeighbour entry, int ef,
					  float distance)
{
	bool		met = entry.distance == distance;
	int			position;

	Assert(!has_groups(search));
	begin(search, &entry, 1, 0, ef);
	while (!met && (position = next_position(search)) >= 0)
	{
		int			n = expand_position(search, position);

		for (int i = 0; i < n; i++)
			met |= search->distances[i] == distance;
	}
	return finish(search);
}

/*
 * Copies the points of the pool that were not expanded to the front of results,
 * where they are not in the way of anybody; returns how many.
 */
static int
take_unexpanded(GraphSearch *search)
{
	const Pool *pool = &search->pool;
	int			n = 0;

	for (int i = 0; i < pool->count; i++)
	{
		if (!pool->points[i].expanded)
			search->results[n++].point = pool->points[i].point;
	}
	return n;
}

int
graph_search_continue(GraphSearch *search, int ef, bool expand_points)
{
	int			nunexpanded;

	Assert(search->keep_rejected);
	search->stats.continuations++;
	nunexpanded = take_unexpanded(search);
	search->width = width_of(search, ef);
	pool_reset(&search->pool, ef);
	refill(search);
	if (!expand_points)
		return finish(search);
	for (int i = 0; i < nunexpanded; i++)
		(void) expand(search, search->results[i].point, -1);
	return run(search);
}

const GraphNeighbour *
graph_search_results(GraphSearch *search, int *count)
{
	*count = search->nresults;
	return search->results;
}

const GraphSearchStats *
graph_search_stats(const GraphSearch *search)
{
	return &search->stats;
}

Size
graph_search_memory(const GraphSearch *search)
{
	return sizeof(GraphSearch) +
		visited_memory(&search->visited) +
		pool_memory(&search->pool) +
		(Size) search->spill.allocated * sizeof(PoolEntry) +
		(Size) search->results_allocated * sizeof(GraphNeighbour);
}
