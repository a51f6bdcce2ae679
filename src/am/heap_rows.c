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
	HnswHeapRows *rows = palloc0(sizeof(HnswHeapRows));

	rows->fetch = table_index_fetch_begin(heap);
	rows->slot = table_slot_create(heap, NULL);
	rows->column = index->rd_index->indkey.values[0];
	if (rows->column == 0)
	{
		rows->index_info = BuildIndexInfo(index);
		rows->estate = CreateExecutorState();
		GetPerTupleExprContext(rows->estate)->ecxt_scantuple = rows->slot;
	}
	rows->row_context = AllocSetContextCreate(CurrentMemoryContext,
											  "hnsw heap row",
											  ALLOCSET_DEFAULT_SIZES);
	return rows;
}

/* The indexed value of the row in the slot */
static Datum
indexed_value(HnswHeapRows *rows, bool *isnull)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	MemoryContext old;

	if (rows->column != 0)
		return slot_getattr(rows->slot, rows->column, isnull);

	ResetPerTupleExprContext(rows->estate);
	old = MemoryContextSwitchTo(rows->row_context);
	FormIndexDatum(rows->index_info, rows->slot, rows->estate, values, nulls);
	MemoryContextSwitchTo(old);
	*isnull = nulls[0];
	return values[0];
}

bool
hnsw_heap_rows_fetch(HnswHeapRows *rows, ItemPointer tid, Snapshot snapshot,
					 Datum *value)
{
	bool		call_again = false;
	bool		all_dead = false;
	bool		isnull;

	ExecClearTuple(rows->slot);
	if (!table_index_fetch_tuple(rows->fetch, tid, snapshot, rows->slot,
								 &call_again, &all_dead))
		return false;

	MemoryContextReset(rows->row_context);
	*value = indexed_value(rows, &isnull);
	return !isnull;
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
	if (rows->column == 0)
		FreeExecutorState(rows->estate);
	MemoryContextDelete(rows->row_context);
	pfree(rows);
}
