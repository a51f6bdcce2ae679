/*-------------------------------------------------------------------------
 *
 * insert.h
 *	  Points that come one by one into a graph that others use and change.
 *
 * src/graph/insert.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_INSERT_H
#define HNSW_GRAPH_INSERT_H

#include "graph/graph.h"

typedef struct GraphInsert GraphInsert;

/*
 * Offers an inserter the nearest points found: when one of them stands for
 * the very same vector and takes the row, there is no new point.
 */
typedef bool (*GraphJoin) (void *arg, const GraphNeighbour *found, int n);

typedef struct GraphInsertOptions
{
	GraphStore *graph;			/* get_links, and score for searches */
	GraphStore *distances;		/* score and score_between for selection */
	GraphWriter *writer;
	int			m;
	int			ef_construction;
	GraphSelectOptions select;
	GraphJoin	join;			/* may be NULL */
	void	   *join_arg;
} GraphInsertOptions;

/* An inserter, for one point after the other */
extern GraphInsert *graph_insert_create(const GraphInsertOptions *options);
extern void graph_insert_free(GraphInsert *insert);

/*
 * Inserts the point that is the current query of both stores.  entry is the
 * entry point as last seen.  Returns the new point, InvalidPointId when the
 * row has joined another.
 */
extern PointId graph_insert(GraphInsert *insert, GraphEntry entry,
							GraphLevel level);

/*
 * The ef nearest points of the current query, or what was met until there was
 * one at the very distance that the new point would have to the query; valid
 * until the inserter is used again.
 */
extern const GraphNeighbour *graph_insert_look_up(GraphInsert *insert,
												  GraphEntry entry, int ef,
												  float distance, int *count);

#endif							/* HNSW_GRAPH_INSERT_H */
