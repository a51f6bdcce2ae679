/*-------------------------------------------------------------------------
 *
 * counts.c
 *	  Links and rows of an index, counted.
 *
 * src/inspect/counts.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "inspect/inspect.h"

/* Links of one point at level 0, and what they take in either format */
static void
count_level0(HnswReader *reader, PointId point, const HnswNodeCopy *copy,
			 const HnswNodeParts *parts, InspectCounts *counts)
{
	PointId		links[GRAPH_MAX_LINKS];
	uint8		encoded[LINK_CODEC_MAX_BYTES];
	int			nlinks = hnsw_reader_links(reader, point, copy, parts, 0,
										   links);

	counts->links += nlinks;
	counts->link_bytes += ItemPointerIsValid(&parts->links_away) ?
		link_codec_encode(reader->ix->meta.link_format, point, links, nlinks,
						  encoded) : parts->links_length;
	counts->plain_bytes += link_codec_encode(LINK_FORMAT_PLAIN, point, links,
											 nlinks, encoded);
}

void
inspect_count(HnswReader *reader, InspectCounts *counts)
{
	PointId		point;

	memset(counts, 0, sizeof(InspectCounts));
	for (point = inspect_next_point(reader, 0); PointIdIsValid(point);
		 point = inspect_next_point(reader, (uint64) point + 1))
	{
		HnswNodeCopy copy;
		HnswNodeParts parts;
		PointId		links[GRAPH_MAX_LINKS];
		ItemPointerData *tids;

		hnsw_reader_node(reader, point, &copy, &parts);
		if ((copy.node.info & HNSW_NODE_PRESENT) == 0)
			continue;
		count_level0(reader, point, &copy, &parts, counts);
		for (int level = 1; level <= HnswNodeLevel(&copy.node); level++)
			counts->upper_links += hnsw_reader_links(reader, point, &copy,
													 &parts, level, links);
		counts->rows += hnsw_reader_tids(reader, point, &copy, &parts, &tids);
		pfree(tids);
	}
}
