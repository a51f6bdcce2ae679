/*-------------------------------------------------------------------------
 *
 * repair.h
 *	  Links of a point whose neighbours are gone.
 *
 * src/graph/repair.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_REPAIR_H
#define HNSW_GRAPH_REPAIR_H

#include "graph/graph.h"

/* What can be done with a link to a point */
typedef enum GraphLinkFate
{
	GRAPH_LINK_STAYS,
	GRAPH_LINK_DEAD,			/* the point is deleted: replace the link */
	GRAPH_LINK_UNKNOWN			/* it stays, but is not to be made anew */
} GraphLinkFate;

typedef GraphLinkFate (*GraphJudge) (PointId point, void *arg);

typedef struct GraphRepair
{
	GraphStore *links;			/* get_links */
	GraphStore *distances;		/* score_between */
	GraphSelectOptions select;
	GraphJudge	judge;
	void	   *judge_arg;
} GraphRepair;

/*
 * Makes a new list of links for a point at a level, of at most max links,
 * from the n it has: those that lead to live points, and for those that do
 * not, live points behind them.  links has room for GRAPH_MAX_LINKS and gets
 * the new list.  Returns how many there are, -1 when no link leads to a dead
 * point and nothing is to do.
 */
extern int	graph_repair_links(const GraphRepair *repair, PointId point,
							   GraphLevel level, PointId *links, int n,
							   int max);

#endif							/* HNSW_GRAPH_REPAIR_H */
