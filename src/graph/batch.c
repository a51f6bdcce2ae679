/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Building a graph in batches of points, by a team.
 *
 * The points of a batch are inserted at the same time, in two stages:
 *
 *	find	Each point searches the graph as it was before the batch, chooses
 *			its links among what it found, and leaves a link back with each
 *			of these neighbours.
 *	link	Each list for which links back are waiting takes them in.
 *
 * In the first stage nobody writes what others read, in the second every
 * list is one member's business.  So there is no lock, and as nothing
 * depends on who does what when, the same points make the same graph
 * whatever the size of the team (after Manohar and others, "ParlayANN",
 * arXiv 2305.04359).  Even the numbers of links to each point, which decide
 * what a full list gives up, are taken as they were before the batch.
 *
 * As a batch's points may come in any order, those go one after the other
 * that are near each other: their searches meet the same points, which are in
 * the nearest caches then.  How near is told by a few pivots (see nearest_pivots).
 *
 * Points of one batch do not find each other.  With batches of 1/32 of the
 * points before them that costs no recall that could be measured, and a graph
 * doubles in 23 batches.  The first points are inserted one by one, by the
 * leader alone.
 *
 * src/graph/batch.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <string.h>

#include "graph/build_internal.h"
#include "graph/graph.h"
#include "graph/select.h"

/* A batch has one point for so many that are there, ... */
#define BATCH_DIVISOR	32

/*
 * ... but no more than this.  A list gets at most twice as many links in a
 * batch, which int16 must hold.
 */
#define MAX_BATCH		8192

/* Batches of fewer points are not worth waking others for */
#define MIN_SHARED_BATCH 32

/* How much a member takes at once: of points, a 64th of the batch */
#define MIN_TAKE_POINTS	4
#define MAX_TAKE_POINTS	32
#define TAKE_TARGETS	32

/*
 * One point in POINTS_PER_PIVOT is a pivot.  Where there are few, or few points
 * in a batch, it is not put in order.
 */
#define POINTS_PER_PIVOT 512
#define MIN_PIVOTS		8
#define MAX_PIVOTS		64
#define MIN_ORDERED_BATCH 256

StaticAssertDecl(MAX_PIVOTS <= GRAPH_MAX_LINKS, "pivots are scored in one call");
StaticAssertDecl(MAX_PIVOTS * MAX_PIVOTS <= PG_UINT16_MAX,
				 "two pivots must fit uint16");

StaticAssertDecl(2 * MAX_BATCH <= PG_INT16_MAX,
				 "changes of a batch must fit int16");

/* Where the batch that starts with begin ends. */
PointId
build_batch_end(PointId npoints, PointId begin)
{
	uint32		size = Min(begin / BATCH_DIVISOR, MAX_BATCH);

	return begin + Min(Max(size, 1), npoints - begin);
}

/*-------------------------------------------------------------------------
 * The order of a batch
 *-------------------------------------------------------------------------
 */
uint32
build_count_pivots(PointId npoints)
{
	uint32		n = Min(npoints / POINTS_PER_PIVOT, MAX_PIVOTS);

	return n < MIN_PIVOTS ? 0 : n;
}

static inline bool
is_ordered(const BuildShared *shared, PointId begin, PointId end)
{
	return shared->npivots > 0 && end - begin >= MIN_ORDERED_BATCH;
}

/*
 * The numbers of the nearest pivot and the second nearest, in one.  Pivots are
 * taken from all over the points, whose order may be that of their values.
 */
static uint16
nearest_pivots(GraphBuild *build, PointId point)
{
	int			npivots = build->shared->npivots;
	PointId		pivots[MAX_PIVOTS];
	float		distances[MAX_PIVOTS];
	int			nearest = 0;
	int			second = 0;

	for (int i = 0; i < npivots; i++)
		pivots[i] = (PointId) ((uint64) i * build->shared->npoints / npivots);
	build->set_query(build->distances, point);
	build->distances->score(build->distances, pivots, npivots, distances);
	for (int i = 1; i < npivots; i++)
	{
		if (distances[i] < distances[nearest])
		{
			second = nearest;
			nearest = i;
		}
		else if (second == nearest || distances[i] < distances[second])
			second = i;
	}
	return (uint16) (nearest * npivots + second);
}

