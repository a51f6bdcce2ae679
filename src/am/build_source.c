/*-------------------------------------------------------------------------
 *
 * build_source.c
 *	  A finished graph in memory, as the writer of pages wants it.
 *
 * src/am/build_source.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/build_source.h"
#include "graph/memory.h"

typedef struct MemorySource
{
	BuildSource source;			/* must be first */
	const Quantizer *quantizer;
	uint8	   *scratch;		/* a code and its refinement */
	BuildPoints *points;
	GraphBuild *graph;
	const PointId *new_ids;
	PointId    *old_ids;		/* by new id */
} MemorySource;

void
build_source_copy(const Quantizer *quantizer, ItemPointerData tid,
				  const uint8 *code, const float *factors, uint8 *scratch,
				  SourcePoint *copy)
{
	copy->tid = tid;
	copy->code = code;
	copy->factors = factors;
	copy->refine = NULL;
	copy->refine_factors = factors + quantizer->nfactors;
	if (quantizer->refine_size > 0)
	{
		copy->code = scratch;
		copy->refine = scratch + quantizer->code_size;
		quantizer_split(quantizer, code, scratch,
						scratch + quantizer->code_size);
	}
}

static void
memory_get_point(BuildSource *source, PointId point, SourcePoint *copy)
{
	MemorySource *memory = (MemorySource *) source;
	PointId		old = memory->old_ids[point];

	build_source_copy(memory->quantizer,
					  build_points_tid(memory->points, old),
					  build_points_code(memory->points, old),
					  build_points_factors(memory->points, old),
					  memory->scratch, copy);
}

static GraphLevel
memory_get_level(BuildSource *source, PointId point)
{
	MemorySource *memory = (MemorySource *) source;

	return graph_build_level(memory->graph, memory->old_ids[point]);
}

static int
memory_get_links(BuildSource *source, PointId point, GraphLevel level,
				 PointId *links)
{
	MemorySource *memory = (MemorySource *) source;
	int			n;
	const PointId *old = graph_build_links(memory->graph,
										   memory->old_ids[point], level, &n);

	for (int i = 0; i < n; i++)
		links[i] = memory->new_ids[old[i]];
	return n;
}

static void *
memory_get_room(BuildSource *source, PointId point, Size *size)
{
	return graph_order_room(((MemorySource *) source)->graph, point, size);
}

BuildSource *
build_source_memory(const Quantizer *quantizer, BuildPoints *points,
					GraphBuild *graph, const PointId *new_ids,
					const DuplicateRows *duplicates)
{
	MemorySource *memory = palloc0(sizeof(MemorySource));
	PointId		npoints = build_points_count(points);

	memory->source.npoints = npoints;
	memory->source.entry = npoints == 0 ? InvalidPointId :
		new_ids[graph_build_entry(graph)];
	memory->source.get_point = memory_get_point;
	memory->source.get_level = memory_get_level;
	memory->source.get_links = memory_get_links;
	memory->source.get_room = memory_get_room;
	memory->quantizer = quantizer;
	memory->scratch = palloc(quantizer->code_size +
							 quantizer->refine_size + 1);
	memory->points = points;
	memory->graph = graph;
	memory->new_ids = new_ids;
	memory->old_ids = graph_array_alloc(npoints, sizeof(PointId));
	for (PointId i = 0; i < npoints; i++)
		memory->old_ids[new_ids[i]] = i;
	memory->source.duplicates = *duplicates;
	duplicate_rows_renumber(&memory->source.duplicates, new_ids);
	return &memory->source;
}
