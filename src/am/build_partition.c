/*-------------------------------------------------------------------------
 *
 * build_partition.c
 *	  Which rows are built together when not all can be.
 *
 * Some rows are pivots.  They are divided in two halves by which of two
 * pivots far from each other they are nearer to, and these again, until there
 * are as many groups as parts.  A row is in the part of the pivot nearest to
 * it.  Those for which the nearest pivot of another part is hardly farther
 * are in that part, too: in both they get links to what is near, and so they
 * are what joins the parts.
 *
 * All that is needed for this are distances between codes.
 *
 * src/am/build_partition.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "am/build_partition.h"
#include "am/build_points.h"
#include "compat.h"
#include "graph/memory.h"
#include "miscadmin.h"
#include "test_points.h"

/* Pivots for each part, and at least */
#define PIVOTS_PER_PART 8
#define MIN_PIVOTS		64

/*
 * Share of the rows that are in two parts, where there is room for them; see
 * src/README for what other shares gave.
 */
#define OVERLAP			0.7

/* Rows from which the limit for that, and weights of pivots, are learnt */
#define SAMPLE_SIZE		20000

typedef struct Pivots
{
	BuildPoints *points;
	PointId		n;
	uint16	   *part;			/* per pivot */
	uint32	   *weight;			/* per pivot: rows of the sample in its part */
} Pivots;

/* For sorting */
typedef struct PivotPlace
{
	float		place;
	PointId		pivot;
} PivotPlace;

static int
compare_floats(const void *a, const void *b)
{
	float		x = *(const float *) a;
	float		y = *(const float *) b;

	return (x > y) - (x < y);
}

static int
compare_places(const void *a, const void *b)
{
	const PivotPlace *x = a;
	const PivotPlace *y = b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return (x->pivot > y->pivot) - (x->pivot < y->pivot);
}

/*-------------------------------------------------------------------------
 * Pivots
 *-------------------------------------------------------------------------
 */
static uint64
count_pivots(const RowTotals *rows, int nparts)
{
	return Min(rows->nrows, (uint64) Max(MIN_PIVOTS,
										 nparts * PIVOTS_PER_PART));
}

/* Takes rows at equal steps; equal vectors are one pivot. */
static void
read_pivots(Pivots *pivots, const Quantizer *quantizer, RowReader *reader,
			const RowTotals *rows, int nparts)
{
	uint64		wanted = count_pivots(rows, nparts);
	RowTotals	room = {wanted, wanted * (quantizer->max_code_size +
										  quantizer->refine_size)};
	void	   *memory = palloc_extended(build_points_size(quantizer, &room) +
										 PG_CACHE_LINE_SIZE, MCXT_ALLOC_HUGE);
	void	   *scratch = palloc(build_points_scratch_size(&room));
	uint64		number = 0;
	uint64		taken = 0;
	const BuildRow *row;

	pivots->points =
		build_points_create(quantizer,
							(void *) TYPEALIGN(PG_CACHE_LINE_SIZE, memory),
							&room, 0);
	build_points_begin(pivots->points, scratch);
	for (; taken < wanted && (row = row_reader_next(reader)) != NULL; number++)
	{
		CHECK_FOR_INTERRUPTS();
		if (number < taken * rows->nrows / wanted)
			continue;
		build_points_add(pivots->points, row);
		taken++;
	}
	build_points_end(pivots->points);
	pfree(scratch);
	pivots->n = build_points_count(pivots->points);
	pivots->part = palloc0(pivots->n * sizeof(uint16));
	pivots->weight = palloc0(pivots->n * sizeof(uint32));
}

/* Distances of a row to pivots from first on; returns to how many. */
static int
row_distances(Pivots *pivots, PointId first, float *distances)
{
	GraphStore *store = build_points_store(pivots->points);
	PointId		ids[GRAPH_MAX_LINKS];
	int			n = Min(GRAPH_MAX_LINKS, pivots->n - first);

	for (int i = 0; i < n; i++)
		ids[i] = first + i;
	store->score(store, ids, n, distances);
	return n;
}

/* Counts for each pivot the rows that are nearest to it. */
static void
weigh_pivots(Pivots *pivots, RowReader *reader, uint64 nrows)
{
	uint64		step = Max(nrows / SAMPLE_SIZE, 1);
	const BuildRow *row;

	row_reader_rewind(reader);
	for (uint64 i = 0; (row = row_reader_next(reader)) != NULL; i++)
	{
		float		distances[GRAPH_MAX_LINKS];
		float		least = FLT_MAX;
		PointId		nearest = 0;

		CHECK_FOR_INTERRUPTS();
		if (i % step != 0)
			continue;
		build_points_set_row(pivots->points, row);
		for (PointId first = 0; first < pivots->n; first += GRAPH_MAX_LINKS)
		{
			int			n = row_distances(pivots, first, distances);

			for (int j = 0; j < n; j++)
			{
				if (distances[j] < least)
				{
					least = distances[j];
					nearest = first + j;
				}
			}
		}
		pivots->weight[nearest]++;
	}
}

