/*-------------------------------------------------------------------------
 *
 * writer_free.c
 *	  Points that are dead, and points that are free.
 *
 * A free point of a level above 0 is in the list of its level.  Of those of level
 * 0 that share a node page one is, and so an insert can take any of the others by
 * a change of that page alone.  The one that is listed is taken last, and only
 * from the front of the list, as that has no links backwards.  So wherever there
 * are free points the list leads there.
 *
 * src/pages/writer_free.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pages/page_batch.h"
#include "pages/reader_internal.h"
#include "pages/values.h"
#include "pages/writer_internal.h"
#include "test_points.h"

bool
hnsw_writer_mark_dead(HnswReader *reader, PointId point,
					  const HnswNodeCopy *seen)
{
	uint32		per_page = reader->ix->meta.nodes_per_page;
	HnswNodeCopy copy = *seen;
	PageBatch	batch;
	bool		done;

	HNSW_TEST_POINT("mark-dead");
	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_NODES, point / per_page);
	page_batch_open(&batch);
	done = hnsw_node_is_as_seen(&batch, point, seen);
	if (done)
	{
		node_set_dead(&copy.node, ReadNextFullTransactionId());
		done = hnsw_put_node(&batch, point, &copy, 0);
	}
	if (done)
		page_batch_close(&batch);
	else
		page_batch_abort(&batch);
	return done;
}

/* In an open batch: false when the node cannot be read. */
static bool
copy_node(PageBatch *batch, PointId point, HnswNodeCopy *copy)
{
	uint32		per_page = batch->reader->ix->meta.nodes_per_page;

	return node_page_copy(page_batch_page(batch, HNSW_REGION_NODES,
										  point / per_page),
						  per_page, point % per_page, copy);
}

/* In an open batch: writes a node that is short enough to fit in any case. */
static void
put_short_node(PageBatch *batch, PointId point, const HnswNodeCopy *copy)
{
	if (!hnsw_put_node(batch, point, copy, 0))
		elog(ERROR, "node of point %u does not fit its page", point);
}

/*-------------------------------------------------------------------------
 * Giving back
 *-------------------------------------------------------------------------
 */
static inline const HnswNode *
page_nodes(Page page)
{
	return (const HnswNode *) HnswPageGetBody(page);
}

/* Is there a free point of level 0 on the page that is in the list? */
static bool
page_is_listed(Page page, int per_page)
{
	const HnswNode *nodes = page_nodes(page);

	for (int i = 0; i < per_page; i++)
	{
		if (HnswNodeIsListed(&nodes[i]) && HnswNodeLevel(&nodes[i]) == 0)
			return true;
	}
	return false;
}

/*
 * In an open batch with the metapage: turns a node that nobody needs into a free
 * one, in front of the list of its level unless that leads to its page already.
 * Errors, before anything counts as given back, when the page is damaged.
 */
static void
put_free_node(PageBatch *batch, PointId point, const HnswNodeCopy *seen,
			  const HnswNodeParts *parts)
{
	uint32		per_page = batch->reader->ix->meta.nodes_per_page;
	HnswMetaPageData *meta =
		HnswPageGetMeta(page_batch_page(batch, HNSW_REGION_META, 0));
	Page		page = page_batch_page(batch, HNSW_REGION_NODES,
									   point / per_page);
	int			level = HnswNodeLevel(&seen->node);
	bool		listed = level > 0 || !page_is_listed(page, per_page);
	HnswNodeParts free_parts;
	HnswNodeCopy copy;

	free_parts.upper_slot = parts->upper_slot;
	ItemPointerSetInvalid(&free_parts.more_tids);
	ItemPointerSetInvalid(&free_parts.links_away);
	free_parts.links = (const uint8 *) &meta->free_points[level];
	free_parts.links_length = listed ? sizeof(PointId) : 0;

	memset(&copy.node, 0, sizeof(HnswNode));
	copy.node.info = HNSW_NODE_DEAD;
	copy.node.generation = seen->node.generation + 1;
	node_assemble(&copy, level, &free_parts);
	put_short_node(batch, point, &copy);
	if (listed)
		meta->free_points[level] = point;
}

/* Frees a dead point and stores what it had. */
static bool
free_dead_node(PageBatch *batch, PointId point, HnswNodeParts *parts)
{
	HnswNodeCopy seen;

	if (!copy_node(batch, point, &seen) ||
		!HnswNodeIsDead(&seen.node) || !node_parse(&seen, parts))
		return false;
	put_free_node(batch, point, &seen, parts);
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
	hnsw_reader_start_tids(&walk, NULL, parts);
	while (hnsw_reader_next_tids(reader, point, &walk,
								 (HnswTidList *) item.data))
		hnsw_overflow_drop(reader, &walk.where);
}

