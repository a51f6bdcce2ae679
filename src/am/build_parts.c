/*-------------------------------------------------------------------------
 *
 * build_parts.c
 *	  An index that is built in parts, for lack of memory.
 *
 * Parts (build_partition.c) overlap.  Each is built by itself, as a whole
 * index is that fits.  Then its lists of level 0 go to a file, where those of
 * a point that is in two parts are merged, and the points that are at home in
 * it go to another, numbered such that neighbours are near each other.
 *
 * The points above level 0 are built once more, all together: that is the
 * upper levels.  There are so few of them that their links are kept in
 * memory.
 *
 * src/am/build_parts.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/build_lists.h"
#include "am/build_parts.h"
#include "am/build_partition.h"
#include "compat.h"
#include "graph/memory.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/*
 * Bytes per row, beside points and graphs: the partition and new numbers;
 * and the most of what comes and goes: while the partition is made, to attach
 * points and to write nodes.  It also serves for the order of a part's points.
 */
#define BYTES_PASSING	16
#define BYTES_PER_ROW	(2 * sizeof(uint16) + sizeof(PointId) + BYTES_PASSING)

/* Parts are to be so much larger than their share of the rows */
#define PART_GROWTH		1.6

/* Of the rows that a part has room for by the average of all rows */
#define SAFE_SHARE		0.97

typedef struct PartsSource
{
	BuildSource source;			/* must be first */
	GraphWork  *work;			/* at last the upper levels */
	RowReader  *reader;			/* of the table's rows */
	RowTotals	rows;
	RepeatedRows repeated;
	Partition  *partition;
	int			nparts;
	uint64		seed;			/* of which points are above level 0 */
	RowTotals	upper;			/* rows above level 0 */

	PointId    *new_ids;		/* per row, InvalidPointId when none yet */
	PointId		next_id;
	RowWriter  *points;			/* in the order of their new numbers */
	ListFile   *lists;			/* by row, in the end by new number */

	/* reading back */
	RowReader  *point_reader;
	const BuildRow *point;		/* the one read last, */
	PointId		point_id;		/* and its number */
	uint8	   *scratch;		/* a code and its refinement */
	GraphLevel *levels;			/* per new number */
	PointId    *upper_ids;		/* new numbers of points of the upper graph */
	PointId    *upper_points;	/* numbers there of points above level 0, by
								 * new number */
} PartsSource;

/*-------------------------------------------------------------------------
 * Parts
 *-------------------------------------------------------------------------
 */

/*
 * Takes the rows in that are chosen; returns the number of the row that each
 * point came from.  Rows that share a point are kept when the part is their
 * home: equal vectors are in the same parts, so that is once for each row.
 * They name the row of the point as long as it has no other number.
 */
static PointId *
take_rows(PartsSource *parts, const RowTotals *room,
		  bool (*chosen) (PartsSource *parts, uint64 row, int part), int part)
{
	GraphWork  *work = parts->work;
	PointId    *row_of;

	graph_work_begin(work, room);
	row_of = graph_array_alloc(Max(work->room.nrows, 1), sizeof(PointId));
	row_reader_rewind(parts->reader);
	for (uint64 i = 0; i < parts->rows.nrows; i++)
	{
		const BuildRow *row = row_reader_next(parts->reader);
		PointId		next = build_points_count(work->points);
		PointId		point;

		CHECK_FOR_INTERRUPTS();
		if (!chosen(parts, i, part))
			continue;
		point = graph_work_add(work, row);
		if (point == next)
			row_of[point] = (PointId) i;
		else if (parts->partition->home[i] == part)
			duplicate_rows_add(&parts->source.duplicates, row_of[point],
							   row->tid);
	}
	return row_of;
}

static bool
is_in_part(PartsSource *parts, uint64 row, int part)
{
	return partition_has(parts->partition, part, row);
}

/* Files the lists of level 0; links are rows from here on. */
static void
keep_lists(PartsSource *parts, const PointId *row_of, int part)
{
	const Partition *partition = parts->partition;
	GraphBuild *graph = parts->work->graph;
	PointId		npoints = build_points_count(parts->work->points);

	for (PointId point = 0; point < npoints; point++)
	{
		PointId		row = row_of[point];
		GraphLinks	links;

		CHECK_FOR_INTERRUPTS();
		graph_build_get(graph, point, 0, &links);
		for (int i = 0; i < links.count; i++)
			links.links[i].point = row_of[links.links[i].point];
		if (partition->second[row] != NO_PART &&
			part == Max(partition->home[row], partition->second[row]))
		{
			GraphLinks	before;

			list_file_read(parts->lists, row, &before);
			graph_merge_links(&links, &before,
							  graph_build_capacity(parts->work->options.m));
		}
		list_file_write(parts->lists, row, &links);
	}
}

