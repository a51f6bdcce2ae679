/*-------------------------------------------------------------------------
 *
 * build_write.c
 *	  A finished build, from memory to disk.
 *
 * Points get their final numbers, region follows region, and every page is
 * written once.  Only the metapage, which says where the regions are, comes
 * last: until then block 0 is zero, which no reader accepts.
 *
 * src/am/build_write.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/build_write.h"
#include "am/hnsw.h"
#include "commands/progress.h"
#include "compat.h"
#include "miscadmin.h"
#include "pages/index.h"
#include "pages/node_page.h"
#include "pgstat.h"
#include "test_points.h"

/* Links of a point as long as nothing better is known, bits each */
#define USUAL_BITS_PER_LINK 14

/* Fewer points than this say little about those to come */
#define ENOUGH_POINTS		10000

/* Bytes behind each list, so that the first links to come move nothing */
#define BUILD_SLACK			4

/* One page in so many may have to give links to the overflow region */
#define OVERFULL_PAGES		128

typedef struct IndexWriter
{
	BulkWriteState *bulk;
	HnswMetaPageData *meta;
	BuildSource *source;
	BlockNumber next_block;

	/*
	 * The front of the overflow region, written before what names its items:
	 * codes of variable size and lists of rows.
	 */
	BulkWriteBuffer front_page; /* the page that is being filled */
	uint32		nfront_pages;
	ItemPointerData *values;	/* where each code is; or NULL */
	uint64		ntid_lists;		/* see write_tid_lists */

	/* the rest of it, kept back until its size is known */
	char	  **overflow;
	uint32		noverflow;
} IndexWriter;

/*
 * Links of a point as they are encoded to measure its node, kept to write it if
 * there is room
 */
typedef struct KeptLinks
{
	uint16		length;
	uint8		bytes[FLEXIBLE_ARRAY_MEMBER];
} KeptLinks;

#define NOT_KEPT		PG_UINT16_MAX

StaticAssertDecl(LINK_CODEC_MAX_BYTES < NOT_KEPT, "a length must fit uint16");

static void
write_page(IndexWriter *writer, BulkWriteBuffer buffer)
{
	CHECK_FOR_INTERRUPTS();
	HNSW_TEST_POINT("build-write-page");
	smgr_bulk_write(writer->bulk, writer->next_block++, buffer, true);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
								 writer->next_block);
}

/* Opens a region of npages pages at the end of the file. */
static void
start_region(IndexWriter *writer, HnswRegionId region, uint32 npages)
{
	HnswRegionDirectory *directory = &writer->meta->regions[region - 1];

	directory->npages = npages;
	directory->nextents = npages > 0 ? 1 : 0;
	if (npages > 0)
	{
		directory->extents[0].start = writer->next_block;
		directory->extents[0].npages = npages;
	}
}

/* Gives a region the npages pages that were written last. */
static void
extend_region(IndexWriter *writer, HnswRegionId region, uint32 npages)
{
	HnswRegionDirectory *directory = &writer->meta->regions[region - 1];

	if (npages == 0)
		return;
	directory->extents[directory->nextents].start = writer->next_block -
		npages;
	directory->extents[directory->nextents].npages = npages;
	directory->nextents++;
	directory->npages += npages;
}

static void
write_params(IndexWriter *writer, const float *centroid)
{
	Size		size = centroid == NULL ? 0 :
		writer->meta->dimensions * sizeof(float);
	uint32		npages = (size + HNSW_PARAMS_PER_PAGE - 1) /
		HNSW_PARAMS_PER_PAGE;

	start_region(writer, HNSW_REGION_PARAMS, npages);
	for (uint32 i = 0; i < npages; i++)
	{
		BulkWriteBuffer buffer = smgr_bulk_get_buf(writer->bulk);
		Page		page = (Page) buffer;
		Size		offset = i * HNSW_PARAMS_PER_PAGE;

		hnsw_page_init(page, HNSW_REGION_PARAMS, i);
		memcpy(HnswPageGetBody(page), (const char *) centroid + offset,
			   Min(HNSW_PARAMS_PER_PAGE, size - offset));
		write_page(writer, buffer);
	}
}