/* The members who have no more points to insert prepare the next batch. */
static void
group_next_batch(GraphBuild *build, GraphTeam *team)
{
	BuildShared *shared = build->shared;
	PointId		begin = shared->batch_end;
	PointId		end = build_batch_end(shared->npoints, begin);
	uint32		i;

	if (!is_ordered(shared, begin, end))
		return;
	while ((i = build_shared_add(&shared->next_group, MAX_TAKE_POINTS)) <
		   end - begin)
	{
		uint32		stop = Min(i + MAX_TAKE_POINTS, end - begin);

		for (; i < stop; i++)
			build->groups[i] = nearest_pivots(build, begin + i);
		team->report(team, begin);
	}
}

/* Points of one group one after the other, and groups of one pivot */
static void
sort_by_groups(GraphBuild *build, PointId begin, uint32 n)
{
	uint32		starts[MAX_PIVOTS * MAX_PIVOTS + 1] = {0};

	for (uint32 i = 0; i < n; i++)
		starts[build->groups[i] + 1]++;
	for (int i = 1; i < MAX_PIVOTS * MAX_PIVOTS; i++)
		starts[i] += starts[i - 1];
	for (uint32 i = 0; i < n; i++)
		build->order[starts[build->groups[i]]++] = begin + i;
}

static void
order_batch(GraphBuild *build)
{
	BuildShared *shared = build->shared;
	PointId		begin = shared->ninserted;
	uint32		n = shared->batch_end - begin;

	if (is_ordered(shared, begin, shared->batch_end))
		sort_by_groups(build, begin, n);
	else
	{
		for (uint32 i = 0; i < n; i++)
			build->order[i] = begin + i;
	}
}

/*-------------------------------------------------------------------------
 * Find
 *-------------------------------------------------------------------------
 */

/* Appends the results of the last search to the candidates. */
static int
take_candidates(GraphBuild *build, int have)
{
	int			n;
	const GraphNeighbour *results = graph_search_results(build->search, &n);

	memcpy(build->candidates + have, results, n * sizeof(GraphNeighbour));
	return have + n;
}

/*
 * Fills in the candidates for the links of a new point at a level, found from
 * the given entries; returns how many.
 *
 * All links of all results were followed, so that the neighbours' neighbours
 * that are nearest are among the points that the search met and left behind.
 */
static int
find_candidates(GraphBuild *build, const GraphNeighbour *entries,
				int nentries, GraphLevel level)
{
	int			ef = build->options.ef_construction;
	int			n;

	(void) graph_search_level(build->search, entries, nentries, level, ef);
	n = take_candidates(build, 0);
	if (build->options.select.extend_candidates)
	{
		(void) graph_search_continue(build->search, ef, false);
		n = take_candidates(build, n);
	}
	return n;
}

/* Leaves links back to a point with the n neighbours it has chosen. */
static void
leave_links(GraphBuild *build, PointId point, GraphLevel level,
			const GraphNeighbour *links, int n)
{
	BuildShared *shared = build->shared;
	uint32		first = build_shared_add(&shared->nwaiting, n);

	Assert(first + n <= shared->max_waiting);
	for (int i = 0; i < n; i++)
	{
		WaitingLink *link = &build->waiting[first + i];
		bool		upper = level > 0;

		link->number = build_list_number(build, links[i].point, level);
		link->upper = upper;
		link->point = point;
		link->distance = links[i].distance;
		link->next =
			build_shared_exchange(&build->waiting_for[upper][link->number],
								  first + i);
		if (link->next == NO_WAITING_LINK)
			build->targets[build_shared_add(&shared->ntargets, 1)] = first + i;
	}
}

static void
find_links(GraphBuild *build, PointId point)
{
	GraphLevel	level = build->levels[point];
	GraphLevel	top;
	GraphNeighbour nearest;
	const GraphNeighbour *entries = &nearest;
	int			nentries = 1;

	for (int l = 0; l <= level; l++)
		memset(build_list(build, point, (GraphLevel) l).head, 0,
			   sizeof(ListHead));
	if (!PointIdIsValid(build->shared->entry))
		return;

	build->set_query(build->distances, point);
	top = build->levels[build->shared->entry];
	nearest = graph_descend(build->search, build->shared->entry, top,
							level + 1);
	for (int l = Min(level, top); l >= 0; l--)
	{
		int			n;

		nentries = find_candidates(build, entries, nentries, (GraphLevel) l);
		entries = build->candidates;
		n = build_set_links(build, point, (GraphLevel) l, build->candidates,
							nentries);
		leave_links(build, point, (GraphLevel) l, build->candidates, n);
	}
}

static void
find_stage(GraphBuild *build, GraphTeam *team)
{
	BuildShared *shared = build->shared;
	uint32		n = shared->batch_end - shared->ninserted;
	uint32		i;

	while ((i = build_shared_add(&shared->next_point, shared->take)) < n)
	{
		uint32		end = Min(i + shared->take, n);

		for (; i < end; i++)
			find_links(build, build->order[i]);
		team->report(team, shared->ninserted + Min(shared->next_point, n));
	}
	group_next_batch(build, team);
}

