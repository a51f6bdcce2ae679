/*-------------------------------------------------------------------------
 *
 * opclass.c
 *	  Operator classes, and values of their types.
 *
 * src/am/opclass.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/amvalidate.h"
#include "access/genam.h"
#include "am/opclass.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "compat.h"
#include "quantize/quantize.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"

/* The rest are the arguments of errdetail. */
#define REFUSE_OPCLASS(index, ...) \
	ereport(ERROR, \
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), \
			 errmsg("operator class of index \"%s\" does not fit this version of vector_hnsw", \
					RelationGetRelationName(index)), \
			 errdetail(__VA_ARGS__)))

bool
hnsw_is_support_function(Oid function)
{
	return check_amproc_signature(function, INTERNALOID, true,
								  1, 1, INTERNALOID);
}

/* Is there a quantizer for vectors of this form by this metric? */
static bool
form_has_metric(HnswForm form, HnswMetric metric)
{
	QuantizerKind kind = quantizer_auto(form, metric, 1);

	return quantizer_form(kind) == form && quantizer_supports(kind, metric, 1);
}

/*
 * No function is called that has another signature than the support function:
 * it would take an argument that is not there, or one that is null.  When the
 * operator class was made that was checked, but catalogs can be changed by
 * hand.
 */
const HnswOpclass *
hnsw_opclass(Relation index)
{
	FmgrInfo   *support = index_getprocinfo(index, 1, HNSW_SUPPORT_OPCLASS);
	const HnswOpclass *opclass;

	if (!hnsw_is_support_function(support->fn_oid))
		REFUSE_OPCLASS(index, "Function %s must take and return internal.",
					   format_procedure(support->fn_oid));

	opclass = (const HnswOpclass *)
		DatumGetPointer(FunctionCall1(support, PointerGetDatum(NULL)));
	if (opclass == NULL || opclass->version != HNSW_OPCLASS_VERSION)
		REFUSE_OPCLASS(index,
					   "Function %s must give version %d of the interface.",
					   format_procedure(support->fn_oid),
					   HNSW_OPCLASS_VERSION);
	if (!form_has_metric(opclass->form, opclass->metric))
		REFUSE_OPCLASS(index,
					   "Function %s gives form %d and metric %d, which do not go together.",
					   format_procedure(support->fn_oid),
					   (int) opclass->form, (int) opclass->metric);
	return opclass;
}

int
hnsw_column_dimensions(Relation index, const HnswOpclass *opclass)
{
	Form_pg_attribute column = TupleDescAttr(RelationGetDescr(index), 0);
	Oid			input_type = index->rd_opcintype[0];
	int32		typmod = column->atttypmod;
	int			dimensions;

	/*
	 * A domain has the dimensions of its type.  A type that can be taken for
	 * that of the operator class need not have modifiers that mean the same.
	 */
	if (getBaseTypeAndTypmod(column->atttypid, &typmod) != input_type &&
		!IsPolymorphicType(input_type))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("type not supported for hnsw index"),
				 errdetail("Column \"%s\" has type %s, its operator class is for type %s.",
						   NameStr(column->attname),
						   format_type_be(column->atttypid),
						   format_type_be(input_type))));

	dimensions = opclass->typmod_dimensions(typmod);
	if (dimensions < 1 && dimensions != -1)
		REFUSE_OPCLASS(index,
					   "By function %s type modifier %d means %d dimensions.",
					   format_procedure(index_getprocid(index, 1,
														HNSW_SUPPORT_OPCLASS)),
					   typmod, dimensions);
	return dimensions;
}

static void
open_value(const HnswOpclass *opclass, Datum datum, HnswValue *value)
{
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
