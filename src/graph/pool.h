/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  What a search holds: the pool of the nearest points, and the points
 *	  that did not get into it or fell out of it.
 *
 * The pool is sorted, nearest first.  For the lengths a search has, comparing
 * many distances at once and a memmove inside the nearest cache beat two heaps,
 * and the results need no sorting.
 *
 * src/graph/pool.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_POOL_H
#define HNSW_GRAPH_POOL_H

#include "graph/graph.h"
#include "graph/memory.h"

typedef struct PoolEntry
{
	float		distance;
	PointId		point;
	bool		expanded;		/* its links have been followed */
} PoolEntry;

typedef struct PoolPoint
{
	PointId		point;
	bool		expanded;
} PoolPoint;

/*
 * Distances have an array of their own, nearest first, so that many of them
 * can be compared at once.
 */
typedef struct Pool
{
	float	   *distances;
	PoolPoint  *points;
	int			count;
	int			limit;			/* no more entries than this */
	int			allocated;
	int			cursor;			/* all entries before it are expanded */
} Pool;

/* So many distances are compared with one faster than a search halves them */
#define POOL_SCAN			64

static inline void
pool_init(Pool *pool)
{
	pool->allocated = 64;
	pool->distances = graph_array_alloc(pool->allocated, sizeof(float));
	pool->points = graph_array_alloc(pool->allocated, sizeof(PoolPoint));
	pool->count = pool->cursor = 0;
	pool->limit = 1;
}

static inline void
pool_free(Pool *pool)
{
	pfree(pool->distances);
	pfree(pool->points);
}

static inline Size
pool_memory(const Pool *pool)
{
	return (Size) pool->allocated * (sizeof(float) + sizeof(PoolPoint));
}

/* Empties the pool and sets how many entries it holds. */
static inline void
pool_reset(Pool *pool, int limit)
{
	Assert(limit >= 1);
	if (limit > pool->allocated)
	{
		pool->distances = graph_array_realloc(pool->distances, limit,
											  sizeof(float));
		pool->points = graph_array_realloc(pool->points, limit,
										   sizeof(PoolPoint));
		pool->allocated = limit;
	}
	pool->limit = limit;
	pool->count = pool->cursor = 0;
}

static inline bool
pool_is_full(const Pool *pool)
{
	return pool->count == pool->limit;
}

static inline PoolEntry
pool_entry(const Pool *pool, int position)
{
	PoolEntry	entry = {
		pool->distances[position],
		pool->points[position].point,
		pool->points[position].expanded
	};

	return entry;
}

/* Does an entry at this distance find no place? */
static inline bool
pool_rejects(const Pool *pool, float distance)
{
	return pool_is_full(pool) &&
		distance >= pool->distances[pool->count - 1];
}

/* How many entries are as near as a distance, or nearer */
static inline int
pool_count_nearer(const Pool *pool, float distance)
{
	const float *base = pool->distances;
	int			n = pool->count;
	int			nnearer = 0;

	/* without branches, as they could not be predicted */
	while (n > POOL_SCAN)
	{
		int			half = n / 2;

		base += base[half - 1] <= distance ? half : 0;
		n -= half;
	}
	for (int i = 0; i < n; i++)
		nnearer += base[i] <= distance;
	return (int) (base - pool->distances) + nnearer;
}

/*
 * Inserts an entry that the pool does not reject, behind those of the same
 * distance.  The last entry of a full pool falls out: then the result is
 * true and *evicted is that entry.
 */
static inline bool
pool_insert(Pool *pool, PoolEntry entry, PoolEntry *evicted)
{
	int			position = pool_count_nearer(pool, entry.distance);
	bool		full = pool_is_full(pool);
	int			nbehind;

	if (full)
		*evicted = pool_entry(pool, --pool->count);
	nbehind = pool->count - position;
	memmove(pool->distances + position + 1, pool->distances + position,
			nbehind * sizeof(float));
	memmove(pool->points + position + 1, pool->points + position,
			nbehind * sizeof(PoolPoint));
	pool->distances[position] = entry.distance;
	pool->points[position].point = entry.point;
	pool->points[position].expanded = entry.expanded;
	pool->count++;
	if (position < pool->cursor)
		pool->cursor = position;
	return full;
}

