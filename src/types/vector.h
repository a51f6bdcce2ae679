/*-------------------------------------------------------------------------
 *
 * vector.h
 *	  The type vector: an array of float4 with a fixed number of dimensions.
 *
 * src/types/vector.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_VECTOR_H
#define HNSW_VECTOR_H

#include "types/dense.h"

#define VECTOR_MAX_DIM	DENSE_MAX_DIM

/* A DenseVector with the elements' type */
typedef struct Vector
{
	int32		vl_len_;
	int16		dim;
	int16		unused;
	float		x[FLEXIBLE_ARRAY_MEMBER];
} Vector;

StaticAssertDecl(offsetof(Vector, x) == offsetof(DenseVector, x),
				 "a Vector is a DenseVector");

#define DatumGetVector(datum) \
	((Vector *) dense_from_datum(&vector_kind, datum))
#define VectorGetDatum(vector)	PointerGetDatum(vector)

#endif							/* HNSW_VECTOR_H */
