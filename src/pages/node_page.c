/*-------------------------------------------------------------------------
 *
 * node_page.c
 *	  Node pages and overflow pages as bytes.
 *
 * Both kinds have a directory of fixed-size entries below pd_lower and bytes
 * that the entries point to above pd_upper, with the free space in between
 * where generic WAL does not look.
 *
 * src/pages/node_page.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pages/index.h"
#include "pages/node_page.h"

static inline HnswNode *
page_nodes(Page page)
{
	return (HnswNode *) HnswPageGetBody(page);
}

void
node_page_init(Page page, uint32 page_no, int nodes_per_page)
{
	hnsw_page_init(page, HNSW_REGION_NODES, page_no);
	memset(HnswPageGetBody(page), 0, nodes_per_page * sizeof(HnswNode));
	((PageHeader) page)->pd_lower =
		HNSW_BODY_OFFSET + nodes_per_page * sizeof(HnswNode);
}

/* Is [offset, offset + length) inside the part of the page for bytes? */
static inline bool
bytes_in_page(int offset, int length, int directory_end)
{
	return offset >= directory_end && offset + length <= BLCKSZ;
}

/* Does anything at offset begin in the free space of the page? */
static inline bool
begins_in_free_space(Page page, int offset)
{
	return offset >= ((PageHeader) page)->pd_lower &&
		offset < ((PageHeader) page)->pd_upper;
}

static inline bool
bounds_are_good(Page page, int directory_end)
{
	PageHeader	header = (PageHeader) page;

	return header->pd_lower == directory_end &&
		header->pd_upper >= directory_end && header->pd_upper <= BLCKSZ;
}

bool
node_page_space_is_good(Page page, int nodes_per_page)
{
	const HnswNode *nodes = page_nodes(page);

	if (!bounds_are_good(page, HNSW_BODY_OFFSET +
						 nodes_per_page * sizeof(HnswNode)))
		return false;
	for (int i = 0; i < nodes_per_page; i++)
	{
		if (HnswNodeVarLength(&nodes[i]) > 0 &&
			begins_in_free_space(page, nodes[i].var_offset))
			return false;
	}
	return true;
}

bool
node_page_copy(Page page, int nodes_per_page, int index, HnswNodeCopy *copy)
{
	const HnswNode *node = &copy->node;
	int			length;

	copy->node = page_nodes(page)[index];

	/* without a lock, what is checked must be what is used */
	pg_compiler_barrier();
	length = HnswNodeVarLength(node);
	if (length == 0)
		return true;
	if (length > (int) HNSW_NODE_MAX_VAR ||
		!bytes_in_page(node->var_offset, length,
					   HNSW_BODY_OFFSET + nodes_per_page * sizeof(HnswNode)))
		return false;
	memcpy(copy->var, (char *) page + node->var_offset, length);
	return true;
}

uint8
node_page_generation(Page page, int index)
{
	return page_nodes(page)[index].generation;
}

/*
 * Bytes of the page that belong to the nodes, all but one, with or without
 * their slack.
 */
static int
bytes_of_others(const HnswNode *nodes, int nodes_per_page, int except,
				bool with_slack)
{
	int			sum = 0;

	for (int i = 0; i < nodes_per_page; i++)
	{
		int			size = with_slack ? HnswNodeVarCapacity(&nodes[i]) :
			HnswNodeVarLength(&nodes[i]);

		if (i != except)
			sum += Max(size, (int) HNSW_NODE_MIN_VAR);
	}
	return sum;
}

/*
 * Is the variable part of each node but one inside the page, and is there as
 * much room for that one as every node has?
 */
static bool
others_are_good(Page page, int nodes_per_page, int except)
{
	const HnswNode *nodes = page_nodes(page);
	int			directory_end = ((PageHeader) page)->pd_lower;

	for (int i = 0; i < nodes_per_page; i++)
	{
		int			length = HnswNodeVarLength(&nodes[i]);

		if (i != except && length > 0 &&
			!bytes_in_page(nodes[i].var_offset, length, directory_end))
			return false;
	}
	return bytes_of_others(nodes, nodes_per_page, except, false) +
		(int) HNSW_NODE_MIN_VAR <= BLCKSZ - directory_end;
}

