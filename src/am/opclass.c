/*-------------------------------------------------------------------------
 *
 * opclass.c
 *	  Values of the types of operator classes.
 *
 * src/am/opclass.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/opclass.h"
#include "common/hashfn.h"

static void
open_value(const HnswOpclass *opclass, Datum datum, HnswValue *value)
{
	memset(value, 0, sizeof(HnswValue));
	opclass->open(datum, value);
	if (opclass->form == HNSW_FORM_SPARSE &&
		value->vector.nelements > HNSW_MAX_SPARSE_ELEMENTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s cannot have more than %d non-zero elements for hnsw index",
						opclass->type_name, HNSW_MAX_SPARSE_ELEMENTS)));
}

void
hnsw_open_indexed(const HnswOpclass *opclass, Datum datum, uint32 dimensions,
				  HnswValue *value)
{
	open_value(opclass, datum, value);
	if ((uint32) value->dimensions != dimensions)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %u dimensions, not %d", dimensions,
						value->dimensions)));
}

void
hnsw_open_query(const HnswOpclass *opclass, Datum datum, uint32 dimensions,
				HnswValue *value)
{
	open_value(opclass, datum, value);
	if ((uint32) value->dimensions != dimensions)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 opclass->form == HNSW_FORM_BITS ?
				 errmsg("different %s lengths %u and %d",
						opclass->type_name, dimensions, value->dimensions) :
				 errmsg("different %s dimensions %u and %d",
						opclass->type_name, dimensions, value->dimensions)));
}

void
hnsw_open_origin(const HnswOpclass *opclass, uint32 dimensions,
				 HnswValue *value)
{
	memset(value, 0, sizeof(HnswValue));
	value->dimensions = dimensions;
	if (opclass->form == HNSW_FORM_DENSE)
		value->vector.elements = palloc0(dimensions * sizeof(float));
	else if (opclass->form == HNSW_FORM_BITS)
		value->vector.bits = palloc0((dimensions + 7) / 8);
}

static int
value_nelements(const HnswOpclass *opclass, const HnswValue *value)
{
	switch (opclass->form)
	{
		case HNSW_FORM_DENSE:
			return value->dimensions;
		case HNSW_FORM_SPARSE:
			return value->vector.nelements;
		case HNSW_FORM_BITS:
			break;
	}
	return 0;
}

bool
hnsw_value_is_indexed(const HnswOpclass *opclass, const HnswValue *value)
{
	int			n = value_nelements(opclass, value);

	if (opclass->metric != HNSW_METRIC_COSINE)
		return true;
	for (int i = 0; i < n; i++)
	{
		if (value->vector.elements[i] != 0)
			return true;
	}
	return false;
}

double
hnsw_value_norm_sq(const HnswOpclass *opclass, const HnswValue *value)
{
	int			n = value_nelements(opclass, value);
	double		norm_sq = 0;

	for (int i = 0; i < n; i++)
		norm_sq += (double) value->vector.elements[i] *
			value->vector.elements[i];
	return norm_sq;
}

/* Everything that a vector consists of is in at most two arrays. */
typedef struct VectorBytes
{
	const void *bytes[2];
	Size		sizes[2];
} VectorBytes;

static VectorBytes
vector_bytes(const HnswOpclass *opclass, const HnswValue *value)
{
	const HnswVector *vector = &value->vector;
	int			n = value_nelements(opclass, value);
	VectorBytes result = {{NULL, NULL}, {0, 0}};

	if (opclass->form == HNSW_FORM_BITS)
	{
		result.bytes[0] = vector->bits;
		result.sizes[0] = (value->dimensions + 7) / 8;
		return result;
	}
	result.bytes[0] = vector->elements;
	result.sizes[0] = n * sizeof(float);
	if (opclass->form == HNSW_FORM_SPARSE)
	{
		result.bytes[1] = vector->indices;
		result.sizes[1] = n * sizeof(int32);
	}
	return result;
}

bool
hnsw_value_equal(const HnswOpclass *opclass, const HnswValue *a,
				 const HnswValue *b)
{
	VectorBytes bytes_a = vector_bytes(opclass, a);
	VectorBytes bytes_b = vector_bytes(opclass, b);

	if (a->dimensions != b->dimensions)
		return false;
	for (int i = 0; i < 2; i++)
	{
		if (bytes_a.sizes[i] != bytes_b.sizes[i])
			return false;
		if (bytes_a.sizes[i] > 0 &&
			memcmp(bytes_a.bytes[i], bytes_b.bytes[i],
				   bytes_a.sizes[i]) != 0)
			return false;
	}
	return true;
}

uint64
hnsw_value_hash(const HnswOpclass *opclass, const HnswValue *value)
{
	VectorBytes bytes = vector_bytes(opclass, value);
	uint64		hash = 0;

	for (int i = 0; i < 2; i++)
	{
		if (bytes.sizes[i] > 0)
			hash = hash_bytes_extended(bytes.bytes[i], bytes.sizes[i], hash);
	}
	return hash;
}
