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
 * The table's vectors are read once (but for the sample) and not kept.  What
 * is kept must fit into maintenance_work_mem.
 *
 * src/am/build.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/tableam.h"
#include "am/build_points.h"
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

/* The sample: so many stretches of so many blocks */
#define SAMPLE_RANGES		64
#define SAMPLE_BLOCKS		8

/* Enough to tell what a point takes on average */
#define MANY_POINTS			100000

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
	Quantizer  *quantizer;
	BuildPoints *points;
	GraphBuild *graph;
	MemoryContext context;		/* of all that is kept */
	MemoryContext row_context;	/* reset for each row */

	/* sample */
	double	   *sums;
	double		nsampled;
	float	   *centroid;		/* NULL: the origin */

	/* load */
	double		graph_bytes;	/* per point, 0 when not known yet */
	double		max_norm_sq;
	bool		full;			/* memory is used up, rows are only counted */
	double		rows_left_out;
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

	if (isnull[0])
		return;
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

/* Bytes that the graph takes for each point */
static double
graph_bytes(BuildState *state)
{
	GraphBuildOptions options;

	if (state->graph_bytes == 0)
	{
		graph_options(&state->meta, &options);
		state->graph_bytes =
			(double) graph_build_size(&options, MANY_POINTS) / MANY_POINTS;
	}
	return state->graph_bytes;
}

/* Notes when another point would need more memory than there may be. */
static void
check_memory(BuildState *state)
{
	double		needed = build_points_memory(state->points) +
		build_points_count(state->points) * graph_bytes(state);

	state->full = needed > maintenance_work_mem * 1024.0;
}

static void
load_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		 bool tuple_is_alive, void *arg)
{
	BuildState *state = arg;
	MemoryContext old;
	HnswValue	value;

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(state->row_context);
	hnsw_open_indexed(state->opclass, values[0], state->meta.dimensions,
					  &value);
	if (hnsw_value_is_indexed(state->opclass, &value))
	{
		if (state->full)
			state->rows_left_out++;
		else
		{
			state->max_norm_sq = Max(state->max_norm_sq,
									 hnsw_value_norm_sq(state->opclass,
														&value));

			MemoryContextSwitchTo(state->context);
			build_points_add(state->points, &value,
							 hnsw_value_hash(state->opclass, &value), tid);
			check_memory(state);
		}
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
									 build_points_rows(state->points));
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->row_context);
}

static void
report_too_large(BuildState *state)
{
	double		rows = build_points_rows(state->points) +
		state->rows_left_out;
	double		per_row = (build_points_memory(state->points) +
						   build_points_count(state->points) *
						   graph_bytes(state)) /
		build_points_rows(state->points);
	int64		needed_kb = (int64) ceil(rows * per_row * 1.05 / 1024.0);

	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("hnsw index \"%s\" does not fit into maintenance_work_mem while it is built",
					RelationGetRelationName(state->index)),
			 errdetail("%.0f rows need about %lld kB, maintenance_work_mem is %d kB.",
					   rows, (long long) needed_kb, maintenance_work_mem),
			 errhint("Set maintenance_work_mem to at least %lld MB.",
					 (long long) (needed_kb + 1023) / 1024)));
}

/* Returns the number of rows in the table. */
static double
load_rows(BuildState *state)
{
	double		rows;

	start_phase(HNSW_PHASE_LOAD, 0);
	state->points = build_points_create(state->quantizer);
	rows = table_index_build_scan(state->heap, state->index,
								  state->index_info, true, true, load_row,
								  state, NULL);
	if (state->full)
		report_too_large(state);
	build_points_finish(state->points);
	return rows;
}

/*-------------------------------------------------------------------------
 * Graph
 *-------------------------------------------------------------------------
 */
static void
wait_for_nobody(GraphTeam *team)
{
}

static void
report_points(GraphTeam *team, PointId done)
{
	CHECK_FOR_INTERRUPTS();
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, done);
}

static void
build_graph(BuildState *state)
{
	PointId		npoints = build_points_count(state->points);
	GraphTeam	team = {wait_for_nobody, report_points};
	GraphBuildOptions options;
	uint32		attached;

	start_phase(HNSW_PHASE_GRAPH, npoints);
	graph_options(&state->meta, &options);
	state->graph = graph_build_create(&options,
									  build_points_store(state->points),
									  build_points_set_query, npoints);
	graph_build_lead(state->graph, &team);
	attached = graph_build_connect(state->graph);
	ereport(DEBUG1,
			(errmsg_internal("hnsw index \"%s\": %u points, %u attached to be reachable",
							 RelationGetRelationName(state->index), npoints,
							 attached)));
}

static void
write_index(BuildState *state)
{
	PointId		npoints = build_points_count(state->points);
	PointId    *new_ids;

	start_phase(HNSW_PHASE_ORDER, npoints);
	new_ids = graph_locality_order(state->graph, npoints);
	start_phase(HNSW_PHASE_WRITE, 0);
	hnsw_write_index(state->index, MAIN_FORKNUM, &state->meta,
					 state->centroid, state->points, state->graph, new_ids);
}

IndexBuildResult *
hnsw_build(Relation heap, Relation index, IndexInfo *index_info)
{
	IndexBuildResult *result = palloc(sizeof(IndexBuildResult));
	BuildState	state = {0};
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
	state.quantizer = hnsw_meta_quantizer(&state.meta, state.centroid);
	result->heap_tuples = load_rows(&state);
	result->index_tuples = build_points_rows(state.points);
	if (state.meta.metric == HNSW_METRIC_IP)
		state.meta.max_norm_sq = Min(state.max_norm_sq, FLT_MAX);
	state.quantizer->max_norm_sq = state.meta.max_norm_sq;
	build_graph(&state);
	write_index(&state);
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
	hnsw_write_index(index, INIT_FORKNUM, &meta, NULL, NULL, NULL, NULL);
}
