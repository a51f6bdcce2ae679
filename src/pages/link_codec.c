/*-------------------------------------------------------------------------
 *
 * link_codec.c
 *	  A point's level-0 links as bytes.
 *
 * PLAIN: the links ascending, 4 bytes each, little-endian; length / 4 links.
 *
 * PACKED: the links as gaps, counted from the point itself outwards.  A
 * graph whose ids were given out by locality has two kinds of gaps: small
 * ones around the point and inside clusters, and wide ones, which spread
 * evenly over all ids.  Two Golomb-Rice codes share one list, each with a
 * parameter of its own; a list that has one kind of gaps uses one code.
 *
 * The bits of a record are numbered from the lowest bit of the first byte.
 * Every number is coded as a class and a rest.  The classes, in unary, fill
 * the record from the front, the rests, in binary, from the back:
 *
 *	  bit 0                                                    8 * length
 *	  +----------------------------+-------+-----------------------------+
 *	  | classes: B W N  g0 g1 g2 ..| < 8 0s| .. g2 g1 g0  N W B  :rests   |
 *	  +----------------------------+-------+-----------------------------+
 *
 * Class c is c zero bits and a one bit.  A rest of n bits lies right below
 * the rest before it (the first one ends at the record's last bit), lowest
 * bit first.  There is no count: after the last link fewer than 8 bits are
 * left between the two streams, all of them zero, in which no class ends.
 * The two streams are what makes it fast: neither where a class begins nor
 * where a rest begins has to wait for a value.
 *
 *	 B	number of links below self.
 *		class 0 .. 5: 4 * class + rest of 2 bits; class 6: rest of 8 bits,
 *		24 or more.
 *	 W	rest bits of a wide gap, 0 .. 31.  Ids being dense, self tells how
 *		many there are, hence how wide a gap will be: with b the bit length
 *		of self (0 for 0) and d = b - W - 4, z = d < 0 ? -2d - 1 : 2d.
 *		class 0 .. 4: z = 2 * class + rest of 1 bit; class 5: rest of 5 bits
 *		is W itself, used for z >= 10 only.
 *	 N	rest bits of a narrow gap, less than W.
 *		class 0, no rest: this list knows no narrow gaps;
 *		class 1 .. 8: 4 * (class - 1) + rest of 2 bits.
 *	 g	the gaps: those from self down, then those from self up.  A gap is
 *		the number of ids between two neighbours (self counts as one), so 0
 *		is the smallest.
 *
 * In a list without narrow gaps, gap = (class << W) + rest of W bits.
 * Otherwise a gap less than 1 << N is narrow, kind 0, with N bits of rest;
 * the others are of kind k >= 1, gap = (1 << N) + ((k - 1) << W) + rest of W
 * bits.  Class is the kind, except that right after a wide gap on the same
 * side of self 0 and 1 change places: kinds come in runs.
 *
 * No links is no bytes.  A decoder takes nothing but what an encoder can
 * give, apart from the choice of W and N.
 *
 * src/pages/link_codec.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "pages/link_codec.h"
#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"

/* B: classes with 2 bits of rest, then an escape */
#define BELOW_ESCAPE		6
#define BELOW_ESCAPE_BITS	8
#define BELOW_ESCAPE_MIN	(BELOW_ESCAPE * 4)

/* W: classes with 1 bit of rest, then an escape */
#define WIDE_ESCAPE			5
#define WIDE_ESCAPE_BITS	5
#define WIDE_ESCAPE_MIN		(WIDE_ESCAPE * 2)
#define WIDE_MAX			31

/* N: what says that there are no narrow gaps */
#define NARROW_NONE			(-1)
#define NARROW_MAX_CLASS	8

/* The encoder tries no wider narrow gaps than this */
#define NARROW_TRY_MAX		15

/* A list's parameters */
typedef struct GapCode
{
	int			below;			/* B */
	int			wide;			/* W */
	int			narrow;			/* N or NARROW_NONE */
} GapCode;

static inline uint64
load_le64(const uint8 *p)
{
	uint64		v;

	memcpy(&v, p, sizeof(v));
#ifdef WORDS_BIGENDIAN
	v = pg_bswap64(v);
#endif
	return v;
}

