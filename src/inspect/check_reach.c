/*-------------------------------------------------------------------------
 *
 * check_reach.c
 *	  Which points a search can find.
 *
 * Follows all links of level 0 from the entry point, in passes over the node
 * pages: each pass reads the pages that have points which were reached and
 * not yet expanded.  Neighbours share pages, so a few passes do, and the memory
 * needed is that of two bits per point.
 *
 * src/inspect/check_reach.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "inspect/check.h"
#include "pages/reader.h"
#include "utils/snapmgr.h"

static inline bool
is_waiting(uint8 point)
{
	return (point & (POINT_REACHED | POINT_EXPANDED)) == POINT_REACHED;
}

int
check_get_links(HnswCheck *check, BlockNumber block, PointId point,
				const HnswNodeCopy *copy, const HnswNodeParts *parts,
				PointId *links)
{
	PGAlignedBlock item;
	BlockNumber item_block;
	const uint8 *bytes = parts->links;
	int			length = parts->links_length;

	if (!HnswNodeIsPresent(&copy->node))
		return 0;
	if (ItemPointerIsValid(&parts->links_away))
	{
		length = check_find_item(check, block, point, &parts->links_away,
								 item.data, &item_block);
		bytes = (const uint8 *) item.data;
	}
	return link_codec_decode(check->meta.link_format, point, bytes, length,
							 links);
}

/* Expands a point; returns whether it reached one before it on its page. */
static bool
expand_point(HnswCheck *check, Page page, BlockNumber block, PointId point,
			 PointId first)
{
	HnswNodeCopy copy;
	HnswNodeParts parts;
	PointId		links[GRAPH_MAX_LINKS];
	bool		again = false;
	int			nlinks;

	check->points[point] |= POINT_EXPANDED;
	check_get_node(check, page, block, point, &copy, &parts);
	nlinks = check_get_links(check, block, point, &copy, &parts, links);
	for (int i = 0; i < nlinks; i++)
	{
		if (links[i] >= check->meta.npoints)
			continue;
		check->points[links[i]] |= POINT_REACHED;
		again |= links[i] >= first && links[i] < point &&
			is_waiting(check->points[links[i]]);
	}
	return again;
}

/* Expands all points of a page that wait for it. */
static void
expand_page(HnswCheck *check, PointId first, PointId end)
{
	PGAlignedBlock page;
	BlockNumber block;
	bool		again;

	(void) check_read_page(check, HNSW_REGION_NODES,
						   first / check->meta.nodes_per_page, false,
						   page.data, &block);
	do
	{
		again = false;
		for (PointId point = first; point < end; point++)
		{
			if (is_waiting(check->points[point]))
				again |= expand_point(check, page.data, block, point, first);
		}
	} while (again);
}

/* One pass over all pages; returns whether there was anything to do. */
static bool
expand_pages(HnswCheck *check)
{
	uint32		per_page = check->meta.nodes_per_page;
	bool		any = false;

	for (uint64 first = 0; first < check->meta.npoints; first += per_page)
	{
		PointId		end = Min(first + per_page, (uint64) check->meta.npoints);
		PointId		point = first;

		while (point < end && !is_waiting(check->points[point]))
			point++;
		if (point == end)
			continue;
		expand_page(check, first, end);
		any = true;
	}
	return any;
}

/* Marks all points to which links lead from the entry point. */
static void
mark_reached(HnswCheck *check)
{
	if (!PointIdIsValid(check->meta.entry_point))
		return;
	check->points[check->meta.entry_point] |= POINT_REACHED;
	while (expand_pages(check))
		 /* until nothing new is reached */ ;
}

static inline bool
is_unreachable(const HnswCheck *check, PointId point)
{
	return (check->points[point] & (POINT_LIVE | POINT_REACHED)) == POINT_LIVE;
}

uint64
check_count_unreachable(HnswCheck *check)
{
	uint64		count = 0;

	if (!PointIdIsValid(check->meta.entry_point))
		return 0;
	mark_reached(check);
	for (PointId point = 0; point < check->meta.npoints; point++)
		count += is_unreachable(check, point);
	return count;
}

