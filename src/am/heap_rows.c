/*-------------------------------------------------------------------------
 *
 * heap_rows.c
 *	  Values that an index was made from, read from the table.
 *
 * Rows of a heap are read from pages where these were last seen (heap_pages.c),
 * those of another table access method as the executor does.
 *
 * src/am/heap_rows.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "am/heap_rows.h"
#include "catalog/index.h"
#include "compat.h"
#include "executor/executor.h"
#include "utils/memutils.h"
#include "utils/rel.h"

HnswHeapRows *
hnsw_heap_rows_open(HnswHeapPages *pages, Relation index)
{
	HnswHeapRows *rows = palloc0(sizeof(HnswHeapRows));
	Relation	heap = pages->heap;

	rows->pages = pages;
	if (!hnsw_is_heap(heap))
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

/* A row of a heap, as its own index_fetch_tuple gets it. */
static bool
fetch_heap_tuple(HnswHeapRows *rows, ItemPointerData tid, Snapshot snapshot)
{
	BufferHeapTupleTableSlot *slot = (BufferHeapTupleTableSlot *) rows->slot;
	HeapTuple	tuple = &slot->base.tupdata;
	Buffer		buffer;
	bool		found;

	Assert(TTS_IS_BUFFERTUPLE(rows->slot));
	buffer = hnsw_heap_pages_pin(rows->pages, ItemPointerGetBlockNumber(&tid));
	heap_page_prune_opt(rows->pages->heap, buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(&tid, rows->pages->heap, buffer, snapshot,
								   tuple, NULL, true);
	tuple->t_self = tid;
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	if (found)
		ExecStorePinnedBufferHeapTuple(tuple, rows->slot, buffer);
	else
		ReleaseBuffer(buffer);
	return found;
}

bool
hnsw_heap_rows_fetch(HnswHeapRows *rows, ItemPointer tid, Snapshot snapshot,
					 Datum *value)
{
	bool		call_again = false;
	bool		all_dead = false;
	bool		found;
	bool		isnull;

	ExecClearTuple(rows->slot);
	if (rows->fetch == NULL)
		found = fetch_heap_tuple(rows, *tid, snapshot);
	else
		found = table_index_fetch_tuple(rows->fetch, tid, snapshot, rows->slot,
										&call_again, &all_dead);
	if (!found)
		return false;

	MemoryContextReset(rows->row_context);
	*value = indexed_value(rows, &isnull);
	return !isnull;
}

void
hnsw_heap_rows_reset(HnswHeapRows *rows)
{
	ExecClearTuple(rows->slot);
	if (rows->fetch != NULL)
		table_index_fetch_reset(rows->fetch);
}

void
hnsw_heap_rows_close(HnswHeapRows *rows)
{
	ExecDropSingleTupleTableSlot(rows->slot);
	if (rows->fetch != NULL)
		table_index_fetch_end(rows->fetch);
	if (rows->column == 0)
		FreeExecutorState(rows->estate);
	MemoryContextDelete(rows->row_context);
	pfree(rows);
}
