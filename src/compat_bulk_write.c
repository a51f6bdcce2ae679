/*-------------------------------------------------------------------------
 *
 * compat_bulk_write.c
 *	  Bulk writing for servers before 17.
 *
 * Same contract as the server's own since 17: the caller is the only one who
 * knows the fork, hands over finished pages in any order, each block once,
 * and keeps the buffer manager out of it until the end.
 *
 * Pages collect in a batch.  A full batch is logged as one WAL record, then
 * written in ascending order; a gap before a block is filled with zero pages,
 * so that the file always grows at its end.  The log comes first because
 * it gives the pages their LSN.
 *
 * Nothing tells the checkpointer of these writes.  A checkpoint that starts
 * after a batch was logged and before it was written would start recovery
 * behind its record and know nothing of the file, so the whole fork is
 * synced at the end, before the transaction can commit.  17 can leave that
 * to the checkpointer when none has started meanwhile; that needs functions
 * of the storage manager that older servers lack.
 *
 * src/compat_bulk_write.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"

#ifdef COMPAT_BULK_WRITE

#include "access/xloginsert.h"
#include "storage/bufpage.h"
#include "storage/smgr.h"
#include "utils/memutils.h"

/* What one WAL record can name */
#define BULK_WRITE_BATCH	XLR_MAX_BLOCK_ID

typedef struct BulkWritePage
{
	BlockNumber block;
	BulkWriteBuffer buffer;
	bool		page_std;		/* has the free space of a standard page */
} BulkWritePage;

struct BulkWriteState
{
	Relation	rel;			/* not its SMgrRelation, which can be closed by
								 * an invalidation */
	ForkNumber	forknum;
	bool		use_wal;
	bool		must_sync;
	BlockNumber nblocks;		/* size of the fork */
	MemoryContext context;		/* of the pages */
	int			npages;
	BulkWritePage pages[BULK_WRITE_BATCH];
};

static const PGIOAlignedBlock zero_page = {{0}};

/*
 * Starts to write a fork of rel; what the fork holds already stays.  The
 * state and the pages live in the current memory context.
 *
 * The init fork of an unlogged relation is logged and synced like a
 * permanent one.  The other forks of an unlogged one outlive a clean shutdown
 * and so must be synced, too.  A permanent relation that is not logged (new in
 * this transaction, wal_level = minimal) is synced or logged by the commit.
 */
BulkWriteState *
smgr_bulk_start_rel(Relation rel, ForkNumber forknum)
{
	BulkWriteState *state = palloc_object(BulkWriteState);

	state->rel = rel;
	state->forknum = forknum;
	state->use_wal = RelationNeedsWAL(rel) || forknum == INIT_FORKNUM;
	state->must_sync = state->use_wal ||
		rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED;
	state->nblocks = smgrnblocks(RelationGetSmgr(rel), forknum);
	state->context = CurrentMemoryContext;
	state->npages = 0;
	return state;
}

/*
 * Gives a page's memory, not initialized.  smgr_bulk_write takes it back.
 */
BulkWriteBuffer
smgr_bulk_get_buf(BulkWriteState *state)
{
	return MemoryContextAllocAligned(state->context, BLCKSZ,
									 PG_IO_ALIGN_SIZE, 0);
}

/*
 * Logs the batch.  One record has one page_std for all its pages.
 */
static void
log_batch(BulkWriteState *state)
{
	BlockNumber blocks[BULK_WRITE_BATCH];
	Page		pages[BULK_WRITE_BATCH];
	bool		page_std = true;

	for (int i = 0; i < state->npages; i++)
	{
		blocks[i] = state->pages[i].block;
		pages[i] = state->pages[i].buffer->data;
		page_std = page_std && state->pages[i].page_std;
	}
	log_newpages(&state->rel->rd_locator, state->forknum, state->npages,
				 blocks, pages, page_std);
}

static void
write_page(BulkWriteState *state, BlockNumber block, BulkWriteBuffer buffer)
{
	SMgrRelation smgr = RelationGetSmgr(state->rel);

	PageSetChecksumInplace(buffer->data, block);

	if (block < state->nblocks)
	{
		smgrwrite(smgr, state->forknum, block, buffer->data, true);
		return;
	}

	while (state->nblocks < block)
		smgrextend(smgr, state->forknum, state->nblocks++,
				   (char *) zero_page.data, true);
	smgrextend(smgr, state->forknum, state->nblocks++, buffer->data, true);
}

static void
flush_batch(BulkWriteState *state)
{
	if (state->npages == 0)
		return;

	if (state->use_wal)
		log_batch(state);
	for (int i = 0; i < state->npages; i++)
	{
		write_page(state, state->pages[i].block, state->pages[i].buffer);
		pfree(state->pages[i].buffer);
	}
	state->npages = 0;
}

/*
 * Takes a finished page.  The batch is kept in ascending order; as pages
 * mostly come that way, the loop mostly ends at once.
 */
void
smgr_bulk_write(BulkWriteState *state, BlockNumber block,
				BulkWriteBuffer buffer, bool page_std)
{
	int			i = state->npages++;

	for (; i > 0 && state->pages[i - 1].block > block; i--)
		state->pages[i] = state->pages[i - 1];
	Assert(i == 0 || state->pages[i - 1].block < block);
	state->pages[i].block = block;
	state->pages[i].buffer = buffer;
	state->pages[i].page_std = page_std;

	if (state->npages == BULK_WRITE_BATCH)
		flush_batch(state);
}

/*
 * Writes what is left and makes the fork safe.
 */
void
smgr_bulk_finish(BulkWriteState *state)
{
	flush_batch(state);
	if (state->must_sync)
		smgrimmedsync(RelationGetSmgr(state->rel), state->forknum);
	pfree(state);
}

#endif							/* COMPAT_BULK_WRITE */
