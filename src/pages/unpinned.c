/*-------------------------------------------------------------------------
 *
 * unpinned.c
 *	  Looking at pages in shared buffers without pinning them.
 *
 * src/pages/unpinned.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pages/unpinned.h"
#include "storage/lwlock.h"

uint32		unpinned_exclusive = 0;

/* The state of a lock that is held in a mode */
static uint32
state_when_held(LWLock *lock, LWLockMode mode)
{
	uint32		state;

	LWLockAcquire(lock, mode);
	state = pg_atomic_read_u32(&lock->state);
	LWLockRelease(lock);
	return state;
}

/*
 * What the state of a lock means is known to lwlock.c alone, but what it looks
 * like can be seen with a lock that is nobody else's.
 */
void
unpinned_init(void)
{
	LWLock		lock;
	uint32		free;
	uint32		exclusive;

	if (unpinned_exclusive != 0)
		return;
	LWLockInitialize(&lock, LWTRANCHE_BUFFER_CONTENT);
	free = pg_atomic_read_u32(&lock.state);
	exclusive = state_when_held(&lock, LW_EXCLUSIVE) & ~free;
	if ((exclusive & (exclusive - 1)) == 0 &&
		(state_when_held(&lock, LW_SHARED) & exclusive) == 0)
		unpinned_exclusive = exclusive;
}
