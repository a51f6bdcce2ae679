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
#include "am/heap_pages.h"
#include "nodes/execnodes.h"

typedef struct HnswHeapRows
{
	HnswHeapPages *pages;		/* of the table */
	IndexFetchTableData *fetch; /* NULL: the table is a heap */
	TupleTableSlot *slot;
	AttrNumber	column;			/* indexed; 0: an expression is, */
	IndexInfo  *index_info;		/* and only then this */
	EState	   *estate;			/* and this are set */
	MemoryContext row_context;	/* reset for each row */
} HnswHeapRows;

/* pages are the caller's, and live as long. */
extern HnswHeapRows *hnsw_heap_rows_open(HnswHeapPages *pages,
										 Relation index);

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
