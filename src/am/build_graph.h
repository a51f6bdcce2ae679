/*-------------------------------------------------------------------------
 *
 * build_graph.h
 *	  Points and their graph in one piece of memory, built by a team or
 *	  alone.
 *
 * The memory can be used for one set of points after the other.
 *
 * src/am/build_graph.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BUILD_GRAPH_H
#define HNSW_BUILD_GRAPH_H

#include "am/build_team.h"

typedef struct GraphWork
{
	Quantizer  *quantizer;
	GraphBuildOptions options;
	RowTotals	spare;			/* rows that any set may have beyond those
								 * that were counted */
	BuildTeam  *team;			/* NULL: nobody helps */
	dsm_segment *segment;		/* NULL: the memory is this process's own */
	char	   *memory;

	uint64		ndone;			/* points of earlier graphs, for progress */

	/* the points under way */
	RowTotals	room;
	Size		graph_offset;	/* in the memory */
	BuildPoints *points;
	GraphBuild *graph;
} GraphWork;

/*
 * Bytes of memory for the points of so many rows and all that follows.  The
 * fields before team are set, here and below.
 */
extern Size graph_work_size(const GraphWork *work, const RowTotals *rows);

/* Gets memory, which workers can share if there is enough of that kind. */
extern void graph_work_get_memory(GraphWork *work, Size size);
extern void graph_work_free_memory(GraphWork *work);

/* Announces how many points all graphs together will have. */
extern void graph_work_expect(GraphWork *work, uint64 npoints);

/*
 * Takes the points of at most so many different rows in, one row after the
 * other; add returns the point as build_points_add does.
 */
extern void graph_work_begin(GraphWork *work, const RowTotals *rows);
extern PointId graph_work_add(GraphWork *work, const BuildRow *row);

/*
 * Builds the graph of these points; returns how many had to be attached to be
 * reachable.
 */
extern uint32 graph_work_build(GraphWork *work);

/*
 * New numbers for the points, from first on, without those left out (NULL: for
 * all).  See graph_order_lead: they are in the memory of the graph, and it is
 * the last thing to be done with that.
 */
extern const PointId *graph_work_order(GraphWork *work, PointId first,
									   const bool *left_out);
extern void graph_work_end(GraphWork *work);

#endif							/* HNSW_BUILD_GRAPH_H */
