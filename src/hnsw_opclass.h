/*-------------------------------------------------------------------------
 *
 * hnsw_opclass.h
 *	  What an operator class tells the access method hnsw.
 *
 * With this any extension can have operator classes for its types.
 *
 * An operator class has one ordering operator, strategy number 1, which gives
 * float8, and one support function, number 1, that takes and returns
 * internal: its result points to an HnswOpclass that stays as it is as long as
 * the server runs.  Its argument is not to be looked at.
 *
 * The access method codes the vectors that open shows, finds neighbours by
 * the metric, and leaves the last word to the operator: rows are given in
 * the order of its results.  So the operator has to sort like the metric,
 * and equal values have to show equal vectors.
 *
 * docs/reference.md has an example.
 *
 * src/hnsw_opclass.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_OPCLASS_INTERFACE_H
#define HNSW_OPCLASS_INTERFACE_H

#include "hnsw_vector.h"

/* Changes when the struct does; an operator class of another one is refused. */
#define HNSW_OPCLASS_VERSION	1

#define HNSW_SUPPORT_OPCLASS	1
#define HNSW_NUM_SUPPORT		1

/* A value of the indexed type */
typedef struct HnswValue
{
	Datum		datum;			/* detoasted */
	int			dimensions;
	HnswVector	vector;
} HnswValue;

typedef struct HnswOpclass
{
	int			version;		/* HNSW_OPCLASS_VERSION */
	HnswMetric	metric;
	HnswForm	form;
	const char *type_name;		/* for messages */
	int			max_dimensions;

	/* Dimensions that a type modifier prescribes, -1 when none */
	int			(*typmod_dimensions) (int32 typmod);

	/*
	 * Opens a Datum that is not NULL, into a value of zeros; memory comes from
	 * the current context.
	 */
	void		(*open) (Datum datum, HnswValue *value);
} HnswOpclass;

#endif							/* HNSW_OPCLASS_INTERFACE_H */
