/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Rows in the order of their distance from a query vector.
 *
 * A scan is a stream.  The graph gives candidates in batches of ef, ordered
 * by estimated keys; the scan turns them into rows, in the order of exact
 * distances as the operator computes them:
 *
 *	  graph search -> batch of points with lower bounds of their keys
 *		 -> refined keys and bounds, for as few points as the bounds allow
 *		 -> exact distance from the heap, for as few as these allow -> rows
 *
 * A point whose exact key is at most the lower bound of every point not yet
 * looked at is next.  Bounds hold with BOUND_DEVIATIONS standard deviations
 * of the estimate, so an inversion is possible but rare.  When a batch is used
 * up the search goes on where it stopped, and may still find points that
 * belong before those given; in strict order rows are held back for that, and
 * one that comes too late all the same is left out.
 *
 * A scan holds no lock and no pin between calls, and needs no interlock with
 * vacuum because it insists on an MVCC snapshot.
 *
 * src/am/scan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/relscan.h"
#include "am/heap_rows.h"
#include "am/hnsw.h"
#include "am/page_store.h"
#include "am/scan_stats.h"
#include "compat.h"
#include "lib/pairingheap.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "test_points.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "vector_hnsw.h"

/*
 * Standard deviations between an estimate and the bound taken from it.  With
 * L1 the rounding errors of the coordinates add up more than they would if
 * they had nothing to do with each other.
 */
#define BOUND_DEVIATIONS	3.5f
#define BOUND_DEVIATIONS_L1 6.0f

/*
 * In strict order, rows wait until so many points (a part of ef) wait behind
 * them: what the search finds later can still take its place among those.
 * Less so in the first batch, which has so many points more than ef: a query
 * that wants no more rows than ef must not pay for another one.
 */
#define STRICT_LAG(ef)			((ef) / 2)
#define FIRST_STRICT_LAG(ef)	((ef) / 8 + 2)

/* Rounding of float32 sums against the operator's, relative to the key */
#define ROUNDING			1e-5f

/* So many candidates are refined at once, ... */
#define REFINE_STEP			16

/* ... and so many rows, if they are in memory, asked for before the first */
#define ROWS_AHEAD			8

StaticAssertDecl(ROWS_AHEAD <= HNSW_HEAP_PREFETCH, "rows ahead are one call");
StaticAssertDecl(REFINE_STEP <= GRAPH_MAX_LINKS, "a step is scored in one call");

/* A point that the graph has found */
typedef struct Candidate
{
	float		bound;			/* the key by which rows leave is not below */
	PointId		point;
	bool		refined;		/* the bound is as good as it gets */
} Candidate;

/* A point whose rows are known, waiting for its turn */
typedef struct RankedPoint
{
	pairingheap_node node;
	double		key;
	double		distance;		/* the operator's result */
	ItemPointerData *tids;
	int			ntids;
	int			next;			/* rows given so far */
} RankedPoint;

typedef struct HnswScan
{
	IndexScanDesc scan;
	HnswPageStore store;
	const HnswOpclass *opclass;
	GraphSearch *search;
	HnswHeapPages pages;		/* of the table */
	HnswHeapRows *rows;			/* NULL until the first one is read */
	MemoryContext context;		/* of one search, reset by rescan */

	/* settings, as they were when the search began */
	int			ef;
	HnswIterativeScan iterative;
	bool		rerank;
	float		deviations;		/* BOUND_DEVIATIONS of the metric */
	uint64		max_visited;
	Size		max_memory;

	bool		started;
	bool		exhausted;		/* the graph has no more */
	Candidate  *candidates;		/* of this batch, by bound from next on */
	int			ncandidates;
	int			next;			/* first not looked at */
	int			nasked;			/* rows before this one were asked for */
	pairingheap *ranked;
	int			nranked;
	RankedPoint *current;		/* the one whose rows are being given */
	double		last_key;		/* of the last row given */
} HnswScan;

/*-------------------------------------------------------------------------
 * Begin and end
 *-------------------------------------------------------------------------
 */
static int
compare_ranked(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	double		key_a = pairingheap_const_container(RankedPoint, node, a)->key;
	double		key_b = pairingheap_const_container(RankedPoint, node, b)->key;

	/* a heap gives its largest first, we want the nearest */
	if (key_a < key_b)
		return 1;
	if (key_a > key_b)
		return -1;

	/* what is no number is infinite, and behind what is just that */
	return (int) isnan(pairingheap_const_container(RankedPoint, node, b)->distance) -
		(int) isnan(pairingheap_const_container(RankedPoint, node, a)->distance);
}

