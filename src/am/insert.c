/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  A row that comes after the build.
 *
 * The row's vector is coded; then it is graph/insert.c that puts it into the
 * graph, unless there is a point with the very same vector already, which
 * the row joins.  What that reads and writes goes through the same fast path
 * as a scan's.
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
#include "am/page_writer.h"
#include "compat.h"
#include "common/hashfn.h"
#include "graph/insert.h"
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
 * What a state may have grown by, in bytes, when it is kept.  More comes of
 * rows that met many points, and would stay with every backend.
 */
#define MAX_KEPT_GROWTH		(8 * 1024 * 1024)

/*
 * What is kept from row to row, with the open index.  It is one piece with
 * its memory context: an error may leave it half changed, and then all of it
 * goes.
 */
typedef struct InsertState
{
	HnswPageWriter writer;		/* must be first */
	HnswPageStore store;
	HnswCodeCache *cache;		/* distances between points */
	GraphInsert *insert;
	const HnswOpclass *opclass;
	MemoryContext context;		/* of the state */
	MemoryContext row_context;	/* below it, reset after each row */
	Size		initial_size;	/* of both */

	/* the row on its way */
	Relation	index;
	Relation	heap;
	ItemPointer tid;
	HnswValue	value;
	HnswCode	code;
	uint32		slot;			/* of its point, if that is above level 0 */
} InsertState;

static PointId allocate_point(GraphWriter *writer,
							  const GraphNewPoint *new_point);
static void write_point(GraphWriter *writer, const GraphNewPoint *new_point);
static bool join_point(void *arg, const GraphNeighbour *found, int nfound);

static InsertState *
make_state(Relation index)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "hnsw insert",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	InsertState *state = palloc0(sizeof(InsertState));
	HnswReader *reader = &state->store.reader;
	GraphInsertOptions options = {0};

	state->context = context;
	hnsw_page_store_init(&state->store, index);
	hnsw_reader_begin_search(reader);
	hnsw_page_writer_init(&state->writer, reader);
	state->writer.writer.allocate = allocate_point;
	state->writer.writer.write_point = write_point;
	state->opclass = hnsw_opclass(index);
	state->store.query = quantizer_query_create(reader->ix->quantizer);
	state->cache = hnsw_code_cache_create(reader);
	hnsw_code_create(&state->code, reader->ix->quantizer);

	options.graph = &state->store.store;
	options.distances = hnsw_code_cache_store(state->cache);
	options.writer = &state->writer.writer;
	options.m = reader->ix->meta.m;
	options.ef_construction = reader->ix->meta.ef_construction;
	options.select = hnsw_select_options(&reader->ix->meta);
	options.join = join_point;
	options.join_arg = state;
	state->insert = graph_insert_create(&options);
	state->row_context = AllocSetContextCreate(context, "hnsw insert row",
											   ALLOCSET_DEFAULT_SIZES);
	state->initial_size = MemoryContextMemAllocated(context, true);
	MemoryContextSwitchTo(old);
	return state;
}

/*
 * The state that is kept with the open index, or a new one.  As long as it is
 * in use the index does not have it, but the caller's memory context: an
 * error frees it, and rows that are inserted meanwhile, by the expression of
 * an index that is evaluated to compare vectors, take a state of their own.
 */
static InsertState *
take_state(Relation index)
{
	HnswIndex  *ix = hnsw_index_open(index);
	InsertState *state = ix->insert_state;

	hnsw_index_check_writable(ix, index);
	if (state == NULL)
		return make_state(index);
	ix->insert_state = NULL;
	MemoryContextSetParent(state->context, CurrentMemoryContext);
	hnsw_reader_use(&state->store.reader, index, ix);
	hnsw_reader_begin_search(&state->store.reader);
	return state;
}

/*
 * Keeps the state for the next row.  The index may have been replaced since;
 * then the state is freed with it at the end of the transaction.
 */
static void
give_back_state(InsertState *state)
{
	HnswIndex  *ix = state->store.reader.ix;

	MemoryContextReset(state->row_context);
	if (ix->insert_state != NULL ||
		MemoryContextMemAllocated(state->context, true) >
		state->initial_size + MAX_KEPT_GROWTH)
	{
		MemoryContextDelete(state->context);
		return;
	}
	MemoryContextSetParent(state->context, ix->context);
	ix->insert_state = state;
}

