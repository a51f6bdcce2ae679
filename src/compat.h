/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  One spelling for PostgreSQL 14 to 18.
 *
 * Include after postgres.h in everything that talks to the server.  The rule
 * is: code is written for the newest server's API, and what an older server
 * lacks is made up here, so that giving up a version only deletes lines.
 * This is the only file that knows PG_VERSION_NUM.
 *
 * Where the newest API is a field of a server struct, which no macro can add,
 * there is a function or macro that sets it where it exists; those come last.
 *
 * src/compat.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_COMPAT_H
#define HNSW_COMPAT_H

#include "access/amapi.h"
#include "access/parallel.h"
#include "access/relscan.h"
#include "commands/progress.h"
#include "commands/vacuum.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "storage/buffile.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/sharedfileset.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 140000
#error "vector_hnsw needs PostgreSQL 14 or later"
#endif

#if PG_VERSION_NUM >= 150000
#include "common/pg_prng.h"
#endif
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 170000
#include "storage/bulk_write.h"
#include "storage/read_stream.h"
#endif

/*-------------------------------------------------------------------------
 * PostgreSQL 18
 *-------------------------------------------------------------------------
 */
#if PG_VERSION_NUM < 180000

/* Its argument says whether ANALYZE is asking */
#define vacuum_delay_point(is_analyze)	vacuum_delay_point()

/* Name and version are shown by 18's pg_get_loaded_modules() only */
#define PG_MODULE_MAGIC_EXT(...)	PG_MODULE_MAGIC

#endif							/* < 18 */

/*-------------------------------------------------------------------------
 * PostgreSQL 17
 *-------------------------------------------------------------------------
 */
#if PG_VERSION_NUM < 170000

/* Users' functions then run with the caller's search path */
#define RestrictSearchPath()	((void) 0)

/* Waits show as "Extension" */
#define WaitEventExtensionNew(name)		PG_WAIT_EXTENSION

/*
 * Before 17 a parallel worker has no way to add to its leader's counters:
 * what workers do is not shown.
 */
static inline void
compat_progress_incr_param(int index, int64 incr)
{
	if (MyBEEntry != NULL && pgstat_track_activities && !IsParallelWorker())
		pgstat_progress_update_param(index,
									 MyBEEntry->st_progress_param[index] +
									 incr);
}

#define pgstat_progress_incr_param(index, incr) \
	compat_progress_incr_param(index, incr)
#define pgstat_progress_parallel_incr_param(index, incr) \
	compat_progress_incr_param(index, incr)

/*
 * Bulk writing, as in 17's storage/bulk_write.h: fills a fork that nobody
 * else sees yet, past the buffer manager.  A block is written at most once
 * in one operation.  See compat_bulk_write.c.
 */
#define COMPAT_BULK_WRITE

#if PG_VERSION_NUM < 160000
typedef PGAlignedBlock PGIOAlignedBlock;

#define PG_IO_ALIGN_SIZE	MAXIMUM_ALIGNOF
#define MemoryContextAllocAligned(context, size, alignto, flags) \
	MemoryContextAllocExtended(context, size, flags)
#endif

typedef struct BulkWriteState BulkWriteState;
typedef PGIOAlignedBlock *BulkWriteBuffer;

extern BulkWriteState *smgr_bulk_start_rel(Relation rel, ForkNumber forknum);
extern BulkWriteBuffer smgr_bulk_get_buf(BulkWriteState *bulkstate);
extern void smgr_bulk_write(BulkWriteState *bulkstate, BlockNumber blocknum,
							BulkWriteBuffer buf, bool page_std);
extern void smgr_bulk_finish(BulkWriteState *bulkstate);

/*
 * Streams of blocks, as in 17's storage/read_stream.h: the blocks that a
 * callback names, pinned one after the other, with reads under way ahead of
 * them.  See compat_read_stream.c.
 */
#define COMPAT_READ_STREAM

#define READ_STREAM_MAINTENANCE		0x01
#define READ_STREAM_FULL			0x04

typedef struct ReadStream ReadStream;
typedef BlockNumber (*ReadStreamBlockNumberCB) (ReadStream *stream,
												void *callback_private_data,
												void *per_buffer_data);

extern ReadStream *read_stream_begin_relation(int flags,
											  BufferAccessStrategy strategy,
											  Relation rel, ForkNumber forknum,
											  ReadStreamBlockNumberCB callback,
											  void *callback_private_data,
											  size_t per_buffer_data_size);
