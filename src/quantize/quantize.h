/*-------------------------------------------------------------------------
 *
 * quantize.h
 *	  Vectors as small codes, and distances estimated from codes.
 *
 * The quantizer turns a vector x of dim floats into a code (what a search
 * reads of every point it looks at), a few float factors beside it, and for
 * QUANTIZER_4 a refinement code that turns the 4-bit code into an 8-bit one.
 * It works on plain memory: no buffers, no relations, no memory contexts
 * beyond palloc in the _create functions.
 *
 * Rotated kinds (8 and 4) follow RaBitQ (arXiv 2405.12497 and 2409.09913):
 * r = P(x - c) with P a random orthogonal transform and c the centroid; the
 * code holds round(r / step), the factor delta = |r|^2 / <r, y> makes
 * delta * <y, P(q - c)> an unbiased estimate of <r, P(q - c)>.  The step of a
 * vector is its largest coordinate / 127, so nothing is clipped.
 *
 * src/quantize/quantize.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_QUANTIZE_H
#define HNSW_QUANTIZE_H

/*
 * What the index orders by.  Values are stored on disk.
 *
 * Everything inside the index works in "keys", floats that sort like the
 * operator's distance: L2 -> squared distance; inner product -> negative
 * inner product; cosine -> squared L2 distance of the normalized vectors,
 * which is twice the cosine distance; L1 -> the distance itself.
 */
typedef enum HnswMetric
{
	HNSW_METRIC_L2 = 1,
	HNSW_METRIC_IP = 2,
	HNSW_METRIC_COSINE = 3,
	HNSW_METRIC_L1 = 4
} HnswMetric;

/* How vectors are coded.  Values are stored on disk. */
typedef enum QuantizerKind
{
	QUANTIZER_FLOAT = 1,		/* float32 as is; cosine: normalized */
	QUANTIZER_8 = 2,			/* rotated, one byte per coordinate */
	QUANTIZER_4 = 3,			/* rotated, 4 bits + 4 bits refinement */
	QUANTIZER_LINEAR8 = 4		/* L1: one byte per coordinate, low + step *
								 * code with low and step per vector */
} QuantizerKind;

#define QUANTIZER_MAX_FACTORS 3

/*
 * Everything needed to encode and to estimate.  Filled by quantizer_create()
 * from the few numbers that the index keeps on disk.
 */
typedef struct Quantizer
{
	QuantizerKind kind;
	HnswMetric	metric;
	int			dim;			/* dimensions of the user's vectors */
	int			coded_dim;		/* coordinates in a code: dim, or for rotated
								 * kinds dim rounded up to a multiple of 16 */
	uint64		seed;			/* of the rotation */
	float	   *centroid;		/* dim floats; all zero for unrotated kinds */
	float		centroid_norm_sq;	/* |c|^2 */
	float		max_norm_sq;	/* IP only, set by the caller: squared radius
								 * of the sphere that points are lifted to,
								 * see QuantizedQuery */

	/* sizes, bytes unless said otherwise */
	int			code_size;		/* FLOAT 4*dim, 8 and LINEAR8 coded_dim, 4
								 * coded_dim / 2 */
	int			nfactors;		/* floats kept with each code */
	int			refine_size;	/* QUANTIZER_4 coded_dim / 2, else 0 */
	int			nrefine_factors;	/* QUANTIZER_4 1, else 0 */

	struct Rotation *rotation;	/* NULL for unrotated kinds */
	float	   *scratch;		/* coded_dim floats */
} Quantizer;

/*
 * A vector prepared to be compared with many codes.
 *
 * "as_point" queries stand for an indexed point and give keys of the space
 * the graph is built in, which is the metric's own space but for the inner
 * product, where points are lifted to a sphere (one more coordinate
 * a = sqrt(max_norm_sq - |x|^2), 0 when negative) and compared by L2, so that
 * points of every norm can be reached.  For a query of that lifted space
 * with a = 0 the order is the order of the inner product.
 */
typedef struct QuantizedQuery
{
	const Quantizer *quantizer;
	bool		as_point;
	float	   *values;			/* FLOAT and LINEAR8: dim floats */
	int8	   *codes;			/* rotated kinds: coded_dim bytes */
	float		scale;			/* rotated coordinate ~ scale * codes[i] */
	float		code_sum;		/* sum of codes[i] */
	float		norm_sq;		/* |P(q - c)|^2 (or |q|^2 when unrotated) */
	float		ip_offset;		/* IP: <q, c> */
	float		lift;			/* IP as_point: the coordinate a */
	float		error_scale;	/* the key's error for each unit of delta; */
	float		refined_error_scale;	/* see quantizer_set_error_scales */
} QuantizedQuery;