/*-------------------------------------------------------------------------
 * Points that have the vector already
 *-------------------------------------------------------------------------
 */

/* Is one of the point's rows visible, and its vector the same? */
static bool
same_vector(InsertState *state, HnswHeapRows *rows, ItemPointer tid,
			Snapshot snapshot)
{
	Datum		datum;
	HnswValue	value = {0};
	MemoryContext old;
	bool		same;

	if (!hnsw_heap_rows_fetch(rows, tid, snapshot, &datum))
		return false;
	old = MemoryContextSwitchTo(rows->row_context);
	state->opclass->open(datum, &value);
	same = hnsw_value_equal(state->opclass, &value, &state->value);
	MemoryContextSwitchTo(old);
	return same;
}

/* Looks at some rows of a point; returns whether one has the vector. */
static bool
any_same_vector(InsertState *state, HnswHeapRows *rows, ItemPointer tids,
				int ntids, int *nlooked)
{
	for (int i = 0; i < ntids && *nlooked < MAX_ROWS_LOOKED_AT; i++)
	{
		(*nlooked)++;
		if ((ActiveSnapshotSet() &&
			 same_vector(state, rows, &tids[i], GetActiveSnapshot())) ||
			same_vector(state, rows, &tids[i], SnapshotSelf))
			return true;
	}
	return false;
}

/*
 * Has one of the rows that a point has, as far as they are looked at, the
 * vector?  Stores in *changed whether its lists changed meanwhile.
 */
static bool
rows_have_vector(InsertState *state, PointId point, HnswHeapRows *rows,
				 int *nlooked, bool *changed)
{
	HnswReader *reader = &state->store.reader;
	HnswNodeCopy copy;
	HnswNodeParts parts;
	HnswTidWalk walk;
	PGAlignedBlock item;
	HnswTidList *list = (HnswTidList *) item.data;
	bool		same;

	*changed = false;
	hnsw_reader_node(reader, point, &copy, &parts);
	if (!HnswNodeIsLive(&copy.node))
		return false;
	hnsw_reader_start_tids(&walk, &copy, &parts);
	same = ItemPointerIsValid(&copy.node.heaptid) &&
		any_same_vector(state, rows, &copy.node.heaptid, 1, nlooked);
	while (!same && *nlooked < MAX_ROWS_LOOKED_AT &&
		   hnsw_reader_next_tids(reader, point, &walk, list))
		same = any_same_vector(state, rows, list->tids, list->ntids, nlooked);
	*changed = walk.changed;
	return same;
}

/*
 * Does the point stand for the vector?  Its code is the same; the table tells
 * for sure.  Rows are looked at that the statement sees, among them the old
 * version of an updated row, then those that came with it.  All rows have
 * the same vector, so the first one that is seen tells.
 */
static bool
point_has_vector(InsertState *state, PointId point)
{
	HnswHeapPages pages;
	HnswHeapRows *rows;
	int			nlooked = 0;
	bool		changed;
	bool		same;

	hnsw_heap_pages_init(&pages, state->heap, state->store.reader.ix);
	rows = hnsw_heap_rows_open(&pages, state->index);
	do
		same = rows_have_vector(state, point, rows, &nlooked, &changed);
	while (changed);
	hnsw_heap_rows_close(rows);
	return same;
}

/* Joins one of the points found, if one of them has the row's vector. */
static bool
join_point(void *arg, const GraphNeighbour *found, int nfound)
{
	InsertState *state = arg;

	for (int i = 0; i < nfound; i++)
	{
		if (hnsw_code_cache_equal(state->cache, found[i].point,
								  &state->code) &&
			point_has_vector(state, found[i].point) &&
			hnsw_writer_add_row(&state->store.reader, found[i].point,
								state->tid))
			return true;
	}
	return false;
}

/*
 * The table says that the vector did not change: look where it must be, with
 * a search much smaller than that for neighbours, until a point is met that
 * has the distance of the row's own code.
 */
static bool
join_unchanged(InsertState *state)
{
	const GraphNeighbour *found;
	int			nfound;

	found = graph_insert_look_up(state->insert,
								 hnsw_index_entry(state->store.reader.ix),
								 LOOKUP_EF,
								 quantizer_score(state->store.query,
												 state->code.code,
												 state->code.factors),
								 &nfound);
	return join_point(state, found, nfound);
}

/*-------------------------------------------------------------------------
 * The new point
 *-------------------------------------------------------------------------
 */
