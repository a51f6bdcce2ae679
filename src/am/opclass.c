/*-------------------------------------------------------------------------
 *
 * opclass.c
 *	  The operator classes of the types that come with the extension.
 *
 * src/am/opclass.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "am/opclass.h"
#include "compat.h"
#include "types/vector.h"

const HnswOpclass *
hnsw_opclass(Relation index)
{
	FmgrInfo   *support = index_getprocinfo(index, 1, HNSW_SUPPORT_OPCLASS);

	return (const HnswOpclass *)
		DatumGetPointer(FunctionCall1(support, PointerGetDatum(NULL)));
}

void
hnsw_open_indexed(const HnswOpclass *opclass, Datum datum, uint32 dimensions,
				  HnswValue *value)
{
	opclass->open(datum, value);
	if ((uint32) value->dimensions != dimensions)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %u dimensions, not %d", dimensions,
						value->dimensions)));
}

bool
hnsw_value_is_indexed(const HnswOpclass *opclass, const HnswValue *value)
{
	if (opclass->metric != HNSW_METRIC_COSINE)
		return true;
	for (int i = 0; i < value->dimensions; i++)
	{
		if (value->elements[i] != 0)
			return true;
	}
	return false;
}

static int
vector_typmod_dimensions(int32 typmod)
{
	return typmod;
}

static void
vector_open(Datum datum, HnswValue *value)
{
	Vector	   *vector = DatumGetVector(datum);

	value->datum = VectorGetDatum(vector);
	value->dimensions = vector->dim;
	value->elements = vector->x;
}

/* Defines the support function of one operator class of type vector. */
#define VECTOR_OPCLASS(function, opclass_metric) \
PG_FUNCTION_INFO_V1(function); \
Datum \
function(PG_FUNCTION_ARGS) \
{ \
	static const HnswOpclass opclass = { \
		.metric = opclass_metric, \
		.type_name = "vector", \
		.max_dimensions = VECTOR_MAX_DIM, \
		.typmod_dimensions = vector_typmod_dimensions, \
		.open = vector_open \
	}; \
\
	PG_RETURN_POINTER(&opclass); \
} \
extern int	no_such_variable

VECTOR_OPCLASS(hnsw_vector_l2_support, HNSW_METRIC_L2);
VECTOR_OPCLASS(hnsw_vector_ip_support, HNSW_METRIC_IP);
VECTOR_OPCLASS(hnsw_vector_cosine_support, HNSW_METRIC_COSINE);
VECTOR_OPCLASS(hnsw_vector_l1_support, HNSW_METRIC_L1);
