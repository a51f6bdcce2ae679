/*-------------------------------------------------------------------------
 *
 * lists.c
 *	  What a list of links holds while the graph is built.
 *
 * With keep_pruned a list is filled up with candidates that the heuristic
 * discarded, and a full list stays full: every link added takes the place of
 * another.  The paper takes the nearest discarded ones.  In data where some
 * points are near to very many others these get most of the links, and
 * points that nothing leads to are never found.  So discarded candidates are
 * weighed by their rank (the nearest first) times the number of links that
 * lead to them already; this finds as much with fewer links.  What the
 * heuristic accepted is never given up for the sake of that.
 *
 * Selecting all over again for every link added to a full list would compare
 * all its links with each other.  A list remembers what was accepted, so
 * that the new link only needs to be compared with those.  A discarded link
 * is not looked at again when the one that stood in its way is discarded in
 * turn; this costs nothing measurable.
 *
 * src/graph/lists.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <string.h>

#include "graph/build_internal.h"
#include "graph/graph.h"
#include "graph/select.h"

/* Discarded candidates considered, as a multiple of the links chosen */
#define DISCARDED_FACTOR	4

/* A list being changed; room for one link more than a list holds */
typedef struct Draft
{
	GraphNeighbour links[GRAPH_MAX_LINKS + 1];
	int			count;
	int			naccepted;
} Draft;

/* A link to target was made (n = 1) or taken away (-1). */
static inline void
count_link(GraphBuild *build, PointId target, bool upper, int n)
{
	if (!upper)
		build_count_change(&build->in_changes[target], n);
}

static void
read_list(const LinkList *list, Draft *draft)
{
	draft->count = list->head->count;
	draft->naccepted = list->head->naccepted;
	for (int i = 0; i < draft->count; i++)
	{
		draft->links[i].point = list->links[i];
		draft->links[i].distance = list->distances[i];
	}
}

static void
write_list(LinkList *list, const GraphNeighbour *links, int n, int naccepted)
{
	Assert(n <= list->capacity);
	for (int i = 0; i < n; i++)
	{
		list->links[i] = links[i].point;
		list->distances[i] = links[i].distance;
	}
	list->head->count = list->head->nknown = n;
	list->head->naccepted = naccepted;
}

/*
 * Moves to the front those n of the discarded candidates that a list is
 * filled up with, nearest first.
 */
static void
choose_discarded(GraphBuild *build, GraphNeighbour *discarded,
				 int ndiscarded, int n)
{
	int			m = build->options.m;
	uint64		weights[DISCARDED_FACTOR * GRAPH_MAX_LINKS];

	ndiscarded = Min(ndiscarded, DISCARDED_FACTOR * n);
	for (int i = 0; i < ndiscarded; i++)
		weights[i] = (uint64) (build->in_links[discarded[i].point] + m) *
			(i + m);
	for (int i = 0; i < n; i++)
	{
		int			best = i;
		GraphNeighbour swap = discarded[i];

		for (int j = i + 1; j < ndiscarded; j++)
		{
			if (weights[j] < weights[best])
				best = j;
		}
		discarded[i] = discarded[best];
		discarded[best] = swap;
		weights[best] = weights[i];
	}
	graph_sort_neighbours(discarded, n);
}

/*
 * Gives a new point its links at a level: chooses among n candidates and
 * moves those chosen to the front.  Returns how many.
 */
int
build_set_links(GraphBuild *build, PointId point, GraphLevel level,
				GraphNeighbour *candidates, int n)
{
	const GraphSelectOptions *select = &build->options.select;
	LinkList	list = build_list(build, point, level);
	int			max = build_own_links(build->options.m, level);
	int			naccepted = 0;
	int			nlinks = Min(n, max);

	graph_sort_neighbours(candidates, n);
	if (select->heuristic)
	{
		naccepted = graph_select_diverse(build->distances, candidates, n, max);
		if (!select->keep_pruned)
			nlinks = naccepted;
		else if (level == 0)
			choose_discarded(build, candidates + naccepted, n - naccepted,
							 nlinks - naccepted);
	}
	write_list(&list, candidates, nlinks, naccepted);
	for (int i = 0; i < nlinks; i++)
		count_link(build, candidates[i].point, level > 0, 1);
	return nlinks;
}

