/*-------------------------------------------------------------------------
 *
 * simulation_test.c
 *	  Inserts, deletions, vacuums and scans at the same time, with crashes.
 *
 * Many actors work on one graph in memory (sim_store.h).  A seed decides who
 * makes the next step, who stops for a while, who is cancelled, and when all
 * is cut off; whatever was written until then must be a graph that keeps the
 * invariants of src/README.  Each episode has its own seed, kind of data and
 * parameters, and is repeated by
 *
 *		simulation_test SEED 1
 *
 * test/unit/simulation_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "sim_store.h"

#include "graph/insert.h"
#include "graph/vacuum.h"

#define MAX_ACTORS			12
#define MAX_TRANSACTION		4	/* rows */
#define MAX_POINTS			6000
#define MAX_ROWS			20000
#define STEPS_PER_EPISODE	200000

#ifdef __SANITIZE_ADDRESS__
#define DEFAULT_EPISODES	15
#else
#define DEFAULT_EPISODES	150
#endif

/* An actor that needs more is thought to run for ever. */
#define MAX_STEPS_AFTER		20000000

typedef enum ActorKind
{
	INSERTER,
	SCANNER,
	VACUUM
} ActorKind;

typedef struct Episode Episode;

typedef struct Actor
{
	Fiber		fiber;
	SimView		view;
	Episode    *episode;
	ActorKind	kind;
	uint64		xmin;			/* nothing it may have seen is given back */
	uint64		paused;			/* until that step */
	GraphInsert *insert;
	GraphSearch *search;
	GraphVacuum *vacuum;
	uint32		rows[MAX_TRANSACTION];
	int			nrows;
} Actor;

struct Episode
{
	Sim			sim;
	GraphInsertOptions options;
	int			ef_search;
	int			nactors;
	int			nclusters;		/* 0: a grid, where many distances are equal */
	double		equal;			/* vectors that are there already */
	double		cancel;			/* chance at each step */
	int			target;			/* live rows wanted */
	int			nlive;
	bool		vacuum_runs;
	bool		clean;			/* all vacuums came to their end */
	float		centres[8][SIM_MAX_DIM];
	Actor		actors[MAX_ACTORS];
};

/* What all episodes found */
static struct
{
	uint64		steps;
	uint64		records;
	uint64		inserts;
	uint64		joins;
	uint64		deletes;
	uint64		scans;
	uint64		vacuums;
	uint64		freed;
	uint64		taken_back;		/* ids given out in vain */
	uint64		cancels;
	uint64		crashes;
	uint64		checks;
	uint64		wanted;			/* rows that scans should find */
	uint64		found;
	uint64		points_checked;	/* without hubs */
	uint64		lost;			/* live points that cannot be reached */
	uint64		lost_clean;		/* the same, though no vacuum was cut off, and
								 * lists have room for other ways */
	uint64		hub_points_checked; /* with hubs */
	uint64		hub_lost;
	uint64		own_wanted;		/* rows searched for with their own vector */
	uint64		own_found;
	uint64		last_wanted;	/* rows that scans should find in the end */
	uint64		last_found;
} total;

/*-------------------------------------------------------------------------
 * Data
 *-------------------------------------------------------------------------
 */
static void
new_vector(Episode *episode, float *vector)
{
	Sim		   *sim = &episode->sim;

	memset(vector, 0, SIM_MAX_DIM * sizeof(float));
	if (sim->nrows > 0 && unit_random_double() < episode->equal)
	{
		memcpy(vector, sim->rows[unit_random_below(sim->nrows)].vector,
			   SIM_MAX_DIM * sizeof(float));
		return;
	}
	for (int i = 0; i < sim->options.dim; i++)
	{
		if (episode->nclusters == 0)
			vector[i] = (float) unit_random_below(8);
		else
			vector[i] = (float)
				(episode->centres[unit_random_below(episode->nclusters)][i] +
				 0.3 * unit_random_normal());
	}
}

/*-------------------------------------------------------------------------
 * Inserters
 *-------------------------------------------------------------------------
 */
