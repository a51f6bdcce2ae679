/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  The fast way to the records of an index.
 *
 * The ordinary way to a page costs half a microsecond, most of it cache
 * misses in a chain: hash table, buffer descriptor, page, item.  A reader
 * knows the buffer from last time, so it can ask the CPU for descriptor and
 * record of all the points of a step at once before it looks at the first,
 * and mostly it looks without a pin (unpinned.h).
 *
 * src/pages/reader.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "pages/reader.h"
#include "pages/unpinned.h"
#include "pages/values.h"
#include "pgstat.h"
#include "test_points.h"

#define CACHE_LINE				64

/* Bytes of a long code that are asked for ahead */
#define MAX_PREFETCH			512

/* Where a record is */
typedef struct RecordPlace
{
	BlockNumber block;
	uint32		page_no;
	uint32		index;			/* within the page */
} RecordPlace;

void
hnsw_reader_use(HnswReader *reader, Relation index, HnswIndex *ix)
{
	memset(reader, 0, sizeof(HnswReader));
	reader->index = index;
	reader->ix = ix;
}

void
hnsw_reader_init(HnswReader *reader, Relation index)
{
	hnsw_reader_use(reader, index, hnsw_index_open(index));
}

static void
point_corrupted(HnswReader *reader, PointId point, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is corrupted at point %u",
					RelationGetRelationName(reader->index), point),
			 errdetail("%s", what),
			 errhint("Please REINDEX it.")));
}

/*
 * An ordinary read, that also looks whether the page is the right one.  The
 * lock, here and in pin_block, is for replay on a standby: the page of an image
 * that is being restored is zero, and locked, before it is what it should be.
 */
static Buffer
read_and_remember(HnswReader *reader, HnswRegionId region, uint32 page_no,
				  BlockNumber block)
{
	Buffer		buffer = ReadBuffer(reader->index, block);

	reader->ix->recent[block] = 0;
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	hnsw_page_verify(BufferGetPage(buffer), region, page_no, block,
					 RelationGetRelationName(reader->index));
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	reader->ix->recent[block] = buffer;
	return buffer;
}

/*
 * Pins a block that is page page_no of the region.  The page was verified
 * when it was first remembered; since then it can only have left the buffer,
 * which ReadRecentBuffer finds out.  That leaves the usage count alone, and
 * the clock sweep would take hot pages for cold ones: what it is about to take
 * is read the ordinary way.
 */
static Buffer
pin_block(HnswReader *reader, HnswRegionId region, uint32 page_no,
		  BlockNumber block)
{
	HnswIndex  *ix = reader->ix;
	Buffer		buffer = ix->recent[block];

	reader->pins[region]++;
	if (buffer != 0 && !unpinned_is_cold(buffer) &&
		ReadRecentBuffer(ix->locator, MAIN_FORKNUM, block, buffer))
	{
		pgstat_count_buffer_read(reader->index);
		pgstat_count_buffer_hit(reader->index);
		if (VacuumCostActive)
			VacuumCostBalance += VacuumCostPageHit;
		if (unpinned_is_changing(buffer))
		{
			LockBuffer(buffer, BUFFER_LOCK_SHARE);
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		}
		return buffer;
	}
	return read_and_remember(reader, region, page_no, block);
}

/*
 * Block of a page of a region.  The page numbers we are asked for come from
 * point ids that were checked against the metapage, whose directories were
 * checked against the same number.
 */
static inline BlockNumber
locate_page(HnswReader *reader, HnswRegionId region, uint32 page_no)
{
	BlockNumber block = hnsw_region_block(hnsw_directory(&reader->ix->meta,
														 region), page_no);

	if (unlikely(block == InvalidBlockNumber))
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" has no page %u in region \"%s\"",
						RelationGetRelationName(reader->index), page_no,
						hnsw_region_name(region)),
				 errhint("Please REINDEX it.")));
	return block;
}

BlockNumber
hnsw_reader_block(HnswReader *reader, HnswRegionId region, uint32 page_no)
{
	return locate_page(reader, region, page_no);
}

Page
hnsw_reader_pin(HnswReader *reader, HnswRegionId region, uint32 page_no,
				Buffer *buffer)
{
	*buffer = pin_block(reader, region, page_no,
						locate_page(reader, region, page_no));
	return BufferGetPage(*buffer);
}

