/*-------------------------------------------------------------------------
 *
 * quantize.c
 *	  Making and freeing quantizers and queries; see quantize.h.
 *
 * src/quantize/quantize.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <math.h>

#include "quantize/codes.h"
#include "quantize/rotation.h"

/* Cache line of the machines we care about */
#define QUERY_ALIGNMENT 64

QuantizerKind
quantizer_auto(HnswMetric metric, int dim)
{
	if (dim <= 32)
		return QUANTIZER_FLOAT;
	if (metric == HNSW_METRIC_L1)
		return QUANTIZER_LINEAR8;
	return dim <= 256 ? QUANTIZER_8 : QUANTIZER_4;
}

static void
set_sizes(Quantizer *quantizer)
{
	bool		is_ip = quantizer->metric == HNSW_METRIC_IP;
	int			rotated_factors = is_ip ? FACTOR_CENTROID + 1 :
	FACTOR_NORM_SQ + 1;

	quantizer->coded_dim = quantizer_is_rotated(quantizer) ?
		(int) TYPEALIGN(16, quantizer->dim) : quantizer->dim;

	switch (quantizer->kind)
	{
		case QUANTIZER_FLOAT:
			quantizer->code_size = sizeof(float) * quantizer->dim;
			quantizer->nfactors = is_ip ? FACTOR_FLOAT_NORM_SQ + 1 : 0;
			break;
		case QUANTIZER_LINEAR8:
			quantizer->code_size = quantizer->coded_dim;
			quantizer->nfactors = FACTOR_STEP + 1;
			break;
		case QUANTIZER_8:
			quantizer->code_size = quantizer->coded_dim;
			quantizer->nfactors = rotated_factors;
			break;
		case QUANTIZER_4:
			quantizer->code_size = quantizer->coded_dim / 2;
			quantizer->nfactors = rotated_factors;
			quantizer->refine_size = quantizer->coded_dim / 2;
			quantizer->nrefine_factors = 1;
			break;
	}
}

/*
 * Any centroid gives right estimates, so one that cannot be computed with is
 * shortened or dropped.
 */
static void
set_centroid(Quantizer *quantizer, const float *centroid)
{
	double		norm_sq = 0;
	double		shrink = 1;

	for (int i = 0; i < quantizer->dim; i++)
		norm_sq += (double) centroid[i] * centroid[i];

	if (!isfinite(norm_sq))
		return;
	if (norm_sq > (double) MAX_NORM * MAX_NORM)
		shrink = MAX_NORM / sqrt(norm_sq);

	for (int i = 0; i < quantizer->dim; i++)
		quantizer->centroid[i] = (float) (centroid[i] * shrink);
	quantizer->centroid_norm_sq = (float) (norm_sq * shrink * shrink);
}

Quantizer *
quantizer_create(QuantizerKind kind, HnswMetric metric, int dim, uint64 seed,
				 const float *centroid)
{
	Quantizer  *quantizer = palloc0(sizeof(Quantizer));

	Assert(dim > 0);
	Assert(kind == QUANTIZER_FLOAT ||
		   (kind == QUANTIZER_LINEAR8) == (metric == HNSW_METRIC_L1));

	quantizer->kind = kind;
	quantizer->metric = metric;
	quantizer->dim = dim;
	quantizer->seed = seed;
	set_sizes(quantizer);

	quantizer->centroid = palloc0(sizeof(float) * dim);
	quantizer->scratch = palloc(sizeof(float) * quantizer->coded_dim);
	if (quantizer_is_rotated(quantizer))
	{
		quantizer->rotation = rotation_create(quantizer->coded_dim, seed);
		if (centroid != NULL)
			set_centroid(quantizer, centroid);
	}
	return quantizer;
}

void
quantizer_free(Quantizer *quantizer)
{
	if (quantizer->rotation != NULL)
		rotation_free(quantizer->rotation);
	pfree(quantizer->scratch);
	pfree(quantizer->centroid);
	pfree(quantizer);
}

/*
 * One chunk holds the query and, aligned for the kernels that read it over
 * and over, its coordinates.
 */
QuantizedQuery *
quantizer_query_create(const Quantizer *quantizer)
{
	bool		rotated = quantizer_is_rotated(quantizer);
	Size		size = rotated ? (Size) quantizer->coded_dim :
		sizeof(float) * quantizer->dim;
	QuantizedQuery *query = palloc0(sizeof(QuantizedQuery) +
									QUERY_ALIGNMENT + size);
	char	   *coordinates = (char *) TYPEALIGN(QUERY_ALIGNMENT, query + 1);

	query->quantizer = quantizer;
	if (rotated)
		query->codes = (int8 *) coordinates;
	else
		query->values = (float *) coordinates;
	return query;
}

void
quantizer_query_free(QuantizedQuery *query)
{
	pfree(query);
}

double
quantizer_key_from_distance(HnswMetric metric, double distance)
{
	switch (metric)
	{
		case HNSW_METRIC_L2:
			return distance * distance;
		case HNSW_METRIC_COSINE:
			return 2 * distance;
		case HNSW_METRIC_IP:
		case HNSW_METRIC_L1:
			break;
	}
	return distance;
}
