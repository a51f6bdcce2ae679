/*-------------------------------------------------------------------------
 *
 * reader_nodes.c
 *	  Nodes, their links, and the heap TIDs of a point.
 *
 * src/pages/reader_nodes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pages/reader_internal.h"
#include "test_points.h"

/* The buffer is not pinned: what is read of it is good for a hint alone. */
static void
prefetch_var(Buffer buffer, int offset)
{
	HnswNode	node;
	int			length;

	memcpy(&node, (char *) BufferGetBlock(buffer) + offset, sizeof(node));
	length = Min(HnswNodeVarLength(&node), MAX_PREFETCH);
	if (length > 0 && node.var_offset + length <= BLCKSZ)
		prefetch_in_buffer(buffer, node.var_offset, length);
}

/*
 * The buffer in which the node of a point was last seen, and where it is on its
 * page.  InvalidBuffer when that is no shared one, or not known.
 */
static inline Buffer
recent_node_buffer(HnswReader *reader, PointId point, int *offset)
{
	const HnswMetaPageData *meta = &reader->ix->meta;
	uint32		page_no = point / meta->nodes_per_page;
	uint32		index = point - page_no * meta->nodes_per_page;
	Buffer		buffer;

	*offset = HNSW_BODY_OFFSET + index * sizeof(HnswNode);
	if (point >= meta->npoints)
		return InvalidBuffer;
	buffer = reader->ix->recent[locate_page(reader, HNSW_REGION_NODES,
											page_no)];
	return unpinned_is_shared(buffer) ? buffer : InvalidBuffer;
}

void
hnsw_reader_prefetch_node(HnswReader *reader, PointId point)
{
	int			offset;
	Buffer		buffer = recent_node_buffer(reader, point, &offset);

	if (buffer == InvalidBuffer)
		return;
	if (point == reader->prefetched)
	{
		prefetch_var(buffer, offset);
		return;
	}
	reader->prefetched = point;
	unpinned_prefetch_descriptor(buffer);
	prefetch_in_buffer(buffer, offset, sizeof(HnswNode));
}

int
hnsw_reader_peek_tids(HnswReader *reader, const PointId *points, int n,
					  ItemPointerData *tids)
{
	int			offset;
	int			ntids = 0;

	for (int i = 0; i < n; i++)
		hnsw_reader_prefetch_node(reader, points[i]);
	for (int i = 0; i < n; i++)
	{
		Buffer		buffer = recent_node_buffer(reader, points[i], &offset);

		if (buffer != InvalidBuffer)
			memcpy(&tids[ntids++],
				   (char *) BufferGetBlock(buffer) + offset +
				   offsetof(HnswNode, heaptid), sizeof(ItemPointerData));
	}
	return ntids;
}

/*
 * Ids that links name are below the number of points given out.  Our copy of
 * the metapage may be older than the link, so look again before complaining.
 */
static inline bool
point_exists(HnswReader *reader, PointId point)
{
	if (likely(point < reader->ix->meta.npoints))
		return true;
	hnsw_index_refresh(reader->ix, reader->index);
	return point < reader->ix->meta.npoints;
}