static inline uint32
load_le32(const uint8 *p)
{
	return (uint32) p[0] | (uint32) p[1] << 8 |
		(uint32) p[2] << 16 | (uint32) p[3] << 24;
}

static inline void
store_le32(uint8 *p, uint32 v)
{
	p[0] = (uint8) v;
	p[1] = (uint8) (v >> 8);
	p[2] = (uint8) (v >> 16);
	p[3] = (uint8) (v >> 24);
}

/* 0 for 0 */
static inline int
bit_length(uint64 v)
{
	return v == 0 ? 0 : pg_leftmost_one_pos64(v) + 1;
}

/* What W is counted from: z of the format description, and back */
static inline int
wide_to_code(int wide, PointId self)
{
	int			d = bit_length(self) - wide - 4;

	return d < 0 ? -2 * d - 1 : 2 * d;
}

static inline int
wide_from_code(int z, PointId self)
{
	int			d = (z & 1) ? -(z + 1) / 2 : z / 2;

	return bit_length(self) - d - 4;
}

/*-------------------------------------------------------------------------
 * Decoding
 *-------------------------------------------------------------------------
 */

/*
 * Reads both streams through windows of 8 bytes that never leave the record,
 * which has at least 8 bytes (a shorter one is copied and padded).
 */
typedef struct GapReader
{
	const uint8 *in;
	int			last_window;	/* bit where the last window starts */
	int			window;			/* bit where the classes' window starts */
	uint64		ones;			/* its bits that are not yet read */
	int			front;			/* first bit behind the classes read */
	int			back;			/* first bit of the rests read */
} GapReader;

/*
 * The next class; -1 when none is left.
 */
static inline int
read_class(GapReader *reader)
{
	int			one;
	int			result;

	while (unlikely(reader->ones == 0))
	{
		int			next = reader->window + 64;

		if (next >= reader->back)
			return -1;
		reader->window = Min(next, reader->last_window);
		reader->ones = load_le64(reader->in + reader->window / 8) &
			(~UINT64CONST(0) << (next - reader->window));
	}

	one = reader->window + pg_rightmost_one_pos64(reader->ones);
	if (one >= reader->back)
		return -1;
	reader->ones &= reader->ones - 1;
	result = one - reader->front;
	reader->front = one + 1;
	return result;
}

/*
 * The next rest.  When it would reach into the classes, back ends up below
 * front, for good, and the result means nothing.
 */
static inline uint32
read_rest(GapReader *reader, int nbits)
{
	int			start;

	Assert(nbits >= 0 && nbits < 32);
	reader->back -= nbits;
	if (unlikely(reader->back < reader->front))
	{
		reader->back = -1;
		return 0;
	}
	start = Min(reader->back & ~7, reader->last_window);

	/* The shift is 64 at most, and then there are no bits to read */
	return (uint32) (load_le64(reader->in + start / 8) >>
					 ((reader->back - start) & 63)) &
		(((uint32) 1 << nbits) - 1);
}

static bool
read_header(GapReader *reader, PointId self, GapCode *code)
{
	int			class;

	class = read_class(reader);
	if (class < 0 || class > BELOW_ESCAPE)
		return false;
	if (class < BELOW_ESCAPE)
		code->below = 4 * class + read_rest(reader, 2);
	else
	{
		code->below = read_rest(reader, BELOW_ESCAPE_BITS);
		if (code->below < BELOW_ESCAPE_MIN || code->below > GRAPH_MAX_LINKS)
			return false;
	}

	class = read_class(reader);
	if (class < 0 || class > WIDE_ESCAPE)
		return false;
	if (class < WIDE_ESCAPE)
	{
		code->wide = wide_from_code(2 * class + read_rest(reader, 1), self);
		if (code->wide < 0 || code->wide > WIDE_MAX)
			return false;
	}
	else
	{
		code->wide = read_rest(reader, WIDE_ESCAPE_BITS);
		if (wide_to_code(code->wide, self) < WIDE_ESCAPE_MIN)
			return false;
	}

	class = read_class(reader);
	if (class < 0 || class > NARROW_MAX_CLASS)
		return false;
	code->narrow = NARROW_NONE;
	if (class > 0)
	{
		code->narrow = 4 * (class - 1) + read_rest(reader, 2);
		if (code->narrow >= code->wide)
			return false;
	}
	return true;
}

