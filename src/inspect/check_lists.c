/*-------------------------------------------------------------------------
 *
 * check_lists.c
 *	  Links at level 0 and heap TIDs, wherever they are stored, and codes of
 *	  variable size.
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
#include "pages/values.h"

/* Candidates for heap rows that are in the index twice, at most */
#define MAX_ROWS_TWICE	65536

/* How often a node is read again because it changed under our hands */
#define MAX_TRIES		100

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
 * A heap TID, as a number, that was met twice in the course of the check.
 * Its row may have gone and another one have come in the meantime.
 */
typedef struct RowTwice
{
	int64		tid;
	PointId		point;			/* where it was met in the second pass */
} RowTwice;

static void
read_node(NodeCheck *node)
{
	HnswCheck  *check = node->check;
	PGAlignedBlock page;

	(void) check_read_page(check, HNSW_REGION_NODES,
						   node->point / check->meta.nodes_per_page, false,
						   page.data, &node->block);
	check_get_node(check, page.data, node->block, node->point, &node->copy,
				   &node->parts);
}

/* Reads the node anew; returns whether it has changed. */
static bool
node_changed(NodeCheck *node)
{
	HnswNodeCopy before = node->copy;

	read_node(node);
	return !node_copies_equal(&before, &node->copy);
}

/*-------------------------------------------------------------------------
 * Overflow items
 *-------------------------------------------------------------------------
 */

/* Takes an overflow item for the point.  False when somebody has it already. */
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

/* Takes back that it is the point's. */
static void
give_up_item(HnswCheck *check, const ItemPointerData *where)
{
	uint32		page_no = ItemPointerGetBlockNumber(where);
	int			bit = ItemPointerGetOffsetNumber(where) - 1;

	if (page_no < hnsw_directory(&check->meta, HNSW_REGION_OVERFLOW)->npages)
		check->items_used[(Size) page_no * ITEM_BYTES + bit / 8] &=
			~(1 << bit % 8);
}

static void
item_missing(NodeCheck *node, const ItemPointerData *where)
{
	check_fault(node->check, "has a pointer to an overflow item that does not exist",
				"Block %u, point %u: expected an item, found no item %u in page %u of region \"%s\".",
				node->block, node->point, ItemPointerGetOffsetNumberNoCheck(where),
				ItemPointerGetBlockNumberNoCheck(where),
				hnsw_region_name(HNSW_REGION_OVERFLOW));
}

/*-------------------------------------------------------------------------
 * Chains of lists of heap rows
 *-------------------------------------------------------------------------
 */

/*
 * A walk along the lists of a node, as it was read.  Vacuum takes lists away
 * while we are there, and on a standby points are given back, too: a list
 * counts when what led to it still does after it was read (see HnswTidWalk).
 */
typedef struct ListWalk
{
	NodeCheck  *node;
	ItemPointerData next;
	ItemPointerData where;		/* the list just read, */
	BlockNumber block;			/* where it is, */
	ItemPointerData first;		/* its first TID, */
	int			ntids;			/* and how many there are */
	uint64		nlists;			/* read so far */
	bool		changed;		/* the walk ended because of that */
	PGAlignedBlock item;
} ListWalk;

static void
start_lists(ListWalk *walk, NodeCheck *node)
{
	walk->node = node;
	walk->next = node->parts.more_tids;
	walk->nlists = 0;
	walk->changed = false;
}

static inline const HnswTidList *
walk_list(const ListWalk *walk)
{
	return (const HnswTidList *) walk->item.data;
}

/* Does what led to the next list still do so? */
static bool
still_leads(const ListWalk *walk)
{
	NodeCheck	now = *walk->node;
	PGAlignedBlock item;
	const HnswTidList *list = (const HnswTidList *) item.data;
	ItemPointerData first;
	BlockNumber block;
	int			length;

	if (walk->nlists == 0)
	{
		read_node(&now);
		return now.copy.node.generation == walk->node->copy.node.generation &&
			same_item(&now.parts.more_tids, &walk->next);
	}
	length = check_find_item(now.check, now.block, now.point, &walk->where,
							 item.data, &block);
	if (length < (int) offsetof(HnswTidList, tids))
		return false;
	first = first_tid(list, length);
	return same_item(&first, &walk->first) &&
		same_item(&list->next, &walk->next);
}

