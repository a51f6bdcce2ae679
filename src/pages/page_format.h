/*-------------------------------------------------------------------------
 *
 * page_format.h
 *	  Everything that is on disk, and nothing else.
 *
 * Block 0 is the metapage; every other block belongs to a region.  A region
 * is a list of extents (runs of consecutive blocks), and a page of a region
 * is found by its number within the region through the directory in the
 * metapage.  Numbers are in the byte order of the server, as everywhere in
 * PostgreSQL; nothing depends on the server's major version.
 *
 * Every page begins like this:
 *
 *	  0 +----------------------------------------------+
 *		| PageHeaderData								   |
 *	 24 +----------------------------------------------+
 *		| HnswPageTag: which page of which region	   |
 *	 32 +----------------------------------------------+
 *		| body										   |
 *
 * Code page (and refinement page, with the refinement's sizes), n records:
 *
 *	 32 +----------------------------------------------+
 *		| factors of record 0 | of record 1 | ... n-1  |
 *		+----------------------------------------------+
 *		| unused									   |
 *		+----------------------------------------------+
 *		| code of record 0 | code of record 1 | ... 	|
 *		+------------------------------ pd_lower -------+
 *		| free, until all n are there				   |
 *	 8k +----------------------------------------------+
 *
 * Codes end at the end of the page, so that a code whose size is a multiple
 * of 64 bytes starts at a cache line.  A code that does not fit a page takes
 * as many pages as it needs, each with HNSW_PIECE_SIZE bytes of it at the end
 * and the factors in the first.  In place of a code of variable size there is
 * an ItemPointerData to it in the overflow region.
 *
 * Node page, nodes of consecutive points:
 *
 *	 32 +----------------------------------------------+
 *		| HnswNode of the first point | second | ...   |
 *		+------------------------------ pd_lower -------+
 *		| free										   |
 *		+------------------------------ pd_upper -------+
 *		| variable parts, in any order				   |
 *	 8k +----------------------------------------------+
 *
 * Upper page: slots of fixed size, HnswUpperSlot.  Overflow page: slot
 * directory of HnswOverflowItem behind the tag, items from the end downwards.
 * Parameter page: HNSW_PARAMS_PER_PAGE bytes of the parameter stream, which
 * is the centroid, dimensions float4 numbers (absent for unrotated codes).
 *
 * src/pages/page_format.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_PAGE_FORMAT_H
#define HNSW_PAGE_FORMAT_H

#include "access/transam.h"
#include "graph/graph.h"
#include "storage/block.h"
#include "storage/bufpage.h"
#include "storage/itemptr.h"

#define HNSW_META_BLOCK			((BlockNumber) 0)

#define HNSW_MAGIC				0x48765848
#define HNSW_PAGE_MAGIC			0xF0A7
#define HNSW_FORMAT_VERSION		1

/*
 * Feature bits.  A server that does not know a may-read bit must not use the
 * index at all; one that does not know a may-write bit must not change it.
 */
#define HNSW_MAY_READ_KNOWN		0
#define HNSW_MAY_WRITE_KNOWN	0

typedef enum HnswRegionId
{
	HNSW_REGION_META = 0,
	HNSW_REGION_PARAMS = 1,
	HNSW_REGION_CODES = 2,
	HNSW_REGION_REFINE = 3,
	HNSW_REGION_NODES = 4,
	HNSW_REGION_UPPER = 5,
	HNSW_REGION_OVERFLOW = 6
} HnswRegionId;

/* Regions with a directory: index with region id - 1. */
#define HNSW_NUM_REGIONS		6

typedef struct HnswPageTag
{
	uint16		magic;			/* HNSW_PAGE_MAGIC */
	uint8		region;			/* HnswRegionId */
	uint8		reserved;		/* 0 */
	uint32		page_no;		/* number within the region */
} HnswPageTag;

#define HNSW_BODY_OFFSET		32
#define HNSW_BODY_SIZE			(BLCKSZ - HNSW_BODY_OFFSET)

#define HnswPageGetTag(page) \
	((HnswPageTag *) ((char *) (page) + SizeOfPageHeaderData))
#define HnswPageGetBody(page) \
	((char *) (page) + HNSW_BODY_OFFSET)

/*-------------------------------------------------------------------------
 * Metapage
 *-------------------------------------------------------------------------
 */
typedef struct HnswExtent
{
	BlockNumber start;
	uint32		npages;
} HnswExtent;

