/*-------------------------------------------------------------------------
 *
 * sim_store.h
 *	  An index in memory that several actors use and change at the same time,
 *	  and that any of them can stop using at any time.
 *
 * It does what the one on disk does, record by record: each function that
 * reads or writes lets others run first (sim_step), and then is done at once.
 * Pages are groups of points that a record can change together.  What the
 * access method adds, heap rows and transactions, is here as far as the graph
 * can notice it.
 *
 * test/unit/sim_store.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_SIM_STORE_H
#define HNSW_SIM_STORE_H

#include "fiber.h"
#include "graph/graph.h"

#define SIM_MAX_M			16
#define SIM_MAX_DIM			8
#define SIM_PAGES_PER_RECORD 4

/* A row of the table and of the transaction that wrote it */
typedef enum SimRowState
{
	SIM_ROW_NONE,				/* its number can be used */
	SIM_ROW_OPEN,				/* the transaction runs */
	SIM_ROW_LIVE,
	SIM_ROW_GONE,				/* deleted, or its transaction was aborted */
	SIM_ROW_DOOMED				/* a vacuum takes it out of the index */
} SimRowState;

typedef struct SimRow
{
	SimRowState state;
	float		vector[SIM_MAX_DIM];
} SimRow;

typedef enum SimPointState
{
	SIM_EMPTY,					/* the id was given out, new or once more */
	SIM_LIVE,
	SIM_DEAD,
	SIM_FREE
} SimPointState;

typedef struct SimList
{
	int			n;
	PointId		links[2 * SIM_MAX_M];
} SimList;

typedef struct SimPoint
{
	SimPointState state;
	GraphLevel	level;
	uint32		generation;		/* counts how often the id was given back */
	uint64		xid;			/* the next one when it was marked dead, or its
								 * id was taken that was free; else 0 */
	const void *taken_by;		/* who may write it */
	PointId		next_free;
	float		vector[SIM_MAX_DIM];
	SimList    *lists;			/* level 0 to level */
	uint32	   *rows;
	int			nrows;
	int			rows_allocated;
} SimPoint;

typedef struct SimOptions
{
	int			dim;
	int			m;
	int			per_page;		/* points */
	double		yield;			/* how often others run */
	double		blur;			/* how wrong distances of a search are */
	bool		hubs;			/* see sim_distance */
} SimOptions;

typedef struct Sim
{
	SimOptions	options;

	SimPoint   *points;
	PointId		npoints;
	PointId		points_allocated;
	PointId		free_points[GRAPH_MAX_LEVEL + 1];
	GraphEntry	entry;

	SimRow	   *rows;
	uint32		nrows;
	uint32		rows_allocated;

	uint64		next_xid;
	uint64		steps;
	uint64		records;
	const char *fault;			/* the first thing that went wrong */
} Sim;

/* What one actor sees of it */
typedef struct SimView
{
	GraphStore	graph;
	GraphStore	distances;
	GraphWriter writer;
	Sim		   *sim;
	float		query[SIM_MAX_DIM];
	uint32		row;			/* of the point to be written */
} SimView;

typedef struct SimChange
{
	GraphLinkChange list;		/* must be first */
	uint32		generation;
	uint32		nrows;
	SimList		seen;
} SimChange;

static inline SimView *
sim_view_of_graph(GraphStore *store)
{
	return (SimView *) ((char *) store - offsetof(SimView, graph));
}

static inline SimView *
sim_view_of_distances(GraphStore *store)
{
	return (SimView *) ((char *) store - offsetof(SimView, distances));
}

static inline SimView *
sim_view_of_writer(GraphWriter *writer)
{
	return (SimView *) ((char *) writer - offsetof(SimView, writer));
}

static inline void
sim_check(Sim *sim, bool condition, const char *fault)
{
	if (!condition && sim->fault == NULL)
		sim->fault = fault;
}

/* Others may run, and this actor may never again. */
static inline void
sim_step(Sim *sim)
{
	sim->steps++;
	if (fiber_current != NULL &&
		(sim->options.yield >= 1 ||
		 unit_random_double() < sim->options.yield))
		fiber_yield();
}

static inline void
sim_record(Sim *sim)
{
	sim_step(sim);
	sim->records++;
}

/*
 * With hubs, vectors are as good as orthogonal, like those of very many
 * dimensions: what is left of them are their norms, and the few shortest ones
 * are the nearest of all others.
 */
