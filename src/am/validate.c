/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  Checks operator classes, and answers questions about indexes.
 *
 * src/am/validate.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "am/hnsw.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

static bool
validate_functions(CatCList *functions, const char *opclass_name)
{
	bool		result = true;

	for (int i = 0; i < functions->n_members; i++)
	{
		Form_pg_amproc function = (Form_pg_amproc)
			GETSTRUCT(&functions->members[i]->tuple);

		if (function->amprocnum != HNSW_SUPPORT_OPCLASS)
		{
			ereport(INFO,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("operator class \"%s\" of access method hnsw contains function %s with invalid support number %d",
							opclass_name, format_procedure(function->amproc),
							function->amprocnum)));
			result = false;
		}
		else if (!hnsw_is_support_function(function->amproc))
		{
			ereport(INFO,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("operator class \"%s\" of access method hnsw contains function %s with wrong signature for support number %d",
							opclass_name, format_procedure(function->amproc),
							function->amprocnum)));
			result = false;
		}
	}
	return result;
}

static bool
validate_operators(CatCList *operators, Oid type, const char *opclass_name)
{
	bool		result = true;

	for (int i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop operator = (Form_pg_amop)
			GETSTRUCT(&operators->members[i]->tuple);

		if (operator->amopstrategy != 1 ||
			operator->amoppurpose != AMOP_ORDER ||
			!opfamily_can_sort_type(operator->amopsortfamily, FLOAT8OID))
		{
			ereport(INFO,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("operator class \"%s\" of access method hnsw contains operator %s that is not an ordering operator by float8 with strategy number 1",
							opclass_name,
							format_operator(operator->amopopr))));
			result = false;
		}
		else if (!check_amop_signature(operator->amopopr, FLOAT8OID,
									   type, type))
		{
			ereport(INFO,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("operator class \"%s\" of access method hnsw contains operator %s with wrong signature",
							opclass_name,
							format_operator(operator->amopopr))));
			result = false;
		}
	}
	return result;
}

/* Both an ordering operator and the support function must be there. */
static bool
validate_complete(CatCList *operators, CatCList *functions,
				  const char *opclass_name)
{
	if (operators->n_members > 0 && functions->n_members > 0)
		return true;
	ereport(INFO,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("operator class \"%s\" of access method hnsw is missing its ordering operator or support function %d",
					opclass_name, HNSW_SUPPORT_OPCLASS)));
	return false;
}

bool
hnsw_validate(Oid opclass_oid)
{
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass_oid));
	Form_pg_opclass opclass;
	CatCList   *operators;
	CatCList   *functions;
	const char *name;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclass_oid);
	opclass = (Form_pg_opclass) GETSTRUCT(tuple);
	name = NameStr(opclass->opcname);
	operators = SearchSysCacheList1(AMOPSTRATEGY,
									ObjectIdGetDatum(opclass->opcfamily));
	functions = SearchSysCacheList1(AMPROCNUM,
									ObjectIdGetDatum(opclass->opcfamily));

	result = validate_functions(functions, name);
	result &= validate_operators(operators, opclass->opcintype, name);
	result &= validate_complete(operators, functions, name);

	ReleaseCatCacheList(functions);
	ReleaseCatCacheList(operators);
	ReleaseSysCache(tuple);
	return result;
}

/*
 * What is about to become part of an operator class or family.  Dependencies
 * stay as they are; a function that must never be called as the support
 * function is refused.
 */
void
hnsw_adjust_members(Oid family, Oid opclass, List *operators, List *functions)
{
	ListCell   *cell;

	foreach(cell, functions)
	{
		OpFamilyMember *member = lfirst(cell);

		if (member->number == HNSW_SUPPORT_OPCLASS &&
			!hnsw_is_support_function(member->object))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("function %s cannot be support function %d of access method hnsw",
							format_procedure(member->object), member->number),
					 errdetail("The support function takes and returns internal."),
					 errhint("Operator classes for pgvector have a distance function here. Take the support function of the operator class that has the same type and operator, like hnsw_vector_l2_support(internal) of vector_l2_ops.")));
	}
}

bool
hnsw_property(Oid index_oid, int attno, IndexAMProperty property,
			  const char *name, bool *result, bool *isnull)
{
	if (property != AMPROP_DISTANCE_ORDERABLE || attno == 0)
		return false;
	*result = true;
	return true;
}
