/*-------------------------------------------------------------------------
 *
 * order.c
 *	  Numbers for points such that neighbours are near each other.
 *
 * src/graph/order.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "graph/build_internal.h"
#include "graph/graph.h"
#include "graph/memory.h"

/*
 * Breadth first over level 0 from the entry point; what cannot be reached
 * from there starts walks of its own.
 */
PointId *
graph_locality_order(GraphBuild *build, PointId npoints)
{
	PointId    *new_ids = graph_array_alloc(Max(npoints, 1), sizeof(PointId));
	PointId    *queue = graph_array_alloc(Max(npoints, 1), sizeof(PointId));
	PointId		head = 0;
	PointId		tail = 0;
	PointId		next_start = 0;

	for (PointId i = 0; i < npoints; i++)
		new_ids[i] = InvalidPointId;
	while (tail < npoints)
	{
		PointId		start = tail == 0 ? build->entry : next_start++;

		if (PointIdIsValid(new_ids[start]))
			continue;
		new_ids[start] = tail;
		queue[tail++] = start;
		while (head < tail)
		{
			LinkList	list = build_list(build, queue[head++], 0);

			for (int i = 0; i < list.head->count; i++)
			{
				PointId		point = list.links[i];

				if (PointIdIsValid(new_ids[point]))
					continue;
				new_ids[point] = tail;
				queue[tail++] = point;
			}
		}
	}
	pfree(queue);
	return new_ids;
}
