/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  hnsw_index_stats: what inserts, deletes and vacuums have made of an
 *	  index.
 *
 * Reads all nodes, upper slots and overflow pages, and the lists of free
 * points.  The numbers are of one moment only when nobody changes the index.
 *
 * src/inspect/stats.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "funcapi.h"
#include "inspect/check.h"
#include "inspect/inspect.h"
#include "utils/array.h"

#define STATS_COLUMNS	21

PG_FUNCTION_INFO_V1(hnsw_index_stats);

typedef struct IndexStats
{
	HnswCheck	check;
	HnswReader	reader;
	uint8	   *linked;			/* a bit per point: a live point links to it */

	uint64		live;
	uint64		dead;
	uint64		free;
	uint64		listed;			/* free points that should be in a list */
	uint64		lost;			/* those that are in none */
	uint64		unused;
	uint64		rows;
	uint64		max_rows;		/* of a point */
	uint64		without_rows;
	uint64		unreachable;
	uint64		unlinked;
	int			nlevels;
	uint64		level_points[GRAPH_MAX_LEVEL + 1];
	uint64		degrees[GRAPH_MAX_LEVEL + 1][GRAPH_MAX_LINKS + 1];

	uint64		node_pages;
	uint64		node_bytes;
	uint64		node_slack;
	uint64		node_free;
	uint64		overflow_pages;
	uint64		overflow_items;
	uint64		overflow_bytes;
	uint64		overflow_free;
} IndexStats;

/*-------------------------------------------------------------------------
 * Counting
 *-------------------------------------------------------------------------
 */
static void
count_links(IndexStats *stats, PointId point, const HnswNodeCopy *copy,
			const HnswNodeParts *parts)
{
	int			top = HnswNodeLevel(&copy->node);
	PointId		links[GRAPH_MAX_LINKS];

	for (int level = top; level >= 0; level--)
	{
		int			nlinks = hnsw_reader_links(&stats->reader, point, copy,
											   parts, level, links);

		stats->degrees[level][nlinks]++;
		for (int i = 0; level == 0 && i < nlinks; i++)
		{
			if (links[i] < stats->check.meta.npoints)
				stats->linked[links[i] / BITS_PER_BYTE] |=
					1 << links[i] % BITS_PER_BYTE;
		}
	}
	stats->level_points[top]++;
	stats->nlevels = Max(stats->nlevels, top + 1);
}

static void
count_live_point(IndexStats *stats, PointId point, const HnswNodeCopy *copy,
				 const HnswNodeParts *parts)
{
	ItemPointerData *tids;
	int			ntids = hnsw_reader_tids(&stats->reader, point, copy, parts,
										 &tids);

	pfree(tids);
	stats->live++;
	stats->rows += ntids;
	stats->max_rows = Max(stats->max_rows, (uint64) ntids);
	if (ntids == 0)
		stats->without_rows++;
	else
		stats->check.points[point] |= POINT_LIVE;
	count_links(stats, point, copy, parts);
}

static void
count_point(IndexStats *stats, Page page, BlockNumber block, PointId point)
{
	HnswNodeCopy copy;
	HnswNodeParts parts;

	check_get_node(&stats->check, page, block, point, &copy, &parts);
	if (HnswNodeIsLive(&copy.node))
		count_live_point(stats, point, &copy, &parts);
	else if (HnswNodeIsDead(&copy.node))
		stats->dead++;
	else if (HnswNodeIsFree(&copy.node))
	{
		stats->free++;
		stats->listed += HnswNodeIsListed(&copy.node);
	}
	else
		stats->unused++;
}

static void
count_node_space(IndexStats *stats, Page page)
{
	const HnswNode *nodes = (const HnswNode *) HnswPageGetBody(page);
	uint32		per_page = stats->check.meta.nodes_per_page;
	int			used = per_page * sizeof(HnswNode);
	int			slack = 0;

	for (uint32 i = 0; i < per_page; i++)
	{
		used += HnswNodeVarLength(&nodes[i]);
		slack += HnswNodeVarSlack(&nodes[i]);
	}
	stats->node_pages++;
	stats->node_bytes += used;
	stats->node_slack += slack;
	stats->node_free += Max((int) HNSW_BODY_SIZE - used - slack, 0);
}

static void
count_nodes(IndexStats *stats)
{
	HnswCheck  *check = &stats->check;
	uint32		per_page = check->meta.nodes_per_page;
	uint64		npoints = check->meta.npoints;

	for (uint64 first = 0; first < npoints; first += per_page)
	{
		uint64		end = Min(first + per_page, npoints);
		PGAlignedBlock page;
		BlockNumber block;

		if (!check_read_page(check, HNSW_REGION_NODES, first / per_page, true,
							 page.data, &block))
		{
			stats->unused += end - first;
			continue;
		}
		count_node_space(stats, page.data);
		for (uint64 point = first; point < end; point++)
			count_point(stats, page.data, block, point);
	}
}