void
hnsw_reader_node(HnswReader *reader, PointId point, HnswNodeCopy *copy,
				 HnswNodeParts *parts)
{
	int			nodes_per_page = reader->ix->meta.nodes_per_page;
	Buffer		buffer;
	Page		page;
	bool		good;

	CHECK_FOR_INTERRUPTS();
	if (!point_exists(reader, point))
		hnsw_point_corrupted(reader, point, "There is no such point.");
	page = hnsw_reader_pin(reader, HNSW_REGION_NODES, point / nodes_per_page,
						   &buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	good = node_page_copy(page, nodes_per_page, point % nodes_per_page, copy);
	UnlockReleaseBuffer(buffer);

	if (!good || !node_parse(copy, parts))
		hnsw_point_corrupted(reader, point, "Its node does not fit its page.");
}

/*
 * Begins to look at a page that may change.  Of a relation whose changes are
 * not logged LSNs tell nothing.
 */
static inline bool
begin_look(HnswReader *reader, UnpinnedLook *look, HnswRegionId region,
		   uint32 page_no)
{
	HnswIndex  *ix = reader->ix;
	BlockNumber block;

	if (!RelationNeedsWAL(reader->index))
		return false;
	block = locate_page(reader, region, page_no);
	if (!unpinned_begin_changing(look, &ix->locator, block, ix->recent[block],
								 page_usage_due(ix, block)))
		return false;
	HNSW_TEST_STOP("look-at-links");
	return true;
}

static inline bool
end_look(HnswReader *reader, const UnpinnedLook *look, HnswRegionId region)
{
	if (!unpinned_end_changing(look))
	{
		HNSW_TEST_STOP("links-changed");
		return false;
	}
	count_unpinned(reader, region);
	return true;
}

static bool
look_at_node(HnswReader *reader, PointId point, HnswNodeCopy *copy)
{
	int			nodes_per_page = reader->ix->meta.nodes_per_page;
	UnpinnedLook look;
	bool		good;

	if (point >= reader->ix->meta.npoints ||
		!begin_look(reader, &look, HNSW_REGION_NODES, point / nodes_per_page))
		return false;
	good = node_page_copy(look.page, nodes_per_page, point % nodes_per_page,
						  copy);
	return end_look(reader, &look, HNSW_REGION_NODES) && good;
}

/* Copies an overflow item; returns its length, 0 when there is none. */
static int
find_overflow(HnswReader *reader, const ItemPointerData *where, void *item)
{
	uint32		page_no = ItemPointerGetBlockNumberNoCheck(where);
	OffsetNumber number = ItemPointerGetOffsetNumberNoCheck(where);
	Buffer		buffer;
	Page		page;
	const void *found;
	int			length = 0;

	if (page_no >= hnsw_directory(&reader->ix->meta,
								  HNSW_REGION_OVERFLOW)->npages)
		hnsw_index_refresh(reader->ix, reader->index);
	page = hnsw_reader_pin(reader, HNSW_REGION_OVERFLOW, page_no, &buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	found = overflow_page_get(page, number, &length);
	if (found != NULL)
		memcpy(item, found, length);
	UnlockReleaseBuffer(buffer);
	return found != NULL ? length : 0;
}

static void
item_missing(HnswReader *reader, const ItemPointerData *where)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" has no item %u in overflow page %u",
					RelationGetRelationName(reader->index),
					ItemPointerGetOffsetNumberNoCheck(where),
					ItemPointerGetBlockNumberNoCheck(where)),
			 errhint("Please REINDEX it.")));
}

int
hnsw_reader_overflow(HnswReader *reader, const ItemPointerData *where,
					 void *item)
{
	int			length = find_overflow(reader, where, item);

	if (length == 0)
		item_missing(reader, where);
	return length;
}

/*
 * Copies the encoded links of a node that had them in the overflow region when
 * it was read.  An insert may have moved them since, and the item may be
 * someone else's: what was read counts when the node says afterwards that it
 * is still there.  Returns their length.
 */
static int
read_links_away(HnswReader *reader, PointId point,
				const HnswNodeParts *parts, void *item)
{
	ItemPointerData where = parts->links_away;

	HNSW_TEST_POINT("read-links-away");
	for (;;)
	{
		int			length = find_overflow(reader, &where, item);
		HnswNodeCopy now;
		HnswNodeParts now_parts;

		hnsw_reader_node(reader, point, &now, &now_parts);
		if (!HnswNodeIsPresent(&now.node))
			return 0;
		if (!ItemPointerIsValid(&now_parts.links_away))
		{
			memcpy(item, now_parts.links, now_parts.links_length);
			return now_parts.links_length;
		}
		if (same_item(&now_parts.links_away, &where))
		{
			if (length == 0)
				item_missing(reader, &where);
			return length;
		}
		where = now_parts.links_away;
	}
}

