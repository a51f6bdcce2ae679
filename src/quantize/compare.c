/*-------------------------------------------------------------------------
 *
 * compare.c
 *	  Are two codes codes of the same vector?
 *
 * The same vector gives the same code on every CPU, but for two things that
 * are made of float sums, whose last bits depend on the kernels: norms, which
 * are factors, and the length by which the metric cosine divides a vector
 * before anything else.  Where that takes a coordinate across the boundary
 * of two codes the code is another one, by one step.
 *
 * src/quantize/compare.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "quantize/codes.h"

/* Relative, for vectors that are not very long; see distance.h */
#define MIN_TOLERANCE		1e-5

/* Of the factors when a coordinate has another code */
#define LOOSE_TOLERANCE		0.05

/* One coordinate in so many may have another code */
#define COORDINATES_PER_STEP 64

static double
tolerance(const Quantizer *quantizer)
{
	return Max(MIN_TOLERANCE, ldexp(quantizer->dim / 8 + 16, -23));
}

/* Code of 8 bits of a coordinate, whichever way it is stored */
static int
full_code(const Quantizer *quantizer, const QuantizedVector *vector, int i)
{
	int			half = quantizer->coded_dim / 2;
	int			shift = i < half ? 0 : 4;
	int			byte = i < half ? i : i - half;

	if (quantizer->kind != QUANTIZER_4)
		return vector->code[i];
	return ((vector->code[byte] >> shift) & 15) << 4 |
		((vector->refine[byte] >> shift) & 15);
}

/* False, too, when a coordinate is not a number */
static bool
floats_agree(const Quantizer *quantizer, const QuantizedVector *a,
			 const QuantizedVector *b)
{
	const float *x = (const float *) (const void *) a->code;
	const float *y = (const float *) (const void *) b->code;
	double		bound = tolerance(quantizer);

	for (int i = 0; i < quantizer->dim; i++)
	{
		if (!(fabs((double) x[i] - y[i]) <= bound * fabs(x[i])))
			return false;
	}
	return true;
}

static bool
steps_agree(const Quantizer *quantizer, const QuantizedVector *a,
			const QuantizedVector *b)
{
	int			allowed = 1 + quantizer->coded_dim / COORDINATES_PER_STEP;

	for (int i = 0; i < quantizer->coded_dim; i++)
	{
		int			difference = full_code(quantizer, a, i) -
			full_code(quantizer, b, i);

		if (difference == 0)
			continue;
		if (difference < -1 || difference > 1 || allowed-- == 0)
			return false;
	}
	return true;
}

static bool
codes_agree(const Quantizer *quantizer, const QuantizedVector *a,
			const QuantizedVector *b, bool *equal)
{
	int			size = quantizer_code_size(quantizer, a->code);

	*equal = size == quantizer_code_size(quantizer, b->code) &&
		memcmp(a->code, b->code, size) == 0 &&
		(quantizer->refine_size == 0 ||
		 memcmp(a->refine, b->refine, quantizer->refine_size) == 0);
	if (*equal)
		return true;
	if (quantizer->metric != HNSW_METRIC_COSINE ||
		quantizer_is_sparse(quantizer))
		return false;
	return quantizer->kind == QUANTIZER_FLOAT ?
		floats_agree(quantizer, a, b) : steps_agree(quantizer, a, b);
}

/* base: what the tolerance is relative to, when it is more than the values */
static bool
factor_agrees(float a, float b, double base, double bound)
{
	base = Max(base, Max(fabs(a), fabs(b)));
	return fabs((double) a - b) <= bound * base;
}

static bool
factors_agree(const Quantizer *quantizer, const QuantizedVector *a,
			  const QuantizedVector *b, double bound)
{
	for (int i = 0; i < quantizer->nfactors; i++)
	{
		double		base = 0;

		/* a sum in which terms cancel each other */
		if (quantizer_is_rotated(quantizer) && i == FACTOR_CENTROID)
			base = sqrt((double) a->factors[FACTOR_NORM_SQ] *
						quantizer->centroid_norm_sq);
		if (!factor_agrees(a->factors[i], b->factors[i], base, bound))
			return false;
	}
	for (int i = 0; i < quantizer->nrefine_factors; i++)
	{
		if (!factor_agrees(a->refine_factors[i], b->refine_factors[i], 0,
						   bound))
			return false;
	}
	return true;
}

QuantizedDifference
quantizer_compare(const Quantizer *quantizer, const QuantizedVector *a,
				  const QuantizedVector *b)
{
	bool		equal;

	if (!codes_agree(quantizer, a, b, &equal))
		return QUANTIZED_OTHER_CODE;
	if (!factors_agree(quantizer, a, b,
					   equal ? tolerance(quantizer) : LOOSE_TOLERANCE))
		return QUANTIZED_OTHER_FACTORS;
	return QUANTIZED_SAME;
}
