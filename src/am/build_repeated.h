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

/*
 * Finds them among all rows of the reader, which is at the end afterwards.
 * distinct gets the totals of the others.  Returns a bit for each row; NULL,
 * and the totals of all, when that would take more memory than limit.
 */
extern uint8 *find_repeated(const Quantizer *quantizer, RowReader *reader,
							const RowTotals *rows, Size limit,
							RowTotals *distinct);

static inline bool
row_is_repeated(const uint8 *repeated, uint64 row)
{
	return repeated != NULL && (repeated[row / 8] & (1 << row % 8)) != 0;
}

#endif							/* HNSW_BUILD_REPEATED_H */
