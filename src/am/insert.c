/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  A row that comes after the build.
 *
 * The row's vector is coded and searched for in the graph as it is, through
 * the same fast path as a scan's.  Then, each step a WAL record that leaves
 * the index complete:
 *
 *	  1. an id (and upper slots) are taken,
 *	  2. code and node with its own links are written; nothing leads there,
 *	  3. one after the other its neighbours get links to it,
 *	  4. a point above all others becomes the entry point.
 *
 * An insert that ends in between leaves an id that nothing leads to, or a
 * point with fewer links to it than it might have; the row is of an aborted
 * transaction then.
 *
 * Nothing is locked while distances are computed.  What a change is based on
 * is compared with what is there when the page is locked, and the change is
 * made anew when they differ.
 *
 * src/am/insert.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/code_cache.h"
#include "am/heap_rows.h"
#include "am/hnsw.h"
#include "am/page_store.h"
#include "compat.h"
#include "common/hashfn.h"
#include "pages/writer.h"
#include "test_points.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Pool of the search for a point that is known to have the vector */
#define LOOKUP_EF			16

/*
 * Rows looked at for one that shows the vector of a point.  Where so many are
 * dead and not vacuumed yet a new point comes cheaper.
 */
#define MAX_ROWS_LOOKED_AT	64

/*
 * Changes that others got ahead of are tried again so often; one without
 * which the point is lost, more often
 */
#define MAX_LINK_ATTEMPTS	4
#define MAX_MUST_ATTEMPTS	64
#define MAX_SEARCHES		16

/* A point to which more than so many others link does not need each of them */
#define MANY_LINKS			6

/* Links looked at for one that can go in the place of one that cannot */
#define MAX_PLACES			4

/* What a statement keeps from row to row, in ii_AmCache */
typedef struct InsertState
{
	HnswPageStore store;
	HnswCodeCache *cache;		/* distances between points */
	GraphSearch *search;
	const HnswOpclass *opclass;
	HnswCode	code;
	GraphSelectOptions select;
	MemoryContext row_context;	/* reset for each row */
} InsertState;

/* A row on its way into the index */
typedef struct NewRow
{
	Relation	index;
	Relation	heap;
	ItemPointer tid;
	HnswValue	value;
	PointId		point;
	int			level;
	uint32		slot;
	GraphNeighbour *links[GRAPH_MAX_LEVEL + 1]; /* chosen, nearest first */
	int			nlinks[GRAPH_MAX_LEVEL + 1];
	int			ncandidates;	/* at level 0, behind those chosen */
} NewRow;

static InsertState *
make_state(Relation index)
{
	InsertState *state = palloc0(sizeof(InsertState));
	const HnswMetaPageData *meta;
	Quantizer  *quantizer;

	hnsw_page_store_init(&state->store, index);
	meta = &state->store.reader.ix->meta;
	quantizer = state->store.reader.ix->quantizer;
	state->opclass = hnsw_opclass(index);
	state->search = graph_search_create(&state->store.store, false);
	state->store.query = quantizer_query_create(quantizer);
	state->cache = hnsw_code_cache_create(&state->store.reader);
	hnsw_code_create(&state->code, quantizer);
	state->select.heuristic =
		(meta->select_flags & HNSW_SELECT_HEURISTIC) != 0;
	state->select.extend_candidates =
		(meta->select_flags & HNSW_SELECT_EXTEND) != 0;
	state->select.keep_pruned =
		(meta->select_flags & HNSW_SELECT_KEEP_PRUNED) != 0;
	state->row_context = AllocSetContextCreate(CurrentMemoryContext,
											   "hnsw insert row",
											   ALLOCSET_DEFAULT_SIZES);
	return state;
}

static InsertState *
get_state(Relation index, IndexInfo *index_info)
{
	InsertState *state = index_info->ii_AmCache;

	if (state == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(index_info->ii_Context);

		state = make_state(index);
		index_info->ii_AmCache = state;
		MemoryContextSwitchTo(old);
	}
	else
		hnsw_reader_init(&state->store.reader, index);
	return state;
}

/*-------------------------------------------------------------------------
 * Points that have the vector already
 *-------------------------------------------------------------------------
 */

