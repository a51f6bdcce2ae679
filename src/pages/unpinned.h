/*-------------------------------------------------------------------------
 *
 * unpinned.h
 *	  Looking at pages in shared buffers without pinning them.
 *
 * Who knows in which buffer a block was last seen can read there and ask
 * before and afterwards whether the buffer holds the block.  That costs a
 * twentieth of a pin and writes to no memory that processes share.  What was
 * read means nothing until the second answer, and may be any bytes: sizes and
 * offsets that come from the page have to be copied and checked like those of
 * a damaged one.  "Reading without a pin" in src/README says why that is
 * right.
 *
 * This is the one file that looks into the descriptors of buffers.
 *
 * src/pages/unpinned.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_UNPINNED_H
#define HNSW_UNPINNED_H

#include "compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"

#define UNPINNED_CACHE_LINE		64

/* A look at a page.  It holds nothing, and needs no end. */
typedef struct UnpinnedLook
{
	BufferDesc *descriptor;
	BufferTag	tag;			/* of the block that it is meant to be */
	Page		page;
	XLogRecPtr	lsn;			/* of a page that may change */
} UnpinnedLook;

/*
 * The bits of a lock's state that say that it is held exclusively; 0 when they
 * could not be found, and then no page that may change is looked at.
 */
extern uint32 unpinned_exclusive;

/* To be called before anything else here */
extern void unpinned_init(void);

static inline bool
unpinned_is_shared(Buffer buffer)
{
	return buffer != InvalidBuffer && !BufferIsLocal(buffer);
}

static inline void
unpinned_prefetch_descriptor(Buffer buffer)
{
	if (unpinned_is_shared(buffer))
		__builtin_prefetch(GetBufferDescriptor(buffer - 1));
}

/* Asks for bytes of the page in a shared buffer, at least one */
static inline void
prefetch_in_buffer(Buffer buffer, int offset, int length)
{
	const char *from;

	if (BufferIsLocal(buffer))
		return;
	from = (const char *) BufferGetBlock(buffer) + offset;
	for (int i = 0; i < length; i += UNPINNED_CACHE_LINE)
		__builtin_prefetch(from + i);
	__builtin_prefetch(from + length - 1);
}

/*
 * Looks leave no trace, so that the clock sweep would take hot pages for cold
 * ones.  When the usage count is below usage_due, an ordinary read is due.
 */
static inline bool
unpinned_read_is_due(Buffer buffer, uint32 usage_due)
{
	uint32		state;

	if (!unpinned_is_shared(buffer))
		return false;
	state = pg_atomic_read_u32(&GetBufferDescriptor(buffer - 1)->state);
	return BUF_STATE_GET_USAGECOUNT(state) < usage_due;
}

/* Is somebody changing the page, or restoring it? */
static inline bool
unpinned_is_locked(const BufferDesc *descriptor)
{
	LWLock	   *lock = BufferDescriptorGetContentLock(descriptor);

	return (pg_atomic_read_u32(&lock->state) & unpinned_exclusive) != 0;
}

/* The same of a buffer that is pinned, or whose answer is a hint */
static inline bool
unpinned_is_changing(Buffer buffer)
{
	return unpinned_is_shared(buffer) &&
		unpinned_is_locked(GetBufferDescriptor(buffer - 1));
}

/*
 * Who gives a buffer to another block changes state and tag under the lock of
 * the header, before anything writes to the page.
 */
static inline bool
unpinned_state_is_good(uint32 state)
{
	return (state & (BM_LOCKED | BM_VALID)) == BM_VALID;
}

/*
 * Begins to look at a block, in the buffer it was last seen in.  False when it
 * is not there, or an ordinary read is due, or its lock is held.
 */
static inline bool
unpinned_begin(UnpinnedLook *look, const RelFileLocator *locator,
			   BlockNumber block, Buffer buffer, uint32 usage_due)
{
	BufferDesc *descriptor;
	uint32		state;

#ifdef USE_VALGRIND
	/* to Valgrind what is not pinned is no memory */
	return false;
#endif
	if (!unpinned_is_shared(buffer))
		return false;
	descriptor = GetBufferDescriptor(buffer - 1);
	look->descriptor = descriptor;
	look->page = BufferGetPage(buffer);
	InitBufferTag(&look->tag, locator, MAIN_FORKNUM, block);

	state = pg_atomic_read_u32(&descriptor->state);
	if (!unpinned_state_is_good(state) ||
		BUF_STATE_GET_USAGECOUNT(state) < usage_due)
		return false;
	pg_read_barrier();
	if (!BufferTagsEqual(&descriptor->tag, &look->tag) ||
		unpinned_is_locked(descriptor))
		return false;
	pg_read_barrier();
	return true;
}

/* Was the block in its buffer all the time since unpinned_begin? */
static inline bool
unpinned_end(const UnpinnedLook *look)
{
	pg_read_barrier();
	if (!BufferTagsEqual(&look->descriptor->tag, &look->tag))
		return false;
	pg_read_barrier();
	return unpinned_state_is_good(pg_atomic_read_u32(&look->descriptor->state));
}

/*
 * The same for a page that may change, of a relation whose changes are logged:
 * who changes it holds its lock, and gives it another LSN before he lets go.
 */
static inline bool
unpinned_begin_changing(UnpinnedLook *look, const RelFileLocator *locator,
						BlockNumber block, Buffer buffer, uint32 usage_due)
{
	if (!unpinned_is_shared(buffer) || unpinned_exclusive == 0)
		return false;
	look->lsn = PageGetLSN(BufferGetPage(buffer));
	pg_read_barrier();
	return unpinned_begin(look, locator, block, buffer, usage_due);
}

static inline bool
unpinned_end_changing(const UnpinnedLook *look)
{
	pg_read_barrier();
	if (unpinned_is_locked(look->descriptor))
		return false;
	pg_read_barrier();
	return PageGetLSN(look->page) == look->lsn && unpinned_end(look);
}

/*
 * What the server counts when it pins a page that is in its buffers, except for
 * what ReadRecentBuffer counts itself
 */
static inline void
count_hit(Relation relation)
{
	pgstat_count_buffer_read(relation);
	pgstat_count_buffer_hit(relation);
	if (VacuumCostActive)
		VacuumCostBalance += VacuumCostPageHit;
}

/* The same of a page that was only looked at, all of it */
static inline void
unpinned_count(Relation relation)
{
	pgBufferUsage.shared_blks_hit++;
	count_hit(relation);
}

/*
 * Pins a block in the buffer it was last seen in.  False when it is not there,
 * or an ordinary read is due, as this leaves the usage count alone, too.
 */
static inline bool
pin_where_seen(Relation relation, BlockNumber block, Buffer buffer,
			   uint32 usage_due)
{
	if (buffer == InvalidBuffer || unpinned_read_is_due(buffer, usage_due) ||
		!ReadRecentBuffer(relation->rd_locator, MAIN_FORKNUM, block, buffer))
		return false;
	count_hit(relation);
	return true;
}

#endif							/* HNSW_UNPINNED_H */