/* Reads the next list; false at the end, or when the chain has changed. */
static bool
next_list(ListWalk *walk)
{
	NodeCheck  *node = walk->node;
	const HnswTidList *list = walk_list(walk);
	ItemPointerData where = walk->next;
	BlockNumber block;
	int			length;

	if (!ItemPointerIsValid(&where))
		return false;
	length = check_find_item(node->check, node->block, node->point, &where,
							 walk->item.data, &block);
	if (!still_leads(walk))
	{
		walk->changed = true;
		return false;
	}
	if (length == 0)
		item_missing(node, &where);

	/* it may be shorter than its item, after a vacuum */
	if (length < (int) offsetof(HnswTidList, tids) ||
		length < (int) (offsetof(HnswTidList, tids) +
						list->ntids * sizeof(ItemPointerData)))
		check_fault(node->check, "has a list of heap rows that is too short",
					"Block %u, point %u, item %u: expected room for %u heap rows, found %d bytes.",
					block, node->point, ItemPointerGetOffsetNumber(&where),
					length < (int) offsetof(HnswTidList, tids) ? 0 :
					list->ntids, length);

	walk->where = where;
	walk->block = block;
	walk->ntids = list->ntids;
	walk->first = first_tid(list, length);
	walk->nlists++;
	walk->next = list->next;
	return true;
}

/*-------------------------------------------------------------------------
 * Items that are used twice
 *-------------------------------------------------------------------------
 */

/* Where the record of the point says that its code is */
static ItemPointerData
value_pointer(NodeCheck *node)
{
	const HnswRecordLayout *layout = &node->check->codes;
	PGAlignedBlock page;
	BlockNumber block;
	ItemPointerData where;

	(void) check_read_page(node->check, HNSW_REGION_CODES,
						   node->point / layout->per_page, false, page.data,
						   &block);
	memcpy(&where, page.data + layout->codes_offset +
		   node->point % layout->per_page * sizeof(ItemPointerData),
		   sizeof(ItemPointerData));
	return where;
}

/* Is the item part of the point's code? */
static bool
value_refers_to(NodeCheck *node, const ItemPointerData *where)
{
	HnswCheck  *check = node->check;
	ItemPointerData next = value_pointer(node);
	int			left = check->quantizer->max_code_size;

	while (left > 0 && ItemPointerIsValid(&next))
	{
		PGAlignedBlock item;
		BlockNumber block;
		int			length;

		if (same_item(&next, where))
			return true;
		length = check_find_item(check, node->block, node->point, &next,
								 item.data, &block);
		if (length == 0)
			return false;
		left -= hnsw_value_part(item.data, length, &next);
	}
	return false;
}

/* Does the node, one of its lists of rows, or its code point to the item? */
static bool
node_refers_to(NodeCheck *node, const ItemPointerData *where)
{
	ListWalk	walk;
	uint64		limit = ITEM_BYTES * 8 *
		(uint64) hnsw_directory(&node->check->now,
								HNSW_REGION_OVERFLOW)->npages;

	if (ItemPointerIsValid(&node->parts.links_away) &&
		same_item(&node->parts.links_away, where))
		return true;
	if (node->check->quantizer->variable_size && value_refers_to(node, where))
		return true;
	start_lists(&walk, node);
	while (walk.nlists < limit && next_list(&walk))
	{
		if (same_item(&walk.where, where))
			return true;
	}
	return false;
}

/*
 * The item was met before.  It may have been given back and taken again since
 * then: it is a fault when another point refers to it now.
 */