/* Is one of the point's rows visible, and its vector the same? */
static bool
same_vector(InsertState *state, const NewRow *row, HnswHeapRows *rows,
			ItemPointer tid, Snapshot snapshot)
{
	Datum		datum;
	HnswValue	value;
	MemoryContext old;
	bool		same;

	if (!hnsw_heap_rows_fetch(rows, tid, snapshot, &datum))
		return false;
	old = MemoryContextSwitchTo(rows->row_context);
	state->opclass->open(datum, &value);
	same = hnsw_value_equal(state->opclass, &value, &row->value);
	MemoryContextSwitchTo(old);
	return same;
}

/* Looks at some rows of a point; returns whether one has the vector. */
static bool
any_same_vector(InsertState *state, const NewRow *row, HnswHeapRows *rows,
				ItemPointer tids, int ntids, int *nlooked)
{
	for (int i = 0; i < ntids && *nlooked < MAX_ROWS_LOOKED_AT; i++)
	{
		(*nlooked)++;
		if ((ActiveSnapshotSet() &&
			 same_vector(state, row, rows, &tids[i], GetActiveSnapshot())) ||
			same_vector(state, row, rows, &tids[i], SnapshotSelf))
			return true;
	}
	return false;
}

/*
 * Does the point stand for the vector?  Its code is the same; the table tells
 * for sure.  Rows are looked at that the statement sees, among them the old
 * version of an updated row, then those that came with it.  All rows have
 * the same vector, so the first one that is seen tells.
 */
static bool
point_has_vector(InsertState *state, const NewRow *row, PointId point)
{
	HnswReader *reader = &state->store.reader;
	HnswNodeCopy copy;
	HnswNodeParts parts;
	HnswTidWalk walk;
	PGAlignedBlock item;
	HnswTidList *list = (HnswTidList *) item.data;
	HnswHeapRows *rows;
	int			nlooked = 0;
	bool		same;

	hnsw_reader_node(reader, point, &copy, &parts);
	if (!HnswNodeIsLive(&copy.node))
		return false;
	rows = hnsw_heap_rows_open(row->heap, row->index);
	hnsw_reader_start_tids(&walk, &parts);
	same = ItemPointerIsValid(&copy.node.heaptid) &&
		any_same_vector(state, row, rows, &copy.node.heaptid, 1, &nlooked);
	while (!same && nlooked < MAX_ROWS_LOOKED_AT &&
		   hnsw_reader_next_tids(reader, point, &walk, list))
		same = any_same_vector(state, row, rows, list->tids, list->ntids,
							   &nlooked);
	hnsw_heap_rows_close(rows);
	return same;
}

/* Joins one of the points found, if one of them has the row's vector. */
static bool
join_point(InsertState *state, const NewRow *row, const GraphNeighbour *found,
		   int nfound)
{
	for (int i = 0; i < nfound; i++)
	{
		if (hnsw_code_cache_equal(state->cache, found[i].point,
								  &state->code) &&
			point_has_vector(state, row, found[i].point) &&
			hnsw_writer_add_row(&state->store.reader, found[i].point,
								row->tid))
			return true;
	}
	return false;
}

/*
 * The table says that the vector did not change: look where it must be, with
 * a search much smaller than that for neighbours.
 */
static bool
join_unchanged(InsertState *state, const NewRow *row)
{
	GraphNeighbour entry;
	const GraphNeighbour *found;
	int			nfound;

	if (!hnsw_page_store_descend(&state->store, state->search, 1, &entry))
		return false;
	(void) graph_search_level(state->search, &entry, 1, 0, LOOKUP_EF);
	found = graph_search_results(state->search, &nfound);
	return join_point(state, row, found, nfound);
}

/*-------------------------------------------------------------------------
 * Neighbours
 *-------------------------------------------------------------------------
 */

