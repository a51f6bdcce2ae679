/*-------------------------------------------------------------------------
 *
 * writer.c
 *	  Changes to an index.
 *
 * src/pages/writer.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "compat.h"
#include "miscadmin.h"
#include "pages/page_batch.h"
#include "pages/writer.h"
#include "storage/freespace.h"
#include "storage/lmgr.h"
#include "utils/rel.h"

/* Bytes behind a list that had to move, for the links to come */
#define LIST_SLACK			8

/* Room of the first list of TIDs that a point gets; each next has twice it */
#define FIRST_TID_LIST		4

/* A region grows by this part of itself, faster when extents run short */
#define GROWTH_DIVISOR		16
#define GROWTH_DIVISOR_LATE 4
#define LATE_EXTENTS		(HNSW_MAX_EXTENTS / 2)
#define LAST_EXTENTS		(HNSW_MAX_EXTENTS - 16)

void
hnsw_code_create(HnswCode *code, const Quantizer *quantizer)
{
	code->code = palloc(Max(quantizer->code_size, 1));
	code->factors = palloc(QUANTIZER_MAX_FACTORS * sizeof(float));
	code->refine = palloc(Max(quantizer->refine_size, 1));
	code->refine_factors = palloc(QUANTIZER_MAX_FACTORS * sizeof(float));
}

/*-------------------------------------------------------------------------
 * Growth
 *-------------------------------------------------------------------------
 */

/* The first block that no extent has */
static BlockNumber
end_of_extents(const HnswMetaPageData *meta)
{
	BlockNumber end = HNSW_META_BLOCK + 1;

	for (int i = 0; i < HNSW_NUM_REGIONS; i++)
	{
		const HnswRegionDirectory *directory = &meta->regions[i];

		for (uint32 j = 0; j < directory->nextents; j++)
			end = Max(end, directory->extents[j].start +
					  directory->extents[j].npages);
	}
	return end;
}

static uint32
growth(const HnswRegionDirectory *directory)
{
	if (directory->nextents >= LAST_EXTENTS)
		return directory->npages;
	if (directory->nextents >= LATE_EXTENTS)
		return directory->npages / GROWTH_DIVISOR_LATE;
	return directory->npages / GROWTH_DIVISOR;
}

/*
 * Gives a region blocks for at least needed pages.  That is a matter of the
 * directory alone: the file gets longer when such a block is first written
 * (see page_batch.c).  Directory and file are not in step after a crash,
 * either, which is why the directory decides where an extent starts.
 */
static void
grow_region(HnswMetaPageData *meta, HnswRegionId region, uint32 needed,
			const char *index_name)
{
	HnswRegionDirectory *directory = &meta->regions[region - 1];
	BlockNumber start;
	uint32		npages;
	HnswExtent *last;

	if (directory->npages >= needed)
		return;
	start = end_of_extents(meta);
	npages = Max(growth(directory), needed - directory->npages);
	last = directory->nextents > 0 ?
		&directory->extents[directory->nextents - 1] : NULL;
	if (npages > MaxBlockNumber - start ||
		(directory->nextents == HNSW_MAX_EXTENTS &&
		 last->start + last->npages != start))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" cannot grow any further", index_name),
				 errhint("REINDEX may make it smaller.")));

	if (last != NULL && last->start + last->npages == start)
		last->npages += npages;
	else
	{
		directory->extents[directory->nextents].start = start;
		directory->extents[directory->nextents].npages = npages;
		directory->nextents++;
	}
	directory->npages += npages;
}

/*
 * Gives the regions what a point needs that has the upper slots below nslots.
 * Returns the last block of it.
 */
static BlockNumber
grow_for_point(const HnswIndex *ix, HnswMetaPageData *meta, PointId point,
			   uint32 nslots, const char *index_name)
{
	uint32		needed[HNSW_NUM_REGIONS + 1] = {0};
	BlockNumber last = HNSW_META_BLOCK;

	needed[HNSW_REGION_CODES] = hnsw_record_pages(&ix->codes, point + 1);
	needed[HNSW_REGION_REFINE] = hnsw_record_pages(&ix->refine, point + 1);
	needed[HNSW_REGION_NODES] = point / meta->nodes_per_page + 1;
	if (nslots > 0)
		needed[HNSW_REGION_UPPER] = (nslots - 1) / ix->upper_per_page + 1;

	for (int region = 1; region <= HNSW_NUM_REGIONS; region++)
	{
		if (needed[region] == 0)
			continue;
		grow_region(meta, region, needed[region], index_name);
		last = Max(last, hnsw_region_block(hnsw_directory(meta, region),
										   needed[region] - 1));
	}
	return last;
}

