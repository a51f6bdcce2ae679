/*-------------------------------------------------------------------------
 *
 * build.c
 *	  CREATE INDEX.
 *
 *	  sample	a part of the table, for the centroid
 *	  load		all rows: codes into memory, equal vectors into one point
 *	  graph		the HNSW graph over the codes
 *	  order		numbers such that neighbours share pages
 *	  write		every page once
 *
 * Loading, the graph and its order are the work of a team (build_team.c), if
 * there are workers.  The table's vectors are read once (but for the sample)
 * and not kept.  When what is kept does not fit into maintenance_work_mem, the
 * graph is built in parts (build_parts.c).
 *
 * src/am/build.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/tableam.h"
#include "am/build_parts.h"
#include "am/build_repeated.h"
#include "am/build_write.h"
#include "am/hnsw.h"
#include "am/options.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "compat.h"
#include "miscadmin.h"
#include "pages/index.h"
#include "pgstat.h"
#include "test_points.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/*
 * The sample: so many stretches of so many blocks, and so many rows of each.
 * With toasted vectors a block has a hundred rows, and all take their time.
 */
#define SAMPLE_RANGES		64
#define SAMPLE_BLOCKS		8
#define SAMPLE_ROWS			128

/* Mixed with the option seed, so that seed 0 is as good as any */
#define SEED_BASE			UINT64CONST(0x6A09E667F3BCC908)

typedef struct BuildState
{
	Relation	heap;
	Relation	index;
	IndexInfo  *index_info;
	const HnswOpclass *opclass;
	HnswOptions options;
	HnswMetaPageData meta;
	MemoryContext context;		/* of all that is kept */

	/* sample */
	MemoryContext row_context;	/* reset for each row */
	double	   *sums;
	double		nsampled;
	int			range_rows;		/* of the stretch being read */
	float	   *centroid;		/* NULL: the origin */

	/* load */
	LoadTotals	totals;

	/* points and graph */
	GraphWork	work;
} BuildState;

char *
hnsw_build_phase_name(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case HNSW_PHASE_SAMPLE:
			return "sampling table";
		case HNSW_PHASE_LOAD:
			return "loading tuples";
		case HNSW_PHASE_GRAPH:
			return "building graph";
		case HNSW_PHASE_ORDER:
			return "ordering points";
		case HNSW_PHASE_WRITE:
			return "writing pages";
		default:
			return NULL;
	}
}

/*
 * Enters a phase that will do total steps; tuples_done counts them.  Blocks
 * are the table's, and of the scans alone.
 */
static void
start_phase(int64 phase, int64 total)
{
	const int	params[] = {
		PROGRESS_CREATEIDX_SUBPHASE,
		PROGRESS_CREATEIDX_TUPLES_TOTAL,
		PROGRESS_CREATEIDX_TUPLES_DONE,
		PROGRESS_SCAN_BLOCKS_TOTAL,
		PROGRESS_SCAN_BLOCKS_DONE
	};
	const int64 values[] = {phase, total, 0, 0, 0};

	HNSW_TEST_POINT("build-phase");
	pgstat_progress_update_multi_param(lengthof(params), params, values);
}

/*-------------------------------------------------------------------------
 * What to build
 *-------------------------------------------------------------------------
 */
static int
column_dimensions(Relation index, const HnswOpclass *opclass)
{
	int			dimensions = hnsw_column_dimensions(index, opclass);
	int			max = Min(opclass->max_dimensions,
						  quantizer_max_dimensions(opclass->form));

	if (dimensions < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column does not have dimensions"),
				 errhint("Declare them with the type, as in %s(3), or cast an expression to such a type.",
						 opclass->type_name)));
	if (dimensions > max)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("column cannot have more than %d dimensions for hnsw index",
						max)));
	return dimensions;
}