/* The points of a search, with the best distances there are */
static GraphNeighbour *
take_candidates(InsertState *state, PointId self, int *n)
{
	const GraphNeighbour *found = graph_search_results(state->search, n);
	GraphNeighbour *candidates = palloc((*n + 1) * sizeof(GraphNeighbour));
	PointId		points[GRAPH_MAX_LINKS];
	float		distances[GRAPH_MAX_LINKS];
	int			kept = 0;

	for (int i = 0; i < *n; i += GRAPH_MAX_LINKS)
	{
		int			npoints = Min(*n - i, GRAPH_MAX_LINKS);

		for (int j = 0; j < npoints; j++)
			points[j] = found[i + j].point;
		hnsw_code_cache_from_new(state->cache, points, npoints, distances);
		for (int j = 0; j < npoints; j++)
		{
			if (points[j] == self)
				continue;
			candidates[kept].point = points[j];
			candidates[kept++].distance = distances[j];
		}
	}
	*n = kept;
	return candidates;
}

/*
 * Searches all levels of the row and chooses its links.  Returns false when
 * there is no live point to link to.  *joined: a point had the vector.
 */
static bool
choose_links(InsertState *state, NewRow *row, bool may_join, bool *joined)
{
	const HnswMetaPageData *meta = &state->store.reader.ix->meta;
	GraphNeighbour nearest;
	GraphNeighbour *entries = &nearest;
	int			nentries = 1;

	*joined = false;
	memset(row->nlinks, 0, sizeof(row->nlinks));
	if (!hnsw_page_store_descend(&state->store, state->search, row->level + 1,
								 &nearest))
		return false;
	for (int level = Min(row->level, (int) meta->entry_level); level >= 0;
		 level--)
	{
		GraphNeighbour *candidates;
		int			n;

		(void) graph_search_level(state->search, entries, nentries, level,
								  meta->ef_construction);
		if (level == 0 && may_join)
		{
			const GraphNeighbour *found = graph_search_results(state->search,
															   &n);

			*joined = join_point(state, row, found, n);
			if (*joined)
				return true;
		}
		candidates = take_candidates(state, row->point, &n);
		if (n > 0)
		{
			entries = palloc(n * sizeof(GraphNeighbour));
			memcpy(entries, candidates, n * sizeof(GraphNeighbour));
			nentries = n;
		}
		row->links[level] = candidates;
		row->ncandidates = n;
		row->nlinks[level] =
			graph_select_neighbours(hnsw_code_cache_store(state->cache),
									&state->select, candidates, n,
									GraphOwnLinks(meta->m, level));
	}
	return row->nlinks[0] > 0;
}

static int
link_ids(const NewRow *row, int level, PointId *ids)
{
	for (int i = 0; i < row->nlinks[level]; i++)
		ids[i] = row->links[level][i].point;
	return row->nlinks[level];
}

static bool
contains(const PointId *points, int n, PointId point)
{
	for (int i = 0; i < n; i++)
	{
		if (points[i] == point)
			return true;
	}
	return false;
}

/* The links of a point at level 0; none when it is gone */
static int
links_of(InsertState *state, PointId point, PointId *links)
{
	HnswReader *reader = &state->store.reader;
	HnswNodeCopy copy;
	HnswNodeParts parts;

	hnsw_reader_node(reader, point, &copy, &parts);
	if (!HnswNodeIsLive(&copy.node))
		return 0;
	return hnsw_reader_links(reader, point, &copy, &parts, 0, links);
}

/*
 * Can a point that links to n points do without a link to target?  It can if
 * one of them, or the new point, links there: as long as no other link ever
 * goes, all that could be reached can be reached.  And it can if many others
 * link there.  Those are asked to which the target links in turn.
 */
static bool
can_go(InsertState *state, const NewRow *row, const PointId *links, int n,
	   PointId target)
{
	PointId		back[GRAPH_MAX_LINKS];
	int			nback;
	int			count = 0;

	for (int i = 0; i < row->nlinks[0]; i++)
	{
		if (row->links[0][i].point == target)
			return true;
	}
	nback = links_of(state, target, back);
	for (int i = 0; i < nback; i++)
	{
		PointId		theirs[GRAPH_MAX_LINKS];

		if (back[i] == row->point ||
			!contains(theirs, links_of(state, back[i], theirs), target))
			continue;
		if (contains(links, n, back[i]) || ++count > MANY_LINKS)
			return true;
	}
	return false;
}

/*
 * Shortens a list, best links first, to nwanted links by taking out those
 * that can go, the worst first.  Returns how many are left.
 */