#define HNSW_MAX_EXTENTS		144

typedef struct HnswRegionDirectory
{
	uint32		npages;			/* sum over the extents */
	uint32		nextents;
	HnswExtent	extents[HNSW_MAX_EXTENTS];
} HnswRegionDirectory;

#define HNSW_SELECT_HEURISTIC	0x01
#define HNSW_SELECT_EXTEND		0x02
#define HNSW_SELECT_KEEP_PRUNED 0x04

typedef struct HnswMetaPageData
{
	uint32		magic;
	uint32		version;
	uint32		may_read;		/* feature bits */
	uint32		may_write;

	/* set at build */
	uint32		dimensions;
	uint8		metric;			/* HnswMetric */
	uint8		quantizer;		/* QuantizerKind */
	uint8		link_format;	/* LinkFormat */
	uint8		select_flags;	/* HNSW_SELECT_* */
	uint16		m;
	uint16		ef_construction;
	uint32		nodes_per_page;
	uint64		seed;			/* of rotation and levels */
	float		lift_sq;		/* inner product, see Quantizer */
	uint32		lift_rows;		/* whose norms lift_sq is made of */

	/* changes with inserts and vacuum */
	uint32		npoints;		/* point ids given out: 0 .. npoints - 1 */
	uint32		nslots;			/* upper slots given out */
	PointId		entry_point;	/* InvalidPointId when there is none */
	uint32		entry_level;

	HnswRegionDirectory regions[HNSW_NUM_REGIONS];

	/*
	 * Points that are free, by level: the first of a list that goes on in
	 * their nodes, InvalidPointId when it is empty.  See HnswNodeIsListed.
	 */
	PointId		free_points[GRAPH_MAX_LEVEL + 1];

	/*
	 * When the first of the points was marked that the last vacuum has left
	 * dead, invalid when there are none.  A hint: the nodes know, see below.
	 */
	FullTransactionId dead_xid;
} HnswMetaPageData;

#define HnswPageGetMeta(page) \
	((HnswMetaPageData *) HnswPageGetBody(page))

/*
 * In an index that was built over fewer rows, the first that are inserted have
 * a say in the lift.
 */
#define HNSW_ENOUGH_LIFT_ROWS	16

/*-------------------------------------------------------------------------
 * Code and refinement pages
 *-------------------------------------------------------------------------
 */
#define HNSW_PIECE_OFFSET		64
#define HNSW_PIECE_SIZE			(BLCKSZ - HNSW_PIECE_OFFSET)

#define HNSW_PARAMS_PER_PAGE	HNSW_BODY_SIZE

/*-------------------------------------------------------------------------
 * Node pages
 *-------------------------------------------------------------------------
 */
typedef struct HnswNode
{
	ItemPointerData heaptid;	/* invalid: the point stands for no row; when
								 * it is dead or taken, see node_xid */
	uint16		var_offset;		/* of the variable part within the page */
	uint16		var_size;		/* its length and the slack behind it */
	uint8		info;			/* level and flags */
	uint8		generation;		/* changes when the id is used again, or the
								 * first list of rows is taken away */
} HnswNode;

#define HNSW_NODE_LEVEL_MASK	0x0F
#define HNSW_NODE_PRESENT		0x10	/* the id is in use */
#define HNSW_NODE_MORE_TIDS		0x20	/* more rows in the overflow region */
#define HNSW_NODE_LINKS_AWAY	0x40	/* links are in the overflow region */
#define HNSW_NODE_DEAD			0x80	/* deleted, waits to be freed; without
										 * PRESENT: is free */

/*
 * An id that was given out and not written, has neither PRESENT nor DEAD.  If it
 * was free before, its node says when it was taken, and is called taken.
 */

#define HnswNodeLevel(node) ((node)->info & HNSW_NODE_LEVEL_MASK)

/*
 * A variable part of exactly so many bytes, then unused bytes that it can grow
 * into without moving.
 */
#define HNSW_NODE_LENGTH_BITS	11
#define HNSW_NODE_MAX_SLACK		31

#define HnswNodeVarLength(node) \
	((node)->var_size & ((1 << HNSW_NODE_LENGTH_BITS) - 1))
#define HnswNodeVarSlack(node)	((node)->var_size >> HNSW_NODE_LENGTH_BITS)
#define HnswNodeVarCapacity(node) \
	(HnswNodeVarLength(node) + HnswNodeVarSlack(node))
