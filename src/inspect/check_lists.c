/*-------------------------------------------------------------------------
 *
 * check_lists.c
 *	  Links at level 0 and heap TIDs, wherever they are stored.
 *
 * src/inspect/check_lists.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "inspect/check.h"
#include "miscadmin.h"

/* No heap TID as a number */
#define NO_ROW	((int64) -1)

/* A node on its page, being checked */
typedef struct NodeCheck
{
	HnswCheck  *check;
	BlockNumber block;
	PointId		point;
	HnswNodeCopy copy;
	HnswNodeParts parts;
} NodeCheck;

/*
 * Takes an overflow item for the point.  False when somebody has it already.
 */
static bool
claim_item(HnswCheck *check, const ItemPointerData *where)
{
	uint32		page_no = ItemPointerGetBlockNumber(where);
	int			bit = ItemPointerGetOffsetNumber(where) - 1;
	uint8	   *byte;

	/* a page that is newer than the check is not kept track of */
	if (page_no >= hnsw_directory(&check->meta, HNSW_REGION_OVERFLOW)->npages)
		return true;
	byte = &check->items_used[(Size) page_no * ITEM_BYTES + bit / 8];
	if ((*byte & (1 << bit % 8)) != 0)
		return false;
	*byte |= 1 << bit % 8;
	return true;
}

static void
item_used_twice(NodeCheck *node, const ItemPointerData *where)
{
	check_fault(node->check, "has an overflow item that is used twice",
				"Block %u, point %u: expected an item of its own, found (%u,%u), which was met before.",
				node->block, node->point, ItemPointerGetBlockNumber(where),
				ItemPointerGetOffsetNumber(where));
}

/*-------------------------------------------------------------------------
 * Links
 *-------------------------------------------------------------------------
 */

/*
 * Says what is wrong with links that cannot be decoded.  A plain list can
 * hold what it must not; a packed one can only be malformed.
 */
static void
links_malformed(NodeCheck *node, BlockNumber block, const uint8 *bytes,
				int length)
{
	bool		plain = node->check->meta.link_format == LINK_FORMAT_PLAIN;
	int			nlinks = plain && length % sizeof(PointId) == 0 ?
		length / sizeof(PointId) : 0;

	for (int i = 0; i < nlinks; i++)
	{
		PointId		link;
		PointId		before = InvalidPointId;

		memcpy(&link, bytes + i * sizeof(PointId), sizeof(PointId));
		check_link(node->check, block, node->point, 0, link);
		if (i > 0)
			memcpy(&before, bytes + (i - 1) * sizeof(PointId),
				   sizeof(PointId));
		if (i > 0 && link == before)
			check_fault(node->check, "has a point with the same link twice",
						"Block %u, point %u, level 0: expected different links, found %u twice.",
						block, node->point, link);
		if (i > 0 && link < before)
			check_fault(node->check, "has a point whose links do not ascend",
						"Block %u, point %u, level 0: expected links above %u after it, found %u.",
						block, node->point, before, link);
	}
	check_fault(node->check, "has a point with malformed links",
				"Block %u, point %u, level 0: expected links in format %u, found %d other bytes.",
				block, node->point, node->check->meta.link_format, length);
}

static void
check_links(NodeCheck *node)
{
	HnswCheck  *check = node->check;
	const uint8 *bytes = node->parts.links;
	int			length = node->parts.links_length;
	BlockNumber block = node->block;
	PointId		links[GRAPH_MAX_LINKS];
	PGAlignedBlock item;
	int			nlinks;

	if (ItemPointerIsValid(&node->parts.links_away))
	{
		length = check_get_item(check, node->block, node->point,
								&node->parts.links_away, item.data, &block);
		if (!claim_item(check, &node->parts.links_away))
			item_used_twice(node, &node->parts.links_away);
		bytes = (const uint8 *) item.data;
	}

	nlinks = link_codec_decode(check->meta.link_format, node->point, bytes,
							   length, links);
	if (nlinks < 0)
		links_malformed(node, block, bytes, length);
	if (nlinks > GraphMaxLinks(check->meta.m, 0))
		check_fault(check, "has a point with too many links",
					"Block %u, point %u, level 0: expected at most %d links, found %d.",
					block, node->point, GraphMaxLinks(check->meta.m, 0),
					nlinks);
	for (int i = 0; i < nlinks; i++)
		check_link(check, block, node->point, 0, links[i]);
}