/*
 * Moves the variable parts of all nodes but one to the end of the page, with
 * or without their slack.  They are good, and together they fit.
 */
static void
compact_nodes(Page page, int nodes_per_page, int except, bool with_slack)
{
	PGAlignedBlock image;
	HnswNode   *nodes = page_nodes(page);
	int			upper = BLCKSZ;

	memcpy(image.data, page, BLCKSZ);
	for (int i = 0; i < nodes_per_page; i++)
	{
		int			length = HnswNodeVarLength(&nodes[i]);
		int			slack = with_slack ? HnswNodeVarSlack(&nodes[i]) : 0;

		if (i == except || length == 0)
			continue;
		upper -= length + slack;
		memcpy((char *) page + upper, image.data + nodes[i].var_offset,
			   length);
		nodes[i].var_offset = upper;
		HnswNodeSetVarSize(&nodes[i], length, slack);
	}
	((PageHeader) page)->pd_upper = upper;
}

/*
 * Makes room for length bytes more behind pd_lower, besides what the other
 * nodes have, and lowers *slack to what there is room for.
 */
static NodePut
make_room(Page page, int nodes_per_page, int index, int length, int *slack)
{
	PageHeader	header = (PageHeader) page;
	const HnswNode *nodes = page_nodes(page);
	int			room = BLCKSZ - header->pd_lower -
		Max(length, (int) HNSW_NODE_MIN_VAR);
	int			spare = room - bytes_of_others(nodes, nodes_per_page, index,
											   true);
	bool		with_slack = spare >= 0;

	if (!with_slack)
		spare = room - bytes_of_others(nodes, nodes_per_page, index, false);
	*slack = Min(*slack, spare);
	if (with_slack &&
		header->pd_upper - header->pd_lower >= length + *slack)
		return NODE_PUT_DONE;
	if (!others_are_good(page, nodes_per_page, index))
		return NODE_PUT_DAMAGED;
	if (spare < 0)
		return NODE_PUT_NO_ROOM;
	compact_nodes(page, nodes_per_page, index, with_slack);
	return NODE_PUT_DONE;
}

NodePut
node_page_put(Page page, int nodes_per_page, int index,
			  const HnswNodeCopy *copy, int slack)
{
	PageHeader	header = (PageHeader) page;
	HnswNode   *old = &page_nodes(page)[index];
	HnswNode	node = copy->node;
	int			length = HnswNodeVarLength(&node);
	int			capacity = HnswNodeVarCapacity(old);
	bool		in_page = bytes_in_page(old->var_offset, capacity,
										header->pd_lower);

	Assert(length <= (int) HNSW_NODE_MAX_VAR);
	Assert(slack <= HNSW_NODE_MAX_SLACK);
	if (length == 0)
	{
		node.var_offset = 0;
		slack = 0;
	}
	else if (HnswNodeVarLength(old) > 0 && !in_page)
		return NODE_PUT_DAMAGED;
	else if (length <= capacity &&
			 capacity - length <= HNSW_NODE_MAX_SLACK && in_page)
	{
		node.var_offset = old->var_offset;
		slack = capacity - length;
	}
	else
	{
		NodePut		put = make_room(page, nodes_per_page, index, length,
									&slack);

		if (put != NODE_PUT_DONE)
			return put;
		header->pd_upper -= length + slack;
		node.var_offset = header->pd_upper;
	}
	HnswNodeSetVarSize(&node, length, slack);
	memcpy((char *) page + node.var_offset, copy->var, length);
	*old = node;
	return NODE_PUT_DONE;
}

void
node_set_xid(HnswNode *node, FullTransactionId next)
{
	uint64		xid = U64FromFullTransactionId(next);

	ItemPointerSet(&node->heaptid, (BlockNumber) (xid >> 16), (uint16) xid);
}

/*
 * There is room for 48 bits: how long ago it was can be told for half as long,
 * and that it was since next was read.
 */
