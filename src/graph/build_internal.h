/*-------------------------------------------------------------------------
 *
 * build_internal.h
 *	  The graph under construction.
 *
 * src/graph/build_internal.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_BUILD_INTERNAL_H
#define HNSW_GRAPH_BUILD_INTERNAL_H

#include "graph/graph.h"

/* How many links a list holds, and what is known of them. */
typedef struct ListHead
{
	uint8		count;
	uint8		naccepted;		/* the first ones, accepted by the heuristic
								 * together, nearest first */
} ListHead;

struct GraphBuild
{
	GraphStore	store;			/* the graph as a store; must be first */
	GraphBuildOptions options;
	GraphStore *distances;
	void		(*set_query) (GraphStore *distances, PointId point);
	PointId		npoints;		/* room for so many */
	PointId		ninserted;
	PointId		entry;
	GraphLevel *levels;			/* per point */
	uint32	   *upper;			/* per point: number of its first list above
								 * level 0, when it has one */
	GraphSearch *search;

	/*
	 * A list is an array of links followed by an array of their distances,
	 * both as long as a list of the level can get.  Level 0 by point, upper
	 * levels by list number.
	 */
	ListHead   *heads[2];		/* level 0, upper levels */
	uint32	   *lists[2];

	GraphNeighbour *candidates; /* scratch of graph_build_add */
	int			candidates_allocated;
};

/* One list, wherever it is */
typedef struct LinkList
{
	ListHead   *head;
	PointId    *links;
	float	   *distances;
	int			capacity;
} LinkList;

static inline LinkList
build_list(const GraphBuild *build, PointId point, GraphLevel level)
{
	int			m = build->options.m;
	int			part = level > 0 ? 1 : 0;
	uint64		number = level > 0 ? build->upper[point] + level - 1 : point;
	LinkList	list;

	list.capacity = GraphMaxLinks(m, level);
	list.head = &build->heads[part][number];
	list.links = build->lists[part] + number * 2 * list.capacity;
	list.distances = (float *) (list.links + list.capacity);
	return list;
}

#endif							/* HNSW_GRAPH_BUILD_INTERNAL_H */
