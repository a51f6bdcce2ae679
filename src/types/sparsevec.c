/*-------------------------------------------------------------------------
 *
 * sparsevec.c
 *	  The type sparsevec: text and binary form, type modifier.
 *
 * src/types/sparsevec.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "compat.h"
#include "libpq/pqformat.h"
#include "types/format_float.h"
#include "types/parse_float.h"
#include "types/sparsevec.h"
#include "types/text.h"
#include "types/wire.h"

const VectorKind sparsevec_kind = {
	.name = "sparsevec",
	.max_dim = SPARSEVEC_MAX_DIM,
	.element = ELEMENT_F32,
	.overflow = INFINITY,
	.underflow = 0
};

void
refuse_stored_sparsevec(const SparseVector *vector)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("stored sparsevec is corrupted"),
			 errdetail("It is said to have %d dimensions and %d elements, in %zu bytes.",
					   vector->dim, vector->nnz, (Size) VARSIZE(vector))));
}

SparseVector *
sparsevec_create(int dim, int nnz)
{
	Size		size = offsetof(SparseVector, indices) +
		(sizeof(int32) + sizeof(float)) * nnz;
	SparseVector *vector = palloc(size);

	Assert(dim >= 1 && dim <= sparsevec_kind.max_dim);
	Assert(nnz >= 0 && nnz <= SPARSEVEC_MAX_NNZ);

	SET_VARSIZE(vector, size);
	vector->dim = dim;
	vector->nnz = nnz;
	vector->unused = 0;

	return vector;
}

bool
check_nnz(int64 nnz, int dim, Node *escontext)
{
	if (nnz < 0)
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("sparsevec cannot have negative number of elements")));

	if (nnz > SPARSEVEC_MAX_NNZ)
		ereturn(escontext, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("sparsevec cannot have more than %d non-zero elements",
						SPARSEVEC_MAX_NNZ)));

	if (nnz > dim)
		ereturn(escontext, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("sparsevec cannot have more elements than dimensions")));

	return true;
}

/*
 * check_indices
 *		They must lie within the dimensions and ascend.
 */
static bool
check_indices(SparseVector *vector, Node *escontext)
{
	const int32 *indices = vector->indices;

	for (int i = 0; i < vector->nnz; i++)
	{
		if (indices[i] < 0 || indices[i] >= vector->dim)
			ereturn(escontext, false,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("sparsevec index out of bounds")));

		if (i > 0 && indices[i] < indices[i - 1])
			ereturn(escontext, false,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("sparsevec indices must be in ascending order")));

		if (i > 0 && indices[i] == indices[i - 1])
			ereturn(escontext, false,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("sparsevec indices must not contain duplicates")));
	}

	return true;
}

/* Of a value that check_indices passed before it was stored */
void
check_stored_indices(const SparseVector *vector)
{
	int32		last = -1;
	bool		ascend = true;

	for (int i = 0; i < vector->nnz; i++)
	{
		ascend &= vector->indices[i] > last;
		last = vector->indices[i];
	}

	if (unlikely(!ascend || last >= vector->dim))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("stored sparsevec is corrupted"),
				 errdetail("Its indices do not ascend within %d dimensions.",
						   vector->dim)));
}

/*
 * Text form: {index:value,...}/dimensions, where indices count from 1
 */

static int
compare_indices(const void *a, const void *b)
{
	int32		index_a = ((const IndexedFloat *) a)->index;
	int32		index_b = ((const IndexedFloat *) b)->index;

	return (index_a > index_b) - (index_a < index_b);
}

/*
 * read_pair
 *		Reads "index:value".
 */
static bool
read_pair(TextCursor *cursor, IndexedFloat *element)
{
	int32		index;

	if (!read_int32(cursor, &index))
		return false;
	if (!read_char(cursor, ':'))
		ereturn(cursor->escontext, false, (invalid_syntax(cursor)));
	if (!read_element(cursor, true, &element->value))
		return false;

	/* what is far out of bounds stays there */
	element->index = Max(index, 0) - 1;
	return true;
}

/*
 * read_pairs
 *		Reads what is between the braces, and moves behind the closing one.
 *		Returns how many elements there are that are not zero, or -1 after a
 *		soft error.
 */
static int
read_pairs(TextCursor *cursor, IndexedFloat *elements)
{
	int			nnz = 0;

	if (read_char(cursor, '}'))
		return 0;

	for (;;)
	{
		IndexedFloat element;

		nnz += parse_pair_run(&cursor->pt, cursor->limit, &elements[nnz],
							  SPARSEVEC_MAX_NNZ - nnz);
		skip_space(cursor);
		if (!read_pair(cursor, &element))
			return -1;
		if (element.value != 0)
		{
			if (!check_nnz((int64) nnz + 1, PG_INT32_MAX, cursor->escontext))
				return -1;
			elements[nnz++] = element;
		}

		if (read_char(cursor, ','))
			continue;
		if (!read_char(cursor, '}'))
			ereturn(cursor->escontext, -1, (invalid_syntax(cursor)));
		return nnz;
	}
}

/*
 * read_dim
 *		Reads "/dimensions" and the end of the text.
 */
