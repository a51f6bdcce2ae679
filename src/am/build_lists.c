/*-------------------------------------------------------------------------
 *
 * build_lists.c
 *	  Lists of links in a temporary file, by the number of their point.
 *
 * Lists take slots of one size, of which whole ones fill a block of the file.
 *
 * src/am/build_lists.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/build_lists.h"
#include "compat.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/buffile.h"

/* Points tried around one that no link leads to, at a time */
#define POINTS_AROUND	GRAPH_MAX_LINKS

typedef struct ListSlot
{
	uint16		count;
	uint16		naccepted;
	GraphNeighbour links[FLEXIBLE_ARRAY_MEMBER];
} ListSlot;

struct ListFile
{
	GraphLists	lists;			/* must be first */
	BufFile    *file;
	Size		slot_size;
	ListSlot   *slot;			/* being read or written */
	PointId		npoints;
	GraphNeighbour near[POINTS_AROUND];
};

static void
seek_slot(ListFile *file, PointId point)
{
	if (BufFileSeek(file->file, 0, (off_t) point * file->slot_size,
					SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in temporary file of hnsw index build")));
}

void
list_file_read(ListFile *file, PointId point, GraphLinks *links)
{
	seek_slot(file, point);
	BufFileReadExact(file->file, file->slot, file->slot_size);
	links->count = file->slot->count;
	links->naccepted = file->slot->naccepted;
	memcpy(links->links, file->slot->links,
		   links->count * sizeof(GraphNeighbour));
}

void
list_file_write(ListFile *file, PointId point, const GraphLinks *links)
{
	Assert(links->count <= file->lists.capacity);
	file->slot->count = links->count;
	file->slot->naccepted = links->naccepted;
	memcpy(file->slot->links, links->links,
		   links->count * sizeof(GraphNeighbour));
	seek_slot(file, point);
	BufFileWrite(file->file, file->slot, file->slot_size);
}

/*-------------------------------------------------------------------------
 * As graph_connect wants them
 *-------------------------------------------------------------------------
 */
static int
connect_read(GraphLists *lists, PointId point, GraphNeighbour *links)
{
	GraphLinks	copy;

	CHECK_FOR_INTERRUPTS();
	list_file_read((ListFile *) lists, point, &copy);
	memcpy(links, copy.links, copy.count * sizeof(GraphNeighbour));
	return copy.count;
}

static void
connect_put(GraphLists *lists, PointId point, int place, GraphNeighbour link)
{
	GraphLinks	copy;

	list_file_read((ListFile *) lists, point, &copy);
	copy.links[place] = link;
	copy.count = Max(copy.count, place + 1);
	copy.naccepted = Min(copy.naccepted, place);
	list_file_write((ListFile *) lists, point, &copy);
}

/* Points with numbers from begin on become candidates. */
static int
take_numbers(ListFile *file, PointId point, int64 begin, int n)
{
	int			taken = 0;

	for (int64 i = Max(begin, 0); i < Min(begin + n, file->npoints); i++)
	{
		if (i == point)
			continue;
		file->near[taken].point = (PointId) i;
		file->near[taken++].distance = (float) INFINITY;
	}
	return taken;
}

/*
 * What a point links to is near it.  If none of that will do, points with
 * numbers near its own are tried, which are most often near, too: in turns
 * those before and those behind.
 */
static int
connect_find_near(GraphLists *lists, PointId point, int round,
				  const GraphNeighbour **found)
{
	ListFile   *file = (ListFile *) lists;
	int64		distance = (int64) (round / 2) * POINTS_AROUND;

	*found = file->near;
	if (round == 0)
	{
		GraphLinks	links;

		list_file_read(file, point, &links);
		memcpy(file->near, links.links,
			   links.count * sizeof(GraphNeighbour));
		return links.count;
	}
	if (distance > file->npoints)
		return -1;
	return take_numbers(file, point, round % 2 == 1 ?
						(int64) point - distance - POINTS_AROUND :
						(int64) point + distance,
						POINTS_AROUND);
}

ListFile *
list_file_create(PointId npoints, int max)
{
	ListFile   *file = palloc0(sizeof(ListFile));

	file->lists.capacity = max;
	file->lists.read = connect_read;
	file->lists.put = connect_put;
	file->lists.find_near = connect_find_near;
	file->npoints = npoints;
	file->slot_size = pg_nextpower2_32(offsetof(ListSlot, links) +
									   max * sizeof(GraphNeighbour));
	file->slot = palloc0(file->slot_size);
	file->file = BufFileCreateTemp(false);
	for (PointId i = 0; i < npoints; i++)
	{
		CHECK_FOR_INTERRUPTS();
		BufFileWrite(file->file, file->slot, file->slot_size);
	}
	return file;
}

void
list_file_free(ListFile *file)
{
	BufFileClose(file->file);
	pfree(file->slot);
	pfree(file);
}

uint32
list_file_connect(ListFile *file, PointId entry)
{
	return graph_connect(&file->lists, file->npoints, entry);
}
