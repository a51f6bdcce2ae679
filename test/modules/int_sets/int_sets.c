/*-------------------------------------------------------------------------
 *
 * int_sets.c
 *	  An operator class of the access method hnsw that is not part of
 *	  vector_hnsw: arrays of integers as sets, by how many elements they do not
 *	  have in common.
 *
 * A set is a sparse vector of ones, and that distance is L1.
 *
 * test/modules/int_sets/int_sets.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "extension/vector_hnsw/hnsw_opclass.h"
#include "fmgr.h"
#include "utils/array.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(int_set_distance);
PG_FUNCTION_INFO_V1(int_set_support);
PG_FUNCTION_INFO_V1(int_set_old_support);
PG_FUNCTION_INFO_V1(int_set_bits_support);
PG_FUNCTION_INFO_V1(int_set_empty_support);

/* Elements are numbers from 0 below this */
#define UNIVERSE	1000000

typedef struct IntSet
{
	int32	   *elements;		/* ascending, each once */
	int			count;
} IntSet;

static int
compare_elements(const void *a, const void *b)
{
	int32		ia = *(const int32 *) a;
	int32		ib = *(const int32 *) b;

	return ia < ib ? -1 : ia > ib;
}

static void
open_set(ArrayType *array, IntSet *set)
{
	Datum	   *elements;
	int			n;
	int			count = 0;

	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("sets must not contain nulls")));
	deconstruct_array(array, INT4OID, sizeof(int32), true, TYPALIGN_INT,
					  &elements, NULL, &n);
	set->elements = palloc((n + 1) * sizeof(int32));
	for (int i = 0; i < n; i++)
		set->elements[i] = DatumGetInt32(elements[i]);
	qsort(set->elements, n, sizeof(int32), compare_elements);
	for (int i = 0; i < n; i++)
	{
		if (set->elements[i] < 0 || set->elements[i] >= UNIVERSE)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("element %d is out of range", set->elements[i])));
		if (count == 0 || set->elements[i] != set->elements[count - 1])
			set->elements[count++] = set->elements[i];
	}
	set->count = count;
}

Datum
int_set_distance(PG_FUNCTION_ARGS)
{
	IntSet		a;
	IntSet		b;
	int			common = 0;

	open_set(PG_GETARG_ARRAYTYPE_P(0), &a);
	open_set(PG_GETARG_ARRAYTYPE_P(1), &b);
	for (int i = 0, j = 0; i < a.count && j < b.count;)
	{
		if (a.elements[i] < b.elements[j])
			i++;
		else if (a.elements[i] > b.elements[j])
			j++;
		else
		{
			common++;
			i++;
			j++;
		}
	}
	PG_RETURN_FLOAT8(a.count + b.count - 2 * common);
}

static int
set_dimensions(int32 typmod)
{
	return UNIVERSE;
}

static void
set_open(Datum datum, HnswValue *value)
{
	ArrayType  *array = DatumGetArrayTypeP(datum);
	IntSet		set;
	float	   *ones;

	open_set(array, &set);
	ones = palloc((set.count + 1) * sizeof(float));
	for (int i = 0; i < set.count; i++)
		ones[i] = 1;

	value->datum = PointerGetDatum(array);
	value->dimensions = UNIVERSE;
	value->vector.elements = ones;
	value->vector.indices = set.elements;
	value->vector.nelements = set.count;
}

Datum
int_set_support(PG_FUNCTION_ARGS)
{
	static const HnswOpclass opclass = {
		.version = HNSW_OPCLASS_VERSION,
		.metric = HNSW_METRIC_L1,
		.form = HNSW_FORM_SPARSE,
		.type_name = "set",
		.max_dimensions = UNIVERSE,
		.typmod_dimensions = set_dimensions,
		.open = set_open
	};

	PG_RETURN_POINTER(&opclass);
}

/* Elements do not have the distance of bits */
Datum
int_set_bits_support(PG_FUNCTION_ARGS)
{
	static const HnswOpclass opclass = {
		.version = HNSW_OPCLASS_VERSION,
		.metric = HNSW_METRIC_HAMMING,
		.form = HNSW_FORM_DENSE,
		.type_name = "set",
		.max_dimensions = UNIVERSE,
		.typmod_dimensions = set_dimensions,
		.open = set_open
	};

	PG_RETURN_POINTER(&opclass);
}

static int
no_dimensions(int32 typmod)
{
	return 0;
}

/* Nor can there be vectors without dimensions */
Datum
int_set_empty_support(PG_FUNCTION_ARGS)
{
	static const HnswOpclass opclass = {
		.version = HNSW_OPCLASS_VERSION,
		.metric = HNSW_METRIC_L1,
		.form = HNSW_FORM_SPARSE,
		.type_name = "set",
		.max_dimensions = UNIVERSE,
		.typmod_dimensions = no_dimensions,
		.open = set_open
	};

	PG_RETURN_POINTER(&opclass);
}

/* As if compiled for another version of the interface */
Datum
int_set_old_support(PG_FUNCTION_ARGS)
{
	static const HnswOpclass opclass = {
		.version = HNSW_OPCLASS_VERSION + 1
	};

	PG_RETURN_POINTER(&opclass);
}
