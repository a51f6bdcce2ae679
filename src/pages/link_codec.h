/*-------------------------------------------------------------------------
 *
 * link_codec.h
 *	  A point's level-0 links as bytes.
 *
 * Plain memory in, plain memory out.  A list is a set: its order carries no
 * meaning and is not kept (links come back ascending).
 *
 * src/pages/link_codec.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_LINK_CODEC_H
#define HNSW_LINK_CODEC_H

#include "graph/graph.h"

/* Values are stored on disk. */
typedef enum LinkFormat
{
	LINK_FORMAT_PLAIN = 1,		/* uint32 links, ascending */
	LINK_FORMAT_PACKED = 2		/* ascending, delta-coded, bit-packed */
} LinkFormat;

/* No list of at most GRAPH_MAX_LINKS links takes more bytes in any format. */
#define LINK_CODEC_MAX_BYTES	(GRAPH_MAX_LINKS * 5 + 16)

/*
 * Encodes the links of point self into out (room for LINK_CODEC_MAX_BYTES)
 * and returns the length in bytes, 0 for an empty list.  Sorts the array in
 * place.  Links must be distinct and none may be self.
 */
extern int	link_codec_encode(LinkFormat format, PointId self, PointId *links,
							  int nlinks, uint8 *out);

/*
 * Decodes nbytes bytes into links (room for GRAPH_MAX_LINKS) and returns how
 * many, or -1 when the bytes are no valid encoding.  Never reads outside the
 * nbytes bytes, and never gives more than GRAPH_MAX_LINKS, whatever the bytes
 * are.  Links come back strictly ascending.
 */
extern int	link_codec_decode(LinkFormat format, PointId self,
							  const uint8 *in, int nbytes, PointId *links);

#endif							/* HNSW_LINK_CODEC_H */
