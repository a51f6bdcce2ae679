/*-------------------------------------------------------------------------
 *
 * node_page.h
 *	  Node pages and overflow pages as bytes.
 *
 * Functions over one page image; who has which lock is the caller's matter.
 * Readers check every offset and length that they follow, so that a damaged
 * page gives a refusal and never a read outside the page.
 *
 * src/pages/node_page.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_NODE_PAGE_H
#define HNSW_NODE_PAGE_H

#include "pages/link_codec.h"
#include "pages/page_format.h"

/* The longest variable part: links and what may stand before them. */
#define HNSW_NODE_MAX_VAR		(LINK_CODEC_MAX_BYTES + HNSW_NODE_MIN_VAR)

/* A node taken off its page */
typedef struct HnswNodeCopy
{
	HnswNode	node;
	uint8		var[HNSW_NODE_MAX_VAR];
} HnswNodeCopy;

/* What the variable part of a node says */
typedef struct HnswNodeParts
{
	uint32		upper_slot;		/* of level 1, when the level is above 0 */
	ItemPointerData more_tids;	/* with MORE_TIDS, else invalid */
	ItemPointerData links_away; /* with LINKS_AWAY, else invalid */
	const uint8 *links;			/* encoded links, unless they are away */
	int			links_length;
} HnswNodeParts;

extern void node_page_init(Page page, uint32 page_no, int nodes_per_page);

/*
 * Is the free space free?  Generic WAL makes it zeros when a page changes, so
 * bounds that are damaged would cost what is between them.
 */
extern bool node_page_space_is_good(Page page, int nodes_per_page);
extern bool overflow_page_space_is_good(Page page);

/* Changes when the id of a node is given back, or its first list of rows. */
extern uint8 node_page_generation(Page page, int index);

/* False when the index-th node of the page cannot be read. */
extern bool node_page_copy(Page page, int nodes_per_page, int index,
						   HnswNodeCopy *copy);

typedef enum NodePut
{
	NODE_PUT_DONE,
	NODE_PUT_NO_ROOM,
	NODE_PUT_DAMAGED			/* this node, or one that would have to move */
} NodePut;

/*
 * Writes a node with its variable part, in place of what was there, and
 * leaves up to slack bytes behind it when it has to move.  The page is
 * unchanged when that cannot be done.  Once there was no room, and on every
 * page that is not damaged, a variable part of at most HNSW_NODE_MIN_VAR bytes
 * fits.
 */
extern NodePut node_page_put(Page page, int nodes_per_page, int index,
							 const HnswNodeCopy *copy, int slack);

/*
 * Notes in a node that stands for no row, in place of the heap TID, the next
 * transaction id.  Once all transactions before it are over, nobody is left
 * who saw the node before.
 */
extern void node_set_xid(HnswNode *node, FullTransactionId next);

/* That transaction id, before or after next. */
extern FullTransactionId node_xid(const HnswNode *node,
								  FullTransactionId next);

/*
 * Marks a node dead.  Once all transactions before next are over, nobody can
 * have seen the point alive and still link to it.
 */
extern void node_set_dead(HnswNode *node, FullTransactionId next);

/* Same contents, wherever on the page and with whatever slack */
extern bool node_copies_equal(const HnswNodeCopy *a, const HnswNodeCopy *b);

/* Takes the variable part apart; false when its length does not fit. */
extern bool node_parse(const HnswNodeCopy *copy, HnswNodeParts *parts);

/*
 * Makes the variable part from its parts, and sets level, flags and length
 * in the node.  The links are not those in copy itself.
 */
extern void node_assemble(HnswNodeCopy *copy, int level,
						  const HnswNodeParts *parts);

/* Do two pointers name the same overflow item, or the same row? */
static inline bool
same_item(const ItemPointerData *a, const ItemPointerData *b)
{
	return memcmp(a, b, sizeof(ItemPointerData)) == 0;
}

/* The first TID of a list whose item has so many bytes, invalid without one */
static inline ItemPointerData
first_tid(const HnswTidList *list, int length)
{
	ItemPointerData first;

	ItemPointerSetInvalid(&first);
	if (length >= (int) (offsetof(HnswTidList, tids) +
						 sizeof(ItemPointerData)) && list->ntids > 0)
		first = list->tids[0];
	return first;
}

extern void overflow_page_init(Page page, uint32 page_no);

/* Bytes that are free, for an item and its entry */
extern Size overflow_page_space(Page page);

/* Item number (from 1) of the new item, 0 when it does not fit. */
extern OffsetNumber overflow_page_add(Page page, const void *item, int length);

/* NULL when there is no such item. */
extern const void *overflow_page_get(Page page, OffsetNumber number,
									 int *length);

/* Removes an item, if there is one of that number. */
extern void overflow_page_delete(Page page, OffsetNumber number);

/* Cuts an item that is there off after length bytes. */
extern void overflow_page_shrink(Page page, OffsetNumber number, int length);

#endif							/* HNSW_NODE_PAGE_H */
