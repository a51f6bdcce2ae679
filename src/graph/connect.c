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
	GraphBuild *build;

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
		LinkList	list = build_list(walk->build, from, 0);

		for (int i = 0; i < list.head->count; i++)
		{
			PointId		point = list.links[i];

			if (PointIdIsValid(walk->parents[point]))
				continue;
			walk->parents[point] = from;
			walk->stack[depth++] = point;
		}
	}
}

/*
 * Index of the farthest link of a list that is not part of the tree, -1 when
 * there is none.
 */
static int
find_spare_link(const Walk *walk, PointId from, const LinkList *list)
{
	int			spare = -1;

	for (int i = 0; i < list->head->count; i++)
	{
		if (walk->parents[list->links[i]] != from &&
			(spare < 0 || list->distances[i] > list->distances[spare]))
			spare = i;
	}
	return spare;
}

/* Links a reachable point to another, if it has room or a link to spare. */
static bool
give_link(Walk *walk, const GraphNeighbour *from, PointId point)
{
	LinkList	list = build_list(walk->build, from->point, 0);
	int			place = list.head->count;

	if (place < list.capacity)
		list.head->count++;
	else
	{
		place = find_spare_link(walk, from->point, &list);
		if (place < 0)
			return false;
	}
	list.links[place] = point;
	list.distances[place] = from->distance;

	/* the list is no longer what the heuristic left */
	list.head->naccepted = Min(list.head->naccepted, place);
	list.head->nknown = Min(list.head->nknown, place);
	return true;
}

/*
 * Attaches point and all that it leads to.  The nearest points come first;
 * where none of them has a link to spare, more are tried.  Leaves of the tree
 * have one, so that this ends well unless distances are not numbers.
 *
 * The search does not leave level 0, where the entry point leads to reachable
 * points only.
 */
static bool
attach_point(Walk *walk, PointId point)
{
	GraphBuild *build = walk->build;
	GraphNeighbour entry;
	const GraphNeighbour *near;
	int			n;

	build->set_query(build->distances, point);
	entry = graph_descend(build->search, build->shared->entry, 0, 0);
	for (int ef = build->options.ef_construction;; ef *= 4)
	{
		(void) graph_search_level(build->search, &entry, 1, 0, ef);
		near = graph_search_results(build->search, &n);
		for (int i = 0; i < n; i++)
		{
			if (give_link(walk, &near[i], point))
			{
				walk_from(walk, point, near[i].point);
				return true;
			}
		}
		if (n < ef)
			return false;
	}
}

uint32
graph_build_connect(GraphBuild *build)
{
	Walk		walk;
	uint32		attached = 0;

	PointId		npoints = build->shared->ninserted;

	if (npoints == 0)
		return 0;
	walk.build = build;
	walk.parents = graph_array_alloc(npoints, sizeof(PointId));
	walk.stack = graph_array_alloc(npoints, sizeof(PointId));
	for (PointId point = 0; point < npoints; point++)
		walk.parents[point] = InvalidPointId;
	walk_from(&walk, build->shared->entry, build->shared->entry);
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