/* What a free node says: its upper slot and the next one in its list */
static bool
read_free_node(Page page, int per_page, PointId point, int level,
			   uint32 *slot, PointId *next)
{
	HnswNodeCopy copy;
	HnswNodeParts parts;

	if (!node_page_copy(page, per_page, point % per_page, &copy) ||
		!HnswNodeIsFree(&copy.node) || HnswNodeLevel(&copy.node) != level ||
		!node_parse(&copy, &parts) || parts.links_length != sizeof(PointId))
		return false;
	*slot = parts.upper_slot;
	memcpy(next, parts.links, sizeof(PointId));
	return true;
}

/*
 * Takes the first free point of a level off its list; InvalidPointId when
 * there is none.
 */
static PointId
take_free_point(HnswReader *reader, int level, uint32 *slot)
{
	uint32		per_page = reader->ix->meta.nodes_per_page;
	PointId		point;

	while (PointIdIsValid(point = reader->ix->meta.free_points[level]))
	{
		PageBatch	batch;
		HnswMetaPageData *meta;
		PointId		next;
		bool		taken;

		page_batch_init(&batch, reader);
		page_batch_add(&batch, HNSW_REGION_META, 0);
		page_batch_add(&batch, HNSW_REGION_NODES, point / per_page);
		page_batch_open(&batch);
		meta = HnswPageGetMeta(page_batch_page(&batch, HNSW_REGION_META, 0));
		taken = meta->free_points[level] == point;
		if (taken)
		{
			if (!read_free_node(page_batch_page(&batch, HNSW_REGION_NODES,
												point / per_page),
								per_page, point, level, slot, &next))
				ereport(ERROR,
						(errcode(ERRCODE_INDEX_CORRUPTED),
						 errmsg("index \"%s\" is corrupted at point %u",
								RelationGetRelationName(reader->index),
								point),
						 errdetail("It is in the list of free points of level %d and is not free.",
								   level),
						 errhint("Please REINDEX it.")));
			meta->free_points[level] = next;
			page_batch_close(&batch);
		}
		else
			page_batch_abort(&batch);
		hnsw_index_refresh(reader->ix, reader->index);
		if (taken)
			return point;
	}
	return InvalidPointId;
}

/*
 * Gives out an id in an open batch.  Returns InvalidPointId when that has to
 * wait: for the file to have block *last, or for a node page that is not
 * part of the batch.
 */
static PointId
take_new_point(PageBatch *batch, int level, uint32 *slot, BlockNumber *last)
{
	HnswIndex  *ix = batch->reader->ix;
	const char *index_name = RelationGetRelationName(batch->reader->index);
	HnswMetaPageData *meta =
		HnswPageGetMeta(page_batch_page(batch, HNSW_REGION_META, 0));
	PointId		point = meta->npoints;

	if (point >= InvalidPointId - 1 ||
		meta->nslots > PG_UINT32_MAX - GRAPH_MAX_LEVEL)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" cannot have more than %u points",
						index_name, point)));
	*last = grow_for_point(ix, meta, point, meta->nslots + level, index_name);
	if (*last >= ix->file_blocks ||
		(point % meta->nodes_per_page == 0 &&
		 !page_batch_has(batch, HNSW_REGION_NODES,
						 point / meta->nodes_per_page)))
		return InvalidPointId;

	*slot = meta->nslots;
	meta->nslots += level;
	meta->npoints++;
	return point;
}

/*
 * Whoever takes the first id of a node page writes the page in the same
 * record, so that all ids have a node to look at.  The file is made long
 * enough before: with a full disk ids must not run ahead of it.
 */
