/*-------------------------------------------------------------------------
 *
 * link_codec_test.c
 *	  Links of a point as bytes and back.
 *
 * The packed format is read by a second decoder here, which follows the
 * description of the format bit by bit; both must agree on every input, be it
 * an encoding, a damaged one or noise.
 *
 * link_codec_test [seed]; link_codec_test --bench measures.
 *
 * test/unit/link_codec_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <sys/mman.h>
#include <time.h>

#include "pages/link_codec.h"

static const LinkFormat formats[] = {LINK_FORMAT_PLAIN, LINK_FORMAT_PACKED};
static const char *const format_names[] = {"plain", "packed"};

typedef struct List
{
	PointId		self;
	int			n;
	PointId		links[GRAPH_MAX_LINKS];
} List;

/*-------------------------------------------------------------------------
 * Memory that ends at a page that cannot be touched, and begins behind one
 *-------------------------------------------------------------------------
 */
#define GUARD_PAGE	4096

static uint8 *guarded;

static void
guard_create(void)
{
	uint8	   *memory = mmap(NULL, 3 * GUARD_PAGE, PROT_NONE,
							  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED ||
		mprotect(memory + GUARD_PAGE, GUARD_PAGE, PROT_READ | PROT_WRITE) != 0)
	{
		perror("mmap");
		exit(1);
	}
	guarded = memory + GUARD_PAGE;
}

/* Copies the bytes to the very end or the very beginning of the memory */
static const uint8 *
guard_copy(const uint8 *bytes, int n, bool at_end)
{
	uint8	   *p = at_end ? guarded + GUARD_PAGE - n : guarded;

	memcpy(p, bytes, n);
	return p;
}

/* Decodes at both ends of the guarded memory; both must be the same */
static int
guarded_decode(LinkFormat format, PointId self, const uint8 *bytes, int nbytes,
			   PointId *links)
{
	PointId		again[GRAPH_MAX_LINKS];
	int			n;
	int			m;

	m = link_codec_decode(format, self, guard_copy(bytes, nbytes, false),
						  nbytes, again);
	n = link_codec_decode(format, self, guard_copy(bytes, nbytes, true),
						  nbytes, links);
	if (n != m || (n > 0 && memcmp(links, again, n * sizeof(PointId)) != 0))
	{
		printf("# decoding depends on what is around the record\n");
		exit(1);
	}
	return n;
}

/*-------------------------------------------------------------------------
 * The format, read bit by bit
 *-------------------------------------------------------------------------
 */
typedef struct NaiveReader
{
	const uint8 *bytes;
	int			front;
	int			back;
	bool		broken;
} NaiveReader;

static int
naive_bit(const NaiveReader *reader, int i)
{
	return reader->bytes[i / 8] >> (i % 8) & 1;
}

/* -1 when no class ends before the rests */
static int
naive_class(NaiveReader *reader)
{
	for (int i = reader->front; i < reader->back; i++)
	{
		if (naive_bit(reader, i))
		{
			int			class = i - reader->front;

			reader->front = i + 1;
			return class;
		}
	}
	return -1;
}

static uint64
naive_rest(NaiveReader *reader, int nbits)
{
	uint64		rest = 0;

	if (reader->back - nbits < reader->front)
	{
		reader->broken = true;
		return 0;
	}
	reader->back -= nbits;
	for (int i = 0; i < nbits; i++)
		rest |= (uint64) naive_bit(reader, reader->back + i) << i;
	return rest;
}

static int
naive_bit_length(uint32 v)
{
	int			length = 0;

	for (; v != 0; v >>= 1)
		length++;
	return length;
}

