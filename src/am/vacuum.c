/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  Rows that are gone.
 *
 * Bulk deletion makes up to three passes over the nodes:
 *
 *	  1. Dead heap TIDs are taken out.  A point that stands for no row any more
 *		 is marked dead: searches walk through it, inserts do not link to it.
 *	  2. Links to dead points are replaced, from what is behind those points.
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
#include "commands/vacuum.h"
#include "compat.h"
#include "graph/repair.h"
#include "pages/page_batch.h"
#include "pages/writer.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"
#include "test_points.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Changes that inserts got ahead of are tried again so often */
#define MAX_REPAIR_ATTEMPTS 4

typedef struct BulkDelete
{
	HnswPageStore store;
	HnswReader *reader;			/* the store's */
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
	IndexBulkDeleteResult *stats;
	double		kept;

	/* points below npoints; one bit each */
	PointId		npoints;
	uint8	   *live;			/* in use, as pass 1 saw them */
	uint8	   *dead;			/* marked, now or before */
	uint8	   *old_dead;		/* marked before this vacuum */
	uint8	   *linked;			/* some live point has a link to it */
	uint64		nmarked;		/* now */
	uint64		nold;
	PointId		highest;		/* a live point of the highest level */
	int			highest_level;

	HnswCodeCache *cache;		/* of the repair */
	MemoryContext page_context; /* reset for each page of nodes */
} BulkDelete;

static inline void
set_bit(uint8 *bits, PointId point)
{
	bits[point / BITS_PER_BYTE] |= 1 << point % BITS_PER_BYTE;
}

static inline bool
get_bit(const uint8 *bits, PointId point)
{
	return (bits[point / BITS_PER_BYTE] >> point % BITS_PER_BYTE) & 1;
}

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
	if (HnswNodeIsDead(node))
	{
		set_bit(state->dead, point);
		if (was_dead)
		{
			set_bit(state->old_dead, point);
			state->nold++;
		}
		else
			state->nmarked++;
	}
	else if (HnswNodeIsLive(node))
	{
		set_bit(state->live, point);
		if ((int) HnswNodeLevel(node) > state->highest_level)
		{
			state->highest = point;
			state->highest_level = HnswNodeLevel(node);
		}
	}
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
 * Pass 2: links
 *-------------------------------------------------------------------------
 */
static bool
point_is_dead(PointId point, void *arg)
{
	BulkDelete *state = arg;

	/* what came after pass 1 began is alive */
	return point < state->npoints && get_bit(state->dead, point);
}

static void
note_links(BulkDelete *state, const PointId *links, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (links[i] < state->npoints)
			set_bit(state->linked, links[i]);
	}
}

/* The new list of a node at level 0; false when it is to stay as it is. */
static bool
plan_repair(BulkDelete *state, const GraphRepair *repair, PointId point,
			HnswLinkChange *change)
{
	int			m = state->reader->ix->meta.m;
	int			nlinks;

	change->point = point;
	hnsw_reader_node(state->reader, point, &change->seen, &change->parts);
	if (!HnswNodeIsLive(&change->seen.node))
		return false;
	nlinks = hnsw_reader_links(state->reader, point, &change->seen,
							   &change->parts, 0, change->links);
	change->nlinks = graph_repair_links(repair, point, 0, change->links,
										nlinks, GraphMaxLinks(m, 0));
	note_links(state, change->links,
			   change->nlinks >= 0 ? change->nlinks : nlinks);
	return change->nlinks >= 0;
}

