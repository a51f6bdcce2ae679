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

#include "fmgr.h"
#include "types/kind.h"

#define VECTOR_MAX_DIM	16000

/*
 * As stored, after detoasting.  Short values are stored with a one-byte
 * header and long ones out of line, so a Datum is never used as it is.
 */
typedef struct Vector
{
	int32		vl_len_;		/* varlena header, do not touch */
	int16		dim;			/* number of dimensions, at least 1 */
	int16		unused;			/* always 0 */
	float		x[FLEXIBLE_ARRAY_MEMBER];	/* finite */
} Vector;

StaticAssertDecl(sizeof(Vector) == 8, "the size of Vector is persistent");

#define VECTOR_SIZE(dim)	(offsetof(Vector, x) + sizeof(float) * (dim))

#define DatumGetVector(datum)	((Vector *) PG_DETOAST_DATUM(datum))
#define VectorGetDatum(vector)	PointerGetDatum(vector)
#define PG_GETARG_VECTOR(n)		DatumGetVector(PG_GETARG_DATUM(n))
#define PG_RETURN_VECTOR(vector)	PG_RETURN_POINTER(vector)

extern const VectorKind vector_kind;

/* A new vector whose elements are not set; dim must be a legal one */
extern Vector *vector_create(int dim);

/* Raises an error unless both have the same number of dimensions */
static inline void
vector_check_dims(const Vector *a, const Vector *b)
{
	check_same_dim(&vector_kind, a->dim, b->dim);
}

/* Order: by the first element that differs, then by dimensions; <0, 0, >0 */
extern int	vector_compare(const Vector *a, const Vector *b);

#endif							/* HNSW_VECTOR_H */
