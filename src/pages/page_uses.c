/*-------------------------------------------------------------------------
 *
 * page_uses.c
 *	  Which pages of an index are worth their place in shared buffers.
 *
 * Counted are searches that use a page, by each backend for itself.  Those of
 * most searches, as many as three quarters of shared buffers hold, are to stay
 * there; the others pass through a ring of a few buffers.
 *
 * src/pages/page_uses.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "pages/page_uses.h"
#include "utils/memutils.h"

/*
 * About what a search uses at an ef of 40, so that it seldom reads a page twice.
 * The server takes less when that is more than an eighth of its buffers.
 */
#define RING_KB				1024

/* After so many uses for each buffer all numbers are halved. */
#define USES_PER_BUFFER		32

/* Uses from one look at which pages are hot to the next */
#define USES_BETWEEN_LOOKS	256

#define HOT_BUFFERS			((uint64) NBuffers * 3 / 4)

static HnswPageUses *
create_uses(HnswIndex *ix)
{
	MemoryContext old = MemoryContextSwitchTo(ix->context);
	HnswPageUses *uses = palloc0(sizeof(HnswPageUses));

	uses->hot = PAGE_USES_FIT;
	uses->ring = GetAccessStrategyWithSize(BAS_BULKREAD, RING_KB);
	MemoryContextSwitchTo(old);
	return uses;
}

/* Makes room for every block that ix->recent has room for. */
static void
size_uses(HnswPageUses *uses, HnswIndex *ix)
{
	BlockNumber added = ix->nrecent - uses->npages;

	if (added == 0)
		return;
	if (uses->pages == NULL)
		uses->pages = MemoryContextAllocHuge(ix->context,
											 ix->nrecent * sizeof(PageUse));
	else
		uses->pages = repalloc_huge(uses->pages,
									ix->nrecent * sizeof(PageUse));
	memset(uses->pages + uses->npages, 0, added * sizeof(PageUse));
	uses->npages_of[0] += added;
	uses->npages = ix->nrecent;
}

void
hnsw_page_uses_begin(HnswIndex *ix)
{
	if (likely(ix->nrecent <= (BlockNumber) NBuffers))
		return;
	if (ix->page_uses == NULL)
		ix->page_uses = create_uses(ix);
	size_uses(ix->page_uses, ix);
	ix->page_uses->search++;
}

static void
halve(HnswPageUses *uses)
{
	memset(uses->npages_of, 0, sizeof(uses->npages_of));
	for (BlockNumber i = 0; i < uses->npages; i++)
	{
		uses->pages[i].searches /= 2;
		uses->npages_of[uses->pages[i].searches]++;
	}
	uses->ncounted = 0;
}

/* From how many searches on pages fit into their share of the buffers */
static uint8
find_hot(const HnswPageUses *uses)
{
	uint64		npages = 0;
	int			n = PAGE_USES_MAX;

	while (n > 0 && npages + uses->npages_of[n] <= HOT_BUFFERS)
		npages += uses->npages_of[n--];
	StaticAssertStmt(PAGE_USES_FIT == 1, "pages of no search do not count");
	return Min(n + 1, PAGE_USES_MAX);
}

void
hnsw_page_uses_count(HnswPageUses *uses, PageUse *page)
{
	if (page->searches < PAGE_USES_MAX)
	{
		uses->npages_of[page->searches]--;
		uses->npages_of[++page->searches]++;
	}
	if (++uses->ncounted >= (uint64) NBuffers * USES_PER_BUFFER)
		halve(uses);
	if (uses->ncounted % USES_BETWEEN_LOOKS == 0)
		uses->hot = find_hot(uses);
}
