/*-------------------------------------------------------------------------
 *
 * repair.c
 *	  Links of a point whose neighbours are gone.
 *
 * The points behind a deleted neighbour are what the neighbour was the way
 * to, and they are near.  So the links that are left stay, and the gaps are
 * filled from the live neighbours of the deleted: no search, some hundred
 * distances.  The list gets as long as it was, so that degrees do not decay
 * over many rounds of deletion.
 *
 * src/graph/repair.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <string.h>

#include "graph/repair.h"

/* Points considered for one list */
#define MAX_BEHIND	GRAPH_MAX_LINKS

/* Deleted points that are looked behind, where deleted lead to deleted */
#define MAX_DEAD	GRAPH_MAX_LINKS

/*
 * Points that may be tried for diversity for each gap; when none of them
 * passes, the nearest will do.
 */
#define TRIES_PER_GAP	3

typedef struct Draft
{
	PointId		links[GRAPH_MAX_LINKS]; /* live */
	int			nlinks;
	PointId		dead[MAX_DEAD];
	int			ndead;
	PointId		behind[MAX_BEHIND]; /* live, behind the dead */
	int			nbehind;
} Draft;

static bool
contains(const PointId *points, int n, PointId point)
{
	for (int i = 0; i < n; i++)
	{
		if (points[i] == point)
			return true;
	}
	return false;
}

static void
add_distinct(PointId *points, int *n, int max, PointId point)
{
	if (*n < max && !contains(points, *n, point))
		points[(*n)++] = point;
}

/* The live points behind the dead; those may be behind other dead ones. */
static void
look_behind(const GraphRepair *repair, PointId self, GraphLevel level,
			Draft *draft)
{
	PointId		found[GRAPH_MAX_LINKS];

	for (int i = 0; i < draft->ndead && draft->nbehind < MAX_BEHIND; i++)
	{
		bool		live;
		int			n = repair->links->get_links(repair->links,
												 draft->dead[i], level, found,
												 &live);

		for (int j = 0; j < n; j++)
		{
			if (found[j] == self)
				continue;
			if (repair->is_dead(found[j], repair->is_dead_arg))
				add_distinct(draft->dead, &draft->ndead, MAX_DEAD, found[j]);
			else if (!contains(draft->links, draft->nlinks, found[j]))
				add_distinct(draft->behind, &draft->nbehind, MAX_BEHIND,
							 found[j]);
		}
	}
}

static int
compare_neighbours(const void *a, const void *b)
{
	const GraphNeighbour *x = a;
	const GraphNeighbour *y = b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return (x->point > y->point) - (x->point < y->point);
}

/* Is no link of the list as near to a candidate as the point is? */
static bool
is_diverse(const GraphRepair *repair, const Draft *draft,
		   const GraphNeighbour *candidate)
{
	float		distances[GRAPH_MAX_LINKS];

	repair->distances->score_between(repair->distances, candidate->point,
									 draft->links, draft->nlinks, distances);
	for (int i = 0; i < draft->nlinks; i++)
	{
		if (distances[i] <= candidate->distance)
			return false;
	}
	return true;
}

/* Adds links up to wanted: diverse ones, then the nearest. */
static void
fill_gaps(const GraphRepair *repair, PointId point, int wanted, Draft *draft)
{
	GraphNeighbour candidates[MAX_BEHIND];
	float		distances[MAX_BEHIND];
	bool		taken[MAX_BEHIND] = {false};
	int			tries = (wanted - draft->nlinks) * TRIES_PER_GAP;

	repair->distances->score_between(repair->distances, point, draft->behind,
									 draft->nbehind, distances);
	for (int i = 0; i < draft->nbehind; i++)
	{
		candidates[i].point = draft->behind[i];
		candidates[i].distance = distances[i];
	}
	qsort(candidates, draft->nbehind, sizeof(GraphNeighbour),
		  compare_neighbours);

	for (int i = 0; repair->select.heuristic && i < Min(tries, draft->nbehind) &&
		 draft->nlinks < wanted; i++)
	{
		taken[i] = is_diverse(repair, draft, &candidates[i]);
		if (taken[i])
			draft->links[draft->nlinks++] = candidates[i].point;
	}
	for (int i = 0; i < draft->nbehind && draft->nlinks < wanted; i++)
	{
		if (!taken[i])
			draft->links[draft->nlinks++] = candidates[i].point;
	}
}

int
graph_repair_links(const GraphRepair *repair, PointId point, GraphLevel level,
				   PointId *links, int n, int max)
{
	Draft		draft;

	draft.nlinks = draft.ndead = draft.nbehind = 0;
	for (int i = 0; i < n; i++)
	{
		if (repair->is_dead(links[i], repair->is_dead_arg))
			draft.dead[draft.ndead++] = links[i];
		else
			draft.links[draft.nlinks++] = links[i];
	}
	if (draft.ndead == 0)
		return -1;

	look_behind(repair, point, level, &draft);
	fill_gaps(repair, point, Min(n, max), &draft);
	memcpy(links, draft.links, draft.nlinks * sizeof(PointId));
	return draft.nlinks;
}