static int
shorten_list(InsertState *state, const NewRow *row, PointId *links, int n,
			 int nwanted)
{
	int			stop = Max(nwanted - MAX_PLACES, 0);

	for (int i = n - 1; i >= stop && n > nwanted; i--)
	{
		PointId		link = links[i];

		if (link == row->point)
			continue;
		memmove(links + i, links + i + 1, (n - 1 - i) * sizeof(PointId));
		links[n - 1] = link;
		if (can_go(state, row, links, n - 1, link))
			n--;
	}
	return n;
}

/* How much a point needs to be linked */
typedef enum LinkNeed
{
	LINK_IF_CHOSEN,				/* by the rules of selection */
	LINK_IF_POSSIBLE,			/* without cutting off others */
	LINK_ANYWAY
} LinkNeed;

typedef enum LinkPlan
{
	LINK_REFUSED,
	LINK_GONE,					/* whose links they were */
	LINK_THERE,
	LINK_ADDED
} LinkPlan;

/*
 * Puts links in the order of preference; returns how many of them selection
 * would choose.
 */
static int
order_links(InsertState *state, PointId point, PointId *links, int n, int max)
{
	GraphNeighbour candidates[GRAPH_MAX_LINKS + 1];
	float		distances[GRAPH_MAX_LINKS + 1];
	GraphStore *distance_store = hnsw_code_cache_store(state->cache);
	int			nchosen;

	distance_store->score_between(distance_store, point, links, n, distances);
	for (int i = 0; i < n; i++)
	{
		candidates[i].point = links[i];
		candidates[i].distance = distances[i];
	}
	nchosen = graph_select_neighbours(distance_store, &state->select,
									  candidates, n, max);
	for (int i = 0; i < n; i++)
		links[i] = candidates[i].point;
	return nchosen;
}

/*
 * Adds the new point to the links of a point at a level, of which there are
 * *nlinks; links has room for one more than GRAPH_MAX_LINKS.
 */
static LinkPlan
add_link(InsertState *state, PointId point, PointId *links, int *nlinks,
		 const NewRow *row, int level, LinkNeed need)
{
	int			max = GraphMaxLinks(state->store.reader.ix->meta.m, level);
	int			n = *nlinks;
	int			nchosen;

	if (contains(links, n, row->point))
		return LINK_THERE;
	links[n++] = row->point;
	if (n > max)
	{
		nchosen = order_links(state, point, links, n, max);
		if (need == LINK_IF_CHOSEN && !contains(links, nchosen, row->point))
			return LINK_REFUSED;
		if (level == 0 && need != LINK_ANYWAY)
			n = shorten_list(state, row, links, n, nchosen);
		else if (contains(links, nchosen, row->point))
			n = nchosen;
		else
		{
			links[nchosen - 1] = row->point;
			n = nchosen;
		}
		if (n > max)
			return LINK_REFUSED;
	}
	*nlinks = n;
	return LINK_ADDED;
}

/*-------------------------------------------------------------------------
 * Links to the new point
 *-------------------------------------------------------------------------
 */

/* What has to change in one neighbour */
static LinkPlan
plan_back_link(InsertState *state, const NewRow *row, PointId neighbour,
			   LinkNeed need, HnswLinkChange *change)
{
	HnswReader *reader = &state->store.reader;

	change->point = neighbour;
	hnsw_reader_node(reader, neighbour, &change->seen, &change->parts);
	if (!HnswNodeIsLive(&change->seen.node))
		return LINK_GONE;
	change->nlinks = hnsw_reader_links(reader, neighbour, &change->seen,
									   &change->parts, 0, change->links);
	return add_link(state, neighbour, change->links, &change->nlinks, row, 0,
					need);
}

/*
 * Links those neighbours to the point that want to.  Returns whether one is
 * linked; those where others got ahead of us are left in neighbours.
 */
static bool
try_link_back(InsertState *state, const NewRow *row, PointId *neighbours,
			  int *n, HnswLinkChange *changes)
{
	bool		linked = false;
	int			nchanges = 0;
	int			nleft = 0;

	for (int i = 0; i < *n; i++)
	{
		LinkPlan	plan = plan_back_link(state, row, neighbours[i],
										  LINK_IF_CHOSEN, &changes[nchanges]);

		linked |= plan == LINK_THERE;
		nchanges += plan == LINK_ADDED;
	}
	hnsw_writer_links(&state->store.reader, changes, nchanges);
	for (int i = 0; i < nchanges; i++)
	{
		linked |= changes[i].done;
		if (!changes[i].done)
			neighbours[nleft++] = changes[i].point;
	}
	*n = nleft;
	return linked;
}

