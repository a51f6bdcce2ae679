/*-------------------------------------------------------------------------
 *
 * sparse.c
 *	  Sparse vectors: codes of different sizes, and keys from them.
 *
 * A code is
 *
 *		uint16	number of elements
 *		uint16	bytes of packed indices
 *		packed indices
 *		elements, a byte or four each
 *
 * Indices ascend; what is stored is how far each is from the one before,
 * less one, in blocks of BLOCK numbers of the fewest bits that all numbers of
 * the block fit: a byte with that width, then the numbers without gaps,
 * lowest bit first.
 *
 * Keys are sums over the elements of the code with what the query has at the
 * same index, in double, as a small distance between long vectors is what is
 * left of large terms.  The elements of a query are found in a hash table.  Codes
 * come from disk as they are: no sum reads outside of a code that is whole by
 * its header, whatever the indices say.
 *
 * src/quantize/sparse.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "quantize/codes.h"
#include "quantize/sparse_slots.h"

/* Numbers packed with one width, and the largest width */
#define BLOCK			32
#define MAX_WIDTH		30

#define MAX_BLOCK_SIZE	(1 + (BLOCK * MAX_WIDTH + 7) / 8)
#define MAX_BLOCKS \
	((HNSW_MAX_SPARSE_ELEMENTS + BLOCK - 1) / BLOCK)

/*
 * Equal elements are rounded alike, so that errors add up more than they would
 * if they had nothing to do with each other.
 */
#define ERROR_FACTOR	2.0f

/* The largest number that differs from 1 by float32 rounding, relative */
#define FLOAT_ROUNDING	1.2e-7f

typedef struct SparseHeader
{
	uint16		nelements;
	uint16		index_size;
} SparseHeader;

/* A query, or a point as one */
typedef struct SparseQuery
{
	int			dim;
	SparseSlots slots;			/* of indices */
	int32	   *indices;
	float	   *elements;
	int			nelements;
	int			max_elements;
	double		norm_sq;
	double		l1_norm;
} SparseQuery;

/* A code taken apart */
typedef struct SparseCode
{
	int			nelements;
	const uint8 *next;			/* packed indices not read yet, */
	const uint8 *end;			/* and where they end */
	const uint8 *elements;
	float		low;			/* of SPARSE_8 */
	float		step;
} SparseCode;

/* What keys are made of */
typedef struct SparseSums
{
	double		product;		/* <x, q> */
	double		l1;				/* sum of |x - q| - |q| where x has elements */
} SparseSums;

/*-------------------------------------------------------------------------
 * Codes
 *-------------------------------------------------------------------------
 */
static inline int
element_size(QuantizerKind kind)
{
	return kind == QUANTIZER_SPARSE_FLOAT ? sizeof(float) : 1;
}

int
sparse_max_code_size(QuantizerKind kind)
{
	return sizeof(SparseHeader) + MAX_BLOCKS * MAX_BLOCK_SIZE +
		HNSW_MAX_SPARSE_ELEMENTS * element_size(kind);
}

static inline SparseHeader
code_header(const uint8 *code)
{
	SparseHeader header;

	memcpy(&header, code, sizeof(header));
	return header;
}

int
sparse_code_size(const Quantizer *quantizer, const uint8 *code)
{
	SparseHeader header = code_header(code);

	return sizeof(SparseHeader) + header.index_size +
		header.nelements * element_size(quantizer->kind);
}

static SparseCode
open_code(const Quantizer *quantizer, const uint8 *code, const float *factors)
{
	SparseHeader header = code_header(code);
	SparseCode	opened = {.nelements = header.nelements};

	opened.next = code + sizeof(SparseHeader);
	opened.end = opened.next + header.index_size;
	opened.elements = opened.end;
	if (quantizer->kind == QUANTIZER_SPARSE_8)
	{
		opened.low = factors[FACTOR_SPARSE_LOW];
		opened.step = factors[FACTOR_SPARSE_STEP];
	}
	return opened;
}

static inline uint64
load_word(const uint8 *from, const uint8 *end)
{
	uint64		word = 0;

#ifndef WORDS_BIGENDIAN
	if (end - from >= (int) sizeof(word))
	{
		memcpy(&word, from, sizeof(word));
		return word;
	}
#endif
	for (int i = 0; i < (int) sizeof(word) && from + i < end; i++)
		word |= (uint64) from[i] << (8 * i);
	return word;
}

/*
 * Unpacks the next n indices, at most BLOCK, that come after *index, which
 * becomes the last of them.  False when there are not so many, or they are
 * not below dim.
 */
