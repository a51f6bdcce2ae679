/*-------------------------------------------------------------------------
 *
 * quantize_forms_test.c
 *	  Codes of vectors that are bits or sparse.
 *
 * test/unit/quantize_forms_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <float.h>

#include "distance/distance.h"
#include "quantize/quantize.h"

/*-------------------------------------------------------------------------
 * Bits
 *-------------------------------------------------------------------------
 */
static uint8 *
random_bits(int dim, int percent)
{
	uint8	   *bits = calloc((dim + 7) / 8, 1);

	for (int i = 0; i < dim; i++)
	{
		if ((int) unit_random_below(100) < percent)
			bits[i / 8] |= 0x80 >> i % 8;
	}
	return bits;
}

static bool
get_bit(const uint8 *bits, int i)
{
	return (bits[i / 8] & 0x80 >> i % 8) != 0;
}

static double
exact_bits_key(HnswMetric metric, const uint8 *a, const uint8 *b, int dim)
{
	int			differ = 0;
	int			both = 0;
	int			either = 0;

	for (int i = 0; i < dim; i++)
	{
		differ += get_bit(a, i) != get_bit(b, i);
		both += get_bit(a, i) && get_bit(b, i);
		either += get_bit(a, i) || get_bit(b, i);
	}
	if (metric == HNSW_METRIC_HAMMING)
		return differ;
	return both == 0 ? 1 : 1 - both / (double) either;
}

static void
test_bits_pair(HnswMetric metric, int dim, int percent)
{
	Quantizer  *quantizer = quantizer_create(QUANTIZER_BITS, metric, dim, 1,
											 NULL);
	QuantizedQuery *query = quantizer_query_create(quantizer);
	QuantizedQuery *point = quantizer_query_create(quantizer);
	HnswVector	a = {.bits = random_bits(dim, percent)};
	HnswVector	b = {.bits = random_bits(dim, percent)};
	uint8	   *code_a = malloc(quantizer->code_size);
	uint8	   *code_b = malloc(quantizer->code_size);
	float		factors_a[QUANTIZER_MAX_FACTORS];
	float		factors_b[QUANTIZER_MAX_FACTORS];
	double		exact = exact_bits_key(metric, a.bits, b.bits, dim);
	bool		good = true;
	int			count;
	const DistanceKernels *const *sets = distance_supported_kernels(&count);

	for (int set = 0; set < count; set++)
	{
		int			half = quantizer->code_size / 2 / 4 * 4;
		float		sum;

		distance_use_kernels(sets[set]->name);
		quantizer_encode(quantizer, &a, code_a, factors_a, NULL, NULL);
		quantizer_encode(quantizer, &b, code_b, factors_b, NULL, NULL);
		quantizer_prepare_query(quantizer, &a, query);
		quantizer_point_as_query(quantizer, code_a, factors_a, NULL, NULL,
								 point);
		good &= fabs(quantizer_score(query, code_b, factors_b) - exact) <=
			1e-6 * exact;
		good &= quantizer_score(query, code_b, factors_b) ==
			quantizer_score(point, code_b, factors_b);
		good &= quantizer_error(query, factors_b, false) == 0;

		sum = quantizer_partial(query, code_b, 0, half, factors_b);
		sum += quantizer_partial(query, code_b + half, half,
								 quantizer->code_size - half, factors_b);
		good &= quantizer_finish(query, sum, factors_b) ==
			quantizer_score(query, code_b, factors_b);
	}
	unit_ok(good, "keys of bits, metric %d, %d dimensions, %d%% set", metric,
			dim, percent);

	free(unconstify(uint8 *, a.bits));
	free(unconstify(uint8 *, b.bits));
	free(code_a);
	free(code_b);
	quantizer_query_free(query);
	quantizer_query_free(point);
	quantizer_free(quantizer);
}

