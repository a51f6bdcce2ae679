/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  A graph after points were deleted.
 *
 * The lists of live points are repaired one by one (repair.c), those of a
 * page together.  Whatever lost all links that led to it gets one from its
 * own neighbours.
 *
 * src/graph/vacuum.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <string.h>

#include "graph/memory.h"
#include "graph/repair.h"
#include "graph/vacuum.h"

/* Changes that inserts got ahead of are tried again so often */
#define MAX_REPAIR_ATTEMPTS 4

/* A live point above level 0 */
typedef struct UpperPoint
{
	PointId		point;
	GraphLevel	level;
} UpperPoint;

struct GraphVacuum
{
	GraphVacuumOptions options;
	GraphRepair repair;

	/* points below npoints; one bit each */
	uint8	   *live;			/* in use, as pass 1 saw them */
	uint8	   *dead;			/* marked, now or before */
	uint8	   *old_dead;		/* marked before this vacuum */
	uint8	   *linked;			/* some live point has a link to it */
	uint64		ndead;			/* marked now */
	uint64		nold;
	GraphEntry	highest;		/* a live point of the highest level */

	/* the batch under way */
	GraphLinkChange *changes;
	PointId    *left;			/* points still to be repaired */
	UpperPoint *upper;
	int			nupper;
};

static inline void
set_bit(uint8 *bits, PointId point)
{
	bits[point / 8] |= 1 << point % 8;
}

static inline bool
get_bit(const uint8 *bits, PointId point)
{
	return (bits[point / 8] >> point % 8) & 1;
}

static bool
point_is_dead(PointId point, void *arg)
{
	const GraphVacuum *vacuum = arg;

	return point < vacuum->options.npoints && get_bit(vacuum->dead, point);
}

GraphVacuum *
graph_vacuum_create(const GraphVacuumOptions *options)
{
	GraphVacuum *vacuum = palloc0(sizeof(GraphVacuum));
	uint64		bytes = (uint64) options->npoints / 8 + 1;
	int			batch = options->max_batch;

	vacuum->options = *options;
	vacuum->repair.links = options->graph;
	vacuum->repair.distances = options->distances;
	vacuum->repair.select = options->select;
	vacuum->repair.is_dead = point_is_dead;
	vacuum->repair.is_dead_arg = vacuum;
	vacuum->live = graph_array_alloc0(bytes, 1);
	vacuum->dead = graph_array_alloc0(bytes, 1);
	vacuum->old_dead = graph_array_alloc0(bytes, 1);
	vacuum->linked = graph_array_alloc0(bytes, 1);
	vacuum->highest.point = InvalidPointId;
	vacuum->changes = graph_array_alloc(batch, options->writer->change_size);
	vacuum->left = graph_array_alloc(batch, sizeof(PointId));
	vacuum->upper = graph_array_alloc(batch, sizeof(UpperPoint));
	return vacuum;
}

void
graph_vacuum_free(GraphVacuum *vacuum)
{
	pfree(vacuum->live);
	pfree(vacuum->dead);
	pfree(vacuum->old_dead);
	pfree(vacuum->linked);
	pfree(vacuum->changes);
	pfree(vacuum->left);
	pfree(vacuum->upper);
	pfree(vacuum);
}

void
graph_vacuum_note(GraphVacuum *vacuum, PointId point, GraphLevel level,
				  GraphFate fate)
{
	Assert(point < vacuum->options.npoints);
	if (fate == GRAPH_LIVE)
	{
		set_bit(vacuum->live, point);
		if (!PointIdIsValid(vacuum->highest.point) ||
			level > vacuum->highest.level)
		{
			vacuum->highest.point = point;
			vacuum->highest.level = level;
		}
		return;
	}
	set_bit(vacuum->dead, point);
	if (fate == GRAPH_OLD_DEAD)
	{
		set_bit(vacuum->old_dead, point);
		vacuum->nold++;
	}
	else
		vacuum->ndead++;
}

uint64
graph_vacuum_ndead(const GraphVacuum *vacuum)
{
	return vacuum->ndead;
}

uint64
graph_vacuum_nold(const GraphVacuum *vacuum)
{
	return vacuum->nold;
}

GraphEntry
graph_vacuum_new_entry(const GraphVacuum *vacuum, PointId entry)
{
	GraphEntry	none = {InvalidPointId, 0};

	return PointIdIsValid(entry) &&
		point_is_dead(entry, unconstify(GraphVacuum *, vacuum)) ?
		vacuum->highest : none;
}

/*-------------------------------------------------------------------------
 * Links to dead points
 *-------------------------------------------------------------------------
 */
static void
note_links(GraphVacuum *vacuum, const PointId *links, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (links[i] < vacuum->options.npoints)
			set_bit(vacuum->linked, links[i]);
	}
}

/* Makes the list that was read a new one; false when it is to stay. */
static bool
repair_list(GraphVacuum *vacuum, GraphLinkChange *change)
{
	int			n = graph_repair_links(&vacuum->repair, change->point,
									   change->level, change->links,
									   change->nlinks,
									   GraphMaxLinks(vacuum->options.m,
													 change->level));

	if (n < 0)
		return false;
	change->nlinks = n;
	return true;
}

