/*-------------------------------------------------------------------------
 *
 * page_uses.h
 *	  Which pages of an index are worth their place in shared buffers.
 *
 * "An index larger than shared buffers" in src/README says what it is for.
 *
 * src/pages/page_uses.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_PAGE_USES_H
#define HNSW_PAGE_USES_H

#include "pages/index.h"
#include "storage/buf_internals.h"

#define PAGE_USES_MAX		PG_UINT8_MAX

typedef struct PageUse
{
	uint8		searches;		/* that used it; what they count for fades */
	uint8		last_search;	/* that did, modulo 256 */
} PageUse;

struct HnswPageUses
{
	PageUse    *pages;			/* per block */
	BlockNumber npages;			/* blocks the file had when it was sized */
	BlockNumber npages_of[PAGE_USES_MAX + 1];	/* by number of searches */
	uint64		ncounted;		/* since all numbers were halved */
	uint8		hot;			/* pages of so many searches are to stay */
	uint8		search;			/* the one under way, modulo 256 */
	BufferAccessStrategy ring;	/* through which the others are read */
};

/*
 * A search begins.  Does nothing as long as the index fits into shared buffers;
 * then ix->page_uses is NULL.
 */
extern void hnsw_page_uses_begin(HnswIndex *ix);

/* For page_usage_due: another page was used. */
extern void hnsw_page_uses_count(HnswPageUses *uses, PageUse *page);

/* As long as pages of one search are hot not more were used than can stay. */
#define PAGE_USES_FIT		1

/*
 * A search uses a page.  Returns the usage count below which its buffer should
 * be read the ordinary way, which raises it.
 *
 * The usual one is 1: what the clock sweep has passed would be the next to go.
 * Pages that are to stay are made to; others are left to the sweep.
 */
static inline uint32
page_usage_due(HnswIndex *ix, BlockNumber block)
{
	HnswPageUses *uses = ix->page_uses;
	PageUse    *page;

	if (likely(uses == NULL) || block >= uses->npages)
		return 1;
	page = &uses->pages[block];
	if (page->last_search != uses->search)
	{
		page->last_search = uses->search;
		hnsw_page_uses_count(uses, page);
	}
	if (uses->hot == PAGE_USES_FIT)
		return 1;
	return page->searches >= uses->hot ? BM_MAX_USAGE_COUNT : 0;
}

/* How a search reads a page that is in no buffer */
static inline BufferAccessStrategy
page_strategy(const HnswIndex *ix, BlockNumber block)
{
	const HnswPageUses *uses = ix->page_uses;

	if (likely(uses == NULL) || block >= uses->npages ||
		uses->pages[block].searches >= uses->hot)
		return NULL;
	return uses->ring;
}

#endif							/* HNSW_PAGE_USES_H */