static inline void
count_unpinned(HnswReader *reader, HnswRegionId region)
{
	reader->pins[region]++;
	unpinned_count(reader->index);
}

/*
 * Something to do with a page of records, for which it makes no difference
 * that it is done again, and that the bytes are any.
 */
typedef void (*LookAtRecords) (Page page, void *arg);

/*
 * Looks at the page of a record that is not changed while we may know of it.
 */
static pg_attribute_always_inline void
look_at_records(HnswReader *reader, HnswRegionId region, uint32 page_no,
				BlockNumber block, LookAtRecords look, void *arg)
{
	HnswIndex  *ix = reader->ix;
	UnpinnedLook unpinned;
	Buffer		buffer;

	if (reader->searching &&
		likely(unpinned_begin(&unpinned, &ix->locator, block,
							  ix->recent[block])))
	{
		HNSW_TEST_STOP("look-at-records");
		look(unpinned.page, arg);
		if (likely(unpinned_end(&unpinned)))
		{
			count_unpinned(reader, region);
			return;
		}
		HNSW_TEST_STOP("records-gone");
	}
	buffer = pin_block(reader, region, page_no, block);
	look(BufferGetPage(buffer), arg);
	ReleaseBuffer(buffer);
}

static inline void
prefetch_bytes(const char *from, int length)
{
	for (int i = 0; i < length; i += CACHE_LINE)
		__builtin_prefetch(from + i);
	__builtin_prefetch(from + length - 1);
}

/* Asks for bytes of the page in a shared buffer */
static inline void
prefetch_in_buffer(Buffer buffer, int offset, int length)
{
	if (BufferIsLocal(buffer))
		return;
	prefetch_bytes((char *) BufferGetBlock(buffer) + offset, length);
}

static inline void
locate_record(HnswReader *reader, HnswRegionId region,
			  const HnswRecordLayout *layout, PointId point,
			  RecordPlace *place)
{
	place->page_no = point / layout->per_page;
	place->index = point - place->page_no * layout->per_page;
	place->page_no *= layout->pages_per_record;
	place->block = locate_page(reader, region, place->page_no);
}

static inline const float *
record_factors(Page page, const HnswRecordLayout *layout, uint32 index)
{
	return (const float *) (HnswPageGetBody(page) +
							index * layout->factors_size);
}

static inline const uint8 *
record_code(Page page, const HnswRecordLayout *layout, uint32 index)
{
	return (const uint8 *) page + layout->codes_offset +
		index * layout->code_size;
}

static void
prefetch_record(HnswReader *reader, const HnswRecordLayout *layout,
				const RecordPlace *place)
{
	Buffer		buffer = reader->ix->recent[place->block];

	if (buffer == 0)
		return;
	unpinned_prefetch_descriptor(buffer);
	prefetch_in_buffer(buffer,
					   layout->codes_offset + place->index * layout->code_size,
					   hnsw_piece_length(layout, 0));
	if (layout->factors_size > 0)
		prefetch_in_buffer(buffer,
						   HNSW_BODY_OFFSET +
						   place->index * layout->factors_size,
						   layout->factors_size);
}

/* Finds the records of n points and asks for all of them. */
static void
locate_records(HnswReader *reader, HnswRegionId region,
			   const HnswRecordLayout *layout, const PointId *points, int n,
			   RecordPlace *places)
{
	for (int i = 0; i < n; i++)
	{
		locate_record(reader, region, layout, points[i], &places[i]);
		prefetch_record(reader, layout, &places[i]);
	}
}

/* A damaged code may give anything but must not upset the search. */
static inline float
valid_key(float key)
{
	return likely(key == key) ? key : INFINITY;
}

static inline float
valid_error(float error)
{
	return error >= 0 ? error : 0;
}

/* A piece of a record: its page, its place there, what is wanted of it */
typedef struct RecordPiece
{
	const HnswRecordLayout *layout;
	uint32		index;			/* within the page */
	uint32		piece;
	const QuantizedQuery *query;
	float	   *factors;		/* copied with the first piece */
	float		sum;
	uint8	   *code;
} RecordPiece;

static inline void
take_factors(Page page, RecordPiece *record)
{
	if (record->piece == 0)
		memcpy(record->factors,
			   record_factors(page, record->layout, record->index),
			   record->layout->factors_size);
}