static QuantizerKind
choose_quantizer(const HnswOptions *options, const HnswOpclass *opclass,
				 int dimensions)
{
	QuantizerKind kind = options->quantizer;

	if (options->quantizer == HNSW_QUANTIZER_AUTO)
		return quantizer_auto(opclass->form, opclass->metric, dimensions);

	/* the same choices for vectors that are coded in another way */
	if (opclass->form == HNSW_FORM_SPARSE && kind == QUANTIZER_FLOAT)
		kind = QUANTIZER_SPARSE_FLOAT;
	else if (opclass->form == HNSW_FORM_SPARSE && kind == QUANTIZER_8)
		kind = QUANTIZER_SPARSE_8;
	else if (opclass->metric == HNSW_METRIC_L1 && kind == QUANTIZER_8)
		kind = QUANTIZER_LINEAR8;

	if (quantizer_form(kind) != opclass->form)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("quantizer \"%s\" does not support type %s",
						hnsw_quantizer_option_name(options->quantizer),
						opclass->type_name),
				 opclass->form == HNSW_FORM_BITS ?
				 errhint("Use quantizer \"auto\".") :
				 errhint("Use quantizer \"8\" or \"float\".")));
	/* rotation does not keep L1 distances */
	if (!quantizer_supports(kind, opclass->metric, dimensions))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("quantizer \"4\" does not support L1 distance"),
				 errhint("Use quantizer \"8\" or \"float\".")));
	return kind;
}

static void
check_options(const HnswOptions *options)
{
	if (options->ef_construction < 2 * options->m)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ef_construction must be greater than or equal to 2 * m")));
}

static void
init_meta(HnswMetaPageData *meta, Relation index, const HnswOpclass *opclass,
		  const HnswOptions *options)
{
	memset(meta, 0, sizeof(HnswMetaPageData));
	meta->magic = HNSW_MAGIC;
	meta->version = HNSW_FORMAT_VERSION;
	meta->dimensions = column_dimensions(index, opclass);
	meta->metric = opclass->metric;
	meta->quantizer = choose_quantizer(options, opclass, meta->dimensions);
	meta->link_format = options->link_format;
	if (options->selection == HNSW_SELECTION_HEURISTIC)
		meta->select_flags |= HNSW_SELECT_HEURISTIC;
	if (options->extend_candidates)
		meta->select_flags |= HNSW_SELECT_EXTEND;
	if (options->keep_pruned)
		meta->select_flags |= HNSW_SELECT_KEEP_PRUNED;
	meta->m = options->m;
	meta->ef_construction = options->ef_construction;
	meta->seed = SEED_BASE + options->seed;
}

/*-------------------------------------------------------------------------
 * Sample
 *-------------------------------------------------------------------------
 */
static void
sample_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		   bool tuple_is_alive, void *arg)
{
	BuildState *state = arg;
	MemoryContext old;
	HnswValue	value;
	double		norm = 1;

	if (isnull[0] || state->range_rows == SAMPLE_ROWS)
		return;
	state->range_rows++;
	old = MemoryContextSwitchTo(state->row_context);
	hnsw_open_indexed(state->opclass, values[0], state->meta.dimensions,
					  &value);
	if (hnsw_value_is_indexed(state->opclass, &value))
	{
		/* the centroid is one of vectors as they are coded */
		if (state->meta.metric == HNSW_METRIC_COSINE)
			norm = sqrt(hnsw_value_norm_sq(state->opclass, &value));
		for (int i = 0; i < value.dimensions; i++)
			state->sums[i] += value.vector.elements[i] / norm;
		state->nsampled++;
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->row_context);
}

/*
 * The mean of some rows from all over the table.  The stretches are evenly
 * spread, so that the same table gives the same index.
 */
static void
sample_centroid(BuildState *state)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(state->heap);
	BlockNumber step = Max(nblocks / SAMPLE_RANGES, SAMPLE_BLOCKS);
	uint32		dimensions = state->meta.dimensions;

	if (!quantizer_wants_centroid(state->meta.quantizer))
		return;

	start_phase(HNSW_PHASE_SAMPLE, 0);
	state->sums = palloc0(dimensions * sizeof(double));
	for (BlockNumber start = 0; start < nblocks; start += step)
	{
		CHECK_FOR_INTERRUPTS();
		state->range_rows = 0;
		table_index_build_range_scan(state->heap, state->index,
									 state->index_info, false, false, false,
									 start, Min(SAMPLE_BLOCKS, nblocks - start),
									 sample_row, state, NULL);
		if (start > MaxBlockNumber - step)
			break;
	}

	if (state->nsampled > 0)
	{
		state->centroid = palloc(dimensions * sizeof(float));
		for (uint32 i = 0; i < dimensions; i++)
			state->centroid[i] = state->sums[i] / state->nsampled;
	}
	pfree(state->sums);
}