PointId
hnsw_writer_allocate(HnswReader *reader, int level, uint32 *slot)
{
	HnswIndex  *ix = reader->ix;
	PointId		point = take_free_point(reader, level, slot);

	while (!PointIdIsValid(point))
	{
		uint32		node_page = ix->meta.npoints / ix->meta.nodes_per_page;
		PageBatch	batch;
		BlockNumber last;

		CHECK_FOR_INTERRUPTS();
		page_batch_init(&batch, reader);
		page_batch_add(&batch, HNSW_REGION_META, 0);
		if (ix->meta.npoints % ix->meta.nodes_per_page == 0 &&
			node_page < hnsw_directory(&ix->meta, HNSW_REGION_NODES)->npages)
			page_batch_add(&batch, HNSW_REGION_NODES, node_page);
		page_batch_open(&batch);
		point = take_new_point(&batch, level, slot, &last);
		if (last < ix->file_blocks)
			page_batch_close(&batch);
		else
		{
			page_batch_abort(&batch);
			hnsw_extend_file(reader, last);
		}
		hnsw_index_refresh(ix, reader->index);
	}
	return point;
}

/*-------------------------------------------------------------------------
 * Overflow items
 *-------------------------------------------------------------------------
 */

/*
 * Adds pages to the overflow region, the first of which the file has then;
 * returns its number.
 */
static uint32
grow_overflow(HnswReader *reader)
{
	BlockNumber block;
	uint32		first;

	for (;;)
	{
		PageBatch	batch;
		HnswMetaPageData *meta;
		const HnswRegionDirectory *directory;

		page_batch_init(&batch, reader);
		page_batch_add(&batch, HNSW_REGION_META, 0);
		page_batch_open(&batch);
		meta = HnswPageGetMeta(page_batch_page(&batch, HNSW_REGION_META, 0));
		directory = hnsw_directory(meta, HNSW_REGION_OVERFLOW);
		first = directory->npages;
		grow_region(meta, HNSW_REGION_OVERFLOW, first + 1,
					RelationGetRelationName(reader->index));
		block = hnsw_region_block(directory, first);
		if (block < reader->ix->file_blocks)
		{
			page_batch_close(&batch);
			break;
		}
		page_batch_abort(&batch);
		hnsw_extend_file(reader, block);
	}
	hnsw_index_refresh(reader->ix, reader->index);

	/* the others are found by those who look for room later */
	for (uint32 i = first + 1;
		 i < hnsw_directory(&reader->ix->meta, HNSW_REGION_OVERFLOW)->npages;
		 i++)
		RecordPageWithFreeSpace(reader->index,
								hnsw_reader_block(reader,
												  HNSW_REGION_OVERFLOW, i),
								HNSW_OVERFLOW_MAX_ITEM);
	return first;
}

/* Number in the overflow region of a block that the free space map names */
static bool
overflow_page_no(HnswReader *reader, BlockNumber block, uint32 *page_no)
{
	const HnswRegionDirectory *directory =
		hnsw_directory(&reader->ix->meta, HNSW_REGION_OVERFLOW);

	*page_no = 0;
	for (uint32 i = 0; i < directory->nextents; i++)
	{
		const HnswExtent *extent = &directory->extents[i];

		if (block >= extent->start && block - extent->start < extent->npages)
		{
			*page_no += block - extent->start;
			return true;
		}
		*page_no += extent->npages;
	}
	return false;
}

/*
 * Adds an item to a page if there is room; stores the page's free space as
 * it is then.
 */
static bool
try_overflow_page(HnswReader *reader, uint32 page_no, const void *item,
				  int length, ItemPointerData *where, Size *space)
{
	PageBatch	batch;
	Page		page;
	OffsetNumber number;

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_OVERFLOW, page_no);
	page_batch_open(&batch);
	page = page_batch_page(&batch, HNSW_REGION_OVERFLOW, page_no);
	number = overflow_page_add(page, item, length);
	*space = ((PageHeader) page)->pd_upper - ((PageHeader) page)->pd_lower;
	if (number == InvalidOffsetNumber)
	{
		page_batch_abort(&batch);
		return false;
	}
	page_batch_close(&batch);
	ItemPointerSet(where, page_no, number);
	return true;
}

/*
 * A page of the overflow region that may have room, when the one at *page_no
 * has no more than space bytes; false when the free space map knows none.
 * The map is a hint: its upper levels are behind, so the search starts in
 * the neighbourhood of a page that we know.
 */
static bool
next_overflow_page(HnswReader *reader, uint32 *page_no, Size space,
				   Size needed)
{
	BlockNumber block = hnsw_reader_block(reader, HNSW_REGION_OVERFLOW,
										  *page_no);
	BlockNumber next = RecordAndGetPageWithFreeSpace(reader->index, block,
													 space, needed);

	return next != InvalidBlockNumber && next != block &&
		overflow_page_no(reader, next, page_no);
}

