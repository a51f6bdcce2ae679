/*-------------------------------------------------------------------------
 *
 * page_batch.c
 *	  A few pages that change together, in one generic WAL record.
 *
 * src/pages/page_batch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "miscadmin.h"
#include "pages/node_page.h"
#include "pages/page_batch.h"
#include "storage/lmgr.h"
#include "test_points.h"
#include "utils/rel.h"

/* What the server itself adds to a table in one go */
#define MAX_BLOCKS_AT_ONCE	64

void
page_batch_init(PageBatch *batch, HnswReader *reader)
{
	batch->reader = reader;
	batch->xlog = NULL;
	batch->npages = 0;
}

static const BatchPage *
find_page(const PageBatch *batch, HnswRegionId region, uint32 page_no)
{
	for (int i = 0; i < batch->npages; i++)
	{
		if (batch->pages[i].region == region &&
			batch->pages[i].page_no == page_no)
			return &batch->pages[i];
	}
	return NULL;
}

bool
page_batch_has(const PageBatch *batch, HnswRegionId region, uint32 page_no)
{
	return find_page(batch, region, page_no) != NULL;
}

/*
 * Block of a page.  Others may have added it since we looked at the metapage:
 * nodes name items of the overflow region that are newer than that.
 */
static BlockNumber
find_block(HnswReader *reader, HnswRegionId region, uint32 page_no)
{
	if (region == HNSW_REGION_META)
		return HNSW_META_BLOCK;
	if (page_no >= hnsw_directory(&reader->ix->meta, region)->npages)
		hnsw_index_refresh(reader->ix, reader->index);
	return hnsw_reader_block(reader, region, page_no);
}

bool
page_batch_add(PageBatch *batch, HnswRegionId region, uint32 page_no)
{
	BlockNumber block;
	int			i;

	Assert(batch->xlog == NULL);
	if (page_batch_has(batch, region, page_no))
		return true;
	if (batch->npages == MAX_GENERIC_XLOG_PAGES)
		return false;

	block = find_block(batch->reader, region, page_no);
	for (i = batch->npages++; i > 0 && batch->pages[i - 1].block > block; i--)
		batch->pages[i] = batch->pages[i - 1];
	batch->pages[i].region = region;
	batch->pages[i].page_no = page_no;
	batch->pages[i].block = block;
	batch->pages[i].buffer = InvalidBuffer;
	return true;
}

/*
 * Adds up to n blocks to the file, whose extension lock we have; returns how
 * long it is then.
 */
static BlockNumber
add_blocks(Relation index, uint32 n)
{
	Buffer		buffers[MAX_BLOCKS_AT_ONCE];
	uint32		added;
	BlockNumber first = ExtendBufferedRelBy(BMR_REL(index), MAIN_FORKNUM, NULL,
											EB_SKIP_EXTENSION_LOCK, n,
											buffers, &added);

	for (uint32 i = 0; i < added; i++)
		ReleaseBuffer(buffers[i]);
	return first + added;
}

void
hnsw_extend_file(HnswReader *reader, BlockNumber block)
{
	Relation	index = reader->index;
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);

	if (nblocks <= block)
	{
		LockRelationForExtension(index, ExclusiveLock);
		nblocks = RelationGetNumberOfBlocks(index);
		while (nblocks <= block)
		{
			CHECK_FOR_INTERRUPTS();
			nblocks = add_blocks(index, Min(block - nblocks + 1,
											MAX_BLOCKS_AT_ONCE));
		}
		UnlockRelationForExtension(index, ExclusiveLock);
	}
	reader->ix->file_blocks = nblocks;
}

/* The file may be behind the directories after a crash. */
static Buffer
read_block(HnswReader *reader, BlockNumber block)
{
	if (block >= reader->ix->file_blocks)
		hnsw_extend_file(reader, block);
	return ReadBuffer(reader->index, block);
}

/* A page for codes that come one by one has a hole behind the last one. */
static void
record_page_init(Page page, HnswRegionId region, uint32 page_no,
				 const HnswRecordLayout *layout)
{
	hnsw_page_init(page, region, page_no);
	((PageHeader) page)->pd_lower = layout->codes_offset;
}

