/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  The fast way to the pages of an index.
 *
 * The ordinary way to a page costs half a microsecond, most of it cache
 * misses in a chain: hash table, buffer descriptor, page, item.  A reader
 * knows the buffer from last time, so it can ask the CPU for descriptor and
 * record of all the points of a step at once before it looks at the first,
 * and mostly it looks without a pin (unpinned.h).
 *
 * src/pages/reader.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pages/reader_internal.h"

void
hnsw_reader_use(HnswReader *reader, Relation index, HnswIndex *ix)
{
	memset(reader, 0, sizeof(HnswReader));
	reader->index = index;
	reader->ix = ix;
}

void
hnsw_reader_init(HnswReader *reader, Relation index)
{
	hnsw_reader_use(reader, index, hnsw_index_open(index));
}

void
hnsw_reader_begin_search(HnswReader *reader)
{
	reader->searching = true;
	hnsw_page_uses_begin(reader->ix);
}

void
hnsw_point_corrupted(HnswReader *reader, PointId point, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is corrupted at point %u",
					RelationGetRelationName(reader->index), point),
			 errdetail("%s", what),
			 errhint("Please REINDEX it.")));
}

void
hnsw_page_missing(HnswReader *reader, HnswRegionId region, uint32 page_no)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" has no page %u in region \"%s\"",
					RelationGetRelationName(reader->index), page_no,
					hnsw_region_name(region)),
			 errhint("Please REINDEX it.")));
}

/*
 * A read through the server's buffer table, that also looks whether the page is
 * the right one.  The lock, here and in hnsw_pin_block, is for replay on a
 * standby: the page of an image that is being restored is zero, and locked,
 * before it is what it should be.
 */
static Buffer
read_and_remember(HnswReader *reader, HnswRegionId region, uint32 page_no,
				  BlockNumber block)
{
	BufferAccessStrategy strategy = reader->searching ?
		page_strategy(reader->ix, block) : NULL;
	Buffer		buffer = ReadBufferExtended(reader->index, MAIN_FORKNUM, block,
											RBM_NORMAL, strategy);

	reader->ix->recent[block] = 0;
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	hnsw_page_verify(BufferGetPage(buffer), region, page_no, block,
					 RelationGetRelationName(reader->index));
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	reader->ix->recent[block] = buffer;
	return buffer;
}

/*
 * Pins a block that is page page_no of the region.  The page was verified
 * when it was first remembered; since then it can only have left the buffer.
 */
Buffer
hnsw_pin_block(HnswReader *reader, HnswRegionId region, uint32 page_no,
			   BlockNumber block)
{
	Buffer		buffer = reader->ix->recent[block];
	uint32		usage_due = reader->searching ?
		page_usage_due(reader->ix, block) : 1;

	reader->pins[region]++;
	if (!pin_where_seen(reader->index, block, buffer, usage_due))
		return read_and_remember(reader, region, page_no, block);
	if (unpinned_is_changing(buffer))
	{
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	}
	return buffer;
}

BlockNumber
hnsw_reader_block(HnswReader *reader, HnswRegionId region, uint32 page_no)
{
	return locate_page(reader, region, page_no);
}

Page
hnsw_reader_pin(HnswReader *reader, HnswRegionId region, uint32 page_no,
				Buffer *buffer)
{
	*buffer = hnsw_pin_block(reader, region, page_no,
							 locate_page(reader, region, page_no));
	return BufferGetPage(*buffer);
}
