/*-------------------------------------------------------------------------
 *
 * graph_memory.h
 *	  A graph store in plain memory for tests, which watches how it is used,
 *	  and brute force to compare with.
 *
 * Points are numbered from store->first, so that tests can use both ends of
 * the range of PointId.
 *
 * test/unit/graph_memory.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_MEMORY_TEST_H
#define HNSW_GRAPH_MEMORY_TEST_H

#include "unit.h"

#include "graph/graph.h"

typedef struct MemoryStore MemoryStore;

/* From a vector to the point at an index */
typedef float (*MemoryDistance) (const MemoryStore *store, const float *from,
								 uint32 index);

struct MemoryStore
{
	GraphStore	store;			/* must be first */
	MemoryDistance distance;
	int			dim;
	uint32		n;
	PointId		first;
	float	   *vectors;
	const float *query;

	/* a graph given by hand; per level and point index */
	int			nlevels;
	int		  **nlinks;
	PointId  ***links;
	bool	   *dead;

	/* what was asked for since memory_forget */
	uint8	   *scored;			/* per point, how many times */
	uint64		nscored;
	uint64		nread;
	uint64		nprefetched;
	bool		misused;
};

static inline const float *
memory_vector(const MemoryStore *store, uint32 index)
{
	return store->vectors + (size_t) index * store->dim;
}

static inline float
memory_l2(const MemoryStore *store, const float *from, uint32 index)
{
	const float *to = memory_vector(store, index);
	float		sum = 0;

	for (int i = 0; i < store->dim; i++)
		sum += (from[i] - to[i]) * (from[i] - to[i]);
	return sum;
}

static inline float
memory_to_query(const MemoryStore *store, PointId point)
{
	return store->distance(store, store->query, point - store->first);
}

static inline bool
memory_has(MemoryStore *store, PointId point)
{
	if (point - store->first < store->n)
		return true;
	store->misused = true;
	return false;
}

static int
memory_get_links(GraphStore *graph_store, PointId point, GraphLevel level,
				 PointId *links, bool *live)
{
	MemoryStore *store = (MemoryStore *) graph_store;
	uint32		index = point - store->first;

	if (!memory_has(store, point) || level >= store->nlevels)
		return 0;
	store->nread++;
	*live = !store->dead[index];
	memcpy(links, store->links[level][index],
		   store->nlinks[level][index] * sizeof(PointId));
	return store->nlinks[level][index];
}

static void
memory_score(GraphStore *graph_store, const PointId *points, int n,
			 float *distances)
{
	MemoryStore *store = (MemoryStore *) graph_store;

	if (n < 0 || n > GRAPH_MAX_LINKS)
		store->misused = true;
	for (int i = 0; i < n; i++)
	{
		if (!memory_has(store, points[i]))
			continue;
		distances[i] = memory_to_query(store, points[i]);
		store->scored[points[i] - store->first]++;
		store->nscored++;
	}
}

static int
memory_score_group(GraphStore *graph_store, PointId first, float *distances)
{
	MemoryStore *store = (MemoryStore *) graph_store;
	PointId		group_size = graph_store->group_size;
	int			n = 0;

	if (first % group_size != 0)
		store->misused = true;
	while ((PointId) n < group_size && first + n - store->first < store->n)
	{
		distances[n] = memory_to_query(store, first + n);
		store->scored[first + n - store->first]++;
		n++;
	}
	store->nscored += n;
	return n;
}

/* Makes the points of a store, whose numbers begin with 0, groups. */
static inline void
memory_set_groups(MemoryStore *store, PointId group_size)
{
	store->store.group_size = group_size;
	store->store.score_group = memory_score_group;
}

/* The points that come with one: first to before end, itself without groups */
static inline void
memory_group(const MemoryStore *store, PointId point, PointId *first,
			 PointId *end)
{
	PointId		group_size = Max(store->store.group_size, 1);

	*first = point - point % group_size;
	*end = Min(*first + group_size, store->first + store->n);
}

