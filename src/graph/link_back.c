/*-------------------------------------------------------------------------
 *
 * link_back.c
 *	  Links from its neighbours to a new point.
 *
 * A full list takes a link by the rules of selection, but a link that is
 * needed to get to another point must not go for it: once lost, such a point
 * is found no more.  Each point asks its neighbours whether they can do
 * without a link, which needs no walk through the graph.
 *
 * src/graph/link_back.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <string.h>

#include "graph/insert_internal.h"

/* The same for a link without which the point is lost */
#define MAX_MUST_ATTEMPTS	64

/* A point to which more than so many others link does not need each of them */
#define MANY_LINKS			6

/* Links looked at for one that can go in the place of one that cannot */
#define MAX_PLACES			4

/* How much a point needs to be linked */
typedef enum LinkNeed
{
	LINK_IF_CHOSEN,				/* by the rules of selection */
	LINK_IF_POSSIBLE,			/* without cutting off others */
	LINK_ANYWAY
} LinkNeed;

typedef enum LinkPlan
{
	LINK_REFUSED,
	LINK_GONE,					/* whose links they were */
	LINK_THERE,
	LINK_ADDED
} LinkPlan;

/* The links of a point at level 0; none when it is gone */
static int
links_of(GraphInsert *insert, PointId point, PointId *links)
{
	GraphStore *graph = insert->options.graph;
	bool		live = true;
	int			n = graph->get_links(graph, point, 0, links, &live);

	return live ? n : 0;
}

/*
 * Can a point that links to n points do without a link to target?  It can if
 * one of them, or the new point, links there: as long as no other link ever
 * goes, all that could be reached can be reached.  And it can if many others
 * link there.  Those are asked to which the target links in turn.
 */
static bool
can_go(GraphInsert *insert, const PointId *links, int n, PointId target)
{
	const GraphNewPoint *new_point = &insert->new_point;
	PointId		back[GRAPH_MAX_LINKS];
	int			nback;
	int			count = 0;

	for (int i = 0; i < new_point->nlinks[0]; i++)
	{
		if (new_point->links[0][i].point == target)
			return true;
	}
	nback = links_of(insert, target, back);
	for (int i = 0; i < nback; i++)
	{
		PointId		theirs[GRAPH_MAX_LINKS];

		if (back[i] == new_point->point ||
			!graph_contains(theirs, links_of(insert, back[i], theirs), target))
			continue;
		if (graph_contains(links, n, back[i]) || ++count > MANY_LINKS)
			return true;
	}
	return false;
}

/*
 * Shortens a list, best links first, to nwanted links by taking out those
 * that can go, the worst first.  Returns how many are left.
 */
static int
shorten_list(GraphInsert *insert, PointId *links, int n, int nwanted)
{
	int			stop = Max(nwanted - MAX_PLACES, 0);

	for (int i = n - 1; i >= stop && n > nwanted; i--)
	{
		PointId		link = links[i];

		if (link == insert->new_point.point)
			continue;
		memmove(links + i, links + i + 1, (n - 1 - i) * sizeof(PointId));
		links[n - 1] = link;
		if (can_go(insert, links, n - 1, link))
			n--;
	}
	return n;
}

/*
 * Puts links in the order of preference; returns how many of them selection
 * would choose.
 */
static int
order_links(GraphInsert *insert, PointId point, PointId *links, int n,
			int max)
{
	GraphStore *store = insert->options.distances;
	GraphNeighbour candidates[GRAPH_MAX_LINKS + 1];
	float		distances[GRAPH_MAX_LINKS + 1];
	int			nchosen;

	store->score_between(store, point, links, n, distances);
	for (int i = 0; i < n; i++)
	{
		candidates[i].point = links[i];
		candidates[i].distance = distances[i];
	}
	nchosen = graph_select_neighbours(store, &insert->options.select,
									  candidates, n, max);
	for (int i = 0; i < n; i++)
		links[i] = candidates[i].point;
	return nchosen;
}