FullTransactionId
node_xid(const HnswNode *node, FullTransactionId next)
{
	uint64		low = (uint64) ItemPointerGetBlockNumberNoCheck(&node->heaptid) << 16 |
		ItemPointerGetOffsetNumberNoCheck(&node->heaptid);
	uint64		now = U64FromFullTransactionId(next);
	uint64		age = (now - low) & ((UINT64CONST(1) << 48) - 1);

	if (age >= UINT64CONST(1) << 47)
		return FullTransactionIdFromU64(now + ((UINT64CONST(1) << 48) - age));
	return FullTransactionIdFromU64(now > age ? now - age : 0);
}

void
node_set_dead(HnswNode *node, FullTransactionId next)
{
	node->info |= HNSW_NODE_DEAD;
	node_set_xid(node, next);
}

bool
node_copies_equal(const HnswNodeCopy *a, const HnswNodeCopy *b)
{
	return memcmp(&a->node.heaptid, &b->node.heaptid,
				  sizeof(ItemPointerData)) == 0 &&
		a->node.info == b->node.info &&
		a->node.generation == b->node.generation &&
		HnswNodeVarLength(&a->node) == HnswNodeVarLength(&b->node) &&
		memcmp(a->var, b->var, HnswNodeVarLength(&a->node)) == 0;
}

/* Takes n bytes from the front of what is left of a variable part. */
static inline bool
take(const uint8 **from, int *left, void *to, int n)
{
	if (*left < n)
		return false;
	memcpy(to, *from, n);
	*from += n;
	*left -= n;
	return true;
}

bool
node_parse(const HnswNodeCopy *copy, HnswNodeParts *parts)
{
	const uint8 *from = copy->var;
	int			left = HnswNodeVarLength(&copy->node);
	uint8		info = copy->node.info;

	parts->upper_slot = 0;
	ItemPointerSetInvalid(&parts->more_tids);
	ItemPointerSetInvalid(&parts->links_away);

	if (HnswNodeLevel(&copy->node) > 0 &&
		!take(&from, &left, &parts->upper_slot, sizeof(uint32)))
		return false;
	if ((info & HNSW_NODE_MORE_TIDS) != 0 &&
		!take(&from, &left, &parts->more_tids, sizeof(ItemPointerData)))
		return false;
	if ((info & HNSW_NODE_LINKS_AWAY) != 0 &&
		(!take(&from, &left, &parts->links_away, sizeof(ItemPointerData)) ||
		 left != 0))
		return false;
	parts->links = from;
	parts->links_length = left;
	return true;
}

void
node_assemble(HnswNodeCopy *copy, int level, const HnswNodeParts *parts)
{
	uint8	   *to = copy->var;

	copy->node.info &= ~(HNSW_NODE_LEVEL_MASK | HNSW_NODE_MORE_TIDS |
						 HNSW_NODE_LINKS_AWAY);
	copy->node.info |= level;
	if (level > 0)
	{
		memcpy(to, &parts->upper_slot, sizeof(uint32));
		to += sizeof(uint32);
	}
	if (ItemPointerIsValid(&parts->more_tids))
	{
		copy->node.info |= HNSW_NODE_MORE_TIDS;
		memcpy(to, &parts->more_tids, sizeof(ItemPointerData));
		to += sizeof(ItemPointerData);
	}
	if (ItemPointerIsValid(&parts->links_away))
	{
		copy->node.info |= HNSW_NODE_LINKS_AWAY;
		memcpy(to, &parts->links_away, sizeof(ItemPointerData));
		to += sizeof(ItemPointerData);
	}
	else
	{
		memcpy(to, parts->links, parts->links_length);
		to += parts->links_length;
	}
	HnswNodeSetVarSize(&copy->node, to - copy->var, 0);
}

static inline HnswOverflowItem *
page_items(Page page)
{
	return (HnswOverflowItem *) HnswPageGetBody(page);
}

static inline int
page_item_count(Page page)
{
	int			lower = ((PageHeader) page)->pd_lower;

	if (lower < HNSW_BODY_OFFSET || lower > BLCKSZ)
		return 0;
	return (lower - HNSW_BODY_OFFSET) / sizeof(HnswOverflowItem);
}

