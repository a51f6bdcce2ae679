/*-------------------------------------------------------------------------
 *
 * build_parts.h
 *	  An index that is built in parts, for lack of memory.
 *
 * src/am/build_parts.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BUILD_PARTS_H
#define HNSW_BUILD_PARTS_H

#include "am/build_graph.h"
#include "am/build_repeated.h"
#include "am/build_source.h"

/*
 * Builds the graph of all rows that the reader gives, with no more than limit
 * bytes of memory.  work has no memory yet; it is used up to the end of the
 * source.  Returns NULL when the limit is too low; *enough is then a limit that
 * is not.
 */
extern BuildSource *build_in_parts(GraphWork *work, RowReader *reader,
								   const RowTotals *rows,
								   const RepeatedRows *repeated, Size limit,
								   Size *enough);

/* How many parts there were */
extern int	build_source_nparts(const BuildSource *source);

#endif							/* HNSW_BUILD_PARTS_H */
