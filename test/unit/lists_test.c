/*-------------------------------------------------------------------------
 *
 * lists_test.c
 *	  Lists that are merged, and lists that are joined to one graph.
 *
 * lists_test [seed]
 *
 * test/unit/lists_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "graph/graph.h"

#define CAPACITY	6
#define AROUND		16

/*-------------------------------------------------------------------------
 * Merging
 *-------------------------------------------------------------------------
 */
static float
distance_of(PointId point)
{
	return (float) (point * 2654435761U % 1000);
}

static int
compare(const void *a, const void *b)
{
	const GraphNeighbour *x = a;
	const GraphNeighbour *y = b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return (x->point > y->point) - (x->point < y->point);
}

/* Different points; a point has the same distance in every list. */
static void
random_links(GraphLinks *links, int max)
{
	links->count = unit_random_below(max + 1);
	links->naccepted = unit_random_below(links->count + 1);
	for (int i = 0; i < links->count; i++)
	{
		links->links[i].point = 3 * i + unit_random_below(3);
		links->links[i].distance = distance_of(links->links[i].point);
	}
	for (int i = links->count - 1; i > 0; i--)
	{
		int			j = unit_random_below(i + 1);
		GraphNeighbour swap = links->links[i];

		links->links[i] = links->links[j];
		links->links[j] = swap;
	}
	qsort(links->links, links->naccepted, sizeof(GraphNeighbour), compare);
	qsort(links->links + links->naccepted, links->count - links->naccepted,
		  sizeof(GraphNeighbour), compare);
}

/* 2: accepted, 1: a link, 0: none */
static int
standing(const GraphLinks *links, PointId point)
{
	for (int i = 0; i < links->count; i++)
	{
		if (links->links[i].point == point)
			return i < links->naccepted ? 2 : 1;
	}
	return 0;
}

static bool
merge_is_right(const GraphLinks *a, const GraphLinks *b, int max)
{
	GraphLinks	merged = *a;
	GraphNeighbour expected[3 * GRAPH_MAX_LINKS];
	int			n = 0;
	int			naccepted = 0;

	for (int wanted = 2; wanted > 0; wanted--)
	{
		int			first = n;

		for (PointId point = 0; point < 3 * GRAPH_MAX_LINKS; point++)
		{
			if (Max(standing(a, point), standing(b, point)) == wanted)
			{
				expected[n].point = point;
				expected[n++].distance = distance_of(point);
			}
		}
		qsort(expected + first, n - first, sizeof(GraphNeighbour), compare);
		if (wanted == 2)
			naccepted = Min(n, max);
	}
	n = Min(n, max);

	graph_merge_links(&merged, b, max);
	if (merged.count != n || merged.naccepted != naccepted)
		return false;
	for (int i = 0; i < n; i++)
	{
		if (merged.links[i].point != expected[i].point)
			return false;
	}
	return true;
}

static void
test_merge(void)
{
	bool		right = true;

	for (int round = 0; round < 3000; round++)
	{
		int			max = 1 + unit_random_below(round % 10 ? 20 :
												GRAPH_MAX_LINKS);
		GraphLinks	a;
		GraphLinks	b;

		random_links(&a, max);
		random_links(&b, max);
		right = right && merge_is_right(&a, &b, max);
	}
	unit_ok(right, "merged lists: accepted ones first, then the nearest");
}

/*-------------------------------------------------------------------------
 * Connecting
 *-------------------------------------------------------------------------
 */
typedef struct ArrayLists
{
	GraphLists	lists;			/* must be first */
	PointId		n;
	GraphNeighbour (*links)[CAPACITY];
	int		   *counts;
	GraphNeighbour found[AROUND];
	bool		misused;
} ArrayLists;

static int
array_read(GraphLists *lists, PointId point, GraphNeighbour *links)
{
	ArrayLists *array = (ArrayLists *) lists;

	memcpy(links, array->links[point],
		   array->counts[point] * sizeof(GraphNeighbour));
	return array->counts[point];
}

static void
array_put(GraphLists *lists, PointId point, int place, GraphNeighbour link)
{
	ArrayLists *array = (ArrayLists *) lists;

	if (place > array->counts[point] || place >= CAPACITY)
		array->misused = true;
	else
	{
		array->links[point][place] = link;
		array->counts[point] = Max(array->counts[point], place + 1);
	}
}

/* Its links, and then whatever there is, round after round */
static int
array_find_near(GraphLists *lists, PointId point, int round,
				const GraphNeighbour **found)
{
	ArrayLists *array = (ArrayLists *) lists;
	int			n = 0;

	*found = array->found;
	if (round == 0)
		return array_read(lists, point, array->found);
	if ((round - 1) * AROUND >= (int) array->n)
		return -1;
	for (int i = (round - 1) * AROUND;
		 i < Min(round * AROUND, (int) array->n); i++)
	{
		array->found[n].point = i;
		array->found[n++].distance = distance_of(i);
	}
	return n;
}

static PointId
count_reached(const ArrayLists *array, PointId entry)
{
	bool	   *reached = calloc(array->n, sizeof(bool));
	PointId    *stack = calloc(array->n, sizeof(PointId));
	PointId		depth = 0;
	PointId		count = 0;

	reached[entry] = true;
	stack[depth++] = entry;
	while (depth > 0)
	{
		PointId		from = stack[--depth];

		count++;
		for (int i = 0; i < array->counts[from]; i++)
		{
			PointId		to = array->links[from][i].point;

			if (!reached[to])
			{
				reached[to] = true;
				stack[depth++] = to;
			}
		}
	}
	free(reached);
	free(stack);
	return count;
}

static void
test_connect(int max_links, bool leads_back)
{
	bool		all = true;
	bool		sound = true;
	bool		counted = true;

	for (int round = 0; round < 100; round++)
	{
		PointId		n = 1 + unit_random_below(400);
		PointId		entry = unit_random_below(n);
		PointId		before;
		uint32		attached;
		ArrayLists	array = {
			.lists = {CAPACITY, array_read, array_put, array_find_near},
			.n = n,
			.links = calloc(n, sizeof(*array.links)),
			.counts = calloc(n, sizeof(int))
		};

		for (PointId i = 0; i < n; i++)
		{
			array.counts[i] = unit_random_below(max_links + 1);
			for (int j = 0; j < array.counts[i]; j++)
			{
				array.links[i][j].point = leads_back ?
					unit_random_below(i + 1) : unit_random_below(n);
				array.links[i][j].distance = distance_of(i + j);
			}
		}
		before = count_reached(&array, entry);
		attached = graph_connect(&array.lists, n, entry);
		all = all && count_reached(&array, entry) == n;
		sound = sound && !array.misused;
		counted = counted && attached <= n - before &&
			(attached > 0) == (before < n);
		free(array.links);
		free(array.counts);
	}
	unit_ok(all && sound, "up to %d links%s: every point can be reached",
			max_links, leads_back ? " to earlier points" : "");
	unit_ok(counted, "and those attached are counted");
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	test_merge();
	test_connect(0, false);
	test_connect(2, false);
	test_connect(CAPACITY, false);
	test_connect(CAPACITY, true);
	return unit_finish();
}