static void
memory_score_between(GraphStore *graph_store, PointId from,
					 const PointId *points, int n, float *distances)
{
	MemoryStore *store = (MemoryStore *) graph_store;

	if (n < 0 || n > GRAPH_MAX_LINKS)
		store->misused = true;
	for (int i = 0; i < n; i++)
	{
		if (memory_has(store, points[i]) && memory_has(store, from))
			distances[i] =
				store->distance(store,
								memory_vector(store, from - store->first),
								points[i] - store->first);
		if (points[i] == from)
			store->misused = true;
	}
}

static void
memory_prefetch_links(GraphStore *graph_store, PointId point, GraphLevel level)
{
	MemoryStore *store = (MemoryStore *) graph_store;

	if (memory_has(store, point))
		store->nprefetched++;
}

/* The set_query of a build */
static inline void
memory_set_query(GraphStore *graph_store, PointId point)
{
	MemoryStore *store = (MemoryStore *) graph_store;

	if (memory_has(store, point))
		store->query = memory_vector(store, point - store->first);
}

static inline void
memory_forget(MemoryStore *store)
{
	memset(store->scored, 0, store->n);
	store->nscored = store->nread = store->nprefetched = 0;
}

/* n points, all 0 at first, L2, no links */
static inline MemoryStore *
memory_create(uint32 n, int dim, PointId first, int nlevels)
{
	MemoryStore *store = calloc(1, sizeof(MemoryStore));

	store->store.get_links = memory_get_links;
	store->store.score = memory_score;
	store->store.score_between = memory_score_between;
	store->store.prefetch_links = memory_prefetch_links;
	store->distance = memory_l2;
	store->dim = dim;
	store->n = n;
	store->first = first;
	store->vectors = calloc((size_t) n * dim + 1, sizeof(float));
	store->dead = calloc(n + 1, sizeof(bool));
	store->scored = calloc(n + 1, 1);
	store->nlevels = nlevels;
	store->nlinks = calloc(nlevels + 1, sizeof(int *));
	store->links = calloc(nlevels + 1, sizeof(PointId **));
	for (int level = 0; level < nlevels; level++)
	{
		store->nlinks[level] = calloc(n + 1, sizeof(int));
		store->links[level] = calloc(n + 1, sizeof(PointId *));
	}
	return store;
}

static inline void
memory_free(MemoryStore *store)
{
	for (int level = 0; level < store->nlevels; level++)
	{
		for (uint32 i = 0; i < store->n; i++)
			free(store->links[level][i]);
		free(store->links[level]);
		free(store->nlinks[level]);
	}
	free(store->links);
	free(store->nlinks);
	free(store->scored);
	free(store->dead);
	free(store->vectors);
	free(store);
}

/* Normally distributed around one of so many centres */
static inline void
memory_fill_clusters(MemoryStore *store, int nclusters, double spread)
{
	float	   *centres = calloc((size_t) nclusters * store->dim,
								 sizeof(float));

	for (int i = 0; i < nclusters * store->dim; i++)
		centres[i] = (float) unit_random_normal();
	for (uint32 i = 0; i < store->n; i++)
	{
		const float *centre = centres +
			(size_t) unit_random_below(nclusters) * store->dim;

		for (int j = 0; j < store->dim; j++)
			store->vectors[(size_t) i * store->dim + j] =
				(float) (centre[j] + spread * unit_random_normal());
	}
	free(centres);
}

static int
memory_compare(const void *a, const void *b)
{
	const GraphNeighbour *x = a;
	const GraphNeighbour *y = b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return (x->point > y->point) - (x->point < y->point);
}

/* The k nearest points of the query, nearest first; returns how many */
static inline int
memory_nearest(const MemoryStore *store, int k, GraphNeighbour *nearest)
{
	GraphNeighbour *all = calloc(store->n + 1, sizeof(GraphNeighbour));

	for (uint32 i = 0; i < store->n; i++)
	{
		all[i].point = store->first + i;
		all[i].distance = memory_to_query(store, all[i].point);
	}
	qsort(all, store->n, sizeof(GraphNeighbour), memory_compare);
	k = Min(k, (int) store->n);
	memcpy(nearest, all, k * sizeof(GraphNeighbour));
	free(all);
	return k;
}

#endif							/* HNSW_GRAPH_MEMORY_TEST_H */