static void
test_bits(void)
{
	static const int dims[] = {1, 7, 8, 9, 64, 100, 768, 5000, HNSW_MAX_BITS};
	static const int percents[] = {0, 1, 50, 100};

	for (int i = 0; i < (int) lengthof(dims); i++)
	{
		for (int j = 0; j < (int) lengthof(percents); j++)
		{
			test_bits_pair(HNSW_METRIC_HAMMING, dims[i], percents[j]);
			test_bits_pair(HNSW_METRIC_JACCARD, dims[i], percents[j]);
		}
	}
}

/*-------------------------------------------------------------------------
 * Sparse vectors
 *-------------------------------------------------------------------------
 */
static const HnswMetric sparse_metrics[] = {
	HNSW_METRIC_L2, HNSW_METRIC_IP, HNSW_METRIC_COSINE, HNSW_METRIC_L1
};

static const QuantizerKind sparse_kinds[] = {
	QUANTIZER_SPARSE_FLOAT, QUANTIZER_SPARSE_8
};

static int
compare_indices(const void *a, const void *b)
{
	int32		ia = *(const int32 *) a;
	int32		ib = *(const int32 *) b;

	return ia < ib ? -1 : ia > ib;
}

/* About n elements: with few dimensions some are drawn twice. */
static HnswVector
random_sparse(int dim, int n)
{
	int32	   *indices = malloc((n + 1) * sizeof(int32));
	float	   *elements = malloc((n + 1) * sizeof(float));
	HnswVector	vector = {.elements = elements,.indices = indices};
	int			kept = 0;

	for (int i = 0; i < n; i++)
		indices[i] = unit_random_below(dim);
	qsort(indices, n, sizeof(int32), compare_indices);
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || indices[i] != indices[kept - 1])
			indices[kept++] = indices[i];
	}
	for (int i = 0; i < kept; i++)
		elements[i] = (float) (unit_random_normal() + 0.5);
	vector.nelements = kept;
	return vector;
}

static void
free_sparse(HnswVector *vector)
{
	free(unconstify(float *, vector->elements));
	free(unconstify(int32 *, vector->indices));
}

static double
element_at(const HnswVector *vector, int32 index)
{
	const int32 *found = bsearch(&index, vector->indices, vector->nelements,
								 sizeof(int32), compare_indices);

	return found == NULL ? 0 : vector->elements[found - vector->indices];
}

static double
exact_sparse_key(HnswMetric metric, const HnswVector *a, const HnswVector *b)
{
	double		product = 0;
	double		norm_a = 0;
	double		norm_b = 0;
	double		l1 = 0;

	for (int i = 0; i < a->nelements; i++)
	{
		double		other = element_at(b, a->indices[i]);

		product += a->elements[i] * other;
		norm_a += (double) a->elements[i] * a->elements[i];
		l1 += fabs(a->elements[i] - other);
	}
	for (int i = 0; i < b->nelements; i++)
	{
		norm_b += (double) b->elements[i] * b->elements[i];
		if (element_at(a, b->indices[i]) == 0)
			l1 += fabs(b->elements[i]);
	}
	switch (metric)
	{
		case HNSW_METRIC_IP:
			return -product;
		case HNSW_METRIC_COSINE:
			return norm_a > 0 && norm_b > 0 ?
				2 - 2 * product / sqrt(norm_a * norm_b) : 2;
		case HNSW_METRIC_L1:
			return l1;
		default:
			return norm_a + norm_b - 2 * product;
	}
}

/* A code in memory of exactly its size, for ASan to watch over */
typedef struct SparseCodeCopy
{
	uint8	   *code;
	int			size;
	float		factors[QUANTIZER_MAX_FACTORS];
} SparseCodeCopy;

static SparseCodeCopy
encode_sparse(Quantizer *quantizer, const HnswVector *vector)
{
	uint8	   *room = malloc(quantizer->max_code_size);
	SparseCodeCopy copy;

	quantizer_encode(quantizer, vector, room, copy.factors, NULL, NULL);
	copy.size = quantizer_code_size(quantizer, room);
	copy.code = malloc(copy.size);
	memcpy(copy.code, room, copy.size);
	free(room);
	return copy;
}

