/*-------------------------------------------------------------------------
 *
 * build_points.h
 *	  The coded vectors of a build, in memory.
 *
 * src/am/build_points.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BUILD_POINTS_H
#define HNSW_BUILD_POINTS_H

#include "am/opclass.h"
#include "graph/graph.h"
#include "quantize/quantize.h"
#include "storage/itemptr.h"

/* A row whose vector some point has already */
typedef struct DuplicateRow
{
	PointId		point;
	ItemPointerData tid;
} DuplicateRow;

typedef struct BuildPoints BuildPoints;

extern BuildPoints *build_points_create(Quantizer *quantizer);

/*
 * Adds a row, with the hash of its vector.  A vector that was seen before,
 * equal in every bit, gets no second point.
 */
extern void build_points_add(BuildPoints *points, const HnswValue *value,
							 uint64 hash, ItemPointer tid);

/* No more rows come: gives back what only build_points_add needs. */
extern void build_points_finish(BuildPoints *points);

extern PointId build_points_count(const BuildPoints *points);
extern uint64 build_points_rows(const BuildPoints *points);

/* Bytes in use now, and what npoints points would take */
extern Size build_points_memory(const BuildPoints *points);
extern double build_points_bytes_per_point(const Quantizer *quantizer);

extern const uint8 *build_points_code(const BuildPoints *points, PointId point);
extern const float *build_points_factors(const BuildPoints *points,
										 PointId point);
extern const uint8 *build_points_refine(const BuildPoints *points,
										PointId point);
extern const float *build_points_refine_factors(const BuildPoints *points,
												PointId point);
extern ItemPointerData build_points_tid(const BuildPoints *points,
										PointId point);

/* Rows beyond the first of their points, by point; valid after finish */
extern const DuplicateRow *build_points_duplicates(const BuildPoints *points,
												   uint64 *count);

/* The points as a graph builder wants them */
extern GraphStore *build_points_store(BuildPoints *points);
extern void build_points_set_query(GraphStore *store, PointId point);

#endif							/* HNSW_BUILD_POINTS_H */
