/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  Rows that are gone.
 *
 * Bulk deletion makes up to four passes over the nodes:
 *
 *	  1. Dead heap TIDs are taken out.  A point that stands for no row any more
 *		 is marked dead: searches walk through it, inserts do not link to it.
 *	  2. All points are looked at, as they are now: alive, dead, or dead for so
 *		 long that nobody will link to them.
 *	  3. Links to dead points are replaced, from what is behind those points
 *		 (graph/vacuum.c).
 *	  4. Points that were dead for long enough are given back.
 *
 * An insert that found a point alive may link to it after pass 3 has gone by.
 * Such an insert has a transaction id below that at which the point was
 * marked, which is kept in its node.  When no such transaction runs any more
 * before pass 2 begins, passes 2 and 3 go over all they did, and then nothing
 * links to the point and nothing will.  That holds for most of the points that
 * pass 1 has just marked, unless transactions are long; the others are given
 * back by a later vacuum.
 *
 * Pass 2 also takes back ids that were given out and not written, once all
 * transactions are over that may have taken them: their inserts failed.
 *
 * src/am/vacuum.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
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
#include "storage/procarray.h"
#include "test_points.h"
#include "utils/memutils.h"

/* Codes that the repair keeps, to be read once for the points of a page */
#define CODE_CACHE_BYTES	(8 * 1024 * 1024)

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
	bool		any_gone;		/* points that are dead or have no node */
	bool		any_marked;		/* by this vacuum */
	PointId		npoints;		/* that pass 2 looked at */
	FullTransactionId dead_xid; /* of the first that has to stay dead */

	/* ids below this one were given out by transactions before that one */
	PointId		begin_npoints;
	FullTransactionId begin_xid;
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

/* What pass 1 makes of the nodes of a page */
typedef struct PagePlan
{
	HnswNode	nodes[HNSW_MAX_NODES_PER_PAGE]; /* as they were read */
	bool		tid_dead[HNSW_MAX_NODES_PER_PAGE];
	bool		changes;
} PagePlan;

/* Without rows: its insert did not come to an end, or a vacuum did not */
static inline bool
lacks_rows(const HnswNode *node)
{
	return HnswNodeIsLive(node) && !HnswNodeHasRows(node);
}

static void
read_nodes(BulkDelete *state, uint32 page_no, int nnodes, HnswNode *nodes)
{
	Buffer		buffer;
	Page		page = hnsw_reader_pin(state->reader, HNSW_REGION_NODES, page_no,
									   &buffer);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(nodes, HnswPageGetBody(page), nnodes * sizeof(HnswNode));
	UnlockReleaseBuffer(buffer);
}

/*
 * Reads the nodes of a page and asks for their rows, with no lock held.  Most
 * pages stay as they are when few rows were deleted.
 */
static void
plan_node_page(BulkDelete *state, uint32 page_no, int nnodes, PagePlan *plan)
{
	read_nodes(state, page_no, nnodes, plan->nodes);
	plan->changes = false;
	for (int i = 0; i < nnodes; i++)
	{
		HnswNode   *node = &plan->nodes[i];

		plan->tid_dead[i] = HnswNodeIsLive(node) &&
			ItemPointerIsValid(&node->heaptid) &&
			is_dead(state, &node->heaptid);
		plan->changes |= plan->tid_dead[i] || lacks_rows(node);
	}
}

/*
 * Takes out the TIDs that were found dead, in one WAL record; no other row
 * can have taken their place.  Nodes that have lost their last one are
 * marked.  Stores the nodes as they are then.
 */
static void
change_node_page(BulkDelete *state, uint32 page_no, int nnodes,
				 PagePlan *plan)
{
	PageBatch	batch;
	HnswNode   *nodes;

	page_batch_init(&batch, state->reader);
	page_batch_add(&batch, HNSW_REGION_NODES, page_no);
	page_batch_open(&batch);
	nodes = (HnswNode *)
		HnswPageGetBody(page_batch_page(&batch, HNSW_REGION_NODES, page_no));
	for (int i = 0; i < nnodes; i++)
	{
		if (plan->tid_dead[i])
			ItemPointerSetInvalid(&nodes[i].heaptid);
		if (lacks_rows(&nodes[i]))
		{
			node_set_dead(&nodes[i], ReadNextFullTransactionId());
			state->any_marked = true;
		}
	}
	memcpy(plan->nodes, nodes, nnodes * sizeof(HnswNode));
	page_batch_close(&batch);
}

/*
 * Removes dead TIDs from the nodes of one page and marks points dead that
 * have no others.  Stores which nodes have more TIDs elsewhere and returns
 * how many.
 */