static bool
join_equal(void *arg, const GraphNeighbour *found, int n)
{
	SimView    *view = &((Actor *) arg)->view;
	Sim		   *sim = view->sim;

	for (int i = 0; i < n; i++)
	{
		sim_step(sim);
		if (memcmp(sim_point(sim, found[i].point)->vector, view->query,
				   sizeof(view->query)) == 0 &&
			sim_join(view, found[i].point))
		{
			total.joins++;
			return true;
		}
	}
	return false;
}

static void
insert_one(Actor *actor)
{
	Episode    *episode = actor->episode;
	Sim		   *sim = &episode->sim;
	uint32		row;

	new_vector(episode, actor->view.query);
	row = sim_new_row(sim, actor->view.query);
	actor->rows[actor->nrows++] = row;
	actor->view.row = row;
	sim_step(sim);
	(void) graph_insert(actor->insert, sim->entry,
						graph_random_level(unit_random(), row,
										   sim->options.m));
	total.inserts++;
}

static void
run_inserter(void *arg)
{
	Actor	   *actor = arg;
	Sim		   *sim = actor->view.sim;
	int			nrows = 1 + unit_random_below(MAX_TRANSACTION);

	actor->xmin = sim->next_xid++;
	for (int i = 0; i < nrows; i++)
		insert_one(actor);
	for (int i = 0; i < nrows; i++)
		sim->rows[actor->rows[i]].state = SIM_ROW_LIVE;
	actor->episode->nlive += nrows;
	actor->nrows = 0;
	actor->xmin = 0;
}

/*-------------------------------------------------------------------------
 * Scanners
 *-------------------------------------------------------------------------
 */
#define SCAN_ROWS	10
#define MAX_EF		80

typedef struct RowDistance
{
	float		distance;
	uint32		row;
} RowDistance;

