/*-------------------------------------------------------------------------
 *
 * server.c
 *	  As much of a server as the functions under test call.
 *
 * test/fuzz/server.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "server.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

sigjmp_buf	server_error;

/*
 * Memory
 */

typedef struct Piece
{
	struct Piece *next;
	void	   *memory;
} Piece;

static Piece *pieces;

void *
palloc(Size size)
{
	Piece	   *piece = malloc(sizeof(Piece));

	if (size > MaxAllocSize)
		elog(ERROR, "invalid memory alloc request size %zu", size);
	piece->memory = malloc(size);
	piece->next = pieces;
	pieces = piece;
	return piece->memory;
}

void
pfree(void *pointer)
{
	Piece	  **link = &pieces;
	Piece	   *piece;

	while ((*link)->memory != pointer)
		link = &(*link)->next;
	piece = *link;
	*link = piece->next;
	free(piece->memory);
	free(piece);
}

void *
repalloc(void *pointer, Size size)
{
	Piece	   *piece = pieces;

	while (piece->memory != pointer)
		piece = piece->next;
	piece->memory = realloc(pointer, size);
	return piece->memory;
}

char *
pnstrdup(const char *in, Size len)
{
	char	   *out = palloc(len + 1);

	memcpy(out, in, len);
	out[len] = '\0';
	return out;
}

void
server_reset(void)
{
	while (pieces != NULL)
		pfree(pieces->memory);
}

struct varlena *
pg_detoast_datum(struct varlena *datum)
{
	return datum;
}

/*
 * Errors.  Messages are formatted, as their arguments could be wrong.
 */

bool
errstart(int elevel, const char *domain)
{
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return true;
}

int
errcode(int sqlerrcode)
{
	return 0;
}

#define MESSAGE_FUNCTION(name) \
int \
name(const char *fmt,...) \
{ \
	char		message[200]; \
	va_list		args; \
\
	va_start(args, fmt); \
	vsnprintf(message, sizeof(message), fmt, args); \
	va_end(args); \
	return 0; \
} \
extern int	no_such_variable

MESSAGE_FUNCTION(errmsg);
MESSAGE_FUNCTION(errmsg_internal);
MESSAGE_FUNCTION(errdetail);

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	siglongjmp(server_error, 1);
}

/* Soft errors come from PostgreSQL 16 on; without a context they are hard. */
extern bool errsave_start(struct Node *context, const char *domain);
extern void errsave_finish(struct Node *context, const char *filename,
						   int lineno, const char *funcname);

bool
errsave_start(struct Node *context, const char *domain)
{
	return true;
}

void
errsave_finish(struct Node *context, const char *filename, int lineno,
			   const char *funcname)
{
	siglongjmp(server_error, 1);
}

/*
 * Messages
 */

void
pq_begintypsend(StringInfo buf)
{
	initStringInfo(buf);
	for (int i = 0; i < VARHDRSZ; i++)
		appendStringInfoCharMacro(buf, '\0');
}

bytea *
pq_endtypsend(StringInfo buf)
{
	bytea	   *result = (bytea *) buf->data;

	SET_VARSIZE(result, buf->len);
	return result;
}

const char *
pq_getmsgbytes(StringInfo msg, int datalen)
{
	const char *result = &msg->data[msg->cursor];

	if (datalen < 0 || datalen > msg->len - msg->cursor)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("insufficient data left in message")));
	msg->cursor += datalen;
	return result;
}

unsigned int
pq_getmsgint(StringInfo msg, int b)
{
	const uint8 *bytes = (const uint8 *) pq_getmsgbytes(msg, b);
	unsigned int result = 0;

	for (int i = 0; i < b; i++)
		result = result << 8 | bytes[i];
	return result;
}

/*
 * The rest
 */

int
pg_ltoa(int32 value, char *a)
{
	return sprintf(a, "%d", value);
}

/* Type modifiers are not tried. */
int32 *
ArrayGetIntegerTypmods(ArrayType *arr, int *n)
{
	abort();
}
