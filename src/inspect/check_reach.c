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

#include "compat.h"
#include "inspect/check.h"

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

uint64
check_count_unreachable(HnswCheck *check, PointId *first)
{
	uint64		lost = 0;

	if (!PointIdIsValid(check->meta.entry_point))
		return 0;
	check->points[check->meta.entry_point] |= POINT_REACHED;
	while (expand_pages(check))
		 /* until nothing new is reached */ ;

	for (PointId point = 0; point < check->meta.npoints; point++)
	{
		if ((check->points[point] & (POINT_LIVE | POINT_REACHED)) != POINT_LIVE)
			continue;
		if (lost++ == 0)
			*first = point;
	}
	return lost;
}

void
check_reachable(HnswCheck *check)
{
	PointId		first_lost = InvalidPointId;
	uint64		lost = check_count_unreachable(check, &first_lost);

	if (lost > 0)
		ereport(WARNING,
				(errmsg("index \"%s\" has %llu points that no search can reach",
						check->name, (unsigned long long) lost),
				 errdetail("The first of them is point %u, of %u points in all.",
						   first_lost, check->meta.npoints),
				 errhint("REINDEX makes them reachable.")));
}
