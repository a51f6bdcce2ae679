/*-------------------------------------------------------------------------
 *
 * writer.c
 *	  New points and links.
 *
 * src/pages/writer.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "pages/page_batch.h"
#include "pages/reader_internal.h"
#include "pages/values.h"
#include "pages/writer_internal.h"
#include "test_points.h"

void
hnsw_code_create(HnswCode *code, const Quantizer *quantizer)
{
	code->code = palloc(Max(quantizer->max_code_size, 1));
	code->factors = palloc(QUANTIZER_MAX_FACTORS * sizeof(float));
	code->refine = palloc(Max(quantizer->refine_size, 1));
	code->refine_factors = palloc(QUANTIZER_MAX_FACTORS * sizeof(float));
}

bool
hnsw_node_is_as_seen(PageBatch *batch, PointId point,
					 const HnswNodeCopy *seen)
{
	uint32		per_page = batch->reader->ix->meta.nodes_per_page;
	HnswNodeCopy now;

	return node_page_copy(page_batch_page(batch, HNSW_REGION_NODES,
										  point / per_page),
						  per_page, point % per_page, &now) &&
		node_copies_equal(&now, seen);
}

/*
 * A page that cannot take a node because of what others on it say, will not do
 * so the next time, either: who tries again would do so for ever.
 */
bool
hnsw_put_node(PageBatch *batch, PointId point, const HnswNodeCopy *copy,
			  int slack)
{
	HnswReader *reader = batch->reader;
	uint32		per_page = reader->ix->meta.nodes_per_page;
	uint32		page_no = point / per_page;
	NodePut		put = node_page_put(page_batch_page(batch, HNSW_REGION_NODES,
													page_no),
									per_page, point % per_page, copy, slack);

	if (put == NODE_PUT_DAMAGED)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" contains corrupted page at block %u",
						RelationGetRelationName(reader->index),
						hnsw_reader_block(reader, HNSW_REGION_NODES, page_no)),
				 errdetail("The node of point %u cannot be written, as nodes of the page are out of range.",
						   point),
				 errhint("Please REINDEX it.")));
	return put == NODE_PUT_DONE;
}

/*-------------------------------------------------------------------------
 * New points
 *-------------------------------------------------------------------------
 */
static void
put_piece(Page page, const HnswRecordLayout *layout, uint32 index,
		  uint32 piece, const uint8 *code, const float *factors)
{
	if (piece == 0)
		memcpy(HnswPageGetBody(page) + index * layout->factors_size, factors,
			   layout->factors_size);
	memcpy((char *) page + layout->codes_offset + index * layout->code_size,
		   code + piece * HNSW_PIECE_SIZE, hnsw_piece_length(layout, piece));
	((PageHeader) page)->pd_lower =
		Max(((PageHeader) page)->pd_lower,
			hnsw_code_end(layout, index, piece));
}

/* A code that takes several pages: a record for each. */
static void
write_pieces(HnswReader *reader, HnswRegionId region,
			 const HnswRecordLayout *layout, PointId point,
			 const uint8 *code, const float *factors)
{
	for (uint32 piece = 0; piece < layout->pages_per_record; piece++)
	{
		uint32		page_no = point * layout->pages_per_record + piece;
		PageBatch	batch;

		page_batch_init(&batch, reader);
		page_batch_add(&batch, region, page_no);
		page_batch_open(&batch);
		put_piece(page_batch_page(&batch, region, page_no), layout, 0, piece,
				  code, factors);
		page_batch_close(&batch);
	}
}

/* Makes a code part of a batch, when it fits one page. */
static void
batch_code(PageBatch *batch, HnswRegionId region,
		   const HnswRecordLayout *layout, PointId point)
{
	if (layout->pages_per_record == 1)
		page_batch_add(batch, region, point / layout->per_page);
}

static void
put_code(PageBatch *batch, HnswRegionId region,
		 const HnswRecordLayout *layout, PointId point, const uint8 *code,
		 const float *factors)
{
	if (layout->pages_per_record == 1)
		put_piece(page_batch_page(batch, region, point / layout->per_page),
				  layout, point % layout->per_page, 0, code, factors);
}

