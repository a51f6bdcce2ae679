/*-------------------------------------------------------------------------
 *
 * build_lists.h
 *	  Lists of links in a temporary file, by the number of their point.
 *
 * src/am/build_lists.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BUILD_LISTS_H
#define HNSW_BUILD_LISTS_H

#include "graph/graph.h"

typedef struct ListFile ListFile;

/* Empty lists of up to max links */
extern ListFile *list_file_create(PointId npoints, int max);
extern void list_file_free(ListFile *file);
extern void list_file_read(ListFile *file, PointId point, GraphLinks *links);
extern void list_file_write(ListFile *file, PointId point,
							const GraphLinks *links);

/*
 * Makes every point reachable from the entry point by these lists; returns
 * how many had to be attached.
 */
extern uint32 list_file_connect(ListFile *file, PointId entry);

#endif							/* HNSW_BUILD_LISTS_H */