/*-------------------------------------------------------------------------
 * Load
 *-------------------------------------------------------------------------
 */

/* Codes all rows; returns how to read them. */
static RowReader *
load_rows(BuildState *state)
{
	pg_atomic_uint64 nloaded;
	BuildLoad	load = {
		.heap = state->heap,
		.index = state->index,
		.index_info = state->index_info,
		.quantizer = state->work.quantizer,
		.reports = true
	};

	start_phase(HNSW_PHASE_LOAD, 0);
	state->work.team = build_team_start(state->heap, state->index,
								   state->index_info, &state->meta,
								   state->centroid);
	if (state->work.team != NULL)
	{
		build_team_load(state->work.team, &load, &state->totals);
		return build_team_reader(state->work.team, state->work.quantizer);
	}

	pg_atomic_init_u64(&nloaded, 0);
	load.nloaded = &nloaded;
	load.writer = row_writer_create(state->work.quantizer, NULL, 0);
	state->totals.heap_rows = build_load(&load);
	state->totals.rows = *row_writer_totals(load.writer);
	state->totals.norms = load.norms;
	return row_reader_create(state->work.quantizer, load.writer, NULL, 0);
}

/*-------------------------------------------------------------------------
 * Points and graph
 *-------------------------------------------------------------------------
 */
static void
graph_options(const HnswMetaPageData *meta, GraphBuildOptions *options)
{
	options->m = meta->m;
	options->ef_construction = meta->ef_construction;
	options->select.heuristic =
		(meta->select_flags & HNSW_SELECT_HEURISTIC) != 0;
	options->select.extend_candidates =
		(meta->select_flags & HNSW_SELECT_EXTEND) != 0;
	options->select.keep_pruned =
		(meta->select_flags & HNSW_SELECT_KEEP_PRUNED) != 0;
	options->seed = meta->seed;
}

/*
 * What to say when not everything fits; needed is what it would take, and
 * enough what would do to build in parts.
 */
static void
report_memory(BuildState *state, Size needed, Size enough, int nparts)
{
	const char *name = RelationGetRelationName(state->index);
	unsigned long long nrows = state->totals.rows.nrows;
	int64		needed_kb = (int64) (needed / 1024 + 1);
	long long	needed_mb = (needed_kb + 1023) / 1024;
	long long	parts_mb = (long long) (enough / (1024 * 1024) + 1);

	if (nparts == 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("maintenance_work_mem is too small to build hnsw index \"%s\"",
						name),
				 errdetail("%llu rows need %lld kB, maintenance_work_mem is %d kB.",
						   nrows, (long long) needed_kb,
						   maintenance_work_mem),
				 parts_mb < needed_mb ?
				 errhint("Set maintenance_work_mem to %lld MB, or to at least %lld MB to build in parts.",
						 needed_mb, parts_mb) :
				 errhint("Set maintenance_work_mem to %lld MB.", needed_mb)));
	ereport(NOTICE,
			(errmsg("hnsw index \"%s\" was built in %d parts", name, nparts),
			 errdetail("%llu rows need %lld kB at once, maintenance_work_mem is %d kB.",
					   nrows, (long long) needed_kb, maintenance_work_mem),
			 errhint("With maintenance_work_mem of at least %lld MB the build is faster.",
					 needed_mb)));
}

/* All at once, as it fits. */
static BuildSource *
build_at_once(BuildState *state, RowReader *reader,
			  const RepeatedRows *repeated, Size size)
{
	GraphWork  *work = &state->work;
	DuplicateRows duplicates;
	const BuildRow *row;
	PointId		npoints;
	uint32		attached;

	graph_work_get_memory(work, size);
	graph_work_begin(work, &repeated->distinct);
	duplicate_rows_init(&duplicates, repeated->n);
	row_reader_rewind(reader);
	while ((row = row_reader_next(reader)) != NULL)
	{
		PointId		next = build_points_count(work->points);
		PointId		point = graph_work_add(work, row);

		if (point < next)
			duplicate_rows_add(&duplicates, point, row->tid);
	}
	graph_work_expect(work, build_points_count(work->points));
	attached = graph_work_build(work);
	ereport(DEBUG1,
			(errmsg_internal("hnsw index \"%s\": %u points, %u attached to be reachable",
							 RelationGetRelationName(state->index),
							 build_points_count(work->points), attached)));

	npoints = build_points_count(work->points);
	start_phase(HNSW_PHASE_ORDER, npoints);
	HNSW_TEST_STOP("build-order");
	return build_source_memory(work->quantizer, work->points, work->graph,
							   graph_work_order(work, 0, NULL),
							   &duplicates);
}