static void
test_sparse_keys(QuantizerKind kind, HnswMetric metric, int dim, int n)
{
	Quantizer  *quantizer = quantizer_create(kind, metric, dim, 1, NULL);
	QuantizedQuery *query = quantizer_query_create(quantizer);
	int			rounds = n > 1000 ? 4 : 200;
	int			outside = 0;
	bool		whole = true;
	double		worst = 0;

	for (int i = 0; i < rounds; i++)
	{
		HnswVector	a = random_sparse(dim, n);
		HnswVector	b = random_sparse(dim, unit_random_below(n + 1));
		SparseCodeCopy code = encode_sparse(quantizer, &b);
		double		exact = exact_sparse_key(metric, &a, &b);
		double		error;
		double		allowed;

		whole &= quantizer_code_is_valid(quantizer, code.code, code.size);
		whole &= code.size <= quantizer->max_code_size;
		quantizer_prepare_query(quantizer, &a, query);
		error = fabs(quantizer_score(query, code.code, code.factors) - exact);
		allowed = 3 * quantizer_error(query, code.factors, false) +
			1e-5 * fabs(exact);
		outside += error > allowed;
		worst = Max(worst, error);
		free(code.code);
		free_sparse(&a);
		free_sparse(&b);
	}
	unit_ok(whole && outside == 0,
			"sparse keys, kind %d, metric %d, %d of %d dimensions: %d outside of their bounds, error at most %g",
			kind, metric, n, dim, outside, worst);
	quantizer_query_free(query);
	quantizer_free(quantizer);
}

/* A point as a query, and the space that inner products are lifted to */
static void
test_sparse_points(QuantizerKind kind, HnswMetric metric, int dim)
{
	Quantizer  *quantizer = quantizer_create(kind, metric, dim, 1, NULL);
	QuantizedQuery *query = quantizer_query_create(quantizer);
	bool		good = true;

	quantizer->lift_sq = 40;
	for (int i = 0; i < 100; i++)
	{
		HnswVector	a = random_sparse(dim, 60);
		HnswVector	b = random_sparse(dim, 90);
		SparseCodeCopy code_a = encode_sparse(quantizer, &a);
		SparseCodeCopy code_b = encode_sparse(quantizer, &b);
		double		exact = exact_sparse_key(metric, &a, &b);
		double		key;

		if (metric == HNSW_METRIC_IP)
		{
			double		norm_a = -exact_sparse_key(metric, &a, &a);
			double		norm_b = -exact_sparse_key(metric, &b, &b);

			exact = 1 - (40 - exact) / sqrt((norm_a + 40) * (norm_b + 40));
		}
		quantizer_point_as_query(quantizer, code_a.code, code_a.factors, NULL,
								 NULL, query);
		key = quantizer_score(query, code_b.code, code_b.factors);
		good &= fabs(key - exact) <= 0.02 * fabs(exact) + 0.02;
		if (kind == QUANTIZER_SPARSE_FLOAT)
			good &= fabs(key - exact) <= 1e-4 * fabs(exact) + 1e-4;
		free(code_a.code);
		free(code_b.code);
		free_sparse(&a);
		free_sparse(&b);
	}
	unit_ok(good, "sparse points, kind %d, metric %d, %d dimensions", kind,
			metric, dim);
	quantizer_query_free(query);
	quantizer_free(quantizer);
}

