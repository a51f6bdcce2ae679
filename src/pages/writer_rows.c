/*-------------------------------------------------------------------------
 *
 * writer_rows.c
 *	  Heap rows of a point.
 *
 * src/pages/writer_rows.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pages/page_batch.h"
#include "pages/reader_internal.h"
#include "pages/writer_internal.h"
#include "test_points.h"

/* Writes a node if it is still as seen. */
static bool
replace_node(HnswReader *reader, PointId point, const HnswNodeCopy *seen,
			 const HnswNodeCopy *copy)
{
	PageBatch	batch;
	bool		done;

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_NODES,
				   point / reader->ix->meta.nodes_per_page);
	page_batch_open(&batch);
	done = hnsw_node_is_as_seen(&batch, point, seen) &&
		hnsw_put_node(&batch, point, copy, LIST_SLACK);
	if (done)
		page_batch_close(&batch);
	else
		page_batch_abort(&batch);
	return done;
}

static void
list_invalid(HnswReader *reader, PointId point)
{
	hnsw_point_corrupted(reader, point, "Its list of heap rows is invalid.");
}

/*
 * In an open batch that has the list's page: the list, and how many TIDs it has
 * room for in all; NULL when it is none.
 */
static HnswTidList *
batch_list(PageBatch *batch, const ItemPointerData *where, int *room)
{
	Page		page = page_batch_page(batch, HNSW_REGION_OVERFLOW,
									   ItemPointerGetBlockNumber(where));
	int			length;
	HnswTidList *list =
		unconstify(void *,
				   overflow_page_get(page, ItemPointerGetOffsetNumber(where),
									 &length));

	*room = 0;
	if (list == NULL || length < (int) offsetof(HnswTidList, tids))
		return NULL;
	*room = (length - (int) offsetof(HnswTidList, tids)) /
		(int) sizeof(ItemPointerData);
	return *room > 0 && list->ntids <= *room ? list : NULL;
}

/*
 * Appends to the first list of a point; false when it is full, or the node is
 * not as seen.  Stores how many TIDs the list has room for, 0 when nothing is
 * known of it.  The node's page is part of the record, though it does not
 * change: the list belongs to the point as long as that is locked.
 */
static bool
append_to_list(HnswReader *reader, PointId point, const HnswNodeCopy *seen,
			   const ItemPointerData *where, ItemPointer heaptid, int *room)
{
	PageBatch	batch;
	HnswTidList *list = NULL;
	bool		as_seen;

	*room = 0;
	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_NODES,
				   point / reader->ix->meta.nodes_per_page);
	page_batch_add(&batch, HNSW_REGION_OVERFLOW,
				   ItemPointerGetBlockNumber(where));
	page_batch_open(&batch);
	as_seen = hnsw_node_is_as_seen(&batch, point, seen);
	if (as_seen)
		list = batch_list(&batch, where, room);
	if (list != NULL && list->ntids < *room)
	{
		list->tids[list->ntids++] = *heaptid;
		page_batch_close(&batch);
		return true;
	}
	page_batch_abort(&batch);
	if (as_seen && list == NULL)
		list_invalid(reader, point);
	return false;
}

/*
 * Makes a new first list with one row, in front of the old ones, of which the
 * first has room for so many.
 */
static bool
prepend_list(HnswReader *reader, PointId point, const HnswNodeCopy *seen,
			 const HnswNodeParts *parts, int old_room, ItemPointer heaptid)
{
	PGAlignedBlock item;
	HnswTidList *list = (HnswTidList *) item.data;
	HnswNodeCopy copy = *seen;
	HnswNodeParts changed = *parts;
	int			room = Min(Max(2 * old_room, HNSW_FIRST_TID_LIST),
						   HNSW_TIDS_PER_LIST);

	memset(item.data, 0, BLCKSZ);
	list->next = parts->more_tids;
	list->ntids = 1;
	list->tids[0] = *heaptid;
	changed.more_tids = hnsw_overflow_add(reader, list,
										  offsetof(HnswTidList, tids) +
										  room * sizeof(ItemPointerData));
	node_assemble(&copy, HnswNodeLevel(&seen->node), &changed);
	if (replace_node(reader, point, seen, &copy))
		return true;

	/* the links may have to go, which a change of links knows how to do */
	hnsw_overflow_drop(reader, &changed.more_tids);
	return false;
}

