/*-------------------------------------------------------------------------
 *
 * index.h
 *	  An open index, as one backend knows it.
 *
 * HnswIndex is what a backend keeps of an index between statements: a copy
 * of the metapage, the quantizer made from it, and where blocks were last
 * seen in shared buffers.  All of it can be made again from the relation.
 *
 * src/pages/index.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_INDEX_H
#define HNSW_INDEX_H

#include "compat.h"
#include "pages/link_codec.h"
#include "pages/page_format.h"
#include "quantize/quantize.h"
#include "storage/bufmgr.h"
#include "utils/relcache.h"

/*
 * The directories may name blocks that the file does not have yet, but never
 * more than that: a region at most doubles when it grows (see growth.c), and
 * that when the file has what was added before.
 */
#define HNSW_MAX_BLOCKS_AHEAD(file_blocks) \
	((uint64) (file_blocks) * 2 + HNSW_NUM_REGIONS * 16)

/* Where the records of a region with records of one size are. */
typedef struct HnswRecordLayout
{
	int			factors_size;	/* bytes of factors per record */
	int			code_size;		/* bytes of code per record */
	uint32		per_page;		/* records per page; 1 when a record takes
								 * several */
	uint32		pages_per_record;
	int			codes_offset;	/* of the first code in a page */
} HnswRecordLayout;

/* Which pages are used most, when not all of them can stay; see page_uses.h */
typedef struct HnswPageUses HnswPageUses;

/* Where blocks of the table were last seen; see am/heap_pages.c */
typedef struct HnswSeenBlocks HnswSeenBlocks;

typedef struct HnswIndex
{
	Oid			relid;			/* hash key */
	RelFileLocator locator;
	bool		stale;			/* to be made again, see index.c */
	MemoryContext context;

	HnswMetaPageData meta;		/* as of the last hnsw_index_open */
	XLogRecPtr	meta_lsn;		/* of its page then; 0 when that says nothing */
	Quantizer  *quantizer;
	HnswRecordLayout codes;
	HnswRecordLayout refine;
	uint32		upper_per_page;

	/* block number -> buffer it was last seen in, 0 unknown */
	Buffer	   *recent;
	BlockNumber nrecent;
	HnswPageUses *page_uses;	/* NULL when the index fits */

	uint8	   *value;			/* a code of variable size that was read */
	BlockNumber file_blocks;	/* the file has at least so many */
	uint32		overflow_hint;	/* overflow page that had room last */

	HnswSeenBlocks *table_seen; /* NULL until rows are read */
	void	   *insert_state;	/* of am/insert.c, NULL while in use */
} HnswIndex;

/*
 * The open form of an index, with the metapage read anew.  Valid until the
 * end of the transaction.  Errors: the metapage is damaged, is that of another
 * operator class, or written by a version that this one does not understand.
 */
extern HnswIndex *hnsw_index_open(Relation index);

/* Errors when the index must not be changed by this version. */
extern void hnsw_index_check_writable(const HnswIndex *ix, Relation index);

/* Reads the metapage again, after a number was met that meta does not know. */
extern void hnsw_index_refresh(HnswIndex *ix, Relation index);

/*
 * Checks a metapage body against everything that can be known without other
 * pages; reports ERRCODE_INDEX_CORRUPTED or FEATURE_NOT_SUPPORTED.
 */
extern void hnsw_meta_validate(const HnswMetaPageData *meta,
							   const char *index_name);

/* Is that page page_no of the region? */
static inline bool
hnsw_page_is(Page page, HnswRegionId region, uint32 page_no)
{
	const HnswPageTag *tag = HnswPageGetTag(page);

	return tag->magic == HNSW_PAGE_MAGIC && tag->region == region &&
		tag->page_no == page_no;
}

/* Errors when it is not. */
extern void hnsw_page_verify(Page page, HnswRegionId region, uint32 page_no,
							 BlockNumber block, const char *index_name);

extern void hnsw_page_init(Page page, HnswRegionId region, uint32 page_no);

extern void hnsw_record_layout(HnswRecordLayout *layout, int code_size,
							   int nfactors);

/* Those of the codes of a quantizer, or what stands for them, and refinement */
extern void hnsw_code_layouts(const Quantizer *quantizer,
							  HnswRecordLayout *codes,
							  HnswRecordLayout *refine);

/* So many points at a time should be near each other, as pages have codes. */
extern uint32 hnsw_points_together(const Quantizer *quantizer);
extern uint32 hnsw_record_pages(const HnswRecordLayout *layout,
								uint32 nrecords);

/* The quantizer that a metapage describes; centroid may be NULL. */
extern Quantizer *hnsw_meta_quantizer(const HnswMetaPageData *meta,
									  const float *centroid);

extern const char *hnsw_region_name(HnswRegionId region);

/* Bytes of a code in the piece-th of its pages */
static inline int
hnsw_piece_length(const HnswRecordLayout *layout, uint32 piece)
{
	if (layout->pages_per_record == 1)
		return layout->code_size;
	return Min(HNSW_PIECE_SIZE, layout->code_size - piece * HNSW_PIECE_SIZE);
}

/* Where the code of a record, or a piece of it, ends in its page */
static inline int
hnsw_code_end(const HnswRecordLayout *layout, uint32 index, uint32 piece)
{
	return layout->codes_offset + index * layout->code_size +
		hnsw_piece_length(layout, piece);
}

/* The entry point, as of the meta page that we know */
static inline GraphEntry
hnsw_index_entry(const HnswIndex *ix)
{
	GraphEntry	entry;

	entry.point = ix->meta.entry_point;
	entry.level = (GraphLevel) ix->meta.entry_level;
	return entry;
}

static inline const HnswRegionDirectory *
hnsw_directory(const HnswMetaPageData *meta, HnswRegionId region)
{
	return &meta->regions[region - 1];
}

/* Block of page page_no of a region, InvalidBlockNumber when there is none. */
static inline BlockNumber
hnsw_region_block(const HnswRegionDirectory *directory, uint32 page_no)
{
	for (uint32 i = 0; i < directory->nextents; i++)
	{
		const HnswExtent *extent = &directory->extents[i];

		if (page_no < extent->npages)
			return extent->start + page_no;
		page_no -= extent->npages;
	}
	return InvalidBlockNumber;
}

#endif							/* HNSW_INDEX_H */
