/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  A graph after points were deleted.
 *
 * The lists of live points are repaired one by one (repair.c), those of a
 * page together.  Where an insert changes a list at the same time it is
 * repaired again, as often as that happens: a link that was left would lead
 * to a point that is given back.
 *
 * src/graph/vacuum.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <string.h>

#include "graph/memory.h"
#include "graph/vacuum_internal.h"

static bool
point_is_dead(const GraphVacuum *vacuum, PointId point)
{
	return point < vacuum->options.npoints && get_bit(vacuum->dead, point);
}

/*
 * A dead point may have links to points that were given back before, since
 * nobody repairs it.  Such a point is not in use, or in use again for
 * something else.
 */
static GraphLinkFate
judge_link(PointId point, void *arg)
{
	const GraphVacuum *vacuum = arg;

	if (point_is_dead(vacuum, point))
		return GRAPH_LINK_DEAD;
	if (point < vacuum->options.npoints && !get_bit(vacuum->live, point))
		return GRAPH_LINK_UNKNOWN;
	return GRAPH_LINK_STAYS;
}

GraphVacuum *
graph_vacuum_create(const GraphVacuumOptions *options)
{
	GraphVacuum *vacuum = palloc0(sizeof(GraphVacuum));
	int			batch = options->max_batch;

	vacuum->options = *options;
	vacuum->repair.links = options->graph;
	vacuum->repair.distances = options->distances;
	vacuum->repair.select = options->select;
	vacuum->repair.judge = judge_link;
	vacuum->repair.judge_arg = vacuum;
	vacuum->live = point_bits_create(options->npoints);
	vacuum->dead = point_bits_create(options->npoints);
	vacuum->old_dead = point_bits_create(options->npoints);
	vacuum->highest.point = InvalidPointId;
	vacuum->changes = graph_array_alloc(batch, options->writer->change_size);
	vacuum->left = graph_array_alloc(batch, sizeof(PointId));
	vacuum->upper = graph_array_alloc(batch, sizeof(UpperPoint));
	return vacuum;
}

void
graph_vacuum_free(GraphVacuum *vacuum)
{
	vacuum_close_walk(vacuum);
	pfree(vacuum->live);
	pfree(vacuum->dead);
	pfree(vacuum->old_dead);
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

	return PointIdIsValid(entry) && point_is_dead(vacuum, entry) ?
		vacuum->highest : none;
}

/*-------------------------------------------------------------------------
 * Links to dead points
 *-------------------------------------------------------------------------
 */
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

	if (!writer->read_links(writer, point, 0, change))
		return false;
	if (first_time && change->top > 0)
	{
		vacuum->upper[vacuum->nupper].point = point;
		vacuum->upper[vacuum->nupper++].level = change->top;
	}
	return repair_list(vacuum, change);
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

	while (writer->read_links(writer, point, level, change) &&
		   repair_list(vacuum, change))
	{
		writer->write_links(writer, change, 1);
		if (change->done)
			break;
		vacuum_delay(vacuum);
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
	while (nleft > 0)
	{
		vacuum_delay(vacuum);
		nleft = try_repair(vacuum, nleft, false);
	}
	for (int i = 0; i < vacuum->nupper; i++)
	{
		for (int level = 1; level <= vacuum->upper[i].level; level++)
			repair_upper(vacuum, vacuum->upper[i].point, (GraphLevel) level);
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
