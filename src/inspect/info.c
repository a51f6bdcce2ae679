/*-------------------------------------------------------------------------
 *
 * info.c
 *	  hnsw_index_info: the metapage of an index as a row.
 *
 * src/inspect/info.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "compat.h"
#include "funcapi.h"
#include "inspect/inspect.h"
#include "utils/builtins.h"

#define INFO_COLUMNS	24

PG_FUNCTION_INFO_V1(hnsw_index_info);

/* Names as the operator classes and storage parameters have them */
static const char *
metric_name(HnswMetric metric)
{
	switch (metric)
	{
		case HNSW_METRIC_L2:
			return "l2";
		case HNSW_METRIC_IP:
			return "ip";
		case HNSW_METRIC_COSINE:
			return "cosine";
		case HNSW_METRIC_L1:
			return "l1";
		case HNSW_METRIC_HAMMING:
			return "hamming";
		case HNSW_METRIC_JACCARD:
			return "jaccard";
	}
	return "unknown";
}

static const char *
quantizer_name(QuantizerKind kind)
{
	switch (kind)
	{
		case QUANTIZER_FLOAT:
			return "float";
		case QUANTIZER_8:
			return "8";
		case QUANTIZER_4:
			return "4";
		case QUANTIZER_LINEAR8:
			return "8 (linear)";
		case QUANTIZER_BITS:
			return "bits";
		case QUANTIZER_SPARSE_FLOAT:
			return "float (sparse)";
		case QUANTIZER_SPARSE_8:
			return "8 (sparse)";
	}
	return "unknown";
}

/* A row being put together, column by column */
typedef struct InfoRow
{
	Datum		values[INFO_COLUMNS];
	bool		isnull[INFO_COLUMNS];
	int			n;
} InfoRow;

static void
add_value(InfoRow *row, Datum value)
{
	Assert(row->n < INFO_COLUMNS);
	row->isnull[row->n] = false;
	row->values[row->n++] = value;
}

static void
add_bigint(InfoRow *row, int64 value)
{
	add_value(row, Int64GetDatum(value));
}

static void
add_text(InfoRow *row, const char *value)
{
	add_value(row, CStringGetTextDatum(value));
}

static void
add_flag(InfoRow *row, uint8 flags, uint8 flag)
{
	add_value(row, BoolGetDatum((flags & flag) != 0));
}

static void
add_null(InfoRow *row)
{
	Assert(row->n < INFO_COLUMNS);
	row->isnull[row->n] = true;
	row->values[row->n++] = (Datum) 0;
}

static void
add_settings(InfoRow *row, const HnswMetaPageData *meta)
{
	add_value(row, Int32GetDatum(meta->version));
	add_bigint(row, meta->may_read);
	add_bigint(row, meta->may_write);
	add_value(row, Int32GetDatum(meta->dimensions));
	add_text(row, metric_name(meta->metric));
	add_text(row, quantizer_name(meta->quantizer));
	add_text(row, meta->link_format == LINK_FORMAT_PLAIN ? "plain" : "packed");
	add_value(row, Int32GetDatum(meta->m));
	add_value(row, Int32GetDatum(meta->ef_construction));
	add_text(row, (meta->select_flags & HNSW_SELECT_HEURISTIC) != 0 ?
			 "heuristic" : "simple");
	add_flag(row, meta->select_flags, HNSW_SELECT_EXTEND);
	add_flag(row, meta->select_flags, HNSW_SELECT_KEEP_PRUNED);
	add_bigint(row, (int64) meta->seed);
}

static void
add_graph(InfoRow *row, const HnswIndex *ix)
{
	const HnswMetaPageData *meta = &ix->meta;

	add_bigint(row, meta->npoints);
	if (PointIdIsValid(meta->entry_point))
	{
		add_value(row, Int32GetDatum(meta->entry_level + 1));
		add_bigint(row, meta->entry_point);
		add_value(row, Int32GetDatum(meta->entry_level));
	}
	else
	{
		add_value(row, Int32GetDatum(0));
		add_null(row);
		add_null(row);
	}
	add_bigint(row, meta->nslots);
	add_value(row, Int32GetDatum(ix->codes.per_page));
	add_value(row, Int32GetDatum(ix->codes.pages_per_record));
	add_value(row, Int32GetDatum(meta->nodes_per_page));
}

static void
add_file_size(InfoRow *row, BlockNumber nblocks, uint32 npoints)
{
	double		bytes = (double) nblocks * BLCKSZ;

	add_bigint(row, nblocks);
	add_bigint(row, (int64) nblocks * BLCKSZ);
	if (npoints > 0)
		add_value(row, Float8GetDatum(bytes / npoints));
	else
		add_null(row);
}

Datum
hnsw_index_info(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	Relation	index;
	HnswIndex  *ix;
	InfoRow		row = {.n = 0};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE ||
		tupdesc->natts != INFO_COLUMNS)
		elog(ERROR, "hnsw_index_info has a wrong declaration");

	index = inspect_open(PG_GETARG_OID(0));
	ix = hnsw_index_open(index);
	add_settings(&row, &ix->meta);
	add_graph(&row, ix);
	add_file_size(&row, RelationGetNumberOfBlocks(index), ix->meta.npoints);
	index_close(index, AccessShareLock);
	Assert(row.n == INFO_COLUMNS);

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc),
													  row.values,
													  row.isnull)));
}