static int
naive_decode_packed(PointId self, const uint8 *bytes, int nbytes,
					PointId *links)
{
	NaiveReader reader = {bytes, 0, nbytes * 8, false};
	int			below;
	int			wide;
	int			narrow = -1;
	int			class;
	int			n;
	int64		last = self;

	if (nbytes == 0)
		return 0;

	class = naive_class(&reader);
	if (class < 0 || class > 6)
		return -1;
	below = class < 6 ? 4 * class + (int) naive_rest(&reader, 2) :
		(int) naive_rest(&reader, 8);
	if ((class == 6 && below < 24) || below > GRAPH_MAX_LINKS)
		return -1;

	class = naive_class(&reader);
	if (class < 0 || class > 5)
		return -1;
	if (class == 5)
	{
		int			d;

		wide = (int) naive_rest(&reader, 5);
		d = naive_bit_length(self) - wide - 4;
		if ((d < 0 ? -2 * d - 1 : 2 * d) < 10)
			return -1;
	}
	else
	{
		int			z = 2 * class + (int) naive_rest(&reader, 1);
		int			d = z % 2 == 1 ? -(z + 1) / 2 : z / 2;

		wide = naive_bit_length(self) - 4 - d;
		if (wide < 0 || wide > 31)
			return -1;
	}

	class = naive_class(&reader);
	if (class < 0 || class > 8)
		return -1;
	if (class > 0)
	{
		narrow = 4 * (class - 1) + (int) naive_rest(&reader, 2);
		if (narrow >= wide)
			return -1;
	}

	for (n = 0; !reader.broken && (class = naive_class(&reader)) >= 0; n++)
	{
		int64		gap;

		if (n == GRAPH_MAX_LINKS)
			return -1;
		if (narrow < 0)
			gap = ((int64) class << wide) + naive_rest(&reader, wide);
		else if (class == 0)
			gap = naive_rest(&reader, narrow);
		else
			gap = ((int64) (class - 1) << wide) + naive_rest(&reader, wide);

		if (n == below)
			last = self;
		last += n < below ? -1 - gap : 1 + gap;
		if (last < 0 || last > PG_UINT32_MAX)
			return -1;
		links[n < below ? below - 1 - n : n] = (PointId) last;
	}
	if (reader.broken || n == 0 || n < below ||
		reader.back - reader.front >= 8)
		return -1;
	return n;
}

static int
naive_decode_plain(PointId self, const uint8 *bytes, int nbytes,
				   PointId *links)
{
	int64		previous = -1;

	if (nbytes % 4 != 0 || nbytes / 4 > GRAPH_MAX_LINKS)
		return -1;
	for (int i = 0; i < nbytes / 4; i++)
	{
		int64		link = 0;

		for (int b = 3; b >= 0; b--)
			link = link * 256 + bytes[4 * i + b];
		if (link <= previous || link == self)
			return -1;
		previous = link;
		links[i] = (PointId) link;
	}
	return nbytes / 4;
}

static int
naive_decode(LinkFormat format, PointId self, const uint8 *bytes, int nbytes,
			 PointId *links)
{
	return format == LINK_FORMAT_PLAIN ?
		naive_decode_plain(self, bytes, nbytes, links) :
		naive_decode_packed(self, bytes, nbytes, links);
}

/*
 * What the obvious way would take: 5 bits that say how wide the widest
 * difference between neighbours is, at least 8, then all differences.
 */
static int
classic_bytes(const List *list)
{
	int			width = 8;

	for (int i = 0; i < list->n; i++)
		width = Max(width, naive_bit_length(list->links[i] -
											(i > 0 ? list->links[i - 1] : 0)));
	return (5 + list->n * width + 7) / 8;
}

/*-------------------------------------------------------------------------
 * Lists
 *-------------------------------------------------------------------------
 */
static int
compare_links(const void *a, const void *b)
{
	PointId		x = *(const PointId *) a;
	PointId		y = *(const PointId *) b;

	return (x > y) - (x < y);
}

/* Sorts, and drops self and what is there twice */
static void
list_finish(List *list)
{
	int			n = 0;

	qsort(list->links, list->n, sizeof(PointId), compare_links);
	for (int i = 0; i < list->n; i++)
		if (list->links[i] != list->self &&
			(n == 0 || list->links[i] != list->links[n - 1]))
			list->links[n++] = list->links[i];
	list->n = n;
}

