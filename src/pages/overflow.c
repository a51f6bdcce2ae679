/*-------------------------------------------------------------------------
 *
 * overflow.c
 *	  Items of the overflow region.
 *
 * src/pages/overflow.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pages/page_batch.h"
#include "pages/writer_internal.h"
#include "storage/freespace.h"
#include "test_points.h"
#include "utils/rel.h"


/*
 * Gives the overflow region more pages than the npages that we know of, and
 * returns the first of them.  Of several that find no room at the same time
 * one does it and the others get what that one has added.
 *
 * The file has all of them before the directory does: to the free space map
 * blocks behind its end are none, and their room would not be found again.
 */
static uint32
grow_overflow(HnswReader *reader)
{
	HnswIndex  *ix = reader->ix;
	uint32		first = hnsw_directory(&ix->meta,
									   HNSW_REGION_OVERFLOW)->npages;
	bool		ours = false;

	HNSW_TEST_POINT("grow-overflow");
	for (;;)
	{
		PageBatch	batch;
		HnswMetaPageData *meta;
		const HnswRegionDirectory *directory;
		BlockNumber block;

		page_batch_init(&batch, reader);
		page_batch_add(&batch, HNSW_REGION_META, 0);
		page_batch_open(&batch);
		meta = HnswPageGetMeta(page_batch_page(&batch, HNSW_REGION_META, 0));
		directory = hnsw_directory(meta, HNSW_REGION_OVERFLOW);
		if (directory->npages > first)
		{
			page_batch_abort(&batch);
			break;
		}
		hnsw_grow_region(meta, HNSW_REGION_OVERFLOW, first + 1,
						 RelationGetRelationName(reader->index));
		block = hnsw_region_block(directory, directory->npages - 1);
		if (block < ix->file_blocks)
		{
			page_batch_close(&batch);
			ours = true;
			break;
		}
		page_batch_abort(&batch);
		hnsw_extend_file(reader, block);
	}
	hnsw_index_refresh(ix, reader->index);
	if (!ours)
		return first;

	/* the others are found by those who look for room later */
	for (uint32 i = first + 1;
		 i < hnsw_directory(&ix->meta, HNSW_REGION_OVERFLOW)->npages;
		 i++)
		RecordPageWithFreeSpace(reader->index,
								hnsw_reader_block(reader,
												  HNSW_REGION_OVERFLOW, i),
								HNSW_OVERFLOW_MAX_ITEM);
	return first;
}

/* Number in the overflow region of a block that the free space map names */
static bool
overflow_page_no(HnswReader *reader, BlockNumber block, uint32 *page_no)
{
	const HnswRegionDirectory *directory =
		hnsw_directory(&reader->ix->meta, HNSW_REGION_OVERFLOW);

	*page_no = 0;
	for (uint32 i = 0; i < directory->nextents; i++)
	{
		const HnswExtent *extent = &directory->extents[i];

		if (block >= extent->start && block - extent->start < extent->npages)
		{
			*page_no += block - extent->start;
			return true;
		}
		*page_no += extent->npages;
	}
	return false;
}

/*
 * Adds an item to a page if there is room; stores the page's free space as
 * it is then.
 */
static bool
try_overflow_page(HnswReader *reader, uint32 page_no, const void *item,
				  int length, ItemPointerData *where, Size *space)
{
	PageBatch	batch;
	Page		page;
	OffsetNumber number;

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_OVERFLOW, page_no);
	page_batch_open(&batch);
	page = page_batch_page(&batch, HNSW_REGION_OVERFLOW, page_no);
	number = overflow_page_add(page, item, length);
	*space = overflow_page_space(page);
	if (number == InvalidOffsetNumber)
	{
		page_batch_abort(&batch);
		return false;
	}
	page_batch_close(&batch);
	ItemPointerSet(where, page_no, number);
	return true;
}

/*
 * A page of the overflow region that may have room, when the one at *page_no
 * has no more than space bytes; false when the free space map knows none.
 * The map is a hint: its upper levels are behind, so the search starts in
 * the neighbourhood of a page that we know.
 */
static bool
next_overflow_page(HnswReader *reader, uint32 *page_no, Size space,
				   Size needed)
{
	BlockNumber block = hnsw_reader_block(reader, HNSW_REGION_OVERFLOW,
										  *page_no);
	BlockNumber next = RecordAndGetPageWithFreeSpace(reader->index, block,
													 space, needed);

	return next != InvalidBlockNumber && next != block &&
		overflow_page_no(reader, next, page_no);
}

ItemPointerData
hnsw_overflow_add(HnswReader *reader, const void *item, int length)
{
	HnswIndex  *ix = reader->ix;
	Size		needed = SHORTALIGN(length) + sizeof(HnswOverflowItem);
	uint32		page_no = ix->overflow_hint;
	ItemPointerData where;
	Size		space;

	if (page_no >= hnsw_directory(&ix->meta, HNSW_REGION_OVERFLOW)->npages)
		page_no = grow_overflow(reader);
	while (!try_overflow_page(reader, page_no, item, length, &where, &space))
	{
		CHECK_FOR_INTERRUPTS();
		if (!next_overflow_page(reader, &page_no, space, needed))
			page_no = grow_overflow(reader);
	}
	ix->overflow_hint = page_no;
	return where;
}

void
hnsw_overflow_note_space(HnswReader *reader, uint32 page_no, Size space)
{
	RecordPageWithFreeSpace(reader->index,
							hnsw_reader_block(reader, HNSW_REGION_OVERFLOW,
											  page_no), space);
}

void
hnsw_overflow_drop(HnswReader *reader, const ItemPointerData *where)
{
	uint32		page_no = ItemPointerGetBlockNumber(where);
	PageBatch	batch;
	Page		page;
	Size		space;

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_OVERFLOW, page_no);
	page_batch_open(&batch);
	page = page_batch_page(&batch, HNSW_REGION_OVERFLOW, page_no);
	overflow_page_delete(page, ItemPointerGetOffsetNumber(where));
	space = overflow_page_space(page);
	page_batch_close(&batch);
	hnsw_overflow_note_space(reader, page_no, space);
}

/*
 * Pages behind the end of the file are left out, as the map has no place for
 * them.  One that is another page than it should be has no room for anybody.
 */
void
hnsw_writer_note_space(HnswReader *reader, uint32 page_no,
					   BlockNumber file_blocks, BufferAccessStrategy strategy)
{
	BlockNumber block = hnsw_reader_block(reader, HNSW_REGION_OVERFLOW,
										  page_no);
	Buffer		buffer;
	Page		page;
	Size		space = 0;

	if (block >= file_blocks)
		return;
	buffer = ReadBufferExtended(reader->index, MAIN_FORKNUM, block, RBM_NORMAL,
								strategy);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	if (PageIsNew(page))
		space = HNSW_OVERFLOW_MAX_ITEM;
	else if (hnsw_page_is(page, HNSW_REGION_OVERFLOW, page_no))
		space = PageGetExactFreeSpace(page);
	UnlockReleaseBuffer(buffer);
	RecordPageWithFreeSpace(reader->index, block, space);
}
