/*-------------------------------------------------------------------------
 *
 * opclass.h
 *	  Operator classes, and values of their types.
 *
 * Nothing in src/am knows a type but opclass.c, which has the operator
 * classes that come with the extension; all others go through what
 * hnsw_opclass.h describes.
 *
 * src/am/opclass.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_OPCLASS_H
#define HNSW_OPCLASS_H

#include "pages/opclass.h"

/* Opens a Datum that must have so many dimensions. */
extern void hnsw_open_indexed(const HnswOpclass *opclass, Datum datum,
							  uint32 dimensions, HnswValue *value);

/* The same of a value to search for */
extern void hnsw_open_query(const HnswOpclass *opclass, Datum datum,
							uint32 dimensions, HnswValue *value);

/* A value without anything in it, palloc'd */
extern void hnsw_open_origin(const HnswOpclass *opclass, uint32 dimensions,
							 HnswValue *value);

/*
 * Whether the vector belongs into the index: a vector without direction has
 * no cosine distance.
 */
extern bool hnsw_value_is_indexed(const HnswOpclass *opclass,
								  const HnswValue *value);

/* Vectors are equal when they are in every bit. */
extern bool hnsw_value_equal(const HnswOpclass *opclass, const HnswValue *a,
							 const HnswValue *b);
extern uint64 hnsw_value_hash(const HnswOpclass *opclass,
							  const HnswValue *value);

/* |x|^2; not of bits */
extern double hnsw_value_norm_sq(const HnswOpclass *opclass,
								 const HnswValue *value);

#endif							/* HNSW_OPCLASS_H */
