/*-------------------------------------------------------------------------
 *
 * build_graph.c
 *	  Points and their graph in one piece of memory, built by a team or
 *	  alone.
 *
 * While rows are added the memory of the graph serves to find equal vectors.
 *
 * src/am/build_graph.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/mman.h>

#include "am/build_graph.h"
#include "commands/progress.h"
#include "compat.h"
#include "miscadmin.h"
#include "pages/index.h"
#include "pgstat.h"
#include "storage/dsm.h"
#include "storage/shmem.h"
#include "test_points.h"
#include "utils/memutils.h"

/* Of the usual size, x86-64 and arm64 with pages of 4 kB */
#define HUGE_PAGE	((Size) 2 * 1024 * 1024)

static RowTotals
add_spare(const GraphWork *work, const RowTotals *rows)
{
	RowTotals	room = *rows;

	room.nrows += work->spare.nrows;
	room.code_bytes += work->spare.code_bytes;
	return room;
}

Size
graph_work_size(const GraphWork *work, const RowTotals *rows)
{
	RowTotals	room = add_spare(work, rows);
	Size		graph = Max(graph_build_size(&work->options,
											 (PointId) room.nrows),
							build_points_scratch_size(&room));

	return add_size(build_points_size(work->quantizer, &room), graph);
}

/*
 * Asks for large pages.  A build looks at codes and lists all over its memory,
 * so with small ones many a look misses the TLB, too.  What cannot be had is
 * done without.
 */
static void
want_huge_pages(char *memory, Size size)
{
#ifdef MADV_HUGEPAGE
	char	   *begin = (char *) TYPEALIGN(HUGE_PAGE, memory);
	char	   *end = (char *) TYPEALIGN_DOWN(HUGE_PAGE, memory + size);

	if (begin < end)
		(void) madvise(begin, end - begin, MADV_HUGEPAGE);
#endif
}

void
graph_work_get_memory(GraphWork *work, Size size)
{
	if (work->team != NULL)
		work->segment = build_team_memory(work->team, size);
	if (work->segment != NULL)
		work->memory = dsm_segment_address(work->segment);
	else
		work->memory = (char *)
			TYPEALIGN(PG_CACHE_LINE_SIZE,
					  MemoryContextAllocHuge(CurrentMemoryContext,
											 size + PG_CACHE_LINE_SIZE));
	want_huge_pages(work->memory, size);
}

/* What is this process's own goes with its memory context. */
void
graph_work_free_memory(GraphWork *work)
{
	if (work->segment != NULL)
		dsm_detach(work->segment);
	work->segment = NULL;
	work->memory = NULL;
}

void
graph_work_expect(GraphWork *work, uint64 npoints)
{
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, npoints);
	work->ndone = 0;
}

void
graph_work_begin(GraphWork *work, const RowTotals *rows)
{
	work->room = add_spare(work, rows);
	work->graph_offset = build_points_size(work->quantizer, &work->room);
	work->points = build_points_create(work->quantizer, work->memory,
									   &work->room, 0);
	build_points_begin(work->points, work->memory + work->graph_offset);
}

PointId
graph_work_add(GraphWork *work, const BuildRow *row)
{
	CHECK_FOR_INTERRUPTS();
	return build_points_add(work->points, row);
}

static TeamGraph
graph_of_team(const GraphWork *work)
{
	return (TeamGraph) {
		.memory = work->segment,
		.points = work->points,
		.room = work->room,
		.graph = work->graph,
		.graph_offset = work->graph_offset,
		.lift_sq = work->quantizer->lift_sq,
		.ndone = work->ndone
	};
}

uint32
graph_work_build(GraphWork *work)
{
	char	   *memory = work->memory + work->graph_offset;

	build_points_end(work->points);
	graph_build_init(memory, &work->options, build_points_count(work->points));
	work->graph = graph_build_attach(memory, build_points_store(work->points),
									 build_points_set_query);
	if (work->segment != NULL)
	{
		TeamGraph	graph = graph_of_team(work);

		build_team_build(work->team, &graph);
	}
	else
		build_graph_alone(work->graph, work->ndone);
	work->ndone += build_points_count(work->points);
	HNSW_TEST_STOP("build-connect");
	return graph_build_connect(work->graph);
}

const PointId *
graph_work_order(GraphWork *work, PointId first, const bool *left_out)
{
	GraphOrderOptions options = {
		.per_page = hnsw_points_together(work->quantizer),
		.first = first,
		.left_out = left_out
	};
	TeamGraph	graph = graph_of_team(work);

	if (work->segment == NULL)
		return graph_order_alone(work->graph, &options);
	return build_team_order(work->team, &graph, &options);
}

void
graph_work_end(GraphWork *work)
{
	graph_build_free(work->graph);
	build_points_free(work->points);
	work->graph = NULL;
	work->points = NULL;
}
