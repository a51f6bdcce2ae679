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

#include "graph/link_back.h"

/*
 * A list that others change all the time is tried again so often; for a link
 * without which the point is lost, more often.
 */
#define MAX_LINK_ATTEMPTS	4
#define MAX_MUST_ATTEMPTS	64

/* Links looked at for one that can go in the place of one that cannot */
#define MAX_PLACES			4

/* Points that were found, or are behind those, when room is wanted for a link */
#define MAX_BEHIND			1024

/* How much a point needs to be linked */
typedef enum LinkNeed
{
	LINK_IF_CHOSEN,				/* by the rules of selection */
	LINK_IF_ROOM,				/* in a list that is not full */
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

static bool
contains(const PointId *points, int n, PointId point)
{
	for (int i = 0; i < n; i++)
	{
		if (points[i] == point)
			return true;
	}
	return false;
}

/*
 * The links of a point at level 0; none when it is gone.  If they are about to
 * change they are as they will be: two lists that are written together must not
 * rely on each other for what both give up.
 */
static int
links_of(GraphLinker *linker, PointId point, PointId *links)
{
	GraphStore *graph = linker->graph;
	bool		live = true;
	int			n;

	for (int i = 0; i < linker->npending; i++)
	{
		const GraphLinkChange *change = graph_change(linker->writer,
													 linker->changes, i);

		if (change->point == point)
		{
			memcpy(links, change->links, change->nlinks * sizeof(PointId));
			return change->nlinks;
		}
	}
	n = graph->get_links(graph, point, 0, links, &live);
	return live ? n : 0;
}

/* Is there any point in both? */
static bool
share_any(const PointId *a, int na, const PointId *b, int nb)
{
	for (int i = 0; i < na; i++)
	{
		if (contains(b, nb, a[i]))
			return true;
	}
	return false;
}

/*
 * Can a point that also links to n others do without a link to target?  It can if
 * there is another way: if one of them, or the new point, links there, or one
 * of them to a point that does.  As long as only such links go, all that could
 * be reached can be reached.  Those are asked for links to the target to which it
 * links in turn.  That many of them have one does not count: when the target is
 * the way into a region, it is the way to all of those, too.
 */
static bool
can_go(GraphLinker *linker, PointId point, const PointId *links, int n,
	   PointId target)
{
	const GraphNewPoint *new_point = linker->point;
	PointId		back[GRAPH_MAX_LINKS];
	PointId		theirs[GRAPH_MAX_LINKS];
	int			nback;
	int			nthere = 0;

	for (int i = 0; i < new_point->nlinks[0]; i++)
	{
		if (new_point->links[0][i].point == target)
			return true;
	}
	nback = links_of(linker, target, back);
	for (int i = 0; i < nback; i++)
	{
		if (back[i] == point || back[i] == new_point->point ||
			!contains(theirs, links_of(linker, back[i], theirs), target))
			continue;
		if (contains(links, n, back[i]))
			return true;
		back[nthere++] = back[i];
	}
	for (int i = 0; i < n && nthere > 0; i++)
	{
		if (share_any(back, nthere, theirs,
					  links_of(linker, links[i], theirs)))
			return true;
	}
	return false;
}

/*
 * Shortens a list, best links first, to nwanted links by taking out those
 * that can go, the worst first.  Returns how many are left.
 */
static int
shorten_list(GraphLinker *linker, PointId point, PointId *links, int n,
			 int nwanted)
{
	int			stop = Max(nwanted - MAX_PLACES, 0);

	for (int i = n - 1; i >= stop && n > nwanted; i--)
	{
		PointId		link = links[i];

		if (link == linker->point->point)
			continue;
		memmove(links + i, links + i + 1, (n - 1 - i) * sizeof(PointId));
		links[n - 1] = link;
		if (can_go(linker, point, links, n - 1, link))
			n--;
	}
	return n;
}

/*
 * Puts links in the order of preference; returns how many of them selection
 * would choose.
 */
static int
order_links(GraphLinker *linker, PointId point, PointId *links, int n,
			int max)
{
	GraphStore *store = linker->distances;
	GraphNeighbour candidates[GRAPH_MAX_LINKS + 1];
	float		distances[GRAPH_MAX_LINKS + 1];
	int			nchosen;

	store->score_between(store, point, links, n, distances);
	for (int i = 0; i < n; i++)
	{
		candidates[i].point = links[i];
		candidates[i].distance = distances[i];
	}
	nchosen = graph_select_neighbours(store, &linker->select,
									  candidates, n, max);
	for (int i = 0; i < n; i++)
		links[i] = candidates[i].point;
	return nchosen;
}

/* Adds the new point to the links that were read of a point. */
static LinkPlan
add_link(GraphLinker *linker, GraphLinkChange *change, LinkNeed need)
{
	PointId		new_point = linker->point->point;
	int			max = GraphMaxLinks(linker->m, change->level);
	PointId    *links = change->links;
	int			n = change->nlinks;
	int			nchosen;

	if (contains(links, n, new_point))
		return LINK_THERE;
	links[n++] = new_point;
	if (n > max)
	{
		if (need == LINK_IF_ROOM)
			return LINK_REFUSED;
		nchosen = order_links(linker, change->point, links, n, max);
		if (need == LINK_IF_CHOSEN &&
			!contains(links, nchosen, new_point))
			return LINK_REFUSED;
		if (change->level == 0 && need != LINK_ANYWAY)
			n = shorten_list(linker, change->point, links, n, nchosen);
		else
		{
			if (!contains(links, nchosen, new_point))
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
plan_link(GraphLinker *linker, PointId neighbour, GraphLevel level,
		  LinkNeed need, GraphLinkChange *change)
{
	GraphWriter *writer = linker->writer;

	if (!writer->read_links(writer, neighbour, level, change))
		return LINK_GONE;
	return add_link(linker, change, need);
}

/*
 * Links those neighbours to the new point that want to.  Returns whether one
 * is linked; those where others got ahead of us are left in neighbours.
 */
static bool
try_link_back(GraphLinker *linker, GraphLevel level, PointId *neighbours,
			  int *n)
{
	GraphWriter *writer = linker->writer;
	bool		linked = false;
	int			nchanges = 0;
	int			nleft = 0;

	for (int i = 0; i < *n; i++)
	{
		LinkPlan	plan = plan_link(linker, neighbours[i], level,
									 LINK_IF_CHOSEN,
									 graph_change(writer, linker->changes,
												  nchanges));

		linked |= plan == LINK_THERE;
		nchanges += plan == LINK_ADDED;
		linker->npending = level == 0 ? nchanges : 0;
	}
	linker->npending = 0;
	if (nchanges > 0)
		writer->write_links(writer, linker->changes, nchanges);
	for (int i = 0; i < nchanges; i++)
	{
		const GraphLinkChange *change = graph_change(writer, linker->changes,
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
link_back_at(GraphLinker *linker, GraphLevel level)
{
	const GraphNewPoint *new_point = linker->point;
	PointId		left[GRAPH_MAX_LINKS];
	int			nleft = new_point->nlinks[level];
	bool		linked = false;

	for (int i = 0; i < nleft; i++)
		left[i] = new_point->links[level][i].point;
	for (int attempt = 0; attempt < MAX_LINK_ATTEMPTS && nleft > 0; attempt++)
		linked |= try_link_back(linker, level, left, &nleft);
	return linked;
}

/* Links a point to the new one, or tells that its need is not enough. */
static bool
link_one(GraphLinker *linker, PointId point, LinkNeed need)
{
	GraphWriter *writer = linker->writer;
	GraphLinkChange *change = linker->changes;

	for (int attempt = 0; attempt < MAX_MUST_ATTEMPTS; attempt++)
	{
		LinkPlan	plan = plan_link(linker, point, 0, need, change);

		if (plan == LINK_THERE)
			return true;
		if (plan != LINK_ADDED)
			break;
		writer->write_links(writer, change, 1);
		if (change->done)
			return true;
	}
	return false;
}

/*
 * Links some neighbour, or what else was found, with need LINK_ANYWAY the
 * first that is there.
 */
static bool
must_link_back(GraphLinker *linker, LinkNeed need)
{
	for (int i = 0; i < linker->ncandidates; i++)
	{
		if (link_one(linker, linker->candidates[i].point, need))
			return true;
	}
	return false;
}

/*
 * Links a point behind those found, the first that has room.  Where a few points
 * are the nearest ones of all others, their lists are full of links that are
 * needed, and most of the others have room.
 */
static bool
link_from_behind(GraphLinker *linker)
{
	PointId	   *queue = palloc(MAX_BEHIND * sizeof(PointId));
	int			nqueued = Min(linker->ncandidates, MAX_BEHIND);
	bool		linked = false;

	for (int i = 0; i < nqueued; i++)
		queue[i] = linker->candidates[i].point;
	for (int i = 0; i < nqueued && !linked; i++)
	{
		PointId		links[GRAPH_MAX_LINKS];
		int			n = links_of(linker, queue[i], links);

		for (int j = 0; j < n && nqueued < MAX_BEHIND && !linked; j++)
		{
			if (links[j] == linker->point->point ||
				contains(queue, nqueued, links[j]))
				continue;
			linked = link_one(linker, links[j], LINK_IF_ROOM);
			queue[nqueued++] = links[j];
		}
	}
	pfree(queue);
	return linked;
}

bool
graph_must_link_back(GraphLinker *linker)
{
	return must_link_back(linker, LINK_IF_POSSIBLE) ||
		link_from_behind(linker) ||
		must_link_back(linker, LINK_ANYWAY);
}

bool
graph_link_back(GraphLinker *linker, GraphLevel level)
{
	return link_back_at(linker, level) ||
		(level == 0 && graph_must_link_back(linker));
}