/* Distances of a pivot to others; 0 to itself */
static void
pivot_distances(Pivots *pivots, PointId from, const PivotPlace *others, int n,
				float *distances)
{
	GraphStore *store = build_points_store(pivots->points);

	build_points_set_query(store, from);
	for (int i = 0; i < n; i++)
	{
		distances[i] = 0;
		if (others[i].pivot != from)
			store->score(store, &others[i].pivot, 1, &distances[i]);
	}
}

static int
farthest(const float *distances, int n)
{
	int			far = 0;

	for (int i = 1; i < n; i++)
	{
		if (distances[i] > distances[far])
			far = i;
	}
	return far;
}

/* How many of n pivots have a share of the weight of all */
static int
weigh_off(const Pivots *pivots, const PivotPlace *group, int n, double share)
{
	double		whole = 0;
	double		weight = 0;
	int			i = 0;

	for (int j = 0; j < n; j++)
		whole += pivots->weight[group[j].pivot];
	while (i < n &&
		   weight + pivots->weight[group[i].pivot] / 2.0 < whole * share)
		weight += pivots->weight[group[i++].pivot];
	return i;
}

/* Groups n pivots into nparts parts, the first of which is first_part. */
static void
group_pivots(Pivots *pivots, PivotPlace *group, int n, int first_part,
			 int nparts)
{
	float	   *from_a;
	float	   *from_b;
	int			left_parts = nparts / 2;
	int			left;

	if (nparts <= 1 || n <= 1)
	{
		for (int i = 0; i < n; i++)
			pivots->part[group[i].pivot] = first_part;
		return;
	}

	from_a = palloc(n * sizeof(float));
	from_b = palloc(n * sizeof(float));
	pivot_distances(pivots, group[0].pivot, group, n, from_a);
	pivot_distances(pivots, group[farthest(from_a, n)].pivot, group, n,
					from_b);
	pivot_distances(pivots, group[farthest(from_b, n)].pivot, group, n,
					from_a);
	for (int i = 0; i < n; i++)
		group[i].place = from_a[i] - from_b[i];
	pfree(from_a);
	pfree(from_b);
	qsort(group, n, sizeof(PivotPlace), compare_places);

	left = weigh_off(pivots, group, n, (double) left_parts / nparts);
	group_pivots(pivots, group, left, first_part, left_parts);
	group_pivots(pivots, group + left, n - left, first_part + left_parts,
				 nparts - left_parts);
}

/*-------------------------------------------------------------------------
 * Rows
 *-------------------------------------------------------------------------
 */

/*
 * Finds the part of the nearest pivot, and the nearest part but for that.
 * Returns by how much the second is farther, relative to both distances.
 */
static float
find_parts(Pivots *pivots, const BuildRow *row, uint16 *home, uint16 *second)
{
	float		nearest[2] = {FLT_MAX, FLT_MAX};
	float		distances[GRAPH_MAX_LINKS];

	*home = *second = NO_PART;
	build_points_set_row(pivots->points, row);
	for (PointId first = 0; first < pivots->n; first += GRAPH_MAX_LINKS)
	{
		int			n = row_distances(pivots, first, distances);

		for (int i = 0; i < n; i++)
		{
			uint16		part = pivots->part[first + i];

			if (*home == NO_PART || distances[i] < nearest[0])
			{
				if (part != *home)
				{
					*second = *home;
					nearest[1] = nearest[0];
				}
				*home = part;
				nearest[0] = distances[i];
			}
			else if (part != *home &&
					 (*second == NO_PART || distances[i] < nearest[1]))
			{
				*second = part;
				nearest[1] = distances[i];
			}
		}
	}
	if (*second == NO_PART)
		return FLT_MAX;
	return (nearest[1] - nearest[0]) /
		Max(fabsf(nearest[0]) + fabsf(nearest[1]), FLT_MIN);
}

/* The margin below which a row is in its second part. */
static float
choose_limit(const float *margins, uint64 nrows)
{
	uint64		n = Min(nrows, SAMPLE_SIZE);
	float	   *sample = palloc(n * sizeof(float));
	float		limit;

	for (uint64 i = 0; i < n; i++)
		sample[i] = margins[i * nrows / n];
	qsort(sample, n, sizeof(float), compare_floats);
	limit = sample[(uint64) (n * OVERLAP)];
	pfree(sample);
	return limit;
}