static int
prune_node_page(BulkDelete *state, PointId first, int nnodes, int *with_more)
{
	uint32		page_no = first / state->reader->ix->meta.nodes_per_page;
	int			nmore = 0;
	PagePlan	plan;

	plan_node_page(state, page_no, nnodes, &plan);
	if (plan.changes)
		change_node_page(state, page_no, nnodes, &plan);
	for (int i = 0; i < nnodes; i++)
	{
		if ((plan.nodes[i].info & HNSW_NODE_MORE_TIDS) != 0)
			with_more[nmore++] = i;
		state->any_gone |= HnswNodeIsDead(&plan.nodes[i]) ||
			HnswNodeIsUnused(&plan.nodes[i]);
	}
	return nmore;
}

/* The list before the one that is looked at: at first there is none. */
typedef struct ListBefore
{
	ItemPointerData where;		/* invalid: the node */
	int			ntids;
	int			room;			/* for so many TIDs in all */
} ListBefore;

/*
 * Takes the dead out of a list that was just read; who is dead is asked with no
 * lock held.  When the list before has room for the rest, or there is no rest,
 * the list goes.  TIDs move towards the node only, and only with their whole
 * list, so that a scan that has read some lists of the chain finds out whether
 * that concerns it.  Returns false when the chain has to be looked at anew,
 * with what an insert has put there.
 */
static bool
prune_list(BulkDelete *state, PointId point, const HnswTidWalk *walk,
		   HnswTidList *list, ListBefore *before)
{
	bool		dead[HNSW_OVERFLOW_MAX_ITEM / sizeof(ItemPointerData)];
	int			ndead = 0;
	int			nkept;

	for (int i = 0; i < list->ntids; i++)
	{
		dead[i] = state->callback(&list->tids[i], state->callback_state);
		ndead += dead[i];
	}
	nkept = list->ntids - ndead;
	if (nkept <= before->room - before->ntids)
	{
		if (!hnsw_writer_unlink_list(state->reader, point, &before->where,
									 &walk->where, dead, list->ntids))
			return false;
		before->ntids += nkept;
	}
	else
	{
		if (ndead > 0)
			hnsw_writer_prune_list(state->reader, point, &walk->where, dead,
								   list->ntids);
		before->where = walk->where;
		before->ntids = nkept;
		before->room = (walk->length - offsetof(HnswTidList, tids)) /
			sizeof(ItemPointerData);
	}
	state->stats->tuples_removed += ndead;
	state->kept += nkept;
	return true;
}

/*
 * The lists of one point.  Of two neighbours that stay, what they have does not
 * fit into the first; as no list has more room than those before it, they are
 * half full in the middle.  That says nothing of an only list, which can be far
 * too long.
 */
static bool
prune_lists(BulkDelete *state, PointId point)
{
	HnswNodeCopy copy;
	HnswNodeParts parts;
	HnswTidWalk walk;
	PGAlignedBlock item;
	HnswTidList *list = (HnswTidList *) item.data;
	ListBefore	before = {0};
	ItemPointerData first;

	hnsw_reader_node(state->reader, point, &copy, &parts);
	ItemPointerSetInvalid(&before.where);
	ItemPointerSetInvalid(&first);
	hnsw_reader_start_tids(&walk, NULL, &parts);
	while (hnsw_reader_next_tids(state->reader, point, &walk, list))
	{
		vacuum_delay_point(false);
		if (!prune_list(state, point, &walk, list, &before))
			return false;
		if (!ItemPointerIsValid(&first))
			first = before.where;
	}
	if (ItemPointerIsValid(&first) && same_item(&first, &before.where) &&
		hnsw_list_is_too_long(before.ntids, before.room))
		hnsw_writer_shrink_list(state->reader, point, &first);
	return true;
}

/* When a point has lost its last list, and has no other row, it is dead. */
static void
prune_overflow(BulkDelete *state, PointId point)
{
	double		kept = state->kept;

	for (;;)
	{
		HnswNodeCopy copy;
		HnswNodeParts parts;

		/* once more after an insert, counting no row twice */
		while (!prune_lists(state, point))
			state->kept = kept;

		hnsw_reader_node(state->reader, point, &copy, &parts);
		if (!lacks_rows(&copy.node))
			return;
		if (hnsw_writer_mark_dead(state->reader, point, &copy))
		{
			state->any_gone = state->any_marked = true;
			return;
		}
	}
}

