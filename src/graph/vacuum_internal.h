/*-------------------------------------------------------------------------
 *
 * vacuum_internal.h
 *	  A vacuum under way.
 *
 * src/graph/vacuum_internal.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_VACUUM_INTERNAL_H
#define HNSW_GRAPH_VACUUM_INTERNAL_H

#include "graph/memory.h"
#include "graph/repair.h"
#include "graph/vacuum.h"

/* A live point above level 0 */
typedef struct UpperPoint
{
	PointId		point;
	GraphLevel	level;
} UpperPoint;

struct GraphVacuum
{
	GraphVacuumOptions options;
	GraphRepair repair;

	/* points below npoints; one bit each */
	uint8	   *live;			/* in use, as pass 1 saw them */
	uint8	   *dead;			/* marked, now or before */
	uint8	   *old_dead;		/* marked before this vacuum */
	uint64		ndead;			/* marked now */
	uint64		nold;
	GraphEntry	highest;		/* a live point of the highest level */

	/* the batch under way */
	GraphLinkChange *changes;
	PointId    *left;			/* points still to be repaired */
	UpperPoint *upper;
	int			nupper;

	struct GraphVacuumWalk *walk;	/* to see what can be reached */
};

static inline uint8 *
point_bits_create(PointId npoints)
{
	return graph_array_alloc0((uint64) npoints / 8 + 1, 1);
}

static inline void
set_bit(uint8 *bits, PointId point)
{
	bits[point / 8] |= 1 << point % 8;
}

static inline bool
get_bit(const uint8 *bits, PointId point)
{
	return (bits[point / 8] >> point % 8) & 1;
}

static inline void
vacuum_delay(const GraphVacuum *vacuum)
{
	if (vacuum->options.delay != NULL)
		vacuum->options.delay(vacuum->options.arg);
}

/* vacuum_connect.c */
extern void vacuum_close_walk(GraphVacuum *vacuum);

#endif							/* HNSW_GRAPH_VACUUM_INTERNAL_H */
