/*-------------------------------------------------------------------------
 *
 * build_points.c
 *	  The coded vectors of a build, in memory.
 *
 * Points live in chunks of one size, so that nothing is copied as their
 * number grows.  Within a chunk codes, factors and TIDs have arrays of
 * their own; a code and its refinement are neighbours, since the builder
 * reads both.
 *
 * src/am/build_points.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/build_points.h"
#include "compat.h"
#include "utils/memutils.h"

/* A chunk has a power of two of points: the most that fit, within limits */
#define CHUNK_SIZE			(512 * 1024)
#define MAX_CHUNK_BITS		12

#define CACHE_LINE			64

typedef struct Chunk
{
	uint8	   *codes;			/* cache-line aligned */
	float	   *factors;
	ItemPointerData *tids;
} Chunk;

/* Vectors seen, by hash of their bytes */
typedef struct SeenVector
{
	uint64		hash;
	PointId		point;
	char		status;
} SeenVector;

#define SH_PREFIX		seen
#define SH_ELEMENT_TYPE SeenVector
#define SH_KEY_TYPE		uint64
#define SH_KEY			hash
#define SH_HASH_KEY(tb, key) ((uint32) (key))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct BuildPoints
{
	GraphStore	store;			/* must be first, see store_points */
	Quantizer  *quantizer;
	Size		code_stride;
	int			nfactors;		/* with those of the refinement */
	Chunk	   *chunks;
	uint32		nchunks;
	int			chunk_bits;		/* log2 of the points per chunk */
	PointId		npoints;
	seen_hash  *seen;
	DuplicateRow *duplicates;
	uint64		nduplicates;
	uint64		max_duplicates;
	uint8	   *code;			/* the vector being added */
	float	   *factors;
	QuantizedQuery *query;
	QuantizedQuery *from;		/* of score_between */
	PointId		from_point;
};

static inline BuildPoints *
store_points(GraphStore *store)
{
	return (BuildPoints *) store;
}

static inline uint32
points_per_chunk(const BuildPoints *points)
{
	return (uint32) 1 << points->chunk_bits;
}

static inline const Chunk *
point_chunk(const BuildPoints *points, PointId point)
{
	return &points->chunks[point >> points->chunk_bits];
}

/* Number of a point within its chunk */
static inline uint32
point_index(const BuildPoints *points, PointId point)
{
	return point & (points_per_chunk(points) - 1);
}

static inline uint8 *
point_code(const BuildPoints *points, PointId point)
{
	return point_chunk(points, point)->codes +
		point_index(points, point) * points->code_stride;
}

static inline float *
point_factors(const BuildPoints *points, PointId point)
{
	return point_chunk(points, point)->factors +
		point_index(points, point) * points->nfactors;
}

/*-------------------------------------------------------------------------
 * Distances
 *-------------------------------------------------------------------------
 */
static inline void
prefetch_code(const BuildPoints *points, PointId point)
{
	const uint8 *code = point_code(points, point);

	for (Size i = 0; i < points->code_stride; i += CACHE_LINE)
		__builtin_prefetch(code + i);
	__builtin_prefetch(point_factors(points, point));
}

static void
score(BuildPoints *points, const QuantizedQuery *query, const PointId *ids,
	  int n, float *distances)
{
	const Quantizer *quantizer = points->quantizer;

	for (int i = 0; i < n; i++)
		prefetch_code(points, ids[i]);
	for (int i = 0; i < n; i++)
	{
		const uint8 *code = point_code(points, ids[i]);
		const float *factors = point_factors(points, ids[i]);

		distances[i] = quantizer->refine_size > 0 ?
			quantizer_score_refined(query, code, factors,
									code + quantizer->code_size,
									factors + quantizer->nfactors) :
			quantizer_score(query, code, factors);
	}
}

static void
as_query(BuildPoints *points, PointId point, QuantizedQuery *query)
{
	const Quantizer *quantizer = points->quantizer;
	const uint8 *code = point_code(points, point);
	const float *factors = point_factors(points, point);

	quantizer_point_as_query(quantizer, code, factors,
							 quantizer->refine_size > 0 ?
							 code + quantizer->code_size : NULL,
							 factors + quantizer->nfactors, query);
}

static void
points_score(GraphStore *store, const PointId *ids, int n, float *distances)
{
	BuildPoints *points = store_points(store);

	score(points, points->query, ids, n, distances);
}

static void
points_score_between(GraphStore *store, PointId from, const PointId *ids,
					 int n, float *distances)
{
	BuildPoints *points = store_points(store);

	if (from != points->from_point)
		as_query(points, from, points->from);
	points->from_point = from;
	score(points, points->from, ids, n, distances);
}

void
build_points_set_query(GraphStore *store, PointId point)
{
	BuildPoints *points = store_points(store);

	as_query(points, point, points->query);
}

GraphStore *
build_points_store(BuildPoints *points)
{
	return &points->store;
}

/*-------------------------------------------------------------------------
 * Loading
 *-------------------------------------------------------------------------
 */
static int
choose_chunk_bits(Size code_stride)
{
	int			bits = MAX_CHUNK_BITS;

	while (bits > 0 && (code_stride << bits) > CHUNK_SIZE)
		bits--;
	return bits;
}

