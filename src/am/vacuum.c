/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  Rows that are gone.
 *
 * Vacuum takes dead heap TIDs out of the nodes.  A point that stands for no
 * row any more stays in the graph: searches walk through it and do not return
 * it.
 *
 * src/am/vacuum.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "am/hnsw.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "pages/reader.h"

/* One pass over an index */
typedef struct BulkDelete
{
	HnswReader	reader;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
	IndexBulkDeleteResult *stats;
	double		kept;
} BulkDelete;

static bool
is_dead(BulkDelete *state, ItemPointer tid)
{
	if (state->callback(tid, state->callback_state))
	{
		state->stats->tuples_removed++;
		return true;
	}
	state->kept++;
	return false;
}

/*
 * Takes the dead out of a list of TIDs.  The list gets shorter, its item
 * keeps its length.  Returns whether anything changed.
 */
static bool
prune_tid_list(BulkDelete *state, HnswTidList *list)
{
	int			kept = 0;
	int			ntids = list->ntids;

	for (int i = 0; i < ntids; i++)
	{
		if (!is_dead(state, &list->tids[i]))
			list->tids[kept++] = list->tids[i];
	}
	list->ntids = kept;
	return kept < ntids;
}

/*
 * Prunes the list that a walk has just read, on its page, where inserts may
 * have added to it since.
 */
static void
prune_overflow_list(BulkDelete *state, const HnswTidWalk *walk)
{
	GenericXLogState *xlog;
	Buffer		buffer;
	HnswTidList *list;
	int			length = 0;

	(void) hnsw_reader_pin(&state->reader, HNSW_REGION_OVERFLOW,
						   ItemPointerGetBlockNumber(&walk->where), &buffer);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	xlog = GenericXLogStart(state->reader.index);
	list = unconstify(void *,
					  overflow_page_get(GenericXLogRegisterBuffer(xlog, buffer,
																  0),
										ItemPointerGetOffsetNumber(&walk->where),
										&length));
	if (list != NULL && length == walk->length &&
		length >= (int) (offsetof(HnswTidList, tids) +
						 list->ntids * sizeof(ItemPointerData)) &&
		prune_tid_list(state, list))
		GenericXLogFinish(xlog);
	else
		GenericXLogAbort(xlog);
	UnlockReleaseBuffer(buffer);
}

/*
 * Removes dead TIDs from the nodes of one page, in one WAL record.  Stores
 * which of its nodes have more TIDs elsewhere and returns how many.
 */
static int
prune_node_page(BulkDelete *state, uint32 page_no, int nnodes,
				int *with_more)
{
	bool		dead[HNSW_MAX_NODES_PER_PAGE];
	bool		any = false;
	int			nmore = 0;
	Buffer		buffer;
	Page		page = hnsw_reader_pin(&state->reader, HNSW_REGION_NODES,
									   page_no, &buffer);
	HnswNode   *nodes = (HnswNode *) HnswPageGetBody(page);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	for (int i = 0; i < nnodes; i++)
	{
		dead[i] = ItemPointerIsValid(&nodes[i].heaptid) &&
			is_dead(state, &nodes[i].heaptid);
		any |= dead[i];
		if ((nodes[i].info & HNSW_NODE_MORE_TIDS) != 0)
			with_more[nmore++] = i;
	}
	if (any)
	{
		GenericXLogState *xlog = GenericXLogStart(state->reader.index);

		nodes = (HnswNode *)
			HnswPageGetBody(GenericXLogRegisterBuffer(xlog, buffer, 0));
		for (int i = 0; i < nnodes; i++)
		{
			if (dead[i])
				ItemPointerSetInvalid(&nodes[i].heaptid);
		}
		GenericXLogFinish(xlog);
	}
	UnlockReleaseBuffer(buffer);
	return nmore;
}

/* The lists of one point. */
static void
prune_overflow(BulkDelete *state, PointId point)
{
	HnswNodeCopy copy;
	HnswNodeParts parts;
	HnswTidWalk walk;
	PGAlignedBlock item;
	HnswTidList *list = (HnswTidList *) item.data;

	hnsw_reader_node(&state->reader, point, &copy, &parts);
	hnsw_reader_start_tids(&walk, &parts);
	while (hnsw_reader_next_tids(&state->reader, point, &walk, list))
		prune_overflow_list(state, &walk);
}

IndexBulkDeleteResult *
hnsw_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
				 IndexBulkDeleteCallback callback, void *callback_state)
{
	BulkDelete	state;
	uint32		npoints;
	uint32		per_page;

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	hnsw_reader_init(&state.reader, info->index);
	state.callback = callback;
	state.callback_state = callback_state;
	state.stats = stats;
	state.kept = 0;
	npoints = state.reader.ix->meta.npoints;
	per_page = state.reader.ix->meta.nodes_per_page;

	for (uint32 first = 0; first < npoints; first += per_page)
	{
		int			with_more[HNSW_MAX_NODES_PER_PAGE];
		int			nmore;

		vacuum_delay_point(false);
		nmore = prune_node_page(&state, first / per_page,
								Min(per_page, npoints - first), with_more);
		for (int i = 0; i < nmore; i++)
			prune_overflow(&state, first + with_more[i]);
	}
	stats->num_index_tuples = state.kept;
	stats->estimated_count = false;
	return stats;
}

IndexBulkDeleteResult *
hnsw_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	if (info->analyze_only || stats == NULL)
		return stats;
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	return stats;
}