static inline bool
unpack_block(SparseCode *code, int n, int dim, int64 *index,
			 uint32 *pg_restrict indices)
{
	const uint8 *packed = code->next + 1;
	int64		last = *index;
	uint64		mask;
	int			width;

	if (code->next >= code->end)
		return false;
	width = *code->next;
	if (width > MAX_WIDTH || (width * n + 7) / 8 > code->end - packed)
		return false;

	mask = (UINT64CONST(1) << width) - 1;
	for (int i = 0; i < n; i++)
	{
		int			bit = i * width;

		last += 1 + ((load_word(packed + bit / 8, code->end) >> (bit & 7)) &
					 mask);
		indices[i] = (uint32) last;
	}
	code->next = packed + (width * n + 7) / 8;
	*index = last;
	return last < dim;
}

static uint8 *
pack_block(uint8 *out, const int32 *indices, int n, int32 before)
{
	uint32		all = 0;
	uint64		pending = 0;
	int			npending = 0;
	int			width = 0;

	for (int i = 0; i < n; i++)
		all |= indices[i] - (i > 0 ? indices[i - 1] : before) - 1;
	while (all >> width != 0)
		width++;

	*out++ = width;
	for (int i = 0; i < n; i++)
	{
		uint32		number = indices[i] - (i > 0 ? indices[i - 1] : before) -
		1;

		pending |= (uint64) number << npending;
		for (npending += width; npending >= 8; npending -= 8)
		{
			*out++ = (uint8) pending;
			pending >>= 8;
		}
	}
	if (npending > 0)
		*out++ = (uint8) pending;
	return out;
}

/* One byte each, as QUANTIZER_LINEAR8 does it */
static void
encode_bytes(const HnswVector *vector, uint8 *code, float *factors)
{
	float		low = vector->nelements > 0 ? vector->elements[0] : 0;
	float		high = low;
	float		step;
	double		steps_per_unit;

	for (int i = 1; i < vector->nelements; i++)
	{
		low = Min(low, vector->elements[i]);
		high = Max(high, vector->elements[i]);
	}
	step = (float) (((double) high - low) / 255);
	steps_per_unit = step > 0 ? 1 / (double) step : 0;

	for (int i = 0; i < vector->nelements; i++)
	{
		double		u = ((double) vector->elements[i] - low) * steps_per_unit +
		0.5;

		code[i] = (uint8) Min(u, 255);
	}
	factors[FACTOR_SPARSE_LOW] = low;
	factors[FACTOR_SPARSE_STEP] = step;
}

void
sparse_encode(const Quantizer *quantizer, const HnswVector *vector,
			  uint8 *code, float *factors)
{
	SparseHeader header = {.nelements = vector->nelements};
	uint8	   *out = code + sizeof(SparseHeader);
	double		norm_sq = 0;

	Assert(vector->nelements <= HNSW_MAX_SPARSE_ELEMENTS);
	for (int i = 0; i < vector->nelements; i += BLOCK)
		out = pack_block(out, vector->indices + i,
						 Min(BLOCK, vector->nelements - i),
						 i > 0 ? vector->indices[i - 1] : -1);
	header.index_size = out - code - sizeof(SparseHeader);
	memcpy(code, &header, sizeof(header));

	if (quantizer->kind == QUANTIZER_SPARSE_8)
		encode_bytes(vector, out, factors);
	else if (vector->nelements > 0)
		memcpy(out, vector->elements, vector->nelements * sizeof(float));

	for (int i = 0; i < vector->nelements; i++)
		norm_sq += (double) vector->elements[i] * vector->elements[i];
	if (quantizer->metric == HNSW_METRIC_L1)
		norm_sq = vector->nelements;
	factors[FACTOR_SPARSE_NORM_SQ] = (float) Min(norm_sq, FLT_MAX);
}

bool
sparse_code_is_whole(const Quantizer *quantizer, const uint8 *code,
					 int length)
{
	return length >= (int) sizeof(SparseHeader) &&
		length <= quantizer->max_code_size &&
		length == sparse_code_size(quantizer, code);
}

bool
sparse_indices_are_valid(const Quantizer *quantizer, const uint8 *code)
{
	float		factors[QUANTIZER_MAX_FACTORS] = {0};
	SparseCode	opened = open_code(quantizer, code, factors);
	uint32		indices[BLOCK];
	int64		index = -1;

	for (int i = 0; i < opened.nelements; i += BLOCK)
	{
		if (!unpack_block(&opened, Min(BLOCK, opened.nelements - i),
						  quantizer->dim, &index, indices))
			return false;
	}
	return opened.next == opened.end;
}

/*-------------------------------------------------------------------------
 * Queries
 *-------------------------------------------------------------------------
 */