bool
overflow_page_space_is_good(Page page)
{
	const HnswOverflowItem *items = page_items(page);
	int			count = page_item_count(page);

	if (!bounds_are_good(page, HNSW_BODY_OFFSET +
						 count * sizeof(HnswOverflowItem)))
		return false;
	for (int i = 0; i < count; i++)
	{
		if (items[i].length > 0 &&
			begins_in_free_space(page, items[i].offset))
			return false;
	}
	return true;
}

void
overflow_page_init(Page page, uint32 page_no)
{
	hnsw_page_init(page, HNSW_REGION_OVERFLOW, page_no);
	((PageHeader) page)->pd_lower = HNSW_BODY_OFFSET;
}

Size
overflow_page_space(Page page)
{
	return ((PageHeader) page)->pd_upper - ((PageHeader) page)->pd_lower;
}

/*
 * Bytes that an item takes: lists of heap rows are read where they are, so
 * all items start at even offsets.
 */
static inline int
item_space(int length)
{
	return SHORTALIGN(length);
}

/* Moves the items to the end of the page; their numbers stay. */
static void
compact_items(Page page)
{
	PGAlignedBlock image;
	HnswOverflowItem *items = page_items(page);
	int			count = page_item_count(page);
	int			upper = BLCKSZ;

	memcpy(image.data, page, BLCKSZ);
	for (int i = 0; i < count; i++)
	{
		if (items[i].length == 0)
			continue;
		if (!bytes_in_page(items[i].offset, items[i].length,
						   ((PageHeader) page)->pd_lower) ||
			upper - item_space(items[i].length) <
			((PageHeader) page)->pd_lower)
		{
			memcpy(page, image.data, BLCKSZ);
			return;
		}
		upper -= item_space(items[i].length);
		memcpy((char *) page + upper, image.data + items[i].offset,
			   items[i].length);
		items[i].offset = upper;
	}
	((PageHeader) page)->pd_upper = upper;
}

OffsetNumber
overflow_page_add(Page page, const void *item, int length)
{
	PageHeader	header = (PageHeader) page;
	HnswOverflowItem *items = page_items(page);
	int			count = page_item_count(page);
	int			room = header->pd_upper - header->pd_lower;
	int			number;

	Assert(length > 0);
	for (number = 0; number < count && items[number].length != 0; number++)
		 /* the first free number */ ;
	if (number == count)
		room -= sizeof(HnswOverflowItem);
	if (room < item_space(length))
		return InvalidOffsetNumber;

	if (number == count)
		header->pd_lower += sizeof(HnswOverflowItem);
	header->pd_upper -= item_space(length);
	memcpy((char *) page + header->pd_upper, item, length);
	items[number].offset = header->pd_upper;
	items[number].length = length;
	return number + 1;
}

void
overflow_page_delete(Page page, OffsetNumber number)
{
	if (number < 1 || number > page_item_count(page))
		return;
	page_items(page)[number - 1].offset = 0;
	page_items(page)[number - 1].length = 0;

	/* numbers at the end are forgotten, so that an empty page is one */
	for (int last = page_item_count(page);
		 last > 0 && page_items(page)[last - 1].length == 0; last--)
		((PageHeader) page)->pd_lower -= sizeof(HnswOverflowItem);
	compact_items(page);
}

void
overflow_page_shrink(Page page, OffsetNumber number, int length)
{
	Assert(number >= 1 && number <= page_item_count(page));
	Assert(length > 0 && length <= page_items(page)[number - 1].length);
	page_items(page)[number - 1].length = length;
	compact_items(page);
}

const void *
overflow_page_get(Page page, OffsetNumber number, int *length)
{
	int			count = page_item_count(page);
	const HnswOverflowItem *item;

	if (number < 1 || number > count)
		return NULL;
	item = &page_items(page)[number - 1];
	if (item->length == 0 ||
		!bytes_in_page(item->offset, item->length,
					   ((PageHeader) page)->pd_lower))
		return NULL;
	*length = item->length;
	return (char *) page + item->offset;
}