static void
test_sparse_compare(QuantizerKind kind)
{
	Quantizer  *quantizer = quantizer_create(kind, HNSW_METRIC_L2, 30000, 1,
											 NULL);
	HnswVector	a = random_sparse(30000, 100);
	HnswVector	b = random_sparse(30000, 100);
	SparseCodeCopy code_a = encode_sparse(quantizer, &a);
	SparseCodeCopy code_b = encode_sparse(quantizer, &b);
	QuantizedVector qa = {.code = code_a.code,.factors = code_a.factors};
	QuantizedVector qb = {.code = code_b.code,.factors = code_b.factors};
	uint8	   *empty = malloc(quantizer->max_code_size);

	unit_ok(quantizer_compare(quantizer, &qa, &qa) == QUANTIZED_SAME &&
			quantizer_compare(quantizer, &qa, &qb) == QUANTIZED_OTHER_CODE,
			"sparse codes compared, kind %d", kind);
	quantizer_empty_code(quantizer, empty);
	unit_ok(quantizer_code_is_valid(quantizer, empty,
									quantizer_code_size(quantizer, empty)),
			"empty code, kind %d", kind);
	free(empty);
	free(code_a.code);
	free(code_b.code);
	free_sparse(&a);
	free_sparse(&b);
	quantizer_free(quantizer);
}

/* Whatever the bytes are, nothing outside of them is read. */
static void
test_sparse_damage(QuantizerKind kind, int dim)
{
	Quantizer  *quantizer = quantizer_create(kind, HNSW_METRIC_L2, dim, 1,
											 NULL);
	QuantizedQuery *query = quantizer_query_create(quantizer);
	QuantizedQuery *point = quantizer_query_create(quantizer);
	HnswVector	a = random_sparse(dim, 200);
	int			refused = 0;
	int			scored = 0;

	quantizer_prepare_query(quantizer, &a, query);
	for (int i = 0; i < 3000; i++)
	{
		HnswVector	b = random_sparse(dim, 1 + unit_random_below(150));
		SparseCodeCopy code = encode_sparse(quantizer, &b);
		int			flips = 1 + unit_random_below(8);

		for (int j = 0; j < flips; j++)
			code.code[unit_random_below(i % 3 == 0 ? 8 : code.size)] ^=
				1 << unit_random_below(8);
		refused += !quantizer_code_is_valid(quantizer, code.code, code.size);
		refused += !quantizer_code_is_valid(quantizer, code.code,
											unit_random_below(code.size));

		/* what a reader lets through: the size is right */
		if (quantizer_code_is_whole(quantizer, code.code, code.size))
		{
			(void) quantizer_score(query, code.code, code.factors);
			quantizer_point_as_query(quantizer, code.code, code.factors, NULL,
									 NULL, point);
			scored++;
		}
		free(code.code);
		free_sparse(&b);
	}
	unit_ok(refused >= 3000 && scored > 500,
			"damaged sparse codes, kind %d, %d dimensions: %d refused, %d scored",
			kind, dim, refused, scored);
	free_sparse(&a);
	quantizer_query_free(query);
	quantizer_query_free(point);
	quantizer_free(quantizer);
}

/* Elements of any size give numbers, and bounds that hold. */
static void
test_sparse_extremes(QuantizerKind kind, HnswMetric metric)
{
	static const int32 indices[] = {0, 5, 999999999};
	static const float values[] = {
		FLT_MAX, -FLT_MAX, FLT_MIN, 1e-45f, 1, -1e20f
	};
	Quantizer  *quantizer = quantizer_create(kind, metric,
											 HNSW_MAX_SPARSE_DIMENSIONS, 1,
											 NULL);
	QuantizedQuery *query = quantizer_query_create(quantizer);
	bool		good = true;

	quantizer->lift_sq = FLT_MAX;
	for (int i = 0; i < 216; i++)
	{
		float		elements[3] = {
			values[i % 6], values[i / 6 % 6], values[i / 36]
		};
		HnswVector	vector = {elements, indices, 3, NULL};
		SparseCodeCopy code = encode_sparse(quantizer, &vector);
		float		key;

		quantizer_prepare_query(quantizer, &vector, query);
		key = quantizer_score(query, code.code, code.factors);
		good &= !isnan(key);
		good &= !isnan(quantizer_error(query, code.factors, false));
		quantizer_point_as_query(quantizer, code.code, code.factors, NULL,
								 NULL, query);
		good &= !isnan(quantizer_score(query, code.code, code.factors));
		free(code.code);
	}
	unit_ok(good, "extreme elements, kind %d, metric %d", kind, metric);
	quantizer_query_free(query);
	quantizer_free(quantizer);
}