/* Adds the new point to the links that were read of a point. */
static LinkPlan
add_link(GraphInsert *insert, GraphLinkChange *change, LinkNeed need)
{
	PointId		new_point = insert->new_point.point;
	int			max = GraphMaxLinks(insert->options.m, change->level);
	PointId    *links = change->links;
	int			n = change->nlinks;
	int			nchosen;

	if (graph_contains(links, n, new_point))
		return LINK_THERE;
	links[n++] = new_point;
	if (n > max)
	{
		nchosen = order_links(insert, change->point, links, n, max);
		if (need == LINK_IF_CHOSEN &&
			!graph_contains(links, nchosen, new_point))
			return LINK_REFUSED;
		if (change->level == 0 && need != LINK_ANYWAY)
			n = shorten_list(insert, links, n, nchosen);
		else
		{
			if (!graph_contains(links, nchosen, new_point))
				links[nchosen - 1] = new_point;
			n = nchosen;
		}
		if (n > max)
			return LINK_REFUSED;
	}
	change->nlinks = n;
	return LINK_ADDED;
}

/* What has to change in one neighbour */
static LinkPlan
plan_link(GraphInsert *insert, PointId neighbour, GraphLevel level,
		  LinkNeed need, GraphLinkChange *change)
{
	GraphWriter *writer = insert->options.writer;

	if (!writer->read_links(writer, neighbour, level, change))
		return LINK_GONE;
	return add_link(insert, change, need);
}

/*
 * Links those neighbours to the new point that want to.  Returns whether one
 * is linked; those where others got ahead of us are left in neighbours.
 */
static bool
try_link_back(GraphInsert *insert, GraphLevel level, PointId *neighbours,
			  int *n)
{
	GraphWriter *writer = insert->options.writer;
	bool		linked = false;
	int			nchanges = 0;
	int			nleft = 0;

	for (int i = 0; i < *n; i++)
	{
		LinkPlan	plan = plan_link(insert, neighbours[i], level,
									 LINK_IF_CHOSEN,
									 graph_change(writer, insert->changes,
												  nchanges));

		linked |= plan == LINK_THERE;
		nchanges += plan == LINK_ADDED;
	}
	if (nchanges > 0)
		writer->write_links(writer, insert->changes, nchanges);
	for (int i = 0; i < nchanges; i++)
	{
		const GraphLinkChange *change = graph_change(writer, insert->changes,
													 i);

		linked |= change->done;
		if (!change->done)
			neighbours[nleft++] = change->point;
	}
	*n = nleft;
	return linked;
}

/* The same again where others got ahead of us */
static bool
link_back_at(GraphInsert *insert, GraphLevel level)
{
	const GraphNewPoint *new_point = &insert->new_point;
	PointId		left[GRAPH_MAX_LINKS];
	int			nleft = new_point->nlinks[level];
	bool		linked = false;

	for (int i = 0; i < nleft; i++)
		left[i] = new_point->links[level][i].point;
	for (int attempt = 0; attempt < MAX_LINK_ATTEMPTS && nleft > 0; attempt++)
		linked |= try_link_back(insert, level, left, &nleft);
	return linked;
}

/*
 * Links some neighbour, or what else was found, with need LINK_ANYWAY the
 * first that is there.
 */
static bool
must_link_back(GraphInsert *insert, LinkNeed need)
{
	GraphWriter *writer = insert->options.writer;
	GraphLinkChange *change = insert->changes;

	for (int i = 0; i < insert->ncandidates; i++)
	{
		for (int attempt = 0; attempt < MAX_MUST_ATTEMPTS; attempt++)
		{
			LinkPlan	plan = plan_link(insert, insert->candidates[i].point,
										 0, need, change);

			if (plan == LINK_THERE)
				return true;
			if (plan != LINK_ADDED)
				break;
			writer->write_links(writer, change, 1);
			if (change->done)
				return true;
		}
	}
	return false;
}

bool
insert_link_back(GraphInsert *insert, GraphLevel level)
{
	bool		linked = link_back_at(insert, level);

	for (LinkNeed need = LINK_IF_POSSIBLE;
		 level == 0 && !linked && need <= LINK_ANYWAY; need++)
		linked = must_link_back(insert, need);
	return linked;
}
