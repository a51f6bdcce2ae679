/*-------------------------------------------------------------------------
 *
 * check_free.c
 *	  The lists of free points.
 *
 * Inserts take points off these lists and vacuum adds some, so what looks wrong
 * is looked at again: a fault is what two walks in a row meet at the same
 * place while no list has got another first point.
 *
 * That free points which are in no list have one beside them that is in one is
 * seen to with the nodes.
 *
 * src/inspect/check_free.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "inspect/check.h"

/* How often the lists are walked because they change under our hands */
#define MAX_TRIES		100

typedef enum FreeFault
{
	FREE_GOOD,
	FREE_MISSING,				/* there is no such point */
	FREE_OTHER,					/* it is in use, or of another level */
	FREE_TWICE
} FreeFault;

typedef struct FreeWalk
{
	HnswCheck  *check;
	uint8	   *met;			/* a bit per point */
	uint32		nmet;

	/* what is wrong, and where */
	FreeFault	fault;
	int			level;			/* of the list */
	PointId		point;
	BlockNumber block;
	uint8		info;			/* of the point's node */
} FreeWalk;

/*
 * Reads a point that a list leads to and stores the one after it.  False when
 * it is not a free point of the list's level.
 */
static bool
read_free_point(FreeWalk *walk, PointId point, PointId *next)
{
	HnswCheck  *check = walk->check;
	PGAlignedBlock page;
	HnswNodeCopy copy;
	HnswNodeParts parts;

	walk->block = InvalidBlockNumber;
	walk->info = 0;
	if (!check_read_page(check, HNSW_REGION_NODES,
						 point / check->meta.nodes_per_page, true, page.data,
						 &walk->block))
		return false;
	check_get_node(check, page.data, walk->block, point, &copy, &parts);
	walk->info = copy.node.info;
	if (!HnswNodeIsFree(&copy.node) ||
		HnswNodeLevel(&copy.node) != walk->level ||
		parts.links_length != sizeof(PointId))
		return false;
	memcpy(next, parts.links, sizeof(PointId));
	return true;
}

static FreeFault
meet_free_point(FreeWalk *walk, PointId point, PointId *next)
{
	uint8		bit = 1 << point % BITS_PER_BYTE;

	if (point >= walk->check->now.npoints)
		return FREE_MISSING;
	if (!read_free_point(walk, point, next))
		return FREE_OTHER;
	if ((walk->met[point / BITS_PER_BYTE] & bit) != 0)
		return FREE_TWICE;
	walk->met[point / BITS_PER_BYTE] |= bit;
	walk->nmet++;
	return FREE_GOOD;
}

/* All lists as the last look at the metapage found them, up to a fault */
static void
walk_lists(FreeWalk *walk)
{
	const HnswMetaPageData *meta = &walk->check->now;
	PointId		heads[GRAPH_MAX_LEVEL + 1];

	memcpy(heads, meta->free_points, sizeof(heads));
	walk->met = palloc_extended(meta->npoints / BITS_PER_BYTE + 1,
								MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	walk->nmet = 0;
	walk->fault = FREE_GOOD;
	for (int level = 0; level <= GRAPH_MAX_LEVEL; level++)
	{
		PointId		point = heads[level];

		walk->level = level;
		while (PointIdIsValid(point) && walk->fault == FREE_GOOD)
		{
			walk->point = point;
			walk->fault = meet_free_point(walk, point, &point);
		}
		if (walk->fault != FREE_GOOD)
			break;
	}
	pfree(walk->met);
}

static void
report_fault(const FreeWalk *walk)
{
	switch (walk->fault)
	{
		case FREE_GOOD:
			break;
		case FREE_MISSING:
			check_fault(walk->check, "has a free point that does not exist",
						"List of level %d: expected points below %u, found %u.",
						walk->level, walk->check->now.npoints, walk->point);
			break;
		case FREE_OTHER:
			check_fault(walk->check, "has a point in a list of free points that is not one of them",
						"Block %u, point %u: expected a free point of level %d, found level and flags %02X.",
						walk->block, walk->point, walk->level, walk->info);
			break;
		case FREE_TWICE:
			check_fault(walk->check, "has a free point twice in its lists",
						"Block %u, point %u: expected each point once, found it again in the list of level %d.",
						walk->block, walk->point, walk->level);
			break;
	}
}

uint32
check_free_points(HnswCheck *check)
{
	FreeWalk	walk = {.check = check};
	FreeWalk	before = {.fault = FREE_GOOD};
	PointId		heads[GRAPH_MAX_LEVEL + 1] = {0};

	for (int try = 0; try < MAX_TRIES; try++)
	{
		check_refresh(check);
		if (memcmp(heads, check->now.free_points, sizeof(heads)) != 0)
			before.fault = FREE_GOOD;
		memcpy(heads, check->now.free_points, sizeof(heads));
		walk_lists(&walk);
		if (walk.fault == FREE_GOOD)
			break;
		if (walk.fault == before.fault && walk.point == before.point)
			report_fault(&walk);
		before = walk;
	}
	return walk.nmet;
}
