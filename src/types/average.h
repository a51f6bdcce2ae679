/*-------------------------------------------------------------------------
 *
 * average.h
 *	  The state of the aggregate avg, the same for all types that have it.
 *
 * The state is an SQL array double precision[] of {n, sum of the elements 0,
 * sum of the elements 1, ...}.  Before the first value it is {0}.
 *
 * src/types/average.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_AVERAGE_H
#define HNSW_AVERAGE_H

#include "fmgr.h"
#include "types/kind.h"
#include "utils/array.h"

extern ArrayType *average_state(Datum state, const char *caller);
extern ArrayType *average_add(FunctionCallInfo fcinfo, ArrayType *state,
							  const float *values, int dim);
extern int	average_dim(const VectorKind *kind, ArrayType *state);
extern void average_result(const VectorKind *kind, ArrayType *state,
						   float *values);

#endif							/* HNSW_AVERAGE_H */
