/*-------------------------------------------------------------------------
 *
 * build_repeated.c
 *	  Which rows have the vector of an earlier one.
 *
 * That is only to know how much memory a build takes: whether two vectors are
 * the same is decided when they become points, by all their bytes.  Here it
 * is by hash, of the vector and of its code together.  Of n different vectors
 * two have the same with probability n^2 / 2^65, 3 percent for a billion, and
 * then there are more points than were counted.
 *
 * src/am/build_repeated.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/build_repeated.h"
#include "common/hashfn.h"
#include "compat.h"
#include "graph/memory.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"

/*
 * Repeated rows that may have another vector all the same.  More than that are
 * not to be met: one in 10^9 builds of as many rows as an index can have.
 */
#define SPARE_ROWS	8

/* Hashes seen, with open addressing; 0 where empty */
typedef struct SeenHashes
{
	uint64	   *slots;
	uint64		mask;
} SeenHashes;

static uint64
count_slots(uint64 nrows)
{
	return pg_nextpower2_64(nrows + nrows / 2 + 1);
}

static uint64
row_hash(const Quantizer *quantizer, const BuildRow *row)
{
	uint64		hash = hash_bytes_extended(build_row_code(quantizer, row),
										   row->code_size, row->hash);

	return Max(hash, 1);
}

/* Adds a hash; false when it was there. */
static bool
add_hash(SeenHashes *seen, uint64 hash)
{
	uint64		i = hash & seen->mask;

	while (seen->slots[i] != 0)
	{
		if (seen->slots[i] == hash)
			return false;
		i = (i + 1) & seen->mask;
	}
	seen->slots[i] = hash;
	return true;
}

void
find_repeated(const Quantizer *quantizer, RowReader *reader,
			  const RowTotals *rows, Size limit, RepeatedRows *repeated)
{
	uint64		nslots = count_slots(rows->nrows);
	SeenHashes	seen = {NULL, nslots - 1};
	Size		longest = 0;

	memset(repeated, 0, sizeof(RepeatedRows));
	repeated->distinct = *rows;
	if (nslots > limit / sizeof(uint64))
		return;
	seen.slots = graph_array_alloc0(nslots, sizeof(uint64));
	repeated->bits = graph_array_alloc0(rows->nrows / 8 + 1, sizeof(uint8));
	row_reader_rewind(reader);
	for (uint64 i = 0; i < rows->nrows; i++)
	{
		const BuildRow *row = row_reader_next(reader);

		CHECK_FOR_INTERRUPTS();
		if (add_hash(&seen, row_hash(quantizer, row)))
			continue;
		repeated->bits[i / 8] |= 1 << i % 8;
		repeated->n++;
		repeated->distinct.nrows--;
		repeated->distinct.code_bytes -= row->code_size;
		longest = Max(longest, row->code_size);
	}
	pfree(seen.slots);
	repeated->spare.nrows = Min(repeated->n, SPARE_ROWS);
	repeated->spare.code_bytes = repeated->spare.nrows * longest;
}
