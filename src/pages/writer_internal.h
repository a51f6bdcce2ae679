/*-------------------------------------------------------------------------
 *
 * writer_internal.h
 *	  What the sources that change an index share.
 *
 * src/pages/writer_internal.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_WRITER_INTERNAL_H
#define HNSW_WRITER_INTERNAL_H

#include "pages/page_batch.h"
#include "pages/writer.h"

/* Bytes behind a list that had to move, for the links to come */
#define LIST_SLACK			8

/*
 * Gives a region blocks for at least needed pages.  That is a matter of the
 * directory alone: the file gets longer when such a block is first written
 * (see page_batch.c).  Directory and file are not in step after a crash,
 * either, which is why the directory decides where an extent starts.
 */
extern void hnsw_grow_region(HnswMetaPageData *meta, HnswRegionId region,
							 uint32 needed, const char *index_name);

/*
 * Takes a free point of level 0 that shares a node page with one of those that
 * are given, nearest first; InvalidPointId when none of the first few has one.
 */
extern PointId hnsw_take_near_point(HnswReader *reader, const PointId *near,
									int nnear);

/*
 * Takes a free point of a level, with its upper slots, from the list;
 * InvalidPointId when that is empty.
 */
extern PointId hnsw_take_listed_point(HnswReader *reader, int level,
									  uint32 *slot);

/*
 * Stores an item.  Nothing refers to it yet, and should nothing ever do so, it
 * is lost space.
 */
extern ItemPointerData hnsw_overflow_add(HnswReader *reader, const void *item,
										 int length);

/* Gives an item back that nothing refers to any more. */
extern void hnsw_overflow_drop(HnswReader *reader,
							   const ItemPointerData *where);

/* Tells the free space map what an overflow page has. */
extern void hnsw_overflow_note_space(HnswReader *reader, uint32 page_no,
									 Size space);

/* In an open batch that has the node's page: is the node still like that? */
extern bool hnsw_node_is_as_seen(PageBatch *batch, PointId point,
								 const HnswNodeCopy *seen);

/*
 * In an open batch that has the node's page: writes the node, with up to slack
 * bytes behind it; false, and nothing done, when it does not fit.  What is at
 * most HNSW_NODE_MIN_VAR bytes fits.  Errors when the page is damaged.
 */
extern bool hnsw_put_node(PageBatch *batch, PointId point,
						  const HnswNodeCopy *copy, int slack);

#endif							/* HNSW_WRITER_INTERNAL_H */
