/*-------------------------------------------------------------------------
 *
 * heap_rows.h
 *	  Values that an index was made from, read from the table.
 *
 * src/am/heap_rows.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_HEAP_ROWS_H
#define HNSW_HEAP_ROWS_H

#include "access/tableam.h"
#include "nodes/execnodes.h"
#include "pages/index.h"

typedef struct HnswHeapRows
{
	Relation	heap;
	IndexFetchTableData *fetch; /* NULL: pages of the heap are read here */
	HnswSeenBlocks *seen;		/* NULL: their buffers are not remembered */
	BlockNumber nblocks;		/* of the heap, 0 not known */
	TupleTableSlot *slot;
	AttrNumber	column;			/* indexed; 0: an expression is, */
	IndexInfo  *index_info;		/* and only then this */
	EState	   *estate;			/* and this are set */
	MemoryContext row_context;	/* reset for each row */
} HnswHeapRows;

/* The most rows that hnsw_heap_rows_prefetch takes */
#define HNSW_HEAP_PREFETCH	16

extern HnswHeapRows *hnsw_heap_rows_open(Relation heap, Relation index,
										 HnswIndex *ix);

/* Asks for rows that are wanted soon.  A hint, TIDs may be any. */
extern void hnsw_heap_rows_prefetch(HnswHeapRows *rows,
									const ItemPointerData *tids, int n);

/*
 * The indexed value of the row that an index entry leads to, if the snapshot
 * sees one and it is not NULL.  The value lives until the next call.
 */
extern bool hnsw_heap_rows_fetch(HnswHeapRows *rows, ItemPointer tid,
								 Snapshot snapshot, Datum *value);

/* Lets go of the table's pages. */
extern void hnsw_heap_rows_reset(HnswHeapRows *rows);
extern void hnsw_heap_rows_close(HnswHeapRows *rows);

#endif							/* HNSW_HEAP_ROWS_H */