static int
compare_row_distances(const void *a, const void *b)
{
	const RowDistance *x = a;
	const RowDistance *y = b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

/* The nearest rows that are there; returns how many. */
static int
nearest_rows(const Sim *sim, const float *query, uint32 *nearest)
{
	static RowDistance all[MAX_ROWS];
	int			n = 0;

	for (uint32 row = 0; row < sim->nrows; row++)
	{
		if (sim->rows[row].state != SIM_ROW_LIVE)
			continue;
		all[n].row = row;
		all[n++].distance = sim_distance(sim, query, sim->rows[row].vector);
	}
	qsort(all, n, sizeof(RowDistance), compare_row_distances);
	n = Min(n, SCAN_ROWS);
	for (int i = 0; i < n; i++)
		nearest[i] = all[i].row;
	return n;
}

static bool
row_is_among(const Sim *sim, uint32 row, const GraphNeighbour *found, int n)
{
	for (int i = 0; i < n; i++)
	{
		const SimPoint *point = &sim->points[found[i].point];

		for (int j = 0; j < point->nrows; j++)
		{
			if (point->rows[j] == row)
				return true;
		}
	}
	return false;
}

/* Adds the points of one more batch to those found. */
static int
take_results(Actor *actor, GraphNeighbour *found, int nfound, int max)
{
	Sim		   *sim = actor->view.sim;
	int			n;
	const GraphNeighbour *results = graph_search_results(actor->search, &n);

	for (int i = 0; i < n; i++)
	{
		(void) sim_point(sim, results[i].point);
		for (int j = 0; j < nfound; j++)
			sim_check(sim, found[j].point != results[i].point,
					  "a scan gave a point twice");
		if (nfound < max)
			found[nfound++] = results[i];
	}
	return nfound;
}

/* Searches for the query of the view; returns how many points it found. */
static int
search(Actor *actor, int ncontinue, GraphNeighbour *found, int max)
{
	Episode    *episode = actor->episode;
	GraphEntry	entry = episode->sim.entry;
	GraphNeighbour start;
	int			n;

	if (!PointIdIsValid(entry.point))
		return 0;
	start = graph_descend(actor->search, entry.point, entry.level, 1);
	(void) graph_search_level(actor->search, &start, 1, 0,
							  episode->ef_search);
	n = take_results(actor, found, 0, max);
	for (int i = 0; i < ncontinue; i++)
	{
		(void) graph_search_continue(actor->search, episode->ef_search, true);
		n = take_results(actor, found, n, max);
	}
	return n;
}

/*
 * Searches, and counts what it should find and does, unless it can come to
 * nothing but hubs.
 */
static void
scan(Actor *actor, int ncontinue, uint64 *wanted, uint64 *nfound)
{
	Sim		   *sim = actor->view.sim;
	GraphNeighbour found[4 * MAX_EF];
	uint32		nearest[SCAN_ROWS];
	int			nnearest = nearest_rows(sim, actor->view.query, nearest);
	int			n = search(actor, ncontinue, found, lengthof(found));

	for (int i = 0; i < nnearest; i++)
	{
		if (sim->rows[nearest[i]].state != SIM_ROW_LIVE || sim->options.hubs)
			continue;
		(*wanted)++;
		*nfound += row_is_among(sim, nearest[i], found, n);
	}
}

static void
run_scanner(void *arg)
{
	Actor	   *actor = arg;

	/* one that nobody waits for is one on a standby */
	actor->xmin = unit_random_below(2) ? actor->view.sim->next_xid : 0;
	new_vector(actor->episode, actor->view.query);
	scan(actor, unit_random_below(4), &total.wanted, &total.found);
	actor->xmin = 0;
	total.scans++;
}

/*-------------------------------------------------------------------------
 * Vacuums
 *-------------------------------------------------------------------------
 */
/* All transactions before this one are over. */
static uint64
oldest_transaction(const Episode *episode)
{
	uint64		oldest = episode->sim.next_xid;

	for (int i = 0; i < MAX_ACTORS; i++)
	{
		uint64		xmin = episode->actors[i].xmin;

		if (xmin != 0)
			oldest = Min(oldest, xmin);
	}
	return oldest;
}

static void
doom_rows(Sim *sim)
{
	for (uint32 row = 0; row < sim->nrows; row++)
	{
		if (sim->rows[row].state == SIM_ROW_GONE)
			sim->rows[row].state = SIM_ROW_DOOMED;
	}
}

/* What has become of the rows of a vacuum, when it is done or is no more */
static void
release_rows(Sim *sim, SimRowState state)
{
	for (uint32 row = 0; row < sim->nrows; row++)
	{
		if (sim->rows[row].state == SIM_ROW_DOOMED)
			sim->rows[row].state = state;
	}
}

/* Returns whether any point is dead, or not written. */
static bool
prune_page(Sim *sim, PointId first, PointId end)
{
	bool		any_gone = false;

	sim_record(sim);
	for (PointId id = first; id < end; id++)
	{
		SimPoint   *point = &sim->points[id];

		if (point->state == SIM_LIVE && sim_prune(sim, point))
		{
			point->state = SIM_DEAD;
			point->xid = sim->next_xid;
		}
		any_gone |= point->state == SIM_DEAD || point->state == SIM_EMPTY;
	}
	return any_gone;
}

/* What a vacuum measures the time by */
typedef struct Horizon
{
	uint64		oldest;			/* transactions before this one are over */
	PointId		begin_npoints;	/* these were given out by transactions ... */
	uint64		begin_xid;		/* ... before this one */
} Horizon;

/* Takes back ids that were given out in vain, unless they are written by now. */
static void
take_back(Sim *sim, const PointId *ids, int n)
{
	if (n == 0)
		return;
	sim_record(sim);
	for (int i = 0; i < n; i++)
	{
		if (sim->points[ids[i]].state == SIM_EMPTY)
			sim_free_point(sim, ids[i]);
	}
	total.taken_back += n;
}

static void
look_at_page(Sim *sim, GraphVacuum *vacuum, const Horizon *horizon,
			 PointId first, PointId end)
{
	PointId		in_vain[64];
	int			n = 0;

	sim_step(sim);
	for (PointId id = first; id < end; id++)
	{
		SimPoint   *point = &sim->points[id];

		if (point->state == SIM_EMPTY &&
			(point->xid > 0 ? point->xid <= horizon->oldest :
			 id < horizon->begin_npoints &&
			 horizon->begin_xid <= horizon->oldest))
			in_vain[n++] = id;

		if (point->state == SIM_LIVE)
			graph_vacuum_note(vacuum, id, point->level, GRAPH_LIVE);
		if (point->state == SIM_DEAD)
			graph_vacuum_note(vacuum, id, point->level,
							  point->xid <= horizon->oldest ?
							  GRAPH_OLD_DEAD : GRAPH_DEAD);
	}
	take_back(sim, in_vain, n);
}

static void
replace_entry(Sim *sim, GraphVacuum *vacuum)
{
	PointId		seen = sim->entry.point;
	GraphEntry	entry = graph_vacuum_new_entry(vacuum, seen);

	sim_record(sim);
	if (PointIdIsValid(entry.point) && sim->entry.point == seen)
		sim->entry = entry;
}

static void
free_old(Sim *sim, GraphVacuum *vacuum, PointId npoints)
{
	PointId		points[64];

	for (PointId first = 0; first < npoints; first += sim->options.per_page)
	{
		int			n = graph_vacuum_old_dead(vacuum, first,
											  Min((PointId) sim->options.per_page,
												  npoints - first), points);

		if (n == 0)
			continue;
		sim_record(sim);
		for (int i = 0; i < n; i++)
			sim_free_point(sim, points[i]);
		total.freed += n;
	}
}

static void
set_query(void *arg, PointId point)
{
	SimView    *view = &((Actor *) arg)->view;

	memcpy(view->query, sim_point(view->sim, point)->vector,
		   sizeof(view->query));
}

/* Links and points, after the rows; see am/vacuum.c. */
static void
remove_points(Actor *actor, Horizon *horizon)
{
	Episode    *episode = actor->episode;
	Sim		   *sim = &episode->sim;
	PointId		per_page = sim->options.per_page;
	GraphVacuumOptions options = {
		.graph = &actor->view.graph,
		.distances = &actor->view.distances,
		.writer = &actor->view.writer,
		.m = sim->options.m,
		.select = episode->options.select,
		.npoints = sim->npoints,
		.max_batch = per_page,
		.ef = episode->options.ef_construction,
		.set_query = set_query,
		.arg = actor
	};

	horizon->oldest = oldest_transaction(episode);
	actor->vacuum = graph_vacuum_create(&options);
	for (PointId first = 0; first < options.npoints; first += per_page)
		look_at_page(sim, actor->vacuum, horizon, first,
					 Min(first + per_page, options.npoints));
	replace_entry(sim, actor->vacuum);
	for (PointId first = 0; first < options.npoints; first += per_page)
		graph_vacuum_repair(actor->vacuum, first,
							Min(per_page, options.npoints - first));
	graph_vacuum_connect(actor->vacuum);
	free_old(sim, actor->vacuum, options.npoints);
}

static void
run_vacuum(void *arg)
{
	Actor	   *actor = arg;
	Episode    *episode = actor->episode;
	Sim		   *sim = &episode->sim;
	PointId		per_page = sim->options.per_page;
	PointId		npoints = sim->npoints;
	Horizon		horizon = {
		.begin_npoints = npoints,
		.begin_xid = sim->next_xid
	};
	bool		any_gone = false;

	doom_rows(sim);
	sim_record(sim);
	for (PointId first = 0; first < npoints; first += per_page)
		any_gone |= prune_page(sim, first, Min(first + per_page, npoints));
	if (any_gone)
		remove_points(actor, &horizon);
	release_rows(sim, SIM_ROW_NONE);
	episode->vacuum_runs = false;
	episode->clean = true;
	total.vacuums++;
}

/*-------------------------------------------------------------------------
 * Invariants
 *-------------------------------------------------------------------------
 */
static void
check_list(Sim *sim, PointId id, int level)
{
	const SimPoint *point = &sim->points[id];
	const SimList *list = &point->lists[level];

	sim_check(sim, list->n <= GraphMaxLinks(sim->options.m, level),
			  "a list is too long");
	for (int i = 0; i < list->n; i++)
	{
		const SimPoint *target = sim_point(sim, list->links[i]);

		sim_check(sim, list->links[i] != id, "a point links to itself");
		sim_check(sim, target->level >= level,
				  "a link leads to a point below its level");
		for (int j = 0; j < i; j++)
			sim_check(sim, list->links[i] != list->links[j],
					  "a link is there twice");
		if (point->state == SIM_LIVE)
			sim_check(sim, target->state == SIM_LIVE ||
					  target->state == SIM_DEAD,
					  "a live point links to a free one");
	}
}

static void
check_points(Sim *sim)
{
	for (PointId id = 0; id < sim->npoints; id++)
	{
		const SimPoint *point = &sim->points[id];

		if (point->state != SIM_LIVE && point->state != SIM_DEAD)
			continue;
		sim_check(sim, (point->nrows > 0) == (point->state == SIM_LIVE),
				  "a point without rows is alive, or a dead one has some");
		for (int level = 0; level <= point->level; level++)
			check_list(sim, id, level);
	}
	if (PointIdIsValid(sim->entry.point))
	{
		const SimPoint *point = sim_point(sim, sim->entry.point);

		sim_check(sim, point->state == SIM_LIVE || point->state == SIM_DEAD,
				  "the entry point is free");
		sim_check(sim, point->level == sim->entry.level,
				  "the entry point has another level");
	}
}

static void
check_free_lists(Sim *sim)
{
	static bool seen[MAX_POINTS];

	memset(seen, 0, sizeof(seen));
	for (int level = 0; level <= GRAPH_MAX_LEVEL; level++)
	{
		for (PointId id = sim->free_points[level]; PointIdIsValid(id);
			 id = sim->points[id].next_free)
		{
			const SimPoint *point = sim_point(sim, id);

			sim_check(sim, point->state == SIM_FREE && point->level == level,
					  "a point is in the list of free ones and is not free");
			if (seen[id])
			{
				sim_check(sim, false, "a point is free twice");
				return;
			}
			seen[id] = true;
		}
	}
}

/* Every row of a transaction that ended is at one place, with its vector. */
static void
check_rows(Sim *sim)
{
	static uint8 places[MAX_ROWS];

	memset(places, 0, sizeof(places));
	for (PointId id = 0; id < sim->npoints; id++)
	{
		const SimPoint *point = &sim->points[id];

		if (point->state != SIM_LIVE)
			continue;
		for (int i = 0; i < point->nrows; i++)
		{
			const SimRow *row = &sim->rows[point->rows[i]];

			sim_check(sim, places[point->rows[i]]++ == 0,
					  "a row is there twice");
			sim_check(sim, memcmp(row->vector, point->vector,
								  sizeof(row->vector)) == 0,
					  "a point has a row with another vector");
		}
	}
	for (uint32 row = 0; row < sim->nrows; row++)
	{
		SimRowState state = sim->rows[row].state;

		sim_check(sim, state != SIM_ROW_LIVE || places[row] == 1,
				  "a row is missing");
		sim_check(sim, state != SIM_ROW_NONE || places[row] == 0,
				  "a row is left that was vacuumed");
	}
}

/* Live points with live rows that a walk over level 0 does not come to */
static int
count_lost(Sim *sim)
{
	static bool seen[MAX_POINTS];
	static PointId stack[MAX_POINTS];
	int			depth = 0;
	int			nlost = 0;

	memset(seen, 0, sizeof(seen));
	if (PointIdIsValid(sim->entry.point))
	{
		seen[sim->entry.point] = true;
		stack[depth++] = sim->entry.point;
	}
	while (depth > 0)
	{
		const SimPoint *point = &sim->points[stack[--depth]];

		if (point->state != SIM_LIVE && point->state != SIM_DEAD)
			continue;
		for (int i = 0; i < point->lists[0].n; i++)
		{
			PointId		target = point->lists[0].links[i];

			if (!seen[target])
				stack[depth++] = target;
			seen[target] = true;
		}
	}
	for (PointId id = 0; id < sim->npoints; id++)
	{
		const SimPoint *point = &sim->points[id];
		bool		committed = false;

		if (point->state != SIM_LIVE)
			continue;
		for (int i = 0; i < point->nrows; i++)
			committed |= sim->rows[point->rows[i]].state == SIM_ROW_LIVE;
		if (sim->options.hubs)
			total.hub_points_checked += committed;
		else
			total.points_checked += committed;
		nlost += committed && !seen[id];
	}
	return nlost;
}

/* Are some of the rows found with their own vectors? */
static void
look_for_rows(Episode *episode, Actor *actor)
{
	Sim		   *sim = &episode->sim;

	for (int i = 0; i < 20 && sim->nrows > 0 && sim->fault == NULL; i++)
	{
		uint32		row = unit_random_below(sim->nrows);
		GraphNeighbour found[MAX_EF];

		if (sim->rows[row].state != SIM_ROW_LIVE || sim->options.hubs)
			continue;
		memcpy(actor->view.query, sim->rows[row].vector,
			   sizeof(actor->view.query));
		total.own_wanted++;
		total.own_found += row_is_among(sim, row, found,
										search(actor, 0, found, MAX_EF));
	}
}

static void
check(Episode *episode)
{
	Sim		   *sim = &episode->sim;
	int			nlost;

	check_points(sim);
	check_free_lists(sim);
	check_rows(sim);
	look_for_rows(episode, &episode->actors[0]);
	nlost = count_lost(sim);
	if (sim->options.hubs)
		total.hub_lost += nlost;
	else
	{
		total.lost += nlost;
		if (episode->clean && sim->options.m >= 4)
			total.lost_clean += nlost;
	}
	total.checks++;
}

/*-------------------------------------------------------------------------
 * Who does what
 *-------------------------------------------------------------------------
 */
static void
open_actor(Episode *episode, Actor *actor)
{
	GraphInsertOptions options = episode->options;

	fiber_create(&actor->fiber);
	sim_open_view(&episode->sim, &actor->view);
	actor->episode = episode;
	options.graph = &actor->view.graph;
	options.distances = &actor->view.distances;
	options.writer = &actor->view.writer;
	options.m = episode->sim.options.m;
	options.join = join_equal;
	options.join_arg = actor;
	actor->insert = graph_insert_create(&options);
	actor->search = graph_search_create(&actor->view.graph, true);
}

static void
close_actor(Actor *actor)
{
	graph_insert_free(actor->insert);
	graph_search_free(actor->search);
	if (actor->vacuum != NULL)
		graph_vacuum_free(actor->vacuum);
	fiber_free(&actor->fiber);
}

/* The actor ends where it is. */
static void
drop_actor(Actor *actor)
{
	Episode    *episode = actor->episode;
	Sim		   *sim = &episode->sim;

	if (!actor->fiber.running)
		return;
	actor->fiber.running = false;
	for (int i = 0; i < actor->nrows; i++)
		sim->rows[actor->rows[i]].state = SIM_ROW_GONE;
	actor->nrows = 0;
	actor->xmin = 0;
	actor->paused = 0;
	if (actor->kind == VACUUM)
	{
		release_rows(sim, SIM_ROW_GONE);
		episode->vacuum_runs = false;
		episode->clean = false;
	}
}

static void
start_actor(Actor *actor, ActorKind kind)
{
	static const FiberFunction functions[] = {
		run_inserter, run_scanner, run_vacuum
	};

	actor->kind = kind;
	if (kind == VACUUM)
	{
		actor->episode->vacuum_runs = true;
		if (actor->vacuum != NULL)
			graph_vacuum_free(actor->vacuum);
		actor->vacuum = NULL;
	}
	fiber_start(&actor->fiber, functions[kind], actor);
}

/* Gives an idle actor something to do. */
static void
find_work(Episode *episode, Actor *actor)
{
	Sim		   *sim = &episode->sim;
	uint32		dice = unit_random_below(100);

	if (dice < 6)
	{
		if (!episode->vacuum_runs)
			start_actor(actor, VACUUM);
	}
	else if (dice < 20)
		start_actor(actor, SCANNER);
	else if (sim->npoints + MAX_ACTORS * MAX_TRANSACTION < MAX_POINTS &&
			 sim->nrows + MAX_ACTORS * MAX_TRANSACTION < MAX_ROWS &&
			 (episode->nlive < episode->target || dice < 50))
		start_actor(actor, INSERTER);
}

static void
delete_rows(Episode *episode, int n)
{
	Sim		   *sim = &episode->sim;

	while (n-- > 0 && sim->nrows > 0)
	{
		SimRow	   *row = &sim->rows[unit_random_below(sim->nrows)];

		if (row->state != SIM_ROW_LIVE)
			continue;
		row->state = SIM_ROW_GONE;
		episode->nlive--;
		total.deletes++;
	}
}

static void
one_turn(Episode *episode, bool may_start)
{
	Sim		   *sim = &episode->sim;
	Actor	   *actor = &episode->actors[unit_random_below(episode->nactors)];

	if (!actor->fiber.running)
	{
		if (may_start)
			find_work(episode, actor);
		return;
	}
	if (may_start && actor->paused > sim->steps)
	{
		/* so that time goes on when all are paused */
		sim->steps++;
		return;
	}
	fiber_resume(&actor->fiber);
	if (unit_random_below(4000) == 0)
		actor->paused = sim->steps + unit_random_below(50000);
	if (unit_random_double() < episode->cancel)
	{
		drop_actor(actor);
		total.cancels++;
	}
}

static bool
any_runs(const Episode *episode)
{
	for (int i = 0; i < episode->nactors; i++)
	{
		if (episode->actors[i].fiber.running)
			return true;
	}
	return false;
}

static void
finish_all(Episode *episode)
{
	Sim		   *sim = &episode->sim;
	uint64		limit = sim->steps + MAX_STEPS_AFTER;

	while (any_runs(episode) && sim->fault == NULL)
	{
		one_turn(episode, false);
		sim_check(sim, sim->steps < limit, "somebody does not come to an end");
	}
}

static void
crash(Episode *episode)
{
	for (int i = 0; i < episode->nactors; i++)
		drop_actor(&episode->actors[i]);
	total.crashes++;
}

static void
run_phase(Episode *episode, uint64 nsteps)
{
	Sim		   *sim = &episode->sim;
	uint64		end = sim->steps + nsteps;

	while (sim->steps < end && sim->fault == NULL)
	{
		one_turn(episode, true);
		if (episode->nlive > episode->target && unit_random_below(50) == 0)
			delete_rows(episode, 1 + unit_random_below(20));
	}
	if (unit_random_below(2) == 0)
		crash(episode);
	else
		finish_all(episode);
	check(episode);
}

/* Alone, and to the end */
static void
run_alone(Episode *episode, ActorKind kind)
{
	start_actor(&episode->actors[0], kind);
	finish_all(episode);
}

static void
last_phase(Episode *episode)
{
	Sim		   *sim = &episode->sim;
	Actor	   *actor = &episode->actors[0];

	finish_all(episode);
	episode->cancel = 0;
	run_alone(episode, VACUUM);

	/* one that has nothing to do does not look whether points are lost */
	delete_rows(episode, 10);
	run_alone(episode, VACUUM);
	sim_check(sim, count_lost(sim) == 0,
			  "a row cannot be reached after a vacuum");
	check(episode);
	for (int i = 0; i < 50 && sim->fault == NULL; i++)
	{
		new_vector(episode, actor->view.query);
		scan(actor, 0, &total.last_wanted, &total.last_found);
	}
}

/*-------------------------------------------------------------------------
 * Episodes
 *-------------------------------------------------------------------------
 */
static void
choose_options(Episode *episode)
{
	static const int ms[] = {2, 3, 4, 8, 16};
	static const double yields[] = {1, 1, 0.3, 0.03};
	static const double cancels[] = {0, 0, 0.00003, 0.0003};
	int			m = ms[unit_random_below(lengthof(ms))];
	SimOptions	options = {
		.dim = 1 + unit_random_below(SIM_MAX_DIM),
		.m = m,
		.per_page = 1 + unit_random_below(24),
		.yield = yields[unit_random_below(lengthof(yields))],
		.blur = unit_random_below(2) ? 0.1 : 0,
		.hubs = unit_random_below(8) == 0
	};

	sim_create(&episode->sim, &options, MAX_POINTS, MAX_ROWS);
	episode->options.ef_construction = 2 * m + unit_random_below(32);
	episode->options.select.heuristic = unit_random_below(8) > 0;
	episode->options.select.keep_pruned = unit_random_below(2);
	episode->options.select.extend_candidates = unit_random_below(4) == 0;
	episode->ef_search = 20 + unit_random_below(MAX_EF - 20);
	episode->nactors = 1 + unit_random_below(MAX_ACTORS);
	episode->nclusters = unit_random_below(4) == 0 ? 0 :
		1 + unit_random_below(lengthof(episode->centres));
	episode->equal = unit_random_below(3) == 0 ? 0.2 : 0;
	episode->cancel = cancels[unit_random_below(lengthof(cancels))];
	for (int i = 0; i < (int) lengthof(episode->centres); i++)
	{
		for (int j = 0; j < SIM_MAX_DIM; j++)
			episode->centres[i][j] = (float) unit_random_normal();
	}
	episode->clean = true;
}

static const char *
run_episode(uint64 nsteps)
{
	static Episode episode;
	Sim		   *sim = &episode.sim;
	int			nphases = 1 + unit_random_below(6);

	memset(&episode, 0, sizeof(Episode));
	choose_options(&episode);
	for (int i = 0; i < episode.nactors; i++)
		open_actor(&episode, &episode.actors[i]);
	for (int i = 0; i < nphases && sim->fault == NULL; i++)
	{
		episode.target = unit_random_below(5) == 0 ?
			0 : unit_random_below(1500);
		run_phase(&episode, nsteps / nphases);
	}
	if (sim->fault == NULL)
		last_phase(&episode);
	total.steps += sim->steps;
	total.records += sim->records;
	for (int i = 0; i < episode.nactors; i++)
		close_actor(&episode.actors[i]);
	sim_free(sim);
	return sim->fault;
}

static void
report(int nepisodes, int nfaults)
{
	printf("# %d episodes, %llu steps, %llu records, %llu crashes, "
		   "%llu cancelled\n", nepisodes,
		   (unsigned long long) total.steps,
		   (unsigned long long) total.records,
		   (unsigned long long) total.crashes,
		   (unsigned long long) total.cancels);
	printf("# %llu rows inserted, %llu of them joined a point, %llu deleted, "
		   "%llu vacuums, %llu points and %llu ids given back, %llu scans\n",
		   (unsigned long long) total.inserts,
		   (unsigned long long) total.joins,
		   (unsigned long long) total.deletes,
		   (unsigned long long) total.vacuums,
		   (unsigned long long) total.freed,
		   (unsigned long long) total.taken_back,
		   (unsigned long long) total.scans);
	unit_ok(nfaults == 0, "the invariants hold in %d of %d episodes",
			nepisodes - nfaults, nepisodes);
	unit_ok(total.lost * 200 <= total.points_checked &&
			total.lost_clean * 50000 <= total.points_checked,
			"points that cannot be reached: %llu of %llu, "
			"%llu where no vacuum was cut off and m is 4 or more",
			(unsigned long long) total.lost,
			(unsigned long long) total.points_checked,
			(unsigned long long) total.lost_clean);
	unit_ok(total.hub_lost * 30 <= total.hub_points_checked,
			"with hubs: %llu of %llu",
			(unsigned long long) total.hub_lost,
			(unsigned long long) total.hub_points_checked);
	unit_ok(total.own_found >= 0.9 * total.own_wanted,
			"rows found with their own vector: %llu of %llu",
			(unsigned long long) total.own_found,
			(unsigned long long) total.own_wanted);
	unit_ok(total.found >= 0.9 * total.wanted,
			"recall of scans among changes: %.3f",
			(double) total.found / total.wanted);
	unit_ok(total.last_found >= 0.9 * total.last_wanted,
			"recall after the last vacuum: %.3f",
			(double) total.last_found / total.last_wanted);
}

int
main(int argc, char **argv)
{
	bool		all = getenv("VECTOR_HNSW_LONG") != NULL;
	int			nepisodes = argc > 2 ? atoi(argv[2]) :
		DEFAULT_EPISODES * (all ? 20 : 1);
	int			nfaults = 0;
	uint64		seed;

	unit_start(argc, argv);
	seed = unit_random_state;
	for (int i = 0; i < nepisodes; i++)
	{
		const char *fault;

		unit_random_state = seed + i;
		(void) unit_random();
		fault = run_episode(STEPS_PER_EPISODE);
		if (fault != NULL)
		{
			printf("# %s: repeat with arguments %llu 1\n", fault,
				   (unsigned long long) (seed + i));
			nfaults++;
		}
	}
	report(nepisodes, nfaults);
	return unit_finish();
}