static void
sum_piece(Page page, void *arg)
{
	RecordPiece *record = arg;

	take_factors(page, record);
	record->sum = quantizer_partial(record->query,
									record_code(page, record->layout,
												record->index),
									record->piece * HNSW_PIECE_SIZE,
									hnsw_piece_length(record->layout,
													  record->piece),
									record->factors);
}

static void
copy_piece(Page page, void *arg)
{
	RecordPiece *record = arg;

	take_factors(page, record);
	memcpy(record->code + record->piece * HNSW_PIECE_SIZE,
		   record_code(page, record->layout, record->index),
		   hnsw_piece_length(record->layout, record->piece));
}

/* The sum over a code, in as many pieces as it has, and its factors */
static float
sum_pieces(HnswReader *reader, HnswRegionId region,
		   const HnswRecordLayout *layout, const RecordPlace *place,
		   const QuantizedQuery *query, float *factors)
{
	RecordPiece record = {.layout = layout, .index = place->index,
	.query = query, .factors = factors};
	float		sum = 0;

	for (uint32 piece = 0; piece < layout->pages_per_record; piece++)
	{
		record.piece = piece;
		look_at_records(reader, region, place->page_no + piece,
						locate_page(reader, region, place->page_no + piece),
						sum_piece, &record);
		sum += record.sum;
	}
	return sum;
}

static void
copy_record(HnswReader *reader, HnswRegionId region,
			const HnswRecordLayout *layout, PointId point, uint8 *code,
			float *factors)
{
	RecordPlace place;
	RecordPiece record = {.layout = layout, .factors = factors,
	.code = code};

	locate_record(reader, region, layout, point, &place);
	record.index = place.index;
	for (uint32 piece = 0; piece < layout->pages_per_record; piece++)
	{
		record.piece = piece;
		look_at_records(reader, region, place.page_no + piece,
						locate_page(reader, region, place.page_no + piece),
						copy_piece, &record);
	}
}

/* How many of n places, from the first on, are in one page */
static inline int
in_one_page(const RecordPlace *places, int n)
{
	int			i = 1;

	while (i < n && places[i].block == places[0].block)
		i++;
	return i;
}

/*-------------------------------------------------------------------------
 * Codes of variable size
 *-------------------------------------------------------------------------
 */

/* A record that leads to such a code */
typedef struct ValueRecord
{
	ItemPointerData where;
	float		factors[QUANTIZER_MAX_FACTORS];
} ValueRecord;

/* The buffer in which the page of an item was last seen, 0 when not known */
static Buffer
recent_item_buffer(HnswReader *reader, const ItemPointerData *where)
{
	BlockNumber block =
		hnsw_region_block(hnsw_directory(&reader->ix->meta,
										 HNSW_REGION_OVERFLOW),
						  ItemPointerGetBlockNumberNoCheck(where));
	Buffer		buffer = block == InvalidBlockNumber ? 0 :
		reader->ix->recent[block];

	return BufferIsLocal(buffer) ? 0 : buffer;
}

static inline const HnswOverflowItem *
item_pointer(Buffer buffer, const ItemPointerData *where)
{
	Size		offset = ItemPointerGetOffsetNumberNoCheck(where) *
	sizeof(HnswOverflowItem) % HNSW_BODY_SIZE;

	return (const HnswOverflowItem *)
		(HnswPageGetBody(BufferGetBlock(buffer)) + offset) - 1;
}

/*
 * Asks for items of the overflow region, first for what says where they are,
 * then for them.  The buffers are not pinned: what is read of them here is
 * good for a hint alone.
 */
static void
prefetch_items(HnswReader *reader, const ValueRecord *records, int n)
{
	Buffer		buffers[GRAPH_MAX_LINKS];

	for (int i = 0; i < n; i++)
	{
		buffers[i] = recent_item_buffer(reader, &records[i].where);
		if (buffers[i] == 0)
			continue;
		unpinned_prefetch_descriptor(buffers[i]);
		__builtin_prefetch(item_pointer(buffers[i], &records[i].where));
	}
	for (int i = 0; i < n; i++)
	{
		HnswOverflowItem item;

		if (buffers[i] == 0)
			continue;
		item = *item_pointer(buffers[i], &records[i].where);
		if (item.length > 0 && item.offset < BLCKSZ)
			prefetch_in_buffer(buffers[i], item.offset,
							   Min(Min(item.length, MAX_PREFETCH),
								   BLCKSZ - item.offset));
	}
}

