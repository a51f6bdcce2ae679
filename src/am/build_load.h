/*-------------------------------------------------------------------------
 *
 * build_load.h
 *	  From the table to coded rows.
 *
 * src/am/build_load.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BUILD_LOAD_H
#define HNSW_BUILD_LOAD_H

#include "access/relscan.h"
#include "am/build_rows.h"
#include "nodes/execnodes.h"
#include "port/atomics.h"

/*
 * Norms of the vectors read, for the inner product.  Logarithms are added up as
 * whole numbers, so that it does not matter who read which row.
 */
typedef struct NormTotals
{
	int64		logs;			/* of squared norms, see build_load.c */
	uint64		count;
} NormTotals;

typedef struct BuildLoad
{
	Relation	heap;
	Relation	index;
	IndexInfo  *index_info;
	Quantizer  *quantizer;
	TableScanDesc scan;			/* part of a parallel scan, or NULL */
	RowWriter  *writer;
	NormTotals	norms;
	pg_atomic_uint64 *nloaded;	/* rows of all who load */
	bool		reports;		/* shows progress */
} BuildLoad;

/* Reads the table, or a part; returns how many rows it has. */
extern double build_load(BuildLoad *load);

/* The lift of the inner product, see Quantizer, that suits such norms */
extern float build_load_lift(const NormTotals *norms);

#endif							/* HNSW_BUILD_LOAD_H */
