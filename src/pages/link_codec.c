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
 * Otherwise class 0 is a narrow gap, less than 1 << N, with rest of N bits;
 * class c >= 1 is a wide one, gap = ((c - 1) << W) + rest of W bits.
 *
 * No links is no bytes.
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

/* 0 for 0; v is less than 2^63 */
static inline int
bit_length(uint64 v)
{
	return pg_leftmost_one_pos64(v << 1 | 1);
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
	int			d = (z >> 1) ^ -(z & 1);

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
	uint32		last_window;	/* byte where the last window starts */
	uint32		window;			/* byte where the classes' window starts */
	uint64		ones;			/* its bits that are not yet read */
	int			front;			/* first bit behind the classes read */
	int			back;			/* first bit of the rests read */
} GapReader;

/*
 * Moves the classes' window to the first class not yet read.  Call after the
 * header only, whose rests keep classes from reaching the end of the record.
 */
static inline void
move_window(GapReader *reader)
{
	reader->window = Min((uint32) reader->front >> 3, reader->last_window);
	Assert(reader->front - (int) reader->window * 8 < 64);
	reader->ones = load_le64(reader->in + reader->window) &
		(~UINT64CONST(0) << (reader->front - reader->window * 8));
}

/*
 * The next class; false when none is left.
 */
static inline bool
read_class(GapReader *reader, uint32 *class)
{
	int			one;

	while (unlikely(reader->ones == 0))
	{
		uint32		next = reader->window + 8;

		if ((int) next * 8 >= reader->back)
			return false;
		reader->window = Min(next, reader->last_window);
		reader->ones = load_le64(reader->in + reader->window) &
			(~UINT64CONST(0) << ((next - reader->window) * 8));
	}

	one = (int) reader->window * 8 + pg_rightmost_one_pos64(reader->ones);
	if (one >= reader->back)
		return false;
	reader->ones &= reader->ones - 1;
	*class = one - reader->front;
	reader->front = one + 1;
	return true;
}

/*
 * The next rest; mask has its bits.  When it reaches into the classes, back
 * ends up below front or even below 0, which stays so, and the result means
 * nothing.
 */
static inline uint32
read_rest(GapReader *reader, int nbits, uint32 mask)
{
	uint32		window;

	reader->back -= nbits;
	window = Min((uint32) reader->back >> 3, reader->last_window);

	/* The shift is 64 at most, and then there are no bits to read */
	return (uint32) (load_le64(reader->in + window) >>
					 ((reader->back - window * 8) & 63)) & mask;
}

static inline uint32
bit_mask(int nbits)
{
	Assert(nbits >= 0 && nbits < 32);
	return ((uint32) 1 << nbits) - 1;
}

static bool
read_header(GapReader *reader, PointId self, GapCode *code)
{
	uint32		class;

	if (!read_class(reader, &class) || class > BELOW_ESCAPE)
		return false;
	if (class < BELOW_ESCAPE)
		code->below = 4 * class + read_rest(reader, 2, 3);
	else
	{
		code->below = read_rest(reader, BELOW_ESCAPE_BITS,
								bit_mask(BELOW_ESCAPE_BITS));
		if (code->below < BELOW_ESCAPE_MIN || code->below > GRAPH_MAX_LINKS)
			return false;
	}

	if (!read_class(reader, &class) || class > WIDE_ESCAPE)
		return false;
	if (class < WIDE_ESCAPE)
	{
		code->wide = wide_from_code(2 * class + read_rest(reader, 1, 1), self);
		if (code->wide < 0 || code->wide > WIDE_MAX)
			return false;
	}
	else
	{
		code->wide = read_rest(reader, WIDE_ESCAPE_BITS,
							   bit_mask(WIDE_ESCAPE_BITS));
		if (wide_to_code(code->wide, self) < WIDE_ESCAPE_MIN)
			return false;
	}

	if (!read_class(reader, &class) || class > NARROW_MAX_CLASS)
		return false;
	code->narrow = NARROW_NONE;
	if (class > 0)
	{
		code->narrow = 4 * (class - 1) + read_rest(reader, 2, 3);
		if (code->narrow >= code->wide)
			return false;
	}
	return true;
}

