/*-------------------------------------------------------------------------
 *
 * select.c
 *	  Which of the candidates become neighbours of a point.
 *
 * The heuristic (Algorithm 4 of the paper) goes through the candidates from
 * the nearest on and accepts one when no accepted one is nearer to it than
 * the point is.  The links then lead into all directions instead of into the
 * nearest cluster.
 *
 * The comparisons are made by column: as soon as a candidate is accepted, it
 * is compared in one call with all later ones that are still in question.
 * These are the same pairs that a test candidate by candidate with early
 * exit needs, but in a few large batches, each from one point.
 *
 * src/graph/select.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <string.h>

#include "graph/graph.h"
#include "graph/memory.h"
#include "graph/select.h"

/*
 * Candidates are looked at in blocks, so that a long list does not pay for
 * candidates behind the last one accepted.
 */
#define SELECT_BLOCK	128

/* Candidates whose marks fit the stack */
#define SELECT_STACK	512

StaticAssertDecl(SELECT_BLOCK <= GRAPH_MAX_LINKS,
				 "a block must be scored in one call");

static int
compare_neighbours(const void *a, const void *b)
{
	const GraphNeighbour *x = a;
	const GraphNeighbour *y = b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return (x->point > y->point) - (x->point < y->point);
}

/* What is short, or in order but for a few, is sorted by insertion. */
void
graph_sort_neighbours(GraphNeighbour *neighbours, int n)
{
	int			moves = 8 * n;

	for (int i = 1; i < n; i++)
	{
		GraphNeighbour neighbour = neighbours[i];
		int			j = i;

		while (j > 0 && compare_neighbours(&neighbours[j - 1], &neighbour) > 0)
		{
			neighbours[j] = neighbours[j - 1];
			j--;
		}
		neighbours[j] = neighbour;
		moves -= i - j;
		if (moves < 0)
		{
			qsort(neighbours, n, sizeof(GraphNeighbour), compare_neighbours);
			return;
		}
	}
}

/*
 * Marks those of candidates[begin .. end) that an accepted one stands in the
 * way of.
 */
static void
prune_by(GraphStore *store, GraphNeighbour accepted,
		 const GraphNeighbour *candidates, int begin, int end, bool *pruned)
{
	PointId		points[SELECT_BLOCK];
	int			index[SELECT_BLOCK];
	float		distances[SELECT_BLOCK];
	int			n = 0;

	for (int i = begin; i < end; i++)
	{
		if (!pruned[i])
		{
			index[n] = i;
			points[n++] = candidates[i].point;
		}
	}
	if (n == 0)
		return;
	store->score_between(store, accepted.point, points, n, distances);
	for (int i = 0; i < n; i++)
	{
		if (graph_stands_in_way(accepted.distance,
								candidates[index[i]].distance, distances[i]))
			pruned[index[i]] = true;
	}
}

/*
 * Marks every candidate that is not accepted as pruned; returns how many are
 * accepted.
 */
static int
mark_pruned(GraphStore *store, const GraphNeighbour *candidates, int n,
			int max, bool *pruned)
{
	GraphNeighbour accepted[GRAPH_MAX_LINKS];
	int			naccepted = 0;
	int			i = 0;

	memset(pruned, false, n);
	for (int begin = 0; begin < n && naccepted < max; begin += SELECT_BLOCK)
	{
		int			end = Min(begin + SELECT_BLOCK, n);

		for (int j = 0; j < naccepted; j++)
			prune_by(store, accepted[j], candidates, begin, end, pruned);
		for (i = begin; i < end && naccepted < max; i++)
		{
			if (pruned[i])
				continue;
			accepted[naccepted++] = candidates[i];
			if (naccepted < max)
				prune_by(store, candidates[i], candidates, i + 1, end, pruned);
		}
	}
	memset(pruned + i, true, n - i);
	return naccepted;
}

int
graph_partition(GraphNeighbour *neighbours, int n, const bool *marked)
{
	GraphNeighbour stack[SELECT_STACK];
	GraphNeighbour *rest = stack;
	int			nrest = 0;
	int			nfront = 0;

	if (n > SELECT_STACK)
		rest = graph_array_alloc(n, sizeof(GraphNeighbour));
	for (int i = 0; i < n; i++)
	{
		if (marked[i])
			rest[nrest++] = neighbours[i];
		else
			neighbours[nfront++] = neighbours[i];
	}
	memcpy(neighbours + nfront, rest, nrest * sizeof(GraphNeighbour));
	if (rest != stack)
		pfree(rest);
	return nfront;
}

int
graph_select_diverse(GraphStore *store, GraphNeighbour *candidates, int n,
					 int max)
{
	bool		stack[SELECT_STACK];
	bool	   *pruned = stack;
	int			naccepted;

	Assert(max <= GRAPH_MAX_LINKS);
	if (n > SELECT_STACK)
		pruned = graph_array_alloc(n, sizeof(bool));
	naccepted = mark_pruned(store, candidates, n, max, pruned);
	(void) graph_partition(candidates, n, pruned);
	if (pruned != stack)
		pfree(pruned);
	return naccepted;
}

int
graph_select_neighbours(GraphStore *store, const GraphSelectOptions *options,
						GraphNeighbour *candidates, int n, int max)
{
	int			naccepted;

	graph_sort_neighbours(candidates, n);

	/* nothing to decide */
	if (!options->heuristic || (options->keep_pruned && n <= max))
		return Min(n, max);

	naccepted = graph_select_diverse(store, candidates, n, max);
	if (!options->keep_pruned || naccepted == max)
		return naccepted;
	n = Min(n, max);
	graph_sort_neighbours(candidates, n);
	return n;
}
