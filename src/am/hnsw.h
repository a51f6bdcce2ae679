/*-------------------------------------------------------------------------
 *
 * hnsw.h
 *	  The callbacks of the access method hnsw, and what they share.
 *
 * src/am/hnsw.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_AM_H
#define HNSW_AM_H

#include "access/amapi.h"
#include "access/genam.h"
#include "am/opclass.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"

/* Phases of CREATE INDEX, pg_stat_progress_create_index */
#define HNSW_PHASE_SAMPLE	2
#define HNSW_PHASE_LOAD		3
#define HNSW_PHASE_GRAPH	4
#define HNSW_PHASE_ORDER	5
#define HNSW_PHASE_WRITE	6

/* build.c */
extern IndexBuildResult *hnsw_build(Relation heap, Relation index,
									IndexInfo *index_info);
extern void hnsw_build_empty(Relation index);
extern char *hnsw_build_phase_name(int64 phase);

/* insert.c */
extern bool hnsw_insert(Relation index, Datum *values, bool *isnull,
						ItemPointer heap_tid, Relation heap,
						IndexUniqueCheck check_unique, bool index_unchanged,
						IndexInfo *index_info);

/* scan.c */
extern IndexScanDesc hnsw_begin_scan(Relation index, int nkeys,
									 int norderbys);
extern void hnsw_rescan(IndexScanDesc scan, ScanKey keys, int nkeys,
						ScanKey orderbys, int norderbys);
extern bool hnsw_get_tuple(IndexScanDesc scan, ScanDirection direction);
extern void hnsw_end_scan(IndexScanDesc scan);

/* vacuum.c */
extern IndexBulkDeleteResult *hnsw_bulk_delete(IndexVacuumInfo *info,
											   IndexBulkDeleteResult *stats,
											   IndexBulkDeleteCallback callback,
											   void *callback_state);
extern IndexBulkDeleteResult *hnsw_vacuum_cleanup(IndexVacuumInfo *info,
												  IndexBulkDeleteResult *stats);

/* cost.c */
extern void hnsw_cost_estimate(PlannerInfo *root, IndexPath *path,
							   double loop_count, Cost *startup_cost,
							   Cost *total_cost, Selectivity *selectivity,
							   double *correlation, double *pages);

/* validate.c */
extern bool hnsw_validate(Oid opclass_oid);
extern void hnsw_adjust_members(Oid family, Oid opclass, List *operators,
								List *functions);
extern bool hnsw_property(Oid index_oid, int attno, IndexAMProperty property,
						  const char *name, bool *result, bool *isnull);

#endif							/* HNSW_AM_H */
