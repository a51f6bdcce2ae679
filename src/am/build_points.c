/*-------------------------------------------------------------------------
 *
 * build_points.c
 *	  The coded vectors of a build, in memory.
 *
 * Codes, factors and TIDs have arrays of their own; a code is joined with its
 * refinement, since the builder reads both.
 *
 * src/am/build_points.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/build_points.h"
#include "compat.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#define CACHE_LINE			64

/* Bytes of a code of variable size that are asked for ahead */
#define USUAL_CODE			512

/*
 * What is needed while rows are added: the hash of each point's vector, and a
 * table of points by hash, with open addressing, less than half full.
 */
typedef struct SeenVectors
{
	uint64	   *hashes;			/* per point */
	PointId    *slots;			/* InvalidPointId where empty */
	uint64		mask;
} SeenVectors;

struct BuildPoints
{
	GraphStore	store;			/* must be first, see store_points */
	const Quantizer *quantizer;
	Size		code_stride;
	int			nfactors;		/* with those of the refinement */
	uint8	   *codes;
	Size	   *code_offsets;	/* of each point's code, and of the next; NULL
								 * when all codes are code_stride long */
	float	   *factors;
	ItemPointerData *tids;
	RowTotals	room;
	PointId		npoints;
	SeenVectors seen;
	QuantizedQuery *query;
	QuantizedQuery *from;		/* of score_between */
	PointId		from_point;
};

static inline BuildPoints *
store_points(GraphStore *store)
{
	return (BuildPoints *) store;
}

static inline uint8 *
point_code(const BuildPoints *points, PointId point)
{
	return points->codes + (points->code_offsets == NULL ?
							point * points->code_stride :
							points->code_offsets[point]);
}

static inline float *
point_factors(const BuildPoints *points, PointId point)
{
	return points->factors + (Size) point * points->nfactors;
}

/*-------------------------------------------------------------------------
 * Distances
 *-------------------------------------------------------------------------
 */
static inline void
prefetch_code(const BuildPoints *points, PointId point)
{
	const uint8 *code = point_code(points, point);

	Size		size = points->code_offsets == NULL ? points->code_stride :
		USUAL_CODE;

	for (Size i = 0; i < size; i += CACHE_LINE)
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
			quantizer_score_joined(query, code, factors,
								   factors + quantizer->nfactors) :
			quantizer_score(query, code, factors);
	}
}

static void
as_query(const Quantizer *quantizer, const uint8 *code, const float *factors,
		 QuantizedQuery *query)
{
	if (quantizer->refine_size > 0)
		quantizer_joined_as_query(quantizer, code, factors,
								  factors + quantizer->nfactors, query);
	else
		quantizer_point_as_query(quantizer, code, factors, NULL, NULL, query);
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
		as_query(points->quantizer, point_code(points, from),
				 point_factors(points, from), points->from);
	points->from_point = from;
	score(points, points->from, ids, n, distances);
}

static void
points_check_interrupts(GraphStore *store)
{
	CHECK_FOR_INTERRUPTS();
}

void
build_points_set_query(GraphStore *store, PointId point)
{
	BuildPoints *points = store_points(store);

	as_query(points->quantizer, point_code(points, point),
			 point_factors(points, point), points->query);
}

void
build_points_set_row(BuildPoints *points, const BuildRow *row)
{
	as_query(points->quantizer, build_row_code(points->quantizer, row),
			 build_row_factors(row), points->query);
}

GraphStore *
build_points_store(BuildPoints *points)
{
	return &points->store;
}

/*-------------------------------------------------------------------------
 * Memory
 *-------------------------------------------------------------------------
 */

/* Sets a pointer to the next array in the memory, and goes to its end. */
#define PLACE(pointer, cursor, count) \
	((pointer) = (void *) (cursor), \
	 (cursor) += TYPEALIGN(CACHE_LINE, mul_size(count, sizeof(*(pointer)))))

/* Sets the pointers into the memory; returns where it ends. */
static char *
place_arrays(BuildPoints *points, char *memory)
{
	uint64		n = points->room.nrows;
	char	   *cursor = memory;

	PLACE(points->codes, cursor, points->room.code_bytes);
	PLACE(points->factors, cursor, n * points->nfactors);
	PLACE(points->tids, cursor, n);
	if (points->quantizer->variable_size)
		PLACE(points->code_offsets, cursor, n + 1);
	return cursor;
}