/* Records in one page */
typedef struct ValueRecordRun
{
	const HnswRecordLayout *layout;
	const RecordPlace *places;
	int			n;
	ValueRecord *records;
} ValueRecordRun;

static void
copy_value_records(Page page, void *arg)
{
	ValueRecordRun *run = arg;

	for (int i = 0; i < run->n; i++)
	{
		ValueRecord *record = &run->records[i];
		uint32		index = run->places[i].index;

		memcpy(&record->where, record_code(page, run->layout, index),
			   sizeof(ItemPointerData));
		memcpy(record->factors, record_factors(page, run->layout, index),
			   run->layout->factors_size);
	}
}

static void
read_value_records(HnswReader *reader, const RecordPlace *places, int n,
				   ValueRecord *records)
{
	ValueRecordRun run = {.layout = &reader->ix->codes};

	for (int i = 0; i < n; i += run.n)
	{
		run.places = &places[i];
		run.n = in_one_page(&places[i], n - i);
		run.records = &records[i];
		look_at_records(reader, HNSW_REGION_CODES, places[i].page_no,
						places[i].block, copy_value_records, &run);
	}
}

/* errors may be NULL. */
static void
score_values(HnswReader *reader, const QuantizedQuery *query,
			 const RecordPlace *places, int n, float *keys, float *errors)
{
	ValueRecord records[GRAPH_MAX_LINKS];

	read_value_records(reader, places, n, records);
	prefetch_items(reader, records, n);
	for (int i = 0; i < n; i++)
	{
		const uint8 *value = hnsw_value_read(reader, &records[i].where);

		keys[i] = value == NULL ? INFINITY :
			valid_key(quantizer_score(query, value, records[i].factors));
		if (errors != NULL)
			errors[i] = valid_error(quantizer_error(query,
													records[i].factors,
													false));
	}
}

ItemPointerData
hnsw_reader_value(HnswReader *reader, PointId point)
{
	float		factors[QUANTIZER_MAX_FACTORS];
	ItemPointerData where;

	if (reader->ix->quantizer->variable_size)
		copy_record(reader, HNSW_REGION_CODES, &reader->ix->codes, point,
					(uint8 *) &where, factors);
	else
		ItemPointerSetInvalid(&where);
	return where;
}

static void
copy_value(HnswReader *reader, PointId point, uint8 *code, float *factors)
{
	const Quantizer *quantizer = reader->ix->quantizer;
	ItemPointerData where;
	const uint8 *value;

	copy_record(reader, HNSW_REGION_CODES, &reader->ix->codes, point,
				(uint8 *) &where, factors);
	value = hnsw_value_read(reader, &where);
	if (value != NULL)
		memcpy(code, value, quantizer_code_size(quantizer, value));
	else
		quantizer_empty_code(quantizer, code);
}

/*-------------------------------------------------------------------------
 * Codes
 *-------------------------------------------------------------------------
 */
static void
score_in_pieces(HnswReader *reader, const QuantizedQuery *query,
				const RecordPlace *places, int n, float *keys)
{
	float		factors[QUANTIZER_MAX_FACTORS];

	for (int i = 0; i < n; i++)
	{
		float		sum = sum_pieces(reader, HNSW_REGION_CODES,
									 &reader->ix->codes, &places[i], query,
									 factors);

		keys[i] = valid_key(quantizer_finish(query, sum, factors));
	}
}

/* Points in one page, and what is wanted of them */
typedef struct ScoreRun
{
	const HnswRecordLayout *layout;
	const QuantizedQuery *query;
	const RecordPlace *places;
	int			n;
	float	   *keys;
} ScoreRun;

static void
score_run(Page page, void *arg)
{
	ScoreRun   *run = arg;

	for (int i = 0; i < run->n; i++)
	{
		uint32		index = run->places[i].index;
		float		key = quantizer_score(run->query,
										  record_code(page, run->layout, index),
										  record_factors(page, run->layout,
														 index));

		run->keys[i] = valid_key(key);
	}
}