static bool
read_dim(TextCursor *cursor, int32 *dim)
{
	if (!read_char(cursor, '/'))
		ereturn(cursor->escontext, false,
				(invalid_syntax(cursor),
				 errdetail("Unexpected end of input.")));
	if (!read_int32(cursor, dim))
		return false;

	skip_space(cursor);
	if (*cursor->pt != '\0')
		ereturn(cursor->escontext, false,
				(invalid_syntax(cursor),
				 errdetail("Junk after closing.")));

	return check_dim(cursor->kind, *dim, cursor->escontext);
}

/*
 * from_elements
 *		The vector of elements in any order; NULL after a soft error.
 */
static SparseVector *
from_elements(IndexedFloat *elements, int nnz, int dim, Node *escontext)
{
	SparseVector *vector;
	float	   *values;
	bool		sorted = true;

	for (int i = 1; i < nnz; i++)
		sorted &= elements[i - 1].index <= elements[i].index;
	if (!sorted)
		qsort(elements, nnz, sizeof(IndexedFloat), compare_indices);

	vector = sparsevec_create(dim, nnz);
	values = sparsevec_values(vector);
	for (int i = 0; i < nnz; i++)
	{
		vector->indices[i] = elements[i].index;
		values[i] = elements[i].value;
	}

	return check_indices(vector, escontext) ? vector : NULL;
}

PG_FUNCTION_INFO_V1(sparsevec_in);
Datum
sparsevec_in(PG_FUNCTION_ARGS)
{
	char	   *str = PG_GETARG_CSTRING(0);
	int32		typmod = PG_GETARG_INT32(2);
	Node	   *escontext = fcinfo->context;
	TextCursor	cursor = {
		&sparsevec_kind, str, str + strlen(str), str, escontext
	};
	IndexedFloat elements[SPARSEVEC_MAX_NNZ];
	SparseVector *result;
	int			nnz;
	int			dim;

	if (!read_char(&cursor, '{'))
		ereturn(escontext, (Datum) 0,
				(invalid_syntax(&cursor),
				 errdetail("Vector contents must start with \"{\".")));

	nnz = read_pairs(&cursor, elements);
	if (nnz < 0 || !read_dim(&cursor, &dim) ||
		!check_expected_dim(typmod, dim, escontext))
		PG_RETURN_NULL();

	result = from_elements(elements, nnz, dim, escontext);
	if (result == NULL)
		PG_RETURN_NULL();

	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(sparsevec_out);
Datum
sparsevec_out(PG_FUNCTION_ARGS)
{
	SparseVector *vector = PG_GETARG_SPARSEVEC(0);
	const float *values = sparsevec_values(vector);
	int			element_len = FORMAT_INDEX_LEN + FLOAT_SHORTEST_DECIMAL_LEN;
	char	   *str = palloc(element_len * vector->nnz + FORMAT_INDEX_LEN +
							 FORMAT_FLOAT_ROOM);
	char	   *pt = str;

	*pt++ = '{';
	if (vector->nnz > 0)
		pt = format_pairs(vector->indices, values, vector->nnz, pt);
	*pt++ = '}';
	*pt++ = '/';
	pt = format_integer(vector->dim, pt);
	*pt = '\0';

	PG_FREE_IF_COPY(vector, 0);
	PG_RETURN_CSTRING(str);
}

PG_FUNCTION_INFO_V1(sparsevec_typmod_in);
Datum
sparsevec_typmod_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(check_typmod(&sparsevec_kind, PG_GETARG_DATUM(0)));
}

/*
 * Binary form, all in network byte order: int32 number of dimensions, int32
 * number of elements, int32 0, an int32 index from 0 on for each element, a
 * float4 for each.
 */
static void
check_received_values(SparseVector *vector)
{
	const float *values = sparsevec_values(vector);

	check_elements(&sparsevec_kind, values, vector->nnz);
	for (int i = 0; i < vector->nnz; i++)
	{
		if (values[i] == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("binary representation of sparsevec cannot contain zero values")));
	}
}

PG_FUNCTION_INFO_V1(sparsevec_recv);
Datum
sparsevec_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int32		dim = pq_getmsgint(buf, sizeof(int32));
	int32		nnz = pq_getmsgint(buf, sizeof(int32));
	int32		unused = pq_getmsgint(buf, sizeof(int32));
	SparseVector *result;

	check_dim(&sparsevec_kind, dim, NULL);
	check_nnz(nnz, dim, NULL);
	check_expected_dim(typmod, dim, NULL);
	check_unused(unused);

	result = sparsevec_create(dim, nnz);
	copy_network32(result->indices,
				   pq_getmsgbytes(buf, sizeof(int32) * nnz), nnz);
	check_indices(result, NULL);
	copy_network32(sparsevec_values(result),
				   pq_getmsgbytes(buf, sizeof(float) * nnz), nnz);
	check_received_values(result);

	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(sparsevec_send);
Datum
sparsevec_send(PG_FUNCTION_ARGS)
{
	SparseVector *vector = PG_GETARG_SPARSEVEC(0);
	int			words = 2 * vector->nnz;
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendint32(&buf, vector->dim);
	pq_sendint32(&buf, vector->nnz);
	pq_sendint32(&buf, vector->unused);
	enlargeStringInfo(&buf, words * sizeof(int32));
	copy_network32(buf.data + buf.len, vector->indices, words);
	buf.len += words * sizeof(int32);

	PG_FREE_IF_COPY(vector, 0);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}