/* Judges all links of a list from scratch. */
static void
judge_all(GraphBuild *build, Draft *draft, GraphNeighbour link)
{
	draft->links[draft->count++] = link;
	graph_sort_neighbours(draft->links, draft->count);
	draft->naccepted = 0;
	if (build->options.select.heuristic)
		draft->naccepted = graph_select_diverse(build->distances, draft->links,
												draft->count, draft->count);
}

/* Judges a link that is added to a list of judged ones. */
static void
judge_one(GraphBuild *build, Draft *draft, GraphNeighbour link)
{
	GraphNeighbour *links = draft->links;
	int			naccepted = draft->naccepted;
	PointId		points[GRAPH_MAX_LINKS];
	float		distances[GRAPH_MAX_LINKS];
	bool		discard[GRAPH_MAX_LINKS + 1];

	for (int i = 0; i < naccepted; i++)
		points[i] = links[i].point;
	build->distances->score_between(build->distances, link.point, points,
									naccepted, distances);

	/* the nearer accepted ones judge it, and it judges the farther ones */
	memset(discard, false, naccepted + 1);
	for (int i = 0; i < naccepted; i++)
	{
		if (links[i].distance > link.distance)
			discard[i] = graph_stands_in_way(link.distance, links[i].distance,
											 distances[i]);
		else if (graph_stands_in_way(links[i].distance, link.distance,
									 distances[i]))
		{
			discard[naccepted] = true;
			break;
		}
	}

	memmove(links + naccepted + 1, links + naccepted,
			(draft->count - naccepted) * sizeof(GraphNeighbour));
	links[naccepted] = link;
	draft->count++;
	draft->naccepted = graph_partition(links, naccepted + 1, discard);
	graph_sort_neighbours(links, draft->naccepted);
	graph_sort_neighbours(links + draft->naccepted,
						  draft->count - draft->naccepted);
}

/* Which link goes when there is one too many. */
static int
choose_surplus(const GraphBuild *build, const Draft *draft, bool upper)
{
	int			worst = draft->count - 1;
	uint64		worst_weight = 0;

	if (upper)
		return worst;
	for (int i = draft->naccepted; i < draft->count; i++)
	{
		uint64		weight = (uint64) build->in_links[draft->links[i].point] *
			(i - draft->naccepted + 1);

		if (weight >= worst_weight)
		{
			worst_weight = weight;
			worst = i;
		}
	}
	return worst;
}

static void
remove_link(GraphBuild *build, Draft *draft, int position, bool upper)
{
	count_link(build, draft->links[position].point, upper, -1);
	draft->count--;
	draft->naccepted -= (position < draft->naccepted);
	memmove(draft->links + position, draft->links + position + 1,
			(draft->count - position) * sizeof(GraphNeighbour));
}

/*
 * Adds a link to a list; in a full list something else, or the link itself,
 * gives way.
 */
void
build_add_link(GraphBuild *build, LinkList list, bool upper,
			   GraphNeighbour link)
{
	const GraphSelectOptions *select = &build->options.select;
	Draft		draft;

	count_link(build, link.point, upper, 1);
	if (list.head->count < list.capacity)
	{
		list.links[list.head->count] = link.point;
		list.distances[list.head->count] = link.distance;
		list.head->count++;
		return;
	}

	read_list(&list, &draft);
	if (select->heuristic && list.head->nknown == draft.count)
		judge_one(build, &draft, link);
	else
		judge_all(build, &draft, link);

	if (select->heuristic && !select->keep_pruned)
	{
		while (draft.count > draft.naccepted)
			remove_link(build, &draft, draft.count - 1, upper);
	}
	if (draft.count > list.capacity)
		remove_link(build, &draft, choose_surplus(build, &draft, upper),
					upper);
	write_list(&list, draft.links, draft.count, draft.naccepted);
}
