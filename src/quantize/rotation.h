/*-------------------------------------------------------------------------
 *
 * rotation.h
 *	  A random orthogonal transform that costs O(n log n).
 *
 * src/quantize/rotation.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_ROTATION_H
#define HNSW_ROTATION_H

typedef struct Rotation Rotation;

/*
 * The transform of dim coordinates (a multiple of 16, at least 16) that seed
 * stands for.  The same seed gives the same transform everywhere: codes on
 * disk depend on it.
 */
extern Rotation *rotation_create(int dim, uint64 seed);
extern void rotation_free(Rotation *rotation);

/* Transforms x (dim floats) in place; keeps norms and inner products. */
extern void rotation_apply(const Rotation *rotation, float *x);

#endif							/* HNSW_ROTATION_H */
