/*-------------------------------------------------------------------------
 *
 * vacuum_connect.c
 *	  After a vacuum every live point can be reached.
 *
 * What a dead point was the way to is mostly near the points that had links
 * to it, and gets links from there.  Not always: a point, or a whole region,
 * may have been reached through dead points alone.  So a walk over level 0
 * from the entry point marks all that it comes to, and a live point that is
 * left over gets a link from a near point that was reached.  The walk goes on
 * from there, since what hangs together needs one link only.
 *
 * Others change the graph meanwhile.  What an insert takes out of a list is
 * not needed to get anywhere (link_back.c), and a link more than needed is no
 * harm.
 *
 * src/graph/vacuum_connect.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "graph/link_back.h"
#include "graph/memory.h"
#include "graph/vacuum_internal.h"

/* Points reached whose links are still to be followed, at the same time */
#define STACK_SIZE			512

/* Steps between two chances to rest */
#define STEPS_TO_DELAY		64

typedef struct GraphVacuumWalk Walk;

struct GraphVacuumWalk
{
	GraphVacuum *vacuum;
	uint8	   *reached;		/* one bit per point */
	uint8	   *followed;		/* its links, too */
	PointId    *stack;
	int			depth;
	bool		overflow;		/* some were reached and not put there */
	bool		any_reached;
	uint64		nsteps;
	GraphSearch *search;
	GraphNeighbour *near;		/* what it found, and has been reached */
	GraphNewPoint lost;			/* the point being attached */
	GraphNeighbour lost_links[GRAPH_MAX_LINKS];
};

static void
rest(Walk *walk)
{
	if (++walk->nsteps % STEPS_TO_DELAY == 0)
		vacuum_delay(walk->vacuum);
}

/* New points are not ours to look after; they are linked. */
static void
reach(Walk *walk, PointId point)
{
	if (point >= walk->vacuum->options.npoints ||
		get_bit(walk->reached, point))
		return;
	set_bit(walk->reached, point);
	walk->any_reached = true;
	if (walk->depth < STACK_SIZE)
		walk->stack[walk->depth++] = point;
	else
		walk->overflow = true;
}

static void
follow_stack(Walk *walk)
{
	GraphStore *graph = walk->vacuum->options.graph;

	while (walk->depth > 0)
	{
		PointId		point = walk->stack[--walk->depth];
		PointId		links[GRAPH_MAX_LINKS];
		bool		live;
		int			n = graph->get_links(graph, point, 0, links, &live);

		set_bit(walk->followed, point);
		for (int i = 0; i < n; i++)
			reach(walk, links[i]);
		rest(walk);
	}
}

/*
 * Reaches whatever can be reached from a point.  What the stack could not
 * hold is found by its bits.
 */
static void
walk_from(Walk *walk, PointId start)
{
	reach(walk, start);
	follow_stack(walk);
	while (walk->overflow)
	{
		walk->overflow = false;
		for (PointId point = 0; point < walk->vacuum->options.npoints; point++)
		{
			if (get_bit(walk->reached, point) &&
				!get_bit(walk->followed, point))
			{
				walk->stack[walk->depth++] = point;
				follow_stack(walk);
			}
		}
	}
}

/* Those results of the search that have been reached */
static int
take_reached(Walk *walk)
{
	int			kept = 0;
	int			n;
	const GraphNeighbour *found = graph_search_results(walk->search, &n);

	for (int i = 0; i < n; i++)
	{
		if (found[i].point < walk->vacuum->options.npoints &&
			get_bit(walk->reached, found[i].point))
			walk->near[kept++] = found[i];
	}
	return kept;
}

/*
 * Searches for near points that have been reached.  A search through the
 * upper levels may end where the lost point is, among others that are lost.
 * One that does not leave level 0 cannot get there.
 */
static int
find_near(Walk *walk, GraphEntry entry, PointId point)
{
	const GraphVacuumOptions *options = &walk->vacuum->options;
	GraphNeighbour start;
	int			n;

	options->set_query(options->arg, point);
	start = graph_descend(walk->search, entry.point, entry.level, 1);
	(void) graph_search_level(walk->search, &start, 1, 0, options->ef);
	n = take_reached(walk);
	if (n == 0)
	{
		start = graph_descend(walk->search, entry.point, 0, 0);
		(void) graph_search_level(walk->search, &start, 1, 0, options->ef);
		n = take_reached(walk);
	}
	return n;
}

