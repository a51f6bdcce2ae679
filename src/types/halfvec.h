/*-------------------------------------------------------------------------
 *
 * halfvec.h
 *	  The type halfvec: an array of half-precision numbers with a fixed number
 *	  of dimensions.
 *
 * src/types/halfvec.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_HALFVEC_H
#define HNSW_HALFVEC_H

#include "types/dense.h"

#define HALFVEC_MAX_DIM	DENSE_MAX_DIM

/* A DenseVector with the elements' type */
typedef struct HalfVector
{
	int32		vl_len_;
	int16		dim;
	int16		unused;
	Half		x[FLEXIBLE_ARRAY_MEMBER];
} HalfVector;

StaticAssertDecl(offsetof(HalfVector, x) == offsetof(DenseVector, x),
				 "a HalfVector is a DenseVector");

#define DatumGetHalfVector(datum) \
	((HalfVector *) dense_from_datum(&halfvec_kind, datum))
#define HalfVectorGetDatum(vector)	PointerGetDatum(vector)

#endif							/* HNSW_HALFVEC_H */
