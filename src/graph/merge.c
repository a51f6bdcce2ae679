/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  One list of links for a point that is in two graphs.
 *
 * What the heuristic accepted in either graph leads into directions of its
 * own there, so it comes first; then come the nearest of the others.
 *
 * src/graph/merge.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <string.h>

#include "graph/build_internal.h"
#include "graph/graph.h"
#include "graph/select.h"

/* Appends those links that the list does not have, up to max in all. */
static int
append_new(GraphNeighbour *list, int n, const GraphNeighbour *links,
		   int nlinks, int max)
{
	for (int i = 0; i < nlinks && n < max; i++)
	{
		bool		is_new = true;

		for (int j = 0; j < n && is_new; j++)
			is_new = list[j].point != links[i].point;
		if (is_new)
			list[n++] = links[i];
	}
	return n;
}

/* Links from an index on of both lists, nearest first; returns how many. */
static int
join(GraphNeighbour *joined, const GraphNeighbour *a, int na,
	 const GraphNeighbour *b, int nb)
{
	memcpy(joined, a, na * sizeof(GraphNeighbour));
	memcpy(joined + na, b, nb * sizeof(GraphNeighbour));
	graph_sort_neighbours(joined, na + nb);
	return na + nb;
}

void
graph_merge_links(GraphLinks *links, const GraphLinks *other, int max)
{
	GraphLinks	merged;
	GraphNeighbour joined[2 * GRAPH_MAX_LINKS];
	int			n;

	Assert(max <= GRAPH_MAX_LINKS);
	n = join(joined, links->links, links->naccepted, other->links,
			 other->naccepted);
	merged.count = append_new(merged.links, 0, joined, n, max);
	merged.naccepted = merged.count;
	n = join(joined, links->links + links->naccepted,
			 links->count - links->naccepted,
			 other->links + other->naccepted,
			 other->count - other->naccepted);
	merged.count = append_new(merged.links, merged.count, joined, n, max);
	*links = merged;
}
