/*-------------------------------------------------------------------------
 *
 * check_meta.c
 *	  The metapage and its directory of extents.
 *
 * hnsw_meta_validate keeps readers safe and is run here, too; this says more
 * exactly what is wrong, and finds what readers can live with.
 *
 * src/inspect/check_meta.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/opclass.h"
#include "am/options.h"
#include "compat.h"
#include "inspect/check.h"

static void
check_format(HnswCheck *check)
{
	const HnswMetaPageData *meta = &check->meta;

	if (meta->magic != HNSW_MAGIC)
		check_fault(check, "has a wrong magic number",
					"Block 0: expected %08X, found %08X.", HNSW_MAGIC,
					meta->magic);
	if (meta->version != HNSW_FORMAT_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" has an unsupported format version",
						check->name),
				 errdetail("Block 0: expected version %d, found %u.",
						   HNSW_FORMAT_VERSION, meta->version),
				 errhint("Please REINDEX it.")));
	if ((meta->may_read & ~HNSW_MAY_READ_KNOWN) != 0 ||
		(meta->may_write & ~HNSW_MAY_WRITE_KNOWN) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" has unknown feature bits", check->name),
				 errdetail("Block 0: expected none but %X to read and %X to write, found %X and %X.",
						   HNSW_MAY_READ_KNOWN, HNSW_MAY_WRITE_KNOWN,
						   meta->may_read, meta->may_write),
				 errhint("Please REINDEX it.")));
}

/* What was set at build, against the catalog and against its limits */
static void
check_settings(HnswCheck *check)
{
	const HnswMetaPageData *meta = &check->meta;
	const HnswOpclass *opclass = hnsw_opclass(check->index);
	int			dimensions = hnsw_column_dimensions(check->index, opclass);

	if (dimensions >= 0 && meta->dimensions != (uint32) dimensions)
		check_fault(check, "has a wrong number of dimensions",
					"Block 0: expected %d, found %u.", dimensions,
					meta->dimensions);
	if (meta->metric != opclass->metric)
		check_fault(check, "has a wrong metric",
					"Block 0: expected %d, that of its operator class, found %u.",
					opclass->metric, meta->metric);
	if (quantizer_form(meta->quantizer) != opclass->form ||
		!quantizer_supports(meta->quantizer, meta->metric, meta->dimensions))
		check_fault(check, "has an invalid quantizer",
					"Block 0: expected one for metric %u, found %u.",
					meta->metric, meta->quantizer);
	if (meta->link_format != LINK_FORMAT_PLAIN &&
		meta->link_format != LINK_FORMAT_PACKED)
		check_fault(check, "has an invalid link format",
					"Block 0: expected %d or %d, found %u.",
					LINK_FORMAT_PLAIN, LINK_FORMAT_PACKED, meta->link_format);
	if ((meta->select_flags & ~(HNSW_SELECT_HEURISTIC | HNSW_SELECT_EXTEND |
								HNSW_SELECT_KEEP_PRUNED)) != 0)
		check_fault(check, "has invalid selection flags",
					"Block 0: expected none but %X, found %X.",
					HNSW_SELECT_HEURISTIC | HNSW_SELECT_EXTEND |
					HNSW_SELECT_KEEP_PRUNED, meta->select_flags);
	if (meta->m < GRAPH_MIN_M || meta->m > GRAPH_MAX_M)
		check_fault(check, "has an invalid number of links per point",
					"Block 0: expected m from %d to %d, found %u.",
					GRAPH_MIN_M, GRAPH_MAX_M, meta->m);
	if (meta->ef_construction < GRAPH_MIN_EF_CONSTRUCTION ||
		meta->ef_construction > GRAPH_MAX_EF_CONSTRUCTION)
		check_fault(check, "has an invalid ef_construction",
					"Block 0: expected %d to %d, found %u.",
					GRAPH_MIN_EF_CONSTRUCTION, GRAPH_MAX_EF_CONSTRUCTION,
					meta->ef_construction);
	if (meta->nodes_per_page < 1 ||
		meta->nodes_per_page > HNSW_MAX_NODES_PER_PAGE)
		check_fault(check, "has an invalid number of nodes per page",
					"Block 0: expected 1 to %d, found %u.",
					(int) HNSW_MAX_NODES_PER_PAGE, meta->nodes_per_page);
	if (!isfinite(meta->lift_sq) || meta->lift_sq < 0)
		check_fault(check, "has an invalid lift",
					"Block 0: expected the square of a finite number, found %g.",
					meta->lift_sq);
}