/* Files the points that are at home in the part, and gives them numbers. */
static void
keep_points(PartsSource *parts, const PointId *row_of, int part)
{
	const BuildPoints *points = parts->work->points;
	const uint16 *home = parts->partition->home;
	PointId		npoints = build_points_count(points);
	bool	   *left_out = graph_array_alloc(Max(npoints, 1), sizeof(bool));
	PointId    *ordered = graph_array_alloc(Max(npoints, 1), sizeof(PointId));
	PointId		nhome = 0;
	const PointId *new_ids;

	for (PointId i = 0; i < npoints; i++)
	{
		left_out[i] = home[row_of[i]] != part;
		nhome += !left_out[i];
	}
	new_ids = graph_work_order(parts->work, parts->next_id, left_out);
	for (PointId i = 0; i < npoints; i++)
	{
		if (!left_out[i])
			ordered[new_ids[i] - parts->next_id] = i;
	}
	for (PointId i = 0; i < nhome; i++)
	{
		PointId		point = ordered[i];

		CHECK_FOR_INTERRUPTS();
		parts->new_ids[row_of[point]] = parts->next_id++;
		row_writer_copy(parts->points, build_points_tid(points, point),
						build_points_code(points, point),
						build_points_factors(points, point));
	}
	pfree(left_out);
	pfree(ordered);
}

static void
build_part(PartsSource *parts, int part)
{
	const RowTotals *room = &parts->partition->totals[part];
	PointId    *row_of;

	if (room->nrows == 0 && parts->work->spare.nrows == 0)
		return;
	row_of = take_rows(parts, room, is_in_part, part);
	graph_work_build(parts->work);
	keep_lists(parts, row_of, part);
	keep_points(parts, row_of, part);
	graph_work_end(parts->work);
	pfree(row_of);
}

/*-------------------------------------------------------------------------
 * Upper levels
 *-------------------------------------------------------------------------
 */
static bool
is_above_level_0(const PartsSource *parts, uint64 row)
{
	return graph_random_level(parts->seed, row, parts->work->options.m) > 0;
}

static bool
is_upper_point(PartsSource *parts, uint64 row, int part)
{
	return PointIdIsValid(parts->new_ids[row]) && is_above_level_0(parts, row);
}

/* Rows whose points may be above level 0 */
static void
count_upper(PartsSource *parts)
{
	row_reader_rewind(parts->reader);
	for (uint64 i = 0; i < parts->rows.nrows; i++)
	{
		const BuildRow *row = row_reader_next(parts->reader);

		CHECK_FOR_INTERRUPTS();
		if (!is_above_level_0(parts, i) || row_is_repeated(&parts->repeated, i))
			continue;
		parts->upper.nrows++;
		parts->upper.code_bytes += row->code_size;
	}
}

/*
 * The graph of the points above level 0.  Its level 0 is level 1 of the whole,
 * and its other levels come by a seed of their own.
 */
static void
build_upper(PartsSource *parts)
{
	GraphWork  *work = parts->work;
	PointId		npoints;

	work->options.seed = parts->seed + 1;
	parts->upper_ids = take_rows(parts, &parts->upper, is_upper_point, NO_PART);
	graph_work_build(work);
	npoints = build_points_count(work->points);
	parts->levels = graph_array_alloc0(parts->next_id, sizeof(GraphLevel));
	for (PointId i = 0; i < npoints; i++)
	{
		parts->upper_ids[i] = parts->new_ids[parts->upper_ids[i]];
		parts->levels[parts->upper_ids[i]] =
			Min(graph_build_level(work->graph, i) + 1, GRAPH_MAX_LEVEL);
	}
	parts->source.entry = npoints == 0 ? 0 :
		parts->upper_ids[graph_build_entry(work->graph)];
}

static int
compare_ids(const void *a, const void *b, void *arg)
{
	const PointId *ids = arg;
	PointId		x = ids[*(const PointId *) a];
	PointId		y = ids[*(const PointId *) b];

	return (x > y) - (x < y);
}

static void
sort_upper(PartsSource *parts)
{
	PointId		n = build_points_count(parts->work->points);

	parts->upper_points = graph_array_alloc(Max(n, 1), sizeof(PointId));
	for (PointId i = 0; i < n; i++)
		parts->upper_points[i] = i;
	qsort_arg(parts->upper_points, n, sizeof(PointId), compare_ids,
			  parts->upper_ids);
}

