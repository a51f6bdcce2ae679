/*-------------------------------------------------------------------------
 *
 * opclass_types.c
 *	  The operator classes of the types that come with the extension.
 *
 * src/am/opclass_types.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/opclass.h"
#include "compat.h"
#include "distance/distance.h"
#include "types/bit.h"
#include "types/halfvec.h"
#include "types/sparsevec.h"
#include "types/vector.h"

/* All types: the modifier is the number of dimensions, -1 is none. */
static int
typmod_as_is(int32 typmod)
{
	return typmod;
}

static void
vector_open(Datum datum, HnswValue *value)
{
	Vector	   *vector = DatumGetVector(datum);

	value->datum = VectorGetDatum(vector);
	value->dimensions = vector->dim;
	value->vector.elements = vector->x;
}

static void
halfvec_open(Datum datum, HnswValue *value)
{
	HalfVector *vector = DatumGetHalfVector(datum);
	float	   *elements = palloc(vector->dim * sizeof(float));

	distance_kernels->f32_from_f16(elements, vector->x, vector->dim);
	value->datum = HalfVectorGetDatum(vector);
	value->dimensions = vector->dim;
	value->vector.elements = elements;
}

static void
sparsevec_open(Datum datum, HnswValue *value)
{
	SparseVector *vector = DatumGetSparseVector(datum);

	check_stored_indices(vector);
	value->datum = SparseVectorGetDatum(vector);
	value->dimensions = vector->dim;
	value->vector.elements = sparsevec_values(vector);
	value->vector.indices = vector->indices;
	value->vector.nelements = vector->nnz;
}

static void
bit_open(Datum datum, HnswValue *value)
{
	VarBit	   *bits = DatumGetBits(datum);

	value->datum = VarBitPGetDatum(bits);
	value->dimensions = VARBITLEN(bits);
	value->vector.bits = VARBITS(bits);
}

/* Defines the support function of one operator class of a type. */
#define SUPPORT_FUNCTION(function, opclass_metric, opclass_form, name, \
						 max, typmod_function, open_function) \
PG_FUNCTION_INFO_V1(function); \
Datum \
function(PG_FUNCTION_ARGS) \
{ \
	static const HnswOpclass opclass = { \
		.version = HNSW_OPCLASS_VERSION, \
		.metric = opclass_metric, \
		.form = opclass_form, \
		.type_name = name, \
		.max_dimensions = max, \
		.typmod_dimensions = typmod_function, \
		.open = open_function \
	}; \
\
	PG_RETURN_POINTER(&opclass); \
} \
extern int	no_such_variable

#define VECTOR_SUPPORT(function, metric) \
	SUPPORT_FUNCTION(function, metric, HNSW_FORM_DENSE, "vector", \
					 VECTOR_MAX_DIM, typmod_as_is, vector_open)

VECTOR_SUPPORT(hnsw_vector_l2_support, HNSW_METRIC_L2);
VECTOR_SUPPORT(hnsw_vector_ip_support, HNSW_METRIC_IP);
VECTOR_SUPPORT(hnsw_vector_cosine_support, HNSW_METRIC_COSINE);
VECTOR_SUPPORT(hnsw_vector_l1_support, HNSW_METRIC_L1);

#define HALFVEC_SUPPORT(function, metric) \
	SUPPORT_FUNCTION(function, metric, HNSW_FORM_DENSE, "halfvec", \
					 HALFVEC_MAX_DIM, typmod_as_is, halfvec_open)

HALFVEC_SUPPORT(hnsw_halfvec_l2_support, HNSW_METRIC_L2);
HALFVEC_SUPPORT(hnsw_halfvec_ip_support, HNSW_METRIC_IP);
HALFVEC_SUPPORT(hnsw_halfvec_cosine_support, HNSW_METRIC_COSINE);
HALFVEC_SUPPORT(hnsw_halfvec_l1_support, HNSW_METRIC_L1);

#define SPARSEVEC_SUPPORT(function, metric) \
	SUPPORT_FUNCTION(function, metric, HNSW_FORM_SPARSE, "sparsevec", \
					 SPARSEVEC_MAX_DIM, typmod_as_is, sparsevec_open)

SPARSEVEC_SUPPORT(hnsw_sparsevec_l2_support, HNSW_METRIC_L2);
SPARSEVEC_SUPPORT(hnsw_sparsevec_ip_support, HNSW_METRIC_IP);
SPARSEVEC_SUPPORT(hnsw_sparsevec_cosine_support, HNSW_METRIC_COSINE);
SPARSEVEC_SUPPORT(hnsw_sparsevec_l1_support, HNSW_METRIC_L1);

#define BIT_SUPPORT(function, metric) \
	SUPPORT_FUNCTION(function, metric, HNSW_FORM_BITS, "bit", \
					 HNSW_MAX_BITS, typmod_as_is, bit_open)

BIT_SUPPORT(hnsw_bit_hamming_support, HNSW_METRIC_HAMMING);
BIT_SUPPORT(hnsw_bit_jaccard_support, HNSW_METRIC_JACCARD);