/* Numbers of points */
static void
check_entry(HnswCheck *check)
{
	const HnswMetaPageData *meta = &check->meta;

	if (meta->npoints > HNSW_MAX_POINTS)
		check_fault(check, "has an invalid number of points",
					"Block 0: expected at most %u, found %u.",
					HNSW_MAX_POINTS, meta->npoints);
	if (PointIdIsValid(meta->entry_point) &&
		meta->entry_point >= meta->npoints)
		check_fault(check, "has an entry point that does not exist",
					"Block 0: expected a point below %u, found %u.",
					meta->npoints, meta->entry_point);
	if (meta->entry_level > GRAPH_MAX_LEVEL)
		check_fault(check, "has an invalid level of the entry point",
					"Block 0: expected at most level %d, found %u.",
					GRAPH_MAX_LEVEL, meta->entry_level);
	for (int level = 0; level <= GRAPH_MAX_LEVEL; level++)
	{
		PointId		point = meta->free_points[level];

		if (PointIdIsValid(point) && point >= meta->npoints)
			check_fault(check, "has a free point that does not exist",
						"Block 0, level %d: expected a point below %u, found %u.",
						level, meta->npoints, point);
	}
}

/*-------------------------------------------------------------------------
 * Extents
 *-------------------------------------------------------------------------
 */

typedef struct PlacedExtent
{
	HnswExtent	extent;
	HnswRegionId region;
} PlacedExtent;

static int
compare_extents(const void *a, const void *b)
{
	BlockNumber start_a = ((const PlacedExtent *) a)->extent.start;
	BlockNumber start_b = ((const PlacedExtent *) b)->extent.start;

	return start_a < start_b ? -1 : start_a > start_b;
}

/* Appends the extents of a region to list; returns how many there are. */
static int
check_directory(HnswCheck *check, HnswRegionId region, PlacedExtent *list)
{
	const HnswRegionDirectory *directory = hnsw_directory(&check->meta,
														  region);
	uint64		npages = 0;

	if (directory->nextents > HNSW_MAX_EXTENTS)
		check_fault(check, "has an invalid number of extents",
					"Block 0, region \"%s\": expected at most %d, found %u.",
					hnsw_region_name(region), HNSW_MAX_EXTENTS,
					directory->nextents);
	for (uint32 i = 0; i < directory->nextents; i++)
	{
		const HnswExtent *extent = &directory->extents[i];

		if (extent->npages == 0)
			check_fault(check, "has an empty extent",
						"Block 0, region \"%s\", extent %u: expected pages, found none.",
						hnsw_region_name(region), i);

		/* the file may be behind, but not by that much */
		if ((uint64) extent->start + extent->npages >
			HNSW_MAX_BLOCKS_AHEAD(check->nblocks))
			check_fault(check, "is much shorter than its directory says",
						"Block 0, region \"%s\", extent %u: expected blocks %u to %llu, found %u blocks in all.",
						hnsw_region_name(region), i, extent->start,
						(unsigned long long) extent->start +
						extent->npages - 1, check->nblocks);
		list[i].extent = *extent;
		list[i].region = region;
		npages += extent->npages;
	}
	if (directory->npages != npages)
		check_fault(check, "has a region whose extents do not add up",
					"Block 0, region \"%s\": expected %u pages, found %llu in its extents.",
					hnsw_region_name(region), directory->npages,
					(unsigned long long) npages);
	return directory->nextents;
}