static int
link_ids(const GraphNewPoint *new_point, int level, PointId *ids)
{
	for (int i = 0; i < new_point->nlinks[level]; i++)
		ids[i] = new_point->links[level][i].point;
	return new_point->nlinks[level];
}

static PointId
allocate_point(GraphWriter *writer, const GraphNewPoint *new_point)
{
	InsertState *state = (InsertState *) writer;
	PointId		near[GRAPH_MAX_LINKS];
	int			nnear = link_ids(new_point, 0, near);
	PointId		point;

	HNSW_TEST_POINT("insert-links-chosen");
	point = hnsw_writer_allocate(&state->store.reader, new_point->level, near,
								 nnear, &state->slot);
	hnsw_code_cache_name_new(state->cache, point);
	return point;
}

static void
write_point(GraphWriter *writer, const GraphNewPoint *new_point)
{
	InsertState *state = (InsertState *) writer;
	HnswReader *reader = &state->store.reader;
	PointId		links[GRAPH_MAX_LINKS];
	HnswNewPoint written = {
		.point = new_point->point,
		.level = new_point->level,
		.slot = state->slot,
		.code = &state->code,
		.heaptid = *state->tid,
		.links = links
	};

	HNSW_TEST_POINT("insert-point-taken");
	for (int level = 1; level <= new_point->level; level++)
	{
		int			n = link_ids(new_point, level, links);

		hnsw_writer_slot(reader, new_point->point, state->slot, level, links,
						 n);
	}
	written.nlinks = link_ids(new_point, 0, links);
	hnsw_writer_point(reader, &written);
	HNSW_TEST_POINT("insert-point-written");
}

/*
 * Level of a new point.  Built points draw theirs by their ordinal; here the
 * number of the row's version takes its place.
 */
static GraphLevel
new_level(const HnswMetaPageData *meta, ItemPointer tid)
{
	uint64		ordinal = ((uint64) ItemPointerGetBlockNumber(tid) << 16) |
		ItemPointerGetOffsetNumber(tid);

	return graph_random_level(meta->seed, hash_combine64(ordinal, meta->seed),
							  meta->m);
}

static void
insert_row(InsertState *state, bool unchanged)
{
	HnswIndex  *ix = state->store.reader.ix;

	hnsw_code_cache_reset(state->cache, &state->code);
	if (!unchanged || !join_unchanged(state))
		(void) graph_insert(state->insert, hnsw_index_entry(ix),
							new_level(&ix->meta, state->tid));
}

/* The first vectors of an index that was built without any */
static void
note_norm(InsertState *state)
{
	HnswReader *reader = &state->store.reader;
	double		norm_sq;

	if (state->opclass->metric != HNSW_METRIC_IP ||
		reader->ix->meta.lift_rows >= HNSW_ENOUGH_LIFT_ROWS)
		return;
	norm_sq = hnsw_value_norm_sq(state->opclass, &state->value);
	if (norm_sq > 0)
		hnsw_writer_note_norm(reader, norm_sq);
}

bool
hnsw_insert(Relation index, Datum *values, bool *isnull,
			ItemPointer heap_tid, Relation heap,
			IndexUniqueCheck check_unique, bool index_unchanged,
			IndexInfo *index_info)
{
	InsertState *state;
	MemoryContext old;

	if (isnull[0])
		return false;

	state = take_state(index);
	HNSW_TEST_POINT("insert-begun");
	old = MemoryContextSwitchTo(state->row_context);
	state->index = index;
	state->heap = heap;
	state->tid = heap_tid;
	hnsw_open_indexed(state->opclass, values[0],
					  state->store.reader.ix->meta.dimensions, &state->value);
	if (hnsw_value_is_indexed(state->opclass, &state->value))
	{
		Quantizer  *quantizer = state->store.reader.ix->quantizer;

		note_norm(state);
		quantizer_encode(quantizer, &state->value.vector, state->code.code,
						 state->code.factors, state->code.refine,
						 state->code.refine_factors);
		quantizer_point_as_query(quantizer, state->code.code,
								 state->code.factors,
								 quantizer->refine_size > 0 ?
								 state->code.refine : NULL,
								 state->code.refine_factors,
								 state->store.query);
		insert_row(state, index_unchanged);
	}
	MemoryContextSwitchTo(old);
	give_back_state(state);
	return false;
}
