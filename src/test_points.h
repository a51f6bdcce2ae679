/*-------------------------------------------------------------------------
 *
 * test_points.h
 *	  Named places where a test makes a backend wait or fail.
 *
 * They are there only when the extension is made with TEST_POINTS=1, which
 * no package does; otherwise nothing of them is left.
 *
 *		hnsw_test.stop_at = 'NAME, ...'
 *			The session waits at these points as long as somebody else holds
 *			pg_advisory_lock(hashtext('NAME')).  That is a heavyweight lock,
 *			so the isolation tester sees that the session waits.
 *
 *		hnsw_test.fail_at = N
 *			The Nth point that the session comes to after this is an error; a
 *			parallel worker counts by itself.
 *
 *		hnsw_test.cancel_at = 'NAME, ...'
 *			The session is cancelled at these points, as by pg_cancel_backend.
 *			When it comes to another point all the same, that is an error: in
 *			between, nobody looked for interrupts.
 *
 *		hnsw_test.fail_in_workers = on
 *			Only in parallel workers.
 *
 * A stop is a point where nothing can fail: sessions wait there, and it does
 * not count.
 *
 * A point may be nowhere where a content lock is held or in a critical
 * section: that is an error, too, whether anybody waits there or not.
 *
 * src/test_points.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_TEST_POINTS_H
#define HNSW_TEST_POINTS_H

#ifdef HNSW_TEST_POINTS
#define HNSW_TEST_POINT(name) hnsw_test_point(name)
#define HNSW_TEST_STOP(name) hnsw_test_stop(name)

extern void hnsw_test_point(const char *name);
extern void hnsw_test_stop(const char *name);
extern void hnsw_test_points_init(void);
#else
#define HNSW_TEST_POINT(name) ((void) 0)
#define HNSW_TEST_STOP(name) ((void) 0)
#define hnsw_test_points_init() ((void) 0)
#endif

#endif							/* HNSW_TEST_POINTS_H */
