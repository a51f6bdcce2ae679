/*-------------------------------------------------------------------------
 *
 * types_fuzz.c
 *	  Fuzzing of the input, output, receive and send functions of all types.
 *
 * The first byte chooses a type and whether the rest is text or binary form,
 * the second a type modifier.  What is accepted must come back the same from
 * its text form and from its binary form, and its text form must be the same
 * when printed again.  What is not accepted must raise an error, and do no
 * harm.
 *
 * Text and messages are allocated to their very size.
 *
 * test/fuzz/types_fuzz.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "distance/distance.h"
#include "lib/stringinfo.h"
#include "server.h"

extern Datum vector_in(PG_FUNCTION_ARGS);
extern Datum vector_out(PG_FUNCTION_ARGS);
extern Datum vector_recv(PG_FUNCTION_ARGS);
extern Datum vector_send(PG_FUNCTION_ARGS);
extern Datum halfvec_in(PG_FUNCTION_ARGS);
extern Datum halfvec_out(PG_FUNCTION_ARGS);
extern Datum halfvec_recv(PG_FUNCTION_ARGS);
extern Datum halfvec_send(PG_FUNCTION_ARGS);
extern Datum sparsevec_in(PG_FUNCTION_ARGS);
extern Datum sparsevec_out(PG_FUNCTION_ARGS);
extern Datum sparsevec_recv(PG_FUNCTION_ARGS);
extern Datum sparsevec_send(PG_FUNCTION_ARGS);

typedef struct TypeFunctions
{
	PGFunction	in;
	PGFunction	out;
	PGFunction	recv;
	PGFunction	send;
} TypeFunctions;

static const TypeFunctions types[] = {
	{vector_in, vector_out, vector_recv, vector_send},
	{halfvec_in, halfvec_out, halfvec_recv, halfvec_send},
	{sparsevec_in, sparsevec_out, sparsevec_recv, sparsevec_send}
};

/* The first byte */
#define TYPE_OF(byte)	(((byte) & 0x7f) % lengthof(types))
#define IS_BINARY(byte)	(((byte) & 0x80) != 0)

extern int	LLVMFuzzerInitialize(int *argc, char ***argv);
extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

static Datum
call(PGFunction function, Datum argument, int32 typmod)
{
	LOCAL_FCINFO(fcinfo, 3);
	Datum		result;

	InitFunctionCallInfoData(*fcinfo, NULL, 3, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = argument;
	fcinfo->args[1].value = ObjectIdGetDatum(InvalidOid);
	fcinfo->args[2].value = Int32GetDatum(typmod);
	for (int i = 0; i < 3; i++)
		fcinfo->args[i].isnull = false;
	result = function(fcinfo);

	/* without a context for soft errors there is a result, or an error */
	if (fcinfo->isnull)
		abort();
	return result;
}

/* A message that holds a copy of the bytes */
static StringInfo
make_message(const void *bytes, int size)
{
	StringInfo	message = palloc_object(StringInfoData);

	message->data = palloc(size);
	memcpy(message->data, bytes, size);
	message->len = size;
	message->maxlen = size;
	message->cursor = 0;
	return message;
}

/* Set once a value was accepted: from there on nothing may fail. */
static volatile bool accepted;

static bool
same_value(Datum a, Datum b)
{
	Size		size = VARSIZE(DatumGetPointer(a));

	return VARSIZE(DatumGetPointer(b)) == size &&
		memcmp(DatumGetPointer(a), DatumGetPointer(b), size) == 0;
}

static void
check_value(const TypeFunctions *type, Datum value)
{
	char	   *str = DatumGetCString(call(type->out, value, -1));
	char	   *copy = pnstrdup(str, strlen(str));
	Datum		again = call(type->in, CStringGetDatum(copy), -1);
	bytea	   *sent = DatumGetByteaP(call(type->send, value, -1));
	StringInfo	message = make_message(VARDATA(sent),
									   VARSIZE(sent) - VARHDRSZ);

	if (!same_value(value, again) ||
		strcmp(str, DatumGetCString(call(type->out, again, -1))) != 0)
		abort();

	again = call(type->recv, PointerGetDatum(message), -1);
	if (!same_value(value, again) || message->cursor != message->len)
		abort();
}

static void
run(const TypeFunctions *type, bool is_binary, int32 typmod,
	const uint8 *data, size_t size)
{
	Datum		value;

	if (is_binary)
	{
		StringInfo	message = make_message(data, size);

		value = call(type->recv, PointerGetDatum(message), typmod);
	}
	else
	{
		char	   *str = pnstrdup((const char *) data, size);

		/* a zero byte ends it */
		str = pnstrdup(str, strlen(str));
		value = call(type->in, CStringGetDatum(str), typmod);
	}
	accepted = true;
	check_value(type, value);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	distance_init();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	if (size < 2)
		return 0;

	accepted = false;
	if (SERVER_TRY() == 0)
		run(&types[TYPE_OF(data[0])], IS_BINARY(data[0]),
			data[1] == 0 ? -1 : data[1], data + 2, size - 2);
	else if (accepted)
		abort();
	server_reset();
	return 0;
}
