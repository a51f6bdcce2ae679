/*-------------------------------------------------------------------------
 *
 * code_cache.c
 *	  Distances between points of an index on disk.
 *
 * src/am/code_cache.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/code_cache.h"
#include "common/hashfn.h"
#include "compat.h"
#include "utils/float.h"
#include "utils/memutils.h"

typedef struct CachedPoint
{
	PointId		point;
	uint32		number;			/* of its record */
	char		status;
} CachedPoint;

#define SH_PREFIX		cached
#define SH_ELEMENT_TYPE CachedPoint
#define SH_KEY_TYPE		PointId
#define SH_KEY			point
#define SH_HASH_KEY(tb, key) murmurhash32(key)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Record 0 is the new vector's */
#define NEW_RECORD		0

struct HnswCodeCache
{
	GraphStore	store;			/* must be first */
	HnswReader *reader;
	const Quantizer *quantizer;
	cached_hash *numbers;
	Size		record_size;
	char	   *records;		/* factors, refinement factors, code or a
								 * pointer to it, refinement */
	uint32		nrecords;
	uint32		max_records;
	Size		max_bytes;		/* kept; 0: no limit */
	QuantizedQuery *from;
	uint32		from_number;	/* record that from was made of */

	/* of codes of variable size */
	uint8	   *room;			/* for any of them */
	MemoryContext codes;
};

#define INVALID_RECORD	PG_UINT32_MAX

static inline HnswCode
record_code(const HnswCodeCache *cache, uint32 number)
{
	char	   *record = cache->records + number * cache->record_size;
	HnswCode	code;

	code.factors = (float *) record;
	code.refine_factors = code.factors + QUANTIZER_MAX_FACTORS;
	code.code = (uint8 *) (code.refine_factors + QUANTIZER_MAX_FACTORS);
	code.refine = code.code + cache->quantizer->code_size;
	if (cache->quantizer->variable_size)
		memcpy(&code.code, code.code, sizeof(uint8 *));
	return code;
}

/* Keeps a code of variable size. */
static void
keep_code(HnswCodeCache *cache, uint32 number, const uint8 *code)
{
	char	   *record = cache->records + number * cache->record_size;
	int			size = quantizer_code_size(cache->quantizer, code);
	uint8	   *copy = MemoryContextAlloc(cache->codes, size);

	memcpy(copy, code, size);
	memcpy(record + 2 * QUANTIZER_MAX_FACTORS * sizeof(float), &copy,
		   sizeof(uint8 *));
}

/* Takes the code of a point from the index. */
static void
load_record(HnswCodeCache *cache, uint32 number, PointId point)
{
	HnswCode	code = record_code(cache, number);

	if (cache->quantizer->variable_size)
		code.code = cache->room;
	hnsw_reader_code(cache->reader, point, code.code, code.factors,
					 code.refine, code.refine_factors);
	if (cache->quantizer->variable_size)
		keep_code(cache, number, code.code);
}

static uint32
new_record(HnswCodeCache *cache)
{
	if (cache->nrecords == cache->max_records)
	{
		cache->max_records *= 2;
		cache->records = repalloc_huge(cache->records, cache->max_records *
									   cache->record_size);
	}
	return cache->nrecords++;
}

static uint32
find_record(HnswCodeCache *cache, PointId point)
{
	bool		found;
	CachedPoint *entry = cached_insert(cache->numbers, point, &found);

	if (!found)
	{
		entry->number = new_record(cache);
		load_record(cache, entry->number, point);
	}
	return entry->number;
}

static void
score_from(HnswCodeCache *cache, uint32 from, const PointId *points, int n,
		   float *distances)
{
	const Quantizer *quantizer = cache->quantizer;
	bool		refined = quantizer->refine_size > 0;

	if (from != cache->from_number)
	{
		HnswCode	code = record_code(cache, from);

		quantizer_point_as_query(quantizer, code.code, code.factors,
								 refined ? code.refine : NULL,
								 code.refine_factors, cache->from);
		cache->from_number = from;
	}

	/* the cache misses of all that has to be copied together */
	for (int i = 0; i < n; i++)
	{
		if (cached_lookup(cache->numbers, points[i]) == NULL)
			hnsw_reader_prefetch_code(cache->reader, points[i]);
	}
	for (int i = 0; i < n; i++)
	{
		uint32		number = find_record(cache, points[i]);
		HnswCode	code = record_code(cache, number);

		distances[i] = refined ?
			quantizer_score_refined(cache->from, code.code, code.factors,
									code.refine, code.refine_factors) :
			quantizer_score(cache->from, code.code, code.factors);
		if (distances[i] != distances[i])
			distances[i] = get_float4_infinity();
	}
}