/* Uniform in [0, npoints), for npoints up to 2^32 */
static PointId
random_point(uint64 npoints)
{
	return (PointId) ((unit_random() >> 32) * npoints >> 32);
}

static void
list_random(List *list, int n, uint64 npoints)
{
	list->self = random_point(npoints);
	list->n = n;
	for (int i = 0; i < n; i++)
		list->links[i] = random_point(npoints);
	list_finish(list);
}

/* About half the links are near self, or near the link before */
static void
list_local(List *list, int n, uint64 npoints)
{
	list->self = random_point(npoints);
	list->n = n;
	for (int i = 0; i < n; i++)
	{
		uint64		base = i > 0 && unit_random() % 2 ?
			list->links[i - 1] : list->self;
		uint64		distance = unit_random() >> (40 + unit_random() % 24);

		if (unit_random() % 2)
			list->links[i] = random_point(npoints);
		else
			list->links[i] = (PointId) ((base + (unit_random() % 2 ? distance :
												 npoints - distance % npoints))
										% npoints);
	}
	list_finish(list);
}

/* Every id is next to another one; runs start anywhere */
static void
list_runs(List *list, int n)
{
	PointId		next = (PointId) unit_random();

	list->self = next + unit_random_below(100);
	list->n = n;
	for (int i = 0; i < n; i++)
	{
		list->links[i] = next++;
		if (unit_random() % 16 == 0)
			next = (PointId) unit_random();
	}
	list_finish(list);
}

/* Gaps of all sizes, self and links at the ends of what there is */
static void
list_extreme(List *list, int n)
{
	static const PointId ends[] = {
		0, 1, 2, 3, 0x7FFFFFFF, 0x80000000, 0x80000001,
		PG_UINT32_MAX - 2, PG_UINT32_MAX - 1, PG_UINT32_MAX
	};

	list->self = ends[unit_random_below(lengthof(ends))];
	list->n = n;
	for (int i = 0; i < n; i++)
	{
		if (unit_random() % 2)
			list->links[i] = ends[unit_random_below(lengthof(ends))];
		else
			list->links[i] = (PointId) (UINT64CONST(1) << unit_random() % 32) -
				unit_random_below(3);
	}
	list_finish(list);
}

static void
list_any(List *list, int n)
{
	switch (unit_random() % 4)
	{
		case 0:
			list_random(list, n, UINT64CONST(1) << (9 + unit_random() % 24));
			break;
		case 1:
			list_local(list, n, UINT64CONST(1) << (9 + unit_random() % 24));
			break;
		case 2:
			list_runs(list, n);
			break;
		default:
			list_extreme(list, n);
			break;
	}
}

/*-------------------------------------------------------------------------
 * Tests
 *-------------------------------------------------------------------------
 */

/*
 * Encodes the list in a random order and checks the length, that it decodes
 * to the list, and that the naive decoder finds the same.
 */
static bool
round_trip(LinkFormat format, const List *list)
{
	uint8		bytes[LINK_CODEC_MAX_BYTES];
	PointId		input[GRAPH_MAX_LINKS];
	PointId		output[GRAPH_MAX_LINKS];
	int			nbytes;

	for (int i = 0; i < list->n; i++)
	{
		int			j = unit_random_below(i + 1);

		input[i] = input[j];
		input[j] = list->links[i];
	}

	memset(bytes, 0xA5, sizeof(bytes));
	nbytes = link_codec_encode(format, list->self, input, list->n, bytes);
	if (nbytes < 0 || nbytes > LINK_CODEC_MAX_BYTES ||
		(nbytes == 0) != (list->n == 0) ||
		(format == LINK_FORMAT_PLAIN && nbytes != 4 * list->n) ||
		memcmp(input, list->links, list->n * sizeof(PointId)) != 0)
		return false;

	for (int i = nbytes; i < LINK_CODEC_MAX_BYTES; i++)
		if (bytes[i] != 0xA5)
			return false;

	memset(output, 0, sizeof(output));
	if (guarded_decode(format, list->self, bytes, nbytes, output) != list->n ||
		memcmp(output, list->links, list->n * sizeof(PointId)) != 0)
		return false;

	memset(output, 0, sizeof(output));
	return naive_decode(format, list->self, bytes, nbytes,
						output) == list->n &&
		memcmp(output, list->links, list->n * sizeof(PointId)) == 0;
}

