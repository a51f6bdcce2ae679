/*-------------------------------------------------------------------------
 *
 * build_rows.h
 *	  The coded rows of a table on their way into an index that is built.
 *
 * Every process that reads a part of the table writes its rows to a temporary
 * file.  Together they are read in the order of the table's blocks, which
 * does not depend on who read what.
 *
 * src/am/build_rows.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BUILD_ROWS_H
#define HNSW_BUILD_ROWS_H

#include "am/opclass.h"
#include "quantize/quantize.h"
#include "storage/itemptr.h"
#include "storage/sharedfileset.h"

/*
 * A row as it is written: this, the factors, the code.  A code with refinement
 * is joined with it.
 */
typedef struct BuildRow
{
	uint64		hash;			/* of the vector */
	uint32		code_size;		/* with the refinement */
	ItemPointerData tid;
} BuildRow;

/* How many there are, and the sum of their code_size */
typedef struct RowTotals
{
	uint64		nrows;
	Size		code_bytes;
} RowTotals;

/* With the factors of the refinement, which follow those of the code */
static inline int
build_row_nfactors(const Quantizer *quantizer)
{
	return quantizer->nfactors + quantizer->nrefine_factors;
}

static inline Size
build_row_size(const Quantizer *quantizer, Size code_size)
{
	return MAXALIGN(sizeof(BuildRow) +
					build_row_nfactors(quantizer) * sizeof(float) + code_size);
}

static inline float *
build_row_factors(const BuildRow *row)
{
	return (float *) (row + 1);
}

static inline uint8 *
build_row_code(const Quantizer *quantizer, const BuildRow *row)
{
	return (uint8 *) (build_row_factors(row) + build_row_nfactors(quantizer));
}

/* Rows in files that this process has to itself, or in one of a set. */
typedef struct RowWriter RowWriter;

extern RowWriter *row_writer_create(Quantizer *quantizer,
									SharedFileSet *files, int number);
extern void row_writer_add(RowWriter *writer, const HnswVector *vector,
						   uint64 hash, ItemPointer tid);

/* Adds a row that is coded already. */
extern void row_writer_copy(RowWriter *writer, ItemPointerData tid,
							const uint8 *code, const float *factors);
extern const RowTotals *row_writer_totals(const RowWriter *writer);

/* Ends the file of a set, so that others can read it. */
extern void row_writer_finish(RowWriter *writer);

typedef struct RowReader RowReader;

/*
 * Reads what one writer has written, whose file it closes in the end, or
 * files 0 to nfiles - 1 of a set.
 */
extern RowReader *row_reader_create(Quantizer *quantizer, RowWriter *writer,
									SharedFileSet *files, int nfiles);

/* The next row, valid until the next call; NULL when there is none */
extern const BuildRow *row_reader_next(RowReader *reader);

/* Back to the first row */
extern void row_reader_rewind(RowReader *reader);
extern void row_reader_free(RowReader *reader);

#endif							/* HNSW_BUILD_ROWS_H */