/* Points that come meanwhile have no dead rows. */
static void
remove_rows(BulkDelete *state)
{
	uint32		per_page = state->reader->ix->meta.nodes_per_page;
	PointId		npoints = state->begin_npoints;

	for (PointId first = 0; first < npoints; first += per_page)
	{
		int			with_more[HNSW_MAX_NODES_PER_PAGE];
		int			nmore;

		vacuum_delay_point(false);
		nmore = prune_node_page(state, first, Min(per_page, npoints - first),
								with_more);
		for (int i = 0; i < nmore; i++)
			prune_overflow(state, first + with_more[i]);
	}
}

/*-------------------------------------------------------------------------
 * Pass 2: what the points are
 *-------------------------------------------------------------------------
 */

/* All transactions before this one are over. */
static FullTransactionId
oldest_transaction(Relation index)
{
	Relation	heap = table_open(index->rd_index->indrelid, NoLock);
	TransactionId oldest = GetOldestNonRemovableTransactionId(heap);
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		age = XidFromFullTransactionId(next) - oldest;

	table_close(heap, NoLock);
	return FullTransactionIdFromU64(U64FromFullTransactionId(next) - age);
}

/* What pass 2 measures the time by that a point is dead */
typedef struct Horizon
{
	FullTransactionId oldest;	/* before npoints was read */
	FullTransactionId next;
} Horizon;

/* Are all transactions before this one over? */
static bool
is_over(FullTransactionId xid, FullTransactionId oldest)
{
	return FullTransactionIdPrecedesOrEquals(xid, oldest);
}

static void
note_node(BulkDelete *state, const Horizon *horizon, PointId point,
		  const HnswNode *node)
{
	GraphFate	fate = GRAPH_LIVE;

	if (!HnswNodeIsPresent(node))
		return;
	if (HnswNodeIsDead(node))
	{
		FullTransactionId xid = node_xid(node, horizon->next);

		fate = is_over(xid, horizon->oldest) ? GRAPH_OLD_DEAD : GRAPH_DEAD;
		if (fate == GRAPH_DEAD &&
			(!FullTransactionIdIsValid(state->dead_xid) ||
			 FullTransactionIdPrecedes(xid, state->dead_xid)))
			state->dead_xid = xid;
	}
	graph_vacuum_note(state->graph, point, HnswNodeLevel(node), fate);
}

/* Will an id that has no node never get one? */
static bool
is_taken_in_vain(BulkDelete *state, const Horizon *horizon, PointId point,
				 const HnswNode *node)
{
	static const ItemPointerData never;

	if (!HnswNodeIsUnused(node))
		return false;
	if (memcmp(&node->heaptid, &never, sizeof(never)) != 0)
		return is_over(node_xid(node, horizon->next), horizon->oldest);
	return point < state->begin_npoints &&
		is_over(state->begin_xid, horizon->oldest);
}

/*
 * Points that come later have links to none that is given back: whoever
 * inserts them has seen it dead.
 */
static void
look_at_points(BulkDelete *state, const Horizon *horizon)
{
	uint32		per_page = state->reader->ix->meta.nodes_per_page;

	for (PointId first = 0; first < state->npoints; first += per_page)
	{
		HnswNode	nodes[HNSW_MAX_NODES_PER_PAGE];
		int			nnodes = Min(per_page, state->npoints - first);
		PointId		in_vain[HNSW_MAX_NODES_PER_PAGE];
		int			n = 0;

		vacuum_delay_point(false);
		read_nodes(state, first / per_page, nnodes, nodes);
		for (int i = 0; i < nnodes; i++)
		{
			note_node(state, horizon, first + i, &nodes[i]);
			if (is_taken_in_vain(state, horizon, first + i, &nodes[i]))
				in_vain[n++] = first + i;
		}
		if (n > 0)
			hnsw_writer_take_back(state->reader, in_vain, n);
	}
}

/*-------------------------------------------------------------------------
 * Passes 3 and 4: links, and points that nothing links to
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

/* Returns whether any is left: the entry point, which has to be something. */
static bool
free_points(BulkDelete *state)
{
	bool		any_left = false;
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
		any_left |= !hnsw_writer_free(state->reader, points, n);
	}
	return any_left;
}

/*
 * When the entry point is dead another one takes its place.  If there is no
 * live point at all, the dead one stays until the next insert takes its
 * place.
 */
static void
replace_entry(BulkDelete *state)
{
	PointId		entry = state->reader->ix->meta.entry_point;
	GraphEntry	new_entry = graph_vacuum_new_entry(state->graph, entry);

	HNSW_TEST_POINT("vacuum-entry");
	if (PointIdIsValid(new_entry.point))
		(void) hnsw_writer_entry(state->reader, entry, new_entry, true);
}

