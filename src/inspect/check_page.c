/*-------------------------------------------------------------------------
 *
 * check_page.c
 *	  What a check does with every page.
 *
 * src/inspect/check_page.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "inspect/check.h"
#include "miscadmin.h"

/*
 * Is the block in the file?  The directory may be ahead of it, and the file
 * may have grown since the check began.
 */
static bool
block_exists(HnswCheck *check, BlockNumber block)
{
	if (block >= check->nblocks)
		check->nblocks = RelationGetNumberOfBlocks(check->index);
	return block < check->nblocks;
}

static void
copy_block(HnswCheck *check, BlockNumber block, Page page)
{
	Buffer		buffer;

	CHECK_FOR_INTERRUPTS();
	buffer = ReadBufferExtended(check->index, MAIN_FORKNUM, block, RBM_NORMAL,
								check->strategy);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
}

static void
check_tag(HnswCheck *check, HnswRegionId region, uint32 page_no, Page page,
		  BlockNumber block)
{
	const HnswPageTag *tag = HnswPageGetTag(page);

	if (tag->magic != HNSW_PAGE_MAGIC || tag->region != region ||
		tag->page_no != page_no || tag->reserved != 0)
		check_fault(check, "has a page with a wrong tag",
					"Block %u: expected magic %04X, region %d (\"%s\"), page %u, found magic %04X, region %u, page %u.",
					block, HNSW_PAGE_MAGIC, region, hnsw_region_name(region),
					page_no, tag->magic, tag->region, tag->page_no);
}

/* A page of codes ends behind one of them, when it was built behind all. */
static int
expected_code_end(const HnswRecordLayout *layout, int lower)
{
	int			step = layout->pages_per_record > 1 ? 1 : layout->code_size;

	return lower >= layout->codes_offset && lower <= BLCKSZ &&
		(lower - layout->codes_offset) % step == 0 ? lower : BLCKSZ;
}

/* The header alone; what lower and upper mean is the region's business. */
static void
check_header(HnswCheck *check, HnswRegionId region, Page page,
			 BlockNumber block)
{
	PageHeader	header = (PageHeader) page;
	int			lower = header->pd_lower;
	int			upper = header->pd_upper;
	int			expected = BLCKSZ;

	if (PageGetPageSize(page) != BLCKSZ || header->pd_special != BLCKSZ ||
		PageGetPageLayoutVersion(page) != PG_PAGE_LAYOUT_VERSION)
		check_fault(check, "has a page with a wrong header",
					"Block %u: expected size %d, special space at %d, layout version %d, found %d, %u, %d.",
					block, BLCKSZ, BLCKSZ, PG_PAGE_LAYOUT_VERSION,
					(int) PageGetPageSize(page), header->pd_special,
					(int) PageGetPageLayoutVersion(page));

	switch (region)
	{
		case HNSW_REGION_CODES:
			expected = expected_code_end(&check->codes, lower);
			break;
		case HNSW_REGION_REFINE:
			expected = expected_code_end(&check->refine, lower);
			break;
		case HNSW_REGION_NODES:
			expected = HNSW_BODY_OFFSET +
				check->meta.nodes_per_page * sizeof(HnswNode);
			break;
		case HNSW_REGION_OVERFLOW:
			if (lower >= HNSW_BODY_OFFSET && lower <= BLCKSZ &&
				(lower - HNSW_BODY_OFFSET) % sizeof(HnswOverflowItem) == 0)
				expected = lower;
			else
				expected = HNSW_BODY_OFFSET;
			break;
		default:
			break;
	}
	if (lower != expected || upper < lower || upper > BLCKSZ)
		check_fault(check, "has a page with a wrong free space",
					"Block %u: expected free space from %d to at most %d, found %d to %d.",
					block, expected, BLCKSZ, lower, upper);
}

