/*-------------------------------------------------------------------------
 *
 * prewarm.c
 *	  hnsw_index_prewarm: what a search reads, into shared buffers.
 *
 * src/inspect/prewarm.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "compat.h"
#include "inspect/inspect.h"
#include "miscadmin.h"

/* How many blocks ahead the kernel is told what comes */
#define PREFETCH_DISTANCE	64

PG_FUNCTION_INFO_V1(hnsw_index_prewarm);

/*
 * Every search reads codes most, so they come last: when not everything fits
 * they are what stays.  Refinement codes and overflow are read by the few
 * points that need them, unless codes of variable size are in the overflow.
 */
static const HnswRegionId hot_regions[] = {
	HNSW_REGION_PARAMS, HNSW_REGION_UPPER, HNSW_REGION_NODES,
	HNSW_REGION_CODES, HNSW_REGION_OVERFLOW
};

static void
prewarm_blocks(Relation index, BlockNumber start, uint32 n)
{
	for (uint32 i = 1; i < Min(PREFETCH_DISTANCE, n); i++)
		(void) PrefetchBuffer(index, MAIN_FORKNUM, start + i);
	for (uint32 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (n - i > PREFETCH_DISTANCE)
			(void) PrefetchBuffer(index, MAIN_FORKNUM,
								  start + i + PREFETCH_DISTANCE);
		ReleaseBuffer(ReadBuffer(index, start + i));
	}
}

/* Returns how many blocks were read, the metapage included. */
Datum
hnsw_index_prewarm(PG_FUNCTION_ARGS)
{
	Relation	index = inspect_open(PG_GETARG_OID(0));
	const HnswIndex *ix = hnsw_index_open(index);
	const HnswMetaPageData *meta = &ix->meta;
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	int64		nread = 1;

	for (int i = 0; i < (int) lengthof(hot_regions); i++)
	{
		const HnswRegionDirectory *directory = hnsw_directory(meta,
															  hot_regions[i]);

		if (hot_regions[i] == HNSW_REGION_OVERFLOW &&
			!ix->quantizer->variable_size)
			continue;
		for (uint32 j = 0; j < directory->nextents; j++)
		{
			const HnswExtent *extent = &directory->extents[j];
			uint32		n = inspect_extent_blocks(extent, nblocks);

			prewarm_blocks(index, extent->start, n);
			nread += n;
		}
	}
	index_close(index, AccessShareLock);
	PG_RETURN_INT64(nread);
}
