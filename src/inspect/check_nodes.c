/*-------------------------------------------------------------------------
 *
 * check_nodes.c
 *	  Node pages, each by itself.
 *
 * Learns on the way what the other parts need to know: the level of each
 * point, and whose each upper slot is.
 *
 * src/inspect/check_nodes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "inspect/check.h"

static inline const HnswNode *
page_nodes(Page page)
{
	return (const HnswNode *) HnswPageGetBody(page);
}

/* Variable parts lie behind the free space and share no byte. */
static void
check_variable_parts(HnswCheck *check, Page page, BlockNumber block,
					 PointId first)
{
	const HnswNode *nodes = page_nodes(page);
	int			upper = ((PageHeader) page)->pd_upper;
	PageBytes	parts[HNSW_MAX_NODES_PER_PAGE];
	const PageBytes *overlap;
	int			n = 0;

	for (uint32 i = 0; i < check->meta.nodes_per_page; i++)
	{
		int			offset = nodes[i].var_offset;
		int			length = HnswNodeVarLength(&nodes[i]);
		int			capacity = HnswNodeVarCapacity(&nodes[i]);

		if (capacity == 0)
			continue;
		if (length > (int) HNSW_NODE_MAX_VAR || offset < upper ||
			offset + capacity > BLCKSZ)
			check_fault(check, "has a node whose variable part is out of range",
						"Block %u, point %u: expected at most %d bytes from %d to %d, found %d (room for %d) at %d.",
						block, first + i, (int) HNSW_NODE_MAX_VAR, upper,
						BLCKSZ, length, capacity, offset);
		parts[n].offset = offset;
		parts[n].length = capacity;
		parts[n++].owner = first + i;
	}

	overlap = check_find_overlap(parts, n);
	if (overlap != NULL)
		check_fault(check, "has nodes whose variable parts overlap",
					"Block %u, point %u: expected its bytes from %d on, found those of point %u up to %d.",
					block, overlap->owner, overlap->offset, overlap[-1].owner,
					overlap[-1].offset + overlap[-1].length);
}

/* An id that was not given out yet leaves no trace. */
static void
check_empty_node(HnswCheck *check, const HnswNode *node, BlockNumber block,
				 PointId point)
{
	static const HnswNode empty;

	if (memcmp(node, &empty, sizeof(HnswNode)) != 0 &&
		!check_point_exists(check, point))
		check_fault(check, "has a node beyond its last point",
					"Block %u, point %u: expected an empty node as there are %u points, found level and flags %02X, heap row (%u,%u), %u bytes.",
					block, point, check->now.npoints, node->info,
					ItemPointerGetBlockNumberNoCheck(&node->heaptid),
					ItemPointerGetOffsetNumberNoCheck(&node->heaptid),
					HnswNodeVarLength(node));
}

void
check_get_node(HnswCheck *check, Page page, BlockNumber block, PointId point,
			   HnswNodeCopy *copy, HnswNodeParts *parts)
{
	int			per_page = check->meta.nodes_per_page;

	if (!node_page_copy(page, per_page, point % per_page, copy))
		check_fault(check, "has a node whose variable part is out of range",
					"Block %u, point %u: expected it inside the page, found %u bytes at %u.",
					block, point, HnswNodeVarLength(&copy->node),
					copy->node.var_offset);
	if (!node_parse(copy, parts))
		check_fault(check, "has a node whose variable part is too short",
					"Block %u, point %u, level %d: expected all that flags %02X ask for, found %u bytes.",
					block, point, HnswNodeLevel(&copy->node),
					copy->node.info & ~HNSW_NODE_LEVEL_MASK,
					HnswNodeVarLength(&copy->node));
	if (((copy->node.info & HNSW_NODE_MORE_TIDS) != 0 &&
		 !ItemPointerIsValid(&parts->more_tids)) ||
		((copy->node.info & HNSW_NODE_LINKS_AWAY) != 0 &&
		 !ItemPointerIsValid(&parts->links_away)))
		check_fault(check, "has a node with an invalid pointer to an overflow item",
					"Block %u, point %u: expected an item number from 1, found 0.",
					block, point);
}

/* Takes the slots of a point, each of which belongs to nobody else. */
static void
claim_slots(HnswCheck *check, BlockNumber block, PointId point, int level,
			uint32 first)
{
	uint64		end = (uint64) first + level;

	if (end - 1 > PG_UINT32_MAX || !check_slot_exists(check, end - 1))
		check_fault(check, "has a point whose upper slot does not exist",
					"Block %u, point %u, level %d: expected slots below %u, found %u to %llu.",
					block, point, level, check->now.nslots, first,
					(unsigned long long) end - 1);
	for (uint32 slot = first; slot < Min(end, check->meta.nslots); slot++)
	{
		if (PointIdIsValid(check->slot_owners[slot]))
			check_fault(check, "has an upper slot that is used twice",
						"Block %u, point %u, level %d: expected a slot of its own, found slot %u of point %u.",
						block, point, (int) (slot - first) + 1, slot,
						check->slot_owners[slot]);
		check->slot_owners[slot] = point;
	}
}

/*
 * A free point keeps its upper slots; and the next one of its list, if it is
 * listed, which above level 0 all are.
 */