/* The new list of a point at level 0; false when it is to stay as it is. */
static bool
plan_repair(GraphVacuum *vacuum, PointId point, bool first_time,
			GraphLinkChange *change)
{
	GraphWriter *writer = vacuum->options.writer;
	bool		repaired;

	if (!writer->read_links(writer, point, 0, change))
		return false;
	if (first_time && change->top > 0)
	{
		vacuum->upper[vacuum->nupper].point = point;
		vacuum->upper[vacuum->nupper++].level = change->top;
	}
	repaired = repair_list(vacuum, change);
	note_links(vacuum, change->links, change->nlinks);
	return repaired;
}

/* Level 0 of those points of a batch that are left, in one step if it goes */
static int
try_repair(GraphVacuum *vacuum, int nleft, bool first_time)
{
	GraphWriter *writer = vacuum->options.writer;
	int			nchanges = 0;
	int			still_left = 0;

	for (int i = 0; i < nleft; i++)
		nchanges += plan_repair(vacuum, vacuum->left[i], first_time,
								graph_change(writer, vacuum->changes,
											 nchanges));
	if (nchanges > 0)
		writer->write_links(writer, vacuum->changes, nchanges);
	for (int i = 0; i < nchanges; i++)
	{
		const GraphLinkChange *change = graph_change(writer, vacuum->changes,
													 i);

		if (!change->done)
			vacuum->left[still_left++] = change->point;
	}
	return still_left;
}

static void
repair_upper(GraphVacuum *vacuum, PointId point, GraphLevel level)
{
	GraphWriter *writer = vacuum->options.writer;
	GraphLinkChange *change = vacuum->changes;

	for (int attempt = 0; attempt < MAX_REPAIR_ATTEMPTS; attempt++)
	{
		if (!writer->read_links(writer, point, level, change) ||
			!repair_list(vacuum, change))
			return;
		writer->write_links(writer, change, 1);
		if (change->done)
			return;
	}
}

void
graph_vacuum_repair(GraphVacuum *vacuum, PointId first, int n)
{
	int			nleft = 0;

	Assert(n <= vacuum->options.max_batch);
	for (PointId point = first; point < first + n; point++)
	{
		if (get_bit(vacuum->live, point))
			vacuum->left[nleft++] = point;
	}
	vacuum->nupper = 0;
	nleft = try_repair(vacuum, nleft, true);
	for (int i = 1; i < MAX_REPAIR_ATTEMPTS && nleft > 0; i++)
		nleft = try_repair(vacuum, nleft, false);
	for (int i = 0; i < vacuum->nupper; i++)
	{
		for (int level = 1; level <= vacuum->upper[i].level; level++)
			repair_upper(vacuum, vacuum->upper[i].point, (GraphLevel) level);
	}
}

/*-------------------------------------------------------------------------
 * Points that nothing links to
 *-------------------------------------------------------------------------
 */

/*
 * Gives a point a link from a neighbour that has room for one; false when it
 * has not, or is going.
 */
static bool
attach_to(GraphVacuum *vacuum, PointId point, PointId neighbour)
{
	GraphWriter *writer = vacuum->options.writer;
	GraphLinkChange *change = vacuum->changes;
	int			max = GraphMaxLinks(vacuum->options.m, 0);

	for (int attempt = 0; attempt < MAX_REPAIR_ATTEMPTS; attempt++)
	{
		if (!writer->read_links(writer, neighbour, 0, change))
			return false;
		for (int i = 0; i < change->nlinks; i++)
		{
			if (change->links[i] == point)
				return true;
		}
		if (change->nlinks >= max)
			return false;
		change->links[change->nlinks++] = point;
		writer->write_links(writer, change, 1);
		if (change->done)
			return true;
	}
	return false;
}

/*
 * A point to which only dead points had links would be lost.  It gets one
 * from one of those that it has links to itself.
 */
void
graph_vacuum_attach(GraphVacuum *vacuum, PointId first, int n,
					PointId entry)
{
	GraphStore *graph = vacuum->options.graph;

	for (PointId point = first; point < first + n; point++)
	{
		PointId		links[GRAPH_MAX_LINKS];
		bool		live = true;
		int			nlinks;

		if (point == entry || !get_bit(vacuum->live, point) ||
			get_bit(vacuum->linked, point))
			continue;
		nlinks = graph->get_links(graph, point, 0, links, &live);
		for (int i = 0; live && i < nlinks; i++)
		{
			if (attach_to(vacuum, point, links[i]))
				break;
		}
	}
}

int
graph_vacuum_old_dead(const GraphVacuum *vacuum, PointId first, int n,
					  PointId *points)
{
	int			count = 0;

	for (PointId point = first; point < first + n; point++)
	{
		if (get_bit(vacuum->old_dead, point))
			points[count++] = point;
	}
	return count;
}
