/*-------------------------------------------------------------------------
 *
 * vecs.h
 *	  Vector files of the benchmark: fvecs, bvecs and ivecs.
 *
 * bench/vecs.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_VECS_H
#define BENCH_VECS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

typedef struct FloatVectors
{
	int			dim;
	int			count;
	float	   *values;			/* count rows of dim values */
} FloatVectors;

typedef struct IdLists
{
	int			width;			/* ids per list */
	int			count;
	int32_t    *ids;			/* count rows of width ids, nearest first */
} IdLists;

extern FloatVectors read_vectors(const char *path, int limit);
extern IdLists read_ids(const char *path);
extern double list_recall(const int32_t *found, int nfound,
						  const int32_t *truth, int k);

extern void *must_alloc(size_t size);

#ifdef __cplusplus
}
#endif

#endif							/* BENCH_VECS_H */
