/*-------------------------------------------------------------------------
 *
 * writer.h
 *	  Changes to an index.
 *
 * Every function here takes the locks it needs, in ascending order of block
 * numbers, at most as many as one generic WAL record can name, and returns
 * with no lock and no pin.  Each record leaves the index complete; see
 * "Changing an index" in src/README for the order of calls.
 *
 * src/pages/writer.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_WRITER_H
#define HNSW_WRITER_H

#include "pages/reader.h"

/* A coded vector in memory */
typedef struct HnswCode
{
	uint8	   *code;
	float	   *factors;
	uint8	   *refine;			/* for kinds with refinement */
	float	   *refine_factors;
} HnswCode;

/* A point to be written */
typedef struct HnswNewPoint
{
	PointId		point;
	int			level;
	uint32		slot;			/* first upper slot, when level is above 0 */
	const HnswCode *code;
	ItemPointerData heaptid;
	PointId    *links;			/* at level 0; gets sorted */
	int			nlinks;
} HnswNewPoint;

/* New links for a live point, and what they are based on */
typedef struct HnswLinkChange
{
	GraphLinkChange list;		/* must be first */
	HnswNodeParts parts;		/* of the node as seen */
	struct
	{
		HnswNodeCopy node;
		int			nlinks;
		PointId		links[GRAPH_MAX_LINKS]; /* as read, ascending at level 0 */
	}			seen;
} HnswLinkChange;

/* Memory for a code of the index, palloc'd */
extern void hnsw_code_create(HnswCode *code, const Quantizer *quantizer);

/*
 * Gives out a point id and, when level is above 0, level upper slots with
 * consecutive numbers from *slot on.  Of the points of level 0 that are free it
 * is, if possible, one on the page of a point that is near, where links to it
 * take few bits.  Regions grow as needed.
 */
extern PointId hnsw_writer_allocate(HnswReader *reader, int level,
									const PointId *near, int nnear,
									uint32 *slot);

/*
 * Writes code and node of a point that was allocated and is not linked yet:
 * one record, or several when the code takes several pages or is of variable
 * size, the node last.
 */
extern void hnsw_writer_point(HnswReader *reader, const HnswNewPoint *new_point);

/* Writes the upper slot of a point at a level from 1, linked or not. */
extern void hnsw_writer_slot(HnswReader *reader, PointId point, uint32 slot,
							 int level, const PointId *links, int nlinks);

/*
 * Reads the links of a point at a level, to be changed.  False when the point
 * is not live or has no such level.
 */
extern bool hnsw_writer_read_links(HnswReader *reader, PointId point,
								   GraphLevel level, HnswLinkChange *change);

/*
 * Makes those of n changes that are still based on what is there, all at
 * level 0 or all above.  Their links get sorted.  At
 * level 0 changes on one page share a record, as do several pages.
 */
extern void hnsw_writer_links(HnswReader *reader, HnswLinkChange *changes,
							  int n);

/* Adds a row to a point; false when the point is not in use any more. */
extern bool hnsw_writer_add_row(HnswReader *reader, PointId point,
								ItemPointer heaptid);

/*
 * Inner product: the norm of a vector has a say in the lift, as long as that is
 * made of few.
 */
extern void hnsw_writer_note_norm(HnswReader *reader, double norm_sq);

/*
 * Sets the entry point in place of seen (InvalidPointId: of none); false when
 * seen is not the entry point any more, or when it is alive and the new one is
 * not linked.
 */
extern bool hnsw_writer_entry(HnswReader *reader, PointId seen,
							  GraphEntry entry, bool linked);

/*
 * Vacuum: takes those of the first n TIDs of a list out that are dead, where
 * inserts may have added others since.
 */
extern void hnsw_writer_prune_list(HnswReader *reader, PointId point,
								   const ItemPointerData *where,
								   const bool *dead, int n);

/*
 * The same, and takes the list out of the chain: what it still has goes to the
 * list before.  With before invalid it is the first one, and has to become
 * empty.  False, and nothing done, when inserts have come in between: to the
 * first list, or in front of it.
 */
extern bool hnsw_writer_unlink_list(HnswReader *reader, PointId point,
									const ItemPointerData *before,
									const ItemPointerData *where,
									const bool *dead, int n);

/* Room of the first list of TIDs that a point gets; each next has twice it */
#define HNSW_FIRST_TID_LIST		4

/* Has the only list of a point far more room than its TIDs need? */
static inline bool
hnsw_list_is_too_long(int ntids, int room)
{
	return room >= 3 * Max(ntids, HNSW_FIRST_TID_LIST);
}

/* Leaves a list that is too long room for as many TIDs again as it has. */
extern void hnsw_writer_shrink_list(HnswReader *reader, PointId point,
									const ItemPointerData *where);

/*
 * Marks a point dead whose node, as seen, has no row and names no list of them.
 * False when the node is not as seen any more.
 */
extern bool hnsw_writer_mark_dead(HnswReader *reader, PointId point,
								  const HnswNodeCopy *seen);

/*
 * Gives back dead points of one node page, to be used again; the entry point
 * is left as it is, and then the result is false.  Nothing may link to them,
 * nor be about to.
 */
extern bool hnsw_writer_free(HnswReader *reader, const PointId *points, int n);

/*
 * Gives back ids of one node page that were given out and will not be written:
 * those who took them are gone.
 */
extern void hnsw_writer_take_back(HnswReader *reader, const PointId *points,
								  int n);

/*
 * Tells the free space map how much room a page of the overflow region has, in
 * case it does not know: after a crash, or on a server that was a standby.
 */
extern void hnsw_writer_note_space(HnswReader *reader, uint32 page_no,
								   BlockNumber file_blocks,
								   BufferAccessStrategy strategy);

/* Says when the first of the points was marked that are dead. */
extern void hnsw_writer_dead_xid(HnswReader *reader,
								 FullTransactionId dead_xid);

#endif							/* HNSW_WRITER_H */
