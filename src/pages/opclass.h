/*-------------------------------------------------------------------------
 *
 * opclass.h
 *	  The operator class of an index.
 *
 * src/pages/opclass.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_INDEX_OPCLASS_H
#define HNSW_INDEX_OPCLASS_H

#include "hnsw_opclass.h"
#include "utils/relcache.h"

/* Whether a function has the signature of the support function */
extern bool hnsw_is_support_function(Oid function);

/* Errors when the operator class is none that the access method can use. */
extern const HnswOpclass *hnsw_opclass(Relation index);

/*
 * Dimensions of the indexed column or expression by its type, -1 when that
 * says nothing.  Errors when the type only looks like that of the operator
 * class.
 */
extern int	hnsw_column_dimensions(Relation index,
								   const HnswOpclass *opclass);

#endif							/* HNSW_INDEX_OPCLASS_H */