static void
test_round_trips(void)
{
	for (int f = 0; f < (int) lengthof(formats); f++)
	{
		int			bad = 0;
		List		list;

		for (int n = 0; n <= GRAPH_MAX_LINKS; n++)
		{
			for (int i = 0; i < 100; i++)
			{
				list_any(&list, n);
				bad += !round_trip(formats[f], &list);
			}
		}
		unit_ok(bad == 0, "%s: lists of all shapes and lengths come back",
				format_names[f]);

		bad = 0;
		for (int i = 0; i < 20000; i++)
		{
			list_extreme(&list, unit_random_below(9));
			bad += !round_trip(formats[f], &list);
		}
		unit_ok(bad == 0, "%s: short lists with the widest gaps come back",
				format_names[f]);
	}
}

/*
 * All sets of links within a few ids around self, self at either end and in
 * the middle of all ids.
 */
static void
test_exhaustively(void)
{
	static const PointId starts[] = {0, 0x7FFFFFFC, PG_UINT32_MAX - 7};

	for (int f = 0; f < (int) lengthof(formats); f++)
	{
		int			bad = 0;
		List		list;

		for (int start = 0; start < (int) lengthof(starts); start++)
		{
			for (int self = 0; self < 8; self++)
			{
				for (int set = 0; set < 256; set++)
				{
					list.self = starts[start] + self;
					list.n = 0;
					for (int i = 0; i < 8; i++)
						if (set >> i & 1)
							list.links[list.n++] = starts[start] + i;
					list_finish(&list);
					bad += !round_trip(formats[f], &list);
				}
			}
		}
		unit_ok(bad == 0, "%s: every set of 8 ids comes back",
				format_names[f]);
	}
}

static void
test_dense(void)
{
	List		list = {.self = 1000};
	uint8		bytes[LINK_CODEC_MAX_BYTES];
	int			nbytes;

	for (int i = 0; i < GRAPH_MAX_LINKS; i++)
		list.links[list.n++] = 900 + i + (i >= 100);
	nbytes = link_codec_encode(LINK_FORMAT_PACKED, list.self, list.links,
							   list.n, bytes);
	unit_ok(nbytes <= 29 && round_trip(LINK_FORMAT_PACKED, &list),
			"packed: %d ids in a row take %d bytes", list.n, nbytes);
}

/*
 * True if both decoders agree, and what they give is a valid list.
 */
static bool
agree(LinkFormat format, PointId self, const uint8 *bytes, int nbytes,
	  bool *valid)
{
	PointId		links[GRAPH_MAX_LINKS];
	PointId		naive[GRAPH_MAX_LINKS];
	int			n = guarded_decode(format, self, bytes, nbytes, links);
	int			m = naive_decode(format, self, bytes, nbytes, naive);

	*valid = n >= 0;
	if (n != m)
		return false;
	for (int i = 0; i < n; i++)
		if (links[i] != naive[i] || links[i] == self ||
			(i > 0 && links[i] <= links[i - 1]))
			return false;
	return n <= GRAPH_MAX_LINKS;
}

static void
test_noise(void)
{
	for (int f = 0; f < (int) lengthof(formats); f++)
	{
		uint8		bytes[LINK_CODEC_MAX_BYTES];
		int			bad = 0;
		int			valid = 0;

		for (int round = 0; round < 300000; round++)
		{
			int			nbytes = unit_random() % 8 == 0 ?
				unit_random_below(LINK_CODEC_MAX_BYTES + 1) :
				unit_random_below(40);
			int			sparse = unit_random_below(4);
			PointId		self = (PointId) unit_random() >> unit_random() % 32;
			bool		is_valid;

			for (int i = 0; i < nbytes; i++)
			{
				bytes[i] = (uint8) unit_random();
				for (int j = 0; j < sparse; j++)
					bytes[i] &= (uint8) unit_random();
			}
			bad += !agree(formats[f], self, bytes, nbytes, &is_valid);
			valid += is_valid;
		}
		unit_ok(bad == 0, "%s: noise is no danger (%d lists in it)",
				format_names[f], valid);
	}
}

