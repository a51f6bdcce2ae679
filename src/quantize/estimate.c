/*-------------------------------------------------------------------------
 *
 * estimate.c
 *	  Keys from codes.
 *
 * With q' = P(q - c), known as scale * codes, the estimate of <r, q'> is
 *
 *		delta * scale * (sum of u_i * codes_i - centre * sum of codes_i)
 *
 * and every metric's key is made of that, the two squared norms and what was
 * taken off with the centroid.
 *
 * src/quantize/estimate.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <float.h>

#include "distance/distance.h"
#include "quantize/codes.h"

/* |x|^2 = |x - c|^2 + 2 <x - c, c> + |c|^2 */
static inline float
norm_sq_of_factors(const Quantizer *quantizer, const float *factors)
{
	if (quantizer->kind == QUANTIZER_FLOAT)
		return factors[FACTOR_FLOAT_NORM_SQ];
	return Max(factors[FACTOR_NORM_SQ] + 2 * factors[FACTOR_CENTROID] +
			   quantizer->centroid_norm_sq, 0);
}

static inline float
key_of_product(const QuantizedQuery *query, float product,
			   const float *factors)
{
	const Quantizer *quantizer = query->quantizer;

	if (quantizer->metric != HNSW_METRIC_IP)
		return factors[FACTOR_NORM_SQ] + query->norm_sq - 2 * product;
	product += factors[FACTOR_CENTROID] + query->ip_offset;
	if (query->as_point)
		return lifted_distance(quantizer, product, query->point_norm_sq,
							   norm_sq_of_factors(quantizer, factors));
	return -product;
}

static inline float
finish_rotated(const QuantizedQuery *query, float sum, float centre,
			   float delta, const float *factors)
{
	float		product = delta * query->scale *
	(sum - centre * query->code_sum);

	return key_of_product(query, product, factors);
}

static inline float
finish_float(const QuantizedQuery *query, float sum, const float *factors)
{
	if (query->quantizer->metric != HNSW_METRIC_IP)
		return sum;
	if (query->as_point)
		return lifted_distance(query->quantizer, sum, query->point_norm_sq,
							   factors[FACTOR_FLOAT_NORM_SQ]);
	return -sum;
}

static inline float
partial_float(const QuantizedQuery *query, const uint8 *code_piece,
			  int offset, int nbytes)
{
	const float *values = query->values + offset / sizeof(float);
	const float *piece = (const float *) (const void *) code_piece;
	int			n = nbytes / sizeof(float);

	switch (query->quantizer->metric)
	{
		case HNSW_METRIC_L1:
			return distance_kernels->l1_f32(values, piece, n);
		case HNSW_METRIC_IP:
			return distance_kernels->inner_product_f32(values, piece, n);
		default:
			break;
	}
	return distance_kernels->l2_squared_f32(values, piece, n);
}

/* Either half of a split code against the query's two halves. */
static inline float
partial_nibbles(const QuantizedQuery *query, const uint8 *code_piece,
				int offset, int nbytes)
{
	const int8 *low = query->codes + offset;
	const int8 *high = low + query->quantizer->coded_dim / 2;

	return (float) distance_kernels->dot_u4_s8(code_piece, low, high, nbytes);
}

static inline float
partial_bytes(const QuantizedQuery *query, const uint8 *code_piece,
			  int offset, int nbytes)
{
	return (float) distance_kernels->dot_u8_s8(code_piece,
											   query->codes + offset, nbytes);
}

/* Bits that differ, or for Jaccard those that both have */
static inline float
partial_bits(const QuantizedQuery *query, const uint8 *code_piece,
			 int offset, int nbytes)
{
	if (query->quantizer->metric == HNSW_METRIC_JACCARD)
		return (float) distance_kernels->and_bits(code_piece,
												  query->bits + offset,
												  nbytes);
	return (float) distance_kernels->xor_bits(code_piece,
											  query->bits + offset, nbytes);
}

