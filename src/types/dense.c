/*-------------------------------------------------------------------------
 *
 * dense.c
 *	  The types vector and halfvec: text and binary form, type modifier.
 *
 * src/types/dense.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "libpq/pqformat.h"
#include "types/dense.h"
#include "types/dense_text.h"
#include "types/wire.h"

void
refuse_stored_dense(const VectorKind *kind, const DenseVector *vector)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("stored %s is corrupted", kind->name),
			 errdetail("It is said to have %d dimensions, in %zu bytes.",
					   vector->dim, (Size) VARSIZE(vector))));
}

DenseVector *
dense_create(const VectorKind *kind, int dim)
{
	Size		size = offsetof(DenseVector, x) +
		dense_element_size(kind) * dim;
	DenseVector *vector = palloc(size);

	Assert(dim >= 1 && dim <= kind->max_dim);

	SET_VARSIZE(vector, size);
	vector->dim = dim;
	vector->unused = 0;

	return vector;
}

DenseVector *
dense_from_floats(const VectorKind *kind, const float *values, int dim)
{
	DenseVector *vector = dense_create(kind, dim);

	dense_store(kind, vector, 0, values, dim);

	return vector;
}

static pg_attribute_always_inline Datum
dense_in(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	char	   *str = PG_GETARG_CSTRING(0);
	int32		typmod = PG_GETARG_INT32(2);
	Node	   *escontext = fcinfo->context;
	float		values[DENSE_MAX_DIM];
	int			dim;

	dim = dense_parse(kind, str, values, escontext);
	if (dim == 0 || !check_expected_dim(typmod, dim, escontext))
		PG_RETURN_NULL();

	PG_RETURN_POINTER(dense_from_floats(kind, values, dim));
}

DENSE_FUNCTION(in);

static pg_attribute_always_inline Datum
dense_out(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	DenseVector *vector = PG_GETARG_DENSE(kind, 0);
	float		buffer[DENSE_MAX_DIM];
	char	   *str = dense_format(dense_floats(kind, vector, 0, vector->dim,
												buffer),
								   vector->dim);

	PG_FREE_IF_COPY(vector, 0);
	PG_RETURN_CSTRING(str);
}

DENSE_FUNCTION(out);

static pg_attribute_always_inline Datum
dense_typmod_in(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	PG_RETURN_INT32(check_typmod(kind, PG_GETARG_DATUM(0)));
}

DENSE_FUNCTION(typmod_in);

/*
 * Binary form, all in network byte order: int16 number of dimensions, int16
 * 0, the elements.
 */
static pg_attribute_always_inline void
copy_network_elements(const VectorKind *kind, void *to, const void *from,
					  int n)
{
	if (kind->element == ELEMENT_F16)
		copy_network16(to, from, n);
	else
		copy_network32(to, from, n);
}

static pg_attribute_always_inline Datum
dense_recv(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int16		dim = pq_getmsgint(buf, sizeof(int16));
	int16		unused = pq_getmsgint(buf, sizeof(int16));
	float		buffer[DENSE_MAX_DIM];
	DenseVector *result;

	check_dim(kind, dim, NULL);
	check_expected_dim(typmod, dim, NULL);
	check_unused(unused);

	result = dense_create(kind, dim);
	copy_network_elements(kind, result->x,
						  pq_getmsgbytes(buf, dense_element_size(kind) * dim),
						  dim);
	check_elements(kind, dense_floats(kind, result, 0, dim, buffer), dim);

	PG_RETURN_POINTER(result);
}

DENSE_FUNCTION(recv);

static pg_attribute_always_inline Datum
dense_send(FunctionCallInfo fcinfo, const VectorKind *kind)
{
	DenseVector *vector = PG_GETARG_DENSE(kind, 0);
	int			size = dense_element_size(kind) * vector->dim;
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendint16(&buf, vector->dim);
	pq_sendint16(&buf, vector->unused);
	enlargeStringInfo(&buf, size);
	copy_network_elements(kind, buf.data + buf.len, vector->x, vector->dim);
	buf.len += size;

	PG_FREE_IF_COPY(vector, 0);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

DENSE_FUNCTION(send);
