/*-------------------------------------------------------------------------
 *
 * scan_stats.c
 *	  What the last index scan of this backend did.
 *
 * Counters of two scans that run by turns in one backend are mixed up; the
 * one that began last says which index they are about.
 *
 * src/am/scan_stats.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/scan_stats.h"
#include "compat.h"
#include "funcapi.h"

HnswScanStats hnsw_last_scan;

void
hnsw_scan_stats_resume(void)
{
	INSTR_TIME_SET_CURRENT(hnsw_last_scan.resumed);
}

void
hnsw_scan_stats_reset(Oid index)
{
	instr_time	resumed = hnsw_last_scan.resumed;

	memset(&hnsw_last_scan, 0, sizeof(hnsw_last_scan));
	hnsw_last_scan.index = index;
	hnsw_last_scan.resumed = resumed;
}

void
hnsw_scan_stats_pause(const HnswReader *reader,
					  const GraphSearchStats *search, bool row)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_ACCUM_DIFF(hnsw_last_scan.elapsed, now, hnsw_last_scan.resumed);
	memcpy(hnsw_last_scan.pins, reader->pins, sizeof(hnsw_last_scan.pins));
	hnsw_last_scan.search = *search;
	hnsw_last_scan.rows += row;
}

PG_FUNCTION_INFO_V1(hnsw_scan_stats);

/*
 * One row, NULLs before the first scan: index, rows, points visited, points
 * expanded, keys refined, rows reranked, continuations, pins by region,
 * microseconds inside the access method.
 */
Datum
hnsw_scan_stats(PG_FUNCTION_ARGS)
{
	const HnswScanStats *stats = &hnsw_last_scan;
	Datum		values[14];
	bool		isnull[14];
	TupleDesc	tupdesc;
	int			n = 0;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE ||
		tupdesc->natts != lengthof(values))
		elog(ERROR, "hnsw_scan_stats has a wrong declaration");

	memset(isnull, !OidIsValid(stats->index), sizeof(isnull));
	values[n++] = ObjectIdGetDatum(stats->index);
	values[n++] = Int64GetDatum(stats->rows);
	values[n++] = Int64GetDatum(stats->search.visited);
	values[n++] = Int64GetDatum(stats->search.expanded);
	values[n++] = Int64GetDatum(stats->counters[HNSW_STAT_REFINED]);
	values[n++] = Int64GetDatum(stats->counters[HNSW_STAT_RERANKED]);
	values[n++] = Int64GetDatum(stats->counters[HNSW_STAT_CONTINUATIONS]);
	for (int region = HNSW_REGION_PARAMS; region <= HNSW_NUM_REGIONS; region++)
		values[n++] = Int64GetDatum(stats->pins[region]);
	values[n++] = Float8GetDatum(INSTR_TIME_GET_MICROSEC(stats->elapsed));

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc),
													  values, isnull)));
}
