/*-------------------------------------------------------------------------
 *
 * dense.h
 *	  What vector and halfvec have in common, which is all but the size of
 *	  an element.
 *
 * Their SQL functions are written once, as inlined functions that take the
 * kind as an argument, a constant in every caller.  Elements are seen as
 * floats, DENSE_CHUNK at a time where they have to be converted for that.
 *
 * src/types/dense.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_DENSE_H
#define HNSW_DENSE_H

#include "fmgr.h"
#include "types/kind.h"

#define DENSE_MAX_DIM	16000

/* Elements that are converted together; whole bytes of bits */
#define DENSE_CHUNK		256

/*
 * As stored, after detoasting.  Short values are stored with a one-byte
 * header and long ones out of line, so a Datum is never used as it is.
 */
typedef struct DenseVector
{
	int32		vl_len_;		/* varlena header, do not touch */
	int16		dim;			/* number of dimensions, at least 1 */
	int16		unused;			/* always 0 */
	char		x[FLEXIBLE_ARRAY_MEMBER];	/* elements, finite */
} DenseVector;

StaticAssertDecl(sizeof(DenseVector) == 8,
				 "the size of DenseVector is persistent");

static const VectorKind vector_kind = {
	.name = "vector",
	.max_dim = DENSE_MAX_DIM,
	.element = ELEMENT_F32,
	.overflow = INFINITY,
	.underflow = 0
};

static const VectorKind halfvec_kind = {
	.name = "halfvec",
	.max_dim = DENSE_MAX_DIM,
	.element = ELEMENT_F16,
	.overflow = HALF_OVERFLOW,
	.underflow = HALF_UNDERFLOW
};

#define PG_GETARG_DENSE(kind, n) \
	dense_from_datum(kind, PG_GETARG_DATUM(n))

/* The SQL functions vector_name and halfvec_name, from dense_name */
#define DENSE_FUNCTION(name) \
PG_FUNCTION_INFO_V1(vector_##name); \
Datum \
vector_##name(PG_FUNCTION_ARGS) \
{ \
	return dense_##name(fcinfo, &vector_kind); \
} \
PG_FUNCTION_INFO_V1(halfvec_##name); \
Datum \
halfvec_##name(PG_FUNCTION_ARGS) \
{ \
	return dense_##name(fcinfo, &halfvec_kind); \
} \
extern int	no_such_variable

static inline Size
dense_element_size(const VectorKind *kind)
{
	return kind->element == ELEMENT_F16 ? sizeof(Half) : sizeof(float);
}

/* Raises an error: the value is damaged. */
extern void refuse_stored_dense(const VectorKind *kind,
								const DenseVector *vector);

/*
 * The value in a Datum, detoasted.  Its size and number of dimensions agree
 * and are legal, whatever is stored: arrays on the stack rely on that.
 */
static inline DenseVector *
dense_from_datum(const VectorKind *kind, Datum datum)
{
	DenseVector *vector = (DenseVector *) PG_DETOAST_DATUM(datum);

	if (unlikely(vector->dim < 1 || vector->dim > kind->max_dim ||
				 VARSIZE(vector) != offsetof(DenseVector, x) +
				 dense_element_size(kind) * vector->dim))
		refuse_stored_dense(kind, vector);

	return vector;
}

/* The element at position i, and those behind it */
static inline char *
dense_elements(const VectorKind *kind, DenseVector *vector, int i)
{
	return vector->x + dense_element_size(kind) * i;
}

/* A new vector whose elements are not set; dim must be a legal one. */
extern DenseVector *dense_create(const VectorKind *kind, int dim);

/* A new vector of values that check_element() has passed */
extern DenseVector *dense_from_floats(const VectorKind *kind,
									  const float *values, int dim);

/* Stores n elements from position i on. */
static inline void
dense_store(const VectorKind *kind, DenseVector *vector, int i,
			const float *values, int n)
{
	char	   *elements = dense_elements(kind, vector, i);

	if (kind->element == ELEMENT_F16)
		distance_kernels->f16_from_f32((Half *) elements, values, n);
	else
		memcpy(elements, values, sizeof(float) * n);
}

/* Copies n elements from position i on. */
static inline void
dense_read(const VectorKind *kind, DenseVector *vector, int i,
		   float *values, int n)
{
	char	   *elements = dense_elements(kind, vector, i);

	if (kind->element == ELEMENT_F16)
		distance_kernels->f32_from_f16(values, (Half *) elements, n);
	else
		memcpy(values, elements, sizeof(float) * n);
}

/* The n elements from position i on as they are, or converted into buffer */
static inline const float *
dense_floats(const VectorKind *kind, DenseVector *vector, int i, int n,
			 float *buffer)
{
	if (kind->element == ELEMENT_F32)
		return (const float *) dense_elements(kind, vector, i);

	dense_read(kind, vector, i, buffer, n);
	return buffer;
}

#endif							/* HNSW_DENSE_H */