static inline float
finish_bits(const QuantizedQuery *query, float sum, const float *factors)
{
	float		either;

	if (query->quantizer->metric != HNSW_METRIC_JACCARD)
		return sum;
	if (!(sum > 0))
		return 1;
	either = factors[FACTOR_WEIGHT] + query->weight - sum;
	return 1 - sum / either;
}

float
quantizer_partial(const QuantizedQuery *query, const uint8 *code_piece,
				  int offset, int nbytes, const float *factors)
{
	switch (query->quantizer->kind)
	{
		case QUANTIZER_4:
			return partial_nibbles(query, code_piece, offset, nbytes);
		case QUANTIZER_8:
			return partial_bytes(query, code_piece, offset, nbytes);
		case QUANTIZER_FLOAT:
			return partial_float(query, code_piece, offset, nbytes);
		case QUANTIZER_LINEAR8:
			return distance_kernels->l1_f32_u8(query->values + offset,
											   code_piece,
											   factors[FACTOR_LOW],
											   factors[FACTOR_STEP], nbytes);
		case QUANTIZER_BITS:
			return partial_bits(query, code_piece, offset, nbytes);
		case QUANTIZER_SPARSE_FLOAT:
		case QUANTIZER_SPARSE_8:
			Assert(offset == 0);
			return sparse_score(query, code_piece, factors);
	}
	return 0;
}

float
quantizer_finish(const QuantizedQuery *query, float sum,
				 const float *factors)
{
	switch (query->quantizer->kind)
	{
		case QUANTIZER_4:
			return finish_rotated(query, sum, NAVIGATION_CENTRE,
								  factors[FACTOR_DELTA], factors);
		case QUANTIZER_8:
			return finish_rotated(query, sum, CODE_CENTRE,
								  factors[FACTOR_DELTA], factors);
		case QUANTIZER_FLOAT:
			return finish_float(query, sum, factors);
		case QUANTIZER_BITS:
			return finish_bits(query, sum, factors);
		case QUANTIZER_LINEAR8:
		case QUANTIZER_SPARSE_FLOAT:
		case QUANTIZER_SPARSE_8:
			break;
	}
	return sum;
}

/* The same as partial and finish, with one switch for the rotated kinds. */
float
quantizer_score(const QuantizedQuery *query, const uint8 *code,
				const float *factors)
{
	int			nbytes = query->quantizer->code_size;
	float		sum;

	switch (query->quantizer->kind)
	{
		case QUANTIZER_4:
			sum = partial_nibbles(query, code, 0, nbytes);
			return finish_rotated(query, sum, NAVIGATION_CENTRE,
								  factors[FACTOR_DELTA], factors);
		case QUANTIZER_8:
			sum = partial_bytes(query, code, 0, nbytes);
			return finish_rotated(query, sum, CODE_CENTRE,
								  factors[FACTOR_DELTA], factors);
		default:
			break;
	}
	sum = quantizer_partial(query, code, 0, nbytes, factors);
	return quantizer_finish(query, sum, factors);
}

float
quantizer_finish_refined(const QuantizedQuery *query, float sum,
						 const float *factors, const float *refine_factors)
{
	return finish_rotated(query, sum, CODE_CENTRE,
						  refine_factors[FACTOR_DELTA], factors);
}

float
quantizer_score_refined(const QuantizedQuery *query, const uint8 *code,
						const float *factors, const uint8 *refine,
						const float *refine_factors)
{
	int			nbytes = query->quantizer->code_size;
	float		sum = 16 * partial_nibbles(query, code, 0, nbytes) +
	partial_nibbles(query, refine, 0, nbytes);

	return quantizer_finish_refined(query, sum, factors, refine_factors);
}

void
quantizer_join(const Quantizer *quantizer, const uint8 *code,
			   const uint8 *refine, uint8 *joined)
{
	int			n = quantizer->code_size;

	Assert(quantizer->refine_size == n);
	for (int i = 0; i < n; i++)
	{
		joined[i] = (uint8) (code[i] << 4) | (refine[i] & 0x0F);
		joined[i + n] = (code[i] & 0xF0) | (refine[i] >> 4);
	}
}