/* The number in the upper graph of a point above level 0 */
static PointId
find_upper(const PartsSource *parts, PointId point)
{
	PointId		low = 0;
	PointId		high = build_points_count(parts->work->points);

	while (high - low > 1)
	{
		PointId		middle = low + (high - low) / 2;

		if (parts->upper_ids[parts->upper_points[middle]] <= point)
			low = middle;
		else
			high = middle;
	}
	return parts->upper_points[low];
}

/*-------------------------------------------------------------------------
 * Lists in the order of the new numbers
 *-------------------------------------------------------------------------
 */
static void
order_lists(PartsSource *parts)
{
	int			max = graph_build_capacity(parts->work->options.m);
	ListFile   *ordered = list_file_create(parts->next_id, max);
	PointId    *rows = graph_array_alloc(parts->next_id, sizeof(PointId));

	for (uint64 row = 0; row < parts->rows.nrows; row++)
	{
		if (PointIdIsValid(parts->new_ids[row]))
			rows[parts->new_ids[row]] = (PointId) row;
	}
	for (PointId point = 0; point < parts->next_id; point++)
	{
		GraphLinks	links;

		CHECK_FOR_INTERRUPTS();
		list_file_read(parts->lists, rows[point], &links);
		for (int i = 0; i < links.count; i++)
			links.links[i].point = parts->new_ids[links.links[i].point];
		list_file_write(ordered, point, &links);
	}
	pfree(rows);
	list_file_free(parts->lists);
	parts->lists = ordered;
}

/*-------------------------------------------------------------------------
 * As a source
 *-------------------------------------------------------------------------
 */
static void
parts_get_point(BuildSource *source, PointId point, SourcePoint *copy)
{
	PartsSource *parts = (PartsSource *) source;
	const Quantizer *quantizer = parts->work->quantizer;

	if (parts->point == NULL || point < parts->point_id)
	{
		row_reader_rewind(parts->point_reader);
		parts->point = row_reader_next(parts->point_reader);
		parts->point_id = 0;
	}
	for (; parts->point_id < point; parts->point_id++)
		parts->point = row_reader_next(parts->point_reader);

	build_source_copy(quantizer, parts->point->tid,
					  build_row_code(quantizer, parts->point),
					  build_row_factors(parts->point), parts->scratch, copy);
}

static GraphLevel
parts_get_level(BuildSource *source, PointId point)
{
	return ((PartsSource *) source)->levels[point];
}

static int
parts_get_links(BuildSource *source, PointId point, GraphLevel level,
				PointId *links)
{
	PartsSource *parts = (PartsSource *) source;
	GraphLinks	found;
	int			n;

	if (level == 0)
		list_file_read(parts->lists, point, &found);
	else
		graph_build_get(parts->work->graph, find_upper(parts, point),
						level - 1, &found);
	n = level == 0 ? found.count : Min(found.count, parts->work->options.m);
	for (int i = 0; i < n; i++)
	{
		links[i] = found.links[i].point;
		if (level > 0)
			links[i] = parts->upper_ids[links[i]];
	}
	return n;
}

static void
parts_close(BuildSource *source)
{
	PartsSource *parts = (PartsSource *) source;

	row_reader_free(parts->point_reader);
	list_file_free(parts->lists);
}

int
build_source_nparts(const BuildSource *source)
{
	return ((const PartsSource *) source)->nparts;
}

/*-------------------------------------------------------------------------
 * All of it
 *-------------------------------------------------------------------------
 */

/* What it takes beside points and graphs */
static Size
fixed_size(const PartsSource *parts)
{
	return add_size(mul_size(parts->rows.nrows, BYTES_PER_ROW),
					duplicate_rows_size(parts->repeated.n));
}

/* Memory of the graph of all rows, if there were so much */
static double
whole_size(const PartsSource *parts)
{
	return graph_work_size(parts->work, &parts->repeated.distinct);
}

/* How many parts are tried first when each may take so much memory */
static int
choose_nparts(const PartsSource *parts, Size room)
{
	return (int) Min(whole_size(parts) / room * PART_GROWTH + 1, MAX_PARTS);
}

/* The graph of the upper levels, which is built in one */
static Size
upper_size(const PartsSource *parts)
{
	return graph_work_size(parts->work, &parts->upper);
}

/*
 * With so much memory it can be done, in parts no larger than the upper levels;
 * with somewhat less it may be.
 */