bool
hnsw_writer_free(HnswReader *reader, const PointId *points, int n)
{
	uint32		per_page = reader->ix->meta.nodes_per_page;
	PointOverflow *overflow = palloc(n * sizeof(PointOverflow));
	PageBatch	batch;
	HnswMetaPageData *meta;
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
	for (int i = 0; i < n; i++)
	{
		Assert(points[i] / per_page == points[0] / per_page);
		if (meta->entry_point == points[i] ||
			!free_dead_node(&batch, points[i], &overflow[i].parts))
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

void
hnsw_writer_take_back(HnswReader *reader, const PointId *points, int n)
{
	uint32		per_page = reader->ix->meta.nodes_per_page;
	PageBatch	batch;

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_META, 0);
	page_batch_add(&batch, HNSW_REGION_NODES, points[0] / per_page);
	page_batch_open(&batch);
	for (int i = 0; i < n; i++)
	{
		HnswNodeCopy seen;
		HnswNodeParts parts;

		Assert(points[i] / per_page == points[0] / per_page);
		if (copy_node(&batch, points[i], &seen) &&
			HnswNodeIsUnused(&seen.node) && node_parse(&seen, &parts))
			put_free_node(&batch, points[i], &seen, &parts);
	}
	page_batch_close(&batch);
}

/*-------------------------------------------------------------------------
 * Taking
 *-------------------------------------------------------------------------
 */

/* How many of the points near a new one are asked for free ones beside them */
#define NEAR_POINTS		8

/* The first node that is free and not listed, -1 when there is none. */
static int
find_unlisted(Page page, int per_page)
{
	const HnswNode *nodes = page_nodes(page);

	for (int i = 0; i < per_page; i++)
	{
		if (HnswNodeIsUnlisted(&nodes[i]))
			return i;
	}
	return -1;
}

/*
 * In an open batch: makes a free node a taken one.  It keeps its level and upper
 * slots, and says when that was, so that vacuum can take it back should its
 * insert end here.  next is a transaction id after ours, read while nothing was
 * locked.
 */
static void
set_taken(PageBatch *batch, PointId point, FullTransactionId next,
		  const HnswNodeCopy *seen, const HnswNodeParts *parts)
{
	HnswNodeParts taken_parts = *parts;
	HnswNodeCopy copy;

	memset(&copy.node, 0, sizeof(HnswNode));
	copy.node.generation = seen->node.generation;
	taken_parts.links_length = 0;
	node_assemble(&copy, HnswNodeLevel(&seen->node), &taken_parts);
	node_set_xid(&copy.node, next);
	put_short_node(batch, point, &copy);
}

/*
 * In an open batch: takes the first free point of a page that is not listed.
 * What looks like one on the last page may be an id that was never given out.
 */
static PointId
take_unlisted(PageBatch *batch, uint32 page_no, FullTransactionId next)
{
	uint32		per_page = batch->reader->ix->meta.nodes_per_page;
	int			index = find_unlisted(page_batch_page(batch, HNSW_REGION_NODES,
													  page_no), per_page);
	PointId		point = page_no * per_page + index;
	HnswNodeCopy seen;
	HnswNodeParts parts;

	if (index < 0 || point >= batch->reader->ix->meta.npoints ||
		!copy_node(batch, point, &seen) || !node_parse(&seen, &parts))
		return InvalidPointId;
	set_taken(batch, point, next, &seen, &parts);
	return point;
}

static bool
page_has_unlisted(HnswReader *reader, uint32 page_no)
{
	Buffer		buffer;
	Page		page = hnsw_reader_pin(reader, HNSW_REGION_NODES, page_no,
									   &buffer);
	bool		found;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	found = find_unlisted(page, reader->ix->meta.nodes_per_page) >= 0;
	UnlockReleaseBuffer(buffer);
	return found;
}

static PointId
take_on_page(HnswReader *reader, uint32 page_no)
{
	FullTransactionId next = ReadNextFullTransactionId();
	PageBatch	batch;
	PointId		point;

	HNSW_TEST_POINT("take-near-point");
	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_NODES, page_no);
	page_batch_open(&batch);
	point = take_unlisted(&batch, page_no, next);
	if (PointIdIsValid(point))
		page_batch_close(&batch);
	else
		page_batch_abort(&batch);
	return point;
}

