/*-------------------------------------------------------------------------
 *
 * kind.h
 *	  What tells one vector type from another, and the checks that all of
 *	  them make on dimensions and elements.
 *
 * src/types/kind.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_KIND_H
#define HNSW_KIND_H

#include <math.h>

#include "distance/distance.h"
#include "nodes/nodes.h"

typedef struct VectorKind
{
	const char *name;			/* as SQL and error messages call it */
	int			max_dim;
	ElementKind element;		/* as stored */

	/* The least magnitude that an element cannot have */
	float		overflow;

	/* The greatest that is stored as zero */
	float		underflow;
} VectorKind;

/*
 * Each of these raises an error that names the type.  Those with an escontext
 * report softly when the caller asks for that, and then return false.
 */
extern bool check_dim(const VectorKind *kind, int64 dim, Node *escontext);
extern bool check_expected_dim(int expected, int dim, Node *escontext);
extern bool refuse_element(const VectorKind *kind, float value,
						   Node *escontext);
extern void check_elements(const VectorKind *kind, const float *values,
						   int n);
extern void check_same_dim(const VectorKind *kind, int dim_a, int dim_b);
extern void check_unused(int unused);
extern int32 check_typmod(const VectorKind *kind, Datum modifiers);

/*
 * Elements are finite, so that comparison and distances need no rules for
 * anything else.
 */
static inline bool
is_element(const VectorKind *kind, float value)
{
	return likely(fabsf(value) < kind->overflow);
}

static inline bool
check_element(const VectorKind *kind, float value, Node *escontext)
{
	return is_element(kind, value) || refuse_element(kind, value, escontext);
}

#endif							/* HNSW_KIND_H */
