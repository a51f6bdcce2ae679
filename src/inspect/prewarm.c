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

/* Blocks of an extent that are still to be read */
typedef struct BlockRange
{
	BlockNumber next;
	BlockNumber end;
} BlockRange;

static BlockNumber
next_block(ReadStream *stream, void *callback_private_data,
		   void *per_buffer_data)
{
	BlockRange *range = callback_private_data;

	return range->next < range->end ? range->next++ : InvalidBlockNumber;
}

static void
prewarm_blocks(Relation index, BlockNumber start, uint32 n)
{
	BlockRange	range = {start, start + n};
	ReadStream *stream =
		read_stream_begin_relation(READ_STREAM_MAINTENANCE | READ_STREAM_FULL,
								   NULL, index, MAIN_FORKNUM, next_block,
								   &range, 0);
	Buffer		buffer;

	while ((buffer = read_stream_next_buffer(stream, NULL)) != InvalidBuffer)
	{
		CHECK_FOR_INTERRUPTS();
		ReleaseBuffer(buffer);
	}
	read_stream_end(stream);
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
