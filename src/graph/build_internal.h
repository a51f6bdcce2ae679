/*-------------------------------------------------------------------------
 *
 * build_internal.h
 *	  The graph under construction.
 *
 * src/graph/build_internal.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_BUILD_INTERNAL_H
#define HNSW_GRAPH_BUILD_INTERNAL_H

#include "graph/graph.h"

#define CACHE_LINE		64
#define LINE_WORDS		(CACHE_LINE / sizeof(uint32))

/*
 * How many links a list holds, and what is known of them.  First come those
 * that the heuristic accepted together, then those it discarded, each group
 * nearest first, then those added since, in any order.
 */
typedef struct ListHead
{
	uint8		count;
	uint8		naccepted;
	uint8		nknown;			/* accepted and discarded */
	uint8		unused;
} ListHead;

StaticAssertDecl(sizeof(ListHead) == sizeof(uint32), "a head is a word");

StaticAssertDecl(GRAPH_MAX_LINKS <= 0xFF,
				 "the length of a list must fit a byte");

/*
 * A link back to a new point that waits to be put into its neighbour's list.
 * Those of one list are chained.
 */
typedef struct WaitingLink
{
	uint32		next;			/* NO_WAITING_LINK at the end */
	uint32		number;			/* of the list; see build_numbered_list */
	PointId		point;
	float		distance;
	bool		upper;			/* a list above level 0 */
} WaitingLink;

#define NO_WAITING_LINK		PG_UINT32_MAX

/* What a team shares while points get numbers; see order_team.c */
typedef struct BuildOrder
{
	uint32		per_page;
	PointId		first;			/* number of the first point of side 0 */
	uint32		stage;
	bool		second;			/* of the two arrays of sides, that is the one
								 * which holds */
	PointId		pivots[2];
	float		border;			/* between the sides: so much farther from the
								 * first pivot */
} BuildOrder;

/*
 * What all members of a team share, at the front of the memory of a build.
 * Members write here what build_shared_add counts; everything else is the
 * leader's, who writes it while the others wait.
 */
typedef struct BuildShared
{
	GraphBuildOptions options;
	PointId		npoints;
	PointId		ninserted;		/* points before this one can be met */
	PointId		entry;
	uint32		nupper;			/* lists above level 0 */
	uint32		max_batch;		/* points in a batch, at most, and links that */
	uint32		max_waiting;	/* wait in one */
	uint32		npivots;		/* that batches are put in order by */
	bool		done;			/* there is no other batch, or stage of the
								 * order */
	BuildOrder	order;

	/* the batch: from ninserted on */
	PointId		batch_end;
	uint32		take;			/* points that a member takes at once */
	uint32		next_point;		/* first of the order that nobody has taken */
	uint32		next_group;		/* the same of points of the next batch */
	uint32		next_target;	/* the same of targets */
	uint32		nwaiting;
	uint32		ntargets;
} BuildShared;

/*
 * A team member's view.  Arrays are in the shared memory; search and scratch
 * space are the member's own.
 */
struct GraphBuild
{
	GraphStore	store;			/* the graph as a store; must be first */
	GraphBuildOptions options;
	GraphStore *distances;
	void		(*set_query) (GraphStore *distances, PointId point);
	BuildShared *shared;
	void	   *own_memory;		/* the shared memory, if nobody shares it */
	GraphLevel *levels;			/* per point */
	uint32	   *upper;			/* per point: number of its first list above
								 * level 0, when it has one */

	/*
	 * Links to each point at level 0, as before the batch, and what the batch
	 * has changed.  What reaches the maximum stays there.
	 */
	uint16	   *in_links;
	int16	   *in_changes;