static inline float
sim_distance(const Sim *sim, const float *a, const float *b)
{
	float		sum = 0;

	if (sim->options.hubs)
	{
		if (memcmp(a, b, sim->options.dim * sizeof(float)) == 0)
			return 0;
		for (int i = 0; i < sim->options.dim; i++)
			sum += a[i] * a[i] + b[i] * b[i];
		return sum;
	}
	for (int i = 0; i < sim->options.dim; i++)
		sum += (a[i] - b[i]) * (a[i] - b[i]);
	return sum;
}

/* A point that a link leads to; the store on disk checks that, too. */
static inline SimPoint *
sim_point(Sim *sim, PointId point)
{
	static SimPoint nothing;

	if (point < sim->npoints)
		return &sim->points[point];
	sim_check(sim, false, "a point was asked for that never was");
	nothing.state = SIM_FREE;
	return &nothing;
}

/*-------------------------------------------------------------------------
 * Reading
 *-------------------------------------------------------------------------
 */
static int
sim_get_links(GraphStore *store, PointId id, GraphLevel level,
			  PointId *links, bool *live)
{
	Sim		   *sim = sim_view_of_graph(store)->sim;
	SimPoint   *point;

	sim_step(sim);
	point = sim_point(sim, id);
	*live = point->state == SIM_LIVE;
	if ((point->state != SIM_LIVE && point->state != SIM_DEAD) ||
		point->level < level)
		return 0;

	/* the upper slot is another page */
	if (level > 0)
		sim_step(sim);
	memcpy(links, point->lists[level].links,
		   point->lists[level].n * sizeof(PointId));
	return point->lists[level].n;
}

/* Distances of a search are estimates; the same pair has the same error. */
static void
sim_score(GraphStore *store, const PointId *points, int n, float *distances)
{
	SimView    *view = sim_view_of_graph(store);
	Sim		   *sim = view->sim;

	for (int i = 0; i < n; i++)
	{
		float		distance = sim_distance(sim, view->query,
											sim_point(sim, points[i])->vector);
		uint32		hash = points[i] * 0x9E3779B1U;

		distances[i] = (float) (distance *
								(1 + sim->options.blur *
								 ((hash >> 8) / 16777216.0 - 0.5)));
	}
}

static void
sim_score_exactly(GraphStore *store, const PointId *points, int n,
				  float *distances)
{
	SimView    *view = sim_view_of_distances(store);

	for (int i = 0; i < n; i++)
		distances[i] = sim_distance(view->sim, view->query,
									sim_point(view->sim, points[i])->vector);
}

static void
sim_score_between(GraphStore *store, PointId from, const PointId *points,
				  int n, float *distances)
{
	Sim		   *sim = sim_view_of_distances(store)->sim;
	const float *vector = sim_point(sim, from)->vector;

	for (int i = 0; i < n; i++)
	{
		sim_check(sim, points[i] != from, "a point was compared with itself");
		distances[i] = sim_distance(sim, vector,
									sim_point(sim, points[i])->vector);
	}
}

static GraphEntry
sim_get_entry(GraphWriter *writer)
{
	Sim		   *sim = sim_view_of_writer(writer)->sim;

	sim_step(sim);
	return sim->entry;
}

static bool
sim_read_links(GraphWriter *writer, PointId id, GraphLevel level,
			   GraphLinkChange *list)
{
	Sim		   *sim = sim_view_of_writer(writer)->sim;
	SimChange  *change = (SimChange *) list;
	SimPoint   *point;

	sim_step(sim);
	point = sim_point(sim, id);
	if (point->state != SIM_LIVE || point->level < level)
		return false;
	list->point = id;
	list->level = level;
	list->top = point->level;
	change->generation = point->generation;
	change->nrows = point->nrows;
	if (level > 0)
		sim_step(sim);
	change->seen = point->lists[level];
	list->nlinks = change->seen.n;
	memcpy(list->links, change->seen.links, list->nlinks * sizeof(PointId));
	return true;
}

/*-------------------------------------------------------------------------
 * Records of inserts
 *-------------------------------------------------------------------------
 */
static bool
sim_set_entry(GraphWriter *writer, PointId seen, GraphEntry entry,
			  bool linked)
{
	Sim		   *sim = sim_view_of_writer(writer)->sim;

	sim_record(sim);
	if (sim->entry.point != seen)
		return false;
	if (!linked && PointIdIsValid(seen) && seen != entry.point &&
		sim_point(sim, seen)->state == SIM_LIVE)
		return false;
	sim->entry = entry;
	return true;
}