/* False, and nothing done, when the node does not fit its page. */
static bool
try_write_point(HnswReader *reader, const HnswNewPoint *new_point,
				HnswNodeCopy *copy)
{
	HnswIndex  *ix = reader->ix;
	PointId		point = new_point->point;
	const HnswCode *code = new_point->code;
	uint32		per_page = ix->meta.nodes_per_page;
	HnswNodeCopy now;
	PageBatch	batch;
	Page		page;

	page_batch_init(&batch, reader);
	batch_code(&batch, HNSW_REGION_CODES, &ix->codes, point);
	batch_code(&batch, HNSW_REGION_REFINE, &ix->refine, point);
	page_batch_add(&batch, HNSW_REGION_NODES, point / per_page);
	page_batch_open(&batch);
	page = page_batch_page(&batch, HNSW_REGION_NODES, point / per_page);
	if (!node_page_copy(page, per_page, point % per_page, &now) ||
		!HnswNodeIsUnused(&now.node))
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" is corrupted at point %u",
						RelationGetRelationName(reader->index), point),
				 errdetail("It was given to more than one insert."),
				 errhint("Please REINDEX it.")));
	copy->node.generation = now.node.generation;
	if (!hnsw_put_node(&batch, point, copy, LIST_SLACK))
	{
		page_batch_abort(&batch);
		return false;
	}
	put_code(&batch, HNSW_REGION_CODES, &ix->codes, point, code->code,
			 code->factors);
	put_code(&batch, HNSW_REGION_REFINE, &ix->refine, point, code->refine,
			 code->refine_factors);
	page_batch_close(&batch);
	return true;
}

void
hnsw_writer_point(HnswReader *reader, const HnswNewPoint *new_point)
{
	HnswIndex  *ix = reader->ix;
	const HnswCode *code = new_point->code;
	ItemPointerData value;
	HnswCode	record = *code;
	HnswNewPoint written = *new_point;
	uint8		encoded[LINK_CODEC_MAX_BYTES];
	HnswNodeCopy copy;
	HnswNodeParts parts;

	if (ix->codes.pages_per_record > 1)
		write_pieces(reader, HNSW_REGION_CODES, &ix->codes, new_point->point,
					 code->code, code->factors);
	if (ix->refine.pages_per_record > 1)
		write_pieces(reader, HNSW_REGION_REFINE, &ix->refine,
					 new_point->point, code->refine, code->refine_factors);

	if (ix->quantizer->variable_size)
	{
		value = hnsw_value_add(reader, code->code);
		record.code = (uint8 *) &value;
		written.code = &record;
	}

	memset(&copy.node, 0, sizeof(HnswNode));
	copy.node.heaptid = new_point->heaptid;
	copy.node.info = HNSW_NODE_PRESENT;
	parts.upper_slot = new_point->slot;
	ItemPointerSetInvalid(&parts.more_tids);
	ItemPointerSetInvalid(&parts.links_away);
	parts.links = encoded;
	parts.links_length = link_codec_encode(ix->meta.link_format,
										   new_point->point, new_point->links,
										   new_point->nlinks, encoded);
	node_assemble(&copy, new_point->level, &parts);
	if (try_write_point(reader, &written, &copy))
		return;

	parts.links_away = hnsw_overflow_add(reader, encoded, parts.links_length);
	node_assemble(&copy, new_point->level, &parts);
	if (!try_write_point(reader, &written, &copy))
		elog(ERROR, "node of point %u does not fit its page",
			 new_point->point);
}

/*-------------------------------------------------------------------------
 * Upper slots
 *-------------------------------------------------------------------------
 */
