/*-------------------------------------------------------------------------
 *
 * page_store.h
 *	  An index on disk as a graph.
 *
 * src/am/page_store.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_PAGE_STORE_H
#define HNSW_PAGE_STORE_H

#include "graph/graph.h"
#include "pages/reader.h"

typedef struct HnswPageStore
{
	GraphStore	store;			/* must be first */
	HnswReader	reader;
	QuantizedQuery *query;		/* of score */
} HnswPageStore;

/* Opens the index; the query is the caller's to make. */
extern void hnsw_page_store_init(HnswPageStore *store, Relation index);

/*
 * For a search that has begun: in an index that does not fit into shared buffers
 * points whose codes share a page become a group, since most of a look at one of
 * them is to read the page.  Before the GraphSearch is made.
 */
extern void hnsw_page_store_set_groups(HnswPageStore *store);

/*
 * From the entry point through the upper levels down to level to, 1 or
 * above.  False when the graph is empty; else *nearest is where a search at
 * the level below (or at the entry point's own, when that is not above to)
 * starts.
 */
extern bool hnsw_page_store_descend(HnswPageStore *store, GraphSearch *search,
									int to, GraphNeighbour *nearest);

#endif							/* HNSW_PAGE_STORE_H */
