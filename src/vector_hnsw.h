/*-------------------------------------------------------------------------
 *
 * vector_hnsw.h
 *	  Settings of the extension.
 *
 * src/vector_hnsw.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECTOR_HNSW_H
#define VECTOR_HNSW_H

#define HNSW_DEFAULT_EF_SEARCH	40
#define HNSW_MIN_EF_SEARCH		1
#define HNSW_MAX_EF_SEARCH		1000

typedef enum HnswIterativeScan
{
	HNSW_ITERATIVE_SCAN_OFF,	/* at most ef_search rows */
	HNSW_ITERATIVE_SCAN_RELAXED_ORDER,
	HNSW_ITERATIVE_SCAN_STRICT_ORDER
} HnswIterativeScan;

extern int	hnsw_ef_search;
extern int	hnsw_iterative_scan;	/* HnswIterativeScan */
extern int	hnsw_max_scan_tuples;
extern double hnsw_scan_mem_multiplier;
extern bool hnsw_rerank;

#endif							/* VECTOR_HNSW_H */
