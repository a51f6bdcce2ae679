/*-------------------------------------------------------------------------
 *
 * build_load.c
 *	  From the table to coded rows.
 *
 * src/am/build_load.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/tableam.h"
#include "am/build_load.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "compat.h"
#include "pgstat.h"
#include "utils/memutils.h"

/* Logarithms are added up as multiples of 1 / LOG_UNIT. */
#define LOG_UNIT	(1024.0 * 1024.0)

typedef struct LoadState
{
	BuildLoad  *load;
	const HnswOpclass *opclass;
	MemoryContext row_context;	/* reset for each row */
} LoadState;

static void
note_norm(NormTotals *norms, double norm_sq)
{
	if (norm_sq > 0)
	{
		norms->logs += (int64) rint(log2(norm_sq) * LOG_UNIT);
		norms->count++;
	}
}

/*
 * The geometric mean of all norms.  Measured on random vectors whose norms
 * are spread over 1 to 100, or are 1 or 100, it finds about as much as the lift
 * that finds most; the largest norm finds half or a quarter of that, as most
 * links then lead to where the short vectors are.
 */
float
build_load_lift(const NormTotals *norms)
{
	return norms->count == 0 ? 0 :
		(float) Min(exp2((double) norms->logs / LOG_UNIT / norms->count),
					FLT_MAX);
}

static void
load_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		 bool tuple_is_alive, void *arg)
{
	LoadState  *state = arg;
	BuildLoad  *load = state->load;
	MemoryContext old;
	HnswValue	value;

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(state->row_context);
	hnsw_open_indexed(state->opclass, values[0], load->quantizer->dim,
					  &value);
	if (hnsw_value_is_indexed(state->opclass, &value))
	{
		uint64		nloaded;

		if (state->opclass->metric == HNSW_METRIC_IP)
			note_norm(&load->norms,
					  hnsw_value_norm_sq(state->opclass, &value));
		row_writer_add(load->writer, &value.vector,
					   hnsw_value_hash(state->opclass, &value), tid);
		nloaded = pg_atomic_add_fetch_u64(load->nloaded, 1);
		if (load->reports)
			pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
										 nloaded);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->row_context);
}

/*
 * A scan that starts where another one is would not read blocks in ascending
 * order, which the files of rows rely on.
 */
double
build_load(BuildLoad *load)
{
	LoadState	state;
	double		rows;

	state.load = load;
	state.opclass = hnsw_opclass(load->index);
	state.row_context = AllocSetContextCreate(CurrentMemoryContext,
											  "hnsw build row",
											  ALLOCSET_DEFAULT_SIZES);
	rows = table_index_build_scan(load->heap, load->index, load->index_info,
								  false, load->reports, load_row, &state,
								  load->scan);
	MemoryContextDelete(state.row_context);
	return rows;
}
