/*-------------------------------------------------------------------------
 *
 * build_partition.h
 *	  Which rows are built together when not all can be.
 *
 * src/am/build_partition.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BUILD_PARTITION_H
#define HNSW_BUILD_PARTITION_H

#include "am/build_repeated.h"
#include "am/build_rows.h"

#define NO_PART		PG_UINT16_MAX
#define MAX_PARTS	1024

/* Equal vectors are in the same parts. */
typedef struct Partition
{
	int			nparts;
	uint64		nrows;
	uint16	   *home;			/* per row */
	uint16	   *second;			/* per row: the part that it is in as well, as
								 * it is near to its points, or NO_PART */
	RowTotals  *totals;			/* per part, of all rows in it that are not
								 * repeated */
} Partition;

/*
 * Parts rows in so many parts.  None gets rows of other parts beyond max_rows
 * different ones; whether its own are more is for the caller to see.  Rows
 * are numbered in the order in which the reader gives them, which was rewound
 * and is at the end afterwards.
 */
extern Partition *partition_rows(const Quantizer *quantizer, RowReader *reader,
								 const RowTotals *rows, int nparts,
								 const RepeatedRows *repeated,
								 uint64 max_rows);
extern void partition_free(Partition *partition);

/* Bytes that it takes, while it is made, and those for each row */
extern Size partition_size(const Quantizer *quantizer, const RowTotals *rows,
						   int nparts);

static inline bool
partition_has(const Partition *partition, int part, uint64 row)
{
	return partition->home[row] == part || partition->second[row] == part;
}

#endif							/* HNSW_BUILD_PARTITION_H */
