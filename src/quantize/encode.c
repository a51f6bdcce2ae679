/*-------------------------------------------------------------------------
 *
 * encode.c
 *	  From vectors to codes and queries.
 *
 * Everything rotated goes through a Residual: the vector less the centroid,
 * rotated, in a scale where float32 arithmetic is safe.  Ordinary vectors
 * are their own scale; those whose squares would overflow or vanish are
 * brought to unit length first, in double, and what is stored is multiplied
 * by their length at the end.
 *
 * The float loops go by runs of RUN, with one accumulator per lane, so that
 * a compiler may use vector instructions without reordering any sum.
 *
 * src/quantize/encode.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "distance/distance.h"
#include "quantize/codes.h"
#include "quantize/rotation.h"

/*
 * Squared norms within these bounds lose nothing in float32: what underflows
 * is too small to matter, and nothing overflows.
 */
#define MIN_SAFE_NORM_SQ	1e-20f

/*
 * Steps from 0 to the largest coordinate of a vector, of points and queries
 * alike.  No code is ever clipped.
 *
 * For 4 bits alone a step of 0.334 sigma, sigma = |r| / sqrt(coded_dim), has
 * the least error, and the one that this makes of a rotated vector of some
 * hundred dimensions is 0.35 to 0.5 sigma.  But what a smaller one clips,
 * refinement cannot bring back, it is the same coordinates for points near
 * each other, and no error bound made of the factors knows of it.  Measured
 * on HOG descriptors of 768 dimensions, relative error of navigation and
 * refined estimates: step at most 0.40 sigma 0.00410 and 0.00061, 0.45 sigma
 * 0.00430 and 0.00044, any 0.00437 and 0.00039, which is that of
 * QUANTIZER_8; recall of navigation is the same within its noise.
 */
#define LARGEST_CODE		127.0f

typedef struct Residual
{
	float	   *values;			/* coded_dim rotated coordinates, ... */
	float		norm_sq;		/* ... their squared norm, ... */
	float		unit;			/* ... and what to multiply them by */
	float		largest;		/* magnitude of a value */
	float		steps_per_unit; /* of codes; 0 for the residual 0, whose codes
								 * then all come out as the centre and whose
								 * factors as 0 */
	float		centroid_product;	/* IP: <x - c, c> */
} Residual;

static double
norm_sq_double(const float *x, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += (double) x[i] * x[i];
	return sum;
}

/* False for NaN, too */
static bool
is_safe(float value)
{
	return value >= MIN_SAFE_NORM_SQ && value <= MAX_SAFE_NORM_SQ;
}

static double
squared_norm(const float *x, int n)
{
	float		norm_sq = distance_kernels->inner_product_f32(x, x, n);

	return is_safe(norm_sq) ? norm_sq : norm_sq_double(x, n);
}

/*
 * What the metric multiplies a vector by before anything else: cosine 1/|x|,
 * or 0 for the zero vector, which stays zero; others 1.
 */
static double
metric_scale(const Quantizer *quantizer, const float *vector)
{
	double		norm_sq;

	if (quantizer->metric != HNSW_METRIC_COSINE)
		return 1;
	norm_sq = squared_norm(vector, quantizer->dim);
	return norm_sq > 0 ? 1 / sqrt(norm_sq) : 0;
}

/* out = scale * x - c; out must not overlap the others */
static void
scale_and_subtract(float *pg_restrict out, const float *pg_restrict x,
				   float scale, const float *pg_restrict c, int n)
{
	int			i;

	for (i = 0; i + RUN <= n; i += RUN)
	{
		for (int j = 0; j < RUN; j++)
			out[i + j] = scale * x[i + j] - c[i + j];
	}
	for (; i < n; i++)
		out[i] = scale * x[i] - c[i];
}

