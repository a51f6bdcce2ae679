/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  Points that come one by one into a graph that others use and change.
 *
 * The vector is searched for in the graph as it is, and links are chosen from
 * what was found.  Then, each a step that leaves the graph complete:
 *
 *	  1. an id is taken,
 *	  2. the point is written with its own links; nothing leads there,
 *	  3. one after the other its neighbours get links to it (link_back.c),
 *	  4. a point above all others becomes the entry point.
 *
 * An insert that ends in between leaves an id that nothing leads to, or a
 * point with fewer links to it than it might have.
 *
 * What a step is based on is compared with what is there when it is made,
 * and the step is planned anew when they differ.
 *
 * src/graph/insert.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <string.h>

#include "graph/insert.h"
#include "graph/link_back.h"
#include "graph/memory.h"

struct GraphInsert
{
	GraphInsertOptions options;
	GraphSearch *search;
	GraphNewPoint new_point;
	GraphLinker linker;			/* of the new point */
	GraphNeighbour *candidates; /* links of the new point at level 0 first */
	int			candidates_allocated;
	GraphNeighbour *entries;	/* of the search at the next level */
	GraphNeighbour *upper_links;	/* links[1] and up */
};

GraphInsert *
graph_insert_create(const GraphInsertOptions *options)
{
	GraphInsert *insert = palloc0(sizeof(GraphInsert));
	int			m = options->m;

	Assert(m >= GRAPH_MIN_M && m <= GRAPH_MAX_M);
	Assert(options->ef_construction >= 1);
	insert->options = *options;
	insert->search = graph_search_create(options->graph, true);
	insert->candidates_allocated = 2 * options->ef_construction;
	insert->candidates = graph_array_alloc(insert->candidates_allocated,
										   sizeof(GraphNeighbour));
	insert->entries = graph_array_alloc(insert->candidates_allocated,
										sizeof(GraphNeighbour));
	insert->upper_links = graph_array_alloc(GRAPH_MAX_LEVEL * m,
											sizeof(GraphNeighbour));
	insert->new_point.links[0] = insert->candidates;
	for (int level = 1; level <= GRAPH_MAX_LEVEL; level++)
		insert->new_point.links[level] = insert->upper_links + (level - 1) * m;

	insert->linker.graph = options->graph;
	insert->linker.distances = options->distances;
	insert->linker.writer = options->writer;
	insert->linker.m = m;
	insert->linker.select = options->select;
	insert->linker.changes = graph_array_alloc(GraphOwnLinks(m, 0),
											   options->writer->change_size);
	insert->linker.point = &insert->new_point;
	insert->linker.candidates = insert->candidates;
	return insert;
}

void
graph_insert_free(GraphInsert *insert)
{
	graph_search_free(insert->search);
	pfree(insert->candidates);
	pfree(insert->entries);
	pfree(insert->upper_links);
	pfree(insert->linker.changes);
	pfree(insert);
}

static bool
is_live(GraphInsert *insert, PointId point, GraphLevel level)
{
	GraphStore *graph = insert->options.graph;
	PointId		links[GRAPH_MAX_LINKS];
	bool		live = true;

	(void) graph->get_links(graph, point, level, links, &live);
	return live;
}

/*
 * Adds results of the search to the n candidates there are, with the best
 * distances there are.  Returns how many there are then.
 */
static int
take_candidates(GraphInsert *insert, int n)
{
	GraphStore *distances = insert->options.distances;
	PointId		self = insert->new_point.point;
	PointId		points[GRAPH_MAX_LINKS];
	float		exact[GRAPH_MAX_LINKS];
	int			nfound;
	const GraphNeighbour *found = graph_search_results(insert->search,
													   &nfound);

	Assert(n + nfound <= insert->candidates_allocated);
	for (int i = 0; i < nfound; i += GRAPH_MAX_LINKS)
	{
		int			npoints = Min(nfound - i, GRAPH_MAX_LINKS);

		for (int j = 0; j < npoints; j++)
			points[j] = found[i + j].point;
		distances->score(distances, points, npoints, exact);
		for (int j = 0; j < npoints; j++)
		{
			if (points[j] == self)
				continue;
			insert->candidates[n].point = points[j];
			insert->candidates[n++].distance = exact[j];
		}
	}
	return n;
}

/*
 * Makes the results of the search candidates, and, with extend_candidates,
 * as many of the points that it met and left behind: the nearest of the
 * neighbours' neighbours are among them.  Of those it is not known yet
 * whether they are live.  Returns how many candidates there are.
 */
static int
find_candidates(GraphInsert *insert, GraphLevel level)
{
	int			nlive = take_candidates(insert, 0);
	int			n;

	if (!insert->options.select.extend_candidates)
		return nlive;
	(void) graph_search_continue(insert->search,
								 insert->options.ef_construction, false);
	n = take_candidates(insert, nlive);
	for (int i = nlive; i < n; i++)
	{
		if (is_live(insert, insert->candidates[i].point, level))
			insert->candidates[nlive++] = insert->candidates[i];
	}
	return nlive;
}

/* Chooses the links at a level from what the search found there. */
static void
choose_level_links(GraphInsert *insert, GraphLevel level, int ncandidates)
{
	const GraphInsertOptions *options = &insert->options;
	GraphNewPoint *new_point = &insert->new_point;
	int			n = graph_select_neighbours(options->distances,
											&options->select,
											insert->candidates, ncandidates,
											GraphOwnLinks(options->m, level));

	if (level > 0)
		memcpy(new_point->links[level], insert->candidates,
			   n * sizeof(GraphNeighbour));
	else
		insert->linker.ncandidates = ncandidates;
	new_point->nlinks[level] = n;
}

