/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  The handler function of the access method hnsw.
 *
 * src/am/handler.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/hnsw.h"
#include "am/options.h"
#include "commands/vacuum.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(hnswhandler);

/*
 * The index answers ORDER BY column <operator> constant and nothing else: it
 * has no search strategies (amstrategies 0), so nobody scans it with anything
 * but an MVCC snapshot, which scans rely on (see src/README).
 */
Datum
hnswhandler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *am = makeNode(IndexAmRoutine);

	am->amstrategies = 0;
	am->amsupport = HNSW_NUM_SUPPORT;
	am->amoptsprocnum = 0;
	am->amcanorder = false;
	am->amcanorderbyop = true;
	am->amcanbackward = false;
	am->amcanunique = false;
	am->amcanmulticol = false;
	am->amoptionalkey = true;
	am->amsearcharray = false;
	am->amsearchnulls = false;
	am->amstorage = false;
	am->amclusterable = false;
	am->ampredlocks = false;
	am->amcanparallel = false;
	am->amcaninclude = false;
	am->amusemaintenanceworkmem = false;
	am->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	am->amkeytype = InvalidOid;
	AmRoutineSetCanBuildParallel(am);

	am->ambuild = hnsw_build;
	am->ambuildempty = hnsw_build_empty;
	am->aminsert = hnsw_insert;
	am->ambulkdelete = hnsw_bulk_delete;
	am->amvacuumcleanup = hnsw_vacuum_cleanup;
	am->amcanreturn = NULL;
	am->amcostestimate = hnsw_cost_estimate;
	am->amoptions = hnsw_parse_options;
	am->amproperty = hnsw_property;
	am->ambuildphasename = hnsw_build_phase_name;
	am->amvalidate = hnsw_validate;
	am->amadjustmembers = hnsw_adjust_members;
	am->ambeginscan = hnsw_begin_scan;
	am->amrescan = hnsw_rescan;
	am->amgettuple = hnsw_get_tuple;
	am->amgetbitmap = NULL;
	am->amendscan = hnsw_end_scan;
	am->ammarkpos = NULL;
	am->amrestrpos = NULL;
	am->amestimateparallelscan = NULL;
	am->aminitparallelscan = NULL;
	am->amparallelrescan = NULL;

	PG_RETURN_POINTER(am);
}
