/*-------------------------------------------------------------------------
 *
 * inspect.c
 *	  Opening an index to look into it.
 *
 * src/inspect/inspect.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xlog.h"
#include "am/hnsw.h"
#include "compat.h"
#include "inspect/inspect.h"

/* The blocks of the index are there, and this session can read them. */
static void
require_readable(Relation index)
{
	if (RELATION_IS_OTHER_TEMP(index))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary indexes of other sessions"),
				 errdetail("Index \"%s\" belongs to a temporary table of another session.",
						   RelationGetRelationName(index))));

	if (index->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED &&
		RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access unlogged index \"%s\" during recovery",
						RelationGetRelationName(index))));

	if (!index->rd_index->indisvalid || !index->rd_index->indisready)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is not valid",
						RelationGetRelationName(index)),
				 errdetail("It is being built, or its build has failed."),
				 errhint("If its build has failed, REINDEX it.")));
}

Relation
inspect_open(Oid relid)
{
	Relation	index = relation_open(relid, AccessShareLock);

	/* an access method may have any name, but only ours builds like this */
	if (index->rd_rel->relkind != RELKIND_INDEX ||
		index->rd_indam == NULL ||
		index->rd_indam->ambuild != hnsw_build)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an hnsw index",
						RelationGetRelationName(index)),
				 index->rd_rel->relkind == RELKIND_PARTITIONED_INDEX ?
				 errdetail("It is the index of a partitioned table, which stores nothing itself.") :
				 0));
	require_readable(index);
	return index;
}

/* Was this page of the node region ever written? */
static bool
is_written(HnswReader *reader, uint32 page_no)
{
	BlockNumber block = hnsw_reader_block(reader, HNSW_REGION_NODES, page_no);
	Buffer		buffer;
	bool		written;

	if (block >= RelationGetNumberOfBlocks(reader->index))
		return false;
	buffer = ReadBuffer(reader->index, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	written = !PageIsNew(BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);
	return written;
}

PointId
inspect_next_point(HnswReader *reader, uint64 point)
{
	const HnswMetaPageData *meta = &reader->ix->meta;
	uint32		per_page = meta->nodes_per_page;

	while (point < meta->npoints && point % per_page == 0 &&
		   !is_written(reader, point / per_page))
		point += per_page;
	return point < meta->npoints ? (PointId) point : InvalidPointId;
}
