/*-------------------------------------------------------------------------
 *
 * heap_pages.h
 *	  The pages of a table in shared buffers, where they were last seen.
 *
 * src/am/heap_pages.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_HEAP_PAGES_H
#define HNSW_HEAP_PAGES_H

#include "access/relscan.h"
#include "pages/index.h"
#include "storage/bufmgr.h"

typedef struct HnswHeapPages
{
	Relation	heap;
	HnswSeenBlocks *seen;		/* NULL: nothing can be known */
	BlockNumber nblocks;		/* of the heap, 0 not looked at yet */
	BufferAccessStrategy ring;	/* to read pages through, or NULL */
} HnswHeapPages;

/* The most rows that hnsw_heap_pages_prefetch takes */
#define HNSW_HEAP_PREFETCH	16

/* Is the table one whose rows are read with the functions here? */
extern bool hnsw_is_heap(Relation table);

/* What is seen is kept with the open index. */
extern void hnsw_heap_pages_init(HnswHeapPages *pages, Relation heap,
								 HnswIndex *ix);

/* Pins a page of a heap. */
extern Buffer hnsw_heap_pages_pin(HnswHeapPages *pages, BlockNumber block);

/* Asks for rows that are wanted soon.  A hint, TIDs may be any. */
extern void hnsw_heap_pages_prefetch(HnswHeapPages *pages,
									 const ItemPointerData *tids, int n);

/*
 * Pins the page of a row for who is about to fetch that through fetch, so that
 * it need not look for the page.  Does nothing when the page is not where it was
 * seen, unless pages are read through a ring.
 */
extern void hnsw_heap_pages_hand_over(HnswHeapPages *pages,
									  IndexFetchTableData *fetch,
									  const ItemPointerData *tid);

#endif							/* HNSW_HEAP_PAGES_H */