/* The residual of a vector that float32 is not enough for: of norm 1 or 0. */
static void
unit_residual(const Quantizer *quantizer, const float *vector, double scale,
			  Residual *residual)
{
	const float *c = quantizer->centroid;
	double		norm_sq = 0;
	double		norm;

	for (int i = 0; i < quantizer->dim; i++)
	{
		double		value = scale * vector[i] - c[i];

		norm_sq += value * value;
	}
	norm = sqrt(norm_sq);

	for (int i = 0; i < quantizer->dim; i++)
	{
		double		value = scale * vector[i] - c[i];

		residual->values[i] = norm > 0 ? (float) (value / norm) : 0;
	}
	residual->norm_sq = norm > 0 ? 1 : 0;
	residual->unit = (float) Min(norm, MAX_NORM);
}

static float
largest_magnitude(const float *x, int n)
{
	float		lanes[RUN] = {0};
	float		largest = 0;

	for (int i = 0; i < n; i += RUN)
	{
		for (int j = 0; j < RUN; j++)
		{
			float		magnitude = fabsf(x[i + j]);

			lanes[j] = magnitude > lanes[j] ? magnitude : lanes[j];
		}
	}
	for (int j = 0; j < RUN; j++)
		largest = Max(largest, lanes[j]);
	return largest;
}

/* Computes the residual of vector in the quantizer's scratch space. */
static void
make_residual(Quantizer *quantizer, const float *vector, Residual *residual)
{
	int			dim = quantizer->dim;
	float	   *values = quantizer->scratch;
	double		scale = metric_scale(quantizer, vector);

	scale_and_subtract(values, vector, (float) scale, quantizer->centroid,
					   dim);
	residual->values = values;
	residual->norm_sq = distance_kernels->inner_product_f32(values, values,
															dim);
	residual->unit = 1;

	/* a scale out of bounds has made nonsense of the values */
	if (!is_safe(residual->norm_sq) || !is_safe((float) scale))
		unit_residual(quantizer, vector, scale, residual);

	residual->centroid_product = 0;
	if (quantizer->metric == HNSW_METRIC_IP)
		residual->centroid_product = residual->unit *
			distance_kernels->inner_product_f32(values, quantizer->centroid,
												dim);

	memset(values + dim, 0, sizeof(float) * (quantizer->coded_dim - dim));
	rotation_apply(quantizer->rotation, values);

	residual->largest = largest_magnitude(values, quantizer->coded_dim);
	residual->steps_per_unit = residual->largest > 0 ?
		LARGEST_CODE / residual->largest : 0;
}

static float
sum_lanes(const float *lanes)
{
	float		sum = 0;

	for (int j = 0; j < RUN; j++)
		sum += lanes[j];
	return sum;
}

/* The code of a coordinate of so many steps, -127 to 127 of them. */
static inline int
code_of_steps(float steps)
{
	return (int) (steps + (CODE_CENTRE + 0.5f));
}

/* Codes of n coordinates; returns <x, y>. */
static float
encode_8(const float *pg_restrict x, int n, float steps_per_unit,
		 uint8 *pg_restrict code)
{
	float		lanes[RUN] = {0};

	for (int i = 0; i < n; i += RUN)
	{
		for (int j = 0; j < RUN; j++)
		{
			int			u = code_of_steps(x[i + j] * steps_per_unit);

			code[i + j] = (uint8) u;
			lanes[j] += x[i + j] * (float) (u - CODE_CENTRE);
		}
	}
	return sum_lanes(lanes);
}

/* What encode_4 adds up: <x, y> of the navigation and of the full codes */
typedef struct SplitProducts
{
	float		navigation[RUN];
	float		full[RUN];
} SplitProducts;

/* One run of full codes, and what it adds to the products. */
static inline void
encode_run(const float *pg_restrict x, float steps_per_unit,
		   int *pg_restrict u, SplitProducts *pg_restrict products)
{
	for (int j = 0; j < RUN; j++)
		u[j] = code_of_steps(x[j] * steps_per_unit);
	for (int j = 0; j < RUN; j++)
		products->full[j] += x[j] * (float) (u[j] - CODE_CENTRE);
	for (int j = 0; j < RUN; j++)
		products->navigation[j] += x[j] *
			((float) (u[j] >> 4) - NAVIGATION_CENTRE);
}