void
quantizer_split(const Quantizer *quantizer, const uint8 *joined, uint8 *code,
				uint8 *refine)
{
	int			n = quantizer->code_size;

	for (int i = 0; i < n; i++)
	{
		code[i] = (joined[i] >> 4) | (joined[i + n] & 0xF0);
		refine[i] = (joined[i] & 0x0F) | (uint8) (joined[i + n] << 4);
	}
}

float
quantizer_score_joined(const QuantizedQuery *query, const uint8 *joined,
					   const float *factors, const float *refine_factors)
{
	float		sum = partial_bytes(query, joined, 0,
									2 * query->quantizer->code_size);

	return quantizer_finish_refined(query, sum, factors, refine_factors);
}

/*
 * Codes as query codes, each u - CODE_CENTRE; returns their sum.  Without
 * refinement the middle of the bucket, rounded to the even code.
 */
static int
join_nibbles(const uint8 *code, const uint8 *refine, int nbytes, int8 *codes)
{
	int			sum = 0;

	for (int i = 0; i < nbytes; i++)
	{
		int			lo = refine != NULL ? refine[i] : 0x88;
		int			a = ((code[i] << 4) & 0xF0) | (lo & 0x0F);
		int			b = (code[i] & 0xF0) | (lo >> 4);

		a -= CODE_CENTRE;
		b -= CODE_CENTRE;
		codes[i] = (int8) a;
		codes[i + nbytes] = (int8) b;
		sum += a + b;
	}
	return sum;
}

static int
centre_codes(const uint8 *code, int nbytes, int8 *codes)
{
	int			sum = 0;

	for (int i = 0; i < nbytes; i++)
	{
		int			v = (int) code[i] - CODE_CENTRE;

		codes[i] = (int8) v;
		sum += v;
	}
	return sum;
}

/* What of a point as a query is not its code */
static void
set_point_factors(const Quantizer *quantizer, const float *factors,
				  QuantizedQuery *query)
{
	query->as_point = true;
	if (quantizer->metric == HNSW_METRIC_IP &&
		!quantizer_is_sparse(quantizer))
		query->point_norm_sq = norm_sq_of_factors(quantizer, factors);
	if (quantizer->metric == HNSW_METRIC_IP && quantizer->rotation != NULL)
		query->ip_offset = factors[FACTOR_CENTROID] +
			quantizer->centroid_norm_sq;
}

void
quantizer_joined_as_query(const Quantizer *quantizer, const uint8 *joined,
						  const float *factors, const float *refine_factors,
						  QuantizedQuery *query)
{
	set_point_factors(quantizer, factors, query);
	query->code_sum = centre_codes(joined, 2 * quantizer->code_size,
								   query->codes);
	query->scale = refine_factors[FACTOR_DELTA];
	query->norm_sq = factors[FACTOR_NORM_SQ];
	quantizer_set_error_scales(query);
}

void
quantizer_point_as_query(const Quantizer *quantizer, const uint8 *code,
						 const float *factors, const uint8 *refine,
						 const float *refine_factors, QuantizedQuery *query)
{
	set_point_factors(quantizer, factors, query);

	switch (quantizer->kind)
	{
		case QUANTIZER_FLOAT:
			memcpy(query->values, code, quantizer->code_size);
			break;
		case QUANTIZER_LINEAR8:
			for (int i = 0; i < quantizer->dim; i++)
				query->values[i] = factors[FACTOR_LOW] +
					factors[FACTOR_STEP] * code[i];
			break;
		case QUANTIZER_8:
			query->code_sum = centre_codes(code, quantizer->code_size,
										   query->codes);
			query->scale = factors[FACTOR_DELTA];
			query->norm_sq = factors[FACTOR_NORM_SQ];
			break;
		case QUANTIZER_4:
			query->code_sum = join_nibbles(code, refine,
										   quantizer->code_size,
										   query->codes);
			query->scale = refine != NULL ? refine_factors[FACTOR_DELTA] :
				factors[FACTOR_DELTA] / 16;
			query->norm_sq = factors[FACTOR_NORM_SQ];
			break;
		case QUANTIZER_BITS:
			memcpy(query->bits, code, quantizer->code_size);
			if (quantizer->metric == HNSW_METRIC_JACCARD)
				query->weight = factors[FACTOR_WEIGHT];
			break;
		case QUANTIZER_SPARSE_FLOAT:
		case QUANTIZER_SPARSE_8:
			sparse_point_as_query(code, factors, query);
			break;
	}
	if (quantizer->rotation != NULL)
		quantizer_set_error_scales(query);
}

