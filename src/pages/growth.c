/*-------------------------------------------------------------------------
 *
 * growth.c
 *	  Regions grow, and points get their numbers.
 *
 * src/pages/growth.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pages/page_batch.h"
#include "pages/writer_internal.h"
#include "test_points.h"
#include "utils/rel.h"

/*
 * A region grows by a part of itself, the larger the fewer extents are left.
 * At first there is next to no space that nobody uses, which is what counts
 * for an index that changes and stays as large as it is.  While there are
 * plenty, no step is longer than the limit, as an insert has to write all
 * blocks up to the ones that it needs.
 *
 * That gets anywhere: a region that begins with a single page, and whose
 * extents are never joined, has 104 pages in the early extents, 435,000 before
 * the late ones and 6 million before the last, each of which doubles it; a file
 * of 2^32 blocks is full before.
 */
#define GROWTH_DIVISOR_EARLY	128
#define GROWTH_DIVISOR			10
#define GROWTH_DIVISOR_LATE		4
#define GROWTH_MINIMUM			4
#define GROWTH_LIMIT		((uint32) (128 * 1024 * 1024 / BLCKSZ))
#define EARLY_EXTENTS		28
#define LATE_EXTENTS		116
#define LAST_EXTENTS		(HNSW_MAX_EXTENTS - 16)


/* The first block that no extent has */
static BlockNumber
end_of_extents(const HnswMetaPageData *meta)
{
	BlockNumber end = HNSW_META_BLOCK + 1;

	for (int i = 0; i < HNSW_NUM_REGIONS; i++)
	{
		const HnswRegionDirectory *directory = &meta->regions[i];

		for (uint32 j = 0; j < directory->nextents; j++)
			end = Max(end, directory->extents[j].start +
					  directory->extents[j].npages);
	}
	return end;
}

static uint32
growth(const HnswRegionDirectory *directory)
{
	if (directory->nextents >= LAST_EXTENTS)
		return directory->npages;
	if (directory->nextents >= LATE_EXTENTS)
		return directory->npages / GROWTH_DIVISOR_LATE;
	if (directory->nextents >= EARLY_EXTENTS)
		return directory->npages / GROWTH_DIVISOR;
	return Max(Min(directory->npages, GROWTH_MINIMUM),
			   Min(directory->npages / GROWTH_DIVISOR_EARLY, GROWTH_LIMIT));
}

void
hnsw_grow_region(HnswMetaPageData *meta, HnswRegionId region, uint32 needed,
				 const char *index_name)
{
	HnswRegionDirectory *directory = &meta->regions[region - 1];
	BlockNumber start;
	uint32		npages;
	HnswExtent *last;

	if (directory->npages >= needed)
		return;
	start = end_of_extents(meta);
	npages = Max(growth(directory), needed - directory->npages);
	last = directory->nextents > 0 ?
		&directory->extents[directory->nextents - 1] : NULL;
	if (npages > MaxBlockNumber - start ||
		(directory->nextents == HNSW_MAX_EXTENTS &&
		 last->start + last->npages != start))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" cannot grow any further", index_name),
				 errhint("REINDEX may make it smaller.")));

	if (last != NULL && last->start + last->npages == start)
		last->npages += npages;
	else
	{
		directory->extents[directory->nextents].start = start;
		directory->extents[directory->nextents].npages = npages;
		directory->nextents++;
	}
	directory->npages += npages;
}

/*
 * Gives the regions what a point needs that has the upper slots below nslots.
 * Returns the last block of it.
 */
static BlockNumber
grow_for_point(const HnswIndex *ix, HnswMetaPageData *meta, PointId point,
			   uint32 nslots, const char *index_name)
{
	uint32		needed[HNSW_NUM_REGIONS + 1] = {0};
	BlockNumber last = HNSW_META_BLOCK;

	needed[HNSW_REGION_CODES] = hnsw_record_pages(&ix->codes, point + 1);
	needed[HNSW_REGION_REFINE] = hnsw_record_pages(&ix->refine, point + 1);
	needed[HNSW_REGION_NODES] = point / meta->nodes_per_page + 1;
	if (nslots > 0)
		needed[HNSW_REGION_UPPER] = (nslots - 1) / ix->upper_per_page + 1;

	for (int region = 1; region <= HNSW_NUM_REGIONS; region++)
	{
		if (needed[region] == 0)
			continue;
		hnsw_grow_region(meta, region, needed[region], index_name);
		last = Max(last, hnsw_region_block(hnsw_directory(meta, region),
										   needed[region] - 1));
	}
	return last;
}

/*
 * Gives out an id in an open batch.  Returns InvalidPointId when that has to
 * wait: for the file to have block *last, or for a node page that is not
 * part of the batch.
 */
static PointId
take_new_point(PageBatch *batch, int level, uint32 *slot, BlockNumber *last)
{
	HnswIndex  *ix = batch->reader->ix;
	const char *index_name = RelationGetRelationName(batch->reader->index);
	HnswMetaPageData *meta =
		HnswPageGetMeta(page_batch_page(batch, HNSW_REGION_META, 0));
	PointId		point = meta->npoints;

	if (point >= HNSW_MAX_POINTS ||
		meta->nslots > PG_UINT32_MAX - GRAPH_MAX_LEVEL)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" cannot have more than %u points",
						index_name, point)));
	*last = grow_for_point(ix, meta, point, meta->nslots + level, index_name);
	if (*last >= ix->file_blocks ||
		(point % meta->nodes_per_page == 0 &&
		 !page_batch_has(batch, HNSW_REGION_NODES,
						 point / meta->nodes_per_page)))
		return InvalidPointId;

	*slot = meta->nslots;
	meta->nslots += level;
	meta->npoints++;
	return point;
}

/*
 * Whoever takes the first id of a node page writes the page in the same
 * record, so that all ids have a node to look at.  The file is made long
 * enough before: with a full disk ids must not run ahead of it.
 */
static PointId
give_new_point(HnswReader *reader, int level, uint32 *slot)
{
	HnswIndex  *ix = reader->ix;
	PointId		point = InvalidPointId;

	while (!PointIdIsValid(point))
	{
		uint32		node_page = ix->meta.npoints / ix->meta.nodes_per_page;
		PageBatch	batch;
		BlockNumber last;

		CHECK_FOR_INTERRUPTS();
		HNSW_TEST_POINT("take-new-point");
		page_batch_init(&batch, reader);
		page_batch_add(&batch, HNSW_REGION_META, 0);
		if (ix->meta.npoints % ix->meta.nodes_per_page == 0 &&
			node_page < hnsw_directory(&ix->meta, HNSW_REGION_NODES)->npages)
			page_batch_add(&batch, HNSW_REGION_NODES, node_page);
		page_batch_open(&batch);
		point = take_new_point(&batch, level, slot, &last);
		if (last < ix->file_blocks)
			page_batch_close(&batch);
		else
		{
			page_batch_abort(&batch);
			hnsw_extend_file(reader, last);
		}
		hnsw_index_refresh(ix, reader->index);
	}
	return point;
}

PointId
hnsw_writer_allocate(HnswReader *reader, int level, const PointId *near,
					 int nnear, uint32 *slot)
{
	PointId		point = InvalidPointId;

	if (level == 0)
		point = hnsw_take_near_point(reader, near, nnear);
	if (!PointIdIsValid(point))
		point = hnsw_take_listed_point(reader, level, slot);
	if (!PointIdIsValid(point))
		point = give_new_point(reader, level, slot);
	return point;
}