/* The nearest entry that was not expanded, or -1. */
static inline int
pool_next(Pool *pool)
{
	while (pool->cursor < pool->count &&
		   pool->points[pool->cursor].expanded)
		pool->cursor++;
	return pool->cursor < pool->count ? pool->cursor : -1;
}

static inline void
pool_remove(Pool *pool, int position)
{
	int			nbehind = --pool->count - position;

	memmove(pool->distances + position, pool->distances + position + 1,
			nbehind * sizeof(float));
	memmove(pool->points + position, pool->points + position + 1,
			nbehind * sizeof(PoolPoint));
	if (pool->cursor > position)
		pool->cursor--;
}

/*
 * Points left behind.  Adding is appending; the first nheap entries are a
 * binary heap, nearest on top, and the others join it when the nearest is
 * asked for.
 */
typedef struct Spill
{
	PoolEntry  *entries;
	uint64		count;
	uint64		nheap;
	uint64		allocated;
	void	   *owner;			/* entries live as long as this */
} Spill;

static inline void
spill_init(Spill *spill, void *owner)
{
	spill->owner = owner;
	spill->entries = NULL;
	spill->count = spill->nheap = spill->allocated = 0;
}

static inline void
spill_free(Spill *spill)
{
	if (spill->entries != NULL)
		pfree(spill->entries);
}

static inline void
spill_reset(Spill *spill)
{
	spill->count = spill->nheap = 0;
}

static pg_noinline void
spill_grow(Spill *spill)
{
	spill->allocated = Max(1024, spill->allocated * 2);
	if (spill->entries == NULL)
		spill->entries = graph_array_alloc_beside(spill->owner,
												  spill->allocated,
												  sizeof(PoolEntry));
	else
		spill->entries = graph_array_realloc(spill->entries,
											 spill->allocated,
											 sizeof(PoolEntry));
}

static inline void
spill_add(Spill *spill, PoolEntry entry)
{
	if (spill->count == spill->allocated)
		spill_grow(spill);
	spill->entries[spill->count++] = entry;
}

/* Moves the last entry of the heap up to its place. */
static inline void
spill_sift_up(Spill *spill)
{
	uint64		hole = spill->nheap - 1;
	PoolEntry	entry = spill->entries[hole];

	while (hole > 0)
	{
		uint64		parent = (hole - 1) / 2;

		if (spill->entries[parent].distance <= entry.distance)
			break;
		spill->entries[hole] = spill->entries[parent];
		hole = parent;
	}
	spill->entries[hole] = entry;
}

/* Puts an entry in the place of the top and moves it down. */
static inline void
spill_sift_down(Spill *spill, PoolEntry entry)
{
	uint64		hole = 0;

	for (;;)
	{
		uint64		child = 2 * hole + 1;
		const PoolEntry *near = &spill->entries[child];

		if (child >= spill->nheap)
			break;
		if (child + 1 < spill->nheap && near[1].distance < near[0].distance)
			child++;
		if (entry.distance <= spill->entries[child].distance)
			break;
		spill->entries[hole] = spill->entries[child];
		hole = child;
	}
	spill->entries[hole] = entry;
}

/* Takes the nearest entry out; false when there is none. */
static inline bool
spill_take(Spill *spill, PoolEntry *entry)
{
	if (spill->count == 0)
		return false;
	while (spill->nheap < spill->count)
	{
		spill->nheap++;
		spill_sift_up(spill);
	}
	*entry = spill->entries[0];
	spill->nheap = --spill->count;
	if (spill->count > 0)
		spill_sift_down(spill, spill->entries[spill->count]);
	return true;
}

#endif							/* HNSW_GRAPH_POOL_H */
