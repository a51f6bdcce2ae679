/*-------------------------------------------------------------------------
 *
 * quantize.h
 *	  Vectors as small codes, and distances estimated from codes.
 *
 * The quantizer turns a vector x into a code (what a search reads of every
 * point it looks at), a few float factors beside it, and for QUANTIZER_4 a
 * refinement code that turns the 4-bit code into an 8-bit one.
 * It works on plain memory: no buffers, no relations, no memory contexts
 * beyond palloc in the _create functions.
 *
 * Rotated kinds (8 and 4) follow RaBitQ (arXiv 2405.12497 and 2409.09913):
 * r = P(x - c) with P a random orthogonal transform and c the centroid; the
 * code holds round(r / step), the factor delta = |r|^2 / <r, y> makes
 * delta * <y, P(q - c)> an unbiased estimate of <r, P(q - c)>.  The step of a
 * vector is its largest coordinate / 127, so nothing is clipped.
 *
 * Codes of sparse vectors have different sizes, up to max_code_size, and say
 * themselves how long they are; all others are code_size bytes.  That, and
 * which form of vectors it takes, is all that anybody outside has to know of
 * a kind.
 *
 * src/quantize/quantize.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_QUANTIZE_H
#define HNSW_QUANTIZE_H

#include "hnsw_vector.h"

/* How vectors are coded.  Values are stored on disk. */
typedef enum QuantizerKind
{
	QUANTIZER_FLOAT = 1,		/* float32 as is; cosine: normalized */
	QUANTIZER_8 = 2,			/* rotated, one byte per coordinate */
	QUANTIZER_4 = 3,			/* rotated, 4 bits + 4 bits refinement */
	QUANTIZER_LINEAR8 = 4,		/* L1: one byte per coordinate, low + step *
								 * code with low and step per vector */
	QUANTIZER_BITS = 5,			/* bits as they are */
	QUANTIZER_SPARSE_FLOAT = 6, /* indices packed, float32 as is */
	QUANTIZER_SPARSE_8 = 7		/* indices packed, one byte per element as in
								 * LINEAR8 */
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
								 * kinds dim rounded up to a multiple of 16;
								 * not for sparse kinds */
	uint64		seed;			/* of the rotation */
	float	   *centroid;		/* dim floats; all zero for unrotated kinds,
								 * NULL when vectors are not dense */
	float		centroid_norm_sq;	/* |c|^2 */
	float		lift_sq;		/* IP only, set by the caller, finite: square
								 * of the lift, see QuantizedQuery */

	/* sizes, bytes unless said otherwise */
	bool		variable_size;	/* codes differ in size: code_size is 0 */
	int			code_size;		/* FLOAT 4*dim, 8 and LINEAR8 coded_dim, 4
								 * coded_dim / 2, BITS dim / 8 */
	int			max_code_size;	/* code_size, or what any vector may take */
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
 * product.  There a point gets one more coordinate, the lift, the same for
 * all, and is brought to length 1; keys are 1 less the cosine.  Points much
 * shorter than the lift are then as near each other as they are by their
 * difference, much longer ones by their direction, so that points of every
 * norm can be reached and the way to the long ones is short.
 */
typedef struct QuantizedQuery
{
	const Quantizer *quantizer;
	bool		as_point;
	float	   *values;			/* FLOAT and LINEAR8: dim floats */
	int8	   *codes;			/* rotated kinds: coded_dim bytes */
	uint8	   *bits;			/* BITS */
	float		weight;			/* BITS: how many are set */
	struct SparseQuery *sparse; /* sparse kinds */
	float		scale;			/* rotated coordinate ~ scale * codes[i] */
	float		code_sum;		/* sum of codes[i] */
	float		norm_sq;		/* |P(q - c)|^2 (or |q|^2 when unrotated) */
	float		ip_offset;		/* IP: <q, c> */
	float		point_norm_sq;	/* IP as_point: |x|^2 */
	float		error_scale;	/* the key's error for each unit of delta; */
	float		refined_error_scale;	/* see quantizer_set_error_scales */
} QuantizedQuery;

/*
 * What AUTO means.  Dense vectors: FLOAT up to 32 dimensions, 8 up to 256,
 * else 4; LINEAR8 instead of 8 and 4 for L1.  Sparse ones: SPARSE_8.
 */
extern QuantizerKind quantizer_auto(HnswForm form, HnswMetric metric, int dim);

/*
 * Whether the quantizer of such a kind, metric and number of dimensions can
 * be made.  They may come from disk.
 */
extern bool quantizer_supports(QuantizerKind kind, HnswMetric metric,
							   uint32 dim);
extern HnswForm quantizer_form(QuantizerKind kind);
extern int	quantizer_max_dimensions(HnswForm form);

/* Whether a centroid makes its codes better */
extern bool quantizer_wants_centroid(QuantizerKind kind);

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
 * Encodes vector (normalized here when the metric is cosine).  A vector whose
 * squared norm is no float32 counts as shorter, in its own direction, so that
 * no key is ever NaN; see quantize/codes.h.
 * Codes of QUANTIZER_FLOAT are aligned as float, here and below; others need
 * no alignment.  Room for max_code_size bytes is always enough.
 * refine and refine_factors may be NULL for kinds without refinement.
 */
extern void quantizer_encode(Quantizer *quantizer, const HnswVector *vector,
							 uint8 *code, float *factors,
							 uint8 *refine, float *refine_factors);

/* Bytes of a code that quantizer_encode made */
extern int	quantizer_code_size(const Quantizer *quantizer, const uint8 *code);

/*
 * Whether length bytes from anywhere are a code by their size, so that keys
 * can be computed from it; valid: whether it is one that quantizer_encode
 * could have made.
 */
extern bool quantizer_code_is_whole(const Quantizer *quantizer,
									const uint8 *code, int length);
extern bool quantizer_code_is_valid(const Quantizer *quantizer,
									const uint8 *code, int length);

/* Makes the code of a vector without elements, of kinds of variable size. */
extern void quantizer_empty_code(const Quantizer *quantizer, uint8 *code);

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
extern void quantizer_prepare_query(Quantizer *quantizer,
									const HnswVector *vector,
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
 * (offset and nbytes multiples of 4, or up to the end) and then finished;
 * one of variable size has to be in one piece.
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
 * A code and its refinement joined, one byte for each coordinate: as long as
 * the two together, and compared in one pass.  The refined key is the same.
 * Only for kinds with refine_size > 0.
 */
extern void quantizer_join(const Quantizer *quantizer, const uint8 *code,
						   const uint8 *refine, uint8 *joined);
extern void quantizer_split(const Quantizer *quantizer, const uint8 *joined,
							uint8 *code, uint8 *refine);
extern float quantizer_score_joined(const QuantizedQuery *query,
									const uint8 *joined, const float *factors,
									const float *refine_factors);

/* quantizer_point_as_query of a joined code */
extern void quantizer_joined_as_query(const Quantizer *quantizer,
									  const uint8 *joined,
									  const float *factors,
									  const float *refine_factors,
									  QuantizedQuery *query);

/*
 * Standard deviation of the key's error (estimate against truth), from
 * theory and the point's factors: quantization of point and query together.
 * When the code is the vector only rounding is left.  refined: of the refined
 * key.  An as_point query counts as exact: between two points, the other's
 * error comes on top.
 */
extern float quantizer_error(const QuantizedQuery *query, const float *factors,
							 bool refined);

/* Operator's distance -> key (monotonic); see HnswMetric. */
extern double quantizer_key_from_distance(HnswMetric metric, double distance);

#endif							/* HNSW_QUANTIZE_H */