/*
 * Reads all gaps into gaps (room for GRAPH_MAX_LINKS); returns how many, or
 * -1 when the record is broken.  Free of branches on what a gap is, since
 * nothing foretells that.
 */
static int
read_gaps(GapReader *reader, const GapCode *code, uint64 *gaps)
{
	bool		split = code->narrow != NARROW_NONE;

	/* Without narrow gaps, kind 0 is as good as any */
	int			narrow = split ? code->narrow : code->wide;
	int			nbits[2] = {code->wide, narrow};
	uint64		wide_base = UINT64CONST(1) << narrow;
	int			after_wide = 0;
	int			n = 0;
	int			class;

	while ((class = read_class(reader)) >= 0)
	{
		int			is_narrow;
		uint64		base;

		if (n == GRAPH_MAX_LINKS)
			return -1;

		after_wide &= (n != code->below);
		is_narrow = (class == after_wide);
		base = wide_base + ((uint64) (class - (class != 0)) << code->wide);
		base &= (uint64) is_narrow - 1;
		gaps[n++] = base + read_rest(reader, nbits[is_narrow]);
		after_wide = split & !is_narrow;
	}

	if (reader->back < reader->front || reader->back - reader->front >= 8)
		return -1;
	return n;
}

static int
decode_packed(PointId self, const uint8 *in, int nbytes, PointId *links)
{
	uint8		padded[8] = {0};
	uint64		gaps[GRAPH_MAX_LINKS];
	GapReader	reader;
	GapCode		code;
	uint64		position;
	int			nlinks;

	reader.in = in;
	if (nbytes < (int) sizeof(padded))
	{
		memcpy(padded, in, nbytes);
		reader.in = padded;
	}
	reader.last_window = Max(nbytes - (int) sizeof(padded), 0) * 8;
	reader.window = 0;
	reader.ones = load_le64(reader.in);
	reader.front = 0;
	reader.back = nbytes * 8;

	if (!read_header(&reader, self, &code))
		return -1;
	nlinks = read_gaps(&reader, &code, gaps);
	if (nlinks < 1 || nlinks < code.below)
		return -1;

	/* A gap has less than 48 bits, so the sums need to be checked once only */
	position = self;
	for (int i = 0; i < code.below; i++)
	{
		position -= gaps[i] + 1;
		links[code.below - 1 - i] = (PointId) position;
	}
	if (position > PG_UINT32_MAX)
		return -1;

	position = self;
	for (int i = code.below; i < nlinks; i++)
	{
		position += gaps[i] + 1;
		links[i] = (PointId) position;
	}
	if (position > PG_UINT32_MAX)
		return -1;

	return nlinks;
}

static int
decode_plain(PointId self, const uint8 *in, int nbytes, PointId *links)
{
	int			nlinks = nbytes / 4;

	if (nbytes % 4 != 0 || nlinks > GRAPH_MAX_LINKS)
		return -1;
	for (int i = 0; i < nlinks; i++)
	{
		links[i] = load_le32(in + 4 * i);
		if (links[i] == self || (i > 0 && links[i] <= links[i - 1]))
			return -1;
	}
	return nlinks;
}

int
link_codec_decode(LinkFormat format, PointId self, const uint8 *in,
				  int nbytes, PointId *links)
{
	/* The upper limit keeps positions of bits and sums of gaps in range */
	if (nbytes <= 0 || nbytes > LINK_CODEC_MAX_BYTES)
		return nbytes == 0 ? 0 : -1;

	switch (format)
	{
		case LINK_FORMAT_PLAIN:
			return decode_plain(self, in, nbytes, links);
		case LINK_FORMAT_PACKED:
			return decode_packed(self, in, nbytes, links);
	}
	return -1;
}

/*-------------------------------------------------------------------------
 * Encoding
 *-------------------------------------------------------------------------
 */