	/*
	 * A list is a head and an array of links, and elsewhere an array of their
	 * distances; both arrays are as long as a list of the level can get.
	 * [0]: level 0 by point, [1]: upper levels by list number.
	 */
	uint32	   *lists[2];
	float	   *distances_of[2];
	PointId    *order;			/* the points of the batch, in the order in
								 * which they are inserted */
	uint16	   *groups;			/* those of the next one: the pivots that are
								 * nearest to each */
	uint32	   *waiting_for[2]; /* first link that waits for each list */
	WaitingLink *waiting;
	uint32	   *targets;		/* a waiting link of each list that has any */

	GraphSearch *search;
	GraphNeighbour *candidates; /* scratch of the stages */
};

/* Adds to a number that members share; returns what it was. */
static inline uint32
build_shared_add(uint32 *number, uint32 n)
{
	return __atomic_fetch_add(number, n, __ATOMIC_RELAXED);
}

/* Sets a number that members share; returns what it was. */
static inline uint32
build_shared_exchange(uint32 *number, uint32 n)
{
	return __atomic_exchange_n(number, n, __ATOMIC_RELAXED);
}

static inline void
build_count_change(int16 *number, int n)
{
	(void) __atomic_fetch_add(number, (int16) n, __ATOMIC_RELAXED);
}

/*
 * How many links a list holds during the build, and how many of them its
 * point chooses itself when it is inserted.
 *
 * At level 0 this is not 2m and m.  Measured with m = 16: a graph with 20
 * links of its own and 30 at most finds as much with 26 to 28 links per point
 * as one with 32 and 32, where every list is full.  What is left is room for
 * the links of later inserts.
 */
static inline int
build_list_capacity(int m, GraphLevel level)
{
	return level == 0 ? 2 * m - m / 8 : m;
}

static inline int
build_own_links(int m, GraphLevel level)
{
	return GraphOwnLinks(m, level);
}

/* At level 0, where it pays, no list shares a cache line with another. */
static inline bool
build_lists_at_lines(int m, GraphLevel level)
{
	return level == 0 && m >= 8;
}

/* Words from one list to the next */
static inline int
build_list_stride(int m, GraphLevel level)
{
	int			words = 1 + build_list_capacity(m, level);

	return build_lists_at_lines(m, level) ?
		(int) TYPEALIGN(LINE_WORDS, words) : words;
}

/* One list, wherever it is */
typedef struct LinkList
{
	ListHead   *head;
	PointId    *links;
	float	   *distances;
	int			capacity;
} LinkList;

/* The list of a number, which at level 0 is the point */
static inline LinkList
build_numbered_list(const GraphBuild *build, uint32 number, bool upper)
{
	int			m = build->options.m;
	GraphLevel	level = upper ? 1 : 0;
	uint32	   *words = build->lists[level] +
		(uint64) number * build_list_stride(m, level);
	LinkList	list;

	list.capacity = build_list_capacity(m, level);
	list.head = (ListHead *) words;
	list.links = words + 1;
	list.distances = build->distances_of[level] +
		(uint64) number * list.capacity;
	return list;
}

static inline uint32
build_list_number(const GraphBuild *build, PointId point, GraphLevel level)
{
	return level > 0 ? build->upper[point] + level - 1 : point;
}

static inline LinkList
build_list(const GraphBuild *build, PointId point, GraphLevel level)
{
	return build_numbered_list(build, build_list_number(build, point, level),
							   level > 0);
}

static inline void
build_check_interrupts(const GraphBuild *build)
{
	if (build->distances->check_interrupts != NULL)
		build->distances->check_interrupts(build->distances);
}

/* batch.c */
extern PointId build_batch_end(PointId npoints, PointId begin);
extern uint32 build_count_pivots(PointId npoints);

extern GraphTeam build_nobody;	/* a leader without a team */

/* lists.c */
extern int	build_set_links(GraphBuild *build, PointId point,
							GraphLevel level, GraphNeighbour *candidates,
							int n);
extern void build_add_link(GraphBuild *build, LinkList list, bool upper,
						   GraphNeighbour link);

#endif							/* HNSW_GRAPH_BUILD_INTERNAL_H */
