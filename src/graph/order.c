/*-------------------------------------------------------------------------
 *
 * order.c
 *	  Numbers for the points of one side such that neighbours are near each
 *	  other.
 *
 * A search that expands a point looks at the points of its list, and what that
 * costs, above all when the index does not fit in memory, is how many pages
 * they are on.  So pages are filled one after the other, each with points that
 * are in the same lists: next is always the point of whose lists, that is those
 * that lead to it, the largest share has a point on the page already.  A share,
 * not a number, as a point that is in few lists would be left behind, and fit
 * nowhere later on.  A page begins with the point that would have been the next
 * one on the page before it.
 *
 * Measured on 200,000 SIFT vectors, 60 codes to a page, and 60,000 HOG vectors
 * of 768 dimensions, 20 to a page, in random order: pages that a list leads to,
 * bits of a link, and, simulated, pages that a search at ef 20 has to read when
 * a quarter of them is in memory, those used last.
 *
 *								pages/list		bits/link		reads
 *	links from the last 64		13.5, 18.4		10.1, 10.6		78, 162
 *	largest share of lists		12.1, 16.5		 9.9, 10.3		69, 136
 *	the same, on two sides		12.2, 16.6		 9.8, 10.0
 *
 * The first, in which next is the point to which most links lead from the last
 * 64 that got their number, takes a fifth of the time: 1 us per point instead of
 * 6, when a build takes 110.  The last is what is done, as each side can be
 * another member's (order_team.c).  Four sides make it 12.3, 16.7 pages and 9.7,
 * 10.1 bits; two sides as a plane divides them, without moves of points to their
 * neighbours, 12.4, 17.1 pages and 9.9, 10.6 bits.  Swapping points between
 * pages afterwards makes it 11.6 pages (SIFT), in 150 us per point.  Of 854
 * pages of codes that a search at ef 80 comes to in order of insertion, breadth
 * first leaves 380, reverse Cuthill-McKee 378, the first 276, recursive
 * bisection, in 50 us per point, 255.
 *
 * Before all others come the few points of high levels (order_team.c).  Every
 * search passes some of them, wherever it goes, so they are worth pages of their
 * own, which stay in memory.
 *
 * src/graph/order.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "graph/graph.h"
#include "graph/memory.h"
#include "graph/order.h"

/* Points without a number are classed by their share of lists. */
#define NUM_CLASSES		32

/* The share of a point that is in few lists is taken for less than it is. */
#define LISTS_MORE		3

/* Lists whose memory is on its way at the same time */
#define LISTS_AHEAD		4

/*
 * A point without a number: in how many lists that have a point on the page it
 * is, and what each of them is worth, in 1/256 of a class.  When it is in any,
 * it is in the chain of its class.  Chains are rings, with a head that is no
 * point, so that what is done most, moving a point to the next class, takes no
 * branches.
 */
typedef struct Candidate
{
	PointId		next;
	PointId		previous;
	uint16		nlists;
	uint16		worth;
} Candidate;

#define HAS_NUMBER		PG_UINT16_MAX

/*
 * A side that gets its numbers.  Its points go by their ranks on it, which
 * lists name, too, while that is going on: so what is looked at most is near
 * each other, and no other member writes to a line of it.
 */
typedef struct Numbering
{
	GraphBuild *build;
	int			side;
	PointId		npoints;		/* on this side */
	PointId    *points;			/* by rank */
	PointId    *new_ids;		/* by point, of both sides */
	PointId		next_id;
	PointId		nleft;			/* points that are to get numbers yet */
	PointId		rest;			/* no point before it is without a number */
	uint32		per_page;

	/* the lists that each point is in, from ends[rank - 1] on */
	PointId    *in_lists;
	uint64	   *ends;
	uint32	   *last_page;		/* per list: has one of the side's points */

	Candidate  *candidates;		/* by rank, then the heads of chains */
	int			highest;		/* in no class above it is any point */
} Numbering;