/*
 * The links on one side of self, from self outwards: until there are as many
 * as this side can have, or no class is left.  Returns how many.  *last, self
 * at first, becomes the last link, with all its bits: the caller checks its
 * range.
 *
 * Free of branches on what a gap is, since nothing foretells that.  split and
 * below are constants: whether there are narrow gaps, and which side it is.
 */
static pg_attribute_always_inline int
read_side(GapReader *reader, const GapCode *code, bool split, bool below,
		  PointId *links, uint64 *last)
{
	int			max = below ? code->below : GRAPH_MAX_LINKS - code->below;
	uint64		wide_unit = (uint64) bit_mask(code->wide) + 1;
	uint64		wide = wide_unit - 1;
	uint64		narrow = bit_mask(split ? code->narrow : 0);
	uint64		link = *last;
	GapReader	r = *reader;
	int			n;

	/* Number of rest bits and mask in one, so that they are chosen at once */
	wide = wide << 8 | code->wide;
	narrow = narrow << 8 | (split ? code->narrow : 0);
	narrow ^= wide;

	/* Mostly saves a move in the middle, which would be a surprise */
	move_window(&r);

	for (n = 0; n < max; n++)
	{
		uint32		class;
		uint64		gap;

		if (!read_class(&r, &class))
			break;
		if (split)
		{
			uint64		is_narrow = (class == 0);
			uint64		rest = wide ^ (narrow & -is_narrow);

			gap = (class - (class != 0)) * wide_unit +
				read_rest(&r, (int) (rest & 0xFF), (uint32) (rest >> 8));
		}
		else
			gap = class * wide_unit +
				read_rest(&r, (int) (wide & 0xFF), (uint32) (wide >> 8));

		if (below)
		{
			link -= gap + 1;
			links[max - 1 - n] = (PointId) link;
		}
		else
		{
			link += gap + 1;
			links[code->below + n] = (PointId) link;
		}
	}

	*reader = r;
	*last = link;
	return n;
}

static pg_attribute_always_inline int
read_links(GapReader *reader, const GapCode *code, bool split, PointId self,
		   PointId *links)
{
	uint64		lowest = self;
	uint64		highest = self;
	uint32		class;
	int			n;

	n = read_side(reader, code, split, true, links, &lowest);
	if (n < code->below)
		return -1;
	n += read_side(reader, code, split, false, links, &highest);

	/*
	 * Nothing may be left.  A gap has less than 48 bits, so that the sums have
	 * not wrapped around and it is enough to check the last ones.
	 */
	if (n < 1 || reader->back < reader->front ||
		reader->back - reader->front >= 8 || read_class(reader, &class) ||
		lowest > PG_UINT32_MAX || highest > PG_UINT32_MAX)
		return -1;
	return n;
}