static void
check_extents(HnswCheck *check)
{
	PlacedExtent list[HNSW_NUM_REGIONS * HNSW_MAX_EXTENTS + 1];
	int			n = 1;

	list[0].region = HNSW_REGION_META;
	list[0].extent.start = HNSW_META_BLOCK;
	list[0].extent.npages = 1;
	for (int region = 1; region <= HNSW_NUM_REGIONS; region++)
		n += check_directory(check, region, &list[n]);

	qsort(list, n, sizeof(PlacedExtent), compare_extents);
	for (int i = 1; i < n; i++)
	{
		const PlacedExtent *one = &list[i - 1];
		const PlacedExtent *other = &list[i];

		if (other->extent.start < one->extent.start + one->extent.npages)
			check_fault(check, "has extents that overlap",
						"Block %u: expected to belong to one region, found it in \"%s\" and \"%s\".",
						other->extent.start, hnsw_region_name(one->region),
						hnsw_region_name(other->region));
	}
}

static void
check_capacity(HnswCheck *check, HnswRegionId region, uint64 needed,
			   uint32 records)
{
	uint32		npages = hnsw_directory(&check->meta, region)->npages;

	if (npages < needed)
		check_fault(check, "has a region that is too small",
					"Block 0, region \"%s\": expected at least %llu pages for %u records, found %u.",
					hnsw_region_name(region), (unsigned long long) needed,
					records, npages);
}

static uint64
pages_for(uint64 records, uint32 per_page)
{
	return per_page == 0 ? 0 : (records + per_page - 1) / per_page;
}

static void
check_capacities(HnswCheck *check)
{
	const HnswMetaPageData *meta = &check->meta;
	uint32		params = hnsw_directory(meta, HNSW_REGION_PARAMS)->npages;

	if (params > 0)
		check_capacity(check, HNSW_REGION_PARAMS,
					   pages_for(meta->dimensions * sizeof(float),
								 HNSW_PARAMS_PER_PAGE), meta->dimensions);
	check_capacity(check, HNSW_REGION_CODES,
				   pages_for(meta->npoints, check->codes.per_page) *
				   check->codes.pages_per_record, meta->npoints);
	check_capacity(check, HNSW_REGION_REFINE,
				   pages_for(meta->npoints, check->refine.per_page) *
				   check->refine.pages_per_record, meta->npoints);
	check_capacity(check, HNSW_REGION_NODES,
				   pages_for(meta->npoints, meta->nodes_per_page),
				   meta->npoints);
	check_capacity(check, HNSW_REGION_UPPER,
				   pages_for(meta->nslots, HnswUpperSlotsPerPage(meta->m)),
				   meta->nslots);
}

/* How the records of codes lie in their pages */
static void
set_layouts(HnswCheck *check)
{
	check->quantizer = hnsw_meta_quantizer(&check->meta, NULL);
	hnsw_code_layouts(check->quantizer, &check->codes, &check->refine);
}

/* Reads the metapage into the state; afterwards its numbers are safe to use. */
void
check_meta(HnswCheck *check)
{
	PGAlignedBlock page;
	BlockNumber block;

	if (RelationGetNumberOfBlocks(check->index) == 0)
		check_fault(check, "has no metapage",
					"Block 0: expected a metapage, found an empty file.");
	(void) check_read_page(check, HNSW_REGION_META, 0, false, page.data,
						   &block);
	memcpy(&check->meta, HnswPageGetMeta(page.data), sizeof(HnswMetaPageData));

	/* the file grows before the metapage says so */
	check->nblocks = RelationGetNumberOfBlocks(check->index);

	check_format(check);
	check_settings(check);
	check_entry(check);
	check_extents(check);
	set_layouts(check);
	check_capacities(check);
	hnsw_meta_validate(&check->meta, check->name);
	check->now = check->meta;
}