IndexScanDesc
hnsw_begin_scan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(index, nkeys, norderbys);
	HnswScan   *so = palloc0(sizeof(HnswScan));

	so->scan = scan;
	so->opclass = hnsw_opclass(index);
	so->context = AllocSetContextCreate(CurrentMemoryContext,
										"hnsw scan", ALLOCSET_DEFAULT_SIZES);
	if (norderbys > 0)
	{
		scan->xs_orderbyvals = palloc0(sizeof(Datum) * norderbys);
		scan->xs_orderbynulls = palloc(sizeof(bool) * norderbys);
		memset(scan->xs_orderbynulls, true, sizeof(bool) * norderbys);
	}
	scan->opaque = so;
	return scan;
}

void
hnsw_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys,
			int norderbys)
{
	HnswScan   *so = scan->opaque;

	if (keys != NULL && scan->numberOfKeys > 0)
		memmove(scan->keyData, keys, scan->numberOfKeys * sizeof(ScanKeyData));
	if (orderbys != NULL && scan->numberOfOrderBys > 0)
		memmove(scan->orderByData, orderbys,
				scan->numberOfOrderBys * sizeof(ScanKeyData));

	so->started = false;
	MemoryContextReset(so->context);
	so->search = NULL;
	so->store.query = NULL;
	so->current = NULL;
	if (so->rows != NULL)
		hnsw_heap_rows_reset(so->rows);
}

void
hnsw_end_scan(IndexScanDesc scan)
{
	HnswScan   *so = scan->opaque;

	if (so->rows != NULL)
		hnsw_heap_rows_close(so->rows);
	MemoryContextDelete(so->context);
	pfree(so);
	scan->opaque = NULL;
}

/*-------------------------------------------------------------------------
 * The first search
 *-------------------------------------------------------------------------
 */

/* NULL asks for rows in any order: the origin will do as well as any. */
static void
open_query(HnswScan *so, HnswValue *value)
{
	ScanKey		orderby = &so->scan->orderByData[0];
	uint32		dimensions = so->store.reader.ix->meta.dimensions;

	if ((orderby->sk_flags & SK_ISNULL) != 0)
	{
		so->rerank = false;
		hnsw_open_origin(so->opclass, dimensions, value);
	}
	else
		hnsw_open_query(so->opclass, orderby->sk_argument, dimensions, value);
}

static void
check_scan(IndexScanDesc scan)
{
	if (scan->numberOfOrderBys != 1 || scan->numberOfKeys != 0)
		elog(ERROR, "hnsw index \"%s\" can only be scanned in the order of a distance",
			 RelationGetRelationName(scan->indexRelation));

	/* Rows are returned without a pin on the page that names them */
	if (!IsMVCCSnapshot(scan->xs_snapshot))
		elog(ERROR, "non-MVCC snapshots are not supported with hnsw");
}

/* Everything that costs nothing but memory; settings are read here only */
static void
prepare_search(HnswScan *so)
{
	HnswIndex  *ix;
	HnswValue	value;

	so->ef = hnsw_ef_search;
	so->iterative = hnsw_iterative_scan;
	hnsw_page_store_init(&so->store, so->scan->indexRelation);
	hnsw_reader_begin_search(&so->store.reader);
	if (so->iterative != HNSW_ITERATIVE_SCAN_OFF)
		hnsw_page_store_set_groups(&so->store);
	ix = so->store.reader.ix;

	so->rerank = hnsw_rerank;
	so->deviations = so->opclass->metric == HNSW_METRIC_L1 ?
		BOUND_DEVIATIONS_L1 : BOUND_DEVIATIONS;
	so->max_visited = hnsw_max_scan_tuples;
	so->max_memory = (Size) (work_mem * 1024.0 * hnsw_scan_mem_multiplier);

	hnsw_heap_pages_init(&so->pages, so->scan->heapRelation, ix);
	so->store.query = quantizer_query_create(ix->quantizer);
	open_query(so, &value);
	quantizer_prepare_query(ix->quantizer, &value.vector, so->store.query);
	so->search = graph_search_create(&so->store.store,
									 so->iterative != HNSW_ITERATIVE_SCAN_OFF);
	so->ranked = pairingheap_allocate(compare_ranked, NULL);
	so->nranked = 0;
	so->candidates = NULL;
	so->ncandidates = so->next = so->nasked = 0;
	so->last_key = -INFINITY;
	so->exhausted = false;
	so->scan->xs_recheckorderby = false;
	so->scan->xs_recheck = false;
}

/*
 * Greedily through the upper levels, then the beam.  From where it begins
 * links need not lead to everything, but from the entry point of the index
 * they do: with that at hand too, a scan that goes on comes to every point.
 */
