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

#endif							/* HNSW_FORMAT_FLOAT_H */
