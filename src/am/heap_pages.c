/*-------------------------------------------------------------------------
 *
 * heap_pages.c
 *	  The pages of a table in shared buffers, where they were last seen.
 *
 * What it costs to look at a row that is in memory is a chain of cache misses:
 * buffer table, descriptor, page header, line pointer, tuple.  A search wants
 * some twenty rows, that have nothing to do with each other, so it pays to have
 * them on their way at the same time.  For that it is remembered in which
 * buffers pages of the table were last seen.  A page that was never seen is
 * looked up, or if it is in no buffer, read ahead by the operating system.
 *
 * All of it is for heaps that have their pages in shared buffers.
 *
 * src/am/heap_pages.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "am/heap_pages.h"
#include "miscadmin.h"
#include "pages/page_uses.h"
#include "pages/unpinned.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/*
 * The buffers of blocks, a block's at its number modulo the size: enough for a
 * table of 128 MB, in 128 kB for each index that a session searches.
 */
#define MAX_SEEN_BLOCKS		16384
#define MIN_SEEN_BLOCKS		64

/* Bytes of a row that are asked for ahead */
#define MAX_ROW_PREFETCH	1024

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

bool
hnsw_is_heap(Relation table)
{
	return table->rd_tableam == GetHeapamTableAmRoutine();
}

void
hnsw_heap_pages_init(HnswHeapPages *pages, Relation heap, HnswIndex *ix)
{
	pages->heap = heap;
	pages->nblocks = 0;
	pages->seen = NULL;
	pages->ring = NULL;
	if (!hnsw_is_heap(heap) || RelationUsesLocalBuffers(heap))
		return;
	pages->seen = seen_blocks(ix, heap);
	if (ix->page_uses == NULL)
		return;
	pages->nblocks = RelationGetNumberOfBlocks(heap);
	if (pages->nblocks > (BlockNumber) NBuffers)
		pages->ring = ix->page_uses->ring;
}

static inline SeenBlock *
place_of_block(const HnswHeapPages *pages, BlockNumber block)
{
	return &pages->seen->blocks[block & pages->seen->mask];
}

/* The buffer in which a block was last seen, InvalidBuffer when not known */
static inline Buffer
where_seen(const HnswHeapPages *pages, BlockNumber block)
{
	const SeenBlock *seen;

	if (pages->seen == NULL)
		return InvalidBuffer;
	seen = place_of_block(pages, block);
	return seen->block == block ? seen->buffer : InvalidBuffer;
}

static void
remember(HnswHeapPages *pages, BlockNumber block, Buffer buffer)
{
	SeenBlock  *seen;

	if (pages->seen == NULL)
		return;
	seen = place_of_block(pages, block);
	seen->block = block;
	seen->buffer = buffer;
}

/*
 * The buffer of a block that will be read, if it is one of the table, as far as
 * that can be told without waiting.  What was seen in a buffer and has left it
 * is not read ahead: where that happens often the table is in the memory of the
 * operating system at best, and asking for a page costs nearly as much as
 * reading it.
 */
static Buffer
look_up(HnswHeapPages *pages, BlockNumber block)
{
	Buffer		buffer = where_seen(pages, block);

	if (buffer != InvalidBuffer || pages->seen == NULL)
		return buffer;
	if (pages->nblocks == 0)
		pages->nblocks = RelationGetNumberOfBlocks(pages->heap);
	if (block >= pages->nblocks)
		return InvalidBuffer;
	buffer = PrefetchBuffer(pages->heap, MAIN_FORKNUM, block).recent_buffer;
	if (buffer != InvalidBuffer)
		remember(pages, block, buffer);
	return buffer;
}

/* What passes through a ring is not made to stay. */
static inline uint32
usage_due(const HnswHeapPages *pages)
{
	return pages->ring == NULL ? 1 : 0;
}

static Buffer
read_page(HnswHeapPages *pages, BlockNumber block)
{
	Buffer		buffer = ReadBufferExtended(pages->heap, MAIN_FORKNUM, block,
											RBM_NORMAL, pages->ring);

	remember(pages, block, buffer);
	return buffer;
}

Buffer
hnsw_heap_pages_pin(HnswHeapPages *pages, BlockNumber block)
{
	Buffer		buffer = where_seen(pages, block);

	if (pin_where_seen(pages->heap, block, buffer, usage_due(pages)))
		return buffer;
	return read_page(pages, block);
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
	int			offset = ItemIdGetOffset(&item);
	int			length = Min(ItemIdGetLength(&item), MAX_ROW_PREFETCH);

	length = Min(length, BLCKSZ - offset);
	if (length > 0)
		prefetch_in_buffer(buffer, offset, length);
}

void
hnsw_heap_pages_prefetch(HnswHeapPages *pages, const ItemPointerData *tids,
						 int n)
{
	Buffer		buffers[HNSW_HEAP_PREFETCH];

	Assert(n <= HNSW_HEAP_PREFETCH);
	for (int i = 0; i < n; i++)
	{
		buffers[i] = look_up(pages, ItemPointerGetBlockNumberNoCheck(&tids[i]));
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

/*
 * What a fetch holds is the page that it came to last: when that is the page of
 * the next row it does not look for it.  The page stays pinned until the fetch
 * goes on or ends, as it would in any case.  It would also have been pruned.
 */
void
hnsw_heap_pages_hand_over(HnswHeapPages *pages, IndexFetchTableData *fetch,
						  const ItemPointerData *tid)
{
	IndexFetchHeapData *heap_fetch = (IndexFetchHeapData *) fetch;
	BlockNumber block = ItemPointerGetBlockNumber(tid);
	Buffer		buffer = where_seen(pages, block);

	if (buffer != InvalidBuffer && buffer == heap_fetch->xs_cbuf)
		return;
	if (!pin_where_seen(pages->heap, block, buffer, usage_due(pages)))
	{
		/* the executor's own read does as well, but through a ring */
		if (pages->ring == NULL)
			return;
		buffer = read_page(pages, block);
	}
	if (BufferIsValid(heap_fetch->xs_cbuf))
		ReleaseBuffer(heap_fetch->xs_cbuf);
	heap_fetch->xs_cbuf = buffer;
	heap_page_prune_opt(pages->heap, buffer);
}