/* The node at level 0, the slot above: each has its own idea of "as seen". */
static bool
sim_is_as_seen(const SimChange *change, const SimPoint *point)
{
	const SimList *list = &point->lists[change->list.level];

	if (change->list.level == 0 &&
		(point->state != SIM_LIVE ||
		 point->generation != change->generation ||
		 point->nrows != (int) change->nrows))
		return false;
	return list->n == change->seen.n &&
		memcmp(list->links, change->seen.links,
			   list->n * sizeof(PointId)) == 0;
}

static void
sim_change_links(Sim *sim, SimChange *change)
{
	GraphLinkChange *list = &change->list;
	SimPoint   *point = sim_point(sim, list->point);
	int			max = GraphMaxLinks(sim->options.m, list->level);

	sim_check(sim, list->nlinks <= max, "a list is too long");
	list->done = sim_is_as_seen(change, point);
	if (list->done)
	{
		point->lists[list->level].n = list->nlinks;
		memcpy(point->lists[list->level].links, list->links,
			   Min(list->nlinks, max) * sizeof(PointId));
	}
}

static int
sim_compare_changes(const void *a, const void *b)
{
	PointId		x = ((const SimChange *) a)->list.point;
	PointId		y = ((const SimChange *) b)->list.point;

	return (x > y) - (x < y);
}

/* How many of n changes fit a record */
static int
sim_record_length(const Sim *sim, const SimChange *changes, int n)
{
	PointId		page = InvalidPointId;
	int			npages = 0;

	if (changes[0].list.level > 0)
		return 1;
	for (int i = 0; i < n; i++)
	{
		if (changes[i].list.point / sim->options.per_page == page)
			continue;
		page = changes[i].list.point / sim->options.per_page;
		if (++npages > SIM_PAGES_PER_RECORD)
			return i;
	}
	return n;
}

static void
sim_write_links(GraphWriter *writer, GraphLinkChange *lists, int n)
{
	Sim		   *sim = sim_view_of_writer(writer)->sim;
	SimChange  *changes = (SimChange *) lists;

	qsort(changes, n, sizeof(SimChange), sim_compare_changes);
	while (n > 0)
	{
		int			length = sim_record_length(sim, changes, n);

		sim_record(sim);
		for (int i = 0; i < length; i++)
			sim_change_links(sim, &changes[i]);
		changes += length;
		n -= length;
	}
}

static PointId
sim_allocate(GraphWriter *writer, const GraphNewPoint *new_point)
{
	Sim		   *sim = sim_view_of_writer(writer)->sim;
	GraphLevel	level = new_point->level;
	PointId		id;
	SimPoint   *point;

	sim_record(sim);
	id = sim->free_points[level];
	if (PointIdIsValid(id))
	{
		point = &sim->points[id];
		sim_check(sim, point->state == SIM_FREE && point->level == level,
				  "a point was in the list of free points and not free");
		sim->free_points[level] = point->next_free;
		point->state = SIM_EMPTY;
		point->xid = sim->next_xid;
		point->taken_by = writer;
		return id;
	}
	id = sim->npoints++;
	sim_check(sim, id < sim->points_allocated, "too many points");
	point = &sim->points[id];
	memset(point, 0, sizeof(SimPoint));
	point->level = level;
	point->taken_by = writer;
	point->lists = calloc(level + 1, sizeof(SimList));
	return id;
}

static void
sim_set_list(SimPoint *point, const GraphNewPoint *new_point,
			 GraphLevel level)
{
	SimList    *list = &point->lists[level];

	list->n = new_point->nlinks[level];
	for (int i = 0; i < list->n; i++)
		list->links[i] = new_point->links[level][i].point;
}

static void
sim_add_row(SimPoint *point, uint32 row)
{
	if (point->nrows == point->rows_allocated)
	{
		point->rows_allocated = Max(4, 2 * point->rows_allocated);
		point->rows = realloc(point->rows,
							  point->rows_allocated * sizeof(uint32));
	}
	point->rows[point->nrows++] = row;
}

