/*-------------------------------------------------------------------------
 *
 * build_team.h
 *	  Parallel workers that help to build an index.
 *
 * src/am/build_team.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BUILD_TEAM_H
#define HNSW_BUILD_TEAM_H

#include "am/build_load.h"
#include "am/build_points.h"
#include "graph/graph.h"
#include "pages/page_format.h"

typedef struct BuildTeam BuildTeam;

/* What a load came to */
typedef struct LoadTotals
{
	double		heap_rows;
	RowTotals	rows;			/* written to files */
	NormTotals	norms;
} LoadTotals;

/*
 * Starts parallel workers, who begin to load.  Returns NULL when there are to
 * be none, or when none can be had.
 */
extern BuildTeam *build_team_start(Relation heap, Relation index,
								   IndexInfo *index_info,
								   const HnswMetaPageData *meta,
								   const float *centroid);

/* Loads with them, and waits until all has been read. */
extern void build_team_load(BuildTeam *team, BuildLoad *load,
							LoadTotals *totals);
extern RowReader *build_team_reader(BuildTeam *team, Quantizer *quantizer);

/*
 * Memory that the team shares, NULL when it cannot be had.  It lives until
 * it is freed, which may be after the end of the team.
 */
extern dsm_segment *build_team_memory(BuildTeam *team, Size size);

/* A graph to be built, or ordered.  points are at the front of the memory. */
typedef struct TeamGraph
{
	dsm_segment *memory;
	BuildPoints *points;
	RowTotals	room;			/* that points was created with */
	GraphBuild *graph;
	Size		graph_offset;	/* of the graph in the memory */
	float		lift_sq;		/* of the quantizer */
	uint64		ndone;			/* points of earlier graphs, for progress */
} TeamGraph;

extern void build_team_build(BuildTeam *team, const TeamGraph *graph);

/* Computes new numbers for its points together; see graph_order_lead. */
extern const PointId *build_team_order(BuildTeam *team,
									   const TeamGraph *graph,
									   const GraphOrderOptions *options);

/* Sends the workers home. */
extern void build_team_end(BuildTeam *team);

/* Builds a graph alone, and shows progress as the team does. */
extern void build_graph_alone(GraphBuild *graph, uint64 ndone);

#endif							/* HNSW_BUILD_TEAM_H */