SparseQuery *
sparse_query_create(const Quantizer *quantizer)
{
	SparseQuery *sparse = palloc0(sizeof(SparseQuery));

	sparse->dim = quantizer->dim;
	sparse->max_elements = 256;
	sparse->indices = palloc(sparse->max_elements * sizeof(int32));
	sparse->elements = palloc(sparse->max_elements * sizeof(float));
	slots_init(&sparse->slots);
	return sparse;
}

void
sparse_query_free(SparseQuery *sparse)
{
	pfree(sparse->slots.slots);
	pfree(sparse->elements);
	pfree(sparse->indices);
	pfree(sparse);
}

/* Forgets the last vector and makes room for another one. */
static void
reset_query(SparseQuery *sparse, int nelements)
{
	slots_clear(&sparse->slots, sparse->indices, sparse->nelements);
	sparse->nelements = 0;

	if (nelements > sparse->max_elements)
	{
		sparse->max_elements = Max(nelements, 2 * sparse->max_elements);
		sparse->indices = repalloc(sparse->indices,
								   sparse->max_elements * sizeof(int32));
		sparse->elements = repalloc(sparse->elements,
									sparse->max_elements * sizeof(float));
	}
}

/* Takes over the vector that was put into indices and elements. */
static void
finish_query(SparseQuery *sparse, int nelements)
{
	slots_add(&sparse->slots, sparse->indices, nelements);
	sparse->nelements = nelements;
	sparse->norm_sq = 0;
	sparse->l1_norm = 0;
	for (int i = 0; i < nelements; i++)
	{
		float		element = sparse->elements[i];

		sparse->norm_sq += (double) element * element;
		sparse->l1_norm += fabs((double) element);
	}
}

void
sparse_prepare_query(const HnswVector *vector, QuantizedQuery *query)
{
	SparseQuery *sparse = query->sparse;

	reset_query(sparse, vector->nelements);
	for (int i = 0; i < vector->nelements; i++)
	{
		sparse->indices[i] = vector->indices[i];
		sparse->elements[i] = vector->elements[i];
	}
	finish_query(sparse, vector->nelements);
	query->norm_sq = (float) Min(sparse->norm_sq, FLT_MAX);
}

static inline double
element_value(QuantizerKind kind, const SparseCode *code, int i)
{
	float		value;

	if (kind == QUANTIZER_SPARSE_8)
		return code->low + (double) code->step * code->elements[i];
	memcpy(&value, code->elements + i * sizeof(float), sizeof(float));
	return value;
}

/* A code that is damaged gives the elements up to there. */
void
sparse_point_as_query(const uint8 *code, const float *factors,
					  QuantizedQuery *query)
{
	const Quantizer *quantizer = query->quantizer;
	SparseQuery *sparse = query->sparse;
	SparseCode	opened = open_code(quantizer, code, factors);
	int64		index = -1;
	int			n = 0;

	reset_query(sparse, opened.nelements);
	while (n < opened.nelements)
	{
		int			count = Min(BLOCK, opened.nelements - n);

		if (!unpack_block(&opened, count, quantizer->dim, &index,
						  (uint32 *) sparse->indices + n))
			break;
		for (int i = n; i < n + count; i++)
		{
			double		value = element_value(quantizer->kind, &opened, i);

			sparse->elements[i] = (float) Max(Min(value, FLT_MAX), -FLT_MAX);
		}
		n += count;
	}
	finish_query(sparse, n);

	/* what the point's distances are made of is not rounded */
	if (quantizer->metric != HNSW_METRIC_L1)
		sparse->norm_sq = factors[FACTOR_SPARSE_NORM_SQ];
	query->norm_sq = (float) Min(sparse->norm_sq, FLT_MAX);
	if (quantizer->metric == HNSW_METRIC_IP)
		query->point_norm_sq = factors[FACTOR_SPARSE_NORM_SQ];
}

/*-------------------------------------------------------------------------
 * Keys
 *-------------------------------------------------------------------------
 */

/*
 * find_candidates
 *		Which of n indices, at most BLOCK, the query may have.
 *
 * Few are, and nothing tells before which, so this is done without branches.
 */
static inline int
find_candidates(const SparseSlots *slots, const uint32 *indices, int n,
				uint8 *candidates)
{
	int			count = 0;

	for (int i = 0; i < n; i++)
	{
		candidates[count] = i;
		count += slots->slots[slot_of(slots, indices[i])] != 0;
	}
	return count;
}

/* Adds what n elements of a code from first on contribute, as if q were 0. */
static pg_attribute_always_inline void
add_alone(SparseSums *sums, QuantizerKind kind, bool is_l1,
		  const SparseCode *code, int first, int n)
{
	/* no product */
	if (!is_l1)
		return;
	for (int i = first; i < first + n; i++)
		sums->l1 += fabs(element_value(kind, code, i));
}

