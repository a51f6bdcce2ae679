/*-------------------------------------------------------------------------
 *
 * reader_codes.c
 *	  Codes: copied, or their distances to a query.
 *
 * Where a code takes one page, as nearly all do, points that share a page are
 * looked at together.  Otherwise it is read in pieces, a page each; and one of
 * variable size is an item that the record leads to.
 *
 * src/pages/reader_codes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "pages/reader_internal.h"
#include "pages/values.h"
#include "test_points.h"

/* Where a record is */
typedef struct RecordPlace
{
	BlockNumber block;
	uint32		page_no;
	uint32		index;			/* within the page */
} RecordPlace;

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
							  ix->recent[block], page_usage_due(ix, block))))
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
	buffer = hnsw_pin_block(reader, region, page_no, block);
	look(BufferGetPage(buffer), arg);
	ReleaseBuffer(buffer);
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

static inline void
prefetch_factors(HnswReader *reader, const HnswRecordLayout *layout,
				 const RecordPlace *place)
{
	Buffer		buffer = reader->ix->recent[place->block];

	if (buffer != 0 && layout->factors_size > 0)
		prefetch_in_buffer(buffer,
						   HNSW_BODY_OFFSET +
						   place->index * layout->factors_size,
						   layout->factors_size);
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
	prefetch_factors(reader, layout, place);
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

/* Records in one page, of which something is wanted */
typedef struct RecordRun
{
	const HnswRecordLayout *layout;
	const QuantizedQuery *query;
	const RecordPlace *places;	/* all that are looked at */
	int			first;			/* of them, in this page */
	int			end;
	void	   *results;		/* per place */
} RecordRun;

/* Looks at the codes' pages of n places, at those in one page together. */
static pg_attribute_always_inline void
look_at_runs(HnswReader *reader, const QuantizedQuery *query,
			 const RecordPlace *places, int n, LookAtRecords look,
			 void *results)
{
	RecordRun	run = {.layout = &reader->ix->codes, .query = query,
	.places = places, .results = results};

	for (run.first = 0; run.first < n; run.first = run.end)
	{
		const RecordPlace *first = &places[run.first];

		run.end = run.first + in_one_page(first, n - run.first);
		look_at_records(reader, HNSW_REGION_CODES, first->page_no,
						first->block, look, &run);
	}
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

static void
copy_value_records(Page page, void *arg)
{
	RecordRun  *run = arg;
	ValueRecord *records = run->results;

	for (int i = run->first; i < run->end; i++)
	{
		uint32		index = run->places[i].index;

		memcpy(&records[i].where, record_code(page, run->layout, index),
			   sizeof(ItemPointerData));
		memcpy(records[i].factors, record_factors(page, run->layout, index),
			   run->layout->factors_size);
	}
}

static void
score_values(HnswReader *reader, const QuantizedQuery *query,
			 const RecordPlace *places, int n, float *keys)
{
	ValueRecord records[GRAPH_MAX_LINKS];

	look_at_runs(reader, query, places, n, copy_value_records, records);
	prefetch_items(reader, records, n);
	for (int i = 0; i < n; i++)
	{
		const uint8 *value = hnsw_value_read(reader, &records[i].where);

		keys[i] = value == NULL ? INFINITY :
			valid_key(quantizer_score(query, value, records[i].factors));
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

static inline float
score_record(Page page, const QuantizedQuery *query,
			 const HnswRecordLayout *layout, uint32 index)
{
	return valid_key(quantizer_score(query, record_code(page, layout, index),
									 record_factors(page, layout, index)));
}

static void
score_run(Page page, void *arg)
{
	RecordRun  *run = arg;
	float	   *keys = run->results;

	for (int i = run->first; i < run->end; i++)
		keys[i] = score_record(page, run->query, run->layout,
							   run->places[i].index);
}

void
hnsw_reader_score(HnswReader *reader, const QuantizedQuery *query,
				  const PointId *points, int n, float *keys)
{
	const HnswRecordLayout *layout = &reader->ix->codes;
	RecordPlace places[GRAPH_MAX_LINKS];

	Assert(n <= GRAPH_MAX_LINKS);
	locate_records(reader, HNSW_REGION_CODES, layout, points, n, places);
	if (reader->ix->quantizer->variable_size)
	{
		score_values(reader, query, places, n, keys);
		return;
	}
	if (layout->pages_per_record > 1)
	{
		score_in_pieces(reader, query, places, n, keys);
		return;
	}

	/* links ascend, so points that share a page come in a row */
	look_at_runs(reader, query, places, n, score_run, keys);
}

/* The first records of a page, all of which are wanted */
typedef struct RecordPage
{
	const HnswRecordLayout *layout;
	const QuantizedQuery *query;
	int			n;
	float	   *keys;
} RecordPage;

static void
score_page(Page page, void *arg)
{
	RecordPage *records = arg;

	for (int i = 0; i < records->n; i++)
		records->keys[i] = score_record(page, records->query, records->layout,
										i);
}

int
hnsw_reader_score_page(HnswReader *reader, const QuantizedQuery *query,
					   PointId first, float *keys)
{
	const HnswRecordLayout *layout = &reader->ix->codes;
	RecordPage	records = {.layout = layout, .query = query, .keys = keys};
	PointId		npoints = reader->ix->meta.npoints;
	RecordPlace place;

	Assert(layout->pages_per_record == 1 &&
		   !reader->ix->quantizer->variable_size);
	if (first >= npoints)
		return 0;
	locate_record(reader, HNSW_REGION_CODES, layout, first, &place);
	Assert(place.index == 0);
	records.n = Min(layout->per_page, npoints - first);
	look_at_records(reader, HNSW_REGION_CODES, place.page_no, place.block,
					score_page, &records);
	return records.n;
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
	RecordPlace code_places[GRAPH_MAX_LINKS];
	RecordPlace refine_places[GRAPH_MAX_LINKS];

	Assert(n <= GRAPH_MAX_LINKS && ix->refine.per_page > 0);
	locate_records(reader, HNSW_REGION_CODES, &ix->codes, points, n,
				   code_places);
	locate_records(reader, HNSW_REGION_REFINE, &ix->refine, points, n,
				   refine_places);

	for (int i = 0; i < n; i++)
	{
		float		factors[QUANTIZER_MAX_FACTORS];

		keys[i] = refined_key(reader, query, &code_places[i],
							  &refine_places[i], factors);
		errors[i] = valid_error(quantizer_error(query, factors, true));
	}
}

static void
error_run(Page page, void *arg)
{
	RecordRun  *run = arg;
	float	   *errors = run->results;

	for (int i = run->first; i < run->end; i++)
	{
		float		factors[QUANTIZER_MAX_FACTORS];

		memcpy(factors,
			   record_factors(page, run->layout, run->places[i].index),
			   run->layout->factors_size);
		errors[i] = valid_error(quantizer_error(run->query, factors, false));
	}
}

void
hnsw_reader_errors(HnswReader *reader, const QuantizedQuery *query,
				   const PointId *points, int n, float *errors)
{
	const HnswRecordLayout *layout = &reader->ix->codes;
	RecordPlace places[GRAPH_MAX_LINKS];

	Assert(n <= GRAPH_MAX_LINKS);
	if (layout->factors_size == 0)
	{
		for (int i = 0; i < n; i++)
			errors[i] = quantizer_error(query, NULL, false);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		locate_record(reader, HNSW_REGION_CODES, layout, points[i],
					  &places[i]);
		prefetch_factors(reader, layout, &places[i]);
	}
	look_at_runs(reader, query, places, n, error_run, errors);
}
