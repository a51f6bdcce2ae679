/*-------------------------------------------------------------------------
 *
 * links.c
 *	  hnsw_index_links: the graph as rows.
 *
 * src/inspect/links.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "funcapi.h"
#include "inspect/inspect.h"
#include "utils/array.h"
#include "utils/memutils.h"

#define LINKS_COLUMNS	4

PG_FUNCTION_INFO_V1(hnsw_index_links);

static Datum
links_array(const PointId *links, int nlinks)
{
	Datum		elements[GRAPH_MAX_LINKS];

	for (int i = 0; i < nlinks; i++)
		elements[i] = Int64GetDatum(links[i]);
	return PointerGetDatum(construct_array(elements, nlinks, INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* The first heap row of a point; false when it stands for none. */
static bool
first_row(HnswReader *reader, PointId point, const HnswNodeCopy *copy,
		  const HnswNodeParts *parts, ItemPointer tid)
{
	ItemPointerData *tids;
	int			ntids;

	ntids = hnsw_reader_tids(reader, point, copy, parts, &tids);
	if (ntids > 0)
		*tid = tids[0];
	return ntids > 0;
}

/* One row for each level of a point; an id that is not in use has none. */
static void
put_point(ReturnSetInfo *result, HnswReader *reader, PointId point)
{
	HnswNodeCopy copy;
	HnswNodeParts parts;
	ItemPointerData tid;
	Datum		values[LINKS_COLUMNS];
	bool		isnull[LINKS_COLUMNS] = {0};

	hnsw_reader_node(reader, point, &copy, &parts);
	if ((copy.node.info & HNSW_NODE_PRESENT) == 0)
		return;

	values[0] = Int64GetDatum(point);
	isnull[2] = !first_row(reader, point, &copy, &parts, &tid);
	values[2] = PointerGetDatum(&tid);
	for (int level = 0; level <= HnswNodeLevel(&copy.node); level++)
	{
		PointId		links[GRAPH_MAX_LINKS];
		int			nlinks = hnsw_reader_links(reader, point, &copy, &parts,
											   level, links);

		values[1] = Int32GetDatum(level);
		values[3] = links_array(links, nlinks);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 isnull);
	}
}

Datum
hnsw_index_links(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	HnswReader	reader;
	Relation	index;
	PointId		point;
	MemoryContext context;
	MemoryContext old;

	InitMaterializedSRF(fcinfo, 0);
	if (result->setDesc->natts != LINKS_COLUMNS)
		elog(ERROR, "hnsw_index_links has a wrong declaration");

	index = inspect_open(PG_GETARG_OID(0));
	hnsw_reader_init(&reader, index);
	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw links",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	for (point = inspect_next_point(&reader, 0); PointIdIsValid(point);
		 point = inspect_next_point(&reader, (uint64) point + 1))
	{
		put_point(result, &reader, point);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	index_close(index, AccessShareLock);
	return (Datum) 0;
}