/* Unpacks links; -1 when they are none, or lead to no point. */
static int
decode_links(HnswReader *reader, PointId point, const uint8 *packed, int length,
			 PointId *links)
{
	int			nlinks = link_codec_decode(reader->ix->meta.link_format, point,
										   packed, length, links);

	/* links ascend: the last one is the largest */
	if (nlinks > 0 && !point_exists(reader, links[nlinks - 1]))
		return -1;
	return nlinks;
}

/*
 * Two changes of a list while its item is read can end with the node naming
 * the same item again, which was someone else's in between.  That is so rare
 * that it will not happen READ_AGAIN times in a row.
 */
#define READ_AGAIN	3

static int
level0_links(HnswReader *reader, PointId point, const HnswNodeParts *parts,
			 PointId *links)
{
	int			nlinks = -1;

	if (!ItemPointerIsValid(&parts->links_away))
		nlinks = decode_links(reader, point, parts->links,
							  parts->links_length, links);
	else
	{
		for (int i = 0; i < READ_AGAIN && nlinks < 0; i++)
		{
			PGAlignedBlock item;
			int			length = read_links_away(reader, point, parts,
												 item.data);

			nlinks = decode_links(reader, point, (uint8 *) item.data, length,
								  links);
		}
	}
	if (nlinks < 0)
		hnsw_point_corrupted(reader, point, "Its links at level 0 are invalid.");
	return nlinks;
}

/* Copies the links of an upper slot; returns how many, -1 when it is damaged. */
static int
copy_slot(const HnswIndex *ix, Page page, PointId point, uint32 slot,
		  int level, PointId *links)
{
	const char *found = HnswPageGetBody(page) +
		slot % ix->upper_per_page * HnswUpperSlotSize(ix->meta.m);
	HnswUpperSlot head;

	memcpy(&head, found, offsetof(HnswUpperSlot, links));

	/* without a lock, what is checked must be what is used */
	pg_compiler_barrier();
	if (head.point != point || head.level != level ||
		head.nlinks > ix->meta.m)
		return -1;
	memcpy(links, found + offsetof(HnswUpperSlot, links),
		   head.nlinks * sizeof(PointId));
	return head.nlinks;
}

