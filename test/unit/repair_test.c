/*-------------------------------------------------------------------------
 *
 * repair_test.c
 *	  Links of points whose neighbours are gone.
 *
 * Points are places on a plane, their links random or the nearest; some are
 * deleted, and each list is repaired and compared with what is promised.
 *
 * test/unit/repair_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "graph/repair.h"

#define MAX_POINTS	2000

typedef struct Plane
{
	GraphStore	store;			/* must be first */
	int			npoints;
	double		x[MAX_POINTS];
	double		y[MAX_POINTS];
	bool		dead[MAX_POINTS];
	int			nlinks[MAX_POINTS];
	PointId		links[MAX_POINTS][GRAPH_MAX_LINKS];
} Plane;

static Plane plane;

static float
distance(PointId a, PointId b)
{
	double		dx = plane.x[a] - plane.x[b];
	double		dy = plane.y[a] - plane.y[b];

	return (float) (dx * dx + dy * dy);
}

static int
plane_get_links(GraphStore *store, PointId point, GraphLevel level,
				PointId *links, bool *live)
{
	*live = !plane.dead[point];
	memcpy(links, plane.links[point], plane.nlinks[point] * sizeof(PointId));
	return plane.nlinks[point];
}

static void
plane_score_between(GraphStore *store, PointId from, const PointId *points,
					int n, float *distances)
{
	for (int i = 0; i < n; i++)
		distances[i] = distance(from, points[i]);
}

static GraphLinkFate
plane_judge(PointId point, void *arg)
{
	return plane.dead[point] ? GRAPH_LINK_DEAD : GRAPH_LINK_STAYS;
}

static bool
is_among(const PointId *links, int n, PointId point)
{
	for (int i = 0; i < n; i++)
	{
		if (links[i] == point)
			return true;
	}
	return false;
}

static void
make_plane(int npoints, int max_links, double dead_share)
{
	plane.store.get_links = plane_get_links;
	plane.store.score_between = plane_score_between;
	plane.npoints = npoints;
	for (int i = 0; i < npoints; i++)
	{
		plane.x[i] = unit_random_double();
		plane.y[i] = unit_random_double();
		plane.dead[i] = unit_random_double() < dead_share;
		plane.nlinks[i] = 0;
	}
	for (int i = 0; i < npoints; i++)
	{
		int			wanted = unit_random_below(max_links + 1);

		for (int j = 0; j < wanted * 2 && plane.nlinks[i] < wanted; j++)
		{
			PointId		link = unit_random_below(npoints);

			if (link != (PointId) i &&
				!is_among(plane.links[i], plane.nlinks[i], link))
				plane.links[i][plane.nlinks[i]++] = link;
		}
	}
}

/* Can a live point be reached from another through dead ones only? */
static bool
is_behind(PointId from, PointId to)
{
	static bool seen[MAX_POINTS];
	static PointId queue[MAX_POINTS];
	int			head = 0;
	int			tail = 0;

	memset(seen, 0, sizeof(seen));
	queue[tail++] = from;
	seen[from] = true;
	while (head < tail)
	{
		PointId		here = queue[head++];

		for (int i = 0; i < plane.nlinks[here]; i++)
		{
			PointId		link = plane.links[here][i];

			if (link == to)
				return true;
			if (plane.dead[link] && !seen[link])
			{
				seen[link] = true;
				queue[tail++] = link;
			}
		}
	}
	return false;
}

/* What is wrong with a repaired list, NULL when nothing is */
static const char *
fault(PointId point, const PointId *links, int n, int max)
{
	const PointId *old = plane.links[point];
	int			nold = plane.nlinks[point];
	int			ndead = 0;

	for (int i = 0; i < nold; i++)
		ndead += plane.dead[old[i]];
	if (n < 0)
		return ndead > 0 ? "left as it was" : NULL;
	if (ndead == 0)
		return "changed without need";
	if (n > max || n > nold)
		return "too long";
	for (int i = 0; i < n; i++)
	{
		if (links[i] == point)
			return "linked to itself";
		if (plane.dead[links[i]])
			return "linked to a dead point";
		if (is_among(links, i, links[i]))
			return "same link twice";
		if (!is_among(old, nold, links[i]) && !is_behind(point, links[i]))
			return "linked to a point that is not behind";
	}
	for (int i = 0; i < nold; i++)
	{
		if (!plane.dead[old[i]] && !is_among(links, n, old[i]))
			return "lost a live link";
	}

	/* shorter only when there is nobody else */
	for (int i = 0; n < Min(nold, max) && i < plane.npoints; i++)
	{
		if ((PointId) i != point && !plane.dead[i] &&
			!is_among(links, n, i) && is_behind(point, i))
			return "shorter than it must be";
	}
	return NULL;
}

