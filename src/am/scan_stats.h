/*-------------------------------------------------------------------------
 *
 * scan_stats.h
 *	  What the last index scan of this backend did.
 *
 * src/am/scan_stats.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_SCAN_STATS_H
#define HNSW_SCAN_STATS_H

#include "graph/graph.h"
#include "pages/reader.h"
#include "portability/instr_time.h"

typedef enum HnswScanCounter
{
	HNSW_STAT_REFINED,			/* keys computed from code and refinement */
	HNSW_STAT_RERANKED,			/* rows whose exact distance was computed */
	HNSW_STAT_CONTINUATIONS,	/* searches that went on past ef */
	HNSW_NUM_SCAN_COUNTERS
} HnswScanCounter;

typedef struct HnswScanStats
{
	Oid			index;			/* InvalidOid: there was no scan yet */
	uint64		counters[HNSW_NUM_SCAN_COUNTERS];
	uint64		rows;
	GraphSearchStats search;
	uint64		pins[HNSW_NUM_REGIONS + 1];
	instr_time	elapsed;		/* inside the access method */
	instr_time	resumed;
} HnswScanStats;

extern HnswScanStats hnsw_last_scan;

static inline void
hnsw_scan_stats_count(HnswScanCounter counter, uint64 n)
{
	hnsw_last_scan.counters[counter] += n;
}

extern void hnsw_scan_stats_resume(void);
extern void hnsw_scan_stats_reset(Oid index);
extern void hnsw_scan_stats_pause(const HnswReader *reader,
								  const GraphSearchStats *search, bool row);

#endif							/* HNSW_SCAN_STATS_H */
