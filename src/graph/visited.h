/*-------------------------------------------------------------------------
 *
 * visited.h
 *	  The set of points that a search has met.
 *
 * An open-addressing table of point numbers, so that its size follows the
 * search and not the index.  A search meets some hundred or thousand points; the
 * table, 16 kB with an ef of 40 and 32 with 80, stays in the nearest caches and
 * is cleared in a fraction of a microsecond.
 *
 * src/graph/visited.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_VISITED_H
#define HNSW_GRAPH_VISITED_H

#include "graph/graph.h"
#include "graph/memory.h"

/* log2 of the least number of slots */
#define VISITED_MIN_BITS	11

typedef struct VisitedSet
{
	PointId    *slots;			/* InvalidPointId where empty */
	uint64		count;			/* points in the set */
	uint64		usual;			/* how many the last uses needed */
	int			bits;			/* log2 of the number of slots in use */
	int			allocated_bits; /* log2 of the number of slots there are */
} VisitedSet;

static inline uint64
visited_slots(const VisitedSet *set)
{
	return UINT64CONST(1) << set->bits;
}

/* How many points there is room for; at most a quarter of the slots is used. */
static inline uint64
visited_room(const VisitedSet *set)
{
	return visited_slots(set) / 4;
}

static inline Size
visited_memory(const VisitedSet *set)
{
	return (Size) sizeof(PointId) << set->allocated_bits;
}

/* Where to begin to look for a point (Fibonacci hashing). */
static inline uint64
visited_home(const VisitedSet *set, PointId point)
{
	return (point * UINT64CONST(0x9E3779B97F4A7C15)) >> (64 - set->bits);
}

static inline void
visited_clear_slots(VisitedSet *set)
{
	memset(set->slots, 0xFF, sizeof(PointId) << set->bits);
	set->count = 0;
}

static inline void
visited_init(VisitedSet *set)
{
	set->bits = set->allocated_bits = VISITED_MIN_BITS;
	set->usual = 0;
	set->slots = graph_array_alloc(visited_slots(set), sizeof(PointId));
	visited_clear_slots(set);
}

static inline void
visited_free(VisitedSet *set)
{
	pfree(set->slots);
}

/*
 * Is a slot taken by another point?  A product is what compilers do not make two
 * branches of: whether the point is there already is a matter of chance.
 */
static inline bool
visited_is_other(PointId slot, PointId point)
{
	return (uint64) (slot ^ point) * (slot ^ InvalidPointId) != 0;
}

/* The slot that holds a point, or would */
static inline uint64
visited_find(const VisitedSet *set, PointId point)
{
	uint64		mask = visited_slots(set) - 1;
	uint64		i = visited_home(set, point);

	while (visited_is_other(set->slots[i], point))
		i = (i + 1) & mask;
	return i;
}

/* Another table, of the size in bits or more; returns the one before. */
static pg_noinline PointId *
visited_new_slots(VisitedSet *set)
{
	PointId    *old = set->slots;

	set->allocated_bits = Max(set->allocated_bits, set->bits);
	set->slots = graph_array_alloc_beside(old,
										  UINT64CONST(1) << set->allocated_bits,
										  sizeof(PointId));
	return old;
}

static pg_noinline void
visited_grow(VisitedSet *set)
{
	uint64		nold = visited_slots(set);
	uint64		count = set->count;
	PointId    *old;

	set->bits++;
	old = visited_new_slots(set);
	visited_clear_slots(set);
	for (uint64 i = 0; i < nold; i++)
	{
		if (old[i] != InvalidPointId)
			set->slots[visited_find(set, old[i])] = old[i];
	}
	set->count = count;
	pfree(old);
}

/* Makes room for n more points. */
static inline void
visited_reserve(VisitedSet *set, int n)
{
	while (unlikely(set->count + n > visited_room(set)))
		visited_grow(set);
}

/*
 * Empties the set and makes room for so many points.  A table that is far too
 * large for its usual use is used in part from now on, so that one large search
 * does not make every later one pay for clearing.  What is usual is forgotten
 * slowly, as small searches and large ones alternate.
 */
static inline void
visited_reset(VisitedSet *set, uint64 n)
{
	set->usual = Max(set->count, set->usual - set->usual / 8);
	while (set->bits > VISITED_MIN_BITS &&
		   Max(set->usual, n) < visited_slots(set) / 32)
		set->bits--;
	while (n > visited_room(set))
		set->bits++;
	if (unlikely(set->bits > set->allocated_bits))
		pfree(visited_new_slots(set));
	visited_clear_slots(set);
}

/*
 * Adds n points, for which there is room, and moves those that were not there
 * yet to the front; returns how many.  What is read of the set again and again is
 * copied, as the compiler cannot know that points are not part of it.
 */
static inline int
visited_add(VisitedSet *set, PointId *points, int n)
{
	VisitedSet	local = *set;
	int			nnew = 0;

	Assert(set->count + n <= visited_room(set));
	for (int i = 0; i < n; i++)
	{
		PointId		point = points[i];
		uint64		slot = visited_find(&local, point);

		points[nnew] = point;
		nnew += local.slots[slot] != point;
		local.slots[slot] = point;
	}
	set->count += nnew;
	return nnew;
}

#endif							/* HNSW_GRAPH_VISITED_H */
