/*-------------------------------------------------------------------------
 *
 * build_team.c
 *	  Parallel workers that help to build an index.
 *
 * The leader is the backend of CREATE INDEX, and works like the others.  A
 * barrier that members join when they are there takes the team through its
 * phases:
 *
 *		0	load: everybody reads a part of the table
 *		1	the leader puts the points into shared memory
 *		2 .. graph: as many phases as graph_build_lead waits
 *		...	the leader is alone again
 *		... order: as many phases as graph_order_lead waits
 *		...	the leader is alone again, for another graph or the end
 *
 * A worker that comes late finds in TeamRound where the team is.  As long as
 * it finds there that the graph, or its order, is not done, the team waits for
 * it once it has joined, and the graph's memory stays what it is.
 *
 * src/am/build_team.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "am/build_team.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "compat.h"
#include "miscadmin.h"
#include "pages/index.h"
#include "pgstat.h"
#include "storage/barrier.h"
#include "storage/dsm.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "test_points.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

/* Keys of the table of contents */
#define KEY_SHARED		UINT64CONST(0xB000000000000001)
#define KEY_SCAN		UINT64CONST(0xB000000000000002)
#define KEY_CENTROID	UINT64CONST(0xB000000000000003)
#define KEY_QUERY		UINT64CONST(0xB000000000000004)

/* The graph that the team builds or orders */
typedef struct TeamRound
{
	bool		finished;		/* no other graph comes */
	bool		order;			/* it is built, and is put in order */
	bool		done;			/* this one needs nobody any more */
	int			first_phase;	/* 0: no graph yet */
	dsm_handle	memory;
	RowTotals	room;
	PointId		npoints;
	Size		graph_offset;
	float		lift_sq;
} TeamRound;

typedef struct TeamShared
{
	/* constant */
	Oid			heap;
	Oid			index;
	bool		concurrent;
	HnswMetaPageData meta;

	SharedFileSet files;
	Barrier		barrier;
	pg_atomic_uint32 nfiles;	/* of rows, one for each that loads */
	pg_atomic_uint64 nloaded;

	slock_t		mutex;			/* of what follows */
	LoadTotals	totals;
	bool		broken_hot_chain;
	TeamRound	round;
} TeamShared;

/* Whoever leads shows progress */
typedef struct TeamLeader
{
	GraphTeam	team;			/* must be first */
	uint64		ndone;			/* points of earlier graphs */
} TeamLeader;

struct BuildTeam
{
	TeamLeader	leader;			/* must be first */
	ParallelContext *context;
	TeamShared *shared;
	ParallelTableScanDesc scan;
	Snapshot	snapshot;
	GraphBuild *graph;			/* the one being built or ordered */
};

/* A worker's view */
typedef struct TeamWorker
{
	GraphTeam	team;			/* must be first */
	TeamShared *shared;
	Quantizer  *quantizer;
} TeamWorker;

extern PGDLLEXPORT void hnsw_build_worker(dsm_segment *segment, shm_toc *toc);

static void
wait_for_team(TeamShared *shared)
{
	static uint32 wait_event = 0;

	HNSW_TEST_POINT("build-team-waits");
	if (wait_event == 0)
		wait_event = WaitEventExtensionNew("HnswBuild");
	BarrierArriveAndWait(&shared->barrier, wait_event);
}

/*-------------------------------------------------------------------------
 * Shared memory that may be short
 *-------------------------------------------------------------------------
 */

/* Is the error one of too little shared memory? */
static bool
is_shortage(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_DISK_FULL ||
		sqlerrcode == ERRCODE_OUT_OF_MEMORY ||
		sqlerrcode == ERRCODE_INSUFFICIENT_RESOURCES;
}

/*
 * Calls a function that creates a segment of shared memory.  When there is too
 * little memory, says so and returns false.  Segments belong to a resource
 * owner of their own, so that what is left of a failed attempt can be
 * released; on success it goes with the one it is part of.
 */