extern Buffer read_stream_next_buffer(ReadStream *stream,
									  void **per_buffer_data);
extern void read_stream_end(ReadStream *stream);

#endif							/* < 17 */

/*-------------------------------------------------------------------------
 * PostgreSQL 16
 *-------------------------------------------------------------------------
 */
#if PG_VERSION_NUM < 160000

/*
 * The members' names changed as well (spcOid was spcNode and so on); nothing
 * here looks inside.
 */
typedef RelFileNode RelFileLocator;

#define RelFileLocatorEquals(a, b)	RelFileNodeEquals(a, b)
#define InitBufferTag(tag, locator, fork, block) \
	INIT_BUFFERTAG(*(tag), *(locator), fork, block)
#define BufferTagsEqual(a, b)		BUFFERTAGS_EQUAL(*(a), *(b))
#define rd_locator					rd_node
#define smgr_rlocator				smgr_rnode

/* Sizes of rings were fixed: that of BAS_BULKREAD has 256 kB. */
#define GetAccessStrategyWithSize(type, kb)	GetAccessStrategy(type)

/* Reading less than was asked for was no error */
static inline size_t
BufFileReadMaybeEOF(BufFile *file, void *ptr, size_t size, bool eof_ok)
{
	size_t		nread = BufFileRead(file, ptr, size);

	if (nread != size && (nread != 0 || !eof_ok))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read from temporary file: read only %zu of %zu bytes",
						nread, size)));
	return nread;
}

#define BufFileReadExact(file, ptr, size) \
	((void) BufFileReadMaybeEOF(file, ptr, size, false))

/* Soft errors are hard; the context is evaluated and ignored */
#define SOFT_ERROR_OCCURRED(escontext)	((void) (escontext), false)
#define errsave(context, ...) \
	do { \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
	} while (0)
#define ereturn(context, dummy_value, ...) \
	do { \
		errsave(context, __VA_ARGS__); \
		return dummy_value; \
	} while (0)

#define palloc_object(type)			((type *) palloc(sizeof(type)))
#define palloc0_object(type)		((type *) palloc0(sizeof(type)))

/* Late minor releases have these */
#ifndef palloc_array
#define palloc_array(type, count) \
	((type *) palloc(sizeof(type) * (count)))
#define palloc0_array(type, count) \
	((type *) palloc0(sizeof(type) * (count)))
#define repalloc_array(pointer, type, count) \
	((type *) repalloc(pointer, sizeof(type) * (count)))
#endif

/* Values by reference were always copied */
#define tuplesort_getdatum(state, forward, copy, value, isnull, abbrev) \
	tuplesort_getdatum(state, forward, value, isnull, abbrev)

/*
 * Relation extension.  Of 16's flags the two that an index needs; a relation
 * is named by BMR_REL only.
 */
typedef Relation BufferManagerRelation;

#define BMR_REL(rel)				(rel)
#define EB_SKIP_EXTENSION_LOCK		(1 << 0)
#define EB_LOCK_FIRST				(1 << 3)

/*
 * Adds up to extend_by zeroed blocks, pinned; returns the first one's number.
 * The first buffer is locked before anybody else can find the block.  The
 * blocks come one by one in any case, so few pins are as good as many.
 */
static inline BlockNumber
ExtendBufferedRelBy(BufferManagerRelation rel, ForkNumber fork,
					BufferAccessStrategy strategy, uint32 flags,
					uint32 extend_by, Buffer *buffers, uint32 *extended_by)
{
	bool		lock = (flags & EB_SKIP_EXTENSION_LOCK) == 0 &&
		!RELATION_IS_LOCAL(rel);

	Assert(extend_by > 0);
	extend_by = Min(extend_by, 4);
	if (lock)
		LockRelationForExtension(rel, ExclusiveLock);
	buffers[0] = ReadBufferExtended(rel, fork, P_NEW,
									(flags & EB_LOCK_FIRST) != 0 ?
									RBM_ZERO_AND_LOCK : RBM_NORMAL,
									strategy);
	for (uint32 i = 1; i < extend_by; i++)
		buffers[i] = ReadBufferExtended(rel, fork, P_NEW, RBM_NORMAL,
										strategy);
	if (lock)
		UnlockRelationForExtension(rel, ExclusiveLock);

	*extended_by = extend_by;
	return BufferGetBlockNumber(buffers[0]);
}

/*
 * From 16 on modules are built with hidden visibility and what the server
 * looks up is marked as exported; the same build flag must work before.
 */
