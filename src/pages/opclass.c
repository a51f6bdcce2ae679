/*-------------------------------------------------------------------------
 *
 * opclass.c
 *	  The operator class of an index.
 *
 * src/pages/opclass.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/amvalidate.h"
#include "access/genam.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "pages/opclass.h"
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