/* Navigation and refinement codes of n coordinates, n / 2 bytes each. */
static SplitProducts
encode_4(const float *x, int n, float steps_per_unit,
		 uint8 *pg_restrict code, uint8 *pg_restrict refine)
{
	int			half = n / 2;
	SplitProducts products = {{0}, {0}};

	for (int i = 0; i < half; i += RUN)
	{
		int			low[RUN];
		int			high[RUN];

		encode_run(x + i, steps_per_unit, low, &products);
		encode_run(x + half + i, steps_per_unit, high, &products);
		for (int j = 0; j < RUN; j++)
			code[i + j] = (uint8) ((low[j] >> 4) | (high[j] & 0xF0));
		for (int j = 0; j < RUN; j++)
			refine[i + j] = (uint8) ((low[j] & 0x0F) |
									 ((high[j] & 0x0F) << 4));
	}
	return products;
}

static float
delta_factor(const Residual *residual, float product)
{
	return product > 0 ? residual->norm_sq / product * residual->unit : 0;
}

static void
encode_rotated(Quantizer *quantizer, const float *vector, uint8 *code,
			   float *factors, uint8 *refine, float *refine_factors)
{
	int			n = quantizer->coded_dim;
	Residual	residual;
	float		steps_per_unit;

	make_residual(quantizer, vector, &residual);
	steps_per_unit = residual.steps_per_unit;

	if (quantizer->kind == QUANTIZER_8)
	{
		float		product = encode_8(residual.values, n, steps_per_unit,
									   code);

		factors[FACTOR_DELTA] = delta_factor(&residual, product);
	}
	else
	{
		SplitProducts products = encode_4(residual.values, n, steps_per_unit,
										  code, refine);

		factors[FACTOR_DELTA] =
			delta_factor(&residual, sum_lanes(products.navigation));
		refine_factors[FACTOR_DELTA] =
			delta_factor(&residual, sum_lanes(products.full));
	}

	factors[FACTOR_NORM_SQ] = residual.norm_sq * residual.unit *
		residual.unit;
	if (quantizer->metric == HNSW_METRIC_IP)
		factors[FACTOR_CENTROID] = residual.centroid_product;
}

/*
 * Unrotated values of a vector, as the metric wants them; returns their
 * squared norm where a key is made of it, which is for the inner product.
 */
static float
make_values(const Quantizer *quantizer, const float *vector, float *values)
{
	int			dim = quantizer->dim;
	double		norm_sq = 0;
	double		scale = metric_scale(quantizer, vector);

	if (quantizer->metric == HNSW_METRIC_IP)
	{
		norm_sq = squared_norm(vector, dim);
		if (norm_sq > MAX_SAFE_NORM_SQ)
		{
			scale = MAX_NORM / sqrt(norm_sq);
			norm_sq = MAX_SAFE_NORM_SQ;
		}
	}

	if (scale == 1)
		memcpy(values, vector, sizeof(float) * dim);
	else
	{
		for (int i = 0; i < dim; i++)
			values[i] = (float) (scale * vector[i]);
	}
	return (float) norm_sq;
}

static void
encode_float(const Quantizer *quantizer, const float *vector, uint8 *code,
			 float *factors)
{
	float		norm_sq = make_values(quantizer, vector,
									  (float *) (void *) code);

	if (quantizer->metric == HNSW_METRIC_IP)
		factors[FACTOR_FLOAT_NORM_SQ] = norm_sq;
}

static void
encode_linear(const Quantizer *quantizer, const float *vector, uint8 *code,
			  float *factors)
{
	float		low = vector[0];
	float		high = vector[0];
	float		step;
	double		steps_per_unit;

	for (int i = 1; i < quantizer->dim; i++)
	{
		low = Min(low, vector[i]);
		high = Max(high, vector[i]);
	}
	step = (float) (((double) high - low) / 255);
	steps_per_unit = step > 0 ? 1 / (double) step : 0;

	for (int i = 0; i < quantizer->dim; i++)
	{
		double		u = ((double) vector[i] - low) * steps_per_unit + 0.5;

		code[i] = (uint8) Min(u, 255);
	}
	factors[FACTOR_LOW] = low;
	factors[FACTOR_STEP] = step;
}

