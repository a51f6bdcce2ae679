/*-------------------------------------------------------------------------
 *
 * vacuum.h
 *	  A graph after points were deleted.
 *
 * A vacuum goes over the points three times.  The first pass marks points
 * dead, which is the store's matter, and tells what it saw of each point.  The
 * second, here, replaces links to dead points.  Then those that were dead
 * before it began can be given back, if nobody can link to them any more.
 *
 * src/graph/vacuum.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_VACUUM_H
#define HNSW_GRAPH_VACUUM_H

#include "graph/graph.h"

typedef struct GraphVacuum GraphVacuum;

typedef struct GraphVacuumOptions
{
	GraphStore *graph;			/* get_links, score */
	GraphStore *distances;		/* score_between */
	GraphWriter *writer;
	int			m;
	int			ef;				/* of searches for near points */
	GraphSelectOptions select;
	PointId		npoints;		/* what comes after is alive */
	int			max_batch;		/* points that are repaired together */

	/* Makes a point the current query of graph. */
	void		(*set_query) (void *arg, PointId point);

	/* Called often, for whoever has to wait sometimes; may be NULL */
	void		(*delay) (void *arg);
	void	   *arg;
} GraphVacuumOptions;

/* What the first pass saw of a point */
typedef enum GraphFate
{
	GRAPH_LIVE,
	GRAPH_DEAD,
	GRAPH_OLD_DEAD				/* for so long that nobody will link to it */
} GraphFate;

extern GraphVacuum *graph_vacuum_create(const GraphVacuumOptions *options);
extern void graph_vacuum_free(GraphVacuum *vacuum);

/* Takes note of a point that is not free. */
extern void graph_vacuum_note(GraphVacuum *vacuum, PointId point,
							  GraphLevel level, GraphFate fate);

/* How many were noted as GRAPH_DEAD and as GRAPH_OLD_DEAD */
extern uint64 graph_vacuum_ndead(const GraphVacuum *vacuum);
extern uint64 graph_vacuum_nold(const GraphVacuum *vacuum);

/*
 * Which point has to take the place of a dead entry point; an invalid one
 * when the entry point can stay, or there is no live point.
 */
extern GraphEntry graph_vacuum_new_entry(const GraphVacuum *vacuum,
										 PointId entry);

/* Replaces links to dead points in the lists of n points from first on. */
extern void graph_vacuum_repair(GraphVacuum *vacuum, PointId first, int n);

/*
 * After the repair of all points: gives those live points that cannot be
 * reached any more a link from near points that can.
 */
extern void graph_vacuum_connect(GraphVacuum *vacuum);

/*
 * Those of n points from first on that were dead before; points has room for
 * n.  Returns how many.
 */
extern int	graph_vacuum_old_dead(const GraphVacuum *vacuum, PointId first,
								  int n, PointId *points);

#endif							/* HNSW_GRAPH_VACUUM_H */
