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

#include "quantize/codes.h"
#include "quantize/rotation.h"

/* Cache line of the machines we care about */
#define QUERY_ALIGNMENT 64

QuantizerKind
quantizer_auto(HnswForm form, HnswMetric metric, int dim)
{
	if (form == HNSW_FORM_BITS)
		return QUANTIZER_BITS;
	if (form == HNSW_FORM_SPARSE)
		return QUANTIZER_SPARSE_8;
	if (dim <= 32)
		return QUANTIZER_FLOAT;
	if (metric == HNSW_METRIC_L1)
		return QUANTIZER_LINEAR8;
	return dim <= 256 ? QUANTIZER_8 : QUANTIZER_4;
}

HnswForm
quantizer_form(QuantizerKind kind)
{
	switch (kind)
	{
		case QUANTIZER_BITS:
			return HNSW_FORM_BITS;
		case QUANTIZER_SPARSE_FLOAT:
		case QUANTIZER_SPARSE_8:
			return HNSW_FORM_SPARSE;
		case QUANTIZER_FLOAT:
		case QUANTIZER_8:
		case QUANTIZER_4:
		case QUANTIZER_LINEAR8:
			break;
	}
	return HNSW_FORM_DENSE;
}

int
quantizer_max_dimensions(HnswForm form)
{
	switch (form)
	{
		case HNSW_FORM_BITS:
			return HNSW_MAX_BITS;
		case HNSW_FORM_SPARSE:
			return HNSW_MAX_SPARSE_DIMENSIONS;
		case HNSW_FORM_DENSE:
			break;
	}
	return HNSW_MAX_DENSE_DIMENSIONS;
}

bool
quantizer_supports(QuantizerKind kind, HnswMetric metric, uint32 dim)
{
	bool		is_l1 = metric == HNSW_METRIC_L1;

	if (kind < QUANTIZER_FLOAT || kind > QUANTIZER_SPARSE_8 ||
		metric < HNSW_METRIC_L2 || metric > HNSW_METRIC_JACCARD ||
		dim < 1 ||
		dim > (uint32) quantizer_max_dimensions(quantizer_form(kind)))
		return false;
	if ((kind == QUANTIZER_BITS) !=
		(metric == HNSW_METRIC_HAMMING || metric == HNSW_METRIC_JACCARD))
		return false;
	if (kind == QUANTIZER_8 || kind == QUANTIZER_4)
		return !is_l1;
	return kind != QUANTIZER_LINEAR8 || is_l1;
}

bool
quantizer_wants_centroid(QuantizerKind kind)
{
	return kind == QUANTIZER_8 || kind == QUANTIZER_4;
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
		case QUANTIZER_BITS:
			quantizer->code_size = (quantizer->dim + 7) / 8;
			quantizer->nfactors = quantizer->metric == HNSW_METRIC_JACCARD ?
				FACTOR_WEIGHT + 1 : 0;
			break;
		case QUANTIZER_SPARSE_FLOAT:
			quantizer->variable_size = true;
			quantizer->nfactors = FACTOR_SPARSE_NORM_SQ + 1;
			break;
		case QUANTIZER_SPARSE_8:
			quantizer->variable_size = true;
			quantizer->nfactors = FACTOR_SPARSE_STEP + 1;
			break;
	}
	quantizer->max_code_size = quantizer->variable_size ?
		sparse_max_code_size(quantizer->kind) : quantizer->code_size;
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

	Assert(quantizer_supports(kind, metric, dim));
	quantizer->kind = kind;
	quantizer->metric = metric;
	quantizer->dim = dim;
	quantizer->seed = seed;
	set_sizes(quantizer);
	if (quantizer_form(kind) != HNSW_FORM_DENSE)
		return quantizer;

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
	if (quantizer->centroid != NULL)
	{
		pfree(quantizer->scratch);
		pfree(quantizer->centroid);
	}
	pfree(quantizer);
}

/* Bytes of a query's coordinates */
static Size
coordinates_size(const Quantizer *quantizer)
{
	if (quantizer_is_sparse(quantizer))
		return 0;
	if (quantizer->kind == QUANTIZER_BITS)
		return quantizer->code_size;
	if (quantizer_is_rotated(quantizer))
		return quantizer->coded_dim;
	return sizeof(float) * quantizer->dim;
}

/*
 * One chunk holds the query and, aligned for the kernels that read it over
 * and over, its coordinates.
 */
QuantizedQuery *
quantizer_query_create(const Quantizer *quantizer)
{
	Size		size = coordinates_size(quantizer);
	QuantizedQuery *query = palloc0(sizeof(QuantizedQuery) +
									QUERY_ALIGNMENT + size);
	char	   *coordinates = (char *) TYPEALIGN(QUERY_ALIGNMENT, query + 1);

	query->quantizer = quantizer;
	if (quantizer_is_sparse(quantizer))
		query->sparse = sparse_query_create(quantizer);
	else if (quantizer->kind == QUANTIZER_BITS)
		query->bits = (uint8 *) coordinates;
	else if (quantizer_is_rotated(quantizer))
		query->codes = (int8 *) coordinates;
	else
		query->values = (float *) coordinates;
	return query;
}

void
quantizer_query_free(QuantizedQuery *query)
{
	if (query->sparse != NULL)
		sparse_query_free(query->sparse);
	pfree(query);
}

int
quantizer_code_size(const Quantizer *quantizer, const uint8 *code)
{
	return quantizer_is_sparse(quantizer) ?
		sparse_code_size(quantizer, code) : quantizer->code_size;
}

bool
quantizer_code_is_whole(const Quantizer *quantizer, const uint8 *code,
						int length)
{
	return quantizer_is_sparse(quantizer) ?
		sparse_code_is_whole(quantizer, code, length) :
		length == quantizer->code_size;
}

bool
quantizer_code_is_valid(const Quantizer *quantizer, const uint8 *code,
						int length)
{
	return quantizer_code_is_whole(quantizer, code, length) &&
		(!quantizer_is_sparse(quantizer) ||
		 sparse_indices_are_valid(quantizer, code));
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
		case HNSW_METRIC_HAMMING:
		case HNSW_METRIC_JACCARD:
			break;
	}
	return distance;
}