void
hnsw_reader_score(HnswReader *reader, const QuantizedQuery *query,
				  const PointId *points, int n, float *keys)
{
	const HnswRecordLayout *layout = &reader->ix->codes;
	RecordPlace places[GRAPH_MAX_LINKS];
	ScoreRun	run = {.layout = layout, .query = query};

	Assert(n <= GRAPH_MAX_LINKS);
	locate_records(reader, HNSW_REGION_CODES, layout, points, n, places);
	if (reader->ix->quantizer->variable_size)
	{
		score_values(reader, query, places, n, keys, NULL);
		return;
	}
	if (layout->pages_per_record > 1)
	{
		score_in_pieces(reader, query, places, n, keys);
		return;
	}

	/* links ascend, so points that share a page come in a row */
	for (int i = 0; i < n; i += run.n)
	{
		run.places = &places[i];
		run.n = in_one_page(&places[i], n - i);
		run.keys = &keys[i];
		look_at_records(reader, HNSW_REGION_CODES, places[i].page_no,
						places[i].block, score_run, &run);
	}
}

void
hnsw_reader_prefetch_code(HnswReader *reader, PointId point)
{
	HnswIndex  *ix = reader->ix;
	RecordPlace place;

	locate_record(reader, HNSW_REGION_CODES, &ix->codes, point, &place);
	prefetch_record(reader, &ix->codes, &place);
	if (ix->refine.per_page > 0)
	{
		locate_record(reader, HNSW_REGION_REFINE, &ix->refine, point, &place);
		prefetch_record(reader, &ix->refine, &place);
	}
}

void
hnsw_reader_code(HnswReader *reader, PointId point, uint8 *code,
				 float *factors, uint8 *refine, float *refine_factors)
{
	HnswIndex  *ix = reader->ix;

	if (ix->quantizer->variable_size)
	{
		copy_value(reader, point, code, factors);
		return;
	}
	copy_record(reader, HNSW_REGION_CODES, &ix->codes, point, code, factors);
	if (ix->refine.per_page > 0)
		copy_record(reader, HNSW_REGION_REFINE, &ix->refine, point, refine,
					refine_factors);
}

/* The refined key of one point whose code was summed up already */
static float
refined_key(HnswReader *reader, const QuantizedQuery *query,
			const RecordPlace *code_place, const RecordPlace *refine_place,
			float *factors)
{
	HnswIndex  *ix = reader->ix;
	float		refine_factors[QUANTIZER_MAX_FACTORS];
	float		sum;

	sum = 16.0f * sum_pieces(reader, HNSW_REGION_CODES, &ix->codes,
							 code_place, query, factors);
	sum += sum_pieces(reader, HNSW_REGION_REFINE, &ix->refine, refine_place,
					  query, refine_factors);
	return valid_key(quantizer_finish_refined(query, sum, factors,
											  refine_factors));
}

void
hnsw_reader_score_refined(HnswReader *reader, const QuantizedQuery *query,
						  const PointId *points, int n, float *keys,
						  float *errors)
{
	HnswIndex  *ix = reader->ix;
	bool		refined = ix->refine.per_page > 0;
	RecordPlace code_places[GRAPH_MAX_LINKS];
	RecordPlace refine_places[GRAPH_MAX_LINKS];

	Assert(n <= GRAPH_MAX_LINKS);
	locate_records(reader, HNSW_REGION_CODES, &ix->codes, points, n,
				   code_places);
	if (ix->quantizer->variable_size)
	{
		score_values(reader, query, code_places, n, keys, errors);
		return;
	}
	if (refined)
		locate_records(reader, HNSW_REGION_REFINE, &ix->refine, points, n,
					   refine_places);

	for (int i = 0; i < n; i++)
	{
		float		factors[QUANTIZER_MAX_FACTORS];

		if (refined)
			keys[i] = refined_key(reader, query, &code_places[i],
								  &refine_places[i], factors);
		else
			keys[i] =
				valid_key(quantizer_finish(query,
										   sum_pieces(reader,
													  HNSW_REGION_CODES,
													  &ix->codes,
													  &code_places[i], query,
													  factors),
										   factors));
		if (errors != NULL)
			errors[i] = valid_error(quantizer_error(query, factors, refined));
	}
}

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

