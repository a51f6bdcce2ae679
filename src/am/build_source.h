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

#include "am/build_duplicates.h"
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
	DuplicateRows duplicates;	/* by point, and there by TID; the writer
								 * changes them */

	void		(*get_point) (BuildSource *source, PointId point,
							  SourcePoint *copy);
	GraphLevel	(*get_level) (BuildSource *source, PointId point);

	/* Fills links (room for GRAPH_MAX_LINKS); returns how many. */
	int			(*get_links) (BuildSource *source, PointId point,
							  GraphLevel level, PointId *links);

	/* Memory for anything, by point; NULL when there is none. */
	void	   *(*get_room) (BuildSource *source, PointId point, Size *size);

	/* Gives back files that it reads; NULL when there are none. */
	void		(*close) (BuildSource *source);
};

/* Fills in the copy of a point that is coded as in a row; scratch is for it. */
extern void build_source_copy(const Quantizer *quantizer, ItemPointerData tid,
							  const uint8 *code, const float *factors,
							  uint8 *scratch, SourcePoint *copy);

/*
 * Points and graph in memory; new_ids is by their numbers there, by which the
 * duplicates name them, too.
 */
extern BuildSource *build_source_memory(const Quantizer *quantizer,
										BuildPoints *points, GraphBuild *graph,
										const PointId *new_ids,
										const DuplicateRows *duplicates);

#endif							/* HNSW_BUILD_SOURCE_H */