static void
test_plane(int npoints, int max_links, double dead_share, bool heuristic)
{
	GraphRepair repair = {
		.links = &plane.store,
		.distances = &plane.store,
		.select = {.heuristic = heuristic,.keep_pruned = true},
		.judge = plane_judge
	};
	const char *what = NULL;

	make_plane(npoints, max_links, dead_share);
	for (int i = 0; i < npoints && what == NULL; i++)
	{
		PointId		links[GRAPH_MAX_LINKS];

		if (plane.dead[i])
			continue;
		memcpy(links, plane.links[i], plane.nlinks[i] * sizeof(PointId));
		what = fault(i, links, graph_repair_links(&repair, i, 0, links,
												  plane.nlinks[i],
												  max_links), max_links);
	}
	unit_ok(what == NULL,
			"%d points, up to %d links, %.0f%% dead, %s: %s", npoints,
			max_links, 100 * dead_share, heuristic ? "diverse" : "nearest",
			what == NULL ? "as promised" : what);
}

/* Without the heuristic a gap is filled by the nearest point behind. */
static void
test_nearest(void)
{
	GraphRepair repair = {
		.links = &plane.store,
		.distances = &plane.store,
		.judge = plane_judge
	};
	PointId		links[GRAPH_MAX_LINKS] = {1, 2};
	int			n;

	make_plane(6, 0, 0);
	for (int i = 0; i < 6; i++)
	{
		plane.x[i] = i;
		plane.y[i] = 0;
	}
	plane.dead[2] = true;
	plane.links[2][0] = 5;
	plane.links[2][1] = 3;
	plane.links[2][2] = 0;
	plane.nlinks[2] = 3;
	n = graph_repair_links(&repair, 0, 0, links, 2, 32);
	unit_ok(n == 2 && is_among(links, n, 1) && is_among(links, n, 3),
			"the nearest point behind takes the place of a dead one");
}

/* Where nearly all are dead, looking behind them has an end. */
static void
test_desert(void)
{
	GraphRepair repair = {
		.links = &plane.store,
		.distances = &plane.store,
		.judge = plane_judge
	};
	const char *what = NULL;

	make_plane(MAX_POINTS, 40, 0.99);
	for (int i = 0; i < plane.npoints && what == NULL; i++)
	{
		PointId		links[GRAPH_MAX_LINKS];
		int			n;

		if (plane.dead[i])
			continue;
		memcpy(links, plane.links[i], plane.nlinks[i] * sizeof(PointId));
		n = graph_repair_links(&repair, i, 0, links, plane.nlinks[i], 40);
		for (int j = 0; j < n && what == NULL; j++)
		{
			if (plane.dead[links[j]] || links[j] == (PointId) i ||
				is_among(links, j, links[j]))
				what = "a link that should not be";
		}
	}
	unit_ok(what == NULL, "99%% of %d points dead: %s", plane.npoints,
			what == NULL ? "as promised" : what);
}

int
main(int argc, char **argv)
{
	static const double shares[] = {0, 0.05, 0.3, 0.9};

	unit_start(argc, argv);
	test_nearest();
	test_desert();
	for (int i = 0; i < (int) lengthof(shares); i++)
	{
		test_plane(300, 4, shares[i], true);
		test_plane(300, 12, shares[i], false);
		/* so few dead that all of them are looked behind */
		test_plane(shares[i] > 0.5 ? 150 : 1500, 30, shares[i], true);
		test_plane(40, 30, shares[i], true);
	}
	return unit_finish();
}