static Size
enough_memory(const PartsSource *parts)
{
	Size		upper = upper_size(parts);

	return Max(add_size(fixed_size(parts), upper),
			   partition_size(parts->work->quantizer, &parts->rows,
							  choose_nparts(parts, upper)));
}

/* What the order of a part takes that has no room in BYTES_PASSING */
static Size
order_excess(const PartsSource *parts, const RowTotals *part)
{
	Size		order = graph_order_size((PointId) part->nrows) +
	part->nrows * (sizeof(bool) + 2 * sizeof(PointId)); /* row_of, ordered */
	Size		room = parts->rows.nrows * BYTES_PASSING;

	return order > room ? order - room : 0;
}

/*
 * Memory that the largest part, or the upper graph, takes; ordering: and what
 * the order of its points takes beyond BYTES_PASSING.
 */
static Size
largest_work(const PartsSource *parts, bool ordering)
{
	Size		largest = upper_size(parts);

	for (int i = 0; i < parts->nparts; i++)
	{
		const RowTotals *part = &parts->partition->totals[i];
		Size		size = graph_work_size(parts->work, part);

		if (ordering)
			size = add_size(size, order_excess(parts, part));
		largest = Max(largest, size);
	}
	return largest;
}

/*
 * Finds a partition of which every part fits; false when there is none.  The
 * pivots are gone when the first part is built, so their memory is only
 * compared with the limit.
 */
static bool
make_partition(PartsSource *parts, Size limit)
{
	GraphWork  *work = parts->work;
	const RowTotals *rows = &parts->rows;
	Size		fixed = fixed_size(parts);
	Size		room = limit > fixed ? limit - fixed : 0;

	if (upper_size(parts) > room)
		return false;
	for (parts->nparts = choose_nparts(parts, room);
		 parts->nparts <= MAX_PARTS;
		 parts->nparts += parts->nparts / 4 + 1)
	{
		if (partition_size(work->quantizer, rows, parts->nparts) > limit)
			return false;
		row_reader_rewind(parts->reader);
		parts->partition = partition_rows(work->quantizer, parts->reader, rows,
										  parts->nparts, &parts->repeated,
										  parts->repeated.distinct.nrows *
										  (room / whole_size(parts)) *
										  SAFE_SHARE);
		if (largest_work(parts, true) <= room)
			return true;
		partition_free(parts->partition);
	}
	return false;
}

/* Points in all graphs, for the progress report */
static uint64
count_steps(const PartsSource *parts)
{
	uint64		n = parts->upper.nrows;

	for (int i = 0; i < parts->nparts; i++)
		n += parts->partition->totals[i].nrows;
	return n;
}

BuildSource *
build_in_parts(GraphWork *work, RowReader *reader, const RowTotals *rows,
			   const RepeatedRows *repeated, Size limit, Size *enough)
{
	PartsSource *parts = palloc0(sizeof(PartsSource));

	parts->source.get_point = parts_get_point;
	parts->source.get_level = parts_get_level;
	parts->source.get_links = parts_get_links;
	parts->source.close = parts_close;
	parts->work = work;
	parts->reader = reader;
	parts->rows = *rows;
	parts->repeated = *repeated;
	parts->seed = work->options.seed;
	count_upper(parts);
	*enough = enough_memory(parts);
	if (!make_partition(parts, limit))
		return NULL;

	graph_work_get_memory(work, largest_work(parts, false));
	graph_work_expect(work, count_steps(parts));
	parts->scratch = palloc(work->quantizer->code_size +
							work->quantizer->refine_size + 1);
	parts->new_ids = graph_array_alloc(rows->nrows, sizeof(PointId));
	memset(parts->new_ids, 0xFF, rows->nrows * sizeof(PointId));
	duplicate_rows_init(&parts->source.duplicates, repeated->n);
	parts->points = row_writer_create(work->quantizer, NULL, 0);
	parts->lists = list_file_create((PointId) rows->nrows,
									graph_build_capacity(work->options.m));
	for (int i = 0; i < parts->nparts; i++)
		build_part(parts, i);
	build_upper(parts);
	sort_upper(parts);
	partition_free(parts->partition);

	order_lists(parts);
	duplicate_rows_renumber(&parts->source.duplicates, parts->new_ids);
	pfree(parts->new_ids);
	(void) list_file_connect(parts->lists, parts->source.entry);
	parts->point_reader = row_reader_create(work->quantizer, parts->points,
											NULL, 0);
	parts->source.npoints = parts->next_id;
	return &parts->source;
}