#if defined(__GNUC__) && !defined(WIN32)
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))

extern PGDLLEXPORT void _PG_init(void);

#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
	extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
	extern PGDLLEXPORT const Pg_finfo_record *pg_finfo_##funcname(void); \
	const Pg_finfo_record * \
	pg_finfo_##funcname(void) \
	{ \
		static const Pg_finfo_record finfo = {1}; \
		return &finfo; \
	} \
	extern int	no_such_variable
#endif

#endif							/* < 16 */

/*-------------------------------------------------------------------------
 * PostgreSQL 15
 *-------------------------------------------------------------------------
 */
#if PG_VERSION_NUM < 150000

#define MarkGUCPrefixReserved(class_name) \
	EmitWarningsOnPlaceholders(class_name)

/* Only a set that processes share could have files by name */
#define BufFileCreateFileSet(files, name) BufFileCreateShared(files, name)
#define BufFileOpenFileSet(files, name, mode, missing_ok) \
	BufFileOpenShared(files, name, mode)
#define BufFileExportFileSet(file)	BufFileExportShared(file)

/* Options of a sort were one flag */
#define TUPLESORT_NONE				false

/*
 * Set-returning functions: checks that a tuplestore can be returned and sets
 * one up.  Flags as in 15.  See compat_funcapi.c.
 */
#define COMPAT_MATERIALIZED_SRF

#define MAT_SRF_USE_EXPECTED_DESC	0x01
#define MAT_SRF_BLESS				0x02

extern void InitMaterializedSRF(FunctionCallInfo fcinfo, bits32 flags);

/* Random numbers: splitmix64 instead of 15's xoroshiro128** */
typedef struct pg_prng_state
{
	uint64		s;
} pg_prng_state;

static inline void
pg_prng_seed(pg_prng_state *state, uint64 seed)
{
	state->s = seed;
}

static inline uint64
pg_prng_uint64(pg_prng_state *state)
{
	uint64		z = (state->s += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static inline uint32
pg_prng_uint32(pg_prng_state *state)
{
	return (uint32) (pg_prng_uint64(state) >> 32);
}

static inline double
pg_prng_double(pg_prng_state *state)
{
	return (pg_prng_uint64(state) >> 11) * (1.0 / 9007199254740992.0);
}

#endif							/* < 15 */

/*-------------------------------------------------------------------------
 * Members of server structs
 *-------------------------------------------------------------------------
 */

/*
 * 17: the access method builds in parallel, and wants to hear of the end of a
 * statement's inserts, as void cleanup(Relation, IndexInfo *).  Before, what
 * ii_AmCache holds must live without: memory of ii_Context only.
 */
#if PG_VERSION_NUM >= 170000
#define AmRoutineSetCanBuildParallel(am)	((am)->amcanbuildparallel = true)
#define AmRoutineSetInsertCleanup(am, cleanup) \
	((am)->aminsertcleanup = (cleanup))
#else
#define AmRoutineSetCanBuildParallel(am)	((void) (am))
#define AmRoutineSetInsertCleanup(am, cleanup) \
	((void) (am), (void) (cleanup))
#endif

/*
 * How many parallel workers a build should ask for.  Before 17 the server
 * plans them for btree only.
 */
static inline int
index_build_workers(Relation heap, Relation index, IndexInfo *index_info)
{
#if PG_VERSION_NUM >= 170000
	return index_info->ii_ParallelWorkers;
#else
	return plan_create_index_workers(RelationGetRelid(heap),
									 RelationGetRelid(index));
#endif
}

/* 15: a set of files that processes share has one that may be shared or not */
#if PG_VERSION_NUM >= 150000
#define SharedFileSetFiles(files)	(&(files)->fs)
#else
#define SharedFileSetFiles(files)	(files)
#endif

/* 18: EXPLAIN ANALYZE's "Index Searches", one for each descent */
static inline void
index_scan_count_search(IndexScanDesc scan)
{
#if PG_VERSION_NUM >= 180000
	if (scan->instrument != NULL)
		scan->instrument->nsearches++;
#endif
}

/*
 * 18: infinite cost alone no longer keeps a path from being chosen, as paths
 * are compared by disabled nodes first.
 */
static inline void
path_set_disabled(Path *path)
{
#if PG_VERSION_NUM >= 180000
	path->disabled_nodes += 2;
#endif
}

#endif							/* HNSW_COMPAT_H */