/* What AUTO means: FLOAT up to 32 dimensions, 8 up to 256, else 4; LINEAR8
 * instead of 8 and 4 for L1. */
extern QuantizerKind quantizer_auto(HnswMetric metric, int dim);

/*
 * centroid: dim floats (copied), or NULL for the origin; of the normalized
 * vectors when the metric is cosine.  Any centroid gives right estimates,
 * one amid the vectors the best.
 */
extern Quantizer *quantizer_create(QuantizerKind kind, HnswMetric metric,
								   int dim, uint64 seed,
								   const float *centroid);
extern void quantizer_free(Quantizer *quantizer);

/*
 * Encodes vector (dim finite floats; normalized here when the metric is
 * cosine).  A vector whose squared norm is no float32 counts as shorter, in
 * its own direction, so that no key is ever NaN; see quantize/codes.h.
 * Codes of QUANTIZER_FLOAT are aligned as float, here and below; others need
 * no alignment.
 * refine and refine_factors may be NULL for kinds without refinement.
 */
extern void quantizer_encode(Quantizer *quantizer, const float *vector,
							 uint8 *code, float *factors,
							 uint8 *refine, float *refine_factors);

/* A vector as it is coded; refine and refine_factors where the kind has them */
typedef struct QuantizedVector
{
	const uint8 *code;
	const float *factors;
	const uint8 *refine;
	const float *refine_factors;
} QuantizedVector;

typedef enum QuantizedDifference
{
	QUANTIZED_SAME,
	QUANTIZED_OTHER_CODE,
	QUANTIZED_OTHER_FACTORS
} QuantizedDifference;

/*
 * Whether two codes can be those of one vector, made on this CPU or another:
 * the same but for what kernels may round differently.
 */
extern QuantizedDifference quantizer_compare(const Quantizer *quantizer,
											 const QuantizedVector *a,
											 const QuantizedVector *b);

extern QuantizedQuery *quantizer_query_create(const Quantizer *quantizer);
extern void quantizer_query_free(QuantizedQuery *query);

/* Prepares the user's query vector. */
extern void quantizer_prepare_query(Quantizer *quantizer, const float *vector,
									QuantizedQuery *query);

/*
 * Prepares an indexed point, from its codes alone, as a query: exact with
 * respect to the codes, so estimates between two points need nothing else.
 * refine may be NULL, then the navigation code alone is used.
 */
extern void quantizer_point_as_query(const Quantizer *quantizer,
									 const uint8 *code, const float *factors,
									 const uint8 *refine,
									 const float *refine_factors,
									 QuantizedQuery *query);

/*
 * The key of one point, from its navigation code and factors.  A code that
 * is stored in pieces is summed up with quantizer_partial over byte ranges
 * (offset and nbytes multiples of 4, or up to the end) and then finished.
 * quantizer_score(q, c, f) is quantizer_finish(q, quantizer_partial(q, c, 0,
 * code_size, f), f); more pieces than one differ by rounding at most.
 */
extern float quantizer_score(const QuantizedQuery *query, const uint8 *code,
							 const float *factors);
extern float quantizer_partial(const QuantizedQuery *query,
							   const uint8 *code_piece, int offset, int nbytes,
							   const float *factors);
extern float quantizer_finish(const QuantizedQuery *query, float sum,
							  const float *factors);

/*
 * The refined key of one point: the same with navigation and refinement
 * together.  The sum of a code in pieces is 16 * partial of the code pieces +
 * partial of the refinement pieces.  Only for kinds with refine_size > 0.
 */
extern float quantizer_score_refined(const QuantizedQuery *query,
									 const uint8 *code, const float *factors,
									 const uint8 *refine,
									 const float *refine_factors);
extern float quantizer_finish_refined(const QuantizedQuery *query, float sum,
									  const float *factors,
									  const float *refine_factors);

/*
 * Standard deviation of the key's error (estimate against truth), from
 * theory and the point's factors: quantization of point and query together.
 * 0 for QUANTIZER_FLOAT.  refined: of the refined key.  An as_point query
 * counts as exact: between two points, the other's error comes on top.
 */
extern float quantizer_error(const QuantizedQuery *query, const float *factors,
							 bool refined);

/* Operator's distance -> key (monotonic); see HnswMetric. */
extern double quantizer_key_from_distance(HnswMetric metric, double distance);

#endif							/* HNSW_QUANTIZE_H */
