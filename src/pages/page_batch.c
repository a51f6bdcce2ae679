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
#include "pages/page_batch.h"
#include "storage/lmgr.h"
#include "utils/rel.h"

void
page_batch_init(PageBatch *batch, HnswReader *reader)
{
	batch->reader = reader;
	batch->xlog = NULL;
	batch->npages = 0;
}

static BatchPage *
find_page(PageBatch *batch, HnswRegionId region, uint32 page_no)
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
page_batch_add(PageBatch *batch, HnswRegionId region, uint32 page_no)
{
	BlockNumber block;
	int			i;

	Assert(batch->xlog == NULL);
	if (find_page(batch, region, page_no) != NULL)
		return true;
	if (batch->npages == MAX_GENERIC_XLOG_PAGES)
		return false;

	block = region == HNSW_REGION_META ? HNSW_META_BLOCK :
		hnsw_reader_block(batch->reader, region, page_no);
	for (i = batch->npages++; i > 0 && batch->pages[i - 1].block > block; i--)
		batch->pages[i] = batch->pages[i - 1];
	batch->pages[i].region = region;
	batch->pages[i].page_no = page_no;
	batch->pages[i].block = block;
	batch->pages[i].buffer = InvalidBuffer;
	return true;
}

/*
 * Makes the file long enough for a block that the directory names.  What
 * other regions have in between becomes zero pages, which are what a page is
 * before it is first written.
 */
static void
extend_file(Relation index, BlockNumber block)
{
	LockRelationForExtension(index, ExclusiveLock);
	while (RelationGetNumberOfBlocks(index) <= block)
		ReleaseBuffer(ExtendBufferedRel(BMR_REL(index), MAIN_FORKNUM, NULL,
										EB_SKIP_EXTENSION_LOCK));
	UnlockRelationForExtension(index, ExclusiveLock);
}

static Buffer
read_block(HnswReader *reader, BlockNumber block)
{
	HnswIndex  *ix = reader->ix;

	if (block >= ix->file_blocks)
	{
		ix->file_blocks = RelationGetNumberOfBlocks(reader->index);
		if (block >= ix->file_blocks)
			extend_file(reader->index, block);
	}
	return ReadBuffer(reader->index, block);
}

static void
init_page(HnswReader *reader, BatchPage *page)
{
	switch (page->region)
	{
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

void
page_batch_open(PageBatch *batch)
{
	HnswReader *reader = batch->reader;

	for (int i = 0; i < batch->npages; i++)
		batch->pages[i].buffer = read_block(reader, batch->pages[i].block);

	batch->xlog = GenericXLogStart(reader->index);
	for (int i = 0; i < batch->npages; i++)
	{
		BatchPage  *page = &batch->pages[i];
		bool		is_new;

		LockBuffer(page->buffer, BUFFER_LOCK_EXCLUSIVE);
		is_new = PageIsNew(BufferGetPage(page->buffer));
		if (!is_new)
			hnsw_page_verify(BufferGetPage(page->buffer), page->region,
							 page->page_no, page->block,
							 RelationGetRelationName(reader->index));
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
	BatchPage  *page = find_page(batch, region, page_no);

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
}

void
page_batch_abort(PageBatch *batch)
{
	GenericXLogAbort(batch->xlog);
	release_pages(batch);
}