#define HnswNodeSetVarSize(node, length, slack) \
	((node)->var_size = (length) | (slack) << HNSW_NODE_LENGTH_BITS)

#define HnswNodeIsPresent(node) (((node)->info & HNSW_NODE_PRESENT) != 0)

/* In use, and not on the way out */
#define HnswNodeIsLive(node) \
	(((node)->info & (HNSW_NODE_PRESENT | HNSW_NODE_DEAD)) == \
	 HNSW_NODE_PRESENT)

/*
 * Does the point stand for any row?  In place of the heap TID there can be
 * something else in one that is not live.
 */
#define HnswNodeHasRows(node) \
	(HnswNodeIsLive(node) && \
	 (ItemPointerIsValid(&(node)->heaptid) || \
	  ((node)->info & HNSW_NODE_MORE_TIDS) != 0))

#define HnswNodeIsDead(node) \
	(((node)->info & (HNSW_NODE_PRESENT | HNSW_NODE_DEAD)) == \
	 (HNSW_NODE_PRESENT | HNSW_NODE_DEAD))
#define HnswNodeIsFree(node) \
	(((node)->info & (HNSW_NODE_PRESENT | HNSW_NODE_DEAD)) == HNSW_NODE_DEAD)
#define HnswNodeIsUnused(node) \
	(((node)->info & (HNSW_NODE_PRESENT | HNSW_NODE_DEAD)) == 0)

/*
 * Free points of level 0 are in their list once for each node page: one of the
 * page is listed, the others have no variable part.
 */
#define HnswNodeIsListed(node) \
	(HnswNodeIsFree(node) && HnswNodeVarLength(node) > 0)
#define HnswNodeIsUnlisted(node) \
	(HnswNodeIsFree(node) && HnswNodeVarLength(node) == 0)

/*
 * The variable part, without any alignment:
 *	 level > 0:	   uint32 number of the upper slot of level 1
 *	 MORE_TIDS:	   ItemPointerData to a HnswTidList in the overflow region
 *	 LINKS_AWAY:   ItemPointerData to the links in the overflow region
 *	 otherwise:	   the links, encoded by link_codec, up to its end
 *	 listed:	   in place of the links, PointId of the next in the list
 * Such an ItemPointerData holds a page number within the region and an item
 * number from 1.
 */

/*
 * The longest variable part when everything that can move to the overflow
 * region has moved.  Every node of a page has at least so much of the page,
 * used or not, so there is always a way to store it.
 */
#define HNSW_NODE_MIN_VAR \
	(sizeof(uint32) + 2 * sizeof(ItemPointerData))
#define HNSW_MAX_NODES_PER_PAGE \
	(HNSW_BODY_SIZE / (sizeof(HnswNode) + HNSW_NODE_MIN_VAR))

/*
 * Points of an index.  The first id behind the last node page is a PointId
 * still, so that a loop over the pages does not wrap around.
 */
#define HNSW_MAX_POINTS \
	((PointId) (PG_UINT32_MAX - HNSW_MAX_NODES_PER_PAGE))

/*-------------------------------------------------------------------------
 * Upper pages
 *-------------------------------------------------------------------------
 */

/*
 * A point of level n has n slots with consecutive numbers, for its links at
 * level 1, 2, ..., n.
 */
typedef struct HnswUpperSlot
{
	PointId		point;
	uint8		level;
	uint8		nlinks;
	uint16		reserved;
	PointId		links[FLEXIBLE_ARRAY_MEMBER];	/* room for m */
} HnswUpperSlot;

#define HnswUpperSlotSize(m) \
	(offsetof(HnswUpperSlot, links) + (m) * sizeof(PointId))
#define HnswUpperSlotsPerPage(m) \
	(HNSW_BODY_SIZE / HnswUpperSlotSize(m))

/*-------------------------------------------------------------------------
 * Overflow pages
 *-------------------------------------------------------------------------
 */
typedef struct HnswOverflowItem
{
	uint16		offset;			/* within the page */
	uint16		length;			/* 0: the item number is free */
} HnswOverflowItem;

/* Heap TIDs of a point beyond the one in its node. */
typedef struct HnswTidList
{
	ItemPointerData next;		/* another HnswTidList, or invalid */
	uint16		ntids;
	ItemPointerData tids[FLEXIBLE_ARRAY_MEMBER];
} HnswTidList;

/* Whatever one item may be at most */
#define HNSW_OVERFLOW_MAX_ITEM \
	(HNSW_BODY_SIZE - sizeof(HnswOverflowItem))