static void
count_overflow(IndexStats *stats)
{
	HnswCheck  *check = &stats->check;
	uint32		npages = hnsw_directory(&check->meta,
										HNSW_REGION_OVERFLOW)->npages;

	stats->overflow_pages = npages;
	for (uint32 page_no = 0; page_no < npages; page_no++)
	{
		PGAlignedBlock page;
		PageHeader	header = (PageHeader) page.data;
		const HnswOverflowItem *items =
			(const HnswOverflowItem *) HnswPageGetBody(page.data);
		BlockNumber block;
		int			nitems;

		/* a page that was never written is as good as an empty one */
		if (!check_read_page(check, HNSW_REGION_OVERFLOW, page_no, true,
							 page.data, &block))
		{
			stats->overflow_free += HNSW_BODY_SIZE;
			continue;
		}
		nitems = (header->pd_lower - HNSW_BODY_OFFSET) /
			sizeof(HnswOverflowItem);
		for (int i = 0; i < nitems; i++)
		{
			stats->overflow_items += items[i].length > 0;
			stats->overflow_bytes += items[i].length;
		}
		stats->overflow_free += header->pd_upper - header->pd_lower;
	}
}

/* Points with rows that no live point links to, besides the entry point */
static void
count_unlinked(IndexStats *stats)
{
	const HnswMetaPageData *meta = &stats->check.meta;

	for (PointId point = 0; point < meta->npoints; point++)
	{
		if ((stats->check.points[point] & POINT_LIVE) != 0 &&
			point != meta->entry_point &&
			(stats->linked[point / BITS_PER_BYTE] &
			 (1 << point % BITS_PER_BYTE)) == 0)
			stats->unlinked++;
	}
}

static void
collect(IndexStats *stats, Relation index)
{
	HnswCheck  *check = &stats->check;

	check->index = index;
	check->name = RelationGetRelationName(index);
	check->strategy = GetAccessStrategy(BAS_BULKREAD);
	check_meta(check);
	hnsw_reader_init(&stats->reader, index);
	check->points = palloc_extended(Max(check->meta.npoints, 1),
									MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	stats->linked = palloc_extended(check->meta.npoints / BITS_PER_BYTE + 1,
									MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	count_nodes(stats);
	count_overflow(stats);
	count_unlinked(stats);
	stats->lost = stats->listed - Min(check_free_points(check),
									  stats->listed);
	stats->unreachable = check_count_unreachable(check);
	FreeAccessStrategy(check->strategy);
}

/*-------------------------------------------------------------------------
 * The row
 *-------------------------------------------------------------------------
 */

/* An array whose subscripts count from 0 */
static Datum
make_array(Datum *elements, int ndims, int *dims)
{
	int			lower[2] = {0, 0};

	return PointerGetDatum(construct_md_array(elements, NULL, ndims, dims,
											  lower, INT8OID, sizeof(int64),
											  FLOAT8PASSBYVAL,
											  TYPALIGN_DOUBLE));
}

static Datum
level_points_array(const IndexStats *stats)
{
	Datum		elements[GRAPH_MAX_LEVEL + 1];
	int			n = stats->nlevels;

	if (n == 0)
		return PointerGetDatum(construct_empty_array(INT8OID));
	for (int level = 0; level < n; level++)
		elements[level] = Int64GetDatum(stats->level_points[level]);
	return make_array(elements, 1, &n);
}

/* [level][degree]: how many points */
static Datum
degrees_array(const IndexStats *stats)
{
	int			dims[2] = {stats->nlevels,
	GraphMaxLinks(stats->check.meta.m, 0) + 1};
	Datum	   *elements;
	int			n = 0;

	if (stats->nlevels == 0)
		return PointerGetDatum(construct_empty_array(INT8OID));
	elements = palloc(dims[0] * dims[1] * sizeof(Datum));
	for (int level = 0; level < dims[0]; level++)
	{
		for (int degree = 0; degree < dims[1]; degree++)
			elements[n++] = Int64GetDatum(stats->degrees[level][degree]);
	}
	return make_array(elements, 2, dims);
}

Datum
hnsw_index_stats(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	Relation	index;
	IndexStats *stats = palloc0(sizeof(IndexStats));
	Datum		values[STATS_COLUMNS];
	bool		isnull[STATS_COLUMNS] = {0};
	int			n = 0;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE ||
		tupdesc->natts != STATS_COLUMNS)
		elog(ERROR, "hnsw_index_stats has a wrong declaration");

	index = inspect_open(PG_GETARG_OID(0));
	collect(stats, index);

	values[n++] = Int64GetDatum(stats->check.meta.npoints);
	values[n++] = Int64GetDatum(stats->live);
	values[n++] = Int64GetDatum(stats->dead);
	values[n++] = Int64GetDatum(stats->free);
	values[n++] = Int64GetDatum(stats->lost);
	values[n++] = Int64GetDatum(stats->unused);
	values[n++] = Int64GetDatum(stats->rows);
	values[n++] = Int64GetDatum(stats->max_rows);
	values[n++] = Int64GetDatum(stats->without_rows);
	values[n++] = level_points_array(stats);
	values[n++] = degrees_array(stats);
	values[n++] = Int64GetDatum(stats->unreachable);
	values[n++] = Int64GetDatum(stats->unlinked);
	values[n++] = Int64GetDatum(stats->node_pages);
	values[n++] = Int64GetDatum(stats->node_bytes);
	values[n++] = Int64GetDatum(stats->node_slack);
	values[n++] = Int64GetDatum(stats->node_free);
	values[n++] = Int64GetDatum(stats->overflow_pages);
	values[n++] = Int64GetDatum(stats->overflow_items);
	values[n++] = Int64GetDatum(stats->overflow_bytes);
	values[n++] = Int64GetDatum(stats->overflow_free);
	Assert(n == STATS_COLUMNS);
	index_close(index, AccessShareLock);

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc),
													  values, isnull)));
}