static HnswUpperSlot *
batch_slot(PageBatch *batch, uint32 slot)
{
	HnswIndex  *ix = batch->reader->ix;
	Page		page;

	page_batch_add(batch, HNSW_REGION_UPPER, slot / ix->upper_per_page);
	page_batch_open(batch);
	page = page_batch_page(batch, HNSW_REGION_UPPER,
						   slot / ix->upper_per_page);
	return (HnswUpperSlot *)
		(HnswPageGetBody(page) +
		 slot % ix->upper_per_page * HnswUpperSlotSize(ix->meta.m));
}

static void
set_slot_links(HnswUpperSlot *slot, const PointId *links, int nlinks)
{
	slot->nlinks = nlinks;
	memcpy(slot->links, links, nlinks * sizeof(PointId));
}

void
hnsw_writer_slot(HnswReader *reader, PointId point, uint32 slot, int level,
				 const PointId *links, int nlinks)
{
	PageBatch	batch;
	HnswUpperSlot *found;

	Assert(nlinks <= reader->ix->meta.m);
	page_batch_init(&batch, reader);
	found = batch_slot(&batch, slot + level - 1);

	/* one that was written before belongs to the point for ever */
	if (found->level != 0 &&
		(found->point != point || found->level != level))
		hnsw_point_corrupted(reader, point,
							 "Its upper slot belongs to another point.");
	found->point = point;
	found->level = level;
	found->reserved = 0;
	set_slot_links(found, links, nlinks);
	page_batch_close(&batch);
}

static bool
links_as_seen(const HnswLinkChange *change, const PointId *links, int nlinks)
{
	return nlinks == change->seen.nlinks &&
		memcmp(links, change->seen.links, nlinks * sizeof(PointId)) == 0;
}

/* Replaces the links of a slot that is as it was seen. */
static void
change_slot_links(HnswReader *reader, HnswLinkChange *change)
{
	GraphLinkChange *list = &change->list;
	PageBatch	batch;
	HnswUpperSlot *found;

	Assert(list->nlinks <= (int) reader->ix->meta.m);
	HNSW_TEST_POINT("change-upper-links");
	page_batch_init(&batch, reader);
	found = batch_slot(&batch, change->parts.upper_slot + list->level - 1);
	list->done = found->point == list->point &&
		found->level == list->level &&
		links_as_seen(change, found->links, found->nlinks);
	if (list->done)
	{
		set_slot_links(found, list->links, list->nlinks);
		page_batch_close(&batch);
	}
	else
		page_batch_abort(&batch);
}

/*-------------------------------------------------------------------------
 * Links
 *-------------------------------------------------------------------------
 */
static int
compare_changes(const void *a, const void *b)
{
	PointId		pa = (*(HnswLinkChange *const *) a)->list.point;
	PointId		pb = (*(HnswLinkChange *const *) b)->list.point;

	return pa < pb ? -1 : pa > pb;
}

/*
 * Names the pages that a change of links writes or looks at; false when the
 * batch is full.
 */
static bool
batch_links(PageBatch *batch, const HnswLinkChange *change)
{
	const ItemPointerData *away = &change->parts.links_away;

	return page_batch_add(batch, HNSW_REGION_NODES,
						  change->list.point /
						  batch->reader->ix->meta.nodes_per_page) &&
		(!ItemPointerIsValid(away) ||
		 page_batch_add(batch, HNSW_REGION_OVERFLOW,
						ItemPointerGetBlockNumber(away)));
}

/*
 * Are the links that were in the overflow region still the same?  That the
 * node names the same item does not say so: the list may have moved away and
 * back, as numbers of items are used again.
 */
static bool
away_as_seen(PageBatch *batch, const HnswLinkChange *change)
{
	const ItemPointerData *away = &change->parts.links_away;
	PointId		links[GRAPH_MAX_LINKS];
	const uint8 *item;
	int			length;

	item = overflow_page_get(page_batch_page(batch, HNSW_REGION_OVERFLOW,
											 ItemPointerGetBlockNumber(away)),
							 ItemPointerGetOffsetNumber(away), &length);
	return item != NULL &&
		links_as_seen(change, links,
					  link_codec_decode(batch->reader->ix->meta.link_format,
										change->list.point, item, length,
										links));
}