/* Where in a list the links to points of the side begin, and where they end */
static inline int
side_begin(const Numbering *numbering, const OrderHead *head)
{
	return numbering->side == 0 ? 0 : head->nfirst;
}

static inline int
side_end(const Numbering *numbering, const OrderHead *head)
{
	return numbering->side == 0 ? head->nfirst : head->count;
}

static inline bool
has_number(const Numbering *numbering, PointId point)
{
	return numbering->candidates[point].nlists == HAS_NUMBER;
}

static inline int
class_of(const Candidate *candidate)
{
	return (candidate->nlists * candidate->worth) >> 8;
}

static inline PointId
chain_head(const Numbering *numbering, int class)
{
	return numbering->npoints + class;
}

/* The first point of a chain, or its head */
static inline PointId
chain_first(const Numbering *numbering, int class)
{
	return numbering->candidates[chain_head(numbering, class)].next;
}

static inline bool
chain_is_empty(const Numbering *numbering, int class)
{
	return chain_first(numbering, class) == chain_head(numbering, class);
}

static inline void
chain_clear(Numbering *numbering, int class)
{
	PointId		head = chain_head(numbering, class);

	numbering->candidates[head].next = head;
	numbering->candidates[head].previous = head;
}

static inline void
chain_insert(Numbering *numbering, PointId point, int class)
{
	Candidate  *candidates = numbering->candidates;
	PointId		head = chain_head(numbering, class);
	PointId		next = candidates[head].next;

	Assert(class < NUM_CLASSES);
	candidates[point].next = next;
	candidates[point].previous = head;
	candidates[next].previous = point;
	candidates[head].next = point;
	numbering->highest = Max(numbering->highest, class);
}

static inline void
chain_remove(Numbering *numbering, PointId point)
{
	Candidate  *candidates = numbering->candidates;
	PointId		next = candidates[point].next;
	PointId		previous = candidates[point].previous;

	candidates[next].previous = previous;
	candidates[previous].next = next;
}

/* One more of a point's lists has a point on the page. */
static inline void
promote(Numbering *numbering, PointId point)
{
	Candidate  *candidate = &numbering->candidates[point];
	int			before = class_of(candidate);
	int			after;

	if (candidate->nlists == HAS_NUMBER - 1)
		return;
	candidate->nlists++;
	after = class_of(candidate);
	if (candidate->nlists > 1)
	{
		if (after == before)
			return;
		chain_remove(numbering, point);
	}
	chain_insert(numbering, point, after);
}

/* The point with the largest share of lists; there may be none. */
static PointId
best_candidate(Numbering *numbering)
{
	while (numbering->highest > 0 &&
		   chain_is_empty(numbering, numbering->highest))
		numbering->highest--;
	if (chain_is_empty(numbering, numbering->highest))
		return InvalidPointId;
	return chain_first(numbering, numbering->highest);
}

static PointId
any_point(Numbering *numbering)
{
	while (has_number(numbering, numbering->rest))
		numbering->rest++;
	return numbering->rest;
}

/* Nothing is in a list with a point of a new page. */
static void
begin_page(Numbering *numbering)
{
	for (int class = 0; class <= numbering->highest; class++)
	{
		PointId		head = chain_head(numbering, class);
		PointId		point = chain_first(numbering, class);

		while (point != head)
		{
			Candidate  *candidate = &numbering->candidates[point];

			candidate->nlists = 0;
			point = candidate->next;
		}
		chain_clear(numbering, class);
	}
	numbering->highest = 0;
}

/* Gives a point the next number. */
static void
number_point(Numbering *numbering, PointId point)
{
	Candidate  *candidate = &numbering->candidates[point];

	if (candidate->nlists > 0)
		chain_remove(numbering, point);
	candidate->nlists = HAS_NUMBER;
	if (numbering->next_id % numbering->per_page == 0)
		begin_page(numbering);
	numbering->new_ids[numbering->points[point]] = numbering->next_id++;
	numbering->nleft--;
}

