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

#include "access/tableam.h"
#include "am/build_load.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "compat.h"
#include "pgstat.h"
#include "utils/memutils.h"

typedef struct LoadState
{
	BuildLoad  *load;
	const HnswOpclass *opclass;
	MemoryContext row_context;	/* reset for each row */
} LoadState;

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
			load->max_norm_sq = Max(load->max_norm_sq,
									hnsw_value_norm_sq(state->opclass,
													   &value));
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
