/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  A row that comes after the build.
 *
 * src/am/insert.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/hnsw.h"
#include "compat.h"

bool
hnsw_insert(Relation index, Datum *values, bool *isnull,
			ItemPointer heap_tid, Relation heap,
			IndexUniqueCheck check_unique, bool index_unchanged,
			IndexInfo *index_info)
{
	/* Rows without a vector are none of the index's business */
	if (isnull[0])
		return false;

	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot insert into table \"%s\" because of its hnsw index \"%s\"",
					RelationGetRelationName(heap),
					RelationGetRelationName(index)),
			 errdetail("This version of vector_hnsw does not add rows to an index after its build."),
			 errhint("Drop the index, insert, and create the index again.")));
	return false;
}
