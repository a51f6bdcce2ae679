/*-------------------------------------------------------------------------
 *
 * sparse_slots.h
 *	  Which element of a sparse query has an index: a hash table.
 *
 * Slots hold positions in the query, from 1 on, in the first free place from
 * the one on that the index is hashed to.  Only one in SLOTS_PER_ELEMENT is
 * taken: most indices that are looked up are not there, which one load tells.
 * There is no wrapping around; behind the last home there is room for
 * all elements, and a free slot.
 *
 * src/quantize/sparse_slots.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_SPARSE_SLOTS_H
#define HNSW_SPARSE_SLOTS_H

#define SLOTS_PER_ELEMENT	16
#define MIN_SLOT_BITS		8

typedef struct SparseSlots
{
	uint16	   *slots;			/* 0: free */
	int			size;			/* of what is allocated */
	int			shift;			/* from a hash to a slot */
} SparseSlots;

StaticAssertDecl(HNSW_MAX_SPARSE_ELEMENTS < PG_UINT16_MAX,
				 "positions in a sparse query fit a slot");

static inline uint32
slot_of(const SparseSlots *slots, uint32 index)
{
	/* 2^32 by the golden ratio */
	return index * 0x9E3779B1U >> slots->shift;
}

static inline void
slots_init(SparseSlots *slots)
{
	slots->size = (1 << MIN_SLOT_BITS) + 1;
	slots->shift = 32 - MIN_SLOT_BITS;
	slots->slots = palloc0(slots->size * sizeof(uint16));
}

/* Makes all free; indices are those that were added last. */
static inline void
slots_clear(SparseSlots *slots, const int32 *indices, int n)
{
	for (int i = 0; i < n; i++)
	{
		for (uint32 at = slot_of(slots, indices[i]); slots->slots[at] != 0; at++)
			slots->slots[at] = 0;
	}
}

/* All must be free. */
static inline void
slots_add(SparseSlots *slots, const int32 *indices, int n)
{
	int			bits = MIN_SLOT_BITS;
	int			size;

	while ((1 << bits) < SLOTS_PER_ELEMENT * n)
		bits++;
	size = (1 << bits) + n + 1;
	if (size > slots->size)
	{
		slots->slots = repalloc(slots->slots, size * sizeof(uint16));
		memset(slots->slots, 0, size * sizeof(uint16));
		slots->size = size;
	}

	slots->shift = 32 - bits;
	for (int i = 0; i < n; i++)
	{
		uint32		at = slot_of(slots, indices[i]);

		while (slots->slots[at] != 0)
			at++;
		slots->slots[at] = i + 1;
	}
}

/* The position of an index among those that were added, or -1 */
static inline int
slots_find(const SparseSlots *slots, const int32 *indices, uint32 index)
{
	for (uint32 at = slot_of(slots, index); slots->slots[at] != 0; at++)
	{
		int			position = slots->slots[at] - 1;

		if ((uint32) indices[position] == index)
			return position;
	}
	return -1;
}

#endif							/* HNSW_SPARSE_SLOTS_H */
