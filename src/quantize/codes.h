/*-------------------------------------------------------------------------
 *
 * codes.h
 *	  The numbers that encoding and estimating must agree on.  Private to
 *	  src/quantize; changing any of them changes what codes on disk mean.
 *
 * An 8-bit code u of 1..255 stands for the coordinate y = u - 128 in units
 * of the vector's step.  QUANTIZER_8 uses it as is.  QUANTIZER_4 keeps u >> 4
 * as the navigation code and u & 15 as the refinement; the navigation code
 * alone stands for the middle of its sixteen values of u, which in units of
 * sixteen steps is (16 h + 7.5 - 128) / 16 = h - 7.53125.
 *
 * Byte j of either half holds the 4 bits of coordinate j below those of
 * coordinate j + coded_dim / 2, so that both nibbles of a run of bytes meet
 * runs of consecutive query coordinates.
 *
 * src/quantize/codes.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_QUANTIZE_CODES_H
#define HNSW_QUANTIZE_CODES_H

#include <float.h>
#include <math.h>

#include "quantize/quantize.h"

#define CODE_CENTRE			128
#define NAVIGATION_CENTRE	7.53125f

/*
 * Where each factor stands.  delta: the unbiased scale |r|^2 / <r, y>.
 * norm: |r|^2.  centroid: <x - c, c>, for the inner product only.
 */
#define FACTOR_DELTA		0
#define FACTOR_NORM_SQ		1
#define FACTOR_CENTROID		2

/* QUANTIZER_FLOAT with the inner product: |x|^2 */
#define FACTOR_FLOAT_NORM_SQ 0

/* QUANTIZER_LINEAR8 */
#define FACTOR_LOW			0
#define FACTOR_STEP			1

/* QUANTIZER_BITS with Jaccard: how many are set */
#define FACTOR_WEIGHT		0

/*
 * Sparse kinds.  Norm: |x|^2, or with L1 the number of elements; SPARSE_8 has
 * the others, too.
 */
#define FACTOR_SPARSE_NORM_SQ 0
#define FACTOR_SPARSE_LOW	1
#define FACTOR_SPARSE_STEP	2

/*
 * Vectors (less the centroid) longer than this count as this long, in their
 * direction, and so does the centroid.  The squares and products that keys
 * are made of then stay far enough below FLT_MAX that no sum of them is
 * infinite, and no key NaN.  Squared distances of longer vectors would not
 * be numbers of float32 anyway.
 */
#define MAX_NORM			2e18f
#define MAX_SAFE_NORM_SQ	(MAX_NORM * MAX_NORM)

/* Loops over fixed runs of this length are what compilers vectorize at -O2 */
#define RUN					8

static inline bool
quantizer_is_rotated(const Quantizer *quantizer)
{
	return quantizer->kind == QUANTIZER_8 || quantizer->kind == QUANTIZER_4;
}

/* Fills the error scales of a query that is complete but for them. */
extern void quantizer_set_error_scales(QuantizedQuery *query);

/*
 * Distance of two points for whose product the graph is: see QuantizedQuery.
 * A small one is what is left of large terms.
 */
static inline float
lifted_distance(const Quantizer *quantizer, double product, double norm_sq_a,
				double norm_sq_b)
{
	double		lift_sq = quantizer->lift_sq;
	double		norms_sq = (norm_sq_a + lift_sq) * (norm_sq_b + lift_sq);

	return norms_sq > 0 ? (float) (1 - (product + lift_sq) / sqrt(norms_sq)) :
		1;
}

/* Its error for one of the product */
static inline float
lifted_error(const Quantizer *quantizer, double error, double norm_sq_a,
			 double norm_sq_b)
{
	double		lift_sq = quantizer->lift_sq;
	double		norms_sq = (norm_sq_a + lift_sq) * (norm_sq_b + lift_sq);

	return norms_sq > 0 ? (float) (error / sqrt(norms_sq)) : 0;
}

/*-------------------------------------------------------------------------
 * sparse.c
 *-------------------------------------------------------------------------
 */
#define quantizer_is_sparse(quantizer) ((quantizer)->variable_size)

extern int	sparse_max_code_size(QuantizerKind kind);
extern int	sparse_code_size(const Quantizer *quantizer, const uint8 *code);
extern bool sparse_code_is_whole(const Quantizer *quantizer,
								 const uint8 *code, int length);
extern bool sparse_indices_are_valid(const Quantizer *quantizer,
									 const uint8 *code);
extern void sparse_encode(const Quantizer *quantizer,
						  const HnswVector *vector, uint8 *code,
						  float *factors);
extern struct SparseQuery *sparse_query_create(const Quantizer *quantizer);
extern void sparse_query_free(struct SparseQuery *sparse);
extern void sparse_prepare_query(const HnswVector *vector,
								 QuantizedQuery *query);
extern void sparse_point_as_query(const uint8 *code, const float *factors,
								  QuantizedQuery *query);
extern float sparse_score(const QuantizedQuery *query, const uint8 *code,
						  const float *factors);
extern float sparse_error(const QuantizedQuery *query, const float *factors);

#endif							/* HNSW_QUANTIZE_CODES_H */