typedef struct GapWriter
{
	uint8	   *out;			/* all zero where nothing was written yet */
	int			front;			/* first bit behind the classes */
	int			back;			/* first bit of the rests */
} GapWriter;

static void
write_number(GapWriter *writer, int class, uint32 rest, int nbits)
{
	uint8	   *p;
	uint64		v;

	writer->front += class;
	writer->out[writer->front / 8] |= 1 << (writer->front % 8);
	writer->front++;

	writer->back -= nbits;
	Assert(writer->front <= writer->back);
	p = writer->out + writer->back / 8;
	for (v = (uint64) rest << (writer->back % 8); v != 0; v >>= 8)
		*p++ |= (uint8) v;
}

/*
 * Class of a gap, and the rest in *rest and *nbits.  *after_wide is the state
 * between gaps of one side, false at its start.
 */
static inline uint32
gap_class(const GapCode *code, uint32 gap, bool *after_wide,
		  uint32 *rest, int *nbits)
{
	uint32		kind;

	*nbits = code->wide;
	if (code->narrow == NARROW_NONE)
		kind = gap >> code->wide;
	else if (gap >> code->narrow == 0)
	{
		*nbits = code->narrow;
		kind = 0;
	}
	else
	{
		gap -= (uint32) 1 << code->narrow;
		kind = (gap >> code->wide) + 1;
	}
	*rest = gap & (((uint32) 1 << *nbits) - 1);

	if (code->narrow != NARROW_NONE)
	{
		bool		is_wide = kind > 0;

		if (*after_wide && kind < 2)
			kind = 1 - kind;
		*after_wide = is_wide;
	}
	return kind;
}

/*
 * Bits of the whole record with these parameters.
 */
static uint64
code_size(const GapCode *code, PointId self, const uint32 *gaps, int n)
{
	int			z = wide_to_code(code->wide, self);
	bool		after_wide = false;
	uint64		size;

	size = code->below < BELOW_ESCAPE_MIN ? code->below / 4 + 1 + 2 :
		BELOW_ESCAPE + 1 + BELOW_ESCAPE_BITS;
	size += z < WIDE_ESCAPE_MIN ? z / 2 + 1 + 1 :
		WIDE_ESCAPE + 1 + WIDE_ESCAPE_BITS;
	size += code->narrow == NARROW_NONE ? 1 : code->narrow / 4 + 2 + 2;

	for (int i = 0; i < n; i++)
	{
		uint32		rest;
		int			nbits;

		if (i == code->below)
			after_wide = false;
		size += (uint64) gap_class(code, gaps[i], &after_wide, &rest,
								   &nbits) + 1;
		size += nbits;
	}
	return size;
}

/*
 * Finds the best W for the code's N: the size has one minimum, near the
 * binary logarithm of the wide gaps' mean.
 */
static uint64
choose_wide(GapCode *code, PointId self, const uint32 *gaps, int n,
			uint64 mean)
{
	int			lowest = code->narrow == NARROW_NONE ? 0 : code->narrow + 1;
	uint64		best;
	int			best_wide;

	best_wide = Max(Min(bit_length(mean) - 1, WIDE_MAX), lowest);
	code->wide = best_wide;
	best = code_size(code, self, gaps, n);

	for (int step = -1; step <= 1; step += 2)
	{
		int			wide = best_wide;

		while (wide + step >= lowest && wide + step <= WIDE_MAX)
		{
			uint64		size;

			wide += step;
			code->wide = wide;
			size = code_size(code, self, gaps, n);
			if (size >= best)
				break;
			best = size;
			best_wide = wide;
		}
	}

	code->wide = best_wide;
	return best;
}

/*
 * Finds parameters for the gaps; code->below is set already.  Returns the
 * size in bits.
 */
