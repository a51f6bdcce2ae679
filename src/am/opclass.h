/*-------------------------------------------------------------------------
 *
 * opclass.h
 *	  What an operator class tells the access method.
 *
 * Every operator class of the access method has one support function, number
 * 1, that takes and returns internal: its result points to a constant
 * HnswOpclass.  With that any type that can show its values as float4 arrays
 * can be indexed; nothing else in src/am knows a type.
 *
 * src/am/opclass.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_OPCLASS_H
#define HNSW_OPCLASS_H

#include "quantize/quantize.h"
#include "utils/relcache.h"

#define HNSW_SUPPORT_OPCLASS	1
#define HNSW_NUM_SUPPORT		1

/* A value of the indexed type, detoasted */
typedef struct HnswValue
{
	Datum		datum;
	int			dimensions;
	const float *elements;		/* dimensions of them */
} HnswValue;

typedef struct HnswOpclass
{
	HnswMetric	metric;
	const char *type_name;		/* for messages */
	int			max_dimensions;

	/* Dimensions that a type modifier prescribes, -1 when none */
	int			(*typmod_dimensions) (int32 typmod);

	/* Opens a Datum; memory comes from the current context. */
	void		(*open) (Datum datum, HnswValue *value);
} HnswOpclass;

extern const HnswOpclass *hnsw_opclass(Relation index);

/* Opens a Datum that must have so many dimensions. */
extern void hnsw_open_indexed(const HnswOpclass *opclass, Datum datum,
							  uint32 dimensions, HnswValue *value);

/*
 * Whether the vector belongs into the index: a vector without direction has
 * no cosine distance.
 */
extern bool hnsw_value_is_indexed(const HnswOpclass *opclass,
								  const HnswValue *value);

#endif							/* HNSW_OPCLASS_H */