/* Of records, and of codes that are not in them */
static Size
bytes_kept(const HnswCodeCache *cache)
{
	Size		bytes = cache->nrecords * cache->record_size;

	if (cache->codes != NULL)
		bytes += MemoryContextMemAllocated(cache->codes, false);
	return bytes;
}

static void
cache_score_between(GraphStore *store, PointId from, const PointId *points,
					int n, float *distances)
{
	HnswCodeCache *cache = (HnswCodeCache *) store;

	if (cache->max_bytes > 0 && bytes_kept(cache) > cache->max_bytes)
		hnsw_code_cache_forget(cache);
	score_from(cache, find_record(cache, from), points, n, distances);
}

static void
cache_score(GraphStore *store, const PointId *points, int n, float *distances)
{
	score_from((HnswCodeCache *) store, NEW_RECORD, points, n, distances);
}

HnswCodeCache *
hnsw_code_cache_create(HnswReader *reader)
{
	HnswCodeCache *cache = palloc0(sizeof(HnswCodeCache));

	cache->store.score = cache_score;
	cache->store.score_between = cache_score_between;
	cache->reader = reader;
	cache->quantizer = reader->ix->quantizer;
	cache->numbers = cached_create(CurrentMemoryContext, 1024, NULL);
	cache->record_size = MAXALIGN(2 * QUANTIZER_MAX_FACTORS * sizeof(float) +
								  cache->quantizer->code_size +
								  cache->quantizer->refine_size +
								  (cache->quantizer->variable_size ?
								   sizeof(uint8 *) : 0));
	cache->max_records = 256;
	cache->records = palloc_extended(cache->max_records * cache->record_size,
									 MCXT_ALLOC_HUGE);
	cache->from = quantizer_query_create(cache->quantizer);
	if (cache->quantizer->variable_size)
	{
		cache->room = palloc(cache->quantizer->max_code_size);
		cache->codes = AllocSetContextCreate(CurrentMemoryContext,
											 "hnsw cached codes",
											 ALLOCSET_DEFAULT_SIZES);
	}
	return cache;
}

void
hnsw_code_cache_forget(HnswCodeCache *cache)
{
	cached_reset(cache->numbers);
	cache->nrecords = NEW_RECORD + 1;
	cache->from_number = INVALID_RECORD;
	if (cache->codes != NULL)
		MemoryContextReset(cache->codes);
}

void
hnsw_code_cache_limit(HnswCodeCache *cache, Size bytes)
{
	cache->max_bytes = bytes;
}

void
hnsw_code_cache_reset(HnswCodeCache *cache, const HnswCode *new_code)
{
	const Quantizer *quantizer = cache->quantizer;
	HnswCode	code = record_code(cache, NEW_RECORD);

	hnsw_code_cache_forget(cache);
	if (quantizer->variable_size)
		keep_code(cache, NEW_RECORD, new_code->code);
	else
		memcpy(code.code, new_code->code, quantizer->code_size);
	memcpy(code.refine, new_code->refine, quantizer->refine_size);
	memcpy(code.factors, new_code->factors,
		   quantizer->nfactors * sizeof(float));
	memcpy(code.refine_factors, new_code->refine_factors,
		   quantizer->nrefine_factors * sizeof(float));
}

void
hnsw_code_cache_name_new(HnswCodeCache *cache, PointId point)
{
	bool		found;

	cached_insert(cache->numbers, point, &found)->number = NEW_RECORD;
}

bool
hnsw_code_cache_equal(HnswCodeCache *cache, PointId point,
					  const HnswCode *code)
{
	HnswCode	other = record_code(cache, find_record(cache, point));
	int			size = quantizer_code_size(cache->quantizer, code->code);

	return size == quantizer_code_size(cache->quantizer, other.code) &&
		memcmp(other.code, code->code, size) == 0 &&
		memcmp(other.refine, code->refine, cache->quantizer->refine_size) == 0;
}

GraphStore *
hnsw_code_cache_store(HnswCodeCache *cache)
{
	return &cache->store;
}
