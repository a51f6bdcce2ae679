/*-------------------------------------------------------------------------
 *
 * regions.c
 *	  hnsw_index_regions: what takes the space in an index.
 *
 * src/inspect/regions.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "compat.h"
#include "funcapi.h"
#include "inspect/inspect.h"
#include "utils/builtins.h"

#define REGION_COLUMNS	7

PG_FUNCTION_INFO_V1(hnsw_index_regions);

typedef struct RegionRow
{
	const char *name;
	BlockNumber nblocks;
	uint64		links;
	uint64		link_bytes;		/* as stored */
	uint64		plain_bytes;	/* with link_format plain */
} RegionRow;

/* bytes_per_vector is bytes per heap row, as equal vectors share a point. */
static void
put_region(ReturnSetInfo *result, const RegionRow *region, uint64 rows)
{
	Datum		values[REGION_COLUMNS];
	bool		isnull[REGION_COLUMNS] = {0};
	double		bytes = (double) region->nblocks * BLCKSZ;
	int			n = 0;

	values[n++] = CStringGetTextDatum(region->name);
	values[n++] = Int64GetDatum(region->nblocks);
	values[n++] = Int64GetDatum((int64) region->nblocks * BLCKSZ);
	isnull[n] = rows == 0;
	values[n++] = Float8GetDatum(rows > 0 ? bytes / rows : 0);

	memset(&isnull[n], region->links == 0, REGION_COLUMNS - n);
	values[n++] = Int64GetDatum(region->links);
	values[n++] = Float8GetDatum(8.0 * region->link_bytes /
								 Max(region->links, 1));
	values[n++] = Float8GetDatum(8.0 * region->plain_bytes /
								 Max(region->links, 1));
	Assert(n == REGION_COLUMNS);
	tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
}

static void
set_links(RegionRow *row, HnswRegionId region, const HnswMetaPageData *meta,
		  const InspectCounts *counts)
{
	row->links = 0;
	row->link_bytes = 0;
	row->plain_bytes = 0;
	if (region == HNSW_REGION_NODES)
	{
		row->links = counts->links;
		row->link_bytes = counts->link_bytes;
		row->plain_bytes = counts->plain_bytes;
	}
	else if (region == HNSW_REGION_UPPER)
	{
		/* slots are the same in either format */
		row->links = counts->upper_links;
		row->link_bytes = (uint64) meta->nslots * HnswUpperSlotSize(meta->m);
		row->plain_bytes = row->link_bytes;
	}
}

static BlockNumber
region_blocks(const HnswRegionDirectory *directory, BlockNumber nblocks)
{
	BlockNumber sum = 0;

	for (uint32 i = 0; i < directory->nextents; i++)
		sum += inspect_extent_blocks(&directory->extents[i], nblocks);
	return sum;
}

Datum
hnsw_index_regions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	HnswReader	reader;
	Relation	index;
	InspectCounts counts;
	RegionRow	row = {.name = hnsw_region_name(HNSW_REGION_META)};
	BlockNumber nblocks;
	BlockNumber unused;

	InitMaterializedSRF(fcinfo, 0);
	if (result->setDesc->natts != REGION_COLUMNS)
		elog(ERROR, "hnsw_index_regions has a wrong declaration");

	index = inspect_open(PG_GETARG_OID(0));
	hnsw_reader_init(&reader, index);
	inspect_count(&reader, &counts);

	nblocks = RelationGetNumberOfBlocks(index);
	unused = nblocks - 1;
	row.nblocks = 1;
	put_region(result, &row, counts.rows);
	for (int region = 1; region <= HNSW_NUM_REGIONS; region++)
	{
		const HnswMetaPageData *meta = &reader.ix->meta;

		row.name = hnsw_region_name(region);
		row.nblocks = region_blocks(hnsw_directory(meta, region), nblocks);
		set_links(&row, region, meta, &counts);
		put_region(result, &row, counts.rows);
		unused -= Min(unused, row.nblocks);
	}

	/* a crash while the file grows leaves blocks that belong to no region */
	if (unused > 0)
	{
		RegionRow	rest = {.name = "unused",.nblocks = unused};

		put_region(result, &rest, counts.rows);
	}
	index_close(index, AccessShareLock);
	return (Datum) 0;
}
