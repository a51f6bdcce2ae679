/*-------------------------------------------------------------------------
 *
 * page_store.c
 *	  An index on disk as a graph.
 *
 * src/am/page_store.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/page_store.h"
#include "compat.h"

static inline HnswPageStore *
page_store(GraphStore *store)
{
	return (HnswPageStore *) store;
}

static int
page_store_get_links(GraphStore *store, PointId point, GraphLevel level,
					 PointId *links, bool *live)
{
	return hnsw_reader_expand(&page_store(store)->reader, point, level, links,
							  live);
}

static void
page_store_score(GraphStore *store, const PointId *points, int n,
				 float *distances)
{
	hnsw_reader_score(&page_store(store)->reader, page_store(store)->query,
					  points, n, distances);
}

static int
page_store_score_group(GraphStore *store, PointId first, float *distances)
{
	return hnsw_reader_score_page(&page_store(store)->reader,
								  page_store(store)->query, first, distances);
}

static void
page_store_prefetch_links(GraphStore *store, PointId point, GraphLevel level)
{
	hnsw_reader_prefetch_node(&page_store(store)->reader, point);
}

void
hnsw_page_store_init(HnswPageStore *store, Relation index)
{
	memset(store, 0, sizeof(HnswPageStore));
	store->store.get_links = page_store_get_links;
	store->store.score = page_store_score;
	store->store.prefetch_links = page_store_prefetch_links;
	hnsw_reader_init(&store->reader, index);
}

void
hnsw_page_store_set_groups(HnswPageStore *store)
{
	const HnswIndex *ix = store->reader.ix;

	if (ix->page_uses == NULL || ix->quantizer->variable_size ||
		ix->codes.pages_per_record > 1 || ix->codes.per_page == 1 ||
		ix->codes.per_page > GRAPH_MAX_GROUP)
		return;
	store->store.group_size = ix->codes.per_page;
	store->store.score_group = page_store_score_group;
}

bool
hnsw_page_store_descend(HnswPageStore *store, GraphSearch *search, int to,
						GraphNeighbour *nearest)
{
	GraphEntry	entry = hnsw_index_entry(store->reader.ix);

	if (!PointIdIsValid(entry.point))
		return false;
	*nearest = graph_descend(search, entry.point, entry.level, to);
	return true;
}
