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
#include "pages/writer_internal.h"
#include "test_points.h"

/* Room of the first list of TIDs that a point gets; each next has twice it */
#define FIRST_TID_LIST		4


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

/*
 * Appends to the first list of a point; false when it is full, or the node is
 * not as seen.  The node's page is part of the record, though it does not
 * change: the list belongs to the point as long as that is locked.
 */
static bool
append_to_list(HnswReader *reader, PointId point, const HnswNodeCopy *seen,
			   const ItemPointerData *where, ItemPointer heaptid)
{
	uint32		per_page = reader->ix->meta.nodes_per_page;
	uint32		page_no = ItemPointerGetBlockNumber(where);
	PageBatch	batch;
	HnswTidList *list;
	bool		done = false;

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_NODES, point / per_page);
	page_batch_add(&batch, HNSW_REGION_OVERFLOW, page_no);
	page_batch_open(&batch);
	if (hnsw_node_is_as_seen(&batch, point, seen))
	{
		int			length;

		list = unconstify(void *,
						  overflow_page_get(page_batch_page(&batch,
															HNSW_REGION_OVERFLOW,
															page_no),
											ItemPointerGetOffsetNumber(where),
											&length));
		done = list != NULL &&
			(int) (offsetof(HnswTidList, tids) +
				   (list->ntids + 1) * sizeof(ItemPointerData)) <= length;
	}
	if (done)
	{
		list->tids[list->ntids++] = *heaptid;
		page_batch_close(&batch);
	}
	else
		page_batch_abort(&batch);
	return done;
}

/* Makes a new first list with one row, in front of the old ones. */
static bool
prepend_list(HnswReader *reader, PointId point, const HnswNodeCopy *seen,
			 const HnswNodeParts *parts, ItemPointer heaptid)
{
	PGAlignedBlock item;
	HnswTidList *list = (HnswTidList *) item.data;
	HnswNodeCopy copy = *seen;
	HnswNodeParts changed = *parts;
	int			room = FIRST_TID_LIST;

	memset(item.data, 0, BLCKSZ);
	list->next = parts->more_tids;
	if (ItemPointerIsValid(&parts->more_tids))
	{
		int			length = hnsw_reader_overflow(reader, &parts->more_tids,
												  item.data);

		room = (length - offsetof(HnswTidList, tids)) /
			sizeof(ItemPointerData) * 2;
		room = Min(Max(room, FIRST_TID_LIST), HNSW_TIDS_PER_LIST);
		memset(item.data, 0, BLCKSZ);
		list->next = parts->more_tids;
	}
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
		if (ItemPointerIsValid(&parts.more_tids) &&
			append_to_list(reader, point, &seen, &parts.more_tids, heaptid))
			return true;
		if (prepend_list(reader, point, &seen, &parts, heaptid))
			return true;
		send_links_away(reader, point, &seen, &parts);
	}
}
