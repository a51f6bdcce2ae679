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

/*
 * How many links a list holds, and what is known of them.  First come those
 * that the heuristic accepted together, then those it discarded, each group
 * nearest first, then those added since, in any order.
 */
typedef struct ListHead
{
	uint8		count;
	uint8		naccepted;
	uint8		nknown;			/* accepted and discarded */
} ListHead;

StaticAssertDecl(GRAPH_MAX_LINKS <= 0xFF,
				 "the length of a list must fit a byte");

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
	uint16	   *in_links;		/* per point: links to it at level 0; what
								 * reaches the maximum stays there */
	GraphSearch *search;

	/*
	 * A list is an array of links followed by an array of their distances,
	 * both as long as a list of the level can get.  Level 0 by point, upper
	 * levels by list number.
	 */
	ListHead   *heads[2];		/* level 0, upper levels */
	uint32	   *lists[2];

	GraphNeighbour *candidates; /* scratch of graph_build_add */
};

/*
 * How many links a list holds during the build, and how many of them its
 * point chooses itself when it is inserted.
 *
 * At level 0 this is not 2m and m.  Measured with m = 16: a graph with 20
 * links of its own and 30 at most finds as much with 26 to 28 links per point
 * as one with 32 and 32, where every list is full.  What is left is room for
 * the links of later inserts.
 */
static inline int
build_list_capacity(int m, GraphLevel level)
{
	return level == 0 ? 2 * m - m / 8 : m;
}

static inline int
build_own_links(int m, GraphLevel level)
{
	return GraphOwnLinks(m, level);
}

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
	int			part = level > 0 ? 1 : 0;
	uint64		number = level > 0 ? build->upper[point] + level - 1 : point;
	LinkList	list;

	list.capacity = build_list_capacity(build->options.m, level);
	list.head = &build->heads[part][number];
	list.links = build->lists[part] + number * 2 * list.capacity;
	list.distances = (float *) (list.links + list.capacity);
	return list;
}

/* lists.c */
extern int	build_set_links(GraphBuild *build, PointId point,
							GraphLevel level, GraphNeighbour *candidates,
							int n);
extern void build_add_link(GraphBuild *build, PointId point, GraphLevel level,
						   GraphNeighbour link);

#endif							/* HNSW_GRAPH_BUILD_INTERNAL_H */