/*-------------------------------------------------------------------------
 * Codes and refinement
 *-------------------------------------------------------------------------
 */

/* A page full of records, or one piece of a record that takes several pages */
static void
fill_record_page(IndexWriter *writer, HnswRegionId region,
				 const HnswRecordLayout *layout, Page page, uint32 page_no)
{
	uint32		piece = page_no % layout->pages_per_record;
	PointId		first = page_no / layout->pages_per_record * layout->per_page;
	PointId		end = Min((uint64) first + layout->per_page,
						  writer->meta->npoints);
	int			offset = piece * HNSW_PIECE_SIZE;
	int			length = layout->pages_per_record == 1 ? layout->code_size :
		Min(HNSW_PIECE_SIZE, layout->code_size - offset);

	for (PointId point = first; point < end; point++)
	{
		uint32		i = point - first;
		bool		refine = region == HNSW_REGION_REFINE;
		SourcePoint copy;

		writer->source->get_point(writer->source, point, &copy);
		if (writer->values != NULL)
			copy.code = (const uint8 *) &writer->values[point];

		if (piece == 0)
			memcpy(HnswPageGetBody(page) + i * layout->factors_size,
				   refine ? copy.refine_factors : copy.factors,
				   layout->factors_size);
		memcpy((char *) page + layout->codes_offset + i * layout->code_size,
			   (refine ? copy.refine : copy.code) + offset, length);
	}
}

static void
write_records(IndexWriter *writer, HnswRegionId region,
			  const HnswRecordLayout *layout)
{
	uint32		npages = hnsw_record_pages(layout, writer->meta->npoints);

	start_region(writer, region, npages);
	for (uint32 i = 0; i < npages; i++)
	{
		BulkWriteBuffer buffer = smgr_bulk_get_buf(writer->bulk);

		hnsw_page_init((Page) buffer, region, i);
		fill_record_page(writer, region, layout, (Page) buffer, i);
		write_page(writer, buffer);
	}
}

/*-------------------------------------------------------------------------
 * The front of the overflow region
 *-------------------------------------------------------------------------
 */

/* Adds an item to the page that is being filled, or to a new one. */
static ItemPointerData
put_front_item(IndexWriter *writer, const void *item, int length)
{
	ItemPointerData where;
	OffsetNumber number = InvalidOffsetNumber;

	if (writer->front_page != NULL)
		number = overflow_page_add((Page) writer->front_page, item, length);
	if (number == InvalidOffsetNumber)
	{
		if (writer->front_page != NULL)
			write_page(writer, writer->front_page);
		writer->front_page = smgr_bulk_get_buf(writer->bulk);
		overflow_page_init((Page) writer->front_page, writer->nfront_pages++);
		number = overflow_page_add((Page) writer->front_page, item, length);
	}
	ItemPointerSet(&where, writer->nfront_pages - 1, number);
	return where;
}

/* The parts of a code, the last one first. */
static ItemPointerData
put_value(IndexWriter *writer, const uint8 *code, int size)
{
	int			offset = (size - 1) / HNSW_CODE_PART * HNSW_CODE_PART;
	ItemPointerData where = put_front_item(writer, code + offset,
										   size - offset);

	while (offset > 0)
	{
		PGAlignedBlock item;

		offset -= HNSW_CODE_PART;
		memcpy(item.data, code + offset, HNSW_CODE_PART);
		memcpy(item.data + HNSW_CODE_PART, &where, sizeof(where));
		where = put_front_item(writer, item.data, HNSW_CODE_ITEM);
	}
	return where;
}

/* Writes all codes of variable size, in the order of points. */
static void
write_values(IndexWriter *writer, const Quantizer *quantizer)
{
	PointId		npoints = writer->meta->npoints;

	if (!quantizer->variable_size)
		return;
	writer->values = palloc_extended(npoints * sizeof(ItemPointerData),
									 MCXT_ALLOC_HUGE);
	for (PointId point = 0; point < npoints; point++)
	{
		SourcePoint copy;

		writer->source->get_point(writer->source, point, &copy);
		writer->values[point] = put_value(writer, copy.code,
										  quantizer_code_size(quantizer,
															  copy.code));
	}
}