/*
 * Stores an item.  Nothing refers to it yet, and should nothing ever do so, it
 * is lost space.
 */
static ItemPointerData
add_overflow(HnswReader *reader, const void *item, int length)
{
	HnswIndex  *ix = reader->ix;
	Size		needed = SHORTALIGN(length) + sizeof(HnswOverflowItem);
	uint32		page_no = ix->overflow_hint;
	ItemPointerData where;
	Size		space;

	if (page_no >= hnsw_directory(&ix->meta, HNSW_REGION_OVERFLOW)->npages)
		page_no = grow_overflow(reader);
	while (!try_overflow_page(reader, page_no, item, length, &where, &space))
	{
		CHECK_FOR_INTERRUPTS();
		if (!next_overflow_page(reader, &page_no, space, needed))
			page_no = grow_overflow(reader);
	}
	ix->overflow_hint = page_no;
	return where;
}

/* Gives an item back that nothing refers to any more. */
static void
drop_overflow(HnswReader *reader, const ItemPointerData *where)
{
	uint32		page_no = ItemPointerGetBlockNumber(where);
	PageBatch	batch;
	Page		page;
	Size		space;

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_OVERFLOW, page_no);
	page_batch_open(&batch);
	page = page_batch_page(&batch, HNSW_REGION_OVERFLOW, page_no);
	overflow_page_delete(page, ItemPointerGetOffsetNumber(where));
	space = ((PageHeader) page)->pd_upper - ((PageHeader) page)->pd_lower;
	page_batch_close(&batch);
	RecordPageWithFreeSpace(reader->index,
							hnsw_reader_block(reader, HNSW_REGION_OVERFLOW,
											  page_no), space);
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
	PageBatch	batch;
	Page		page;

	page_batch_init(&batch, reader);
	batch_code(&batch, HNSW_REGION_CODES, &ix->codes, point);
	batch_code(&batch, HNSW_REGION_REFINE, &ix->refine, point);
	page_batch_add(&batch, HNSW_REGION_NODES, point / per_page);
	page_batch_open(&batch);
	page = page_batch_page(&batch, HNSW_REGION_NODES, point / per_page);
	copy->node.generation = node_page_generation(page, point % per_page);
	if (!node_page_put(page, per_page, point % per_page, copy, LIST_SLACK))
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
	uint8		encoded[LINK_CODEC_MAX_BYTES];
	HnswNodeCopy copy;
	HnswNodeParts parts;

	if (ix->codes.pages_per_record > 1)
		write_pieces(reader, HNSW_REGION_CODES, &ix->codes, new_point->point,
					 code->code, code->factors);
	if (ix->refine.pages_per_record > 1)
		write_pieces(reader, HNSW_REGION_REFINE, &ix->refine,
					 new_point->point, code->refine, code->refine_factors);

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
	if (try_write_point(reader, new_point, &copy))
		return;

	parts.links_away = add_overflow(reader, encoded, parts.links_length);
	node_assemble(&copy, new_point->level, &parts);
	if (!try_write_point(reader, new_point, &copy))
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
	found->point = point;
	found->level = level;
	found->reserved = 0;
	set_slot_links(found, links, nlinks);
	page_batch_close(&batch);
}

bool
hnsw_writer_slot_links(HnswReader *reader, PointId point, uint32 slot,
					   int level, const PointId *seen, int nseen,
					   const PointId *links, int nlinks)
{
	PageBatch	batch;
	HnswUpperSlot *found;

	Assert(nlinks <= reader->ix->meta.m);
	page_batch_init(&batch, reader);
	found = batch_slot(&batch, slot + level - 1);
	if (found->point != point || found->level != level ||
		found->nlinks != nseen ||
		memcmp(found->links, seen, nseen * sizeof(PointId)) != 0)
	{
		page_batch_abort(&batch);
		return false;
	}
	set_slot_links(found, links, nlinks);
	page_batch_close(&batch);
	return true;
}

/*-------------------------------------------------------------------------
 * Links at level 0
 *-------------------------------------------------------------------------
 */
static int
compare_changes(const void *a, const void *b)
{
	PointId		pa = ((const HnswLinkChange *) a)->point;
	PointId		pb = ((const HnswLinkChange *) b)->point;

	return pa < pb ? -1 : pa > pb;
}

/*
 * The node with its new links, in the node or at away, written over the node
 * on the page if that is as it was seen.  Stores in *fits whether it fitted.
 */