static void
item_met_again(NodeCheck *node, const ItemPointerData *where)
{
	HnswCheck  *check = node->check;
	NodeCheck	other = {.check = check};

	for (PointId point = 0; point < check->meta.npoints; point++)
	{
		if (point == node->point ||
			(check->points[point] & POINT_PRESENT) == 0)
			continue;
		other.point = point;
		read_node(&other);
		if (node_refers_to(&other, where) && !node_changed(node) &&
			node_refers_to(node, where))
			check_fault(check, "has an overflow item that is used twice",
						"Block %u, point %u: expected an item of its own, found (%u,%u), which is also that of point %u.",
						node->block, node->point,
						ItemPointerGetBlockNumber(where),
						ItemPointerGetOffsetNumber(where), point);
	}
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
		(void) check_link(node->check, block, node->point, 0, link);
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

/*
 * Copies the links of a node from the overflow region, where an insert may
 * move them at any time: they are right when the node still says so in the
 * end.  Returns their length; 0 when they have come back into the node.
 */
static int
get_links_away(NodeCheck *node, void *item, BlockNumber *block)
{
	for (int i = 0; i < MAX_TRIES; i++)
	{
		ItemPointerData where = node->parts.links_away;
		int			length;

		if (!ItemPointerIsValid(&where))
			return 0;
		length = check_find_item(node->check, node->block, node->point,
								 &where, item, block);
		if (node_changed(node))
			continue;
		if (length == 0)
			item_missing(node, &where);
		if (!claim_item(node->check, &where))
			item_met_again(node, &where);
		return length;
	}
	return 0;
}

/* Returns false when the node changed before a fault was sure. */
static bool
try_check_links(NodeCheck *node)
{
	HnswCheck  *check = node->check;
	const uint8 *bytes;
	BlockNumber block = node->block;
	PointId		links[GRAPH_MAX_LINKS];
	PGAlignedBlock item;
	int			length = 0;
	int			nlinks;

	if (ItemPointerIsValid(&node->parts.links_away))
		length = get_links_away(node, item.data, &block);
	if (!HnswNodeIsPresent(&node->copy.node))
		return true;
	bytes = (const uint8 *) item.data;
	if (length == 0)
	{
		bytes = node->parts.links;
		length = node->parts.links_length;
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
	{
		if (check_link(check, block, node->point, 0, links[i]) ||
			!HnswNodeIsLive(&node->copy.node))
			continue;

		/* a vacuum takes the link away before it gives the point back */
		if (node_changed(node))
			return false;
		check_bad_link(check, block, node->point, 0, links[i]);
	}
	return true;
}

static void
check_links(NodeCheck *node)
{
	for (int i = 0; i < MAX_TRIES && !try_check_links(node); i++)
		 /* once more, with the node as it is now */ ;
}

/*-------------------------------------------------------------------------
 * Heap TIDs
 *-------------------------------------------------------------------------
 */
static int
compare_rows(const void *a, const void *b)
{
	int64		ta = ((const RowTwice *) a)->tid;
	int64		tb = ((const RowTwice *) b)->tid;

	return ta < tb ? -1 : ta > tb;
}

/* In the second pass: complains when a row is met again that was before. */
static void
meet_row(NodeCheck *node, BlockNumber block, int64 tid)
{
	HnswCheck  *check = node->check;
	RowTwice	key = {.tid = tid};
	RowTwice   *row = bsearch(&key, check->twice, check->ntwice,
							  sizeof(RowTwice), compare_rows);

	if (row == NULL)
		return;
	if (PointIdIsValid(row->point))
		check_fault(check, "has a heap row twice",
					"Block %u, point %u: expected other heap rows than those of point %u, found (%u,%u).",
					block, node->point, row->point,
					(BlockNumber) (tid >> 16), (OffsetNumber) tid);
	row->point = node->point;
}

static void
check_tid(NodeCheck *node, BlockNumber block, const ItemPointerData *tid)
{
	HnswCheck  *check = node->check;
	BlockNumber heap_block = ItemPointerGetBlockNumberNoCheck(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(tid);
	int64		key = (int64) heap_block << 16 | offset;

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
	if (check->twice == NULL)
		tuplesort_putdatum(check->tids, Int64GetDatum(key), false);
	else
		meet_row(node, block, key);
}

/* Lists of a node that were read, and their TIDs */
typedef struct NodeLists
{
	struct
	{
		ItemPointerData where;
		BlockNumber block;
		int			ntids;
		bool		claimed;
	}		   *lists;
	uint64		nlists;
	uint64		max_lists;
	ItemPointerData *tids;
	uint64		ntids;
	uint64		max_tids;
} NodeLists;

static void
add_list(NodeLists *lists, const ListWalk *walk)
{
	if (lists->nlists == lists->max_lists)
	{
		lists->max_lists *= 2;
		lists->lists = repalloc_huge(lists->lists,
									 lists->max_lists *
									 sizeof(lists->lists[0]));
	}
	lists->lists[lists->nlists].where = walk->where;
	lists->lists[lists->nlists].block = walk->block;
	lists->lists[lists->nlists].ntids = walk->ntids;
	lists->lists[lists->nlists++].claimed = false;

	if (lists->ntids + walk->ntids > lists->max_tids)
	{
		lists->max_tids = 2 * (lists->ntids + walk->ntids);
		lists->tids = repalloc_huge(lists->tids,
									lists->max_tids * sizeof(ItemPointerData));
	}
	memcpy(lists->tids + lists->ntids, walk_list(walk)->tids,
		   walk->ntids * sizeof(ItemPointerData));
	lists->ntids += walk->ntids;
}

/*
 * The list was met before: by this very chain, which then is a circle, or by
 * somebody else.
 */
static void
list_met_again(NodeCheck *node, const NodeLists *lists,
			   const ItemPointerData *where)
{
	for (uint64 i = 0; i + 1 < lists->nlists; i++)
	{
		if (same_item(&lists->lists[i].where, where))
			check_fault(node->check, "has lists of heap rows in a circle",
						"Block %u, point %u: expected an end after %llu lists, found (%u,%u) again.",
						node->block, node->point,
						(unsigned long long) (lists->nlists - 1),
						ItemPointerGetBlockNumber(where),
						ItemPointerGetOffsetNumber(where));
	}
	item_met_again(node, where);
}

/*
 * Reads and claims the lists of a node; false, with all claims given up, when
 * they have changed meanwhile.
 */
static bool
try_get_lists(NodeCheck *node, NodeLists *lists)
{
	ListWalk	walk;

	lists->nlists = 0;
	lists->ntids = 0;
	start_lists(&walk, node);
	while (next_list(&walk))
	{
		CHECK_FOR_INTERRUPTS();
		add_list(lists, &walk);
		if (claim_item(node->check, &walk.where))
			lists->lists[lists->nlists - 1].claimed = true;
		else
			list_met_again(node, lists, &walk.where);
	}
	for (uint64 i = 0; walk.changed && i < lists->nlists; i++)
	{
		if (lists->lists[i].claimed)
			give_up_item(node->check, &lists->lists[i].where);
	}
	return !walk.changed;
}

/* Checks what the lists of a node have; returns how many TIDs that is. */
static uint64
check_tid_lists(NodeCheck *node)
{
	NodeLists	lists = {.max_lists = 1,.max_tids = 1};
	const ItemPointerData *tid;
	bool		got = false;

	lists.lists = palloc(sizeof(lists.lists[0]));
	lists.tids = palloc(sizeof(ItemPointerData));
	for (int i = 0; i < MAX_TRIES && !got; i++)
	{
		if (i > 0)
			read_node(node);
		if (!HnswNodeIsPresent(&node->copy.node))
			break;
		got = try_get_lists(node, &lists);
	}
	if (!got)
		lists.nlists = lists.ntids = 0;

	tid = lists.tids;
	for (uint64 i = 0; i < lists.nlists; i++)
	{
		for (int j = 0; j < lists.lists[i].ntids; j++)
			check_tid(node, lists.lists[i].block, tid++);
	}
	pfree(lists.lists);
	pfree(lists.tids);
	return lists.ntids;
}

static void
check_tids(NodeCheck *node)
{
	HnswCheck  *check = node->check;
	uint64		ntids;

	ntids = check_tid_lists(node);
	if (HnswNodeIsLive(&node->copy.node) &&
		ItemPointerIsValid(&node->copy.node.heaptid))
	{
		check_tid(node, node->block, &node->copy.node.heaptid);
		ntids++;
	}
	if (ntids > 0)
		check->points[node->point] |= POINT_LIVE;
}

/*-------------------------------------------------------------------------
 * Codes of variable size
 *-------------------------------------------------------------------------
 */

/*
 * Complains about a code, unless the point was given back under our hands, and
 * perhaps taken again.
 */
static void
value_malformed(NodeCheck *node, const ItemPointerData *value, int length)
{
	ItemPointerData now = value_pointer(node);

	if (same_item(&now, value) && !node_changed(node))
		check_fault(node->check, "has a point with a malformed code",
					"Block %u, point %u: expected a code from item (%u,%u) on, found %d other bytes.",
					node->block, node->point,
					ItemPointerGetBlockNumberNoCheck(value),
					ItemPointerGetOffsetNumberNoCheck(value), length);
}

static void
check_value(NodeCheck *node)
{
	HnswCheck  *check = node->check;
	ItemPointerData value = value_pointer(node);
	ItemPointerData next = value;
	uint8	   *code = palloc(check->quantizer->max_code_size);
	int			length = 0;

	do
	{
		ItemPointerData where = next;
		PGAlignedBlock item;
		BlockNumber block;
		int			part;
		int			found = check_find_item(check, node->block, node->point,
											&where, item.data, &block);

		if (found == 0)
		{
			ItemPointerData now = value_pointer(node);

			if (same_item(&now, &value) && !node_changed(node))
				item_missing(node, &where);
			length = -1;
			break;
		}
		if (!claim_item(check, &where))
			item_met_again(node, &where);
		part = hnsw_value_part(item.data, found, &next);
		if (part > check->quantizer->max_code_size - length)
			break;
		memcpy(code + length, item.data, part);
		length += part;
	} while (ItemPointerIsValid(&next));

	if (length >= 0 &&
		!quantizer_code_is_valid(check->quantizer, code, length))
		value_malformed(node, &value, length);
	pfree(code);
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

	if (!check_read_page(check, HNSW_REGION_NODES, page_no,
						 first + per_page >= check->meta.npoints, page.data,
						 &node.block))
		return;
	for (uint64 point = first; point < end; point++)
	{
		node.point = point;
		check_get_node(check, page.data, node.block, point, &node.copy,
					   &node.parts);
		if ((node.copy.node.info & HNSW_NODE_PRESENT) == 0)
			continue;
		check_links(&node);
		check_tids(&node);
		if (check->quantizer->variable_size)
			check_value(&node);
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

/* Reads the sorted TIDs and keeps those that are there more than once. */
static void
find_rows_twice(HnswCheck *check)
{
	int64		previous = -1;
	Datum		value;
	bool		isnull;

	check->twice = palloc(MAX_ROWS_TWICE * sizeof(RowTwice));
	check->ntwice = 0;
	tuplesort_performsort(check->tids);
	while (tuplesort_getdatum(check->tids, true, false, &value, &isnull, NULL))
	{
		int64		tid = DatumGetInt64(value);

		CHECK_FOR_INTERRUPTS();
		if (tid == previous && check->ntwice < MAX_ROWS_TWICE &&
			(check->ntwice == 0 ||
			 check->twice[check->ntwice - 1].tid != tid))
		{
			check->twice[check->ntwice].tid = tid;
			check->twice[check->ntwice++].point = InvalidPointId;
		}
		previous = tid;
	}
}

void
check_lists(HnswCheck *check)
{
	check->tids = tuplesort_begin_datum(INT8OID, Int8LessOperator, InvalidOid,
										false, maintenance_work_mem, NULL,
										TUPLESORT_NONE);
	check_all_lists(check);
	find_rows_twice(check);
	tuplesort_end(check->tids);

	/* Which points name those rows?  A single one is good. */
	if (check->ntwice > 0)
		check_all_lists(check);
}
