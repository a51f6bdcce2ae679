/*-------------------------------------------------------------------------
 *
 * heap_rows.c
 *	  Values that an index was made from, read from the table.
 *
 * src/am/heap_rows.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/heap_rows.h"
#include "catalog/index.h"
#include "compat.h"
#include "executor/executor.h"
#include "utils/memutils.h"

HnswHeapRows *
hnsw_heap_rows_open(Relation heap, Relation index)
{
	HnswHeapRows *rows = palloc(sizeof(HnswHeapRows));

	rows->fetch = table_index_fetch_begin(heap);
	rows->slot = table_slot_create(heap, NULL);
	rows->index_info = BuildIndexInfo(index);
	rows->estate = CreateExecutorState();
	GetPerTupleExprContext(rows->estate)->ecxt_scantuple = rows->slot;
	rows->row_context = AllocSetContextCreate(CurrentMemoryContext,
											  "hnsw heap row",
											  ALLOCSET_DEFAULT_SIZES);
	return rows;
}

bool
hnsw_heap_rows_fetch(HnswHeapRows *rows, ItemPointer tid, Snapshot snapshot,
					 Datum *value)
{
	bool		call_again = false;
	bool		all_dead = false;
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	MemoryContext old;

	ExecClearTuple(rows->slot);
	if (!table_index_fetch_tuple(rows->fetch, tid, snapshot, rows->slot,
								 &call_again, &all_dead))
		return false;

	ResetPerTupleExprContext(rows->estate);
	MemoryContextReset(rows->row_context);
	old = MemoryContextSwitchTo(rows->row_context);
	FormIndexDatum(rows->index_info, rows->slot, rows->estate, values, isnull);
	MemoryContextSwitchTo(old);
	*value = values[0];
	return !isnull[0];
}

void
hnsw_heap_rows_reset(HnswHeapRows *rows)
{
	ExecClearTuple(rows->slot);
	table_index_fetch_reset(rows->fetch);
}

void
hnsw_heap_rows_close(HnswHeapRows *rows)
{
	ExecDropSingleTupleTableSlot(rows->slot);
	table_index_fetch_end(rows->fetch);
	FreeExecutorState(rows->estate);
	MemoryContextDelete(rows->row_context);
	pfree(rows);
}
