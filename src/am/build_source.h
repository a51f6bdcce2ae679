/*-------------------------------------------------------------------------
 *
 * build_source.h
 *	  A finished graph, as the writer of pages wants it.
 *
 * Points have their final numbers.  The writer goes over them several times,
 * each time in ascending order.
 *
 * src/am/build_source.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BUILD_SOURCE_H
#define HNSW_BUILD_SOURCE_H

#include "am/build_points.h"
#include "graph/graph.h"

/* A point as it is coded, valid until the next one is asked for */
typedef struct SourcePoint
{
	ItemPointerData tid;
	const uint8 *code;
	const float *factors;
	const uint8 *refine;
	const float *refine_factors;
} SourcePoint;

typedef struct BuildSource BuildSource;
struct BuildSource
{
	PointId		npoints;
	PointId		entry;
	const DuplicateRow *duplicates; /* by point, and there by TID */
	uint64		nduplicates;

	void		(*get_point) (BuildSource *source, PointId point,
							  SourcePoint *copy);
	GraphLevel	(*get_level) (BuildSource *source, PointId point);

	/* Fills links (room for GRAPH_MAX_LINKS); returns how many. */
	int			(*get_links) (BuildSource *source, PointId point,
							  GraphLevel level, PointId *links);

	/* Gives back files that it reads; NULL when there are none. */
	void		(*close) (BuildSource *source);
};

/* Fills in the copy of a point that is coded as in a row; scratch is for it. */
extern void build_source_copy(const Quantizer *quantizer, ItemPointerData tid,
							  const uint8 *code, const float *factors,
							  uint8 *scratch, SourcePoint *copy);

/* Sets the duplicates, which it sorts. */
extern void build_source_set_duplicates(BuildSource *source,
										DuplicateRow *duplicates, uint64 n);

/* Points and graph in memory; new_ids is by their numbers there. */
extern BuildSource *build_source_memory(const Quantizer *quantizer,
										BuildPoints *points, GraphBuild *graph,
										const PointId *new_ids);

#endif							/* HNSW_BUILD_SOURCE_H */