static BuildSource *
build_graph(BuildState *state, RowReader *reader)
{
	GraphWork  *work = &state->work;
	const RowTotals *rows = &state->totals.rows;
	Size		limit = (Size) maintenance_work_mem * 1024;
	RepeatedRows repeated;
	Size		size;
	PointId		npoints;
	Size		needed;
	Size		enough;
	BuildSource *source;

	if (rows->nrows > HNSW_MAX_POINTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("hnsw index \"%s\" cannot have more than %u rows",
						RelationGetRelationName(state->index),
						HNSW_MAX_POINTS)));
	graph_options(&state->meta, &work->options);
	start_phase(HNSW_PHASE_GRAPH, rows->nrows);
	find_repeated(work->quantizer, reader, rows, limit, &repeated);
	work->spare = repeated.spare;
	size = graph_work_size(work, &repeated.distinct);
	needed = add_size(size, duplicate_rows_size(repeated.n));
	npoints = (PointId) (repeated.distinct.nrows + repeated.spare.nrows);
	needed = add_size(needed, graph_order_size(npoints));
	if (needed <= limit)
	{
		if (repeated.bits != NULL)
			pfree(repeated.bits);
		return build_at_once(state, reader, &repeated, size);
	}

	source = build_in_parts(work, reader, rows, &repeated, limit, &enough);
	report_memory(state, needed, enough,
				  source == NULL ? 0 : build_source_nparts(source));
	return source;
}

IndexBuildResult *
hnsw_build(Relation heap, Relation index, IndexInfo *index_info)
{
	IndexBuildResult *result = palloc(sizeof(IndexBuildResult));
	BuildState	state = {0};
	RowReader  *reader;
	BuildSource *source;
	MemoryContext old;

	if (RelationGetNumberOfBlocks(index) != 0)
		elog(ERROR, "index \"%s\" already contains data",
			 RelationGetRelationName(index));

	state.heap = heap;
	state.index = index;
	state.index_info = index_info;
	state.opclass = hnsw_opclass(index);
	hnsw_get_options(index, &state.options);
	check_options(&state.options);
	init_meta(&state.meta, index, state.opclass, &state.options);
	state.context = AllocSetContextCreate(CurrentMemoryContext, "hnsw build",
										  ALLOCSET_DEFAULT_SIZES);
	state.row_context = AllocSetContextCreate(CurrentMemoryContext,
											  "hnsw build row",
											  ALLOCSET_DEFAULT_SIZES);

	old = MemoryContextSwitchTo(state.context);
	sample_centroid(&state);
	state.work.quantizer = hnsw_meta_quantizer(&state.meta, state.centroid);
	reader = load_rows(&state);
	state.meta.lift_sq = build_load_lift(&state.totals.norms);
	state.meta.lift_rows = Min(state.totals.norms.count, PG_UINT32_MAX);
	state.work.quantizer->lift_sq = state.meta.lift_sq;
	source = build_graph(&state, reader);
	row_reader_free(reader);
	if (state.work.team != NULL)
		build_team_end(state.work.team);
	start_phase(HNSW_PHASE_WRITE, 0);
	hnsw_write_index(index, MAIN_FORKNUM, &state.meta, state.centroid, source);
	result->heap_tuples = state.totals.heap_rows;
	result->index_tuples = source->npoints + source->duplicates.n;
	if (source->close != NULL)
		source->close(source);
	graph_work_free_memory(&state.work);
	MemoryContextSwitchTo(old);

	MemoryContextDelete(state.context);
	MemoryContextDelete(state.row_context);
	return result;
}

/* The init fork of an unlogged index: an index without rows. */
void
hnsw_build_empty(Relation index)
{
	const HnswOpclass *opclass = hnsw_opclass(index);
	HnswOptions options;
	HnswMetaPageData meta;

	hnsw_get_options(index, &options);
	init_meta(&meta, index, opclass, &options);
	hnsw_write_index(index, INIT_FORKNUM, &meta, NULL, NULL);
}