static pg_attribute_always_inline void
add_block(SparseSums *sums, const SparseQuery *sparse, QuantizerKind kind,
		  bool is_l1, const SparseCode *code, int first,
		  const uint32 *indices, int n)
{
	uint8		candidates[BLOCK];
	int			count = find_candidates(&sparse->slots, indices, n, candidates);

	add_alone(sums, kind, is_l1, code, first, n);
	for (int k = 0; k < count; k++)
	{
		int			i = candidates[k];
		int			position = slots_find(&sparse->slots, sparse->indices,
										  indices[i]);
		double		x;
		double		q;

		if (position < 0)
			continue;
		x = element_value(kind, code, first + i);
		q = sparse->elements[position];
		if (is_l1)
			sums->l1 += fabs(x - q) - fabs(q) - fabs(x);
		else
			sums->product += x * q;
	}
}

/* What follows damage in a code does not count. */
static pg_attribute_always_inline SparseSums
sum_up(const SparseQuery *sparse, QuantizerKind kind, bool is_l1,
	   SparseCode *code)
{
	SparseSums	sums = {0, 0};
	uint32		indices[BLOCK];
	int64		index = -1;

	for (int first = 0; first < code->nelements; first += BLOCK)
	{
		int			n = Min(BLOCK, code->nelements - first);

		if (!unpack_block(code, n, sparse->dim, &index, indices))
			break;
		add_block(&sums, sparse, kind, is_l1, code, first, indices, n);
	}
	return sums;
}

/* As constants, for the compiler to make loops of their own */
static SparseSums
sparse_sums(const QuantizedQuery *query, SparseCode *code)
{
	bool		is_l1 = query->quantizer->metric == HNSW_METRIC_L1;

	if (query->quantizer->kind == QUANTIZER_SPARSE_8)
		return is_l1 ?
			sum_up(query->sparse, QUANTIZER_SPARSE_8, true, code) :
			sum_up(query->sparse, QUANTIZER_SPARSE_8, false, code);
	return is_l1 ?
		sum_up(query->sparse, QUANTIZER_SPARSE_FLOAT, true, code) :
		sum_up(query->sparse, QUANTIZER_SPARSE_FLOAT, false, code);
}

static double
cosine_key(double product, double norm_sq_a, double norm_sq_b)
{
	double		norms = sqrt(norm_sq_a) * sqrt(norm_sq_b);

	return norms > 0 ? 2 - 2 * product / norms : 2;
}

float
sparse_score(const QuantizedQuery *query, const uint8 *code,
			 const float *factors)
{
	const Quantizer *quantizer = query->quantizer;
	SparseCode	opened = open_code(quantizer, code, factors);
	SparseSums	sums = sparse_sums(query, &opened);
	double		norm_sq = factors[FACTOR_SPARSE_NORM_SQ];

	switch (quantizer->metric)
	{
		case HNSW_METRIC_L1:
			return (float) (query->sparse->l1_norm + sums.l1);
		case HNSW_METRIC_COSINE:
			return (float) cosine_key(sums.product, norm_sq,
									  query->sparse->norm_sq);
		case HNSW_METRIC_IP:
			if (query->as_point)
				return lifted_distance(quantizer, sums.product, norm_sq,
									   query->point_norm_sq);
			return (float) -sums.product;
		default:
			break;
	}
	return (float) (norm_sq + query->sparse->norm_sq - 2 * sums.product);
}

/*
 * A byte's error is as good as uniform within half a step.  The norm of the
 * point comes as float32.
 */
float
sparse_error(const QuantizedQuery *query, const float *factors)
{
	const Quantizer *quantizer = query->quantizer;
	float		norm_sq = factors[FACTOR_SPARSE_NORM_SQ];
	float		deviation = 0;

	if (quantizer->kind == QUANTIZER_SPARSE_8)
		deviation = factors[FACTOR_SPARSE_STEP] * ERROR_FACTOR *
			sqrtf(1.0f / 12);

	switch (quantizer->metric)
	{
		case HNSW_METRIC_L1:
			return deviation * sqrtf(norm_sq);
		case HNSW_METRIC_COSINE:
			return norm_sq > 0 ?
				2 * deviation / sqrtf(norm_sq) + FLOAT_ROUNDING : 0;
		case HNSW_METRIC_IP:
			deviation *= sqrtf(query->norm_sq);
			return query->as_point ?
				lifted_error(quantizer, deviation, norm_sq,
							 query->point_norm_sq) : deviation;
		default:
			break;
	}
	return 2 * deviation * sqrtf(query->norm_sq) +
		FLOAT_ROUNDING * (norm_sq + query->norm_sq);
}
