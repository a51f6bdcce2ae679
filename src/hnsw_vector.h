/*-------------------------------------------------------------------------
 *
 * hnsw_vector.h
 *	  What can be indexed: vectors and their distances.
 *
 * Together with hnsw_opclass.h, all that operator classes of other extensions
 * are compiled with: it includes nothing.
 *
 * src/hnsw_vector.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_INDEXED_VECTOR_H
#define HNSW_INDEXED_VECTOR_H

/*
 * What the index orders by.  Values are stored on disk.
 *
 * Everything inside the index works in "keys", floats that sort like the
 * operator's distance: L2 -> squared distance; inner product -> negative
 * inner product; cosine -> squared L2 distance of the normalized vectors,
 * which is twice the cosine distance; others -> the distance itself.
 */
typedef enum HnswMetric
{
	HNSW_METRIC_L2 = 1,
	HNSW_METRIC_IP = 2,
	HNSW_METRIC_COSINE = 3,
	HNSW_METRIC_L1 = 4,
	HNSW_METRIC_HAMMING = 5,	/* bits that differ */
	HNSW_METRIC_JACCARD = 6		/* 1 - |a & b| / |a | b|; 1 without any bit */
} HnswMetric;

/* How a type shows its vectors. */
typedef enum HnswForm
{
	HNSW_FORM_DENSE,			/* L2, IP, cosine, L1 */
	HNSW_FORM_SPARSE,			/* the same */
	HNSW_FORM_BITS				/* Hamming, Jaccard */
} HnswForm;

/* Limits of the access method, by form */
#define HNSW_MAX_DENSE_DIMENSIONS	16000
#define HNSW_MAX_SPARSE_DIMENSIONS	1000000000
#define HNSW_MAX_SPARSE_ELEMENTS	16000
#define HNSW_MAX_BITS				64000

/*
 * A vector of some number of dimensions that is known elsewhere.  Which
 * fields count depends on the form; memory is the type's.  All numbers are
 * finite.
 */
typedef struct HnswVector
{
	/* dense: each element; sparse: those that indices name */
	const float *elements;

	/* sparse: ascending, from 0; and how many */
	const int32 *indices;
	int			nelements;

	/* bits: the first one is the highest of the first byte, those that fill
	 * up the last byte are 0 */
	const uint8 *bits;
} HnswVector;

#endif							/* HNSW_INDEXED_VECTOR_H */
