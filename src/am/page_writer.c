/*-------------------------------------------------------------------------
 *
 * page_writer.c
 *	  An index on disk as a graph that changes.
 *
 * src/am/page_writer.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/page_writer.h"
#include "compat.h"

static inline HnswReader *
writer_reader(GraphWriter *writer)
{
	return ((HnswPageWriter *) writer)->reader;
}

static GraphEntry
page_writer_get_entry(GraphWriter *writer)
{
	HnswReader *reader = writer_reader(writer);

	hnsw_index_refresh(reader->ix, reader->index);
	return hnsw_index_entry(reader->ix);
}

static bool
page_writer_set_entry(GraphWriter *writer, PointId seen, GraphEntry entry,
					  bool linked)
{
	return hnsw_writer_entry(writer_reader(writer), seen, entry, linked);
}

static bool
page_writer_read_links(GraphWriter *writer, PointId point, GraphLevel level,
					   GraphLinkChange *change)
{
	return hnsw_writer_read_links(writer_reader(writer), point, level,
								  (HnswLinkChange *) change);
}

static void
page_writer_write_links(GraphWriter *writer, GraphLinkChange *changes, int n)
{
	hnsw_writer_links(writer_reader(writer), (HnswLinkChange *) changes, n);
}

void
hnsw_page_writer_init(HnswPageWriter *writer, HnswReader *reader)
{
	memset(writer, 0, sizeof(HnswPageWriter));
	writer->writer.change_size = sizeof(HnswLinkChange);
	writer->writer.get_entry = page_writer_get_entry;
	writer->writer.set_entry = page_writer_set_entry;
	writer->writer.read_links = page_writer_read_links;
	writer->writer.write_links = page_writer_write_links;
	writer->reader = reader;
}

GraphSelectOptions
hnsw_select_options(const HnswMetaPageData *meta)
{
	GraphSelectOptions select;

	select.heuristic = (meta->select_flags & HNSW_SELECT_HEURISTIC) != 0;
	select.extend_candidates = (meta->select_flags & HNSW_SELECT_EXTEND) != 0;
	select.keep_pruned = (meta->select_flags & HNSW_SELECT_KEEP_PRUNED) != 0;
	return select;
}