/*
 * Searches all levels of the new point and chooses its links.  Returns false
 * when there is no live point to link to.  *joined, if not NULL: the row may
 * join a point, and has.
 */
static bool
choose_links(GraphInsert *insert, GraphEntry entry, bool *joined)
{
	const GraphInsertOptions *options = &insert->options;
	GraphNewPoint *new_point = &insert->new_point;
	int			nentries = 1;

	memset(new_point->nlinks, 0, sizeof(new_point->nlinks));
	insert->linker.ncandidates = 0;
	if (!PointIdIsValid(entry.point))
		return false;
	insert->entries[0] = graph_descend(insert->search, entry.point,
									   entry.level, new_point->level + 1);
	for (int level = Min(new_point->level, entry.level); level >= 0; level--)
	{
		int			n;

		(void) graph_search_level(insert->search, insert->entries, nentries,
								  (GraphLevel) level,
								  options->ef_construction);
		if (level == 0 && joined != NULL && options->join != NULL)
		{
			const GraphNeighbour *found = graph_search_results(insert->search,
															   &n);

			*joined = options->join(options->join_arg, found, n);
			if (*joined)
				return true;
		}
		n = find_candidates(insert, (GraphLevel) level);

		/*
		 * The upper levels may have led to the new point itself, when its
		 * neighbours are gone.
		 */
		if (level == 0 && n == 0)
		{
			insert->entries[0] = graph_descend(insert->search, entry.point,
											   0, 0);
			(void) graph_search_level(insert->search, insert->entries, 1, 0,
									  options->ef_construction);
			n = find_candidates(insert, 0);
		}
		if (n > 0)
		{
			memcpy(insert->entries, insert->candidates,
				   n * sizeof(GraphNeighbour));
			nentries = n;
		}
		choose_level_links(insert, (GraphLevel) level, n);
	}
	return new_point->nlinks[0] > 0;
}

/* Takes links to points that are not live out of a list. */
static void
drop_dead_links(GraphInsert *insert, GraphLinkChange *change)
{
	int			n = 0;

	for (int i = 0; i < change->nlinks; i++)
	{
		if (is_live(insert, change->links[i], change->level))
			change->links[n++] = change->links[i];
	}
	change->nlinks = n;
}

/* Adds the links chosen for the new point that are not in its list yet. */
static void
add_own_links(GraphLinkChange *change, const GraphNeighbour *links,
			  int nlinks, int max)
{
	for (int i = 0; i < nlinks && change->nlinks < max; i++)
	{
		bool		there = false;

		for (int j = 0; j < change->nlinks; j++)
			there |= change->links[j] == links[i].point;
		if (!there)
			change->links[change->nlinks++] = links[i].point;
	}
}

/*
 * Gives the new point, which was written with other links or none, the links
 * that it has now.  What it got meanwhile stays if it leads to a live point.
 */
static void
write_level_links(GraphInsert *insert, GraphLevel level)
{
	GraphWriter *writer = insert->options.writer;
	const GraphNewPoint *new_point = &insert->new_point;
	GraphLinkChange *change = insert->linker.changes;

	while (writer->read_links(writer, new_point->point, level, change))
	{
		drop_dead_links(insert, change);
		add_own_links(change, new_point->links[level],
					  new_point->nlinks[level],
					  GraphMaxLinks(insert->options.m, level));
		writer->write_links(writer, change, 1);
		if (change->done)
			break;
	}
}

/*
 * Puts the new point, which is written, with its links if there are any,
 * into the graph.  If there is no live point it becomes the entry point, but
 * only as long as that is so: somebody else may be first, or the neighbours
 * go, and then it needs new ones.  It must not stay without a link.
 */
static void
connect_point(GraphInsert *insert, GraphEntry seen, bool linked)
{
	GraphWriter *writer = insert->options.writer;
	const GraphNewPoint *new_point = &insert->new_point;
	GraphEntry	self = {new_point->point, new_point->level};

	for (;;)
	{
		if (linked)
		{
			for (int level = self.level; level > 0; level--)
				(void) graph_link_back(&insert->linker,
										   (GraphLevel) level);
			if (graph_link_back(&insert->linker, 0))
				break;
		}
		else if (writer->set_entry(writer, seen.point, self, false))
			return;

		seen = writer->get_entry(writer);
		linked = choose_links(insert, seen, NULL);
		for (int level = self.level; linked && level >= 0; level--)
			write_level_links(insert, (GraphLevel) level);
	}

	/* a vacuum may have put a lower one in its place */
	if (self.level > 0)
		seen = writer->get_entry(writer);
	while (self.level > seen.level &&
		   !writer->set_entry(writer, seen.point, self, true))
		seen = writer->get_entry(writer);
}

PointId
graph_insert(GraphInsert *insert, GraphEntry entry, GraphLevel level)
{
	GraphWriter *writer = insert->options.writer;
	GraphNewPoint *new_point = &insert->new_point;
	bool		joined = false;
	bool		linked;

	new_point->point = InvalidPointId;
	new_point->level = level;
	linked = choose_links(insert, entry, &joined);
	if (joined)
		return InvalidPointId;

	new_point->point = writer->allocate(writer, new_point);
	writer->write_point(writer, new_point);
	connect_point(insert, entry, linked);
	return new_point->point;
}

const GraphNeighbour *
graph_insert_look_up(GraphInsert *insert, GraphEntry entry, int ef,
					 float distance, int *count)
{
	GraphNeighbour nearest;

	*count = 0;
	if (!PointIdIsValid(entry.point))
		return NULL;
	nearest = graph_descend(insert->search, entry.point, entry.level, 1);
	(void) graph_search_distance(insert->search, nearest, ef, distance);
	return graph_search_results(insert->search, count);
}