static bool
put_links(Page page, int per_page, const HnswLinkChange *change,
		  const uint8 *encoded, int length, const ItemPointerData *away,
		  bool *fits)
{
	int			index = change->point % per_page;
	HnswNodeCopy copy;
	HnswNodeParts parts = change->parts;

	*fits = true;
	if (!node_page_copy(page, per_page, index, &copy) ||
		!node_copies_equal(&copy, &change->seen))
		return false;
	parts.links_away = *away;
	parts.links = encoded;
	parts.links_length = length;
	node_assemble(&copy, HnswNodeLevel(&copy.node), &parts);
	*fits = node_page_put(page, per_page, index, &copy, LIST_SLACK);
	return *fits;
}

/* A change that needs the overflow region, by itself */
static void
change_links_away(HnswReader *reader, HnswLinkChange *change,
				  const uint8 *encoded, int length)
{
	uint32		per_page = reader->ix->meta.nodes_per_page;
	ItemPointerData away = add_overflow(reader, encoded, length);
	PageBatch	batch;
	bool		fits;

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_NODES, change->point / per_page);
	page_batch_open(&batch);
	change->done = put_links(page_batch_page(&batch, HNSW_REGION_NODES,
											 change->point / per_page),
							 per_page, change, encoded, length, &away, &fits);
	if (change->done)
		page_batch_close(&batch);
	else
	{
		page_batch_abort(&batch);
		drop_overflow(reader, &away);
	}
}

/*
 * The changes of up to as many pages as a record takes; returns how many
 * changes that was.
 */
static int
change_links_batch(HnswReader *reader, HnswLinkChange *changes, int n)
{
	uint32		per_page = reader->ix->meta.nodes_per_page;
	uint8		encoded[LINK_CODEC_MAX_BYTES];
	bool		fits[GRAPH_MAX_LINKS];
	ItemPointerData here;
	PageBatch	batch;
	int			taken = 0;
	bool		any = false;

	ItemPointerSetInvalid(&here);
	page_batch_init(&batch, reader);
	while (taken < n && taken < GRAPH_MAX_LINKS &&
		   page_batch_add(&batch, HNSW_REGION_NODES,
						  changes[taken].point / per_page))
		taken++;

	page_batch_open(&batch);
	for (int i = 0; i < taken; i++)
	{
		HnswLinkChange *change = &changes[i];
		int			length = link_codec_encode(reader->ix->meta.link_format,
											   change->point, change->links,
											   change->nlinks, encoded);

		change->done = put_links(page_batch_page(&batch, HNSW_REGION_NODES,
												 change->point / per_page),
								 per_page, change, encoded, length, &here,
								 &fits[i]);
		any |= change->done;
	}
	if (any)
		page_batch_close(&batch);
	else
		page_batch_abort(&batch);

	for (int i = 0; i < taken; i++)
	{
		HnswLinkChange *change = &changes[i];

		if (!fits[i])
			change_links_away(reader, change, encoded,
							  link_codec_encode(reader->ix->meta.link_format,
												change->point, change->links,
												change->nlinks, encoded));
		if (change->done && ItemPointerIsValid(&change->parts.links_away))
			drop_overflow(reader, &change->parts.links_away);
	}
	return taken;
}

void
hnsw_writer_links(HnswReader *reader, HnswLinkChange *changes, int n)
{
	int			done = 0;

	qsort(changes, n, sizeof(HnswLinkChange), compare_changes);
	while (done < n)
		done += change_links_batch(reader, changes + done, n - done);
}

/*-------------------------------------------------------------------------
 * Rows
 *-------------------------------------------------------------------------
 */

static bool
node_is_as_seen(PageBatch *batch, PointId point, const HnswNodeCopy *seen)
{
	uint32		per_page = batch->reader->ix->meta.nodes_per_page;
	HnswNodeCopy now;

	return node_page_copy(page_batch_page(batch, HNSW_REGION_NODES,
										  point / per_page),
						  per_page, point % per_page, &now) &&
		node_copies_equal(&now, seen);
}

