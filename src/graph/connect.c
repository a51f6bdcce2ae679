/*-------------------------------------------------------------------------
 *
 * connect.c
 *	  Every point can be reached.
 *
 * Pruning can take the last link to a point away.  After the build such
 * points are found by a walk over level 0 from the entry point, and get a link
 * from a near point that is reachable.  The walk remembers by which link it
 * came to each point.  These links form a tree and stay; any other can give
 * way to a new one, and nothing is lost by that.
 *
 * src/graph/connect.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "graph/build_internal.h"
#include "graph/graph.h"
#include "graph/memory.h"

typedef struct Walk
{
	GraphLists *lists;

	/* per point: from where it was reached, InvalidPointId if it was not */
	PointId    *parents;
	PointId    *stack;
} Walk;

/* Goes to everything that can be reached from a point not reached before. */
static void
walk_from(Walk *walk, PointId start, PointId parent)
{
	uint64		depth = 0;

	walk->parents[start] = parent;
	walk->stack[depth++] = start;
	while (depth > 0)
	{
		PointId		from = walk->stack[--depth];
		GraphNeighbour links[GRAPH_MAX_LINKS];
		int			n = walk->lists->read(walk->lists, from, links);

		for (int i = 0; i < n; i++)
		{
			PointId		point = links[i].point;

			if (PointIdIsValid(walk->parents[point]))
				continue;
			walk->parents[point] = from;
			walk->stack[depth++] = point;
		}
	}
}

/*
 * Index of the farthest of n links that is not part of the tree, -1 when
 * there is none.
 */
static int
find_spare_link(const Walk *walk, PointId from, const GraphNeighbour *links,
				int n)
{
	int			spare = -1;

	for (int i = 0; i < n; i++)
	{
		if (walk->parents[links[i].point] != from &&
			(spare < 0 || links[i].distance > links[spare].distance))
			spare = i;
	}
	return spare;
}

/* Links a point to another, if it is reachable and has a link to spare. */
static bool
give_link(Walk *walk, const GraphNeighbour *from, PointId point)
{
	GraphNeighbour links[GRAPH_MAX_LINKS];
	GraphNeighbour link = {from->distance, point};
	int			place;

	if (!PointIdIsValid(walk->parents[from->point]))
		return false;
	place = walk->lists->read(walk->lists, from->point, links);
	if (place == walk->lists->capacity)
		place = find_spare_link(walk, from->point, links, place);
	if (place < 0)
		return false;
	walk->lists->put(walk->lists, from->point, place, link);
	return true;
}

/*
 * Attaches point and all that it leads to.  Leaves of the tree have a link to
 * spare, so that this ends well unless distances are not numbers.
 */
static bool
attach_point(Walk *walk, PointId point)
{
	const GraphNeighbour *found;
	int			n;

	for (int round = 0;
		 (n = walk->lists->find_near(walk->lists, point, round, &found)) >= 0;
		 round++)
	{
		for (int i = 0; i < n; i++)
		{
			if (give_link(walk, &found[i], point))
			{
				walk_from(walk, point, found[i].point);
				return true;
			}
		}
	}
	return false;
}

uint32
graph_connect(GraphLists *lists, PointId npoints, PointId entry)
{
	Walk		walk;
	uint32		attached = 0;

	if (npoints == 0)
		return 0;
	walk.lists = lists;
	walk.parents = graph_array_alloc(npoints, sizeof(PointId));
	walk.stack = graph_array_alloc(npoints, sizeof(PointId));
	for (PointId point = 0; point < npoints; point++)
		walk.parents[point] = InvalidPointId;
	walk_from(&walk, entry, entry);
	for (PointId point = 0; point < npoints; point++)
	{
		if (!PointIdIsValid(walk.parents[point]) &&
			attach_point(&walk, point))
			attached++;
	}
	pfree(walk.parents);
	pfree(walk.stack);
	return attached;
}

/*-------------------------------------------------------------------------
 * The lists of a build
 *-------------------------------------------------------------------------
 */
typedef struct BuildLists
{
	GraphLists	lists;			/* must be first */
	GraphBuild *build;
	bool		all_found;		/* the last search met all that there is */
} BuildLists;

static int
build_read(GraphLists *lists, PointId point, GraphNeighbour *links)
{
	GraphBuild *build = ((BuildLists *) lists)->build;
	LinkList	list = build_list(build, point, 0);

	build_check_interrupts(build);
	for (int i = 0; i < list.head->count; i++)
	{
		links[i].point = list.links[i];
		links[i].distance = list.distances[i];
	}
	return list.head->count;
}

/* The list is then no longer what the heuristic left. */
static void
build_put(GraphLists *lists, PointId point, int place, GraphNeighbour link)
{
	LinkList	list = build_list(((BuildLists *) lists)->build, point, 0);

	list.links[place] = link.point;
	list.distances[place] = link.distance;
	list.head->count = Max(list.head->count, place + 1);
	list.head->naccepted = Min(list.head->naccepted, place);
	list.head->nknown = Min(list.head->nknown, place);
}

/*
 * Searches, each time for four times as many points.  The search does not
 * leave level 0, where the entry point leads to reachable points only.
 */
static int
build_find_near(GraphLists *lists, PointId point, int round,
				const GraphNeighbour **found)
{
	BuildLists *mine = (BuildLists *) lists;
	GraphBuild *build = mine->build;
	int			ef = build->options.ef_construction << (2 * round);
	GraphNeighbour entry;
	int			n;

	if (round > 0 && mine->all_found)
		return -1;
	build->set_query(build->distances, point);
	entry = graph_descend(build->search, build->shared->entry, 0, 0);
	n = graph_search_level(build->search, &entry, 1, 0, ef);
	*found = graph_search_results(build->search, &n);
	mine->all_found = n < ef;
	return n;
}

uint32
graph_build_connect(GraphBuild *build)
{
	BuildLists	mine = {
		.lists = {
			.capacity = build_list_capacity(build->options.m, 0),
			.read = build_read,
			.put = build_put,
			.find_near = build_find_near
		},
		.build = build
	};

	return graph_connect(&mine.lists, build->shared->ninserted,
						 build->shared->entry);
}
