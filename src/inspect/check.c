/*-------------------------------------------------------------------------
 *
 * check.c
 *	  hnsw_index_check: is the structure of an index sound, and does it have
 *	  the rows of its table?
 *
 * src/inspect/check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/index.h"
#include "compat.h"
#include "inspect/check.h"
#include "inspect/inspect.h"

PG_FUNCTION_INFO_V1(hnsw_index_check);

static void
check_structure(HnswCheck *check)
{
	check_meta(check);
	check_parameters(check);

	/* what is no fault to us but one to readers is one */
	(void) hnsw_index_open(check->index);

	check_nodes(check);
	(void) check_free_points(check);
	check_codes(check);
	check_upper(check);
	check_overflow(check);
	check_lists(check);
	check_reachable(check);
}

/*
 * Raises ERRCODE_INDEX_CORRUPTED at the first fault.  Points that no search
 * can reach are no fault of the structure: they are counted in a warning.
 */
Datum
hnsw_index_check(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Oid			heap_relid = IndexGetRelation(relid, true);
	HnswCheck	check;

	memset(&check, 0, sizeof(check));

	/* The table first, as everybody locks them; it keeps its size */
	if (OidIsValid(heap_relid))
		check.heap = table_open(heap_relid, AccessShareLock);
	check.index = inspect_open(relid);
	if (heap_relid != check.index->rd_index->indrelid)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("could not open parent table of index \"%s\"",
						RelationGetRelationName(check.index))));

	check.name = RelationGetRelationName(check.index);
	check.strategy = GetAccessStrategy(BAS_BULKREAD);
	check.heap_blocks = RelationGetNumberOfBlocks(check.heap);
	check_structure(&check);
	if (PG_GETARG_BOOL(1))
		check_rows(&check);

	FreeAccessStrategy(check.strategy);
	index_close(check.index, AccessShareLock);
	table_close(check.heap, AccessShareLock);
	PG_RETURN_VOID();
}