/*
 * To look at the rows of points.  Points of rows that nobody sees do not count:
 * an insert links its point last and then makes it the entry point, and may
 * have come to an error before, or not yet so far.
 */
typedef struct RowLook
{
	HnswReader	reader;
	Snapshot	snapshot;
	IndexFetchTableData *fetch;
	TupleTableSlot *slot;
} RowLook;

static void
begin_look(RowLook *look, HnswCheck *check)
{
	/* whoever is over for this snapshot has done all that to its points */
	look->snapshot = RegisterSnapshot(GetLatestSnapshot());
	look->fetch = table_index_fetch_begin(check->heap);
	look->slot = table_slot_create(check->heap, NULL);
	hnsw_reader_init(&look->reader, check->index);
}

static void
end_look(RowLook *look)
{
	table_index_fetch_end(look->fetch);
	ExecDropSingleTupleTableSlot(look->slot);
	UnregisterSnapshot(look->snapshot);
}

/* Does anybody see one of the point's rows? */
static bool
is_seen(RowLook *look, PointId point)
{
	HnswNodeCopy copy;
	HnswNodeParts parts;
	ItemPointerData *tids;
	int			ntids;
	bool		seen = false;

	hnsw_reader_node(&look->reader, point, &copy, &parts);
	ntids = hnsw_reader_tids(&look->reader, point, &copy, &parts, &tids);
	for (int i = 0; i < ntids && !seen; i++)
	{
		bool		call_again = false;
		bool		all_dead = false;

		seen = table_index_fetch_tuple(look->fetch, &tids[i], look->snapshot,
									   look->slot, &call_again, &all_dead);
	}
	pfree(tids);
	return seen;
}

/* Links lead from the entry point to each point. */
static void
check_lost(HnswCheck *check, RowLook *look)
{
	PointId		first = InvalidPointId;
	uint64		lost = 0;

	for (PointId point = 0; point < check->meta.npoints; point++)
	{
		if (is_unreachable(check, point) && is_seen(look, point) &&
			lost++ == 0)
			first = point;
	}
	if (lost == 0)
		return;

	if (!PointIdIsValid(check->meta.entry_point))
	{
		check_refresh(check);
		if (!PointIdIsValid(check->now.entry_point))
			check_fault(check, "has points but no entry point",
						"Block 0: expected an entry point, found none and %llu points with heap rows.",
						(unsigned long long) lost);
		return;
	}
	ereport(WARNING,
			(errmsg("index \"%s\" has %llu points that no search can reach",
					check->name, (unsigned long long) lost),
			 errdetail("The first of them is point %u, of %u points in all.",
					   first, check->meta.npoints),
			 errhint("REINDEX makes them reachable.")));
}

/*
 * No point is above the entry point.  One that is costs a little speed and no
 * result.
 */
static void
check_higher(HnswCheck *check, RowLook *look)
{
	PointId		first = InvalidPointId;
	uint64		higher = 0;

	check_refresh(check);
	for (PointId point = 0; point < check->meta.npoints; point++)
	{
		uint8		info = check->points[point];

		if ((info & POINT_LIVE) != 0 &&
			(info & POINT_LEVEL_MASK) > check->now.entry_level &&
			is_seen(look, point) && higher++ == 0)
			first = point;
	}
	if (higher > 0 && PointIdIsValid(check->now.entry_point))
		ereport(WARNING,
				(errmsg("index \"%s\" has %llu points above its entry point",
						check->name, (unsigned long long) higher),
				 errdetail("The first of them is point %u, of level %d; entry point %u has level %u.",
						   first, check->points[first] & POINT_LEVEL_MASK,
						   check->now.entry_point, check->now.entry_level)));
}

void
check_reachable(HnswCheck *check)
{
	RowLook		look;

	begin_look(&look, check);
	mark_reached(check);
	check_lost(check, &look);
	check_higher(check, &look);
	end_look(&look);
}