/*-------------------------------------------------------------------------
 * Link
 *-------------------------------------------------------------------------
 */

/* Puts the links that wait for a list into it, nearest first. */
static void
take_links_in(GraphBuild *build, const WaitingLink *any)
{
	uint32	   *first = &build->waiting_for[any->upper][any->number];
	LinkList	list = build_numbered_list(build, any->number, any->upper);
	GraphNeighbour *links = build->candidates;
	int			n = 0;

	for (uint32 i = *first; i != NO_WAITING_LINK; i = build->waiting[i].next)
	{
		links[n].point = build->waiting[i].point;
		links[n++].distance = build->waiting[i].distance;
	}
	*first = NO_WAITING_LINK;

	graph_sort_neighbours(links, n);
	for (int i = 0; i < n; i++)
		build_add_link(build, list, any->upper, links[i]);
}

static void
link_stage(GraphBuild *build, GraphTeam *team)
{
	BuildShared *shared = build->shared;
	uint32		target;

	while ((target = build_shared_add(&shared->next_target, TAKE_TARGETS)) <
		   shared->ntargets)
	{
		uint32		end = Min(target + TAKE_TARGETS, shared->ntargets);

		for (; target < end; target++)
			take_links_in(build, &build->waiting[build->targets[target]]);
		team->report(team, shared->batch_end);
	}
}

/*-------------------------------------------------------------------------
 * The team
 *-------------------------------------------------------------------------
 */
static void
begin_batch(GraphBuild *build)
{
	BuildShared *shared = build->shared;
	uint32		n;

	shared->batch_end = build_batch_end(shared->npoints, shared->ninserted);
	n = shared->batch_end - shared->ninserted;
	shared->take = Min(Max(n / 64, MIN_TAKE_POINTS), MAX_TAKE_POINTS);
	shared->next_point = shared->next_group = 0;
	shared->next_target = shared->nwaiting = shared->ntargets = 0;
	order_batch(build);
}

/* Numbers of links that reach the maximum stay there. */
static void
merge_changes(GraphBuild *build, PointId npoints)
{
	for (PointId point = 0; point < npoints; point++)
	{
		int			n = build->in_links[point];
		int			sum = Min(n + build->in_changes[point], PG_UINT16_MAX);

		build->in_links[point] = n == PG_UINT16_MAX ? n : sum;
		build->in_changes[point] = 0;
	}
}

static void
end_batch(GraphBuild *build)
{
	BuildShared *shared = build->shared;

	for (PointId point = shared->ninserted; point < shared->batch_end; point++)
	{
		if (!PointIdIsValid(shared->entry) ||
			build->levels[point] > build->levels[shared->entry])
			shared->entry = point;
	}
	shared->ninserted = shared->batch_end;
	merge_changes(build, shared->ninserted);
}

void
graph_build_lead(GraphBuild *build, GraphTeam *team)
{
	BuildShared *shared = build->shared;

	while (shared->ninserted < shared->npoints)
	{
		bool		alone;

		begin_batch(build);
		alone = shared->batch_end - shared->ninserted < MIN_SHARED_BATCH;
		if (!alone)
			team->wait(team);
		find_stage(build, team);
		if (!alone)
			team->wait(team);
		link_stage(build, team);
		if (!alone)
			team->wait(team);
		end_batch(build);
	}

	/* the memory is the team's until all have seen this */
	shared->done = true;
	team->wait(team);
	team->wait(team);
}

void
graph_build_help(GraphBuild *build, GraphTeam *team, uint32 nwaits)
{
	int			stage = nwaits % GRAPH_TEAM_STAGES;

	for (;;)
	{
		if (stage == 0)
			team->wait(team);
		if (build->shared->done)
		{
			/* who comes after the last wait is too late for it */
			if (stage <= 1)
				team->wait(team);
			return;
		}
		if (stage <= 1)
		{
			find_stage(build, team);
			team->wait(team);
		}
		link_stage(build, team);
		team->wait(team);
		stage = 0;
	}
}

bool
graph_build_is_done(const GraphBuild *build)
{
	return build->shared->done;
}

static void
wait_for_nobody(GraphTeam *team)
{
}

static void
report_to_nobody(GraphTeam *team, PointId done)
{
}

GraphTeam	build_nobody = {wait_for_nobody, report_to_nobody};

void
graph_build_alone(GraphBuild *build)
{
	graph_build_lead(build, &build_nobody);
}