static void
sim_write_point(GraphWriter *writer, const GraphNewPoint *new_point)
{
	SimView    *view = sim_view_of_writer(writer);
	Sim		   *sim = view->sim;
	SimPoint   *point = &sim->points[new_point->point];

	for (int level = 1; level <= new_point->level; level++)
	{
		sim_record(sim);
		sim_set_list(point, new_point, (GraphLevel) level);
	}
	sim_record(sim);
	sim_check(sim, point->state == SIM_EMPTY && point->taken_by == writer,
			  "a point was written that somebody else has");
	sim_set_list(point, new_point, 0);
	memcpy(point->vector, view->query, sizeof(point->vector));
	point->state = SIM_LIVE;
	point->nrows = 0;
	sim_add_row(point, view->row);
}

/* The row of the view joins a point, if that is still there. */
static bool
sim_join(SimView *view, PointId id)
{
	Sim		   *sim = view->sim;
	SimPoint   *point;

	sim_record(sim);
	point = sim_point(sim, id);
	if (point->state != SIM_LIVE)
		return false;
	sim_check(sim, sim_distance(sim, view->query, point->vector) == 0,
			  "a row joined a point with another vector");
	sim_add_row(point, view->row);
	return true;
}

/*-------------------------------------------------------------------------
 * Records of vacuums
 *-------------------------------------------------------------------------
 */

/* Takes doomed rows out of a point; true when none is left. */
static bool
sim_prune(Sim *sim, SimPoint *point)
{
	int			kept = 0;

	for (int i = 0; i < point->nrows; i++)
	{
		if (sim->rows[point->rows[i]].state != SIM_ROW_DOOMED)
			point->rows[kept++] = point->rows[i];
	}
	point->nrows = kept;
	return kept == 0;
}

static void
sim_free_point(Sim *sim, PointId id)
{
	SimPoint   *point = &sim->points[id];

	if (sim->entry.point == id)
		return;
	sim_check(sim, point->state == SIM_DEAD || point->state == SIM_EMPTY,
			  "a point was freed that is alive or free");
	point->state = SIM_FREE;
	point->generation++;
	point->next_free = sim->free_points[point->level];
	sim->free_points[point->level] = id;
}

/*-------------------------------------------------------------------------
 * The table
 *-------------------------------------------------------------------------
 */
static uint32
sim_new_row(Sim *sim, const float *vector)
{
	uint32		row = sim->nrows;

	/* the numbers of vacuumed rows are used again */
	for (int i = 0; i < 8 && sim->nrows > 0; i++)
	{
		uint32		old = unit_random_below(sim->nrows);

		if (sim->rows[old].state == SIM_ROW_NONE)
			row = old;
	}
	if (row == sim->nrows)
	{
		sim_check(sim, row < sim->rows_allocated, "too many rows");
		sim->nrows++;
	}
	sim->rows[row].state = SIM_ROW_OPEN;
	memcpy(sim->rows[row].vector, vector, sizeof(sim->rows[row].vector));
	return row;
}

/*-------------------------------------------------------------------------
 * All of it
 *-------------------------------------------------------------------------
 */
static inline void
sim_open_view(Sim *sim, SimView *view)
{
	memset(view, 0, sizeof(SimView));
	view->sim = sim;
	view->graph.get_links = sim_get_links;
	view->graph.score = sim_score;
	view->distances.score = sim_score_exactly;
	view->distances.score_between = sim_score_between;
	view->writer.change_size = sizeof(SimChange);
	view->writer.get_entry = sim_get_entry;
	view->writer.set_entry = sim_set_entry;
	view->writer.read_links = sim_read_links;
	view->writer.write_links = sim_write_links;
	view->writer.allocate = sim_allocate;
	view->writer.write_point = sim_write_point;
}

static inline void
sim_create(Sim *sim, const SimOptions *options, uint32 max_points,
		   uint32 max_rows)
{
	memset(sim, 0, sizeof(Sim));
	sim->options = *options;
	sim->points_allocated = max_points;
	sim->points = calloc(max_points, sizeof(SimPoint));
	sim->rows_allocated = max_rows;
	sim->rows = calloc(max_rows, sizeof(SimRow));
	sim->entry.point = InvalidPointId;
	memset(sim->free_points, 0xFF, sizeof(sim->free_points));
	sim->next_xid = 1;
}

static inline void
sim_free(Sim *sim)
{
	for (PointId id = 0; id < sim->npoints; id++)
	{
		free(sim->points[id].lists);
		free(sim->points[id].rows);
	}
	free(sim->points);
	free(sim->rows);
}

#endif							/* HNSW_SIM_STORE_H */