static void
init_page(HnswReader *reader, BatchPage *page)
{
	switch (page->region)
	{
		case HNSW_REGION_CODES:
			record_page_init(page->page, HNSW_REGION_CODES, page->page_no,
							 &reader->ix->codes);
			break;
		case HNSW_REGION_REFINE:
			record_page_init(page->page, HNSW_REGION_REFINE, page->page_no,
							 &reader->ix->refine);
			break;
		case HNSW_REGION_NODES:
			node_page_init(page->page, page->page_no,
						   reader->ix->meta.nodes_per_page);
			break;
		case HNSW_REGION_OVERFLOW:
			overflow_page_init(page->page, page->page_no);
			break;
		default:
			hnsw_page_init(page->page, page->region, page->page_no);
			break;
	}
}

/*
 * Codes that come one by one are written into zeros, from the front.  Of a page
 * that is full, as builds make them, nothing is free.
 */
static bool
record_space_is_good(Page page, const HnswRecordLayout *layout)
{
	PageHeader	header = (PageHeader) page;
	const char *free_space = (char *) page + header->pd_lower;
	int			length = header->pd_upper - header->pd_lower;

	if (header->pd_lower < layout->codes_offset || length < 0 ||
		header->pd_upper != BLCKSZ)
		return false;
	return length == 0 ||
		(free_space[0] == 0 &&
		 memcmp(free_space, free_space + 1, length - 1) == 0);
}

static bool
space_is_good(const HnswIndex *ix, HnswRegionId region, Page page)
{
	switch (region)
	{
		case HNSW_REGION_NODES:
			return node_page_space_is_good(page, ix->meta.nodes_per_page);
		case HNSW_REGION_OVERFLOW:
			return overflow_page_space_is_good(page);
		case HNSW_REGION_CODES:
			return record_space_is_good(page, &ix->codes);
		case HNSW_REGION_REFINE:
			return record_space_is_good(page, &ix->refine);
		default:
			break;
	}
	return ((PageHeader) page)->pd_lower == BLCKSZ &&
		((PageHeader) page)->pd_upper == BLCKSZ;
}

/*
 * What is about to change must be what it should be, or damage would be made
 * worse.  The metapage may have been read from disk since it was validated.
 */
static void
verify_page(HnswReader *reader, const BatchPage *page)
{
	Page		found = BufferGetPage(page->buffer);
	const char *index_name = RelationGetRelationName(reader->index);

	hnsw_page_verify(found, page->region, page->page_no, page->block,
					 index_name);
	if (!space_is_good(reader->ix, page->region, found))
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" contains corrupted page at block %u",
						index_name, page->block),
				 errdetail("It cannot have free space from %u to %u.",
						   ((PageHeader) found)->pd_lower,
						   ((PageHeader) found)->pd_upper),
				 errhint("Please REINDEX it.")));
	if (page->region == HNSW_REGION_META)
		hnsw_meta_validate(HnswPageGetMeta(found), index_name);
}

void
page_batch_open(PageBatch *batch)
{
	HnswReader *reader = batch->reader;

	HNSW_TEST_POINT("record");
	for (int i = 0; i < batch->npages; i++)
		batch->pages[i].buffer = read_block(reader, batch->pages[i].block);

	batch->xlog = GenericXLogStart(reader->index);
	for (int i = 0; i < batch->npages; i++)
	{
		BatchPage  *page = &batch->pages[i];
		bool		is_new;

		LockBuffer(page->buffer, BUFFER_LOCK_EXCLUSIVE);
		is_new = page->region != HNSW_REGION_META &&
			PageIsNew(BufferGetPage(page->buffer));
		if (!is_new)
			verify_page(reader, page);
		page->page = GenericXLogRegisterBuffer(batch->xlog, page->buffer,
											   is_new ?
											   GENERIC_XLOG_FULL_IMAGE : 0);
		if (is_new)
			init_page(reader, page);
	}
}

Page
page_batch_page(PageBatch *batch, HnswRegionId region, uint32 page_no)
{
	const BatchPage *page = find_page(batch, region, page_no);

	Assert(page != NULL && batch->xlog != NULL);
	return page->page;
}

static void
release_pages(PageBatch *batch)
{
	for (int i = 0; i < batch->npages; i++)
		UnlockReleaseBuffer(batch->pages[i].buffer);
	batch->npages = 0;
}

void
page_batch_close(PageBatch *batch)
{
	GenericXLogFinish(batch->xlog);
	release_pages(batch);
	HNSW_TEST_POINT("recorded");
}

void
page_batch_abort(PageBatch *batch)
{
	GenericXLogAbort(batch->xlog);
	release_pages(batch);
}
