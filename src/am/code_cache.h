/*-------------------------------------------------------------------------
 *
 * code_cache.h
 *	  Distances between points of an index on disk.
 *
 * Neighbour selection compares each of some dozens of points with each other.
 * Their codes are copied from the pages once, and stay until the next row.
 *
 * src/am/code_cache.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_CODE_CACHE_H
#define HNSW_CODE_CACHE_H

#include "graph/graph.h"
#include "pages/writer.h"

typedef struct HnswCodeCache HnswCodeCache;

extern HnswCodeCache *hnsw_code_cache_create(HnswReader *reader);

/* Forgets all, and takes the code of a vector that has no point yet. */
extern void hnsw_code_cache_reset(HnswCodeCache *cache,
								  const HnswCode *new_code);

/* Forgets all; there is no such vector. */
extern void hnsw_code_cache_forget(HnswCodeCache *cache);

/*
 * Sets how many bytes of codes are kept.  A cache of points alone, without a
 * vector that has none, forgets all when it holds more.
 */
extern void hnsw_code_cache_limit(HnswCodeCache *cache, Size bytes);

/* From now on point is that vector's. */
extern void hnsw_code_cache_name_new(HnswCodeCache *cache, PointId point);

/* Is the point's code that of the vector, bit by bit? */
extern bool hnsw_code_cache_equal(HnswCodeCache *cache, PointId point,
								  const HnswCode *code);

/*
 * For neighbour selection.  score gives distances from the new vector, and
 * there are no links.
 */
extern GraphStore *hnsw_code_cache_store(HnswCodeCache *cache);

#endif							/* HNSW_CODE_CACHE_H */