static void
create_graph(BulkDelete *state)
{
	const HnswMetaPageData *meta = &state->reader->ix->meta;
	const Quantizer *quantizer = state->reader->ix->quantizer;
	GraphVacuumOptions options = {0};

	state->cache = hnsw_code_cache_create(state->reader);
	hnsw_code_cache_limit(state->cache, CODE_CACHE_BYTES);
	hnsw_code_create(&state->code, quantizer);
	state->store.query = quantizer_query_create(quantizer);
	hnsw_page_writer_init(&state->writer, state->reader);

	options.graph = &state->store.store;
	options.distances = hnsw_code_cache_store(state->cache);
	options.writer = &state->writer.writer;
	options.m = meta->m;
	options.ef = meta->ef_construction;
	options.select = hnsw_select_options(meta);
	options.npoints = state->npoints;
	options.max_batch = meta->nodes_per_page;
	options.set_query = set_query;
	options.delay = delay;
	options.arg = state;
	state->graph = graph_vacuum_create(&options);
}

/*
 * Passes 2 to 4.  The order counts: transactions that are over have all their
 * points among those whose number is read then.
 */
static void
remove_points(BulkDelete *state)
{
	Relation	index = state->reader->index;
	Horizon		horizon;

	horizon.oldest = oldest_transaction(index);
	horizon.next = ReadNextFullTransactionId();
	hnsw_index_refresh(state->reader->ix, index);
	state->npoints = state->reader->ix->meta.npoints;

	create_graph(state);
	HNSW_TEST_POINT("vacuum-look");
	look_at_points(state, &horizon);
	replace_entry(state);
	if (state->any_marked || graph_vacuum_nold(state->graph) > 0)
		repair_links(state);
	if (graph_vacuum_nold(state->graph) > 0 && free_points(state) &&
		!FullTransactionIdIsValid(state->dead_xid))
		state->dead_xid = horizon.oldest;
}

IndexBulkDeleteResult *
hnsw_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
				 IndexBulkDeleteCallback callback, void *callback_state)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "hnsw vacuum",
												  ALLOCSET_DEFAULT_SIZES);
	BulkDelete	state = {0};
	MemoryContext old;

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	old = MemoryContextSwitchTo(context);
	hnsw_page_store_init(&state.store, info->index);
	state.reader = &state.store.reader;
	hnsw_index_check_writable(state.reader->ix, info->index);
	state.callback = callback;
	state.callback_state = callback_state;
	state.stats = stats;

	state.begin_npoints = state.reader->ix->meta.npoints;
	state.begin_xid = ReadNextFullTransactionId();

	HNSW_TEST_POINT("vacuum-begun");
	remove_rows(&state);
	HNSW_TEST_POINT("vacuum-rows-removed");
	if (state.any_gone)
		remove_points(&state);
	if (!FullTransactionIdEquals(state.dead_xid,
								 state.reader->ix->meta.dead_xid))
		hnsw_writer_dead_xid(state.reader, state.dead_xid);

	stats->num_index_tuples = state.kept;
	stats->estimated_count = false;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return stats;
}

static void
note_overflow_space(Relation index, BufferAccessStrategy strategy)
{
	HnswPageStore store;
	const HnswRegionDirectory *directory;
	BlockNumber file_blocks = RelationGetNumberOfBlocks(index);

	hnsw_page_store_init(&store, index);
	directory = hnsw_directory(&store.reader.ix->meta, HNSW_REGION_OVERFLOW);
	for (uint32 i = 0; i < directory->npages; i++)
	{
		vacuum_delay_point(false);
		hnsw_writer_note_space(&store.reader, i, file_blocks, strategy);
	}
	IndexFreeSpaceMapVacuum(index);
}

static bool
nothing_is_dead(ItemPointer tid, void *arg)
{
	return false;
}

/*
 * A vacuum that found no dead rows comes here only; it is the time to give
 * back what others have left dead.  Any other has given back items, and the
 * free space map, which is not logged, may not know of earlier ones.
 */
IndexBulkDeleteResult *
hnsw_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	if (info->analyze_only)
		return stats;
	if (stats == NULL)
	{
		FullTransactionId dead_xid =
			hnsw_index_open(info->index)->meta.dead_xid;

		if (!FullTransactionIdIsValid(dead_xid) ||
			!is_over(dead_xid, oldest_transaction(info->index)))
			return NULL;
		stats = hnsw_bulk_delete(info, NULL, nothing_is_dead, NULL);
	}
	note_overflow_space(info->index, info->strategy);
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	return stats;
}
