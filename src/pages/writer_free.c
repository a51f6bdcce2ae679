/*-------------------------------------------------------------------------
 *
 * writer_free.c
 *	  Points that are dead, and points that are free.
 *
 * src/pages/writer_free.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pages/page_batch.h"
#include "pages/values.h"
#include "pages/writer_internal.h"
#include "test_points.h"

bool
hnsw_writer_mark_dead(HnswReader *reader, PointId point,
					  const HnswNodeCopy *seen, const HnswNodeParts *parts)
{
	uint32		per_page = reader->ix->meta.nodes_per_page;
	bool		has_list = ItemPointerIsValid(&parts->more_tids);
	uint32		list_page = has_list ?
		ItemPointerGetBlockNumber(&parts->more_tids) : 0;
	HnswNodeCopy copy = *seen;
	PageBatch	batch;
	bool		done;

	HNSW_TEST_POINT("mark-dead");
	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_NODES, point / per_page);
	if (has_list)
		page_batch_add(&batch, HNSW_REGION_OVERFLOW, list_page);
	page_batch_open(&batch);
	done = hnsw_node_is_as_seen(&batch, point, seen);
	if (done && has_list)
	{
		int			length;
		const HnswTidList *list =
			overflow_page_get(page_batch_page(&batch, HNSW_REGION_OVERFLOW,
											  list_page),
							  ItemPointerGetOffsetNumber(&parts->more_tids),
							  &length);

		done = list != NULL && list->ntids == 0;
	}
	if (done)
	{
		node_set_dead(&copy.node, ReadNextFullTransactionId());
		done = node_page_put(page_batch_page(&batch, HNSW_REGION_NODES,
											 point / per_page),
							 per_page, point % per_page, &copy, 0);
	}
	if (done)
		page_batch_close(&batch);
	else
		page_batch_abort(&batch);
	return done;
}

/* Turns a dead node into a free one, in front of the list of its level. */
static bool
put_free_node(Page page, int per_page, PointId point,
			  HnswMetaPageData *meta, HnswNodeCopy *seen,
			  HnswNodeParts *parts)
{
	HnswNodeParts free_parts;
	HnswNodeCopy copy;
	int			level;

	if (!node_page_copy(page, per_page, point % per_page, seen) ||
		!HnswNodeIsDead(&seen->node) || !node_parse(seen, parts))
		return false;
	level = HnswNodeLevel(&seen->node);
	free_parts.upper_slot = parts->upper_slot;
	ItemPointerSetInvalid(&free_parts.more_tids);
	ItemPointerSetInvalid(&free_parts.links_away);
	free_parts.links = (const uint8 *) &meta->free_points[level];
	free_parts.links_length = sizeof(PointId);

	memset(&copy.node, 0, sizeof(HnswNode));
	copy.node.info = HNSW_NODE_DEAD;
	copy.node.generation = seen->node.generation + 1;
	node_assemble(&copy, level, &free_parts);
	(void) node_page_put(page, per_page, point % per_page, &copy, 0);
	meta->free_points[level] = point;
	return true;
}

/* What a point has in the overflow region */
typedef struct PointOverflow
{
	HnswNodeParts parts;
	ItemPointerData value;		/* its code, when codes have variable sizes */
} PointOverflow;

/* Gives back what a point had in the overflow region. */
static void
drop_overflow_of(HnswReader *reader, PointId point,
				 const PointOverflow *overflow)
{
	const HnswNodeParts *parts = &overflow->parts;
	HnswTidWalk walk;
	PGAlignedBlock item;

	if (ItemPointerIsValid(&overflow->value))
		hnsw_value_drop(reader, &overflow->value);
	if (ItemPointerIsValid(&parts->links_away))
		hnsw_overflow_drop(reader, &parts->links_away);
	hnsw_reader_start_tids(&walk, parts);
	while (hnsw_reader_next_tids(reader, point, &walk,
								 (HnswTidList *) item.data))
		hnsw_overflow_drop(reader, &walk.where);
}

bool
hnsw_writer_free(HnswReader *reader, const PointId *points, int n)
{
	uint32		per_page = reader->ix->meta.nodes_per_page;
	PointOverflow *overflow = palloc(n * sizeof(PointOverflow));
	HnswNodeCopy seen;
	PageBatch	batch;
	HnswMetaPageData *meta;
	Page		page;
	bool		all = true;

	HNSW_TEST_POINT("free-points");

	/* a point that is free may be taken, and get another code, at once */
	for (int i = 0; i < n; i++)
		overflow[i].value = hnsw_reader_value(reader, points[i]);

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_META, 0);
	page_batch_add(&batch, HNSW_REGION_NODES, points[0] / per_page);
	page_batch_open(&batch);
	meta = HnswPageGetMeta(page_batch_page(&batch, HNSW_REGION_META, 0));
	page = page_batch_page(&batch, HNSW_REGION_NODES, points[0] / per_page);
	for (int i = 0; i < n; i++)
	{
		Assert(points[i] / per_page == points[0] / per_page);
		if (meta->entry_point == points[i] ||
			!put_free_node(page, per_page, points[i], meta, &seen,
						   &overflow[i].parts))
		{
			ItemPointerSetInvalid(&overflow[i].parts.more_tids);
			ItemPointerSetInvalid(&overflow[i].parts.links_away);
			ItemPointerSetInvalid(&overflow[i].value);
			all = false;
		}
	}
	page_batch_close(&batch);

	HNSW_TEST_POINT("points-free");
	for (int i = 0; i < n; i++)
		drop_overflow_of(reader, points[i], &overflow[i]);
	pfree(overflow);
	return all;
}