/* Moves the links of a node to the overflow region, so that others fit. */
static void
send_links_away(HnswReader *reader, PointId point, const HnswNodeCopy *seen,
				const HnswNodeParts *parts)
{
	HnswNodeCopy copy = *seen;
	HnswNodeParts changed = *parts;

	if (ItemPointerIsValid(&parts->links_away) || parts->links_length == 0)
		return;
	changed.links_away = hnsw_overflow_add(reader, parts->links,
										   parts->links_length);
	node_assemble(&copy, HnswNodeLevel(&seen->node), &changed);
	if (!replace_node(reader, point, seen, &copy))
		hnsw_overflow_drop(reader, &changed.links_away);
}

bool
hnsw_writer_add_row(HnswReader *reader, PointId point, ItemPointer heaptid)
{
	for (;;)
	{
		HnswNodeCopy seen;
		HnswNodeParts parts;
		int			room = 0;	/* of the first list */

		hnsw_reader_node(reader, point, &seen, &parts);
		if (!HnswNodeIsLive(&seen.node))
			return false;
		HNSW_TEST_POINT("add-row");
		if (!ItemPointerIsValid(&seen.node.heaptid))
		{
			HnswNodeCopy copy = seen;

			copy.node.heaptid = *heaptid;
			if (replace_node(reader, point, &seen, &copy))
				return true;
			continue;
		}
		if (ItemPointerIsValid(&parts.more_tids))
		{
			if (append_to_list(reader, point, &seen, &parts.more_tids,
							   heaptid, &room))
				return true;
			if (room == 0)
				continue;
		}
		if (prepend_list(reader, point, &seen, &parts, room, heaptid))
			return true;
		send_links_away(reader, point, &seen, &parts);
	}
}

/*-------------------------------------------------------------------------
 * Rows that are gone
 *-------------------------------------------------------------------------
 */

/*
 * Takes the dead among the first n TIDs of a list out, and keeps those that
 * inserts have added since these were read.
 */
static void
take_out(HnswTidList *list, const bool *dead, int n)
{
	int			kept = 0;

	for (int i = 0; i < list->ntids; i++)
	{
		if (i >= n || !dead[i])
			list->tids[kept++] = list->tids[i];
	}
	list->ntids = kept;
}

/*
 * Opens a batch that has the page of a list; the list, which has at least the n
 * TIDs that were read of it.
 */
static HnswTidList *
open_list(PageBatch *batch, PointId point, const ItemPointerData *where, int n,
		  int *room)
{
	HnswTidList *list;

	page_batch_add(batch, HNSW_REGION_OVERFLOW,
				   ItemPointerGetBlockNumber(where));
	page_batch_open(batch);
	list = batch_list(batch, where, room);
	if (list == NULL || list->ntids < n)
	{
		page_batch_abort(batch);
		list_invalid(batch->reader, point);
	}
	return list;
}

/* Makes a change that has freed some of the page of a list. */
static void
close_list(PageBatch *batch, const ItemPointerData *where)
{
	HnswReader *reader = batch->reader;
	uint32		page_no = ItemPointerGetBlockNumber(where);
	Size		space =
		overflow_page_space(page_batch_page(batch, HNSW_REGION_OVERFLOW,
											page_no));

	page_batch_close(batch);
	hnsw_overflow_note_space(reader, page_no, space);
}

void
hnsw_writer_prune_list(HnswReader *reader, PointId point,
					   const ItemPointerData *where, const bool *dead, int n)
{
	PageBatch	batch;
	int			room;

	HNSW_TEST_POINT("prune-list");
	page_batch_init(&batch, reader);
	take_out(open_list(&batch, point, where, n, &room), dead, n);
	page_batch_close(&batch);
}