/* Rows 0 .. n - 1 as a chain of lists; returns where it starts. */
static ItemPointerData
put_tid_lists(IndexWriter *writer, const DuplicateRow *rows, uint64 n)
{
	PGAlignedBlock item;
	HnswTidList *list = (HnswTidList *) item.data;

	ItemPointerSetInvalid(&list->next);
	while (n > 0)
	{
		uint64		first = (n - 1) / HNSW_TIDS_PER_LIST * HNSW_TIDS_PER_LIST;

		list->ntids = n - first;
		for (int i = 0; i < list->ntids; i++)
			list->tids[i] = rows[first + i].tid;
		list->next = put_front_item(writer, list,
									offsetof(HnswTidList, tids) +
									list->ntids * sizeof(ItemPointerData));
		n = first;
	}
	return list->next;
}

/*
 * Writes the rows that share a point with the one in its node.  In the array
 * of these rows, of which there can be more than points, the first entries say
 * from then on for each of these points where its lists are.
 */
static void
write_tid_lists(IndexWriter *writer)
{
	DuplicateRows *duplicates = &writer->source->duplicates;
	DuplicateRow *rows = duplicates->rows;
	uint64		n;

	for (uint64 first = 0; first < duplicates->n; first += n)
	{
		DuplicateRow lists = {.point = rows[first].point};

		for (n = 1; first + n < duplicates->n; n++)
		{
			if (rows[first + n].point != lists.point)
				break;
		}
		lists.tid = put_tid_lists(writer, rows + first, n);
		rows[writer->ntid_lists++] = lists;
	}
}

static void
write_front(IndexWriter *writer, const Quantizer *quantizer)
{
	start_region(writer, HNSW_REGION_OVERFLOW, 0);
	write_values(writer, quantizer);
	write_tid_lists(writer);
	if (writer->front_page != NULL)
		write_page(writer, writer->front_page);
	extend_region(writer, HNSW_REGION_OVERFLOW, writer->nfront_pages);
}

/*-------------------------------------------------------------------------
 * The rest of the overflow region
 *-------------------------------------------------------------------------
 */
static ItemPointerData
add_overflow(IndexWriter *writer, const void *item, int length)
{
	ItemPointerData where;
	OffsetNumber number = InvalidOffsetNumber;

	if (writer->noverflow > 0)
		number = overflow_page_add(writer->overflow[writer->noverflow - 1],
								   item, length);
	if (number == InvalidOffsetNumber)
	{
		uint32		n = writer->noverflow++;

		if (n == 0)
			writer->overflow = palloc(sizeof(char *));
		else if ((n & (n - 1)) == 0)
			writer->overflow = repalloc_huge(writer->overflow,
											 2 * n * sizeof(char *));
		writer->overflow[n] = palloc(BLCKSZ);
		overflow_page_init(writer->overflow[n], writer->nfront_pages + n);
		number = overflow_page_add(writer->overflow[n], item, length);
	}
	ItemPointerSet(&where, writer->nfront_pages + writer->noverflow - 1,
				   number);
	return where;
}

static void
write_overflow(IndexWriter *writer)
{
	for (uint32 i = 0; i < writer->noverflow; i++)
	{
		BulkWriteBuffer buffer = smgr_bulk_get_buf(writer->bulk);

		memcpy(buffer, writer->overflow[i], BLCKSZ);
		write_page(writer, buffer);
	}
	extend_region(writer, HNSW_REGION_OVERFLOW, writer->noverflow);
}

/*-------------------------------------------------------------------------
 * Nodes
 *-------------------------------------------------------------------------
 */

