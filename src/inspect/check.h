/*-------------------------------------------------------------------------
 *
 * check.h
 *	  The state of a structure check, private to src/inspect.
 *
 * A check goes through the index region by region, in the order of blocks.
 * It copies each page under the share lock and trusts nothing on the copy.
 * Inserts and vacuum may run beside it: whatever looks wrong because it is
 * newer than what the check knows is looked up again before it is a fault.
 * A page that holds nothing in use need not have been written yet: it may
 * be zero, or behind the end of the file.
 *
 *	  metapage			check_meta.c
 *	  parameters		check_records.c
 *	  nodes				check_nodes.c: each page by itself; learns the level
 *						of each point and which upper slots are whose
 *	  codes, refinement check_records.c
 *	  upper levels		check_upper.c
 *	  overflow			check_overflow.c: each page by itself
 *	  lists				check_lists.c: links of level 0, heap TIDs, codes
 *						of variable size
 *	  free points		check_free.c
 *	  reachability		check_reach.c
 *	  rows of the table check_rows.c, when asked for
 *
 * Memory: a byte per point, four bytes per upper slot, a bit per possible
 * overflow item, and maintenance_work_mem to sort the heap TIDs; with rows of
 * the table, maintenance_work_mem once more.
 *
 * src/inspect/check.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_INSPECT_CHECK_H
#define HNSW_INSPECT_CHECK_H

#include "pages/index.h"
#include "pages/node_page.h"
#include "utils/tuplesort.h"

/* What is remembered of a point: its level, and */
#define POINT_LEVEL_MASK	HNSW_NODE_LEVEL_MASK
#define POINT_PRESENT		HNSW_NODE_PRESENT
#define POINT_LIVE			0x20	/* stands for a heap row */
#define POINT_REACHED		0x40	/* links lead to it */
#define POINT_EXPANDED		0x80	/* its links have been followed */

typedef struct HnswCheck
{
	Relation	index;
	Relation	heap;
	const char *name;			/* of the index */
	BlockNumber nblocks;		/* of the index */
	BlockNumber heap_blocks;	/* of the table, at least */
	BufferAccessStrategy strategy;

	HnswMetaPageData meta;		/* as of the beginning */
	HnswMetaPageData now;		/* as of the last look */
	Quantizer  *quantizer;		/* without its centroid */
	HnswRecordLayout codes;
	HnswRecordLayout refine;

	uint8	   *points;			/* POINT_*, by point */
	PointId    *slot_owners;	/* by upper slot, InvalidPointId when none */
	uint8	   *items_used;		/* by overflow page, ITEM_BYTES each */
	Tuplesortstate *tids;
	struct RowTwice *twice;		/* see check_lists.c */
	int			ntwice;
} HnswCheck;

/* Bytes with a bit for each item that an overflow page can have */
#define ITEM_BYTES \
	((HNSW_BODY_SIZE / sizeof(HnswOverflowItem) + 7) / 8)

/*
 * Reports a fault: what is wrong (literal, goes on after 'index "name" '),
 * and where, with what was expected and what was found.
 */
#define check_fault(check, what, ...) \
	ereport(ERROR, \
			(errcode(ERRCODE_INDEX_CORRUPTED), \
			 errmsg("index \"%s\" " what, (check)->name), \
			 errdetail_internal(__VA_ARGS__), \
			 errhint("Please REINDEX it.")))

/*-------------------------------------------------------------------------
 * check_page.c: pages in general
 *-------------------------------------------------------------------------
 */

/*
 * Copies page page_no of a region, which the directory has, and checks its
 * header and tag.  With may_be_new a page that was never written is good, too,
 * and gives false.
 */
extern bool check_read_page(HnswCheck *check, HnswRegionId region,
							uint32 page_no, bool may_be_new, Page page,
							BlockNumber *block);

/* Looks at the metapage again, for what has been added since. */
extern void check_refresh(HnswCheck *check);

/* Is any of count points from first on in use?  After check_nodes. */
extern bool check_any_present(const HnswCheck *check, uint64 first,
							  uint32 count);

/* Is there such a point, slot, overflow page now? */
extern bool check_point_exists(HnswCheck *check, PointId point);
extern bool check_slot_exists(HnswCheck *check, uint32 slot);
extern bool check_overflow_exists(HnswCheck *check, uint32 page_no);

/* Level and flags of a point as its node has them now */
extern uint8 check_current_info(HnswCheck *check, PointId point);

/*
 * Complains about a link from a point to itself or to one that does not exist;
 * returns whether it leads to a point in use at that level.  That is a must
 * for the links of live points: those of dead ones are not repaired any more,
 * and those of free ones are left over.  block is where the link is stored.
 */
extern bool check_link(HnswCheck *check, BlockNumber block, PointId from,
					   int level, PointId to);

/* Complains about a link for which check_link gave false. */
extern void check_bad_link(HnswCheck *check, BlockNumber block, PointId from,
						   int level, PointId to);

/* A stretch of bytes on a page, and whose it is */
typedef struct PageBytes
{
	int			offset;
	int			length;
	uint32		owner;
} PageBytes;

/*
 * Sorts n stretches by offset and returns the first one that overlaps the
 * one before it, or NULL.
 */
extern const PageBytes *check_find_overlap(PageBytes *bytes, int n);

/*-------------------------------------------------------------------------
 * One part of the index each
 *-------------------------------------------------------------------------
 */
extern void check_meta(HnswCheck *check);
extern void check_parameters(HnswCheck *check);
extern void check_codes(HnswCheck *check);
extern void check_nodes(HnswCheck *check);
extern void check_upper(HnswCheck *check);
extern void check_overflow(HnswCheck *check);
extern void check_lists(HnswCheck *check);
extern void check_reachable(HnswCheck *check);

/* Returns how many free points are in the lists. */
extern uint32 check_free_points(HnswCheck *check);

/* Every row of the table that belongs into the index is there. */
extern void check_rows(HnswCheck *check);

/*-------------------------------------------------------------------------
 * Shared by the passes over nodes
 *-------------------------------------------------------------------------
 */

/* A node off a page copy; complains when it cannot be read. */
extern void check_get_node(HnswCheck *check, Page page, BlockNumber block,
						   PointId point, HnswNodeCopy *copy,
						   HnswNodeParts *parts);

/*
 * The links of a node at level 0, without checks: nodes change while a check
 * goes on.  Returns how many, or less than 0.
 */
extern int	check_get_links(HnswCheck *check, BlockNumber block,
							PointId point, const HnswNodeCopy *copy,
							const HnswNodeParts *parts, PointId *links);

/* How many of the points marked POINT_LIVE no search can reach */
extern uint64 check_count_unreachable(HnswCheck *check);

/*
 * Copies an overflow item that a point names (room for BLCKSZ); returns its
 * length, 0 when there is no such item.  item_block is where it is.
 */
extern int	check_find_item(HnswCheck *check, BlockNumber block,
							PointId point, const ItemPointerData *where,
							void *item, BlockNumber *item_block);

#endif							/* HNSW_INSPECT_CHECK_H */