BuildPoints *
build_points_create(Quantizer *quantizer)
{
	BuildPoints *points = palloc0(sizeof(BuildPoints));

	points->store.score = points_score;
	points->store.score_between = points_score_between;
	points->quantizer = quantizer;
	points->code_stride = quantizer->code_size + quantizer->refine_size;
	points->chunk_bits = choose_chunk_bits(points->code_stride);
	points->nfactors = quantizer->nfactors + quantizer->nrefine_factors;
	points->seen = seen_create(CurrentMemoryContext, 1024, NULL);
	points->code = palloc(points->code_stride);
	points->factors = palloc((points->nfactors + 1) * sizeof(float));
	points->query = quantizer_query_create(quantizer);
	points->from = quantizer_query_create(quantizer);
	points->from_point = InvalidPointId;
	return points;
}

static void
add_chunk(BuildPoints *points)
{
	Size		npoints = points_per_chunk(points);
	Chunk	   *chunk;
	char	   *codes;

	if (points->chunks == NULL)
		points->chunks = palloc(sizeof(Chunk));
	else
		points->chunks = repalloc_huge(points->chunks,
									   (points->nchunks + 1) * sizeof(Chunk));
	chunk = &points->chunks[points->nchunks++];
	codes = palloc_extended(npoints * points->code_stride + CACHE_LINE,
							MCXT_ALLOC_HUGE);
	chunk->codes = (uint8 *) TYPEALIGN(CACHE_LINE, codes);
	chunk->factors = palloc((npoints * points->nfactors + 1) * sizeof(float));
	chunk->tids = palloc(npoints * sizeof(ItemPointerData));
}

static void
add_duplicate(BuildPoints *points, PointId point, ItemPointer tid)
{
	if (points->nduplicates == points->max_duplicates)
	{
		points->max_duplicates = Max(1024, points->max_duplicates * 2);
		points->duplicates = points->duplicates == NULL ?
			palloc(points->max_duplicates * sizeof(DuplicateRow)) :
			repalloc_huge(points->duplicates,
						  points->max_duplicates * sizeof(DuplicateRow));
	}
	points->duplicates[points->nduplicates].point = point;
	points->duplicates[points->nduplicates++].tid = *tid;
}

static void
add_point(BuildPoints *points, ItemPointer tid)
{
	PointId		point = points->npoints;

	if (point >> points->chunk_bits == points->nchunks)
		add_chunk(points);
	memcpy(point_code(points, point), points->code, points->code_stride);
	memcpy(point_factors(points, point), points->factors,
		   points->nfactors * sizeof(float));
	point_chunk(points, point)->tids[point_index(points, point)] = *tid;
	points->npoints++;
}

void
build_points_add(BuildPoints *points, const HnswValue *value, uint64 hash,
				 ItemPointer tid)
{
	Quantizer  *quantizer = points->quantizer;
	SeenVector *seen;
	bool		found;

	quantizer_encode(quantizer, &value->vector, points->code,
					 points->factors, points->code + quantizer->code_size,
					 points->factors + quantizer->nfactors);
	seen = seen_insert(points->seen, hash, &found);
	if (!found)
		seen->point = points->npoints;
	else if (memcmp(point_code(points, seen->point), points->code,
					points->code_stride) == 0)
	{
		add_duplicate(points, seen->point, tid);
		return;
	}
	add_point(points, tid);
}

static int
compare_duplicates(const void *a, const void *b)
{
	const DuplicateRow *da = a;
	const DuplicateRow *db = b;

	if (da->point != db->point)
		return da->point < db->point ? -1 : 1;
	return ItemPointerCompare(unconstify(ItemPointerData *, &da->tid),
							  unconstify(ItemPointerData *, &db->tid));
}

void
build_points_finish(BuildPoints *points)
{
	seen_destroy(points->seen);
	points->seen = NULL;
	if (points->nduplicates > 1)
		qsort(points->duplicates, points->nduplicates, sizeof(DuplicateRow),
			  compare_duplicates);
}

/*-------------------------------------------------------------------------
 * What there is
 *-------------------------------------------------------------------------
 */
PointId
build_points_count(const BuildPoints *points)
{
	return points->npoints;
}

uint64
build_points_rows(const BuildPoints *points)
{
	return points->npoints + points->nduplicates;
}

double
build_points_bytes_per_point(const Quantizer *quantizer)
{
	return quantizer->code_size + quantizer->refine_size +
		(quantizer->nfactors + quantizer->nrefine_factors) * sizeof(float) +
		sizeof(ItemPointerData);
}

Size
build_points_memory(const BuildPoints *points)
{
	Size		bytes = (Size) (points->nchunks * points_per_chunk(points) *
								build_points_bytes_per_point(points->quantizer));

	if (points->seen != NULL)
		bytes += points->seen->size * sizeof(SeenVector);
	return bytes + points->max_duplicates * sizeof(DuplicateRow);
}

const uint8 *
build_points_code(const BuildPoints *points, PointId point)
{
	return point_code(points, point);
}

const float *
build_points_factors(const BuildPoints *points, PointId point)
{
	return point_factors(points, point);
}

const uint8 *
build_points_refine(const BuildPoints *points, PointId point)
{
	return point_code(points, point) + points->quantizer->code_size;
}

const float *
build_points_refine_factors(const BuildPoints *points, PointId point)
{
	return point_factors(points, point) + points->quantizer->nfactors;
}

ItemPointerData
build_points_tid(const BuildPoints *points, PointId point)
{
	return point_chunk(points, point)->tids[point_index(points, point)];
}

const DuplicateRow *
build_points_duplicates(const BuildPoints *points, uint64 *count)
{
	*count = points->nduplicates;
	return points->duplicates;
}