static void
repair_upper(BulkDelete *state, const GraphRepair *repair, PointId point,
			 int level)
{
	int			m = state->reader->ix->meta.m;

	for (int attempt = 0; attempt < MAX_REPAIR_ATTEMPTS; attempt++)
	{
		HnswNodeCopy copy;
		HnswNodeParts parts;
		PointId		seen[GRAPH_MAX_LINKS];
		PointId		links[GRAPH_MAX_LINKS];
		int			nseen;
		int			nlinks;

		hnsw_reader_node(state->reader, point, &copy, &parts);
		if (!HnswNodeIsLive(&copy.node))
			return;
		nseen = hnsw_reader_links(state->reader, point, &copy, &parts, level,
								  seen);
		memcpy(links, seen, nseen * sizeof(PointId));
		nlinks = graph_repair_links(repair, point, level, links, nseen,
									GraphMaxLinks(m, level));
		if (nlinks < 0 ||
			hnsw_writer_slot_links(state->reader, point, parts.upper_slot,
								   level, seen, nseen, links, nlinks))
			return;
	}
}

/* All nodes of one page, in one record if nobody interferes. */
static void
repair_page(BulkDelete *state, const GraphRepair *repair, PointId first,
			int nnodes)
{
	PointId		left[HNSW_MAX_NODES_PER_PAGE];
	int			nleft = 0;
	HnswLinkChange *changes = palloc(nnodes * sizeof(HnswLinkChange));

	for (int i = 0; i < nnodes; i++)
	{
		if (get_bit(state->live, first + i))
			left[nleft++] = first + i;
	}
	for (int attempt = 0; attempt < MAX_REPAIR_ATTEMPTS && nleft > 0; attempt++)
	{
		int			n = 0;

		for (int i = 0; i < nleft; i++)
			n += plan_repair(state, repair, left[i], &changes[n]);
		hnsw_writer_links(state->reader, changes, n);

		nleft = 0;
		for (int i = 0; i < n; i++)
		{
			if (!changes[i].done)
				left[nleft++] = changes[i].point;
		}
	}
}