/* Bits and, where a key is made of it, how many are set */
static float
copy_bits(const Quantizer *quantizer, const uint8 *bits, uint8 *copy)
{
	memcpy(copy, bits, quantizer->code_size);
	if (quantizer->metric != HNSW_METRIC_JACCARD)
		return 0;
	return (float) distance_kernels->and_bits(bits, bits,
											  quantizer->code_size);
}

static void
encode_bits(const Quantizer *quantizer, const uint8 *bits, uint8 *code,
			float *factors)
{
	float		weight = copy_bits(quantizer, bits, code);

	if (quantizer->metric == HNSW_METRIC_JACCARD)
		factors[FACTOR_WEIGHT] = weight;
}

void
quantizer_encode(Quantizer *quantizer, const HnswVector *vector, uint8 *code,
				 float *factors, uint8 *refine, float *refine_factors)
{
	switch (quantizer->kind)
	{
		case QUANTIZER_FLOAT:
			encode_float(quantizer, vector->elements, code, factors);
			break;
		case QUANTIZER_LINEAR8:
			encode_linear(quantizer, vector->elements, code, factors);
			break;
		case QUANTIZER_8:
		case QUANTIZER_4:
			encode_rotated(quantizer, vector->elements, code, factors, refine,
						   refine_factors);
			break;
		case QUANTIZER_BITS:
			encode_bits(quantizer, vector->bits, code, factors);
			break;
		case QUANTIZER_SPARSE_FLOAT:
		case QUANTIZER_SPARSE_8:
			sparse_encode(quantizer, vector, code, factors);
			break;
	}
}

void
quantizer_empty_code(const Quantizer *quantizer, uint8 *code)
{
	HnswVector	empty = {.nelements = 0};
	float		factors[QUANTIZER_MAX_FACTORS];

	sparse_encode(quantizer, &empty, code, factors);
}

/* Query codes of n coordinates; returns their sum. */
static int
quantize_query(const float *pg_restrict x, int n, float steps_per_unit,
			   int8 *pg_restrict codes)
{
	int			lanes[RUN] = {0};
	int			sum = 0;

	for (int i = 0; i < n; i += RUN)
	{
		for (int j = 0; j < RUN; j++)
		{
			int			v = code_of_steps(x[i + j] * steps_per_unit) -
			CODE_CENTRE;

			codes[i + j] = (int8) v;
			lanes[j] += v;
		}
	}
	for (int j = 0; j < RUN; j++)
		sum += lanes[j];
	return sum;
}

static void
prepare_rotated(Quantizer *quantizer, const float *vector,
				QuantizedQuery *query)
{
	Residual	residual;

	make_residual(quantizer, vector, &residual);
	query->code_sum = quantize_query(residual.values, quantizer->coded_dim,
									 residual.steps_per_unit, query->codes);
	query->scale = residual.largest / LARGEST_CODE * residual.unit;
	query->norm_sq = residual.norm_sq * residual.unit * residual.unit;
	query->ip_offset = residual.centroid_product +
		quantizer->centroid_norm_sq;
	quantizer_set_error_scales(query);
}

void
quantizer_prepare_query(Quantizer *quantizer, const HnswVector *vector,
						QuantizedQuery *query)
{
	query->as_point = false;
	switch (quantizer->kind)
	{
		case QUANTIZER_FLOAT:
		case QUANTIZER_LINEAR8:
			query->norm_sq = make_values(quantizer, vector->elements,
										 query->values);
			break;
		case QUANTIZER_8:
		case QUANTIZER_4:
			prepare_rotated(quantizer, vector->elements, query);
			break;
		case QUANTIZER_BITS:
			query->weight = copy_bits(quantizer, vector->bits, query->bits);
			break;
		case QUANTIZER_SPARSE_FLOAT:
		case QUANTIZER_SPARSE_8:
			sparse_prepare_query(vector, query);
			break;
	}
}