/* The links of the lost point; false when it is not lost, but going. */
static bool
read_lost(Walk *walk, GraphLinkChange *change, PointId point)
{
	GraphWriter *writer = walk->vacuum->options.writer;

	if (!writer->read_links(writer, point, 0, change))
		return false;
	walk->lost.point = point;
	walk->lost.nlinks[0] = change->nlinks;
	for (int i = 0; i < change->nlinks; i++)
	{
		walk->lost_links[i].point = change->links[i];
		walk->lost_links[i].distance = 0;
	}
	return true;
}

/* A point without a link is no way to anywhere: gives it one. */
static void
link_to(Walk *walk, GraphLinkChange *change, PointId target)
{
	GraphWriter *writer = walk->vacuum->options.writer;

	if (walk->lost.nlinks[0] > 0 ||
		!writer->read_links(writer, walk->lost.point, 0, change) ||
		change->nlinks > 0)
		return;
	change->links[change->nlinks++] = target;
	writer->write_links(writer, change, 1);
}

static void
attach(Walk *walk, PointId point)
{
	const GraphVacuumOptions *options = &walk->vacuum->options;
	GraphWriter *writer = options->writer;
	GraphEntry	entry = writer->get_entry(writer);
	GraphLinker linker = {
		.graph = options->graph,
		.distances = options->distances,
		.writer = writer,
		.m = options->m,
		.select = options->select,
		.changes = walk->vacuum->changes,
		.point = &walk->lost,
		.candidates = walk->near
	};

	if (!PointIdIsValid(entry.point) ||
		!read_lost(walk, linker.changes, point))
		return;
	linker.ncandidates = find_near(walk, entry, point);
	if (linker.ncandidates == 0)
		return;
	link_to(walk, linker.changes, walk->near[0].point);
	if (graph_must_link_back(&linker))
		walk_from(walk, point);
}

static Walk *
open_walk(GraphVacuum *vacuum)
{
	const GraphVacuumOptions *options = &vacuum->options;
	Walk	   *walk = palloc0(sizeof(Walk));

	walk->vacuum = vacuum;
	walk->reached = point_bits_create(options->npoints);
	walk->followed = point_bits_create(options->npoints);
	walk->stack = graph_array_alloc(STACK_SIZE, sizeof(PointId));
	walk->search = graph_search_create(options->graph, true);
	walk->near = graph_array_alloc(options->ef, sizeof(GraphNeighbour));
	walk->lost.links[0] = walk->lost_links;
	vacuum->walk = walk;
	return walk;
}

void
vacuum_close_walk(GraphVacuum *vacuum)
{
	Walk	   *walk = vacuum->walk;

	if (walk == NULL)
		return;
	pfree(walk->reached);
	pfree(walk->followed);
	pfree(walk->stack);
	graph_search_free(walk->search);
	pfree(walk->near);
	pfree(walk);
	vacuum->walk = NULL;
}

/* All that can be reached from the entry point, which may be a new one */
static void
walk_from_entry(Walk *walk)
{
	const GraphVacuumOptions *options = &walk->vacuum->options;
	PointId		entry = options->writer->get_entry(options->writer).point;
	PointId		links[GRAPH_MAX_LINKS];
	bool		live;
	int			n;

	if (!PointIdIsValid(entry))
		return;
	walk_from(walk, entry);
	n = options->graph->get_links(options->graph, entry, 0, links, &live);
	for (int i = 0; i < n; i++)
		walk_from(walk, links[i]);
}

/*
 * When the walk comes to nothing that was there when the vacuum began, the
 * entry point and all near it have come since: then it tells nothing of the
 * others, and they are left to the next vacuum.
 */
void
graph_vacuum_connect(GraphVacuum *vacuum)
{
	Walk	   *walk = open_walk(vacuum);

	walk_from_entry(walk);
	for (PointId point = 0;
		 walk->any_reached && point < vacuum->options.npoints; point++)
	{
		if (get_bit(vacuum->live, point) && !get_bit(walk->reached, point))
		{
			vacuum_delay(vacuum);
			attach(walk, point);
		}
	}
	vacuum_close_walk(vacuum);
}
