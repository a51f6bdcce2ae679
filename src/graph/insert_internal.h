/*-------------------------------------------------------------------------
 *
 * insert_internal.h
 *	  An insert under way.
 *
 * src/graph/insert_internal.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_INSERT_INTERNAL_H
#define HNSW_GRAPH_INSERT_INTERNAL_H

#include "graph/insert.h"

/* A list that others change all the time is tried again so often. */
#define MAX_LINK_ATTEMPTS	4

struct GraphInsert
{
	GraphInsertOptions options;
	GraphSearch *search;
	GraphNewPoint new_point;
	int			ncandidates;	/* in links[0], those chosen first */

	GraphNeighbour *candidates; /* links[0] */
	int			candidates_allocated;
	GraphNeighbour *entries;	/* of the search at the next level */
	GraphNeighbour *upper_links;	/* links[1] and up */
	GraphLinkChange *changes;	/* as many as a point chooses links */
};

static inline bool
graph_contains(const PointId *points, int n, PointId point)
{
	for (int i = 0; i < n; i++)
	{
		if (points[i] == point)
			return true;
	}
	return false;
}

/*
 * Links those of the neighbours at a level to the new point that want to; at
 * level 0 at least one has to.  Returns whether one is linked.
 */
extern bool insert_link_back(GraphInsert *insert, GraphLevel level);

#endif							/* HNSW_GRAPH_INSERT_INTERNAL_H */