static void
init_points(BuildPoints *points, const Quantizer *quantizer,
			const RowTotals *rows)
{
	memset(points, 0, sizeof(BuildPoints));
	points->quantizer = quantizer;
	points->code_stride = quantizer->code_size + quantizer->refine_size;
	points->nfactors = build_row_nfactors(quantizer);
	points->room = *rows;
}

Size
build_points_size(const Quantizer *quantizer, const RowTotals *rows)
{
	BuildPoints points;

	init_points(&points, quantizer, rows);
	return place_arrays(&points, NULL) - (char *) NULL;
}

static uint64
count_slots(uint64 nrows)
{
	return pg_nextpower2_64(nrows * 2 + 1);
}

static char *
place_seen(SeenVectors *seen, char *memory, uint64 nrows)
{
	char	   *cursor = memory;

	PLACE(seen->hashes, cursor, nrows);
	PLACE(seen->slots, cursor, count_slots(nrows));
	return cursor;
}

Size
build_points_scratch_size(const RowTotals *rows)
{
	SeenVectors seen;

	return place_seen(&seen, NULL, rows->nrows) - (char *) NULL;
}

BuildPoints *
build_points_create(const Quantizer *quantizer, void *memory,
					const RowTotals *rows, PointId npoints)
{
	BuildPoints *points = palloc(sizeof(BuildPoints));

	Assert(memory == (void *) TYPEALIGN(CACHE_LINE, memory));
	init_points(points, quantizer, rows);
	(void) place_arrays(points, memory);
	points->store.score = points_score;
	points->store.score_between = points_score_between;
	points->store.check_interrupts = points_check_interrupts;
	points->npoints = npoints;
	points->query = quantizer_query_create(quantizer);
	points->from = quantizer_query_create(quantizer);
	points->from_point = InvalidPointId;
	return points;
}

void
build_points_free(BuildPoints *points)
{
	quantizer_query_free(points->query);
	quantizer_query_free(points->from);
	pfree(points);
}

/*-------------------------------------------------------------------------
 * Adding rows
 *-------------------------------------------------------------------------
 */
void
build_points_begin(BuildPoints *points, void *scratch)
{
	uint64		nslots = count_slots(points->room.nrows);

	(void) place_seen(&points->seen, scratch, points->room.nrows);
	points->seen.mask = nslots - 1;
	memset(points->seen.slots, 0xFF, nslots * sizeof(PointId));
	if (points->code_offsets != NULL)
		points->code_offsets[0] = 0;
}

static bool
has_vector(const BuildPoints *points, PointId point, const BuildRow *row)
{
	if (points->seen.hashes[point] != row->hash ||
		(points->code_offsets != NULL &&
		 points->code_offsets[point + 1] - points->code_offsets[point] !=
		 row->code_size))
		return false;
	return memcmp(point_code(points, point),
				  build_row_code(points->quantizer, row),
				  row->code_size) == 0;
}

PointId
build_points_add(BuildPoints *points, const BuildRow *row)
{
	const SeenVectors *seen = &points->seen;
	PointId		point = points->npoints;
	uint64		slot = row->hash & seen->mask;

	while (PointIdIsValid(seen->slots[slot]))
	{
		if (has_vector(points, seen->slots[slot], row))
			return seen->slots[slot];
		slot = (slot + 1) & seen->mask;
	}

	if (point >= points->room.nrows)
		elog(ERROR, "hnsw index build has more vectors than it had counted");
	seen->slots[slot] = point;
	seen->hashes[point] = row->hash;
	if (points->code_offsets != NULL)
		points->code_offsets[point + 1] = points->code_offsets[point] +
			row->code_size;
	memcpy(point_code(points, point), build_row_code(points->quantizer, row),
		   row->code_size);
	memcpy(point_factors(points, point), build_row_factors(row),
		   points->nfactors * sizeof(float));
	points->tids[point] = row->tid;
	points->npoints++;
	return point;
}

void
build_points_end(BuildPoints *points)
{
	memset(&points->seen, 0, sizeof(SeenVectors));
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

ItemPointerData
build_points_tid(const BuildPoints *points, PointId point)
{
	return points->tids[point];
}