static uint64
choose_code(GapCode *code, PointId self, const uint32 *gaps, int n)
{
	GapCode		candidate = *code;
	uint64		best;
	uint64		size;
	uint64		sum = 0;
	int			nnarrow = 0;

	for (int i = 0; i < n; i++)
		sum += gaps[i];
	code->narrow = NARROW_NONE;
	best = choose_wide(code, self, gaps, n, sum / n);

	for (int narrow = 0; narrow <= NARROW_TRY_MAX; narrow++)
	{
		uint64		wide_sum = 0;
		int			nwide = 0;

		for (int i = 0; i < n; i++)
		{
			if (gaps[i] >> narrow != 0)
			{
				wide_sum += gaps[i] - ((uint32) 1 << narrow);
				nwide++;
			}
		}
		if (nwide == 0)
			break;
		if (n - nwide == nnarrow)
			continue;			/* the same gaps, with more bits */
		nnarrow = n - nwide;

		candidate.narrow = narrow;
		size = choose_wide(&candidate, self, gaps, n, wide_sum / nwide);
		if (size < best)
		{
			best = size;
			*code = candidate;
		}
	}
	return best;
}

static void
write_header(GapWriter *writer, const GapCode *code, PointId self)
{
	int			z = wide_to_code(code->wide, self);

	if (code->below < BELOW_ESCAPE_MIN)
		write_number(writer, code->below / 4, code->below % 4, 2);
	else
		write_number(writer, BELOW_ESCAPE, code->below, BELOW_ESCAPE_BITS);

	if (z < WIDE_ESCAPE_MIN)
		write_number(writer, z / 2, z % 2, 1);
	else
		write_number(writer, WIDE_ESCAPE, code->wide, WIDE_ESCAPE_BITS);

	if (code->narrow == NARROW_NONE)
		write_number(writer, 0, 0, 0);
	else
		write_number(writer, code->narrow / 4 + 1, code->narrow % 4, 2);
}

/*
 * links are ascending.
 */
static int
encode_packed(PointId self, const PointId *links, int nlinks, uint8 *out)
{
	uint32		gaps[GRAPH_MAX_LINKS];
	GapCode		code = {0};
	GapWriter	writer;
	bool		after_wide = false;
	uint64		nbits;
	int			nbytes;

	while (code.below < nlinks && links[code.below] < self)
		code.below++;
	for (int i = 0; i < code.below; i++)
	{
		int			j = code.below - 1 - i;

		gaps[i] = (i == 0 ? self : links[j + 1]) - links[j] - 1;
	}
	for (int i = code.below; i < nlinks; i++)
		gaps[i] = links[i] - (i == code.below ? self : links[i - 1]) - 1;

	nbits = choose_code(&code, self, gaps, nlinks);
	nbytes = (int) ((nbits + 7) / 8);
	Assert(nbytes <= LINK_CODEC_MAX_BYTES);

	memset(out, 0, nbytes);
	writer.out = out;
	writer.front = 0;
	writer.back = nbytes * 8;
	write_header(&writer, &code, self);
	for (int i = 0; i < nlinks; i++)
	{
		uint32		class;
		uint32		rest;
		int			rest_bits;

		if (i == code.below)
			after_wide = false;
		class = gap_class(&code, gaps[i], &after_wide, &rest, &rest_bits);
		write_number(&writer, (int) class, rest, rest_bits);
	}
	return nbytes;
}

static int
encode_plain(const PointId *links, int nlinks, uint8 *out)
{
	for (int i = 0; i < nlinks; i++)
		store_le32(out + 4 * i, links[i]);
	return 4 * nlinks;
}

/* Lists are short and often sorted already */
static void
sort_links(PointId *links, int nlinks)
{
	for (int i = 1; i < nlinks; i++)
	{
		PointId		link = links[i];
		int			j = i;

		for (; j > 0 && links[j - 1] > link; j--)
			links[j] = links[j - 1];
		links[j] = link;
	}
}

int
link_codec_encode(LinkFormat format, PointId self, PointId *links,
				  int nlinks, uint8 *out)
{
	Assert(nlinks >= 0 && nlinks <= GRAPH_MAX_LINKS);
	if (nlinks == 0)
		return 0;

	sort_links(links, nlinks);
	for (int i = 0; i < nlinks; i++)
		Assert(links[i] != self && (i == 0 || links[i] > links[i - 1]));

	if (format == LINK_FORMAT_PLAIN)
		return encode_plain(links, nlinks, out);

	Assert(format == LINK_FORMAT_PACKED);
	return encode_packed(self, links, nlinks, out);
}