bool
check_read_page(HnswCheck *check, HnswRegionId region, uint32 page_no,
				bool may_be_new, Page page, BlockNumber *block)
{
	*block = region == HNSW_REGION_META ? HNSW_META_BLOCK :
		hnsw_region_block(hnsw_directory(&check->now, region), page_no);
	if (!block_exists(check, *block))
	{
		if (may_be_new)
			return false;
		check_fault(check, "is shorter than its directory says",
					"Block %u: expected page %u of region \"%s\", found %u blocks in all.",
					*block, page_no, hnsw_region_name(region), check->nblocks);
	}
	copy_block(check, *block, page);
	if (PageIsNew(page))
	{
		if (may_be_new)
			return false;
		check_fault(check, "has an unexpected zero page",
					"Block %u: expected page %u of region \"%s\", found zeros.",
					*block, page_no, hnsw_region_name(region));
	}
	check_tag(check, region, page_no, page, *block);
	check_header(check, region, page, *block);
	return true;
}

void
check_refresh(HnswCheck *check)
{
	PGAlignedBlock page;
	BlockNumber block;

	(void) check_read_page(check, HNSW_REGION_META, 0, false, page.data,
						   &block);
	memcpy(&check->now, HnswPageGetMeta(page.data), sizeof(HnswMetaPageData));
	hnsw_meta_validate(&check->now, check->name);
}

bool
check_any_present(const HnswCheck *check, uint64 first, uint32 count)
{
	for (uint64 i = first; i < first + count && i < check->meta.npoints; i++)
	{
		if ((check->points[i] & POINT_PRESENT) != 0)
			return true;
	}
	return false;
}

bool
check_point_exists(HnswCheck *check, PointId point)
{
	if (point >= check->now.npoints)
		check_refresh(check);
	return point < check->now.npoints;
}

bool
check_slot_exists(HnswCheck *check, uint32 slot)
{
	if (slot >= check->now.nslots)
		check_refresh(check);
	return slot < check->now.nslots;
}

bool
check_overflow_exists(HnswCheck *check, uint32 page_no)
{
	if (page_no >= hnsw_directory(&check->now, HNSW_REGION_OVERFLOW)->npages)
		check_refresh(check);
	return page_no < hnsw_directory(&check->now, HNSW_REGION_OVERFLOW)->npages;
}

uint8
check_current_info(HnswCheck *check, PointId point)
{
	uint32		per_page = check->meta.nodes_per_page;
	PGAlignedBlock page;
	BlockNumber block;
	const HnswNode *node;

	if (!check_read_page(check, HNSW_REGION_NODES, point / per_page, true,
						 page.data, &block))
		return 0;
	node = (const HnswNode *) HnswPageGetBody(page.data) + point % per_page;
	return node->info;
}

static inline bool
is_linkable(uint8 point, int level)
{
	return (point & POINT_PRESENT) != 0 && (point & POINT_LEVEL_MASK) >= level;
}

bool
check_link(HnswCheck *check, BlockNumber block, PointId from, int level,
		   PointId to)
{
	uint8		point = 0;

	if (to == from)
		check_fault(check, "has a point that is linked to itself",
					"Block %u, point %u, level %d: expected links to other points, found %u.",
					block, from, level, to);
	if (!check_point_exists(check, to))
		check_fault(check, "has a link to a point that does not exist",
					"Block %u, point %u, level %d: expected links to points below %u, found %u.",
					block, from, level, check->now.npoints, to);

	/* what was learned from the nodes may be older than the link */
	if (to < check->meta.npoints)
		point = check->points[to];
	return is_linkable(point, level) ||
		is_linkable(check_current_info(check, to), level);
}

void
check_bad_link(HnswCheck *check, BlockNumber block, PointId from, int level,
			   PointId to)
{
	uint8		point = check_current_info(check, to);

	if ((point & POINT_PRESENT) == 0)
		check_fault(check, "has a link to a point that is not in use",
					"Block %u, point %u, level %d: expected links to points in use, found %u.",
					block, from, level, to);
	check_fault(check, "has a link to a point that is not at its level",
				"Block %u, point %u, level %d: expected links to points of level %d or higher, found %u of level %d.",
				block, from, level, level, to, point & POINT_LEVEL_MASK);
}

static int
compare_bytes(const void *a, const void *b)
{
	return ((const PageBytes *) a)->offset - ((const PageBytes *) b)->offset;
}

const PageBytes *
check_find_overlap(PageBytes *bytes, int n)
{
	qsort(bytes, n, sizeof(PageBytes), compare_bytes);
	for (int i = 1; i < n; i++)
	{
		if (bytes[i].offset < bytes[i - 1].offset + bytes[i - 1].length)
			return &bytes[i];
	}
	return NULL;
}