static inline void
prefetch_list(const Numbering *numbering, uint64 place)
{
	PointId		from = numbering->in_lists[place];
	LinkList	links = build_list(numbering->build, from, 0);
	const char *list = (const char *) links.head;

	__builtin_prefetch(&numbering->last_page[from]);
	__builtin_prefetch(list);
	__builtin_prefetch(list + CACHE_LINE);
}

/*
 * A list has a point on the page.  Links to points that have a number are moved
 * behind the others, so that the next one that comes need not look at them.
 */
static void
meet_list(Numbering *numbering, PointId from, uint32 page)
{
	LinkList	list;
	OrderHead  *head;
	PointId    *links;
	int			n;

	if (numbering->last_page[from] == page)
		return;
	numbering->last_page[from] = page;
	list = build_list(numbering->build, from, 0);
	head = order_head(list);
	links = list.links + side_begin(numbering, head);
	n = head->nopen[numbering->side];
	for (int i = 0; i < n;)
	{
		PointId		point = links[i];

		if (has_number(numbering, point))
		{
			links[i] = links[--n];
			links[n] = point;
		}
		else
		{
			promote(numbering, point);
			i++;
		}
	}
	head->nopen[numbering->side] = n;
}

/* All lists that the point numbered last is in have it on the page. */
static void
meet_lists(Numbering *numbering, PointId point)
{
	uint32		page = (numbering->next_id - 1) / numbering->per_page;
	uint64		begin = point == 0 ? 0 : numbering->ends[point - 1];
	uint64		end = numbering->ends[point];

	build_check_interrupts(numbering->build);
	for (uint64 i = begin; i < Min(begin + LISTS_AHEAD, end); i++)
		prefetch_list(numbering, i);
	for (uint64 i = begin; i < end; i++)
	{
		if (i + LISTS_AHEAD < end)
			prefetch_list(numbering, i + LISTS_AHEAD);
		meet_list(numbering, numbering->in_lists[i], page);
	}
}

/*-------------------------------------------------------------------------
 * A side
 *-------------------------------------------------------------------------
 */

/* Finds the points of the side, and where its numbers begin. */
static void
take_points(Numbering *numbering)
{
	GraphBuild *build = numbering->build;
	const uint8 *sides = order_sides(build, false);
	PointId		nothers = 0;
	PointId		rank = 0;

	for (PointId point = 0; point < build->shared->npoints; point++)
	{
		bool		mine = (sides[point] & ORDER_SIDE_MASK) == numbering->side;
		bool		numbered = (sides[point] & ORDER_NUMBERED) != 0;

		numbering->npoints += mine;
		numbering->nleft += mine && !numbered;
		nothers += !mine && !numbered;
	}
	numbering->next_id = build->shared->order.first;
	if (numbering->side > 0)
		numbering->next_id += nothers;

	numbering->points = graph_array_alloc(numbering->npoints, sizeof(PointId));
	for (PointId point = 0; point < build->shared->npoints; point++)
	{
		if ((sides[point] & ORDER_SIDE_MASK) == numbering->side)
			numbering->points[rank++] = point;
	}
}

/*
 * Lists name points by ranks from now on, and it is known where the lists of
 * each point begin.  Ranks take the place of last_page, which comes later.
 */
static uint64
name_ranks(Numbering *numbering)
{
	uint32	   *rank_of = numbering->last_page;
	uint64	   *ends = numbering->ends;
	uint64		sum = 0;

	for (PointId rank = 0; rank < numbering->npoints; rank++)
		rank_of[numbering->points[rank]] = rank;
	for (PointId from = 0; from < numbering->build->shared->npoints; from++)
	{
		LinkList	list = build_list(numbering->build, from, 0);
		int			end = side_end(numbering, order_head(list));

		build_check_interrupts(numbering->build);
		for (int i = side_begin(numbering, order_head(list)); i < end; i++)
		{
			list.links[i] = rank_of[list.links[i]];
			ends[list.links[i]]++;
		}
	}
	for (PointId rank = 0; rank < numbering->npoints; rank++)
	{
		uint64		n = ends[rank];

		ends[rank] = sum;
		sum += n;
	}
	return sum;
}

