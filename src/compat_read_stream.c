/*-------------------------------------------------------------------------
 *
 * compat_read_stream.c
 *	  Streams of blocks for servers before 17.
 *
 * Blocks are asked for with PrefetchBuffer as far ahead as
 * maintenance_io_concurrency says, at least one.  There is no data for each
 * buffer, which nothing here needs.
 *
 * src/compat_read_stream.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"

#ifdef COMPAT_READ_STREAM

#include "utils/spccache.h"

struct ReadStream
{
	Relation	rel;
	ForkNumber	forknum;
	BufferAccessStrategy strategy;
	ReadStreamBlockNumberCB callback;
	void	   *callback_private_data;
	bool		ended;			/* the callback has no more */

	/* a ring of the blocks that were asked for and not given */
	int			distance;
	int			first;
	int			nblocks;
	BlockNumber blocks[FLEXIBLE_ARRAY_MEMBER];
};

ReadStream *
read_stream_begin_relation(int flags, BufferAccessStrategy strategy,
						   Relation rel, ForkNumber forknum,
						   ReadStreamBlockNumberCB callback,
						   void *callback_private_data,
						   size_t per_buffer_data_size)
{
	Oid			tablespace = rel->rd_rel->reltablespace;
	int			distance = (flags & READ_STREAM_MAINTENANCE) != 0 ?
		get_tablespace_maintenance_io_concurrency(tablespace) :
		get_tablespace_io_concurrency(tablespace);
	ReadStream *stream;

	Assert(per_buffer_data_size == 0);
	distance = Max(distance, 1);
	stream = palloc0(offsetof(ReadStream, blocks) +
					 distance * sizeof(BlockNumber));
	stream->rel = rel;
	stream->forknum = forknum;
	stream->strategy = strategy;
	stream->callback = callback;
	stream->callback_private_data = callback_private_data;
	stream->distance = distance;
	return stream;
}

static void
look_ahead(ReadStream *stream)
{
	while (!stream->ended && stream->nblocks < stream->distance)
	{
		BlockNumber block = stream->callback(stream,
											 stream->callback_private_data,
											 NULL);

		if (block == InvalidBlockNumber)
		{
			stream->ended = true;
			return;
		}
		stream->blocks[(stream->first + stream->nblocks++) %
					   stream->distance] = block;
		if (stream->distance > 1)
			(void) PrefetchBuffer(stream->rel, stream->forknum, block);
	}
}

Buffer
read_stream_next_buffer(ReadStream *stream, void **per_buffer_data)
{
	BlockNumber block;

	look_ahead(stream);
	if (stream->nblocks == 0)
		return InvalidBuffer;
	block = stream->blocks[stream->first];
	stream->first = (stream->first + 1) % stream->distance;
	stream->nblocks--;
	return ReadBufferExtended(stream->rel, stream->forknum, block, RBM_NORMAL,
							  stream->strategy);
}

void
read_stream_end(ReadStream *stream)
{
	pfree(stream);
}

#endif							/* COMPAT_READ_STREAM */
