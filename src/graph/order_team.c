/*-------------------------------------------------------------------------
 *
 * order_team.c
 *	  Numbers for points, by a team.
 *
 * There are two sides of the points, which are numbered one behind the other,
 * and, as no member needs to know of what another one does, at the same time
 * (order.c).  That there are two does not depend on the size of the team, so
 * neither do the numbers.
 *
 *	split	A hyperplane between two far pivots divides the points in halves.
 *	settle	Each point moves to the side to which most of its links lead; a few
 *			times, as what its neighbours do counts.
 *	divide	Each list gets its links to side 0 in front.
 *	number	Each side is one member's business.
 *
 * src/graph/order_team.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <string.h>

#include "graph/graph.h"
#include "graph/order.h"
#include "graph/select.h"

/* The halves are those of a sample. */
#define SAMPLE_POINTS	1024

/* Each makes links between the sides fewer, and one side larger perhaps. */
#define SETTLE_ROUNDS	3

/* Points that a member takes at once, some cache lines of one byte for each */
#define TAKE_POINTS		(3 * CACHE_LINE)

/* Points of levels that at most one point in so many has come first. */
#define FEW				64

typedef enum OrderStage
{
	STAGE_SPLIT,
	STAGE_SETTLE,
	STAGE_DIVIDE,
	STAGE_NUMBER
} OrderStage;

/*-------------------------------------------------------------------------
 * Split
 *-------------------------------------------------------------------------
 */

/* Distances from a point to n others */
static void
score_points(GraphBuild *build, PointId from, const PointId *points, int n,
			 float *distances)
{
	build->set_query(build->distances, from);
	for (int i = 0; i < n; i += GRAPH_MAX_LINKS)
		build->distances->score(build->distances, points + i,
								Min(n - i, GRAPH_MAX_LINKS), distances + i);
}

static PointId
farthest(GraphBuild *build, PointId from, const PointId *points, int n)
{
	float		distances[SAMPLE_POINTS];
	int			best = 0;

	score_points(build, from, points, n, distances);
	for (int i = 1; i < n; i++)
	{
		if (distances[i] > distances[best])
			best = i;
	}
	return points[best];
}

/* How much farther n points are from the one pivot than from the other */
static void
score_sides(GraphBuild *build, const PointId *points, int n,
			float *differences)
{
	const PointId *pivots = build->shared->order.pivots;
	float		distances[SAMPLE_POINTS];

	score_points(build, pivots[0], points, n, differences);
	score_points(build, pivots[1], points, n, distances);
	for (int i = 0; i < n; i++)
		differences[i] -= distances[i];
}

/* Points for the sample are taken from all over them. */
static void
choose_pivots(GraphBuild *build)
{
	BuildOrder *order = &build->shared->order;
	PointId		points[SAMPLE_POINTS];
	float		differences[SAMPLE_POINTS];
	GraphNeighbour sorted[SAMPLE_POINTS];

	for (int i = 0; i < SAMPLE_POINTS; i++)
		points[i] = (PointId) ((uint64) i * build->shared->npoints /
							   SAMPLE_POINTS);
	order->pivots[0] = farthest(build, points[0], points, SAMPLE_POINTS);
	order->pivots[1] = farthest(build, order->pivots[0], points,
								SAMPLE_POINTS);
	score_sides(build, points, SAMPLE_POINTS, differences);
	for (int i = 0; i < SAMPLE_POINTS; i++)
		sorted[i] = (GraphNeighbour) {differences[i], points[i]};
	graph_sort_neighbours(sorted, SAMPLE_POINTS);
	order->border = sorted[SAMPLE_POINTS / 2].distance;
}

static void
split_points(GraphBuild *build, PointId begin, PointId end)
{
	float		border = build->shared->order.border;
	uint8	   *sides = order_sides(build, true);
	PointId		points[TAKE_POINTS];
	float		differences[TAKE_POINTS];
	int			n = end - begin;

	for (int i = 0; i < TAKE_POINTS; i++)
		points[i] = begin + i;
	score_sides(build, points, n, differences);
	for (int i = 0; i < n; i++)
		sides[begin + i] = differences[i] > border;
}

/*-------------------------------------------------------------------------
 * Settle and divide
 *-------------------------------------------------------------------------
 */
static void
settle_points(GraphBuild *build, PointId begin, PointId end)
{
	const uint8 *sides = order_sides(build, false);
	uint8	   *next = order_sides(build, true);

	for (PointId point = begin; point < end; point++)
	{
		LinkList	list = build_list(build, point, 0);
		int			balance = 0;

		for (int i = 0; i < list.head->count; i++)
			balance += sides[list.links[i]] == 0 ? -1 : 1;
		next[point] = balance == 0 ? sides[point] : balance > 0;
	}
}

static void
divide_lists(GraphBuild *build, PointId begin, PointId end)
{
	const uint8 *sides = order_sides(build, false);

	for (PointId point = begin; point < end; point++)
	{
		LinkList	list = build_list(build, point, 0);
		OrderHead  *head = order_head(list);
		int			nfirst = 0;

		for (int i = 0; i < head->count; i++)
		{
			PointId		link = list.links[i];

			if ((sides[link] & ORDER_SIDE_MASK) != 0)
				continue;
			list.links[i] = list.links[nfirst];
			list.links[nfirst++] = link;
		}
		head->nfirst = head->nopen[0] = nfirst;
		head->nopen[1] = head->count - nfirst;
	}
}

