/*-------------------------------------------------------------------------
 *
 * inspect.h
 *	  What the functions that look into an index share.
 *
 * src/inspect/inspect.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_INSPECT_H
#define HNSW_INSPECT_H

#include "pages/reader.h"

/*
 * Opens an hnsw index with AccessShareLock; index_close(index,
 * AccessShareLock) when done.  Errors: relid is no index of this access
 * method, or one that this session cannot read.
 */
extern Relation inspect_open(Oid relid);

/*
 * How many blocks of an extent are in the file of nblocks blocks, which may
 * not have all of them yet.
 */
static inline uint32
inspect_extent_blocks(const HnswExtent *extent, BlockNumber nblocks)
{
	if (extent->start >= nblocks)
		return 0;
	return Min(extent->npages, nblocks - extent->start);
}

/*
 * Goes from point to the next one whose node page has been written, itself
 * included; InvalidPointId at the end.  Ids may have been given out in vain.
 */
extern PointId inspect_next_point(HnswReader *reader, uint64 point);

/* All upper slots, links and heap rows of an index, counted. */
typedef struct InspectCounts
{
	uint64		rows;			/* heap TIDs */
	uint64		links;			/* at level 0 */
	uint64		link_bytes;		/* as they are stored */
	uint64		plain_bytes;	/* as link_format plain would store them */
	uint64		upper_links;
} InspectCounts;

/* Reads all nodes and upper slots. */
extern void inspect_count(HnswReader *reader, InspectCounts *counts);

#endif							/* HNSW_INSPECT_H */
