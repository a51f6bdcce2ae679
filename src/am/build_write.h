/*-------------------------------------------------------------------------
 *
 * build_write.h
 *	  A finished build, from memory to disk.
 *
 * src/am/build_write.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BUILD_WRITE_H
#define HNSW_BUILD_WRITE_H

#include "am/build_source.h"
#include "common/relpath.h"
#include "pages/page_format.h"

/*
 * Writes the whole index to an empty fork, WAL-logged as the fork needs.
 * meta has what is set at build but nodes_per_page; the rest is filled in
 * here.  source is NULL for an index without rows.
 */
extern void hnsw_write_index(Relation index, ForkNumber fork,
							 HnswMetaPageData *meta, const float *centroid,
							 BuildSource *source);

#endif							/* HNSW_BUILD_WRITE_H */