/*
 * In an open batch that has the pages of the change: the node with its new
 * links, in the node or at away, written over the node on the page if that
 * and its links are as they were seen.  Stores in *fits whether it fitted.
 */
static bool
put_links(PageBatch *batch, const HnswLinkChange *change,
		  const uint8 *encoded, int length, const ItemPointerData *away,
		  bool *fits)
{
	PointId		point = change->list.point;
	HnswNodeCopy copy = change->seen.node;
	HnswNodeParts parts = change->parts;

	*fits = true;
	if (!hnsw_node_is_as_seen(batch, point, &change->seen.node) ||
		(ItemPointerIsValid(&parts.links_away) &&
		 !away_as_seen(batch, change)))
		return false;
	parts.links_away = *away;
	parts.links = encoded;
	parts.links_length = length;
	node_assemble(&copy, HnswNodeLevel(&copy.node), &parts);
	*fits = hnsw_put_node(batch, point, &copy, LIST_SLACK);
	return *fits;
}

static int
encode_list(HnswReader *reader, GraphLinkChange *list, uint8 *encoded)
{
	return link_codec_encode(reader->ix->meta.link_format, list->point,
							 list->links, list->nlinks, encoded);
}

/* A change that needs the overflow region, by itself */
static void
change_links_away(HnswReader *reader, HnswLinkChange *change,
				  const uint8 *encoded, int length)
{
	ItemPointerData away = hnsw_overflow_add(reader, encoded, length);
	PageBatch	batch;
	bool		fits;

	HNSW_TEST_POINT("links-go-away");
	page_batch_init(&batch, reader);
	batch_links(&batch, change);
	page_batch_open(&batch);
	change->list.done = put_links(&batch, change, encoded, length, &away,
								  &fits);
	if (change->list.done)
		page_batch_close(&batch);
	else
	{
		page_batch_abort(&batch);
		hnsw_overflow_drop(reader, &away);
	}
}

/*
 * The changes of up to as many pages as a record takes; returns how many
 * changes that was.
 */
static int
change_links_batch(HnswReader *reader, HnswLinkChange **changes, int n)
{
	uint8		encoded[LINK_CODEC_MAX_BYTES];
	bool		fits[GRAPH_MAX_LINKS];
	ItemPointerData here;
	PageBatch	batch;
	int			taken = 0;
	bool		any = false;

	ItemPointerSetInvalid(&here);
	page_batch_init(&batch, reader);
	while (taken < n && taken < GRAPH_MAX_LINKS &&
		   batch_links(&batch, changes[taken]))
		taken++;

	page_batch_open(&batch);
	for (int i = 0; i < taken; i++)
	{
		GraphLinkChange *list = &changes[i]->list;
		int			length = encode_list(reader, list, encoded);

		list->done = put_links(&batch, changes[i], encoded, length, &here,
							   &fits[i]);
		any |= list->done;
	}
	if (any)
		page_batch_close(&batch);
	else
		page_batch_abort(&batch);

	for (int i = 0; i < taken; i++)
	{
		HnswLinkChange *change = changes[i];

		if (!fits[i])
			change_links_away(reader, change, encoded,
							  encode_list(reader, &change->list, encoded));
		if (change->list.done &&
			ItemPointerIsValid(&change->parts.links_away))
			hnsw_overflow_drop(reader, &change->parts.links_away);
	}
	return taken;
}

bool
hnsw_writer_read_links(HnswReader *reader, PointId point, GraphLevel level,
					   HnswLinkChange *change)
{
	GraphLinkChange *list = &change->list;
	HnswNodeCopy *node = &change->seen.node;

	hnsw_reader_node(reader, point, node, &change->parts);
	if (!HnswNodeIsLive(&node->node) || HnswNodeLevel(&node->node) < level)
		return false;
	list->point = point;
	list->level = level;
	list->top = HnswNodeLevel(&node->node);
	list->nlinks = hnsw_reader_links(reader, point, node, &change->parts,
									 level, list->links);
	change->seen.nlinks = list->nlinks;
	memcpy(change->seen.links, list->links, list->nlinks * sizeof(PointId));
	return true;
}