static void
test_damage(void)
{
	for (int f = 0; f < (int) lengthof(formats); f++)
	{
		uint8		bytes[LINK_CODEC_MAX_BYTES + 4];
		int			bad = 0;
		int			flips = 0;
		int			found = 0;

		for (int round = 0; round < 5000; round++)
		{
			List		list;
			bool		valid;
			int			nbytes;

			list_any(&list, 1 + unit_random_below(round % 8 == 0 ? 200 : 32));
			if (list.n == 0)
				continue;
			nbytes = link_codec_encode(formats[f], list.self, list.links,
									   list.n, bytes);

			for (int cut = 0; cut < nbytes; cut++)
				bad += !agree(formats[f], list.self, bytes, cut, &valid);
			bytes[nbytes] = (uint8) unit_random();
			bytes[nbytes + 1] = (uint8) unit_random();
			bad += !agree(formats[f], list.self, bytes, nbytes + 1, &valid);
			bad += !agree(formats[f], list.self, bytes, nbytes + 2, &valid);
			bad += !agree(formats[f], (PointId) unit_random(), bytes, nbytes,
						  &valid);

			for (int i = 0; i < 50; i++)
			{
				int			bit = unit_random_below(nbytes * 8);

				bytes[bit / 8] ^= 1 << (bit % 8);
				bad += !agree(formats[f], list.self, bytes, nbytes, &valid);
				flips++;
				found += !valid;
				if (i % 2)
					bytes[bit / 8] ^= 1 << (bit % 8);
			}
		}
		unit_ok(bad == 0, "%s: damaged lists are no danger (%d %% rejected)",
				format_names[f], (int) (100.0 * found / flips));
	}
}

static void
test_rejections(void)
{
	uint8		zeros[LINK_CODEC_MAX_BYTES + 1] = {0};
	uint8		bytes[LINK_CODEC_MAX_BYTES];
	PointId		links[GRAPH_MAX_LINKS];
	PointId		input[] = {1, 5, 6};
	int			nbytes;

	unit_ok(link_codec_decode(LINK_FORMAT_PACKED, 7, zeros,
							  sizeof(zeros), links) == -1 &&
			link_codec_decode(LINK_FORMAT_PLAIN, 7, zeros,
							  sizeof(zeros), links) == -1 &&
			link_codec_decode(LINK_FORMAT_PACKED, 7, zeros, -1, links) == -1,
			"impossible lengths are rejected");
	unit_ok(link_codec_decode((LinkFormat) 3, 7, zeros, 4, links) == -1,
			"an unknown format is rejected");
	unit_ok(link_codec_decode(LINK_FORMAT_PACKED, 7, zeros, 4, links) == -1,
			"packed: zeros are no list");

	nbytes = link_codec_encode(LINK_FORMAT_PLAIN, 7, input, 3, bytes);
	unit_ok(link_codec_decode(LINK_FORMAT_PLAIN, 7, bytes, nbytes,
							  links) == 3 &&
			link_codec_decode(LINK_FORMAT_PLAIN, 5, bytes, nbytes,
							  links) == -1,
			"plain: a link to oneself is rejected");
	bytes[4] = 1;
	unit_ok(link_codec_decode(LINK_FORMAT_PLAIN, 7, bytes, nbytes,
							  links) == -1,
			"plain: the same link twice is rejected");
}

/*
 * On random ids no codec can gain much; see that nothing is lost.  A list
 * whose widest difference happens to be small is a lucky one for one width.
 */