PointId
hnsw_take_near_point(HnswReader *reader, const PointId *near, int nnear)
{
	uint32		per_page = reader->ix->meta.nodes_per_page;
	PointId		point = InvalidPointId;
	uint32		tried = PG_UINT32_MAX;

	/* where free points are, one is listed */
	if (!PointIdIsValid(reader->ix->meta.free_points[0]))
		return InvalidPointId;
	for (int i = 0; i < Min(nnear, NEAR_POINTS) && !PointIdIsValid(point); i++)
	{
		uint32		page_no = near[i] / per_page;

		if (page_no != tried && page_has_unlisted(reader, page_no))
			point = take_on_page(reader, page_no);
		tried = page_no;
	}
	return point;
}

static void
report_not_free(HnswReader *reader, PointId point, int level)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is corrupted at point %u",
					RelationGetRelationName(reader->index), point),
			 errdetail("It is in the list of free points of level %d and is not free.",
					   level),
			 errhint("Please REINDEX it.")));
}

/*
 * In an open batch with the metapage: takes the first point of a list, or one
 * that is free beside it.  When it is followed by a point that does not exist the
 * list ends, and that is stored in *missing: the metapage must not name such a
 * point, as nobody could open the index any more.
 */
static PointId
take_first(PageBatch *batch, int level, FullTransactionId next, uint32 *slot,
		   PointId *missing)
{
	HnswReader *reader = batch->reader;
	uint32		per_page = reader->ix->meta.nodes_per_page;
	HnswMetaPageData *meta =
		HnswPageGetMeta(page_batch_page(batch, HNSW_REGION_META, 0));
	PointId		point = meta->free_points[level];
	PointId		behind;
	HnswNodeCopy seen;
	HnswNodeParts parts;

	if (!copy_node(batch, point, &seen) ||
		!HnswNodeIsFree(&seen.node) || HnswNodeLevel(&seen.node) != level ||
		!node_parse(&seen, &parts) || parts.links_length != sizeof(PointId))
		report_not_free(reader, point, level);
	if (level == 0)
	{
		PointId		beside = take_unlisted(batch, point / per_page, next);

		if (PointIdIsValid(beside))
			return beside;
	}

	if ((uint64) parts.upper_slot + level > meta->nslots)
		hnsw_point_corrupted(reader, point, "Its upper slot does not exist.");
	*slot = parts.upper_slot;
	memcpy(&behind, parts.links, sizeof(PointId));
	if (PointIdIsValid(behind) && behind >= meta->npoints)
	{
		*missing = behind;
		behind = InvalidPointId;
	}
	meta->free_points[level] = behind;
	set_taken(batch, point, next, &seen, &parts);
	return point;
}

/* Free points that were further back are lost. */
static void
warn_list_ended(HnswReader *reader, PointId point, int level, PointId missing)
{
	ereport(WARNING,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is corrupted at point %u",
					RelationGetRelationName(reader->index), point),
			 errdetail("In the list of free points of level %d it is followed by point %u, which does not exist.  The list ends there.",
					   level, missing),
			 errhint("Please REINDEX it.")));
}

PointId
hnsw_take_listed_point(HnswReader *reader, int level, uint32 *slot)
{
	uint32		per_page = reader->ix->meta.nodes_per_page;
	FullTransactionId next = ReadNextFullTransactionId();
	PointId		first;

	while (PointIdIsValid(first = reader->ix->meta.free_points[level]))
	{
		PageBatch	batch;
		PointId		point = InvalidPointId;
		PointId		missing = InvalidPointId;

		HNSW_TEST_POINT("take-free-point");
		page_batch_init(&batch, reader);
		page_batch_add(&batch, HNSW_REGION_META, 0);
		page_batch_add(&batch, HNSW_REGION_NODES, first / per_page);
		page_batch_open(&batch);
		if (HnswPageGetMeta(page_batch_page(&batch, HNSW_REGION_META,
											0))->free_points[level] == first)
		{
			point = take_first(&batch, level, next, slot, &missing);
			page_batch_close(&batch);
		}
		else
			page_batch_abort(&batch);
		hnsw_index_refresh(reader->ix, reader->index);
		if (PointIdIsValid(missing))
			warn_list_ended(reader, point, level, missing);
		if (PointIdIsValid(point))
			return point;
	}
	return InvalidPointId;
}
