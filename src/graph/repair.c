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

/* Links compared with a candidate before a look at the result */
#define LINKS_AT_A_TIME	4

/*
 * Points met while looking for those to be considered, and slots of their set:
 * a power of two, half as many again
 */
#define MAX_MET		(GRAPH_MAX_LINKS + MAX_DEAD + MAX_BEHIND)
#define MET_BITS	10

StaticAssertDecl((1 << MET_BITS) * 2 > 3 * MAX_MET,
				 "searches in the set of points met must be short");

typedef struct Draft
{
	PointId		links[GRAPH_MAX_LINKS]; /* live */
	int			nlinks;
	PointId		dead[MAX_DEAD];
	int			ndead;
	PointId		behind[MAX_BEHIND]; /* live, behind the dead */
	int			nbehind;
	PointId		met[1 << MET_BITS];
	int			nmet;
} Draft;

/*
 * Adds a point to those met; false when it was among them.  The caller sees to
 * it that they do not get more than MAX_MET.
 */
static bool
meet(Draft *draft, PointId point)
{
	uint32		i = (point * 0x9E3779B1U) >> (32 - MET_BITS);

	while (PointIdIsValid(draft->met[i]))
	{
		if (draft->met[i] == point)
			return false;
		i = (i + 1) & ((1 << MET_BITS) - 1);
	}
	Assert(draft->nmet < MAX_MET);
	draft->met[i] = point;
	draft->nmet++;
	return true;
}

/*
 * The live points behind the dead.  Where those are behind other dead ones in
 * turn, these are looked behind only when too few were found: 10 percent of
 * dead points lead to half of their neighbourhood in three steps.
 */
static void
look_behind(const GraphRepair *repair, GraphLevel level, int wanted,
			Draft *draft)
{
	PointId		found[GRAPH_MAX_LINKS];
	int			step_end = draft->ndead;

	for (int i = 0; i < draft->ndead; i++)
	{
		bool		live;
		int			n;

		if (i == step_end)
		{
			if (draft->nlinks + draft->nbehind >= wanted)
				return;
			step_end = draft->ndead;
		}
		n = repair->links->get_links(repair->links, draft->dead[i], level,
									 found, &live);
		for (int j = 0; j < n; j++)
		{
			if (draft->nbehind == MAX_BEHIND || draft->nmet == MAX_MET)
				return;
			if (!meet(draft, found[j]))
				continue;
			switch (repair->judge(found[j], repair->judge_arg))
			{
				case GRAPH_LINK_STAYS:
					draft->behind[draft->nbehind++] = found[j];
					break;
				case GRAPH_LINK_DEAD:
					if (draft->ndead < MAX_DEAD)
						draft->dead[draft->ndead++] = found[j];
					break;
				case GRAPH_LINK_UNKNOWN:
					break;
			}
		}
	}
}

/* Brings the nearest of the candidates from i on to place i. */
static void
bring_nearest(GraphNeighbour *candidates, int i, int n)
{
	int			nearest = i;
	GraphNeighbour swap = candidates[i];

	for (int j = i + 1; j < n; j++)
	{
		if (candidates[j].distance < candidates[nearest].distance)
			nearest = j;
	}
	candidates[i] = candidates[nearest];
	candidates[nearest] = swap;
}

/*
 * Is no link of the list as near to a candidate as the point is?  Few
 * candidates pass, and what stands in the way of one often does so for the
 * next.  So links are asked a few at a time, those first that answered last.
 */
static bool
is_diverse(const GraphRepair *repair, Draft *draft,
		   const GraphNeighbour *candidate)
{
	GraphStore *store = repair->distances;
	float		distances[LINKS_AT_A_TIME];

	for (int i = 0; i < draft->nlinks; i += LINKS_AT_A_TIME)
	{
		int			n = Min(LINKS_AT_A_TIME, draft->nlinks - i);

		store->score_between(store, candidate->point, draft->links + i, n,
							 distances);
		for (int j = 0; j < n; j++)
		{
			if (distances[j] <= candidate->distance)
			{
				PointId		link = draft->links[i + j];

				draft->links[i + j] = draft->links[0];
				draft->links[0] = link;
				return false;
			}
		}
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
	int			n = draft->nbehind;
	int			tries = repair->select.heuristic ?
		(wanted - draft->nlinks) * TRIES_PER_GAP : 0;
	int			nsorted = 0;

	repair->distances->score_between(repair->distances, point, draft->behind,
									 n, distances);
	for (int i = 0; i < n; i++)
	{
		candidates[i].point = draft->behind[i];
		candidates[i].distance = distances[i];
	}

	for (; nsorted < Min(tries, n) && draft->nlinks < wanted; nsorted++)
	{
		bring_nearest(candidates, nsorted, n);
		taken[nsorted] = is_diverse(repair, draft, &candidates[nsorted]);
		if (taken[nsorted])
			draft->links[draft->nlinks++] = candidates[nsorted].point;
	}
	for (int i = 0; i < n && draft->nlinks < wanted; i++)
	{
		if (i >= nsorted)
			bring_nearest(candidates, i, n);
		if (!taken[i])
			draft->links[draft->nlinks++] = candidates[i].point;
	}
}

int
graph_repair_links(const GraphRepair *repair, PointId point, GraphLevel level,
				   PointId *links, int n, int max)
{
	Draft		draft;
	int			wanted;

	draft.nlinks = draft.ndead = draft.nbehind = draft.nmet = 0;
	for (int i = 0; i < n; i++)
	{
		if (repair->judge(links[i], repair->judge_arg) == GRAPH_LINK_DEAD)
			draft.dead[draft.ndead++] = links[i];
		else
			draft.links[draft.nlinks++] = links[i];
	}
	if (draft.ndead == 0)
		return -1;

	memset(draft.met, 0xFF, sizeof(draft.met));
	(void) meet(&draft, point);
	for (int i = 0; i < n; i++)
		(void) meet(&draft, links[i]);
	wanted = Min(n, max);
	look_behind(repair, level, wanted, &draft);
	fill_gaps(repair, point, wanted, &draft);
	memcpy(links, draft.links, draft.nlinks * sizeof(PointId));
	return draft.nlinks;
}
