/*-------------------------------------------------------------------------
 *
 * page_batch.h
 *	  A few pages that change together, in one generic WAL record.
 *
 * Name the pages, open, change what page_batch_page gives, close:
 *
 *		page_batch_init(&batch, reader);
 *		page_batch_add(&batch, region, page_no);
 *		page_batch_open(&batch);
 *		page = page_batch_page(&batch, region, page_no);
 *		...
 *		page_batch_close(&batch);
 *
 * Between open and close all pages are locked exclusively, and nothing that
 * can wait may be done.
 *
 * src/pages/page_batch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_PAGE_BATCH_H
#define HNSW_PAGE_BATCH_H

#include "access/generic_xlog.h"
#include "pages/reader.h"

typedef struct BatchPage
{
	HnswRegionId region;
	uint32		page_no;
	BlockNumber block;
	Buffer		buffer;
	Page		page;			/* generic WAL's copy */
} BatchPage;

typedef struct PageBatch
{
	HnswReader *reader;
	GenericXLogState *xlog;
	int			npages;
	BatchPage	pages[MAX_GENERIC_XLOG_PAGES];
} PageBatch;

extern void page_batch_init(PageBatch *batch, HnswReader *reader);

/* Names a page; false when the batch is full.  Naming one twice is fine. */
extern bool page_batch_add(PageBatch *batch, HnswRegionId region,
						   uint32 page_no);

extern bool page_batch_has(const PageBatch *batch, HnswRegionId region,
						   uint32 page_no);

/*
 * Locks the pages in the order of their blocks.  A page of the file that was
 * never written comes as an empty page of its region.
 */
extern void page_batch_open(PageBatch *batch);

extern Page page_batch_page(PageBatch *batch, HnswRegionId region,
							uint32 page_no);

/* Makes the changes, or forgets them, and releases the pages. */
extern void page_batch_close(PageBatch *batch);
extern void page_batch_abort(PageBatch *batch);

/*
 * Makes the file long enough for a block.  What other regions have before it
 * becomes zero pages, which are what a page is before it is first written.
 */
extern void hnsw_extend_file(HnswReader *reader, BlockNumber block);

#endif							/* HNSW_PAGE_BATCH_H */
