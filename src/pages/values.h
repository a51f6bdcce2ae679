/*-------------------------------------------------------------------------
 *
 * values.h
 *	  Codes of variable size, in the overflow region.
 *
 * The record that a point has in the region of codes leads to its value.  Who
 * reads one by a record that was read without a lock may find a point that was
 * given back in the meantime, and what somebody else has put there.
 *
 * src/pages/values.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_VALUES_H
#define HNSW_VALUES_H

#include "pages/reader.h"

/*
 * The code that starts at an item, NULL when there is no whole one.  It stays
 * until the next one of the index is read.
 */
extern const uint8 *hnsw_value_read(HnswReader *reader,
									const ItemPointerData *where);

/* Stores a code that nothing refers to yet. */
extern ItemPointerData hnsw_value_add(HnswReader *reader, const uint8 *code);

/* Gives a code back that nothing refers to any more. */
extern void hnsw_value_drop(HnswReader *reader, const ItemPointerData *where);

/*
 * Takes an item of a value apart: returns how many bytes of the value it has,
 * and where the next one is, if there is one.
 */
static inline int
hnsw_value_part(const void *item, int length, ItemPointerData *next)
{
	if (length <= HNSW_CODE_PART)
	{
		ItemPointerSetInvalid(next);
		return length;
	}
	memcpy(next, (const char *) item + length - sizeof(ItemPointerData),
		   sizeof(ItemPointerData));
	return length - sizeof(ItemPointerData);
}

#endif							/* HNSW_VALUES_H */
