/*-------------------------------------------------------------------------
 *
 * link_back.h
 *	  Links from others to a point.
 *
 * src/graph/link_back.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_LINK_BACK_H
#define HNSW_GRAPH_LINK_BACK_H

#include "graph/graph.h"

/* A point that wants to be linked, and what that takes */
typedef struct GraphLinker
{
	GraphStore *graph;
	GraphStore *distances;
	GraphWriter *writer;
	int			m;
	GraphSelectOptions select;
	GraphLinkChange *changes;	/* as many as a point chooses links */
	int			npending;		/* of them are planned and not written */
	const GraphNewPoint *point;

	/* at level 0: all that may link to it, those that it links to first */
	const GraphNeighbour *candidates;
	int			ncandidates;
} GraphLinker;

/*
 * Links those of the point's neighbours at a level to it that want to; at
 * level 0 at least one has to.  Returns whether one is linked.
 */
extern bool graph_link_back(GraphLinker *linker, GraphLevel level);

/*
 * Links one of the candidates to the point at level 0.  False when they are
 * all gone.
 */
extern bool graph_must_link_back(GraphLinker *linker);

#endif							/* HNSW_GRAPH_LINK_BACK_H */