/* Bytes of codes as sparse embeddings of words have them */
static void
test_sparse_size(void)
{
	Quantizer  *quantizer = quantizer_create(QUANTIZER_SPARSE_8,
											 HNSW_METRIC_IP, 30522, 1, NULL);
	HnswVector	vector = random_sparse(30522, 120);
	SparseCodeCopy code = encode_sparse(quantizer, &vector);
	double		per_element = code.size / (double) vector.nelements;

	unit_ok(per_element < 2.7, "%.2f bytes per element", per_element);
	free(code.code);
	free_sparse(&vector);
	quantizer_free(quantizer);
}

static void
test_sparse(void)
{
	static const int dims[] = {1, 100, 30522, 200000, 1000000000};
	static const int counts[] = {0, 1, 31, 33, 120};

	for (int k = 0; k < (int) lengthof(sparse_kinds); k++)
	{
		for (int m = 0; m < (int) lengthof(sparse_metrics); m++)
		{
			for (int d = 0; d < (int) lengthof(dims); d++)
			{
				for (int n = 0; n < (int) lengthof(counts); n++)
					test_sparse_keys(sparse_kinds[k], sparse_metrics[m],
									 dims[d], counts[n]);
				test_sparse_points(sparse_kinds[k], sparse_metrics[m],
								   dims[d]);
			}
			test_sparse_keys(sparse_kinds[k], sparse_metrics[m], 20000, 16000);
			test_sparse_keys(sparse_kinds[k], sparse_metrics[m], 1000000000,
							 16000);
			test_sparse_extremes(sparse_kinds[k], sparse_metrics[m]);
		}
		test_sparse_compare(sparse_kinds[k]);
		test_sparse_damage(sparse_kinds[k], 1000);
		test_sparse_damage(sparse_kinds[k], 1000000);
	}
	test_sparse_size();
}

/*-------------------------------------------------------------------------
 * Kinds
 *-------------------------------------------------------------------------
 */
static void
test_kinds(void)
{
	unit_ok(quantizer_supports(QUANTIZER_BITS, HNSW_METRIC_HAMMING, 64000) &&
			!quantizer_supports(QUANTIZER_BITS, HNSW_METRIC_HAMMING, 64001) &&
			!quantizer_supports(QUANTIZER_BITS, HNSW_METRIC_L2, 8) &&
			!quantizer_supports(QUANTIZER_FLOAT, HNSW_METRIC_JACCARD, 8) &&
			!quantizer_supports(QUANTIZER_8, HNSW_METRIC_L1, 8) &&
			!quantizer_supports(QUANTIZER_LINEAR8, HNSW_METRIC_L2, 8) &&
			!quantizer_supports(QUANTIZER_SPARSE_8 + 1, HNSW_METRIC_L2, 8) &&
			!quantizer_supports(0, HNSW_METRIC_L2, 8) &&
			!quantizer_supports(QUANTIZER_8, HNSW_METRIC_L2, 0) &&
			!quantizer_supports(QUANTIZER_8, HNSW_METRIC_L2, 16001),
			"which kinds there are");
	unit_ok(quantizer_auto(HNSW_FORM_BITS, HNSW_METRIC_HAMMING, 8) ==
			QUANTIZER_BITS &&
			quantizer_auto(HNSW_FORM_SPARSE, HNSW_METRIC_L1, 8) ==
			QUANTIZER_SPARSE_8, "what auto means");
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	distance_init();
	test_kinds();
	test_bits();
	test_sparse();
	return unit_finish();
}