static bool
try_to_create(void (*create) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ResourceOwner attempt = ResourceOwnerCreate(owner, "hnsw build");
	ErrorData  *error = NULL;

	CurrentResourceOwner = attempt;
	PG_TRY();
	{
		create(arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	CurrentResourceOwner = owner;
	if (error == NULL)
		return true;
	ResourceOwnerRelease(attempt, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
	ResourceOwnerRelease(attempt, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(attempt, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
	ResourceOwnerDelete(attempt);
	if (!is_shortage(error->sqlerrcode))
		ReThrowError(error);
	ereport(NOTICE,
			(errmsg("hnsw index is built without parallel workers"),
			 errdetail("%s", error->message),
			 errhint("Workers need as much shared memory as the build takes, up to maintenance_work_mem.")));
	FreeErrorData(error);
	return false;
}

/*-------------------------------------------------------------------------
 * The team comes together
 *-------------------------------------------------------------------------
 */
static void
team_wait(GraphTeam *graph_team)
{
	BuildTeam  *team = (BuildTeam *) graph_team;

	if (graph_build_is_done(team->graph))
	{
		SpinLockAcquire(&team->shared->mutex);
		team->shared->round.done = true;
		SpinLockRelease(&team->shared->mutex);
	}
	wait_for_team(team->shared);
}

static void
report_points(GraphTeam *team, PointId done)
{
	CHECK_FOR_INTERRUPTS();
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
								 ((TeamLeader *) team)->ndone + done);
}

/*
 * What fails when the segment is there leaves it in the context.  It goes with
 * the resource owner of the attempt; whoever ends the context, be it the end
 * of the transaction, would detach it once more.
 */
static void
create_context(void *arg)
{
	ParallelContext *context = arg;

	PG_TRY();
	{
		InitializeParallelDSM(context);
		HNSW_TEST_POINT("build-team-created");
	}
	PG_CATCH();
	{
		context->seg = NULL;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static void
estimate(shm_toc_estimator *estimator, Size size)
{
	shm_toc_estimate_chunk(estimator, size);
	shm_toc_estimate_keys(estimator, 1);
}

/* Copies size bytes to shared memory; there may be none. */
static void
share(shm_toc *toc, uint64 key, const void *bytes, Size size)
{
	void	   *place = shm_toc_allocate(toc, size);

	memcpy(place, bytes, size);
	shm_toc_insert(toc, key, place);
}

static TeamShared *
create_shared(ParallelContext *context, Relation heap, Relation index,
			  const IndexInfo *index_info, const HnswMetaPageData *meta)
{
	TeamShared *shared = shm_toc_allocate(context->toc, sizeof(TeamShared));

	memset(shared, 0, sizeof(TeamShared));
	shared->heap = RelationGetRelid(heap);
	shared->index = RelationGetRelid(index);
	shared->concurrent = index_info->ii_Concurrent;
	shared->meta = *meta;
	SharedFileSetInit(&shared->files, context->seg);
	BarrierInit(&shared->barrier, 0);
	pg_atomic_init_u32(&shared->nfiles, 0);
	pg_atomic_init_u64(&shared->nloaded, 0);
	SpinLockInit(&shared->mutex);
	shm_toc_insert(context->toc, KEY_SHARED, shared);
	return shared;
}

/* Rows must come in the order of blocks: no scan starts in the middle. */
static ParallelTableScanDesc
create_scan(ParallelContext *context, Relation heap, Snapshot snapshot,
			Size size)
{
	ParallelTableScanDesc scan = shm_toc_allocate(context->toc, size);

	table_parallelscan_initialize(heap, scan, snapshot);
	scan->phs_syncscan = false;
	shm_toc_insert(context->toc, KEY_SCAN, scan);
	return scan;
}

static void
end_context(ParallelContext *context, Snapshot snapshot)
{
	if (IsMVCCSnapshot(snapshot))
		UnregisterSnapshot(snapshot);
	DestroyParallelContext(context);
	ExitParallelMode();
}

BuildTeam *
build_team_start(Relation heap, Relation index, IndexInfo *index_info,
				 const HnswMetaPageData *meta, const float *centroid)
{
	int			nworkers = index_build_workers(heap, index, index_info);
	const char *query = debug_query_string ? debug_query_string : "";
	Size		centroid_size = centroid == NULL ? 0 :
		meta->dimensions * sizeof(float);
	Size		scan_size;
	ParallelContext *context;
	Snapshot	snapshot;
	BuildTeam  *team;

	if (nworkers == 0)
		return NULL;
	EnterParallelMode();
	context = CreateParallelContext("vector_hnsw", "hnsw_build_worker",
									nworkers);
	snapshot = index_info->ii_Concurrent ?
		RegisterSnapshot(GetTransactionSnapshot()) : SnapshotAny;
	scan_size = table_parallelscan_estimate(heap, snapshot);
	estimate(&context->estimator, sizeof(TeamShared));
	estimate(&context->estimator, scan_size);
	estimate(&context->estimator, centroid_size);
	estimate(&context->estimator, strlen(query) + 1);
	if (!try_to_create(create_context, context) || context->seg == NULL)
	{
		end_context(context, snapshot);
		return NULL;
	}

	team = palloc0(sizeof(BuildTeam));
	team->leader.team.wait = team_wait;
	team->leader.team.report = report_points;
	team->context = context;
	team->snapshot = snapshot;
	team->shared = create_shared(context, heap, index, index_info, meta);
	team->scan = create_scan(context, heap, snapshot, scan_size);
	if (centroid != NULL)
		share(context->toc, KEY_CENTROID, centroid, centroid_size);
	share(context->toc, KEY_QUERY, query, strlen(query) + 1);

	/* the first phase cannot end without the leader */
	BarrierAttach(&team->shared->barrier);
	LaunchParallelWorkers(context);
	return team;
}

/*-------------------------------------------------------------------------
 * Load
 *-------------------------------------------------------------------------
 */
static void
load_part(TeamShared *shared, ParallelTableScanDesc scan, BuildLoad *load)
{
	int			number = pg_atomic_fetch_add_u32(&shared->nfiles, 1);
	const RowTotals *rows;
	double		heap_rows;

	HNSW_TEST_POINT("build-load");
	load->scan = table_beginscan_parallel(load->heap, scan);
	load->writer = row_writer_create(load->quantizer, &shared->files, number);
	load->nloaded = &shared->nloaded;
	heap_rows = build_load(load);

	rows = row_writer_totals(load->writer);
	SpinLockAcquire(&shared->mutex);
	shared->totals.heap_rows += heap_rows;
	shared->totals.rows.nrows += rows->nrows;
	shared->totals.rows.code_bytes += rows->code_bytes;
	shared->totals.norms.logs += load->norms.logs;
	shared->totals.norms.count += load->norms.count;
	shared->broken_hot_chain |= load->index_info->ii_BrokenHotChain;
	SpinLockRelease(&shared->mutex);
	row_writer_finish(load->writer);
	wait_for_team(shared);
}

void
build_team_load(BuildTeam *team, BuildLoad *load, LoadTotals *totals)
{
	TeamShared *shared = team->shared;

	load_part(shared, team->scan, load);
	*totals = shared->totals;
	ereport(DEBUG1,
			(errmsg_internal("hnsw index \"%s\": rows loaded by %u processes",
							 RelationGetRelationName(load->index),
							 pg_atomic_read_u32(&shared->nfiles))));
	if (shared->broken_hot_chain)
		load->index_info->ii_BrokenHotChain = true;
}

RowReader *
build_team_reader(BuildTeam *team, Quantizer *quantizer)
{
	return row_reader_create(quantizer, NULL, &team->shared->files,
							 pg_atomic_read_u32(&team->shared->nfiles));
}

/*-------------------------------------------------------------------------
 * Graph
 *-------------------------------------------------------------------------
 */
typedef struct MemoryRequest
{
	Size		size;
	dsm_segment *segment;
} MemoryRequest;

static void
create_memory(void *arg)
{
	MemoryRequest *request = arg;

	request->segment = dsm_create(request->size, 0);
}

dsm_segment *
build_team_memory(BuildTeam *team, Size size)
{
	MemoryRequest request = {size, NULL};

	if (!try_to_create(create_memory, &request))
		return NULL;
	return request.segment;
}

static void
set_round(TeamShared *shared, const TeamRound *round)
{
	SpinLockAcquire(&shared->mutex);
	shared->round = *round;
	SpinLockRelease(&shared->mutex);
}

/* Calls all who are there to a graph. */
static void
begin_round(BuildTeam *team, const TeamGraph *graph, bool order)
{
	TeamShared *shared = team->shared;
	TeamRound	round = {
		.order = order,
		.first_phase = BarrierPhase(&shared->barrier) + 1,
		.memory = dsm_segment_handle(graph->memory),
		.room = graph->room,
		.npoints = build_points_count(graph->points),
		.graph_offset = graph->graph_offset,
		.lift_sq = graph->lift_sq
	};

	set_round(shared, &round);
	wait_for_team(shared);
	team->leader.ndone = graph->ndone;
	team->graph = graph->graph;
}

void
build_team_build(BuildTeam *team, const TeamGraph *graph)
{
	begin_round(team, graph, false);
	graph_build_lead(graph->graph, &team->leader.team);
}

const PointId *
build_team_order(BuildTeam *team, const TeamGraph *graph,
				 const GraphOrderOptions *options)
{
	begin_round(team, graph, true);
	return graph_order_lead(graph->graph, &team->leader.team, options);
}

void
build_team_end(BuildTeam *team)
{
	TeamRound	round = {.finished = true};

	set_round(team->shared, &round);
	BarrierArriveAndDetach(&team->shared->barrier);
	WaitForParallelWorkersToFinish(team->context);
	end_context(team->context, team->snapshot);
	pfree(team);
}

static void
wait_for_nobody(GraphTeam *team)
{
}

void
build_graph_alone(GraphBuild *graph, uint64 ndone)
{
	TeamLeader	leader = {{wait_for_nobody, report_points}, ndone};

	graph_build_lead(graph, &leader.team);
}

/*-------------------------------------------------------------------------
 * A worker
 *-------------------------------------------------------------------------
 */
static void
worker_wait(GraphTeam *team)
{
	wait_for_team(((TeamWorker *) team)->shared);
}

static void
worker_report(GraphTeam *team, PointId done)
{
	CHECK_FOR_INTERRUPTS();
}

/* Helps to build or to order a graph from some phase on. */
static void
help_with_round(TeamWorker *worker, const TeamRound *round, int phase)
{
	uint32		nwaits = phase - round->first_phase;
	dsm_segment *segment = dsm_attach(round->memory);
	char	   *memory;
	BuildPoints *points;
	GraphBuild *graph;

	if (segment == NULL)
		elog(ERROR, "could not map the memory of an hnsw index build");
	HNSW_TEST_POINT("build-help");
	memory = dsm_segment_address(segment);
	worker->quantizer->lift_sq = round->lift_sq;
	points = build_points_create(worker->quantizer, memory, &round->room,
								 round->npoints);
	graph = graph_build_attach(memory + round->graph_offset,
							   build_points_store(points),
							   build_points_set_query);
	if (round->order)
		graph_order_help(graph, &worker->team, nwaits);
	else
		graph_build_help(graph, &worker->team, nwaits);
	graph_build_free(graph);
	build_points_free(points);
	dsm_detach(segment);
}

static void
help_with_graphs(TeamWorker *worker, int phase)
{
	TeamShared *shared = worker->shared;

	for (;;)
	{
		TeamRound	round;

		SpinLockAcquire(&shared->mutex);
		round = shared->round;
		SpinLockRelease(&shared->mutex);
		if (round.finished)
			return;
		if (!round.done && round.first_phase > 0 &&
			round.first_phase <= phase)
			help_with_round(worker, &round, phase);
		else
			wait_for_team(shared);
		phase = BarrierPhase(&shared->barrier);
	}
}

static void
help_to_load(TeamWorker *worker, ParallelTableScanDesc scan)
{
	TeamShared *shared = worker->shared;
	bool		concurrent = shared->concurrent;
	LOCKMODE	heap_lock = concurrent ? ShareUpdateExclusiveLock : ShareLock;
	LOCKMODE	index_lock = concurrent ? RowExclusiveLock :
		AccessExclusiveLock;
	BuildLoad	load = {0};

	load.heap = table_open(shared->heap, heap_lock);
	load.index = index_open(shared->index, index_lock);
	load.index_info = BuildIndexInfo(load.index);
	load.index_info->ii_Concurrent = concurrent;
	load.quantizer = worker->quantizer;
	load_part(shared, scan, &load);
	index_close(load.index, index_lock);
	table_close(load.heap, heap_lock);
}

void
hnsw_build_worker(dsm_segment *segment, shm_toc *toc)
{
	TeamShared *shared = shm_toc_lookup(toc, KEY_SHARED, false);
	TeamWorker	worker;
	int			phase;

	HNSW_TEST_POINT("build-worker");
	worker.team.wait = worker_wait;
	worker.team.report = worker_report;
	worker.shared = shared;
	debug_query_string = shm_toc_lookup(toc, KEY_QUERY, false);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	worker.quantizer = hnsw_meta_quantizer(&shared->meta,
										   shm_toc_lookup(toc, KEY_CENTROID,
														  true));
	phase = BarrierAttach(&shared->barrier);
	if (phase == 0)
	{
		SharedFileSetAttach(&shared->files, segment);
		help_to_load(&worker, shm_toc_lookup(toc, KEY_SCAN, false));
		phase = BarrierPhase(&shared->barrier);
	}
	help_with_graphs(&worker, phase);
	BarrierDetach(&shared->barrier);
}
