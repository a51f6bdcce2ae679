/*-------------------------------------------------------------------------
 *
 * dense_text.h
 *	  The text form "[1,2.5,-3]" of the types that store every element.
 *
 * src/types/dense_text.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_DENSE_TEXT_H
#define HNSW_DENSE_TEXT_H

#include "types/kind.h"

extern int	dense_parse(const VectorKind *kind, const char *str,
						float *values, Node *escontext);
extern char *dense_format(const float *values, int n);

#endif							/* HNSW_DENSE_TEXT_H */
