/*-------------------------------------------------------------------------
 *
 * build_repeated.h
 *	  Which rows have the vector of an earlier one.
 *
 * src/am/build_repeated.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BUILD_REPEATED_H
#define HNSW_BUILD_REPEATED_H

#include "am/build_rows.h"

typedef struct RepeatedRows
{
	uint8	   *bits;			/* one per row, palloc'd; NULL: none is known */
	uint64		n;
	RowTotals	distinct;		/* of the other rows */
	RowTotals	spare;			/* more than the repeated rows can add to that
								 * by having the hash of another vector */
} RepeatedRows;

/*
 * Finds them among all rows of the reader, which is at the end afterwards.
 * None is known when that would take more memory than limit.
 */
extern void find_repeated(const Quantizer *quantizer, RowReader *reader,
						  const RowTotals *rows, Size limit,
						  RepeatedRows *repeated);

static inline bool
row_is_repeated(const RepeatedRows *repeated, uint64 row)
{
	return repeated->bits != NULL &&
		(repeated->bits[row / 8] & (1 << row % 8)) != 0;
}

#endif							/* HNSW_BUILD_REPEATED_H */
