/*-------------------------------------------------------------------------
 *
 * build_points.h
 *	  The coded vectors of a build, in memory.
 *
 * Codes, factors and heap TIDs are in one piece of memory without pointers,
 * which several processes can share; each has a BuildPoints of its own.
 *
 * src/am/build_points.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BUILD_POINTS_H
#define HNSW_BUILD_POINTS_H

#include "am/build_rows.h"
#include "graph/graph.h"
#include "quantize/quantize.h"
#include "storage/itemptr.h"

typedef struct BuildPoints BuildPoints;

/*
 * Bytes that the points of so many rows of different vectors take, and bytes
 * needed beside them only as long as rows are added.
 */
extern Size build_points_size(const Quantizer *quantizer,
							  const RowTotals *rows);
extern Size build_points_scratch_size(const RowTotals *rows);

/*
 * memory starts at a cache line and has room for the points of so many rows,
 * none of which is there at first unless npoints says so.
 */
extern BuildPoints *build_points_create(const Quantizer *quantizer,
										void *memory, const RowTotals *rows,
										PointId npoints);
extern void build_points_free(BuildPoints *points);

/*
 * Adds rows: begin, any number of add, end.  A vector that was seen before,
 * equal in every bit, gets no second point.  add returns the point of the row,
 * which is a new one when it has the number that the next point was to get.
 */
extern void build_points_begin(BuildPoints *points, void *scratch);
extern PointId build_points_add(BuildPoints *points, const BuildRow *row);
extern void build_points_end(BuildPoints *points);

extern PointId build_points_count(const BuildPoints *points);

/* As in a row */
extern const uint8 *build_points_code(const BuildPoints *points,
									  PointId point);
extern const float *build_points_factors(const BuildPoints *points,
										 PointId point);
extern ItemPointerData build_points_tid(const BuildPoints *points,
										PointId point);

/* The points as a graph builder wants them */
extern GraphStore *build_points_store(BuildPoints *points);
extern void build_points_set_query(GraphStore *store, PointId point);

/* Makes a row, which need not be a point, the current query. */
extern void build_points_set_row(BuildPoints *points, const BuildRow *row);

#endif							/* HNSW_BUILD_POINTS_H */