static void
test_size(void)
{
	static const double sizes[] = {1e4, 1e5, 1e6, 1e7, 4294967296.0};
	double		worst = 0;
	int			longest = 0;
	int			longer = 0;
	int			nlists = 0;

	for (int s = 0; s < (int) lengthof(sizes); s++)
	{
		double		packed = 0;
		double		classic = 0;

		for (int round = 0; round < 20000; round++)
		{
			List		list;
			uint8		bytes[LINK_CODEC_MAX_BYTES];
			int			nbytes;

			list_random(&list, 4 + unit_random_below(round % 8 == 0 ? 197 : 45),
						(uint64) sizes[s]);
			nbytes = link_codec_encode(LINK_FORMAT_PACKED, list.self,
									   list.links, list.n, bytes);
			longest = Max(longest, nbytes - classic_bytes(&list));
			longer += nbytes > classic_bytes(&list) + 1;
			nlists++;
			packed += nbytes;
			classic += classic_bytes(&list);
		}
		worst = Max(worst, packed / classic);
	}
	unit_ok(worst < 0.98, "packed: random ids, at most %.3f of one width for "
			"all differences", worst);
	unit_ok(longest <= 4 && longer < nlists / 200,
			"packed: random ids, %.2f %% of the lists are longer than that by "
			"more than a byte, none by more than %d",
			100.0 * longer / nlists, longest);
}

/*-------------------------------------------------------------------------
 * --bench
 *-------------------------------------------------------------------------
 */
#define BENCH_LISTS		5000
#define BENCH_ROUNDS	300

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void
bench(const char *name, bool local, LinkFormat format)
{
	static List lists[BENCH_LISTS];
	static uint8 bytes[BENCH_LISTS][LINK_CODEC_MAX_BYTES];
	static int	nbytes[BENCH_LISTS];
	double		best_decode = INFINITY;
	double		best_encode = INFINITY;
	double		nlinks = 0;
	double		total = 0;
	double		classic = 0;
	PointId		sum = 0;

	for (int i = 0; i < BENCH_LISTS; i++)
	{
		int			n = 8 + unit_random_below(25);

		if (local)
			list_local(&lists[i], n, 1000000);
		else
			list_random(&lists[i], n, 1000000);
		nlinks += lists[i].n;
		classic += classic_bytes(&lists[i]);
	}

	for (int round = 0; round < BENCH_ROUNDS / 10; round++)
	{
		double		start = now();

		for (int i = 0; i < BENCH_LISTS; i++)
			nbytes[i] = link_codec_encode(format, lists[i].self,
										  lists[i].links, lists[i].n,
										  bytes[i]);
		best_encode = Min(best_encode, now() - start);
	}
	for (int i = 0; i < BENCH_LISTS; i++)
		total += nbytes[i];

	for (int round = 0; round < BENCH_ROUNDS; round++)
	{
		double		start = now();

		for (int i = 0; i < BENCH_LISTS; i++)
		{
			PointId		links[GRAPH_MAX_LINKS];
			int			n = link_codec_decode(format, lists[i].self, bytes[i],
											  nbytes[i], links);

			sum += links[n / 2];
		}
		best_decode = Min(best_decode, now() - start);
	}

	printf("%-14s %5.1f links, %5.1f bytes (%5.2f bits per link; one width "
		   "for all %5.1f), decode %5.2f ns per link, %5.1f per list, "
		   "encode %4.0f per list  [%u]\n", name, nlinks / BENCH_LISTS,
		   total / BENCH_LISTS, 8 * total / nlinks, classic / BENCH_LISTS,
		   best_decode / nlinks, best_decode / BENCH_LISTS,
		   best_encode / BENCH_LISTS, (unsigned) sum % 10);
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--bench") == 0)
	{
		bench("plain, random", false, LINK_FORMAT_PLAIN);
		bench("packed, random", false, LINK_FORMAT_PACKED);
		bench("plain, local", true, LINK_FORMAT_PLAIN);
		bench("packed, local", true, LINK_FORMAT_PACKED);
		return 0;
	}

	unit_start(argc, argv);
	guard_create();
	test_round_trips();
	test_exhaustively();
	test_dense();
	test_noise();
	test_damage();
	test_rejections();
	test_size();
	return unit_finish();
}