/*
 * Finds the lists that each point is in.  They take the place of the distances
 * of links, which are as many and not needed any more: those of side 0 from its
 * front on, those of side 1 up to its end.
 */
static void
invert_lists(Numbering *numbering)
{
	GraphBuild *build = numbering->build;
	PointId		nlists = build->shared->npoints;
	uint64		nlinks = name_ranks(numbering);

	numbering->in_lists = (PointId *) build->distances_of[0];
	if (numbering->side > 0)
		numbering->in_lists += (uint64) nlists *
			build_list_capacity(build->options.m, 0) - nlinks;
	for (PointId from = 0; from < nlists; from++)
	{
		LinkList	list = build_list(build, from, 0);
		int			end = side_end(numbering, order_head(list));

		build_check_interrupts(build);
		for (int i = side_begin(numbering, order_head(list)); i < end; i++)
			numbering->in_lists[numbering->ends[list.links[i]]++] = from;
	}
}

static void
init_candidates(Numbering *numbering)
{
	const uint8 *sides = order_sides(numbering->build, false);
	uint64		begin = 0;

	for (PointId rank = 0; rank < numbering->npoints; rank++)
	{
		Candidate  *candidate = &numbering->candidates[rank];
		uint64		n = numbering->ends[rank] - begin;

		candidate->nlists = 0;
		if ((sides[numbering->points[rank]] & ORDER_NUMBERED) != 0)
			candidate->nlists = HAS_NUMBER;
		candidate->worth = (NUM_CLASSES << 8) / (n + LISTS_MORE);
		begin = numbering->ends[rank];
	}
	for (int class = 0; class < NUM_CLASSES; class++)
		chain_clear(numbering, class);
}

static void
numbering_create(Numbering *numbering)
{
	PointId		nlists = numbering->build->shared->npoints;

	take_points(numbering);
	numbering->last_page = graph_array_alloc(nlists, sizeof(uint32));
	numbering->ends = graph_array_alloc0(numbering->npoints, sizeof(uint64));
	invert_lists(numbering);
	numbering->candidates =
		graph_array_alloc((uint64) numbering->npoints + NUM_CLASSES,
						  sizeof(Candidate));
	init_candidates(numbering);
	for (PointId i = 0; i < nlists; i++)
		numbering->last_page[i] = PG_UINT32_MAX;
}

/* Lists name points by their old numbers again. */
static void
numbering_free(Numbering *numbering)
{
	for (PointId from = 0; from < numbering->build->shared->npoints; from++)
	{
		LinkList	list = build_list(numbering->build, from, 0);
		int			end = side_end(numbering, order_head(list));

		build_check_interrupts(numbering->build);
		for (int i = side_begin(numbering, order_head(list)); i < end; i++)
			list.links[i] = numbering->points[list.links[i]];
	}
	pfree(numbering->points);
	pfree(numbering->last_page);
	pfree(numbering->ends);
	pfree(numbering->candidates);
}

Size
graph_order_size(PointId npoints)
{
	int			nsides = order_nsides(npoints);

	return npoints * (nsides * sizeof(uint32) + sizeof(PointId) +
					  sizeof(uint64) + sizeof(Candidate)) +
		nsides * NUM_CLASSES * sizeof(Candidate);
}

void
order_number_side(GraphBuild *build, int side)
{
	Numbering	numbering = {
		.build = build,
		.side = side,
		.new_ids = order_new_ids(build),
		.per_page = build->shared->order.per_page
	};

	numbering_create(&numbering);
	while (numbering.nleft > 0)
	{
		PointId		point = best_candidate(&numbering);

		if (!PointIdIsValid(point))
			point = any_point(&numbering);
		number_point(&numbering, point);
		meet_lists(&numbering, point);
	}
	numbering_free(&numbering);
}
