/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  Rows that are gone.
 *
 * Bulk deletion makes up to three passes over the nodes:
 *
 *	  1. Dead heap TIDs are taken out.  A point that stands for no row any more
 *		 is marked dead: searches walk through it, inserts do not link to it.
 *	  2. Links to dead points are replaced, from what is behind those points
 *		 (graph/vacuum.c).
 *	  3. Points that were dead before this vacuum are given back.
 *
 * Why the third pass comes one vacuum later: an insert that found a point
 * alive may still link to it after pass 2 has gone by.  Such an insert has a
 * transaction id below that at which the point was marked.  When no such
 * transaction runs any more before a vacuum begins, its pass 2 goes over all
 * they did, and then nothing links to the point and nothing will.
 *
 * src/am/vacuum.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "am/code_cache.h"
#include "am/hnsw.h"
#include "am/page_store.h"
#include "am/page_writer.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "graph/vacuum.h"
#include "pages/page_batch.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"
#include "test_points.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

typedef struct BulkDelete
{
	HnswPageStore store;
	HnswReader *reader;			/* the store's */
	HnswPageWriter writer;
	HnswCodeCache *cache;		/* of the repair */
	HnswCode	code;			/* of the query */
	GraphVacuum *graph;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
	IndexBulkDeleteResult *stats;
	double		kept;
	PointId		npoints;		/* what comes later is not our concern */
} BulkDelete;

/*-------------------------------------------------------------------------
 * Pass 1: rows
 *-------------------------------------------------------------------------
 */

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

	HNSW_TEST_POINT("prune-list");
	(void) hnsw_reader_pin(state->reader, HNSW_REGION_OVERFLOW,
						   ItemPointerGetBlockNumber(&walk->where), &buffer);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	xlog = GenericXLogStart(state->reader->index);
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

/* Takes note of a node as it is after pruning. */
static void
note_node(BulkDelete *state, PointId point, const HnswNode *node,
		  bool was_dead)
{
	if (HnswNodeIsPresent(node))
		graph_vacuum_note(state->graph, point, HnswNodeLevel(node),
						  !HnswNodeIsDead(node) ? GRAPH_LIVE :
						  was_dead ? GRAPH_OLD_DEAD : GRAPH_DEAD);
}

/* A node in which something is to be done */
static inline bool
node_changes(BulkDelete *state, HnswNode *node, bool *tid_dead)
{
	*tid_dead = ItemPointerIsValid(&node->heaptid) &&
		is_dead(state, &node->heaptid);
	if (*tid_dead)
		return true;

	/* its insert did not come to an end, or a vacuum did not */
	return HnswNodeIsLive(node) && !HnswNodeHasRows(node);
}

/*
 * Removes dead TIDs from the nodes of one page, in one WAL record, and marks
 * points dead that have no others.  Stores which nodes have more TIDs
 * elsewhere and returns how many.
 */
static int
prune_node_page(BulkDelete *state, PointId first, int nnodes, int *with_more)
{
	uint32		per_page = state->reader->ix->meta.nodes_per_page;
	bool		tid_dead[HNSW_MAX_NODES_PER_PAGE];
	bool		changes[HNSW_MAX_NODES_PER_PAGE];
	bool		was_dead[HNSW_MAX_NODES_PER_PAGE];
	bool		any = false;
	int			nmore = 0;
	PageBatch	batch;
	HnswNode   *nodes;

	page_batch_init(&batch, state->reader);
	page_batch_add(&batch, HNSW_REGION_NODES, first / per_page);
	page_batch_open(&batch);
	nodes = (HnswNode *)
		HnswPageGetBody(page_batch_page(&batch, HNSW_REGION_NODES,
										first / per_page));
	for (int i = 0; i < nnodes; i++)
	{
		was_dead[i] = HnswNodeIsDead(&nodes[i]);
		changes[i] = node_changes(state, &nodes[i], &tid_dead[i]);
		any |= changes[i];
		if (tid_dead[i])
			ItemPointerSetInvalid(&nodes[i].heaptid);
		if (changes[i] && !HnswNodeHasRows(&nodes[i]))
			nodes[i].info |= HNSW_NODE_DEAD;
		if ((nodes[i].info & HNSW_NODE_MORE_TIDS) != 0)
			with_more[nmore++] = i;
		else
			note_node(state, first + i, &nodes[i], was_dead[i]);
	}
	if (any)
		page_batch_close(&batch);
	else
		page_batch_abort(&batch);
	return nmore;
}