static int
decode_packed(PointId self, const uint8 *in, int nbytes, PointId *links)
{
	uint8		padded[8] = {0};
	GapReader	reader;
	GapCode		code;

	reader.in = in;
	if (nbytes < (int) sizeof(padded))
	{
		memcpy(padded, in, nbytes);
		reader.in = padded;
	}
	reader.last_window = Max(nbytes - (int) sizeof(padded), 0);
	reader.window = 0;
	reader.ones = load_le64(reader.in);
	reader.front = 0;
	reader.back = nbytes * 8;

	if (!read_header(&reader, self, &code))
		return -1;
	if (code.narrow == NARROW_NONE)
		return read_links(&reader, &code, false, self, links);
	return read_links(&reader, &code, true, self, links);
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
write_number(GapWriter *writer, uint32 class, uint32 rest, int nbits)
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
 * Class of a gap, and how many bits its rest has.
 */
static inline uint32
gap_class(const GapCode *code, uint32 gap, int *nbits)
{
	*nbits = code->wide;
	if (code->narrow == NARROW_NONE)
		return gap >> code->wide;
	if (gap >> code->narrow != 0)
		return (gap >> code->wide) + 1;
	*nbits = code->narrow;
	return 0;
}

/*
 * Bits of the whole record with these parameters.
 */
static uint64
code_size(const GapCode *code, PointId self, const uint32 *gaps, int n)
{
	int			z = wide_to_code(code->wide, self);
	uint64		size;

	size = code->below < BELOW_ESCAPE_MIN ? code->below / 4 + 1 + 2 :
		BELOW_ESCAPE + 1 + BELOW_ESCAPE_BITS;
	size += z < WIDE_ESCAPE_MIN ? z / 2 + 1 + 1 :
		WIDE_ESCAPE + 1 + WIDE_ESCAPE_BITS;
	size += code->narrow == NARROW_NONE ? 1 : code->narrow / 4 + 2 + 2;

	for (int i = 0; i < n; i++)
	{
		int			nbits;

		size += gap_class(code, gaps[i], &nbits) + 1;
		size += nbits;
	}
	return size;
}

/*
 * Finds the best W for the code's N: the size has one minimum, near the
 * binary logarithm of the wide gaps' mean.  Returns the size in bits.
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
		int			start = best_wide;

		for (int wide = start + step; wide >= lowest && wide <= WIDE_MAX;
			 wide += step)
		{
			uint64		size;

			code->wide = wide;
			size = code_size(code, self, gaps, n);
			if (size >= best)
				break;
			best = size;
			best_wide = wide;
		}
		if (best_wide != start)
			break;
	}

	code->wide = best_wide;
	return best;
}

/*
 * Finds parameters for the gaps; code->below is set already.  Returns the
 * size in bits.
 *
 * What an N would give is first estimated from how many gaps there are of
 * each bit length, and from their sums; then the N that promises most is
 * compared with no N at all, by true size.
 */
static uint64
choose_code(GapCode *code, PointId self, const uint32 *gaps, int n)
{
	GapCode		split = *code;
	uint16		count[33] = {0};
	uint64		sum[33] = {0};
	uint64		total = 0;
	uint64		wide_sum;
	uint64		wide_mean = 0;
	int			nwide = n;
	uint64		best_estimate = PG_UINT64_MAX;
	uint64		best;
	uint64		size;

	for (int i = 0; i < n; i++)
	{
		int			length = bit_length(gaps[i]);

		count[length]++;
		sum[length] += gaps[i];
		total += gaps[i];
	}

	code->narrow = NARROW_NONE;
	best = choose_wide(code, self, gaps, n, total / n);

	wide_sum = total;
	for (int narrow = 0; narrow <= NARROW_TRY_MAX; narrow++)
	{
		uint64		mean;
		int			wide;

		/* Narrow gaps are those of at most this bit length */
		if (count[narrow] == 0)
			continue;
		wide_sum -= sum[narrow];
		nwide -= count[narrow];
		if (nwide == 0)
			break;

		/* Rounding down in each wide gap's kind saves a half on average */
		mean = wide_sum / nwide;
		wide = bit_length(mean) - 1;
		size = narrow / 4 + (uint64) (n - nwide) * (narrow + 1) +
			(uint64) nwide * (wide + 2) + (wide_sum >> wide) - nwide / 2;
		if (size < best_estimate)
		{
			best_estimate = size;
			split.narrow = narrow;
			wide_mean = mean;
		}
	}

	if (best_estimate != PG_UINT64_MAX)
	{
		size = choose_wide(&split, self, gaps, n, wide_mean);
		if (size < best)
		{
			best = size;
			*code = split;
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
		int			rest_bits;
		uint32		class = gap_class(&code, gaps[i], &rest_bits);

		write_number(&writer, class, gaps[i] & bit_mask(rest_bits),
					 rest_bits);
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
