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
