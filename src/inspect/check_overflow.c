/*-------------------------------------------------------------------------
 *
 * check_overflow.c
 *	  Overflow pages, each by itself, and the way to their items.
 *
 * src/inspect/check_overflow.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "inspect/check.h"

static void
check_overflow_page(HnswCheck *check, Page page, BlockNumber block)
{
	const HnswOverflowItem *items =
		(const HnswOverflowItem *) HnswPageGetBody(page);
	int			upper = ((PageHeader) page)->pd_upper;
	int			nitems = (((PageHeader) page)->pd_lower - HNSW_BODY_OFFSET) /
		sizeof(HnswOverflowItem);
	PageBytes	bytes[HNSW_BODY_SIZE / sizeof(HnswOverflowItem)];
	const PageBytes *overlap;
	int			n = 0;

	for (int i = 0; i < nitems; i++)
	{
		if (items[i].length == 0)
			continue;
		if (items[i].offset < upper ||
			items[i].offset + items[i].length > BLCKSZ)
			check_fault(check, "has an overflow item that is out of range",
						"Block %u, item %d: expected bytes from %d to %d, found %u at %u.",
						block, i + 1, upper, BLCKSZ, items[i].length,
						items[i].offset);
		bytes[n].offset = items[i].offset;
		bytes[n].length = items[i].length;
		bytes[n++].owner = i + 1;
	}

	overlap = check_find_overlap(bytes, n);
	if (overlap != NULL)
		check_fault(check, "has overflow items that overlap",
					"Block %u, item %u: expected its bytes from %d on, found those of item %u up to %d.",
					block, overlap->owner, overlap->offset, overlap[-1].owner,
					overlap[-1].offset + overlap[-1].length);
}

void
check_overflow(HnswCheck *check)
{
	uint32		npages = hnsw_directory(&check->meta,
										HNSW_REGION_OVERFLOW)->npages;

	check->items_used = palloc_extended(Max((Size) npages * ITEM_BYTES, 1),
										MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 page_no = 0; page_no < npages; page_no++)
	{
		PGAlignedBlock page;
		BlockNumber block;

		if (check_read_page(check, HNSW_REGION_OVERFLOW, page_no, true,
							page.data, &block))
			check_overflow_page(check, page.data, block);
	}
}

int
check_find_item(HnswCheck *check, BlockNumber block, PointId point,
				const ItemPointerData *where, void *item,
				BlockNumber *item_block)
{
	uint32		page_no = ItemPointerGetBlockNumberNoCheck(where);
	OffsetNumber number = ItemPointerGetOffsetNumberNoCheck(where);
	PGAlignedBlock page;
	const void *found;
	int			length;

	if (!check_overflow_exists(check, page_no))
		check_fault(check, "has a pointer to an overflow page that does not exist",
					"Block %u, point %u: expected a page below %u, found item (%u,%u).",
					block, point,
					hnsw_directory(&check->now, HNSW_REGION_OVERFLOW)->npages,
					page_no, number);
	(void) check_read_page(check, HNSW_REGION_OVERFLOW, page_no, false,
						   page.data, item_block);
	found = overflow_page_get(page.data, number, &length);
	if (found == NULL)
		return 0;
	memcpy(item, found, length);
	return length;
}