static int
search_from_entry(HnswScan *so)
{
	GraphStore *store = &so->store.store;
	GraphNeighbour entries[2];
	int			ef = so->ef;

	if (!hnsw_page_store_descend(&so->store, so->search, 1, &entries[0]))
		return 0;
	entries[1].point = so->store.reader.ix->meta.entry_point;
	store->score(store, &entries[1].point, 1, &entries[1].distance);
	if (so->iterative == HNSW_ITERATIVE_SCAN_STRICT_ORDER)
		ef += FIRST_STRICT_LAG(ef);
	return graph_search_level(so->search, entries, 2, 0, ef);
}

/*
 * An entry point that was dead can be replaced and given back before we come
 * there, and then it leads nowhere: to nothing, or to what is in its group.
 */
static int
first_batch(HnswScan *so)
{
	HnswReader *reader = &so->store.reader;
	PointId		entry;
	bool		lost;
	int			n;

	HNSW_TEST_POINT("scan-begun");
	do
	{
		entry = reader->ix->meta.entry_point;
		n = search_from_entry(so);
		lost = n == 0 || so->store.store.group_size > 0;
		if (lost)
			hnsw_index_refresh(reader->ix, reader->index);
	} while (lost && reader->ix->meta.entry_point != entry);
	return n;
}

/*
 * The next ones.  Past the limits of an iterative scan no more links are
 * read, but what was met on the way is still given.
 */
static int
next_batch(HnswScan *so)
{
	bool		expand =
		graph_search_stats(so->search)->met < so->max_visited &&
		graph_search_memory(so->search) < so->max_memory;

	hnsw_scan_stats_count(HNSW_STAT_CONTINUATIONS, 1);
	return graph_search_continue(so->search, so->ef, expand);
}

/*-------------------------------------------------------------------------
 * From a batch to candidates with bounds
 *-------------------------------------------------------------------------
 */

/*
 * The bound of a key, none when key or error is infinite.  Without rerank rows
 * leave by their refined keys.
 */
static inline void
set_bound(HnswScan *so, Candidate *candidate, float key, float error,
		  bool refined)
{
	candidate->refined = refined;
	candidate->bound = key;
	if (so->rerank || !refined)
	{
		candidate->bound -= so->deviations * error + ROUNDING * fabsf(key);
		if (isnan(candidate->bound))
			candidate->bound = -INFINITY;
	}
}

/* The best keys and bounds for candidates that do not have them */
static void
refine_candidates(HnswScan *so, Candidate *candidates, int n)
{
	Candidate  *coarse[REFINE_STEP];
	PointId		points[REFINE_STEP];
	float		keys[REFINE_STEP];
	float		errors[REFINE_STEP];
	int			ncoarse = 0;

	Assert(n <= REFINE_STEP);
	for (int i = 0; i < n; i++)
	{
		if (candidates[i].refined)
			continue;

		/*
		 * Of a point that no link has led to, and that stands for no row (any
		 * more, or yet), the page of refinement may never have been written.
		 */
		if (so->store.store.group_size > 0 &&
			!hnsw_reader_has_rows(&so->store.reader, candidates[i].point))
		{
			candidates[i].bound = INFINITY;
			candidates[i].refined = true;
			continue;
		}
		points[ncoarse] = candidates[i].point;
		coarse[ncoarse++] = &candidates[i];
	}
	if (ncoarse == 0)
		return;
	hnsw_reader_score_refined(&so->store.reader, so->store.query, points,
							  ncoarse, keys, errors);
	hnsw_scan_stats_count(HNSW_STAT_REFINED, ncoarse);
	for (int i = 0; i < ncoarse; i++)
		set_bound(so, coarse[i], keys[i], errors[i], true);
}

static int
compare_candidates(const void *a, const void *b)
{
	const Candidate *ca = a;
	const Candidate *cb = b;

	if (ca->bound != cb->bound)
		return ca->bound < cb->bound ? -1 : 1;
	return ca->point < cb->point ? -1 : ca->point > cb->point;
}

/*
 * Refines the first candidates, as the nearest of all may not be the one that
 * it seems, and puts them where they belong among the others.
 */
static void
refine_step(HnswScan *so)
{
	Candidate  *candidates = so->candidates + so->next;
	int			n = so->ncandidates - so->next;
	int			nstep = Min(n, REFINE_STEP);
	Candidate	step[REFINE_STEP];
	int			merged = 0;
	int			other = nstep;

	refine_candidates(so, candidates, nstep);
	for (int i = 0; i < nstep; i++)
		step[i] = candidates[i];
	qsort(step, nstep, sizeof(Candidate), compare_candidates);
	for (int i = 0; i < nstep; candidates[merged++] = step[i++])
	{
		while (other < n &&
			   compare_candidates(&candidates[other], &step[i]) < 0)
			candidates[merged++] = candidates[other++];
	}
}

