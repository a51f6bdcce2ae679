/*-------------------------------------------------------------------------
 *
 * test_points.c
 *	  Named places where a test makes a backend wait or fail.
 *
 * src/test_points.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "test_points.h"

#ifdef HNSW_TEST_POINTS

#include <ctype.h>
#include <limits.h>
#include <signal.h>

#include "access/parallel.h"
#include "common/hashfn.h"
#include "compat.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/guc.h"

static char *stop_at = NULL;
static char *cancel_at = NULL;
static int	fail_at = 0;
static bool fail_in_workers = false;

/* Points that the session has come to since fail_at was set */
static int	nreached = 0;

/* Cancelled here, by cancel_at; points are known by name for ever */
static const char *cancelled_at = NULL;

static void
assign_fail_at(int value, void *extra)
{
	nreached = 0;
}

/* Is the name one of those in a list with commas? */
static bool
is_listed(const char *list, const char *name)
{
	size_t		length = strlen(name);

	while (list != NULL && *list != '\0')
	{
		const char *comma = strchr(list, ',');

		while (isspace((unsigned char) *list))
			list++;
		if (strncmp(list, name, length) == 0 &&
			(list[length] == '\0' || list[length] == ','))
			return true;
		list = comma != NULL ? comma + 1 : NULL;
	}
	return false;
}

/* Waits until nobody holds pg_advisory_lock(hashtext(name)) any more. */
static void
wait_for_lock(const char *name)
{
	int64		key = (int32) hash_bytes((const unsigned char *) name,
										 strlen(name));
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (key >> 32),
						 (uint32) key, 1);
	(void) LockAcquire(&tag, ShareLock, false, false);
	(void) LockRelease(&tag, ShareLock, false);
}

static void
cancel_session(const char *name)
{
	if (cancelled_at != NULL && QueryCancelPending)
		elog(ERROR, "nobody looked for interrupts between test points \"%s\" and \"%s\"",
			 cancelled_at, name);
	cancelled_at = NULL;
	if (is_listed(cancel_at, name))
	{
		cancelled_at = name;
		kill(MyProcPid, SIGINT);
	}
}

void
hnsw_test_stop(const char *name)
{
	/* whoever holds an LWLock holds off interrupts */
	if (InterruptHoldoffCount > 0 || CritSectionCount > 0)
		elog(ERROR, "test point \"%s\" is where a lock is held", name);

	if (is_listed(stop_at, name))
		wait_for_lock(name);
	cancel_session(name);
}

void
hnsw_test_point(const char *name)
{
	hnsw_test_stop(name);
	if (++nreached == fail_at && (IsParallelWorker() || !fail_in_workers))
		elog(ERROR, "test point %d, \"%s\", fails", fail_at, name);
}

void
hnsw_test_points_init(void)
{
	DefineCustomStringVariable("hnsw_test.stop_at",
							   "Sets the test points at which to wait for a lock.",
							   NULL,
							   &stop_at, "",
							   PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("hnsw_test.cancel_at",
							   "Sets the test points at which the session is cancelled.",
							   NULL,
							   &cancel_at, "",
							   PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("hnsw_test.fail_at",
							"Sets which test point from now on is an error.",
							"Zero is none.",
							&fail_at, 0, 0, INT_MAX,
							PGC_USERSET, 0, NULL, assign_fail_at, NULL);

	DefineCustomBoolVariable("hnsw_test.fail_in_workers",
							 "Lets only parallel workers fail.",
							 NULL,
							 &fail_in_workers, false,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	MarkGUCPrefixReserved("hnsw_test");
}

#endif							/* HNSW_TEST_POINTS */