static void
count_row(RowTotals *totals, Size code_size)
{
	totals->nrows++;
	totals->code_bytes += code_size;
}

Size
partition_size(const Quantizer *quantizer, const RowTotals *rows, int nparts)
{
	uint64		npivots = count_pivots(rows, nparts);
	RowTotals	room = {npivots, npivots * (quantizer->max_code_size +
											quantizer->refine_size)};

	return rows->nrows * (2 * sizeof(uint16) + 2 * sizeof(float) +
						  sizeof(uint32)) +
		build_points_size(quantizer, &room) +
		build_points_scratch_size(&room);
}

/*
 * The margin from which on rows do not get into a part as their second, for
 * each part.  It is lower than usual where there is no room for so many.
 */
static float *
choose_limits(const Partition *partition, const float *margins,
			  const RepeatedRows *repeated, uint64 max_rows)
{
	float	   *limits = palloc(partition->nparts * sizeof(float));
	float	   *part_margins = graph_array_alloc(partition->nrows,
												 sizeof(float));
	float		common = choose_limit(margins, partition->nrows);

	for (int part = 0; part < partition->nparts; part++)
	{
		uint64		room = max_rows;
		uint64		n = 0;

		for (uint64 i = 0; i < partition->nrows; i++)
		{
			CHECK_FOR_INTERRUPTS();
			if (row_is_repeated(repeated, i))
				continue;
			if (partition->home[i] == part && room > 0)
				room--;
			if (partition->second[i] == part && margins[i] < common)
				part_margins[n++] = margins[i];
		}
		limits[part] = common;
		if (n > room)
		{
			qsort(part_margins, n, sizeof(float), compare_floats);
			limits[part] = part_margins[room];
		}
	}
	pfree(part_margins);
	return limits;
}

/* Assigns all rows; margins and sizes of codes are by row. */
static void
assign_rows(Partition *partition, Pivots *pivots, RowReader *reader,
			const RepeatedRows *repeated, uint64 max_rows)
{
	float	   *margins = graph_array_alloc(partition->nrows, sizeof(float));
	uint32	   *sizes = graph_array_alloc(partition->nrows, sizeof(uint32));
	float	   *limits;

	row_reader_rewind(reader);
	for (uint64 i = 0; i < partition->nrows; i++)
	{
		const BuildRow *row = row_reader_next(reader);

		CHECK_FOR_INTERRUPTS();
		margins[i] = find_parts(pivots, row, &partition->home[i],
								&partition->second[i]);
		sizes[i] = row->code_size;
	}

	HNSW_TEST_STOP("build-limits");
	limits = choose_limits(partition, margins, repeated, max_rows);
	HNSW_TEST_STOP("build-limits-chosen");
	for (uint64 i = 0; i < partition->nrows; i++)
	{
		uint16	   *second = &partition->second[i];

		if (*second != NO_PART && margins[i] >= limits[*second])
			*second = NO_PART;
		if (row_is_repeated(repeated, i))
			continue;
		count_row(&partition->totals[partition->home[i]], sizes[i]);
		if (*second != NO_PART)
			count_row(&partition->totals[*second], sizes[i]);
	}
	pfree(margins);
	pfree(sizes);
	pfree(limits);
}

Partition *
partition_rows(const Quantizer *quantizer, RowReader *reader,
			   const RowTotals *rows, int nparts,
			   const RepeatedRows *repeated, uint64 max_rows)
{
	Partition  *partition = palloc(sizeof(Partition));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "hnsw build pivots",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	Pivots		pivots;
	PivotPlace *all;

	partition->nparts = nparts;
	partition->nrows = rows->nrows;
	partition->home = graph_array_alloc(rows->nrows, sizeof(uint16));
	partition->second = graph_array_alloc(rows->nrows, sizeof(uint16));
	partition->totals = palloc0(nparts * sizeof(RowTotals));

	old = MemoryContextSwitchTo(context);
	read_pivots(&pivots, quantizer, reader, rows, nparts);
	all = palloc(pivots.n * sizeof(PivotPlace));
	for (PointId i = 0; i < pivots.n; i++)
		all[i].pivot = i;
	weigh_pivots(&pivots, reader, rows->nrows);
	group_pivots(&pivots, all, pivots.n, 0, nparts);
	assign_rows(partition, &pivots, reader, repeated, max_rows);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return partition;
}

void
partition_free(Partition *partition)
{
	pfree(partition->home);
	pfree(partition->second);
	pfree(partition->totals);
	pfree(partition);
}