/* Bounds of points found, from the keys that the search has */
static void
bound_candidates(HnswScan *so, const GraphNeighbour *found, int n,
				 Candidate *candidates)
{
	bool		refined = so->store.reader.ix->quantizer->refine_size == 0;
	PointId		points[GRAPH_MAX_LINKS];
	float		errors[GRAPH_MAX_LINKS];

	Assert(n > 0 && n <= GRAPH_MAX_LINKS);
	points[0] = candidates[0].point = found[0].point;
	for (int i = 1; i < n; i++)
		points[i] = candidates[i].point = found[i].point;
	hnsw_reader_errors(&so->store.reader, so->store.query, points, n, errors);
	for (int i = 0; i < n; i++)
		set_bound(so, &candidates[i], found[i].distance, errors[i], refined);
}

static void
take_batch(HnswScan *so)
{
	int			n;
	const GraphNeighbour *found = graph_search_results(so->search, &n);

	if (so->candidates != NULL)
		pfree(so->candidates);
	so->candidates = palloc(Max(n, 1) * sizeof(Candidate));
	so->ncandidates = n;
	so->next = so->nasked = 0;
	for (int i = 0; i < n; i += GRAPH_MAX_LINKS)
		bound_candidates(so, found + i, Min(n - i, GRAPH_MAX_LINKS),
						 so->candidates + i);
	qsort(so->candidates, n, sizeof(Candidate), compare_candidates);
}

/* Asks the graph for another batch; false when there is none any more. */
static bool
fill_candidates(HnswScan *so)
{
	int			n;

	if (so->exhausted)
		return false;
	if (!so->started)
		n = first_batch(so);
	else if (so->iterative == HNSW_ITERATIVE_SCAN_OFF)
		n = 0;
	else
		n = next_batch(so);
	HNSW_TEST_POINT("scan-batch-found");
	so->started = true;
	so->exhausted = n == 0;
	if (n > 0)
		take_batch(so);
	return n > 0;
}

/*-------------------------------------------------------------------------
 * From candidates to rows
 *-------------------------------------------------------------------------
 */
static void
open_rows(HnswScan *so)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(so));

	so->rows = hnsw_heap_rows_open(&so->pages, so->scan->indexRelation);
	MemoryContextSwitchTo(old);
}

/* Asks for the rows of the next candidates. */
static void
ask_for_rows(HnswScan *so)
{
	PointId		points[ROWS_AHEAD];
	ItemPointerData tids[ROWS_AHEAD];
	int			n = Min(so->ncandidates - so->next, ROWS_AHEAD);

	for (int i = 0; i < n; i++)
		points[i] = so->candidates[so->next + i].point;
	so->nasked = so->next + n;
	n = hnsw_reader_peek_tids(&so->store.reader, points, n, tids);
	hnsw_heap_pages_prefetch(&so->pages, tids, n);
}

/*
 * The operator's result for a row, if the snapshot sees the row.  What it
 * computes is what the executor would compute.
 */
static bool
exact_distance(HnswScan *so, ItemPointer tid, double *distance)
{
	ScanKey		orderby = &so->scan->orderByData[0];
	Datum		value;
	MemoryContext old;

	if (so->rows == NULL)
		open_rows(so);
	if (!hnsw_heap_rows_fetch(so->rows, tid, so->scan->xs_snapshot, &value))
		return false;
	old = MemoryContextSwitchTo(so->rows->row_context);
	*distance = DatumGetFloat8(FunctionCall2Coll(&orderby->sk_func,
												 orderby->sk_collation, value,
												 orderby->sk_argument));
	MemoryContextSwitchTo(old);
	return true;
}

static void
forget_ranked(RankedPoint *ranked)
{
	pfree(ranked->tids);
	pfree(ranked);
}