static void
check_free_node(HnswCheck *check, BlockNumber block, PointId point,
				const HnswNodeCopy *copy, const HnswNodeParts *parts)
{
	int			level = HnswNodeLevel(&copy->node);

	if (ItemPointerIsValid(&copy->node.heaptid))
		check_fault(check, "has a heap row at a point that is not in use",
					"Block %u, point %u: expected none, found (%u,%u).",
					block, point,
					ItemPointerGetBlockNumber(&copy->node.heaptid),
					ItemPointerGetOffsetNumber(&copy->node.heaptid));
	if ((copy->node.info & (HNSW_NODE_MORE_TIDS | HNSW_NODE_LINKS_AWAY)) != 0 ||
		(parts->links_length != sizeof(PointId) &&
		 (level > 0 || parts->links_length != 0)))
		check_fault(check, "has a malformed free point",
					"Block %u, point %u: expected level, flag %02X and %d bytes, found level and flags %02X and %d bytes.",
					block, point, HNSW_NODE_DEAD, (int) sizeof(PointId),
					copy->node.info, parts->links_length);
	if (level > 0)
		claim_slots(check, block, point, level, parts->upper_slot);
}

/* One that was taken keeps its upper slots; others have nothing yet. */
static void
check_unused_node(HnswCheck *check, BlockNumber block, PointId point,
				  const HnswNodeCopy *copy, const HnswNodeParts *parts)
{
	int			level = HnswNodeLevel(&copy->node);

	if (copy->node.info != level || parts->links_length != 0)
		check_fault(check, "has a malformed point that is not in use",
					"Block %u, point %u: expected a level and no links, found level and flags %02X and %d bytes of links.",
					block, point, copy->node.info, parts->links_length);
	if (level > 0)
		claim_slots(check, block, point, level, parts->upper_slot);
}

static void
check_node(HnswCheck *check, Page page, BlockNumber block, PointId point)
{
	HnswNodeCopy copy;
	HnswNodeParts parts;
	int			level;

	check_get_node(check, page, block, point, &copy, &parts);
	level = HnswNodeLevel(&copy.node);
	if (HnswNodeIsFree(&copy.node))
	{
		check_free_node(check, block, point, &copy, &parts);
		return;
	}
	if (HnswNodeIsUnused(&copy.node))
	{
		check_unused_node(check, block, point, &copy, &parts);
		return;
	}
	check->points[point] = level | POINT_PRESENT;
	if (level > 0)
		claim_slots(check, block, point, level, parts.upper_slot);
}

/* Where free points of level 0 are, one is listed. */
static void
check_free_nodes(HnswCheck *check, Page page, BlockNumber block, uint64 first)
{
	const HnswNode *nodes = page_nodes(page);
	int			unlisted = -1;

	for (uint32 i = 0; i < check->meta.nodes_per_page; i++)
	{
		if (HnswNodeIsListed(&nodes[i]) && HnswNodeLevel(&nodes[i]) == 0)
			return;
		if (HnswNodeIsUnlisted(&nodes[i]))
			unlisted = i;
	}
	if (unlisted >= 0)
		check_fault(check, "has a free point that no list leads to",
					"Block %u, point %llu: expected a free point on the page that is in the list of level 0, found none.",
					block, (unsigned long long) first + unlisted);
}

static void
check_node_page(HnswCheck *check, uint32 page_no)
{
	uint32		per_page = check->meta.nodes_per_page;
	uint64		first = (uint64) page_no * per_page;
	PGAlignedBlock page;
	BlockNumber block;

	/* the last ids given out may have been so in vain, in a crash */
	if (!check_read_page(check, HNSW_REGION_NODES, page_no,
						 first + per_page >= check->meta.npoints, page.data,
						 &block))
		return;

	/* pages far behind the last point have no ids, only empty nodes */
	check_variable_parts(check, page.data, block,
						 Min(first, InvalidPointId - per_page));
	for (uint32 i = 0; i < per_page; i++)
	{
		if (first + i < check->meta.npoints)
			check_node(check, page.data, block, first + i);
		else
			check_empty_node(check, &page_nodes(page.data)[i], block,
							 Min(first + i, InvalidPointId));
	}
	check_free_nodes(check, page.data, block, first);
}

static void
check_entry_node(HnswCheck *check)
{
	const HnswMetaPageData *meta = &check->meta;
	uint8		point;

	if (!PointIdIsValid(meta->entry_point))
		return;
	point = check->points[meta->entry_point];
	if ((point & POINT_PRESENT) != 0 &&
		(point & POINT_LEVEL_MASK) == meta->entry_level)
		return;

	/* unless there is another one by now */
	check_refresh(check);
	if (check->now.entry_point != meta->entry_point ||
		check->now.entry_level != meta->entry_level)
		return;
	if ((point & POINT_PRESENT) == 0)
		check_fault(check, "has an entry point that is not in use",
					"Block 0, point %u: expected a point in use, found none.",
					meta->entry_point);
	check_fault(check, "has an entry point of another level",
				"Block 0, point %u: expected level %u, found level %d.",
				meta->entry_point, meta->entry_level,
				point & POINT_LEVEL_MASK);
}

void
check_nodes(HnswCheck *check)
{
	const HnswMetaPageData *meta = &check->meta;
	Size		slot_bytes = (Size) meta->nslots * sizeof(PointId);

	check->points = palloc_extended(Max(meta->npoints, 1),
									MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	check->slot_owners = palloc_extended(Max(slot_bytes, 1), MCXT_ALLOC_HUGE);
	memset(check->slot_owners, 0xFF, slot_bytes);

	for (uint32 i = 0; i < hnsw_directory(meta, HNSW_REGION_NODES)->npages; i++)
		check_node_page(check, i);
	check_entry_node(check);
}
