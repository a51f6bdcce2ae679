/*-------------------------------------------------------------------------
 *
 * sparsevec.h
 *	  The type sparsevec: the elements of a vector that are not zero, with
 *	  their indices.
 *
 * src/types/sparsevec.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_SPARSEVEC_H
#define HNSW_SPARSEVEC_H

#include "distance/sparse.h"
#include "fmgr.h"
#include "types/kind.h"

#define SPARSEVEC_MAX_DIM	1000000000
#define SPARSEVEC_MAX_NNZ	SPARSE_MAX

/* As stored, after detoasting: a Datum is never used as it is. */
typedef struct SparseVector
{
	int32		vl_len_;		/* varlena header, do not touch */
	int32		dim;			/* number of dimensions, at least 1 */
	int32		nnz;			/* elements that are not zero */
	int32		unused;			/* always 0 */

	/* nnz indices from 0 on, ascending; nnz float4 values, finite, not 0 */
	int32		indices[FLEXIBLE_ARRAY_MEMBER];
} SparseVector;

StaticAssertDecl(sizeof(SparseVector) == 16,
				 "the size of SparseVector is persistent");

#define SparseVectorGetDatum(vector)	PointerGetDatum(vector)
#define PG_GETARG_SPARSEVEC(n)	DatumGetSparseVector(PG_GETARG_DATUM(n))

extern const VectorKind sparsevec_kind;

/* Raises an error: the value is damaged. */
extern void refuse_stored_sparsevec(const SparseVector *vector);

/* An error if they do not ascend within the dimensions, as stored ones do */
extern void check_stored_indices(const SparseVector *vector);

/*
 * The value in a Datum, detoasted.  Its size and numbers agree and are legal,
 * whatever is stored, as arrays on the stack rely on that; indices may be any.
 */
static inline SparseVector *
DatumGetSparseVector(Datum datum)
{
	SparseVector *vector = (SparseVector *) PG_DETOAST_DATUM(datum);

	if (unlikely(vector->dim < 1 || vector->dim > SPARSEVEC_MAX_DIM ||
				 vector->nnz < 0 || vector->nnz > SPARSEVEC_MAX_NNZ ||
				 VARSIZE(vector) != offsetof(SparseVector, indices) +
				 (sizeof(int32) + sizeof(float)) * vector->nnz))
		refuse_stored_sparsevec(vector);

	return vector;
}

/*
 * A new vector whose indices and values are not set; dim and nnz must be
 * legal.
 */
extern SparseVector *sparsevec_create(int dim, int nnz);

static inline float *
sparsevec_values(SparseVector *vector)
{
	return (float *) (vector->indices + vector->nnz);
}

static inline SparseArray
sparsevec_array(SparseVector *vector)
{
	SparseArray array = {
		vector->indices, sparsevec_values(vector), vector->nnz
	};

	return array;
}

/* Raises an error, softly if asked, and then returns false. */
extern bool check_nnz(int64 nnz, int dim, Node *escontext);

#endif							/* HNSW_SPARSEVEC_H */