/* The lists of one point; when they have become empty the point is dead. */
static void
prune_overflow(BulkDelete *state, PointId point)
{
	for (;;)
	{
		HnswNodeCopy copy;
		HnswNodeParts parts;
		HnswTidWalk walk;
		PGAlignedBlock item;
		HnswTidList *list = (HnswTidList *) item.data;
		double		kept = state->kept;
		bool		was_dead;

		hnsw_reader_node(state->reader, point, &copy, &parts);
		was_dead = HnswNodeIsDead(&copy.node);
		hnsw_reader_start_tids(&walk, &parts);
		while (hnsw_reader_next_tids(state->reader, point, &walk, list))
			prune_overflow_list(state, &walk);

		if (state->kept > kept || was_dead ||
			ItemPointerIsValid(&copy.node.heaptid))
		{
			note_node(state, point, &copy.node, was_dead);
			return;
		}
		if (hnsw_writer_mark_dead(state->reader, point, &copy, &parts))
		{
			copy.node.info |= HNSW_NODE_DEAD;
			note_node(state, point, &copy.node, false);
			return;
		}

		/* a row was added meanwhile: once more, counting no row twice */
		state->kept = kept;
	}
}

static void
remove_rows(BulkDelete *state)
{
	uint32		per_page = state->reader->ix->meta.nodes_per_page;

	for (PointId first = 0; first < state->npoints; first += per_page)
	{
		int			with_more[HNSW_MAX_NODES_PER_PAGE];
		int			nmore;

		vacuum_delay_point(false);
		nmore = prune_node_page(state, first,
								Min(per_page, state->npoints - first),
								with_more);
		for (int i = 0; i < nmore; i++)
			prune_overflow(state, first + with_more[i]);
	}
}

/*-------------------------------------------------------------------------
 * Passes 2 and 3
 *-------------------------------------------------------------------------
 */
static void
delay(void *arg)
{
	vacuum_delay_point(false);
}

/* Makes a point the query of searches; what the last one needed can go. */
static void
set_query(void *arg, PointId point)
{
	BulkDelete *state = arg;
	const Quantizer *quantizer = state->reader->ix->quantizer;
	HnswCode   *code = &state->code;

	hnsw_reader_code(state->reader, point, code->code, code->factors,
					 code->refine, code->refine_factors);
	quantizer_point_as_query(quantizer, code->code, code->factors,
							 quantizer->refine_size > 0 ? code->refine : NULL,
							 code->refine_factors, state->store.query);
	hnsw_code_cache_forget(state->cache);
}

static void
repair_links(BulkDelete *state)
{
	uint32		per_page = state->reader->ix->meta.nodes_per_page;

	HNSW_TEST_POINT("vacuum-repair");
	for (PointId first = 0; first < state->npoints; first += per_page)
	{
		vacuum_delay_point(false);
		hnsw_code_cache_forget(state->cache);
		graph_vacuum_repair(state->graph, first,
							Min(per_page, state->npoints - first));
	}

	HNSW_TEST_POINT("vacuum-repaired");
	graph_vacuum_connect(state->graph);
}

static void
free_points(BulkDelete *state)
{
	uint32		per_page = state->reader->ix->meta.nodes_per_page;

	for (PointId first = 0; first < state->npoints; first += per_page)
	{
		PointId		points[HNSW_MAX_NODES_PER_PAGE];
		int			n = graph_vacuum_old_dead(state->graph, first,
											  Min(per_page,
												  state->npoints - first),
											  points);

		if (n == 0)
			continue;
		vacuum_delay_point(false);
		hnsw_writer_free(state->reader, points, n);
	}
}

