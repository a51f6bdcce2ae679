/*-------------------------------------------------------------------------
 *
 * connect.c
 *	  Every point can be reached.
 *
 * Pruning can take the last link to a point away.  After the build such
 * points are found by a walk over level 0 from the entry point, and get a link
 * from a near point that is reachable.
 *
 * src/graph/connect.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <string.h>

#include "graph/build_internal.h"
#include "graph/graph.h"
#include "graph/memory.h"

/*
 * A link that is replaced can have been the way to others.  Then another
 * round attaches these; more rounds than this are not worth their time.
 */
#define MAX_ROUNDS	8

typedef struct Walk
{
	GraphBuild *build;
	bool	   *reached;		/* per point */
	uint32	   *links_in;		/* per point: links from reached points */
	PointId    *stack;
} Walk;

/* Marks everything that can be reached from a point not reached before. */
static void
walk_from(Walk *walk, PointId start)
{
	uint64		depth = 0;

	walk->reached[start] = true;
	walk->stack[depth++] = start;
	while (depth > 0)
	{
		LinkList	list = build_list(walk->build, walk->stack[--depth], 0);

		for (int i = 0; i < list.head->count; i++)
		{
			PointId		point = list.links[i];

			walk->links_in[point]++;
			if (walk->reached[point])
				continue;
			walk->reached[point] = true;
			walk->stack[depth++] = point;
		}
	}
}

/*
 * Index of the farthest link of a list whose target has another link to it,
 * -1 when there is none.
 */
static int
find_spare_link(Walk *walk, const LinkList *list)
{
	int			spare = -1;

	for (int i = 0; i < list->head->count; i++)
	{
		if (walk->links_in[list->links[i]] > 1 &&
			(spare < 0 || list->distances[i] > list->distances[spare]))
			spare = i;
	}
	return spare;
}

/* Gives point a link from one of its nearest reachable points. */
static bool
attach_point(Walk *walk, PointId point)
{
	GraphBuild *build = walk->build;
	GraphNeighbour entry;
	const GraphNeighbour *near;
	int			n;

	build->set_query(build->distances, point);
	entry = graph_descend(build->search, build->entry,
						  build->levels[build->entry], 0);
	(void) graph_search_level(build->search, &entry, 1, 0,
							  build->options.ef_construction);
	near = graph_search_results(build->search, &n);
	for (int i = 0; i < n; i++)
	{
		LinkList	list = build_list(build, near[i].point, 0);
		int			place = list.head->count;

		if (!walk->reached[near[i].point])
			continue;
		if (place < list.capacity)
			list.head->count++;
		else
		{
			place = find_spare_link(walk, &list);
			if (place < 0)
				continue;
			walk->links_in[list.links[place]]--;
		}
		list.links[place] = point;
		list.distances[place] = near[i].distance;

		/* the list is no longer what the heuristic left */
		list.head->naccepted = Min(list.head->naccepted, place);
		walk->links_in[point]++;
		return true;
	}
	return false;
}

static uint32
attach_unreached(Walk *walk)
{
	GraphBuild *build = walk->build;
	uint32		attached = 0;

	memset(walk->reached, 0, build->npoints * sizeof(bool));
	memset(walk->links_in, 0, build->npoints * sizeof(uint32));
	walk_from(walk, build->entry);
	for (PointId point = 0; point < build->npoints; point++)
	{
		if (walk->reached[point] || !attach_point(walk, point))
			continue;
		walk_from(walk, point);
		attached++;
	}
	return attached;
}

uint32
graph_build_connect(GraphBuild *build)
{
	Walk		walk;
	uint32		total = 0;

	if (build->ninserted == 0)
		return 0;
	walk.build = build;
	walk.reached = graph_array_alloc(build->npoints, sizeof(bool));
	walk.links_in = graph_array_alloc(build->npoints, sizeof(uint32));
	walk.stack = graph_array_alloc(build->npoints, sizeof(PointId));
	for (int round = 0; round < MAX_ROUNDS; round++)
	{
		uint32		attached = attach_unreached(&walk);

		if (attached == 0)
			break;
		total += attached;
	}
	pfree(walk.reached);
	pfree(walk.links_in);
	pfree(walk.stack);
	return total;
}