void
hnsw_writer_links(HnswReader *reader, HnswLinkChange *changes, int n)
{
	HnswLinkChange *sorted[GRAPH_MAX_LINKS];

	if (n > 0 && changes[0].list.level > 0)
	{
		for (int i = 0; i < n; i++)
			change_slot_links(reader, &changes[i]);
		return;
	}
	HNSW_TEST_POINT("change-links");

	/* a change is kilobytes, so it stays where it is */
	for (int begin = 0; begin < n; begin += GRAPH_MAX_LINKS)
	{
		int			count = Min(n - begin, GRAPH_MAX_LINKS);
		int			done = 0;

		for (int i = 0; i < count; i++)
			sorted[i] = &changes[begin + i];
		qsort(sorted, count, sizeof(HnswLinkChange *), compare_changes);
		while (done < count)
			done += change_links_batch(reader, sorted + done, count - done);
	}
}

/*-------------------------------------------------------------------------
 * The entry point
 *-------------------------------------------------------------------------
 */
/* The lift is the geometric mean of norms. */
void
hnsw_writer_note_norm(HnswReader *reader, double norm_sq)
{
	PageBatch	batch;
	HnswMetaPageData *meta;

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_META, 0);
	page_batch_open(&batch);
	meta = HnswPageGetMeta(page_batch_page(&batch, HNSW_REGION_META, 0));
	if (meta->lift_rows < HNSW_ENOUGH_LIFT_ROWS)
	{
		double		logs = meta->lift_rows > 0 ?
			log(meta->lift_sq) * meta->lift_rows : 0;

		logs += log(Min(Max(norm_sq, FLT_MIN), FLT_MAX));
		meta->lift_rows++;
		meta->lift_sq = (float) Min(exp(logs / meta->lift_rows), FLT_MAX);
		page_batch_close(&batch);
	}
	else
		page_batch_abort(&batch);
	hnsw_index_refresh(reader->ix, reader->index);
}

static bool
point_is_live(PageBatch *batch, PointId point)
{
	uint32		per_page = batch->reader->ix->meta.nodes_per_page;
	HnswNodeCopy copy;

	return node_page_copy(page_batch_page(batch, HNSW_REGION_NODES,
										  point / per_page),
						  per_page, point % per_page, &copy) &&
		HnswNodeIsLive(&copy.node);
}

/*
 * That the entry point is still the same number is not enough for a point
 * without links: meanwhile vacuum may have given the number back, and another
 * point that has it may have become the entry point.
 */
bool
hnsw_writer_entry(HnswReader *reader, PointId seen, GraphEntry entry,
				  bool linked)
{
	bool		look = !linked && PointIdIsValid(seen) && seen != entry.point;
	PageBatch	batch;
	HnswMetaPageData *meta;
	bool		change;

	HNSW_TEST_POINT("change-entry");
	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_META, 0);
	if (look)
		page_batch_add(&batch, HNSW_REGION_NODES,
					   seen / reader->ix->meta.nodes_per_page);
	page_batch_open(&batch);
	meta = HnswPageGetMeta(page_batch_page(&batch, HNSW_REGION_META, 0));
	change = meta->entry_point == seen &&
		!(look && point_is_live(&batch, seen));
	if (change)
	{
		meta->entry_point = entry.point;
		meta->entry_level = entry.level;
		page_batch_close(&batch);
	}
	else
		page_batch_abort(&batch);
	hnsw_index_refresh(reader->ix, reader->index);
	return change;
}

void
hnsw_writer_dead_xid(HnswReader *reader, FullTransactionId dead_xid)
{
	PageBatch	batch;

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_META, 0);
	page_batch_open(&batch);
	HnswPageGetMeta(page_batch_page(&batch, HNSW_REGION_META, 0))->dead_xid =
		dead_xid;
	page_batch_close(&batch);
	hnsw_index_refresh(reader->ix, reader->index);
}