/*
 * In an open batch: lets the node name the next list in place of an empty one.
 * False when the list is not empty, or is not the first any more.  Whoever
 * read the node and then this item, or what has its place by then, finds the
 * node of another generation.
 */
static bool
unlink_from_node(PageBatch *batch, PointId point,
				 const ItemPointerData *where, const HnswTidList *list)
{
	uint32		per_page = batch->reader->ix->meta.nodes_per_page;
	Page		page = page_batch_page(batch, HNSW_REGION_NODES,
									   point / per_page);
	HnswNodeCopy now;
	HnswNodeParts parts;
	HnswNodeCopy copy;

	if (list->ntids > 0 ||
		!node_page_copy(page, per_page, point % per_page, &now) ||
		!node_parse(&now, &parts) || !same_item(&parts.more_tids, where))
		return false;
	copy.node = now.node;
	copy.node.generation++;
	parts.more_tids = list->next;
	node_assemble(&copy, HnswNodeLevel(&now.node), &parts);
	if (!hnsw_put_node(batch, point, &copy, LIST_SLACK))
		elog(ERROR, "node of point %u does not fit its page", point);
	return true;
}

/*
 * In an open batch: moves what a list has to the one before it.  False when
 * there is not enough room, which is so when inserts have added to that.
 */
static bool
join_lists(PageBatch *batch, const ItemPointerData *before_where,
		   const ItemPointerData *where, const HnswTidList *list)
{
	int			room;
	HnswTidList *before = batch_list(batch, before_where, &room);

	if (before == NULL || !same_item(&before->next, where) ||
		before->ntids + list->ntids > room)
		return false;
	memcpy(before->tids + before->ntids, list->tids,
		   list->ntids * sizeof(ItemPointerData));
	before->ntids += list->ntids;
	before->next = list->next;
	return true;
}

bool
hnsw_writer_unlink_list(HnswReader *reader, PointId point,
						const ItemPointerData *before,
						const ItemPointerData *where, const bool *dead, int n)
{
	bool		is_first = !ItemPointerIsValid(before);
	PageBatch	batch;
	HnswTidList *list;
	int			room;

	if (!is_first && same_item(before, where))
		hnsw_point_corrupted(reader, point,
							 "Its lists of heap rows form a circle.");
	HNSW_TEST_POINT("unlink-list");
	page_batch_init(&batch, reader);
	if (is_first)
		page_batch_add(&batch, HNSW_REGION_NODES,
					   point / reader->ix->meta.nodes_per_page);
	else
		page_batch_add(&batch, HNSW_REGION_OVERFLOW,
					   ItemPointerGetBlockNumber(before));
	list = open_list(&batch, point, where, n, &room);
	take_out(list, dead, n);
	if (!(is_first ? unlink_from_node(&batch, point, where, list) :
		  join_lists(&batch, before, where, list)))
	{
		page_batch_abort(&batch);
		return false;
	}

	/* other items of the page move, among them perhaps the list before */
	overflow_page_delete(page_batch_page(&batch, HNSW_REGION_OVERFLOW,
										 ItemPointerGetBlockNumber(where)),
						 ItemPointerGetOffsetNumber(where));
	close_list(&batch, where);
	return true;
}

void
hnsw_writer_shrink_list(HnswReader *reader, PointId point,
						const ItemPointerData *where)
{
	PageBatch	batch;
	HnswTidList *list;
	int			room;

	page_batch_init(&batch, reader);
	list = open_list(&batch, point, where, 0, &room);
	if (!hnsw_list_is_too_long(list->ntids, room))
	{
		page_batch_abort(&batch);
		return;
	}
	overflow_page_shrink(page_batch_page(&batch, HNSW_REGION_OVERFLOW,
										 ItemPointerGetBlockNumber(where)),
						 ItemPointerGetOffsetNumber(where),
						 offsetof(HnswTidList, tids) +
						 2 * Max(list->ntids, HNSW_FIRST_TID_LIST) *
						 sizeof(ItemPointerData));
	close_list(&batch, where);
}