#define HNSW_TIDS_PER_LIST		1024

/*
 * A code of variable size is an item, or several: each but the last has
 * HNSW_CODE_PART bytes of it and then an ItemPointerData to the next, and is
 * told from a last one by being longer than any of those.  The free space
 * map counts in units of BLCKSZ / 256, and the largest item must be one that
 * it finds an empty page for.
 */
#define HNSW_CODE_ITEM \
	((int) (HNSW_BODY_SIZE - BLCKSZ / 256 - sizeof(HnswOverflowItem)))
#define HNSW_CODE_PART \
	(HNSW_CODE_ITEM - (int) sizeof(ItemPointerData))

/*-------------------------------------------------------------------------
 * What must not change by accident
 *-------------------------------------------------------------------------
 */
StaticAssertDecl(sizeof(HnswPageTag) == 8, "HnswPageTag is on disk");
StaticAssertDecl(SizeOfPageHeaderData + sizeof(HnswPageTag) == HNSW_BODY_OFFSET,
				 "page bodies start at HNSW_BODY_OFFSET");
StaticAssertDecl(sizeof(HnswExtent) == 8, "HnswExtent is on disk");
StaticAssertDecl(sizeof(HnswRegionDirectory) == 8 + 8 * HNSW_MAX_EXTENTS,
				 "HnswRegionDirectory is on disk");
StaticAssertDecl(offsetof(HnswMetaPageData, dimensions) == 16,
				 "HnswMetaPageData is on disk");
StaticAssertDecl(offsetof(HnswMetaPageData, metric) == 20,
				 "HnswMetaPageData is on disk");
StaticAssertDecl(offsetof(HnswMetaPageData, m) == 24,
				 "HnswMetaPageData is on disk");
StaticAssertDecl(offsetof(HnswMetaPageData, nodes_per_page) == 28,
				 "HnswMetaPageData is on disk");
StaticAssertDecl(offsetof(HnswMetaPageData, seed) == 32,
				 "HnswMetaPageData is on disk");
StaticAssertDecl(offsetof(HnswMetaPageData, lift_sq) == 40,
				 "HnswMetaPageData is on disk");
StaticAssertDecl(offsetof(HnswMetaPageData, npoints) == 48,
				 "HnswMetaPageData is on disk");
StaticAssertDecl(offsetof(HnswMetaPageData, regions) == 64,
				 "HnswMetaPageData is on disk");
StaticAssertDecl(offsetof(HnswMetaPageData, free_points) ==
				 64 + HNSW_NUM_REGIONS * sizeof(HnswRegionDirectory),
				 "HnswMetaPageData is on disk");
StaticAssertDecl(offsetof(HnswMetaPageData, dead_xid) ==
				 offsetof(HnswMetaPageData, free_points) +
				 (GRAPH_MAX_LEVEL + 1) * sizeof(PointId),
				 "HnswMetaPageData is on disk");
StaticAssertDecl(sizeof(HnswMetaPageData) <= HNSW_BODY_SIZE,
				 "HnswMetaPageData fits a page");
StaticAssertDecl(sizeof(HnswNode) == 12, "HnswNode is on disk");
StaticAssertDecl(offsetof(HnswNode, var_offset) == 6, "HnswNode is on disk");
StaticAssertDecl(offsetof(HnswNode, info) == 10, "HnswNode is on disk");
StaticAssertDecl(offsetof(HnswUpperSlot, links) == 8,
				 "HnswUpperSlot is on disk");
StaticAssertDecl(HnswUpperSlotSize(GRAPH_MAX_M) <= HNSW_BODY_SIZE,
				 "an upper slot fits a page");
StaticAssertDecl(sizeof(HnswOverflowItem) == 4, "HnswOverflowItem is on disk");
StaticAssertDecl(HNSW_CODE_PART % 2 == 0, "parts of codes leave no gaps");
StaticAssertDecl(offsetof(HnswTidList, tids) == 8, "HnswTidList is on disk");
StaticAssertDecl(offsetof(HnswTidList, tids) +
				 HNSW_TIDS_PER_LIST * sizeof(ItemPointerData) <= HNSW_OVERFLOW_MAX_ITEM,
				 "a list of heap TIDs fits a page");
StaticAssertDecl(BLCKSZ == 8192 || BLCKSZ > 8192,
				 "the metapage needs blocks of at least 8 kB");

#endif							/* HNSW_PAGE_FORMAT_H */
