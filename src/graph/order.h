/*-------------------------------------------------------------------------
 *
 * order.h
 *	  Points that get their numbers on two sides.
 *
 * src/graph/order.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_ORDER_H
#define HNSW_GRAPH_ORDER_H

#include "graph/build_internal.h"

#define ORDER_SIDES		2

/* Fewer points have one side. */
#define ORDER_MIN_SPLIT 8192

static inline int
order_nsides(PointId npoints)
{
	return npoints < ORDER_MIN_SPLIT ? 1 : ORDER_SIDES;
}

/* Of a point: its side, and whether it has its number, or gets none */
#define ORDER_SIDE_MASK	1
#define ORDER_NUMBERED	2

/*
 * The head of a list while points get numbers, in place of a ListHead: each
 * side changes what is its own.
 */
typedef struct OrderHead
{
	uint8		count;
	uint8		nfirst;			/* links to side 0, before those to side 1 */
	uint8		nopen[ORDER_SIDES]; /* of those to a side: in front, the ones to
									 * points without a number */
} OrderHead;

StaticAssertDecl(sizeof(OrderHead) == sizeof(ListHead), "heads are of a size");
StaticAssertDecl(offsetof(OrderHead, count) == offsetof(ListHead, count),
				 "a list keeps its length");

static inline OrderHead *
order_head(LinkList list)
{
	return (OrderHead *) list.head;
}

/*
 * What all members see lies where arrays of the build did: what is known of
 * each point, twice, so that one can be made from the other, and the numbers.
 */
static inline uint8 *
order_sides(const GraphBuild *build, bool next)
{
	return (uint8 *) build->in_links +
		(build->shared->order.second != next ? build->shared->npoints : 0);
}

static inline PointId *
order_new_ids(const GraphBuild *build)
{
	return build->waiting_for[0];
}

/*
 * Numbers the points of a side, all lists being divided.  Those of side 1 come
 * behind those of side 0.
 */
extern void order_number_side(GraphBuild *build, int side);

#endif							/* HNSW_GRAPH_ORDER_H */