/* Writes a node if it is still as seen. */
static bool
replace_node(HnswReader *reader, PointId point, const HnswNodeCopy *seen,
			 const HnswNodeCopy *copy)
{
	uint32		per_page = reader->ix->meta.nodes_per_page;
	PageBatch	batch;
	bool		done;

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_NODES, point / per_page);
	page_batch_open(&batch);
	done = node_is_as_seen(&batch, point, seen) &&
		node_page_put(page_batch_page(&batch, HNSW_REGION_NODES,
									  point / per_page),
					  per_page, point % per_page, copy, LIST_SLACK);
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
	if (node_is_as_seen(&batch, point, seen))
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
	changed.more_tids = add_overflow(reader, list,
									 offsetof(HnswTidList, tids) +
									 room * sizeof(ItemPointerData));
	node_assemble(&copy, HnswNodeLevel(&seen->node), &changed);
	if (replace_node(reader, point, seen, &copy))
		return true;

	/* the links may have to go, which a change of links knows how to do */
	drop_overflow(reader, &changed.more_tids);
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
	changed.links_away = add_overflow(reader, parts->links,
									  parts->links_length);
	node_assemble(&copy, HnswNodeLevel(&seen->node), &changed);
	if (!replace_node(reader, point, seen, &copy))
		drop_overflow(reader, &changed.links_away);
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

/*-------------------------------------------------------------------------
 * The entry point
 *-------------------------------------------------------------------------
 */
bool
hnsw_writer_entry(HnswReader *reader, PointId seen, PointId point, int level)
{
	PageBatch	batch;
	HnswMetaPageData *meta;
	bool		change;

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_META, 0);
	page_batch_open(&batch);
	meta = HnswPageGetMeta(page_batch_page(&batch, HNSW_REGION_META, 0));
	change = meta->entry_point == seen;
	if (change)
	{
		meta->entry_point = point;
		meta->entry_level = level;
		page_batch_close(&batch);
	}
	else
		page_batch_abort(&batch);
	hnsw_index_refresh(reader->ix, reader->index);
	return change;
}

/*-------------------------------------------------------------------------
 * Deletion
 *-------------------------------------------------------------------------
 */
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

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_NODES, point / per_page);
	if (has_list)
		page_batch_add(&batch, HNSW_REGION_OVERFLOW, list_page);
	page_batch_open(&batch);
	done = node_is_as_seen(&batch, point, seen);
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
		copy.node.info |= HNSW_NODE_DEAD;
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

/* Gives back what a point had in the overflow region. */
static void
drop_overflow_of(HnswReader *reader, PointId point,
				 const HnswNodeParts *parts)
{
	HnswTidWalk walk;
	PGAlignedBlock item;

	if (ItemPointerIsValid(&parts->links_away))
		drop_overflow(reader, &parts->links_away);
	hnsw_reader_start_tids(&walk, parts);
	while (hnsw_reader_next_tids(reader, point, &walk,
								 (HnswTidList *) item.data))
		drop_overflow(reader, &walk.where);
}

void
hnsw_writer_free(HnswReader *reader, const PointId *points, int n)
{
	uint32		per_page = reader->ix->meta.nodes_per_page;
	HnswNodeParts *parts = palloc(n * sizeof(HnswNodeParts));
	HnswNodeCopy seen;
	PageBatch	batch;
	HnswMetaPageData *meta;
	Page		page;

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
			!put_free_node(page, per_page, points[i], meta, &seen, &parts[i]))
		{
			ItemPointerSetInvalid(&parts[i].more_tids);
			ItemPointerSetInvalid(&parts[i].links_away);
		}
	}
	page_batch_close(&batch);

	for (int i = 0; i < n; i++)
		drop_overflow_of(reader, points[i], &parts[i]);
	pfree(parts);
}

bool
hnsw_writer_vacuum_meta(HnswReader *reader, PointId dead_entry,
						PointId new_entry, int new_level,
						FullTransactionId dead_xid)
{
	PageBatch	batch;
	HnswMetaPageData *meta;
	bool		replaced;

	page_batch_init(&batch, reader);
	page_batch_add(&batch, HNSW_REGION_META, 0);
	page_batch_open(&batch);
	meta = HnswPageGetMeta(page_batch_page(&batch, HNSW_REGION_META, 0));
	replaced = PointIdIsValid(dead_entry) && meta->entry_point == dead_entry;
	if (replaced)
	{
		meta->entry_point = new_entry;
		meta->entry_level = new_level;
	}
	if (FullTransactionIdIsValid(dead_xid))
		meta->dead_xid = dead_xid;
	page_batch_close(&batch);
	hnsw_index_refresh(reader->ix, reader->index);
	return replaced;
}