/* The links of a point with their final numbers, encoded; returns bytes. */
static int
encode_links(IndexWriter *writer, PointId point, uint8 *out)
{
	PointId		links[GRAPH_MAX_LINKS];
	int			nlinks = writer->source->get_links(writer->source, point, 0,
													links);

	return link_codec_encode(writer->meta->link_format, point, links, nlinks,
							 out);
}

/* Encodes the links for the first time; returns bytes. */
static int
measure_links(IndexWriter *writer, PointId point)
{
	BuildSource *source = writer->source;
	uint8		encoded[LINK_CODEC_MAX_BYTES];
	int			length = encode_links(writer, point, encoded);
	KeptLinks  *kept;
	Size		room;

	if (source->get_room == NULL)
		return length;
	kept = source->get_room(source, point, &room);
	kept->length = NOT_KEPT;
	if (offsetof(KeptLinks, bytes) + length <= room)
	{
		kept->length = length;
		memcpy(kept->bytes, encoded, length);
	}
	return length;
}

/* The same once more, for which what was kept is enough */
static int
encode_measured(IndexWriter *writer, PointId point, uint8 *out)
{
	BuildSource *source = writer->source;
	const KeptLinks *kept;
	Size		room;

	if (source->get_room == NULL)
		return encode_links(writer, point, out);
	kept = source->get_room(source, point, &room);
	if (kept->length == NOT_KEPT)
		return encode_links(writer, point, out);
	memcpy(out, kept->bytes, kept->length);
	return kept->length;
}

static inline int
node_level(IndexWriter *writer, PointId point)
{
	return writer->source->get_level(writer->source, point);
}

/* Bytes that each node takes of its page when its links stay there */
static uint16 *
measure_nodes(IndexWriter *writer)
{
	PointId		npoints = writer->meta->npoints;
	uint16	   *lengths = palloc_extended(Max(npoints, 1) * sizeof(uint16),
										  MCXT_ALLOC_HUGE);

	for (PointId i = 0; i < npoints; i++)
	{
		CHECK_FOR_INTERRUPTS();
		lengths[i] = measure_links(writer, i) + BUILD_SLACK;
		if (node_level(writer, i) > 0)
			lengths[i] += sizeof(uint32);
		lengths[i] = Max(lengths[i], HNSW_NODE_MIN_VAR);
	}
	return lengths;
}

/* Pages of per_page nodes that are too full */
static uint32
count_overfull(const uint16 *lengths, PointId npoints, uint32 per_page)
{
	uint32		room = HNSW_BODY_SIZE - per_page * sizeof(HnswNode);
	uint32		overfull = 0;

	for (PointId first = 0; first < npoints; first += per_page)
	{
		PointId		end = Min((uint64) first + per_page, npoints);
		uint32		used = 0;

		CHECK_FOR_INTERRUPTS();
		for (PointId i = first; i < end; i++)
			used += lengths[i];
		overfull += used > room;
	}
	return overfull;
}

/*
 * As many nodes to a page as fit on nearly all pages.  A small index is
 * assumed to grow to usual lists.
 */
static uint32
choose_nodes_per_page(const uint16 *lengths, PointId npoints, int m)
{
	double		usual = GraphMaxLinks(m, 0) * USUAL_BITS_PER_LINK / 8.0;
	double		average = 0;
	uint32		per_page;

	for (PointId i = 0; i < npoints; i++)
		average += lengths[i];
	if (npoints > 0)
		average /= npoints;
	if (npoints < ENOUGH_POINTS)
		average = Max(average, usual);

	per_page = Min(HNSW_BODY_SIZE / (sizeof(HnswNode) + average),
				   HNSW_MAX_NODES_PER_PAGE);
	while (per_page > 1 &&
		   count_overfull(lengths, npoints, per_page) >
		   npoints / per_page / OVERFULL_PAGES)
		per_page--;
	return per_page;
}

/*
 * Puts one node on its page, and its links to the overflow region when they
 * do not fit.
 */
