/*-------------------------------------------------------------------------
 *
 * text.h
 *	  Reading the text form of a vector, for all types.
 *
 * src/types/text.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_TEXT_H
#define HNSW_TEXT_H

#include "types/kind.h"

/* Text that is being read: whose, all of it, its end, and what is next */
typedef struct TextCursor
{
	const VectorKind *kind;
	const char *str;
	const char *limit;
	const char *pt;
	Node	   *escontext;
} TextCursor;

/* For ereturn */
#define invalid_syntax(cursor) \
	errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), \
	errmsg("invalid input syntax for type %s: \"%s\"", \
		   (cursor)->kind->name, (cursor)->str)

/* White space as C and SQL have it, in any locale and server version */
static inline void
skip_space(TextCursor *cursor)
{
	while (*cursor->pt == ' ' ||
		   (*cursor->pt >= '\t' && *cursor->pt <= '\r'))
		cursor->pt++;
}

/* Moves behind a character that has to be next, with white space about it. */
static inline bool
read_char(TextCursor *cursor, char c)
{
	skip_space(cursor);
	if (*cursor->pt != c)
		return false;
	cursor->pt++;
	skip_space(cursor);
	return true;
}

/*
 * Both read a number and move behind it; false after a soft error.  What is
 * too small for an element is an error if strict, or else zero.
 */
extern bool read_element(TextCursor *cursor, bool strict, float *value);

/* Numbers beyond int32 are taken for its ends. */
extern bool read_int32(TextCursor *cursor, int32 *value);

#endif							/* HNSW_TEXT_H */