/*-------------------------------------------------------------------------
 * Points that need no side
 *-------------------------------------------------------------------------
 */
static void
set_number(GraphBuild *build, PointId point, PointId new_id)
{
	order_sides(build, false)[point] |= ORDER_NUMBERED;
	order_new_ids(build)[point] = new_id;
}

static void
leave_out(GraphBuild *build, const bool *left_out)
{
	for (PointId point = 0; point < build->shared->npoints; point++)
	{
		if (left_out[point])
			set_number(build, point, InvalidPointId);
	}
}

/*
 * From this level on there is at most one point in FEW.  (A point reaches level
 * l with probability 1 / m^l.)
 */
static GraphLevel
level_of_few(int m)
{
	GraphLevel	level = 1;
	int			reach = m;

	while (reach < FEW && level < GRAPH_MAX_LEVEL)
	{
		reach *= m;
		level++;
	}
	return level;
}

/* Gives the first numbers to the points of high levels, highest first. */
static void
number_high_levels(GraphBuild *build)
{
	BuildShared *shared = build->shared;
	const uint8 *sides = order_sides(build, false);
	GraphLevel	lowest = level_of_few(build->options.m);

	for (GraphLevel level = GRAPH_MAX_LEVEL; level >= lowest; level--)
	{
		build_check_interrupts(build);
		for (PointId point = 0; point < shared->npoints; point++)
		{
			if (build->levels[point] == level &&
				(sides[point] & ORDER_NUMBERED) == 0)
				set_number(build, point, shared->order.first++);
		}
	}
}

/*-------------------------------------------------------------------------
 * The team
 *-------------------------------------------------------------------------
 */

/* Does a member's share of the stage. */
static void
work_at_stage(GraphBuild *build)
{
	static void (*const work[]) (GraphBuild *build, PointId begin,
								 PointId end) = {
		[STAGE_SPLIT] = split_points,
		[STAGE_SETTLE] = settle_points,
		[STAGE_DIVIDE] = divide_lists
	};
	BuildShared *shared = build->shared;
	uint32		nsides = order_nsides(shared->npoints);
	uint32		i;

	if (shared->order.stage == STAGE_NUMBER)
	{
		while ((i = build_shared_add(&shared->next_point, 1)) < nsides)
			order_number_side(build, i);
		return;
	}
	while ((i = build_shared_add(&shared->next_point, TAKE_POINTS)) <
		   shared->npoints)
	{
		build_check_interrupts(build);
		work[shared->order.stage] (build, i,
								   Min(i + TAKE_POINTS, shared->npoints));
	}
}

/* The team waits before each stage and after it. */
static void
lead_stage(GraphBuild *build, GraphTeam *team, OrderStage stage)
{
	build->shared->order.stage = stage;
	build->shared->next_point = 0;
	team->wait(team);
	work_at_stage(build);
	team->wait(team);
}

static void
find_sides(GraphBuild *build, GraphTeam *team)
{
	BuildOrder *order = &build->shared->order;

	order->second = false;
	if (order_nsides(build->shared->npoints) == 1)
	{
		memset(order_sides(build, false), 0, build->shared->npoints);
		return;
	}
	choose_pivots(build);
	lead_stage(build, team, STAGE_SPLIT);
	order->second = !order->second;
	for (int i = 0; i < SETTLE_ROUNDS; i++)
	{
		lead_stage(build, team, STAGE_SETTLE);
		order->second = !order->second;
	}
}

const PointId *
graph_order_lead(GraphBuild *build, GraphTeam *team,
				 const GraphOrderOptions *options)
{
	BuildShared *shared = build->shared;

	Assert(options->per_page > 0);
	shared->done = false;
	shared->order.per_page = options->per_page;
	shared->order.first = options->first;
	find_sides(build, team);
	if (options->left_out != NULL)
		leave_out(build, options->left_out);
	number_high_levels(build);
	lead_stage(build, team, STAGE_DIVIDE);
	lead_stage(build, team, STAGE_NUMBER);

	/* as after the last batch of a build */
	shared->done = true;
	team->wait(team);
	team->wait(team);
	return order_new_ids(build);
}

void
graph_order_help(GraphBuild *build, GraphTeam *team, uint32 nwaits)
{
	bool		done = false;

	while (!done)
	{
		if (nwaits++ % 2 == 1)
		{
			done = build->shared->done;
			if (!done)
				work_at_stage(build);
		}
		team->wait(team);
	}
}

const PointId *
graph_order_alone(GraphBuild *build, const GraphOrderOptions *options)
{
	return graph_order_lead(build, &build_nobody, options);
}

void *
graph_order_room(const GraphBuild *build, PointId point, Size *size)
{
	int			capacity = build_list_capacity(build->options.m, 0);

	*size = capacity * sizeof(float);
	return build->distances_of[0] + (uint64) point * capacity;
}
