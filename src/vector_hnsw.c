/*-------------------------------------------------------------------------
 *
 * vector_hnsw.c
 *	  Entry of the module: what happens when the library is loaded.
 *
 * src/vector_hnsw.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "am/options.h"
#include "catalog/dependency.h"
#include "catalog/pg_am.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "compat.h"
#include "distance/distance.h"
#include "fmgr.h"
#include "test_points.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "vector_hnsw.h"

PG_MODULE_MAGIC_EXT(.name = "vector_hnsw", .version = "0.1.0");

int			hnsw_ef_search = HNSW_DEFAULT_EF_SEARCH;
int			hnsw_iterative_scan = HNSW_ITERATIVE_SCAN_STRICT_ORDER;
int			hnsw_max_scan_tuples = 20000;
double		hnsw_scan_mem_multiplier = 1;
bool		hnsw_rerank = true;

static const struct config_enum_entry iterative_scan_options[] = {
	{"off", HNSW_ITERATIVE_SCAN_OFF, false},
	{"relaxed_order", HNSW_ITERATIVE_SCAN_RELAXED_ORDER, false},
	{"strict_order", HNSW_ITERATIVE_SCAN_STRICT_ORDER, false},
	{NULL, 0, false}
};

/* Errors when somebody else has an access method of our name. */
static void
refuse_second_extension(void)
{
	Oid			am = get_am_oid("hnsw", true);
	Oid			other;

	if (!OidIsValid(am))
		return;

	other = getExtensionOfObject(AccessMethodRelationId, am);
	if (OidIsValid(other) && other == get_extension_oid("vector_hnsw", true))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("extension \"vector_hnsw\" cannot be in one database with extension \"%s\"",
					OidIsValid(other) ? get_extension_name(other) : "unknown"),
			 errdetail("Both have an access method \"hnsw\" and types of the same names."),
			 errhint("Use another database, or drop that extension first. docs/migrating.md of vector_hnsw shows how to move the data.")));
}

PG_FUNCTION_INFO_V1(hnsw_refuse_second_extension);

/*
 * The first thing that the extension's script does.  In C, as a message of
 * one's own would need a procedural language, which a database need not have.
 */
Datum
hnsw_refuse_second_extension(PG_FUNCTION_ARGS)
{
	refuse_second_extension();
	PG_RETURN_VOID();
}

/*
 * pgvector's library has settings of the same names, which the server does
 * not let two libraries define.  Before either is loaded there may be
 * placeholders.
 */
static void
refuse_second_library(void)
{
	if (GetConfigOption("hnsw.ef_search", true, false) == NULL ||
		(GetConfigOptionFlags("hnsw.ef_search", true) &
		 GUC_CUSTOM_PLACEHOLDER) != 0)
		return;

	/* To CREATE EXTENSION a new session is of no use */
	if (creating_extension)
		refuse_second_extension();
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("library \"vector_hnsw\" cannot be loaded beside another one with settings \"hnsw.*\""),
			 errdetail("This session has loaded that of pgvector, or a similar one."),
			 errhint("Start a new session.")));
}

static void
define_settings(void)
{
	DefineCustomIntVariable("hnsw.ef_search",
							"Sets the size of the dynamic candidate list for search.",
							"Valid range is 1..1000.",
							&hnsw_ef_search, HNSW_DEFAULT_EF_SEARCH,
							HNSW_MIN_EF_SEARCH, HNSW_MAX_EF_SEARCH,
							PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomEnumVariable("hnsw.iterative_scan",
							 "Sets how a scan goes on when the candidate list is used up.",
							 "\"off\" ends the scan there.",
							 &hnsw_iterative_scan,
							 HNSW_ITERATIVE_SCAN_STRICT_ORDER,
							 iterative_scan_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("hnsw.max_scan_tuples",
							"Sets the max number of tuples to visit for iterative scans.",
							"What was met by then is still returned.",
							&hnsw_max_scan_tuples, 20000, 1, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomRealVariable("hnsw.scan_mem_multiplier",
							 "Sets the multiple of work_mem to use for iterative scans.",
							 NULL,
							 &hnsw_scan_mem_multiplier, 1, 1, 1000,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("hnsw.rerank",
							 "Orders the rows of a scan by their exact distance.",
							 "\"off\" orders them by the index's own estimate and reads no table rows.",
							 &hnsw_rerank, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	MarkGUCPrefixReserved("hnsw");
}

void
_PG_init(void)
{
	refuse_second_library();
	distance_init();
	define_settings();
	hnsw_test_points_init();
	hnsw_init_reloptions();
}

PG_FUNCTION_INFO_V1(hnsw_kernels);

/* Name of the set of distance kernels that this backend uses. */
Datum
hnsw_kernels(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(distance_kernels->name));
}