static void
repair_links(BulkDelete *state)
{
	const HnswMetaPageData *meta = &state->reader->ix->meta;
	uint32		per_page = meta->nodes_per_page;
	GraphRepair repair = {
		.links = &state->store.store,
		.distances = hnsw_code_cache_store(state->cache),
		.select = {
			.heuristic = (meta->select_flags & HNSW_SELECT_HEURISTIC) != 0,
			.keep_pruned = (meta->select_flags & HNSW_SELECT_KEEP_PRUNED) != 0
		},
		.is_dead = point_is_dead,
		.is_dead_arg = state
	};

	for (PointId first = 0; first < state->npoints; first += per_page)
	{
		PointId		end = Min((uint64) first + per_page, state->npoints);
		MemoryContext old = MemoryContextSwitchTo(state->page_context);

		vacuum_delay_point(false);
		hnsw_code_cache_forget(state->cache);
		repair_page(state, &repair, first, end - first);
		for (PointId point = first; point < end; point++)
		{
			HnswNodeCopy copy;
			HnswNodeParts parts;

			if (!get_bit(state->live, point))
				continue;
			hnsw_reader_node(state->reader, point, &copy, &parts);
			for (int level = 1; level <= (int) HnswNodeLevel(&copy.node);
				 level++)
				repair_upper(state, &repair, point, level);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(state->page_context);
	}
}

/*
 * Gives a point a link from a neighbour that has room for one; false when it
 * has not, or is going.
 */
static bool
attach_to(BulkDelete *state, PointId point, PointId neighbour)
{
	int			max = GraphMaxLinks(state->reader->ix->meta.m, 0);
	HnswLinkChange *change = palloc(sizeof(HnswLinkChange));

	for (int attempt = 0; attempt < MAX_REPAIR_ATTEMPTS; attempt++)
	{
		change->point = neighbour;
		hnsw_reader_node(state->reader, neighbour, &change->seen,
						 &change->parts);
		if (!HnswNodeIsLive(&change->seen.node))
			return false;
		change->nlinks = hnsw_reader_links(state->reader, neighbour,
										   &change->seen, &change->parts, 0,
										   change->links);
		for (int i = 0; i < change->nlinks; i++)
		{
			if (change->links[i] == point)
				return true;
		}
		if (change->nlinks >= max)
			return false;
		change->links[change->nlinks++] = point;
		hnsw_writer_links(state->reader, change, 1);
		if (change->done)
			return true;
	}
	return false;
}

/*
 * A point to which only dead points had links would be lost.  It gets one
 * from one of those that it has links to itself.
 */
static void
attach_lost_points(BulkDelete *state)
{
	PointId		entry = state->reader->ix->meta.entry_point;

	for (PointId point = 0; point < state->npoints; point++)
	{
		HnswNodeCopy copy;
		HnswNodeParts parts;
		PointId		links[GRAPH_MAX_LINKS];
		MemoryContext old;
		int			n;

		if (point == entry || !get_bit(state->live, point) ||
			get_bit(state->linked, point))
			continue;
		old = MemoryContextSwitchTo(state->page_context);
		hnsw_reader_node(state->reader, point, &copy, &parts);
		n = HnswNodeIsLive(&copy.node) ?
			hnsw_reader_links(state->reader, point, &copy, &parts, 0, links) : 0;
		for (int i = 0; i < n; i++)
		{
			if (attach_to(state, point, links[i]))
				break;
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(state->page_context);
	}
}

/*-------------------------------------------------------------------------
 * Pass 3: points
 *-------------------------------------------------------------------------
 */
static void
free_points(BulkDelete *state)
{
	uint32		per_page = state->reader->ix->meta.nodes_per_page;

	for (PointId first = 0; first < state->npoints; first += per_page)
	{
		PointId		end = Min((uint64) first + per_page, state->npoints);
		PointId		points[HNSW_MAX_NODES_PER_PAGE];
		int			n = 0;

		for (PointId point = first; point < end; point++)
		{
			if (get_bit(state->old_dead, point))
				points[n++] = point;
		}
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
	bool		dead = PointIdIsValid(entry) && point_is_dead(entry, state) &&
		PointIdIsValid(state->highest);

	if (dead || FullTransactionIdIsValid(dead_xid))
		(void) hnsw_writer_vacuum_meta(state->reader,
								dead ? entry : InvalidPointId, state->highest,
								state->highest_level, dead_xid);
}

/*
 * The time when the dead points were marked; invalid when there are none.
 * Those that a vacuum without an end has left were marked before now.
 */
static FullTransactionId
time_of_marking(const BulkDelete *state, FullTransactionId before)
{
	if (state->nmarked + state->nold == 0)
		return InvalidFullTransactionId;
	if (state->nmarked == 0 && FullTransactionIdIsValid(before))
		return before;
	return ReadNextFullTransactionId();
}

static void
init_bulk_delete(BulkDelete *state, Relation index)
{
	Size		bytes;

	memset(state, 0, sizeof(BulkDelete));
	hnsw_page_store_init(&state->store, index);
	state->reader = &state->store.reader;
	state->npoints = state->reader->ix->meta.npoints;
	bytes = state->npoints / BITS_PER_BYTE + 1;
	state->live = palloc_extended(bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	state->dead = palloc_extended(bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	state->old_dead = palloc_extended(bytes,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	state->linked = palloc_extended(bytes,
									MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	state->highest = InvalidPointId;
	state->highest_level = -1;
	state->page_context = AllocSetContextCreate(CurrentMemoryContext,
												"hnsw vacuum page",
												ALLOCSET_DEFAULT_SIZES);
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
	replace_entry(&state, time_of_marking(&state, dead_xid));
	if (state.nmarked + state.nold > 0)
	{
		state.cache = hnsw_code_cache_create(state.reader);
		HNSW_TEST_POINT("vacuum-repair");
		repair_links(&state);
		HNSW_TEST_POINT("vacuum-repaired");
		attach_lost_points(&state);
		if (may_free && state.nold > 0)
			free_points(&state);
	}

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