/*-------------------------------------------------------------------------
 * Heap TIDs
 *-------------------------------------------------------------------------
 */
/* Complains when the row that is known to be there twice is met again. */
static void
row_met(NodeCheck *node, BlockNumber block, const ItemPointerData *tid)
{
	HnswCheck  *check = node->check;

	if (PointIdIsValid(check->twice_point))
		check_fault(check, "has a heap row twice",
					"Block %u, point %u: expected other heap rows than those of point %u, found (%u,%u).",
					block, node->point, check->twice_point,
					ItemPointerGetBlockNumber(tid),
					ItemPointerGetOffsetNumber(tid));
	check->twice_point = node->point;
}

static void
check_tid(NodeCheck *node, BlockNumber block, const ItemPointerData *tid)
{
	HnswCheck  *check = node->check;
	BlockNumber heap_block = ItemPointerGetBlockNumberNoCheck(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(tid);
	int64		key;

	if (offset == InvalidOffsetNumber)
		check_fault(check, "has an invalid heap row in a list",
					"Block %u, point %u: expected an item number from 1, found (%u,%u).",
					block, node->point, heap_block, offset);
	if (heap_block >= check->heap_blocks)
		check->heap_blocks = RelationGetNumberOfBlocks(check->heap);
	if (heap_block >= check->heap_blocks)
		check_fault(check, "has a heap row beyond the end of the table",
					"Block %u, point %u: expected a block below %u, found (%u,%u).",
					block, node->point, check->heap_blocks, heap_block,
					offset);
	key = (int64) heap_block << 16 | offset;
	if (check->twice == NO_ROW)
		tuplesort_putdatum(check->tids, Int64GetDatum(key), false);
	else if (check->twice == key)
		row_met(node, block, tid);
}

/*
 * The item was met before: by this very chain, which then is a circle, or by
 * somebody else.
 */
static void
list_used_twice(NodeCheck *node, const ItemPointerData *where, uint64 nlists)
{
	ItemPointerData next = node->parts.more_tids;
	PGAlignedBlock item;
	BlockNumber block;

	for (uint64 i = 0; i < nlists; i++)
	{
		if (ItemPointerEquals(&next, unconstify(ItemPointerData *, where)))
			check_fault(node->check, "has lists of heap rows in a circle",
						"Block %u, point %u: expected an end after %llu lists, found (%u,%u) again.",
						node->block, node->point, (unsigned long long) nlists,
						ItemPointerGetBlockNumber(where),
						ItemPointerGetOffsetNumber(where));
		(void) check_get_item(node->check, node->block, node->point, &next,
							  item.data, &block);
		next = ((HnswTidList *) item.data)->next;
	}
	item_used_twice(node, where);
}

/* Follows the lists of a node; returns how many TIDs they hold. */
static uint64
check_tid_lists(NodeCheck *node)
{
	HnswCheck  *check = node->check;
	ItemPointerData next = node->parts.more_tids;
	PGAlignedBlock item;
	const HnswTidList *list = (const HnswTidList *) item.data;
	uint64		nlists = 0;
	uint64		ntids = 0;

	for (; ItemPointerIsValid(&next); next = list->next, nlists++)
	{
		ItemPointerData where = next;
		BlockNumber block;
		int			length = check_get_item(check, node->block, node->point,
											&where, item.data, &block);

		if (!claim_item(check, &where))
			list_used_twice(node, &where, nlists);

		/* it may be shorter than its item, after a vacuum */
		if (length < (int) offsetof(HnswTidList, tids) ||
			length < (int) (offsetof(HnswTidList, tids) +
							list->ntids * sizeof(ItemPointerData)))
			check_fault(check, "has a list of heap rows that is too short",
						"Block %u, point %u, item %u: expected room for %u heap rows, found %d bytes.",
						block, node->point,
						ItemPointerGetOffsetNumber(&where),
						length < (int) offsetof(HnswTidList, tids) ? 0 :
						list->ntids, length);
		for (int i = 0; i < list->ntids; i++)
			check_tid(node, block, &list->tids[i]);
		ntids += list->ntids;
	}
	return ntids;
}

static void
check_tids(NodeCheck *node)
{
	HnswCheck  *check = node->check;
	uint64		ntids;

	ntids = check_tid_lists(node);
	if (ItemPointerIsValid(&node->copy.node.heaptid))
	{
		check_tid(node, node->block, &node->copy.node.heaptid);
		ntids++;
	}
	if (ntids > 0)
	{
		check->points[node->point] |= POINT_LIVE;
		check->nlive++;
	}
}

/*-------------------------------------------------------------------------
 * All nodes again
 *-------------------------------------------------------------------------
 */
static void
check_page_lists(HnswCheck *check, uint32 page_no)
{
	uint32		per_page = check->meta.nodes_per_page;
	uint64		first = (uint64) page_no * per_page;
	uint64		end = Min(first + per_page, (uint64) check->meta.npoints);
	PGAlignedBlock page;
	NodeCheck	node = {.check = check};

	(void) check_read_page(check, HNSW_REGION_NODES, page_no, false, page.data,
						   &node.block);
	for (uint64 point = first; point < end; point++)
	{
		node.point = point;
		check_get_node(check, page.data, node.block, point, &node.copy,
					   &node.parts);
		if ((node.copy.node.info & HNSW_NODE_PRESENT) == 0)
			continue;
		check_links(&node);
		check_tids(&node);
	}
}

static void
check_all_lists(HnswCheck *check)
{
	uint32		per_page = check->meta.nodes_per_page;

	memset(check->items_used, 0,
		   (Size) hnsw_directory(&check->meta, HNSW_REGION_OVERFLOW)->npages *
		   ITEM_BYTES);
	for (uint64 first = 0; first < check->meta.npoints; first += per_page)
		check_page_lists(check, first / per_page);
}

/* A TID that is in the index twice, or NO_ROW */
static int64
find_row_twice(Tuplesortstate *tids)
{
	int64		previous = NO_ROW;
	Datum		value;
	bool		isnull;

	tuplesort_performsort(tids);
	while (tuplesort_getdatum(tids, true, false, &value, &isnull, NULL))
	{
		CHECK_FOR_INTERRUPTS();
		if (DatumGetInt64(value) == previous)
			return previous;
		previous = DatumGetInt64(value);
	}
	return NO_ROW;
}

/*
 * Only one place may name a heap row.  When there are two, the lists are read
 * again to say which.
 */
static void
check_rows_differ(HnswCheck *check)
{
	check->twice = find_row_twice(check->tids);
	if (check->twice == NO_ROW)
		return;
	check->twice_point = InvalidPointId;
	check_all_lists(check);
}

void
check_lists(HnswCheck *check)
{
	check->tids = tuplesort_begin_datum(INT8OID, Int8LessOperator, InvalidOid,
										false, maintenance_work_mem, NULL,
										TUPLESORT_NONE);
	check->twice = NO_ROW;
	check_all_lists(check);
	check_rows_differ(check);
	tuplesort_end(check->tids);

	if (check->nlive > 0 && !PointIdIsValid(check->meta.entry_point))
	{
		check_refresh(check);
		if (!PointIdIsValid(check->now.entry_point))
			check_fault(check, "has points but no entry point",
						"Block 0: expected an entry point, found none and %llu points with heap rows.",
						(unsigned long long) check->nlive);
	}
}