static int
upper_links(HnswReader *reader, PointId point, uint32 slot, int level,
			PointId *links)
{
	HnswIndex  *ix = reader->ix;
	Buffer		buffer;
	Page		page;
	int			nlinks;
	bool		good;

	HNSW_TEST_POINT("read-upper-links");
	slot += level - 1;
	if (slot >= ix->meta.nslots)
		hnsw_index_refresh(ix, reader->index);
	if (slot >= ix->meta.nslots)
		hnsw_point_corrupted(reader, point, "Its upper slot does not exist.");

	page = hnsw_reader_pin(reader, HNSW_REGION_UPPER,
						   slot / ix->upper_per_page, &buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	nlinks = copy_slot(ix, page, point, slot, level, links);
	UnlockReleaseBuffer(buffer);

	good = nlinks >= 0;
	for (int i = 0; good && i < nlinks; i++)
		good = point_exists(reader, links[i]);
	if (!good)
		hnsw_point_corrupted(reader, point, "Its upper slot is invalid.");
	return nlinks;
}

/* All that is not plain and good is left to who reads under the lock. */
static int
look_at_upper_links(HnswReader *reader, PointId point, uint32 slot, int level,
					PointId *links)
{
	HnswIndex  *ix = reader->ix;
	UnpinnedLook look;
	int			nlinks;

	HNSW_TEST_POINT("read-upper-links");
	slot += level - 1;
	if (slot >= ix->meta.nslots ||
		!begin_look(reader, &look, HNSW_REGION_UPPER,
					slot / ix->upper_per_page))
		return -1;
	nlinks = copy_slot(ix, look.page, point, slot, level, links);
	if (!end_look(reader, &look, HNSW_REGION_UPPER))
		return -1;
	for (int i = 0; i < nlinks; i++)
	{
		if (links[i] >= ix->meta.npoints)
			return -1;
	}
	return nlinks;
}

static int
look_at_level0_links(HnswReader *reader, PointId point,
					 const HnswNodeParts *parts, PointId *links)
{
	int			nlinks;

	if (ItemPointerIsValid(&parts->links_away))
		return -1;
	nlinks = link_codec_decode(reader->ix->meta.link_format, point,
							   parts->links, parts->links_length, links);

	/* links ascend: the last one is the largest */
	return nlinks > 0 && links[nlinks - 1] >= reader->ix->meta.npoints ?
		-1 : nlinks;
}

/* The links of a point without a lock; -1 when that does not work. */
static int
look_at_links(HnswReader *reader, PointId point, int level, PointId *links,
			  bool *live)
{
	HnswNodeCopy copy;
	HnswNodeParts parts;

	CHECK_FOR_INTERRUPTS();
	if (!look_at_node(reader, point, &copy) || !node_parse(&copy, &parts))
		return -1;
	*live = HnswNodeHasRows(&copy.node);
	if (!HnswNodeIsPresent(&copy.node))
		return 0;
	if (level == 0)
		return look_at_level0_links(reader, point, &parts, links);
	if (level > HnswNodeLevel(&copy.node))
		return 0;
	return look_at_upper_links(reader, point, parts.upper_slot, level, links);
}

int
hnsw_reader_links(HnswReader *reader, PointId point, const HnswNodeCopy *copy,
				  const HnswNodeParts *parts, int level, PointId *links)
{
	if (level == 0)
		return level0_links(reader, point, parts, links);
	if (level > HnswNodeLevel(&copy->node))
		return 0;
	return upper_links(reader, point, parts->upper_slot, level, links);
}

int
hnsw_reader_expand(HnswReader *reader, PointId point, int level,
				   PointId *links, bool *live)
{
	HnswNodeCopy copy;
	HnswNodeParts parts;

	if (reader->searching)
	{
		int			nlinks = look_at_links(reader, point, level, links, live);

		if (likely(nlinks >= 0))
			return nlinks;
	}

	hnsw_reader_node(reader, point, &copy, &parts);
	*live = HnswNodeHasRows(&copy.node);

	/* given back since the link to it was read */
	if (!HnswNodeIsPresent(&copy.node))
		return 0;
	return hnsw_reader_links(reader, point, &copy, &parts, level, links);
}

bool
hnsw_reader_has_rows(HnswReader *reader, PointId point)
{
	HnswNodeCopy copy;
	HnswNodeParts parts;

	if (!reader->searching || !look_at_node(reader, point, &copy))
		hnsw_reader_node(reader, point, &copy, &parts);
	return HnswNodeHasRows(&copy.node);
}

void
hnsw_reader_start_tids(HnswTidWalk *walk, const HnswNodeCopy *seen,
					   const HnswNodeParts *parts)
{
	walk->next = parts->more_tids;
	ItemPointerSetInvalid(&walk->mark);
	walk->nlists = 0;
	walk->may_change = seen != NULL;
	walk->changed = false;
	walk->generation = seen != NULL ? seen->node.generation : 0;
}

/*
 * Does what led to the list that was read after it still do so?  The node can
 * name the same item again when another list got its place; then it has
 * another generation.  A list is still the one that it was when it begins with
 * the same TID, as that is in one place (I4).
 */
static bool
still_leads(HnswReader *reader, PointId point, const HnswTidWalk *walk)
{
	PGAlignedBlock item;
	const HnswTidList *list = (const HnswTidList *) item.data;
	ItemPointerData first;
	int			length;

	if (walk->nlists == 0)
	{
		HnswNodeCopy now;
		HnswNodeParts parts;

		hnsw_reader_node(reader, point, &now, &parts);
		return HnswNodeIsLive(&now.node) &&
			now.node.generation == walk->generation &&
			same_item(&parts.more_tids, &walk->next);
	}
	length = find_overflow(reader, &walk->where, item.data);
	if (length < (int) offsetof(HnswTidList, tids))
		return false;
	first = first_tid(list, length);
	return same_item(&first, &walk->first) &&
		same_item(&list->next, &walk->next);
}

/*
 * Circles are found by Brent's method: the mark moves to where we are at the
 * 1st, 2nd, 4th, 8th ... list.  Once the mark is inside a circle that is not
 * longer than the way to the next mark, we come by it again.
 */
bool
hnsw_reader_next_tids(HnswReader *reader, PointId point, HnswTidWalk *walk,
					  HnswTidList *list)
{
	int			length;

	CHECK_FOR_INTERRUPTS();
	if (!ItemPointerIsValid(&walk->next))
		return false;
	if (ItemPointerEquals(&walk->next, &walk->mark))
		hnsw_point_corrupted(reader, point,
							 "Its lists of heap rows form a circle.");

	HNSW_TEST_POINT(walk->nlists == 0 ? "read-first-list" : "read-next-list");
	length = find_overflow(reader, &walk->next, list);
	HNSW_TEST_POINT("list-read");
	if (walk->may_change && !still_leads(reader, point, walk))
	{
		walk->changed = true;
		return false;
	}
	if (length == 0)
		item_missing(reader, &walk->next);

	/* a list keeps its length when vacuum takes TIDs out of it */
	if (length < (int) offsetof(HnswTidList, tids) ||
		length < (int) (offsetof(HnswTidList, tids) +
						list->ntids * sizeof(ItemPointerData)))
		hnsw_point_corrupted(reader, point, "Its list of heap rows is invalid.");

	walk->where = walk->next;
	walk->length = length;
	walk->first = first_tid(list, length);
	if ((walk->nlists & (walk->nlists + 1)) == 0)
		walk->mark = walk->where;
	walk->nlists++;
	walk->next = list->next;
	return true;
}

/* The TIDs of a node as it was read; -1 when that is too long ago. */
static int
try_tids(HnswReader *reader, PointId point, const HnswNodeCopy *copy,
		 const HnswNodeParts *parts, ItemPointerData **tids)
{
	PGAlignedBlock item;
	HnswTidList *list = (HnswTidList *) item.data;
	HnswTidWalk walk;
	int			ntids = 0;

	/* none of its rows is of this snapshot, then */
	if (!HnswNodeIsLive(&copy->node))
		return 0;
	if (ItemPointerIsValid(&copy->node.heaptid))
		(*tids)[ntids++] = copy->node.heaptid;
	HNSW_TEST_POINT("read-tids");
	hnsw_reader_start_tids(&walk, copy, parts);
	while (hnsw_reader_next_tids(reader, point, &walk, list))
	{
		*tids = repalloc_huge(*tids, (ntids + list->ntids + 1) *
							  sizeof(ItemPointerData));
		memcpy(*tids + ntids, list->tids,
			   list->ntids * sizeof(ItemPointerData));
		ntids += list->ntids;
	}
	return walk.changed ? -1 : ntids;
}

int
hnsw_reader_tids(HnswReader *reader, PointId point, const HnswNodeCopy *copy,
				 const HnswNodeParts *parts, ItemPointerData **tids)
{
	int			ntids;

	*tids = palloc(sizeof(ItemPointerData));
	ntids = try_tids(reader, point, copy, parts, tids);
	while (ntids < 0)
	{
		HnswNodeCopy now;
		HnswNodeParts now_parts;

		hnsw_reader_node(reader, point, &now, &now_parts);
		ntids = try_tids(reader, point, &now, &now_parts, tids);
	}
	return ntids;
}
