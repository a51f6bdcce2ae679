/*-------------------------------------------------------------------------
 *
 * reader.h
 *	  The fast way to the records of an index.
 *
 * A reader belongs to one scan (or insert, or check).  It reaches pages of
 * the index by region and page number, remembers in which buffer a block was
 * last seen, and holds at most one pin and one content lock at a time, none
 * when its functions return.
 *
 * Codes and refinement codes are read under a pin alone: see "Reading without
 * a lock" in src/README.  Nodes, upper slots and overflow items are copied
 * under the share lock.  A reader of who searches also looks at codes and links
 * without a pin (unpinned.h).  Its owner asks for that, after init or use, by
 * hnsw_reader_begin_search: it is right for those to whom a wrong distance or
 * link is another way through the graph, and for nobody who relies on a single
 * one.
 *
 * src/pages/reader.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_READER_H
#define HNSW_READER_H

#include "pages/index.h"
#include "pages/node_page.h"

typedef struct HnswReader
{
	Relation	index;
	HnswIndex  *ix;
	bool		searching;		/* may look without pins */
	PointId		prefetched;		/* node asked for last */
	uint64		pins[HNSW_NUM_REGIONS + 1]; /* by HnswRegionId */
} HnswReader;

extern void hnsw_reader_init(HnswReader *reader, Relation index);

/* The same for an index that was just opened */
extern void hnsw_reader_use(HnswReader *reader, Relation index, HnswIndex *ix);

/* Its owner searches, from here on. */
extern void hnsw_reader_begin_search(HnswReader *reader);

/* Block of page page_no of a region; errors when there is none. */
extern BlockNumber hnsw_reader_block(HnswReader *reader, HnswRegionId region,
									 uint32 page_no);

/*
 * Pins page page_no of a region and returns it, without a lock.  Errors when
 * the region has no such page or the page is not what it should be.
 */
extern Page hnsw_reader_pin(HnswReader *reader, HnswRegionId region,
							uint32 page_no, Buffer *buffer);

/* Keys of n points (at most GRAPH_MAX_LINKS) to query; never NaN. */
extern void hnsw_reader_score(HnswReader *reader, const QuantizedQuery *query,
							  const PointId *points, int n, float *keys);

/*
 * Keys of all points whose codes share a page, from the first one on (room for
 * ix->codes.per_page); returns how many there are.  Only where a code takes one
 * page and is of fixed size.
 */
extern int	hnsw_reader_score_page(HnswReader *reader,
								   const QuantizedQuery *query, PointId first,
								   float *keys);

/*
 * Standard deviations of the errors of these keys.  Reads what stands beside
 * codes, not codes.
 */
extern void hnsw_reader_errors(HnswReader *reader, const QuantizedQuery *query,
							   const PointId *points, int n, float *errors);

/*
 * Keys from navigation and refinement codes together, of a kind that has both,
 * and the standard deviations of their errors.
 */
extern void hnsw_reader_score_refined(HnswReader *reader,
									  const QuantizedQuery *query,
									  const PointId *points, int n,
									  float *keys, float *errors);

/*
 * Copies the code of a point; buffers as large as the quantizer says.  One of
 * variable size is whole: in place of what is none comes that of a vector
 * without elements.
 */
extern void hnsw_reader_code(HnswReader *reader, PointId point, uint8 *code,
							 float *factors, uint8 *refine,
							 float *refine_factors);

/*
 * Where in the overflow region the code of a point is, when codes have
 * variable sizes; else it is invalid.
 */
extern ItemPointerData hnsw_reader_value(HnswReader *reader, PointId point);

/* Copies a node.  Errors when it is damaged. */
extern void hnsw_reader_node(HnswReader *reader, PointId point,
							 HnswNodeCopy *copy, HnswNodeParts *parts);

/* The links of a point at a level, at most GRAPH_MAX_LINKS; all valid ids. */
extern int	hnsw_reader_links(HnswReader *reader, PointId point,
							  const HnswNodeCopy *copy,
							  const HnswNodeParts *parts, int level,
							  PointId *links);

/*
 * The same by the point alone; *live is whether it stands for rows.  A point
 * that was given back has no links.
 */
extern int	hnsw_reader_expand(HnswReader *reader, PointId point, int level,
							   PointId *links, bool *live);

/* Does a point stand for any row? */
extern bool hnsw_reader_has_rows(HnswReader *reader, PointId point);

/* Copies an overflow item into item (room for BLCKSZ); returns its length. */
extern int	hnsw_reader_overflow(HnswReader *reader,
								 const ItemPointerData *where, void *item);

/*
 * A walk along the lists of heap TIDs of a point.  It ends even when damage
 * has made the chain a circle.
 *
 * Vacuum takes lists out of the chain of a live point, and their places are
 * somebody else's at once; on a standby a point can be given back, too, while
 * we look at it.  So whoever may run beside that starts the walk with the node
 * as it was read.  After each list the walk then looks whether what led there
 * still does: the node, or the list before (see "Lists of rows" in
 * src/README).  When it does not, the walk ends with changed set: what was read
 * counts for nothing, and the node has to be read again.
 */
typedef struct HnswTidWalk
{
	ItemPointerData next;		/* not yet read */
	ItemPointerData where;		/* of the list just read, */
	int			length;			/* and of its item */
	ItemPointerData first;		/* its first TID, which tells it from others */
	ItemPointerData mark;		/* some list before: we must not return */
	uint64		nlists;			/* read so far */
	bool		may_change;
	bool		changed;
	uint8		generation;		/* with may_change, of the live point */
} HnswTidWalk;

/* seen is the node of parts, NULL when nobody changes its lists but us. */
extern void hnsw_reader_start_tids(HnswTidWalk *walk, const HnswNodeCopy *seen,
								   const HnswNodeParts *parts);

/* Copies the next list (room for BLCKSZ); false when there is none. */
extern bool hnsw_reader_next_tids(HnswReader *reader, PointId point,
								  HnswTidWalk *walk, HnswTidList *list);

/*
 * All heap TIDs of a point whose node was read, palloc'd; returns how many.
 * None that was there all the time is missing, and none is there twice.
 */
extern int	hnsw_reader_tids(HnswReader *reader, PointId point,
							 const HnswNodeCopy *copy,
							 const HnswNodeParts *parts,
							 ItemPointerData **tids);

/* Hint: hnsw_reader_code will be called for point. */
extern void hnsw_reader_prefetch_code(HnswReader *reader, PointId point);

/*
 * Hint: a node will be read.  The same hint again, right after, fetches what
 * the node says where it is.
 */
extern void hnsw_reader_prefetch_node(HnswReader *reader, PointId point);

/*
 * First heap TIDs of points whose nodes are in shared buffers, as far as they
 * can be had without waiting.  A hint, they may be any TIDs.  Returns how many.
 */
extern int	hnsw_reader_peek_tids(HnswReader *reader, const PointId *points,
								  int n, ItemPointerData *tids);

#endif							/* HNSW_READER_H */
