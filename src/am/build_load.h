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

typedef struct BuildLoad
{
	Relation	heap;
	Relation	index;
	IndexInfo  *index_info;
	Quantizer  *quantizer;
	TableScanDesc scan;			/* part of a parallel scan, or NULL */
	RowWriter  *writer;
	double		max_norm_sq;	/* of the vectors read, if it matters */
	pg_atomic_uint64 *nloaded;	/* rows of all who load */
	bool		reports;		/* shows progress */
} BuildLoad;

/* Reads the table, or a part; returns how many rows it has. */
extern double build_load(BuildLoad *load);

#endif							/* HNSW_BUILD_LOAD_H */
