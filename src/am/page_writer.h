/*-------------------------------------------------------------------------
 *
 * page_writer.h
 *	  An index on disk as a graph that changes.
 *
 * src/am/page_writer.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_PAGE_WRITER_H
#define HNSW_PAGE_WRITER_H

#include "graph/graph.h"
#include "pages/writer.h"

typedef struct HnswPageWriter
{
	GraphWriter writer;			/* must be first */
	HnswReader *reader;
} HnswPageWriter;

/* Without allocate and write_point, which are the caller's to add */
extern void hnsw_page_writer_init(HnswPageWriter *writer, HnswReader *reader);

/* How the index wants neighbours to be selected */
extern GraphSelectOptions hnsw_select_options(const HnswMetaPageData *meta);

#endif							/* HNSW_PAGE_WRITER_H */