void
hnsw_reader_prefetch_node(HnswReader *reader, PointId point)
{
	const HnswMetaPageData *meta = &reader->ix->meta;
	uint32		page_no = point / meta->nodes_per_page;
	uint32		index = point - page_no * meta->nodes_per_page;
	int			offset = HNSW_BODY_OFFSET + index * sizeof(HnswNode);
	Buffer		buffer;

	if (point >= meta->npoints)
		return;
	buffer = reader->ix->recent[locate_page(reader, HNSW_REGION_NODES,
											page_no)];
	if (!unpinned_is_shared(buffer))
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
		point_corrupted(reader, point, "There is no such point.");
	page = hnsw_reader_pin(reader, HNSW_REGION_NODES, point / nodes_per_page,
						   &buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	good = node_page_copy(page, nodes_per_page, point % nodes_per_page, copy);
	UnlockReleaseBuffer(buffer);

	if (!good || !node_parse(copy, parts))
		point_corrupted(reader, point, "Its node does not fit its page.");
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
	if (!unpinned_begin_changing(look, &ix->locator, block, ix->recent[block]))
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
		if (memcmp(&now_parts.links_away, &where, sizeof(where)) == 0)
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
		point_corrupted(reader, point, "Its links at level 0 are invalid.");
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
		point_corrupted(reader, point, "Its upper slot does not exist.");

	page = hnsw_reader_pin(reader, HNSW_REGION_UPPER,
						   slot / ix->upper_per_page, &buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	nlinks = copy_slot(ix, page, point, slot, level, links);
	UnlockReleaseBuffer(buffer);

	good = nlinks >= 0;
	for (int i = 0; good && i < nlinks; i++)
		good = point_exists(reader, links[i]);
	if (!good)
		point_corrupted(reader, point, "Its upper slot is invalid.");
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

void
hnsw_reader_start_tids(HnswTidWalk *walk, const HnswNodeParts *parts)
{
	walk->next = parts->more_tids;
	ItemPointerSetInvalid(&walk->mark);
	walk->nlists = 0;
	walk->may_go = false;
	walk->gone = false;
}

/* Is a point that was live still the same one, with all the lists it had? */
static bool
is_same_point(HnswReader *reader, PointId point, uint8 generation)
{
	HnswNodeCopy now;
	HnswNodeParts parts;

	hnsw_reader_node(reader, point, &now, &parts);
	return HnswNodeIsLive(&now.node) && now.node.generation == generation;
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
	CHECK_FOR_INTERRUPTS();
	if (!ItemPointerIsValid(&walk->next))
		return false;
	if (ItemPointerEquals(&walk->next, &walk->mark))
		point_corrupted(reader, point,
						"Its lists of heap rows form a circle.");

	walk->where = walk->next;
	if ((walk->nlists & (walk->nlists + 1)) == 0)
		walk->mark = walk->where;
	walk->nlists++;
	walk->length = find_overflow(reader, &walk->where, list);
	if (walk->may_go && !is_same_point(reader, point, walk->generation))
	{
		walk->gone = true;
		return false;
	}
	if (walk->length == 0)
		item_missing(reader, &walk->where);

	/* a list keeps its length when vacuum takes TIDs out of it */
	if (walk->length < (int) offsetof(HnswTidList, tids) ||
		walk->length < (int) (offsetof(HnswTidList, tids) +
							  list->ntids * sizeof(ItemPointerData)))
		point_corrupted(reader, point, "Its list of heap rows is invalid.");
	walk->next = list->next;
	return true;
}

int
hnsw_reader_tids(HnswReader *reader, PointId point, const HnswNodeCopy *copy,
				 const HnswNodeParts *parts, ItemPointerData **tids)
{
	PGAlignedBlock item;
	HnswTidList *list = (HnswTidList *) item.data;
	HnswTidWalk walk;
	int			ntids = 0;

	*tids = palloc(sizeof(ItemPointerData));

	/* vacuum may take away the lists of a dead point, empty as they are */
	if (!HnswNodeIsLive(&copy->node))
		return 0;
	if (ItemPointerIsValid(&copy->node.heaptid))
		(*tids)[ntids++] = copy->node.heaptid;
	HNSW_TEST_POINT("read-tids");
	hnsw_reader_start_tids(&walk, parts);
	walk.may_go = true;
	walk.generation = copy->node.generation;
	while (hnsw_reader_next_tids(reader, point, &walk, list))
	{
		*tids = repalloc_huge(*tids, (ntids + list->ntids + 1) *
							  sizeof(ItemPointerData));
		memcpy(*tids + ntids, list->tids,
			   list->ntids * sizeof(ItemPointerData));
		ntids += list->ntids;
	}

	/* none of its rows was of this snapshot */
	return walk.gone ? 0 : ntids;
}
