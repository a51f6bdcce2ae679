/*-------------------------------------------------------------------------
 *
 * heap_rows.c
 *	  Values that an index was made from, read from the table.
 *
 * What it costs to look at a row that is in memory is a chain of cache misses:
 * buffer table, descriptor, page header, line pointer, tuple.  A search wants
 * some twenty rows, that have nothing to do with each other, so it pays to have
 * them on their way at the same time.  For that it is remembered in which
 * buffers pages of the table were last seen.  A page that was never seen is
 * looked up, or if it is in no buffer, read ahead by the operating system.
 * Where the table is no heap, rows are read one by one.
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
#include "pages/unpinned.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/*
 * The buffers of blocks, a block's at its number modulo the size: enough for a
 * table of 128 MB, or 256 kB for each index that a session searches.
 */
#define MAX_SEEN_BLOCKS		16384
#define MIN_SEEN_BLOCKS		64

/* Bytes of a row that are asked for ahead */
#define MAX_ROW_PREFETCH	1024

#define CACHE_LINE			64

typedef struct SeenBlock
{
	BlockNumber block;
	Buffer		buffer;			/* InvalidBuffer: nothing is known */
} SeenBlock;

struct HnswSeenBlocks
{
	uint32		mask;
	SeenBlock	blocks[FLEXIBLE_ARRAY_MEMBER];
};

static HnswSeenBlocks *
seen_blocks(HnswIndex *ix, Relation heap)
{
	if (ix->table_seen == NULL)
	{
		uint32		size = MIN_SEEN_BLOCKS;
		BlockNumber nblocks = RelationGetNumberOfBlocks(heap);

		while (size < nblocks && size < MAX_SEEN_BLOCKS)
			size *= 2;
		ix->table_seen =
			MemoryContextAllocZero(ix->context,
								   offsetof(HnswSeenBlocks, blocks) +
								   size * sizeof(SeenBlock));
		ix->table_seen->mask = size - 1;
	}
	return ix->table_seen;
}

static inline SeenBlock *
place_of_block(const HnswHeapRows *rows, BlockNumber block)
{
	return &rows->seen->blocks[block & rows->seen->mask];
}

/* The buffer in which a block was last seen, InvalidBuffer when not known */
static inline Buffer
where_seen(const HnswHeapRows *rows, BlockNumber block)
{
	const SeenBlock *seen;

	if (rows->seen == NULL)
		return InvalidBuffer;
	seen = place_of_block(rows, block);
	return seen->block == block ? seen->buffer : InvalidBuffer;
}

static void
remember(HnswHeapRows *rows, BlockNumber block, Buffer buffer)
{
	SeenBlock  *seen;

	if (rows->seen == NULL)
		return;
	seen = place_of_block(rows, block);
	seen->block = block;
	seen->buffer = buffer;
}

/*
 * The same of a block that will be read, if it is one of the table.  What was
 * seen in a buffer and has left it is not read ahead: where that happens often
 * the table is in the memory of the operating system at best, and asking for
 * a page costs nearly as much as reading it.
 */
static Buffer
look_up(HnswHeapRows *rows, BlockNumber block)
{
	Buffer		buffer = where_seen(rows, block);

	if (buffer != InvalidBuffer || rows->seen == NULL)
		return buffer;
	if (rows->nblocks == 0)
		rows->nblocks = RelationGetNumberOfBlocks(rows->heap);
	if (block >= rows->nblocks)
		return InvalidBuffer;
	buffer = PrefetchBuffer(rows->heap, MAIN_FORKNUM, block).recent_buffer;
	if (buffer != InvalidBuffer)
		remember(rows, block, buffer);
	return buffer;
}

static Buffer
pin_heap_block(HnswHeapRows *rows, BlockNumber block)
{
	Buffer		buffer = where_seen(rows, block);

	if (pin_where_seen(rows->heap, block, buffer))
		return buffer;
	buffer = ReadBuffer(rows->heap, block);
	remember(rows, block, buffer);
	return buffer;
}

HnswHeapRows *
hnsw_heap_rows_open(Relation heap, Relation index, HnswIndex *ix)
{
	HnswHeapRows *rows = palloc0(sizeof(HnswHeapRows));

	rows->heap = heap;
	if (heap->rd_tableam != GetHeapamTableAmRoutine())
		rows->fetch = table_index_fetch_begin(heap);
	else if (!RelationUsesLocalBuffers(heap))
		rows->seen = seen_blocks(ix, heap);
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
	buffer = pin_heap_block(rows, ItemPointerGetBlockNumber(&tid));
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(&tid, rows->heap, buffer, snapshot, tuple,
								   NULL, true);
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

/*
 * What is read here of a page that is not pinned may be any bytes: it is good
 * for a hint alone.
 */
static inline const ItemIdData *
line_pointer(Buffer buffer, const ItemPointerData *tid)
{
	Size		offset = ItemPointerGetOffsetNumberNoCheck(tid) *
	sizeof(ItemIdData) % (BLCKSZ - SizeOfPageHeaderData);

	return (const ItemIdData *)
		((char *) BufferGetBlock(buffer) + SizeOfPageHeaderData + offset) - 1;
}

static inline void
prefetch_tuple(Buffer buffer, ItemIdData item)
{
	const char *page = BufferGetBlock(buffer);
	int			length = Min(ItemIdGetLength(&item), MAX_ROW_PREFETCH);

	length = Min(length, (int) (BLCKSZ - ItemIdGetOffset(&item)));
	for (int i = 0; i < length; i += CACHE_LINE)
		__builtin_prefetch(page + ItemIdGetOffset(&item) + i);
}

void
hnsw_heap_rows_prefetch(HnswHeapRows *rows, const ItemPointerData *tids, int n)
{
	Buffer		buffers[HNSW_HEAP_PREFETCH];

	Assert(n <= HNSW_HEAP_PREFETCH);
	for (int i = 0; i < n; i++)
	{
		buffers[i] = look_up(rows, ItemPointerGetBlockNumberNoCheck(&tids[i]));
		if (buffers[i] == InvalidBuffer)
			continue;
		unpinned_prefetch_descriptor(buffers[i]);
		__builtin_prefetch(BufferGetBlock(buffers[i]));
		__builtin_prefetch(line_pointer(buffers[i], &tids[i]));
	}
	for (int i = 0; i < n; i++)
	{
		if (buffers[i] != InvalidBuffer)
			prefetch_tuple(buffers[i], *line_pointer(buffers[i], &tids[i]));
	}
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