/*
 * When the entry point is dead another one takes its place.  If there is no
 * live point at all, the dead one stays until the next insert takes its
 * place.
 */
static void
replace_entry(BulkDelete *state, FullTransactionId dead_xid)
{
	PointId		entry = state->reader->ix->meta.entry_point;
	GraphEntry	new_entry = graph_vacuum_new_entry(state->graph, entry);
	bool		replace = PointIdIsValid(new_entry.point);

	if (replace || FullTransactionIdIsValid(dead_xid))
		(void) hnsw_writer_vacuum_meta(state->reader,
									   replace ? entry : InvalidPointId,
									   new_entry, dead_xid);
}

/*
 * The time when the dead points were marked; invalid when there are none.
 * Those that a vacuum without an end has left were marked before now.
 */
static FullTransactionId
time_of_marking(const BulkDelete *state, FullTransactionId before)
{
	uint64		ndead = graph_vacuum_ndead(state->graph);

	if (ndead + graph_vacuum_nold(state->graph) == 0)
		return InvalidFullTransactionId;
	if (ndead == 0 && FullTransactionIdIsValid(before))
		return before;
	return ReadNextFullTransactionId();
}

static void
init_bulk_delete(BulkDelete *state, Relation index)
{
	const HnswMetaPageData *meta;
	GraphVacuumOptions options = {0};

	memset(state, 0, sizeof(BulkDelete));
	hnsw_page_store_init(&state->store, index);
	state->reader = &state->store.reader;
	hnsw_page_writer_init(&state->writer, state->reader);
	state->cache = hnsw_code_cache_create(state->reader);
	hnsw_code_create(&state->code, state->reader->ix->quantizer);
	state->store.query = quantizer_query_create(state->reader->ix->quantizer);
	meta = &state->reader->ix->meta;
	state->npoints = meta->npoints;

	options.graph = &state->store.store;
	options.distances = hnsw_code_cache_store(state->cache);
	options.writer = &state->writer.writer;
	options.m = meta->m;
	options.ef = meta->ef_construction;
	options.select = hnsw_select_options(meta);
	options.npoints = meta->npoints;
	options.max_batch = meta->nodes_per_page;
	options.set_query = set_query;
	options.delay = delay;
	options.arg = state;
	state->graph = graph_vacuum_create(&options);
}

IndexBulkDeleteResult *
hnsw_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
				 IndexBulkDeleteCallback callback, void *callback_state)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "hnsw vacuum",
												  ALLOCSET_DEFAULT_SIZES);
	FullTransactionId dead_xid;
	MemoryContext old;
	BulkDelete	state;
	bool		may_free;
	uint64		ndead;
	uint64		nold;

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	old = MemoryContextSwitchTo(context);

	/* before the number of points is read, see the head of the file */
	dead_xid = hnsw_index_open(info->index)->meta.dead_xid;
	may_free = FullTransactionIdIsValid(dead_xid) &&
		GlobalVisCheckRemovableFullXid(NULL, dead_xid);
	init_bulk_delete(&state, info->index);
	state.callback = callback;
	state.callback_state = callback_state;
	state.stats = stats;

	if (FullTransactionIdIsValid(dead_xid))
		hnsw_writer_forget_dead_xid(state.reader);
	HNSW_TEST_POINT("vacuum-begun");
	remove_rows(&state);
	HNSW_TEST_POINT("vacuum-rows-removed");
	ndead = graph_vacuum_ndead(state.graph);
	nold = graph_vacuum_nold(state.graph);
	replace_entry(&state, time_of_marking(&state, dead_xid));
	if (ndead + nold > 0)
		repair_links(&state);
	if (may_free && nold > 0)
		free_points(&state);

	stats->num_index_tuples = state.kept;
	stats->estimated_count = false;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return stats;
}

IndexBulkDeleteResult *
hnsw_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	if (info->analyze_only || stats == NULL)
		return stats;
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	IndexFreeSpaceMapVacuum(info->index);
	return stats;
}