/*
 * Links some neighbour, or what else was found, with need LINK_ANYWAY the
 * first that is there.
 */
static bool
must_link_back(InsertState *state, const NewRow *row, LinkNeed need,
			   HnswLinkChange *change)
{
	for (int i = 0; i < row->ncandidates; i++)
	{
		for (int attempt = 0; attempt < MAX_MUST_ATTEMPTS; attempt++)
		{
			LinkPlan	plan = plan_back_link(state, row,
											  row->links[0][i].point, need,
											  change);

			if (plan == LINK_THERE)
				return true;
			if (plan != LINK_ADDED)
				break;
			hnsw_writer_links(&state->store.reader, change, 1);
			if (change->done)
				return true;
		}
	}
	return false;
}

/*
 * Links the chosen neighbours to the point, at least one of them.  Returns
 * false when they are all gone.
 */
static bool
link_back(InsertState *state, const NewRow *row)
{
	PointId		left[GRAPH_MAX_LINKS];
	int			nleft = link_ids(row, 0, left);
	HnswLinkChange *changes = palloc(Max(nleft, 1) * sizeof(HnswLinkChange));
	bool		linked = false;

	for (int attempt = 0; attempt < MAX_LINK_ATTEMPTS && nleft > 0; attempt++)
		linked |= try_link_back(state, row, left, &nleft, changes);
	for (LinkNeed need = LINK_IF_POSSIBLE; !linked && need <= LINK_ANYWAY;
		 need++)
		linked = must_link_back(state, row, need, changes);
	pfree(changes);
	return linked;
}

static bool
try_link_back_upper(InsertState *state, const NewRow *row, int level,
					PointId neighbour)
{
	HnswReader *reader = &state->store.reader;
	HnswNodeCopy copy;
	HnswNodeParts parts;
	PointId		seen[GRAPH_MAX_LINKS];
	PointId		links[GRAPH_MAX_LINKS + 1];
	int			nseen;
	int			nlinks;

	hnsw_reader_node(reader, neighbour, &copy, &parts);
	if (!HnswNodeIsLive(&copy.node) || HnswNodeLevel(&copy.node) < level)
		return true;
	nseen = hnsw_reader_links(reader, neighbour, &copy, &parts, level, seen);
	memcpy(links, seen, nseen * sizeof(PointId));
	nlinks = nseen;
	return add_link(state, neighbour, links, &nlinks, row, level,
					LINK_IF_CHOSEN) != LINK_ADDED ||
		hnsw_writer_slot_links(reader, neighbour, parts.upper_slot, level,
							   seen, nseen, links, nlinks);
}

static void
link_back_upper(InsertState *state, const NewRow *row, int level)
{
	for (int i = 0; i < row->nlinks[level]; i++)
	{
		for (int attempt = 0; attempt < MAX_LINK_ATTEMPTS; attempt++)
		{
			if (try_link_back_upper(state, row, level,
									row->links[level][i].point))
				break;
		}
	}
}

/*-------------------------------------------------------------------------
 * The new point
 *-------------------------------------------------------------------------
 */
static void
write_slots(InsertState *state, const NewRow *row)
{
	PointId		links[GRAPH_MAX_LINKS];

	for (int level = 1; level <= row->level; level++)
	{
		int			n = link_ids(row, level, links);

		hnsw_writer_slot(&state->store.reader, row->point, row->slot, level,
						 links, n);
	}
}

static void
write_point(InsertState *state, NewRow *row)
{
	PointId		links[GRAPH_MAX_LINKS];
	HnswNewPoint new_point = {
		.point = row->point,
		.level = row->level,
		.slot = row->slot,
		.code = &state->code,
		.heaptid = *row->tid,
		.links = links,
		.nlinks = link_ids(row, 0, links)
	};

	write_slots(state, row);
	hnsw_writer_point(&state->store.reader, &new_point);
}

