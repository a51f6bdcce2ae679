/*-------------------------------------------------------------------------
 *
 * build_rows.c
 *	  The coded rows of a table on their way into an index that is built.
 *
 * A scan reads blocks in ascending order, whether alone or with others that
 * take other blocks.  So each file is in order, and to merge them is to take
 * from the one whose next row is of the lowest block.  All rows of a block
 * are in one file.
 *
 * src/am/build_rows.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/build_rows.h"
#include "compat.h"
#include "storage/buffile.h"

struct RowWriter
{
	Quantizer  *quantizer;
	BufFile    *file;
	BuildRow   *row;			/* the one being written */
	uint8	   *split_code;		/* before it is joined with its refinement */
	RowTotals	totals;
};

/* One file being read */
typedef struct RowSource
{
	BufFile    *file;
	BuildRow   *row;			/* the next row */
	bool		at_end;
} RowSource;

struct RowReader
{
	const Quantizer *quantizer;
	int			nsources;
	RowSource  *current;		/* its row is what was read last */
	RowSource	sources[FLEXIBLE_ARRAY_MEMBER];
};

static void
file_name(char *name, int number)
{
	snprintf(name, MAXPGPATH, "hnsw.%d", number);
}

static Size
max_row_size(const Quantizer *quantizer)
{
	return build_row_size(quantizer, quantizer->max_code_size +
						  quantizer->refine_size);
}

/*-------------------------------------------------------------------------
 * Writing
 *-------------------------------------------------------------------------
 */
RowWriter *
row_writer_create(Quantizer *quantizer, SharedFileSet *files, int number)
{
	RowWriter  *writer = palloc0(sizeof(RowWriter));
	char		name[MAXPGPATH];

	writer->quantizer = quantizer;
	writer->row = palloc0(max_row_size(quantizer));
	writer->split_code = palloc(quantizer->code_size +
								quantizer->refine_size + 1);
	file_name(name, number);
	writer->file = files == NULL ? BufFileCreateTemp(false) :
		BufFileCreateFileSet(SharedFileSetFiles(files), name);
	return writer;
}

static void
write_row(RowWriter *writer)
{
	const Quantizer *quantizer = writer->quantizer;
	BuildRow   *row = writer->row;

	row->code_size = quantizer_code_size(quantizer,
										 build_row_code(quantizer, row)) +
		quantizer->refine_size;
	BufFileWrite(writer->file, row, build_row_size(quantizer, row->code_size));
	writer->totals.nrows++;
	writer->totals.code_bytes += row->code_size;
}

void
row_writer_add(RowWriter *writer, const HnswVector *vector, uint64 hash,
			   ItemPointer tid)
{
	Quantizer  *quantizer = writer->quantizer;
	BuildRow   *row = writer->row;
	float	   *factors = build_row_factors(row);
	uint8	   *code = build_row_code(quantizer, row);

	if (quantizer->refine_size == 0)
		quantizer_encode(quantizer, vector, code, factors, NULL, NULL);
	else
	{
		uint8	   *refine = writer->split_code + quantizer->code_size;

		quantizer_encode(quantizer, vector, writer->split_code, factors,
						 refine, factors + quantizer->nfactors);
		quantizer_join(quantizer, writer->split_code, refine, code);
	}
	row->hash = hash;
	row->tid = *tid;
	write_row(writer);
}

void
row_writer_copy(RowWriter *writer, ItemPointerData tid, const uint8 *code,
				const float *factors)
{
	const Quantizer *quantizer = writer->quantizer;
	BuildRow   *row = writer->row;

	row->hash = 0;
	row->tid = tid;
	memcpy(build_row_factors(row), factors,
		   build_row_nfactors(quantizer) * sizeof(float));
	memcpy(build_row_code(quantizer, row), code,
		   quantizer_code_size(quantizer, code) + quantizer->refine_size);
	write_row(writer);
}

const RowTotals *
row_writer_totals(const RowWriter *writer)
{
	return &writer->totals;
}

void
row_writer_finish(RowWriter *writer)
{
	BufFileExportFileSet(writer->file);
	BufFileClose(writer->file);
	pfree(writer->row);
	pfree(writer->split_code);
	pfree(writer);
}

/*-------------------------------------------------------------------------
 * Reading
 *-------------------------------------------------------------------------
 */
static void
read_ahead(RowReader *reader, RowSource *source)
{
	BuildRow   *row = source->row;

	source->at_end = BufFileReadMaybeEOF(source->file, row, sizeof(BuildRow),
										 true) == 0;
	if (!source->at_end)
		BufFileReadExact(source->file, row + 1,
						 build_row_size(reader->quantizer, row->code_size) -
						 sizeof(BuildRow));
}

void
row_reader_rewind(RowReader *reader)
{
	reader->current = NULL;
	for (int i = 0; i < reader->nsources; i++)
	{
		RowSource  *source = &reader->sources[i];

		if (BufFileSeek(source->file, 0, 0, SEEK_SET) != 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not rewind temporary file of hnsw index build")));
		read_ahead(reader, source);
	}
}

RowReader *
row_reader_create(Quantizer *quantizer, RowWriter *writer,
				  SharedFileSet *files, int nfiles)
{
	int			nsources = files == NULL ? 1 : nfiles;
	RowReader  *reader = palloc0(offsetof(RowReader, sources) +
								 nsources * sizeof(RowSource));

	reader->quantizer = quantizer;
	reader->nsources = nsources;
	for (int i = 0; i < nsources; i++)
	{
		RowSource  *source = &reader->sources[i];
		char		name[MAXPGPATH];

		file_name(name, i);
		source->file = files == NULL ? writer->file :
			BufFileOpenFileSet(SharedFileSetFiles(files), name, O_RDONLY,
							   false);
		source->row = palloc(max_row_size(quantizer));
	}
	row_reader_rewind(reader);
	return reader;
}

static BlockNumber
next_block(const RowSource *source)
{
	return source->at_end ? InvalidBlockNumber :
		ItemPointerGetBlockNumber(&source->row->tid);
}

const BuildRow *
row_reader_next(RowReader *reader)
{
	RowSource  *lowest = &reader->sources[0];

	if (reader->current != NULL)
		read_ahead(reader, reader->current);
	for (int i = 1; i < reader->nsources; i++)
	{
		RowSource  *source = &reader->sources[i];

		if (next_block(source) < next_block(lowest))
			lowest = source;
	}
	reader->current = lowest->at_end ? NULL : lowest;
	return lowest->at_end ? NULL : lowest->row;
}

void
row_reader_free(RowReader *reader)
{
	for (int i = 0; i < reader->nsources; i++)
	{
		BufFileClose(reader->sources[i].file);
		pfree(reader->sources[i].row);
	}
	pfree(reader);
}