static void
put_node(IndexWriter *writer, Page page, PointId point, uint32 upper_slot,
		 ItemPointerData more_tids)
{
	uint32		per_page = writer->meta->nodes_per_page;
	int			level = node_level(writer, point);
	uint8		encoded[LINK_CODEC_MAX_BYTES];
	SourcePoint coded;
	HnswNodeCopy copy;
	HnswNodeParts parts;

	writer->source->get_point(writer->source, point, &coded);
	memset(&copy.node, 0, sizeof(HnswNode));
	copy.node.heaptid = coded.tid;
	copy.node.info = HNSW_NODE_PRESENT;

	parts.upper_slot = upper_slot;
	parts.more_tids = more_tids;
	ItemPointerSetInvalid(&parts.links_away);
	parts.links = encoded;
	parts.links_length = encode_measured(writer, point, encoded);
	node_assemble(&copy, level, &parts);
	if (node_page_put(page, per_page, point % per_page, &copy,
					  BUILD_SLACK) == NODE_PUT_DONE)
		return;

	parts.links_away = add_overflow(writer, encoded, parts.links_length);
	node_assemble(&copy, level, &parts);
	if (node_page_put(page, per_page, point % per_page, &copy,
					  0) != NODE_PUT_DONE)
		elog(ERROR, "node of point %u does not fit its page", point);
}

/*
 * Where the lists of a point's further rows are.  *next are the lists of this
 * point or of a later one, and moves on.
 */
static ItemPointerData
find_tid_lists(IndexWriter *writer, PointId point, uint64 *next)
{
	const DuplicateRow *rows = writer->source->duplicates.rows;
	ItemPointerData none;

	if (*next < writer->ntid_lists && rows[*next].point == point)
		return rows[(*next)++].tid;
	ItemPointerSetInvalid(&none);
	return none;
}

static void
write_nodes(IndexWriter *writer)
{
	HnswMetaPageData *meta = writer->meta;
	uint32		per_page = meta->nodes_per_page;
	uint32		npages = ((uint64) meta->npoints + per_page - 1) / per_page;
	uint64		next_lists = 0;
	uint32		slot = 0;

	start_region(writer, HNSW_REGION_NODES, npages);
	for (uint32 page_no = 0; page_no < npages; page_no++)
	{
		BulkWriteBuffer buffer = smgr_bulk_get_buf(writer->bulk);
		PointId		first = page_no * per_page;
		PointId		end = Min((uint64) first + per_page, meta->npoints);

		node_page_init((Page) buffer, page_no, per_page);
		for (PointId point = first; point < end; point++)
		{
			put_node(writer, (Page) buffer, point, slot,
					 find_tid_lists(writer, point, &next_lists));
			slot += node_level(writer, point);
		}
		write_page(writer, buffer);
	}
}

/*-------------------------------------------------------------------------
 * Upper levels
 *-------------------------------------------------------------------------
 */
static uint32
count_slots(IndexWriter *writer)
{
	uint32		slots = 0;

	for (PointId i = 0; i < writer->meta->npoints; i++)
	{
		CHECK_FOR_INTERRUPTS();
		slots += node_level(writer, i);
	}
	return slots;
}

static void
fill_slot(IndexWriter *writer, HnswUpperSlot *slot, PointId point, int level)
{
	PointId		links[GRAPH_MAX_LINKS];

	slot->point = point;
	slot->level = level;
	slot->nlinks = writer->source->get_links(writer->source, point, level,
											 links);
	slot->reserved = 0;
	memcpy(slot->links, links, slot->nlinks * sizeof(PointId));
}

static void
write_upper(IndexWriter *writer)
{
	HnswMetaPageData *meta = writer->meta;
	uint32		per_page = HnswUpperSlotsPerPage(meta->m);
	Size		slot_size = HnswUpperSlotSize(meta->m);
	uint32		npages;
	uint32		nslots = 0;
	BulkWriteBuffer buffer = NULL;

	meta->nslots = count_slots(writer);
	npages = (meta->nslots + per_page - 1) / per_page;
	start_region(writer, HNSW_REGION_UPPER, npages);
	for (PointId point = 0; point < meta->npoints; point++)
	{
		for (int level = 1; level <= node_level(writer, point); level++)
		{
			uint32		i = nslots % per_page;

			if (i == 0)
			{
				if (buffer != NULL)
					write_page(writer, buffer);
				buffer = smgr_bulk_get_buf(writer->bulk);
				hnsw_page_init((Page) buffer, HNSW_REGION_UPPER,
							   nslots / per_page);
			}
			fill_slot(writer, (HnswUpperSlot *)
					  (HnswPageGetBody(buffer) + i * slot_size), point,
					  level);
			nslots++;
		}
	}
	if (buffer != NULL)
		write_page(writer, buffer);
}