/*
 * A code's error e = delta * y - r is as good as uniform within half a step
 * of delta and in a random direction, so <e, q'> has the variance
 * |q'|^2 |e|^2 / (D - 1) with |e|^2 = D delta^2 / 12.  The error scales are
 * what of that depends on the query alone.  Sixteen steps of the refined
 * code are one of the navigation code.
 */
void
quantizer_set_error_scales(QuantizedQuery *query)
{
	float		d = query->quantizer->coded_dim;

	query->error_scale = sqrtf(query->norm_sq * (d / (12 * (d - 1))));
	query->refined_error_scale = query->error_scale;
	if (query->quantizer->refine_size > 0)
		query->refined_error_scale /= 16;
}

/*
 * The query's own rounding adds the variance |r|^2 scale^2 / 12.  A point as
 * a query counts as exact.
 */
static float
rotated_error(const QuantizedQuery *query, const float *factors, bool refined)
{
	/* squares of what float32 just holds */
	double		code_error = factors[FACTOR_DELTA] *
	(refined ? query->refined_error_scale : query->error_scale);
	double		query_error = 0;
	float		error;

	if (!query->as_point)
		query_error = query->scale *
			sqrtf(factors[FACTOR_NORM_SQ] * (1.0f / 12));
	error = (float) sqrt(code_error * code_error + query_error * query_error);

	/* squared distances hold the product twice */
	if (query->quantizer->metric != HNSW_METRIC_IP)
		return 2 * error;
	if (query->as_point)
		return lifted_error(query->quantizer, error, query->point_norm_sq,
							norm_sq_of_factors(query->quantizer, factors));
	return error;
}

/*
 * Codes of floats are the vectors, but what the operator sums up is rounded
 * otherwise: the cosine's of normalized vectors, an inner product in another
 * order.  Where terms cancel each other, that is not small beside the key.
 */
static float
float_error(const QuantizedQuery *query, const float *factors)
{
	const Quantizer *quantizer = query->quantizer;
	float		rounding = (sqrtf(quantizer->dim / 8.0f) + 8) * FLT_EPSILON / 2;
	float		norm_sq;

	switch (quantizer->metric)
	{
		case HNSW_METRIC_COSINE:
			return 2 * rounding;
		case HNSW_METRIC_IP:
			norm_sq = Max(query->norm_sq, factors[FACTOR_FLOAT_NORM_SQ]);
			if (norm_sq >= MAX_SAFE_NORM_SQ)
				return INFINITY;	/* was made shorter, see make_values */
			return rounding * sqrtf(query->norm_sq) *
				sqrtf(factors[FACTOR_FLOAT_NORM_SQ]);
		default:
			break;
	}
	return 0;
}

float
quantizer_error(const QuantizedQuery *query, const float *factors,
				bool refined)
{
	switch (query->quantizer->kind)
	{
		case QUANTIZER_8:
		case QUANTIZER_4:
			return rotated_error(query, factors, refined);
		case QUANTIZER_LINEAR8:
			return factors[FACTOR_STEP] *
				sqrtf(query->quantizer->dim * (1.0f / 12));
		case QUANTIZER_SPARSE_FLOAT:
		case QUANTIZER_SPARSE_8:
			return sparse_error(query, factors);
		case QUANTIZER_FLOAT:
			return float_error(query, factors);
		case QUANTIZER_BITS:
			break;
	}
	return 0;
}
