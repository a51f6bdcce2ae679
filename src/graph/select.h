/*-------------------------------------------------------------------------
 *
 * select.h
 *	  Neighbour selection as the build uses it.
 *
 * src/graph/select.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_SELECT_H
#define HNSW_GRAPH_SELECT_H

#include "graph/graph.h"

/* Sorts nearest first, points at the same distance by number. */
extern void graph_sort_neighbours(GraphNeighbour *neighbours, int n);

/*
 * Does an accepted neighbour stand in the way of a candidate that is not
 * nearer?  Given are the distances of both to the point, and between them.
 *
 * The paper does not say what to do when the candidate is as far from the
 * neighbour as from the point.  When vectors repeat, or distances have few
 * values, both simple answers lose much of the recall: if all those are
 * discarded, copies of a vector link to nothing but copies, and if all are
 * accepted, copies take all the links.  So it depends on whether the
 * neighbour is really nearer; then the candidate is a link of its own worth.
 */
static inline bool
graph_stands_in_way(float neighbour, float candidate, float between)
{
	return between < candidate ||
		(between == candidate && candidate == neighbour);
}

/*
 * The heuristic by itself: accepts at most max of the n candidates, which
 * are sorted, and moves them to the front, then the others; both groups
 * nearest first.  Returns how many were accepted.
 */
extern int	graph_select_diverse(GraphStore *store, GraphNeighbour *candidates,
								 int n, int max);

/*
 * Moves those that are not marked to the front, then the others; both groups
 * keep their order.  Returns how many are not marked.
 */
extern int	graph_partition(GraphNeighbour *neighbours, int n,
							const bool *marked);

#endif							/* HNSW_GRAPH_SELECT_H */
