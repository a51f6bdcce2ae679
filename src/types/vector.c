/*-------------------------------------------------------------------------
 *
 * vector.c
 *	  The type vector: text and binary form, type modifier.
 *
 * src/types/vector.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "libpq/pqformat.h"
#include "types/dense_text.h"
#include "types/vector.h"
#include "types/wire.h"

const VectorKind vector_kind = {"vector", VECTOR_MAX_DIM};

Vector *
vector_create(int dim)
{
	Vector	   *vector = palloc(VECTOR_SIZE(dim));

	Assert(dim >= 1 && dim <= VECTOR_MAX_DIM);

	SET_VARSIZE(vector, VECTOR_SIZE(dim));
	vector->dim = dim;
	vector->unused = 0;

	return vector;
}

PG_FUNCTION_INFO_V1(vector_in);
Datum
vector_in(PG_FUNCTION_ARGS)
{
	char	   *str = PG_GETARG_CSTRING(0);
	int32		typmod = PG_GETARG_INT32(2);
	Node	   *escontext = fcinfo->context;
	float		values[VECTOR_MAX_DIM];
	Vector	   *result;
	int			dim;

	dim = dense_parse(&vector_kind, str, values, escontext);
	if (dim == 0 || !check_expected_dim(typmod, dim, escontext))
		PG_RETURN_NULL();

	result = vector_create(dim);
	memcpy(result->x, values, sizeof(float) * dim);

	PG_RETURN_VECTOR(result);
}

PG_FUNCTION_INFO_V1(vector_out);
Datum
vector_out(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR(0);
	char	   *str = dense_format(vector->x, vector->dim);

	PG_FREE_IF_COPY(vector, 0);
	PG_RETURN_CSTRING(str);
}

PG_FUNCTION_INFO_V1(vector_typmod_in);
Datum
vector_typmod_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(check_typmod(&vector_kind, PG_GETARG_DATUM(0)));
}

/*
 * Binary form, all in network byte order: int16 number of dimensions, int16
 * 0, float4 for each dimension.
 */
PG_FUNCTION_INFO_V1(vector_recv);
Datum
vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int16		dim = pq_getmsgint(buf, sizeof(int16));
	int16		unused = pq_getmsgint(buf, sizeof(int16));
	Vector	   *result;

	check_dim(&vector_kind, dim, NULL);
	check_expected_dim(typmod, dim, NULL);
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected unused to be 0, not %d", unused)));

	result = vector_create(dim);
	floats_from_wire(result->x, pq_getmsgbytes(buf, sizeof(float) * dim),
					 dim);
	check_elements(&vector_kind, result->x, dim);

	PG_RETURN_VECTOR(result);
}

PG_FUNCTION_INFO_V1(vector_send);
Datum
vector_send(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR(0);
	int			size = sizeof(float) * vector->dim;
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendint16(&buf, vector->dim);
	pq_sendint16(&buf, vector->unused);
	enlargeStringInfo(&buf, size);
	floats_to_wire(buf.data + buf.len, vector->x, vector->dim);
	buf.len += size;

	PG_FREE_IF_COPY(vector, 0);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}