/*-------------------------------------------------------------------------
 * All of it
 *-------------------------------------------------------------------------
 */
static void
write_meta(IndexWriter *writer)
{
	BulkWriteBuffer buffer = smgr_bulk_get_buf(writer->bulk);

	hnsw_page_init((Page) buffer, HNSW_REGION_META, 0);
	memcpy(HnswPageGetBody(buffer), writer->meta, sizeof(HnswMetaPageData));
	smgr_bulk_write(writer->bulk, HNSW_META_BLOCK, buffer, true);
}

static void
set_points(IndexWriter *writer)
{
	HnswMetaPageData *meta = writer->meta;

	meta->npoints = writer->source->npoints;
	if (meta->npoints == 0)
		return;
	meta->entry_point = writer->source->entry;
	meta->entry_level = node_level(writer, meta->entry_point);
}

/* Tells how many pages there will be, but for the few of the overflow region. */
static void
announce_pages(IndexWriter *writer, const HnswRecordLayout *codes,
			   const HnswRecordLayout *refine)
{
	const HnswMetaPageData *meta = writer->meta;

	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL,
								 writer->next_block +
								 hnsw_record_pages(codes, meta->npoints) +
								 hnsw_record_pages(refine, meta->npoints) +
								 (meta->npoints - 1) / meta->nodes_per_page + 1 +
								 count_slots(writer) /
								 HnswUpperSlotsPerPage(meta->m) + 1);
}

void
hnsw_write_index(Relation index, ForkNumber fork, HnswMetaPageData *meta,
				 const float *centroid, BuildSource *source)
{
	IndexWriter writer = {
		.bulk = smgr_bulk_start_rel(index, fork),
		.meta = meta,
		.source = source,
		.next_block = HNSW_META_BLOCK + 1
	};
	Quantizer  *quantizer = hnsw_meta_quantizer(meta, centroid);
	HnswRecordLayout codes;
	HnswRecordLayout refine;
	uint16	   *lengths;

	meta->npoints = 0;
	meta->nslots = 0;
	meta->entry_point = InvalidPointId;
	meta->entry_level = 0;
	memset(meta->regions, 0, sizeof(meta->regions));
	for (int i = 0; i <= GRAPH_MAX_LEVEL; i++)
		meta->free_points[i] = InvalidPointId;
	meta->dead_xid = InvalidFullTransactionId;
	if (source != NULL)
		set_points(&writer);

	write_params(&writer, centroid);
	if (meta->npoints == 0)
		meta->nodes_per_page = choose_nodes_per_page(NULL, 0, meta->m);
	else
	{
		HNSW_TEST_STOP("build-measure");
		lengths = measure_nodes(&writer);
		HNSW_TEST_STOP("build-nodes-per-page");
		meta->nodes_per_page = choose_nodes_per_page(lengths, meta->npoints,
													 meta->m);
		HNSW_TEST_STOP("build-measured");
		pfree(lengths);
		hnsw_code_layouts(quantizer, &codes, &refine);
		write_front(&writer, quantizer);
		announce_pages(&writer, &codes, &refine);
		write_records(&writer, HNSW_REGION_CODES, &codes);
		write_records(&writer, HNSW_REGION_REFINE, &refine);
		write_nodes(&writer);
		write_upper(&writer);
		write_overflow(&writer);
	}
	write_meta(&writer);
	smgr_bulk_finish(writer.bulk);
	quantizer_free(quantizer);
}
