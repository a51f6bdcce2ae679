/*-------------------------------------------------------------------------
 *
 * format_float.h
 *	  Float to text, with the results of float_to_shortest_decimal_bufn in a
 *	  fraction of its time.
 *
 * src/types/format_float.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_FORMAT_FLOAT_H
#define HNSW_FORMAT_FLOAT_H

/*
 * What format_float may write to.  The text has less bytes than
 * FLOAT_SHORTEST_DECIMAL_LEN.
 */
#define FORMAT_FLOAT_ROOM	24

/* Writes a finite number, and returns its end.  There is no zero byte. */
extern char *format_float(float value, char *str);

/*
 * Writes n of them, n at least 1, with commas between.  There must be room for
 * FLOAT_SHORTEST_DECIMAL_LEN bytes for each, and FORMAT_FLOAT_ROOM more.
 */
extern char *format_floats(const float *values, int n, char *str);

/*
 * The same with "index:" before each, where indices are stored from 0 and
 * written from 1 on; of that there must be room for FORMAT_INDEX_LEN bytes more
 * for each.
 */
extern char *format_pairs(const int32 *indices, const float *values, int n,
						  char *str);

/* An int32 that is not negative, and a colon */
#define FORMAT_INDEX_LEN	11

/* Writes one, and returns its end; FORMAT_FLOAT_ROOM is enough for it. */
extern char *format_integer(int32 number, char *str);

#endif							/* HNSW_FORMAT_FLOAT_H */
