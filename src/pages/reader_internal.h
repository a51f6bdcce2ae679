/*-------------------------------------------------------------------------
 *
 * reader_internal.h
 *	  What the sources that read an index share.
 *
 * src/pages/reader_internal.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_READER_INTERNAL_H
#define HNSW_READER_INTERNAL_H

#include "pages/page_uses.h"
#include "pages/reader.h"
#include "pages/unpinned.h"

/* Bytes of a long code or list that are asked for ahead */
#define MAX_PREFETCH			512

extern void hnsw_point_corrupted(HnswReader *reader, PointId point,
								 const char *what);

/* Complains that the region has no such page. */
extern void hnsw_page_missing(HnswReader *reader, HnswRegionId region,
							  uint32 page_no);

/* Pins a block that is page page_no of the region. */
extern Buffer hnsw_pin_block(HnswReader *reader, HnswRegionId region,
							 uint32 page_no, BlockNumber block);

/*
 * Block of a page of a region.  The page numbers we are asked for come from
 * point ids that were checked against the metapage, whose directories were
 * checked against the same number.
 */
static inline BlockNumber
locate_page(HnswReader *reader, HnswRegionId region, uint32 page_no)
{
	BlockNumber block = hnsw_region_block(hnsw_directory(&reader->ix->meta,
														 region), page_no);

	if (unlikely(block == InvalidBlockNumber))
		hnsw_page_missing(reader, region, page_no);
	return block;
}

static inline void
count_unpinned(HnswReader *reader, HnswRegionId region)
{
	reader->pins[region]++;
	unpinned_count(reader->index);
}

#endif							/* HNSW_READER_INTERNAL_H */
