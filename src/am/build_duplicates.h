/*-------------------------------------------------------------------------
 *
 * build_duplicates.h
 *	  Rows of a build whose vector an earlier row has.
 *
 * src/am/build_duplicates.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BUILD_DUPLICATES_H
#define HNSW_BUILD_DUPLICATES_H

#include "graph/graph.h"
#include "storage/itemptr.h"

/* A row that shares a point with another one */
typedef struct DuplicateRow
{
	PointId		point;
	ItemPointerData tid;
} DuplicateRow;

typedef struct DuplicateRows
{
	DuplicateRow *rows;
	uint64		n;
	uint64		max;
} DuplicateRows;

/* Bytes that so many rows take */
extern Size duplicate_rows_size(uint64 max);

/* There is room for max rows, and never for more. */
extern void duplicate_rows_init(DuplicateRows *duplicates, uint64 max);
extern void duplicate_rows_add(DuplicateRows *duplicates, PointId point,
							   ItemPointerData tid);

/*
 * Gives each point its new number, and sorts the rows by that and, for one
 * point, by TID.
 */
extern void duplicate_rows_renumber(DuplicateRows *duplicates,
									const PointId *new_ids);

#endif							/* HNSW_BUILD_DUPLICATES_H */