/* Reads the rows of a candidate and puts the point where its key belongs. */
static void
rank_candidate(HnswScan *so, const Candidate *candidate)
{
	RankedPoint *ranked = palloc(sizeof(RankedPoint));
	HnswNodeCopy copy;
	HnswNodeParts parts;

	hnsw_reader_node(&so->store.reader, candidate->point, &copy, &parts);
	ranked->ntids = hnsw_reader_tids(&so->store.reader, candidate->point,
									 &copy,
									 &parts, &ranked->tids);
	ranked->next = 0;
	ranked->key = candidate->bound;
	ranked->distance = 0;

	if (so->rerank)
	{
		ItemPointerData tid;

		/* all rows of a point have the same vector: one visible row will do */
		do
		{
			CHECK_FOR_INTERRUPTS();
			if (ranked->next == ranked->ntids)
			{
				forget_ranked(ranked);
				return;
			}
			tid = ranked->tids[ranked->next];
			ranked->next++;
			hnsw_scan_stats_count(HNSW_STAT_RERANKED, 1);
		} while (!exact_distance(so, &tid, &ranked->distance));
		ranked->next--;
		ranked->key =
			quantizer_key_from_distance(so->opclass->metric, ranked->distance);
		if (isnan(ranked->key))
			ranked->key = INFINITY;
	}
	else if (ranked->ntids == 0)
	{
		forget_ranked(ranked);
		return;
	}
	pairingheap_add(so->ranked, &ranked->node);
	so->nranked++;
}

/* Goes on with the next candidate, which is the one with the lowest bound. */
static void
rank_next(HnswScan *so)
{
	if (!so->candidates[so->next].refined)
	{
		refine_step(so);
		return;
	}
	if (so->next >= so->nasked)
		ask_for_rows(so);
	rank_candidate(so, &so->candidates[so->next++]);
}

static RankedPoint *
nearest_ranked(HnswScan *so)
{
	if (pairingheap_is_empty(so->ranked))
		return NULL;
	return pairingheap_container(RankedPoint, node,
								 pairingheap_first(so->ranked));
}

/* How many points have to wait behind a row that is given */
static int
strict_lag(HnswScan *so)
{
	if (so->iterative != HNSW_ITERATIVE_SCAN_STRICT_ORDER || so->exhausted)
		return 0;
	return graph_search_stats(so->search)->continuations == 0 ?
		FIRST_STRICT_LAG(so->ef) : STRICT_LAG(so->ef);
}

/* May the nearest ranked point be given, as far as this batch can tell? */
static bool
is_next(HnswScan *so, const RankedPoint *nearest)
{
	int			waiting = so->nranked + so->ncandidates - so->next;

	if (so->next < so->ncandidates &&
		nearest->key > so->candidates[so->next].bound)
		return false;
	return waiting > strict_lag(so);
}

/* The next point in order, NULL at the end. */
static RankedPoint *
next_point(HnswScan *so)
{
	for (;;)
	{
		RankedPoint *nearest = nearest_ranked(so);

		if (nearest != NULL && is_next(so, nearest))
		{
			(void) pairingheap_remove_first(so->ranked);
			so->nranked--;
			if (so->iterative == HNSW_ITERATIVE_SCAN_STRICT_ORDER &&
				nearest->key < so->last_key)
			{
				forget_ranked(nearest);
				continue;
			}
			so->last_key = nearest->key;
			return nearest;
		}
		if (so->next < so->ncandidates)
			rank_next(so);
		else if (!fill_candidates(so) && nearest == NULL)
			return NULL;
	}
}

static bool
next_row(HnswScan *so)
{
	IndexScanDesc scan = so->scan;

	while (so->current == NULL || so->current->next >= so->current->ntids)
	{
		if (so->current != NULL)
			forget_ranked(so->current);
		so->current = next_point(so);
		if (so->current == NULL)
			return false;
	}

	scan->xs_heaptid = so->current->tids[so->current->next++];
	hnsw_heap_pages_hand_over(&so->pages, scan->xs_heapfetch,
							  &scan->xs_heaptid);
	if (so->rerank)
	{
		scan->xs_orderbyvals[0] = Float8GetDatum(so->current->distance);
		scan->xs_orderbynulls[0] = false;
	}
	return true;
}

bool
hnsw_get_tuple(IndexScanDesc scan, ScanDirection direction)
{
	HnswScan   *so = scan->opaque;
	MemoryContext old;
	bool		found;

	Assert(ScanDirectionIsForward(direction));
	CHECK_FOR_INTERRUPTS();
	old = MemoryContextSwitchTo(so->context);
	hnsw_scan_stats_resume();
	if (so->store.query == NULL)
	{
		check_scan(scan);
		pgstat_count_index_scan(scan->indexRelation);
		index_scan_count_search(scan);
		hnsw_scan_stats_reset(RelationGetRelid(scan->indexRelation));
		prepare_search(so);
	}
	found = next_row(so);

	/* vacuum, and replay on a standby, must not wait for a cursor's pin */
	if (so->rows != NULL)
		hnsw_heap_rows_reset(so->rows);
	hnsw_scan_stats_pause(&so->store.reader, graph_search_stats(so->search), found);
	MemoryContextSwitchTo(old);
	return found;
}
