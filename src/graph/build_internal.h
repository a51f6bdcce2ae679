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
	uint8		unused;
} ListHead;

StaticAssertDecl(sizeof(ListHead) == sizeof(uint32), "a head is a word");

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
	 * A list is a head, an array of links and an array of their distances,
	 * both as long as a list of the level can get: that many words of 4 bytes.
	 * Level 0 by point, upper levels by list number.
	 */
	uint32	   *lists[2];		/* level 0, upper levels */

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

static inline int
build_list_words(int m, GraphLevel level)
{
	return 1 + 2 * build_list_capacity(m, level);
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
	int			m = build->options.m;
	uint64		number = level > 0 ? build->upper[point] + level - 1 : point;
	uint32	   *words = build->lists[level > 0 ? 1 : 0] +
		number * build_list_words(m, level);
	LinkList	list;

	list.capacity = build_list_capacity(m, level);
	list.head = (ListHead *) words;
	list.links = words + 1;
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
