/*-------------------------------------------------------------------------
 *
 * vecs.c
 *	  Vector files of the benchmark: fvecs, bvecs and ivecs.
 *
 * Every record is a little-endian int32 count followed by that many values:
 * float32 in fvecs, one byte in bvecs, int32 in ivecs.  All records of a file
 * have the same count.  Errors end the program with a message.
 *
 * bench/vecs.c
 *
 *-------------------------------------------------------------------------
 */
#include "vecs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct RawFile
{
	int			width;
	int			count;
	size_t		record;			/* bytes of a record, its count included */
	unsigned char *bytes;
} RawFile;

static void
fail(const char *path, const char *what)
{
	fprintf(stderr, "%s: %s\n", path, what);
	exit(1);
}

/*
 * malloc that does not return on failure.
 */
void *
must_alloc(size_t size)
{
	void	   *p = malloc(size > 0 ? size : 1);

	if (p == NULL)
	{
		fprintf(stderr, "out of memory (%zu bytes)\n", size);
		exit(1);
	}
	return p;
}

static int32_t
get_int32(const unsigned char *p)
{
	return (int32_t) ((uint32_t) p[0] | (uint32_t) p[1] << 8 |
					  (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24);
}

static int
has_suffix(const char *path, const char *suffix)
{
	size_t		n = strlen(path);
	size_t		m = strlen(suffix);

	return n >= m && strcmp(path + n - m, suffix) == 0;
}

/*
 * Read a file of equal records of values of value_size bytes each, at most
 * limit of them (0: all), and check the count that each record states.
 */
static RawFile
read_raw(const char *path, size_t value_size, int limit)
{
	RawFile		raw;
	FILE	   *f = fopen(path, "rb");
	unsigned char head[4];
	long		size;

	if (f == NULL)
		fail(path, strerror(errno));
	if (fread(head, 1, sizeof(head), f) != sizeof(head))
		fail(path, "the file is empty");
	raw.width = get_int32(head);
	if (raw.width <= 0 || raw.width > 1000000)
		fail(path, "not a vector file");
	raw.record = sizeof(head) + (size_t) raw.width * value_size;

	if (fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0)
		fail(path, strerror(errno));
	rewind(f);
	if ((size_t) size % raw.record != 0)
		fail(path, "the size is not a multiple of the record size");
	raw.count = (int) ((size_t) size / raw.record);
	if (limit > 0 && raw.count > limit)
		raw.count = limit;

	raw.bytes = must_alloc(raw.count * raw.record);
	if (fread(raw.bytes, raw.record, raw.count, f) != (size_t) raw.count)
		fail(path, "short read");
	fclose(f);

	for (int i = 0; i < raw.count; i++)
		if (get_int32(raw.bytes + i * raw.record) != raw.width)
			fail(path, "records of different width");
	return raw;
}

/*
 * Read the vectors of a .fvecs or .bvecs file as floats, at most limit of
 * them (0: all).
 */
FloatVectors
read_vectors(const char *path, int limit)
{
	FloatVectors result;
	int			bytes = has_suffix(path, ".bvecs");
	RawFile		raw;

	if (!bytes && !has_suffix(path, ".fvecs"))
		fail(path, "expected a .bvecs or .fvecs file");
	raw = read_raw(path, bytes ? 1 : 4, limit);
	result.dim = raw.width;
	result.count = raw.count;
	result.values = must_alloc((size_t) raw.count * raw.width * sizeof(float));

	for (int i = 0; i < raw.count; i++)
	{
		const unsigned char *src = raw.bytes + i * raw.record + 4;
		float	   *dst = result.values + (size_t) i * raw.width;

		for (int j = 0; j < raw.width; j++)
		{
			if (bytes)
				dst[j] = src[j];
			else
			{
				int32_t		word = get_int32(src + 4 * (size_t) j);

				memcpy(&dst[j], &word, sizeof(word));
			}
		}
	}
	free(raw.bytes);
	return result;
}

/*
 * Read the lists of an .ivecs file.
 */
IdLists
read_ids(const char *path)
{
	IdLists		result;
	RawFile		raw = read_raw(path, 4, 0);

	result.width = raw.width;
	result.count = raw.count;
	result.ids = must_alloc((size_t) raw.count * raw.width * sizeof(int32_t));
	for (int i = 0; i < raw.count; i++)
		for (int j = 0; j < raw.width; j++)
			result.ids[(size_t) i * raw.width + j] =
				get_int32(raw.bytes + i * raw.record + 4 + 4 * (size_t) j);
	free(raw.bytes);
	return result;
}

/*
 * Share of the first k true ids that are among the found ones.
 */
double
list_recall(const int32_t *found, int nfound, const int32_t *truth, int k)
{
	int			hits = 0;

	for (int i = 0; i < k; i++)
	{
		for (int j = 0; j < nfound; j++)
		{
			if (found[j] == truth[i])
			{
				hits++;
				break;
			}
		}
	}
	return (double) hits / k;
}
