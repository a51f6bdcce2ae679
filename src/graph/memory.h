/*-------------------------------------------------------------------------
 *
 * memory.h
 *	  Arrays of any size, in the server and in a plain C program.
 *
 * src/graph/memory.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_MEMORY_H
#define HNSW_GRAPH_MEMORY_H

#ifndef FRONTEND
#include "utils/memutils.h"
#endif

/*
 * count * size bytes.  What does not fit Size saturates, so that the
 * allocator refuses it.
 */
static inline Size
graph_array_size(uint64 count, Size size)
{
	if (count > SIZE_MAX / size)
		return SIZE_MAX;
	return (Size) count * size;
}

/* Allocates an array that may pass 1 GB. */
static inline void *
graph_array_alloc(uint64 count, Size size)
{
	return palloc_extended(graph_array_size(count, size), MCXT_ALLOC_HUGE);
}

/*
 * The same, to live as long as an array that is there already: what grows in
 * the middle of a call must not go to a context of that call.
 */
static inline void *
graph_array_alloc_beside(void *array, uint64 count, Size size)
{
#ifdef FRONTEND
	return palloc(graph_array_size(count, size));
#else
	return MemoryContextAllocExtended(GetMemoryChunkContext(array),
									  graph_array_size(count, size),
									  MCXT_ALLOC_HUGE);
#endif
}

/* The same, all bytes zero. */
static inline void *
graph_array_alloc0(uint64 count, Size size)
{
	return palloc_extended(graph_array_size(count, size),
						   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* Changes the length of an array. */
static inline void *
graph_array_realloc(void *array, uint64 count, Size size)
{
#ifdef FRONTEND
	return repalloc(array, graph_array_size(count, size));
#else
	return repalloc_huge(array, graph_array_size(count, size));
#endif
}

#endif							/* HNSW_GRAPH_MEMORY_H */