/* Gives a point that was written without links, and is not linked, its own. */
static void
write_links_later(InsertState *state, const NewRow *row)
{
	HnswReader *reader = &state->store.reader;
	HnswLinkChange *change = palloc(sizeof(HnswLinkChange));

	write_slots(state, row);
	change->point = row->point;
	hnsw_reader_node(reader, row->point, &change->seen, &change->parts);
	change->nlinks = link_ids(row, 0, change->links);
	hnsw_writer_links(reader, change, 1);
	pfree(change);
}

/*
 * Level of a new point.  Built points draw theirs by their ordinal; here the
 * number of the row's version takes its place.
 */
static int
new_level(const HnswMetaPageData *meta, ItemPointer tid)
{
	uint64		ordinal = ((uint64) ItemPointerGetBlockNumber(tid) << 16) |
		ItemPointerGetOffsetNumber(tid);

	return graph_random_level(meta->seed, hash_combine64(ordinal, meta->seed),
							  meta->m);
}

/*
 * Puts a point that was written, with its links if there were any, into the
 * graph.  If there is no live point it becomes the entry point, but only as
 * long as that is so: somebody else may be first, or the neighbours go, and
 * then it needs new ones.
 */
static void
connect_point(InsertState *state, NewRow *row, bool linked, PointId entry)
{
	HnswReader *reader = &state->store.reader;
	const HnswMetaPageData *meta = &reader->ix->meta;
	bool		joined;

	for (int search = 0; search < MAX_SEARCHES; search++)
	{
		if (linked)
		{
			for (int level = row->level; level > 0; level--)
				link_back_upper(state, row, level);
			if (link_back(state, row))
				break;
		}
		else if (hnsw_writer_entry(reader, entry, row->point, row->level))
			return;

		hnsw_index_refresh(reader->ix, reader->index);
		entry = meta->entry_point;
		linked = choose_links(state, row, false, &joined);
		if (linked)
			write_links_later(state, row);
	}

	while (row->level > (int) meta->entry_level &&
		   !hnsw_writer_entry(reader, meta->entry_point, row->point,
							  row->level))
		 /* somebody else became the entry point: a lower one? */ ;
}

static void
insert_row(InsertState *state, NewRow *row, bool unchanged)
{
	HnswReader *reader = &state->store.reader;
	bool		joined;
	bool		linked;
	PointId		entry;

	hnsw_code_cache_reset(state->cache, &state->code);
	if (unchanged && join_unchanged(state, row))
		return;

	row->point = InvalidPointId;
	row->level = new_level(&reader->ix->meta, row->tid);
	entry = reader->ix->meta.entry_point;
	linked = choose_links(state, row, true, &joined);
	if (joined)
		return;

	HNSW_TEST_POINT("insert-links-chosen");
	row->point = hnsw_writer_allocate(reader, row->level, &row->slot);
	hnsw_code_cache_name_new(state->cache, row->point);
	HNSW_TEST_POINT("insert-point-taken");
	write_point(state, row);
	HNSW_TEST_POINT("insert-point-written");
	connect_point(state, row, linked, entry);
}

bool
hnsw_insert(Relation index, Datum *values, bool *isnull,
			ItemPointer heap_tid, Relation heap,
			IndexUniqueCheck check_unique, bool index_unchanged,
			IndexInfo *index_info)
{
	InsertState *state;
	MemoryContext old;
	NewRow		row = {0};

	if (isnull[0])
		return false;

	state = get_state(index, index_info);
	old = MemoryContextSwitchTo(state->row_context);
	row.index = index;
	row.heap = heap;
	row.tid = heap_tid;
	hnsw_open_indexed(state->opclass, values[0],
					  state->store.reader.ix->meta.dimensions, &row.value);
	if (hnsw_value_is_indexed(state->opclass, &row.value))
	{
		Quantizer  *quantizer = state->store.reader.ix->quantizer;

		quantizer_encode(quantizer, &row.value.vector, state->code.code,
						 state->code.factors, state->code.refine,
						 state->code.refine_factors);
		quantizer_point_as_query(quantizer, state->code.code,
								 state->code.factors,
								 quantizer->refine_size > 0 ?
								 state->code.refine : NULL,
								 state->code.refine_factors,
								 state->store.query);
		insert_row(state, &row, index_unchanged);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->row_context);
	return false;
}
