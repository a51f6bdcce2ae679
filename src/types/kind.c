/*-------------------------------------------------------------------------
 *
 * kind.c
 *	  Checks on dimensions and elements, the same for all vector types.
 *
 * src/types/kind.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "compat.h"
#include "types/kind.h"
#include "utils/array.h"

/*
 * check_dim
 *		A vector has at least one and at most kind->max_dim dimensions.
 */
bool
check_dim(const VectorKind *kind, int64 dim, Node *escontext)
{
	if (dim < 1)
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s must have at least 1 dimension", kind->name)));

	if (dim > kind->max_dim)
		ereturn(escontext, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s cannot have more than %d dimensions",
						kind->name, kind->max_dim)));

	return true;
}

/*
 * check_expected_dim
 *		Compares with what a type modifier asks for; -1 takes any.
 */
bool
check_expected_dim(int expected, int dim, Node *escontext)
{
	if (expected != -1 && expected != dim)
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", expected, dim)));

	return true;
}

/*
 * refuse_element
 *		What check_element says of a value that is none.
 */
bool
refuse_element(const VectorKind *kind, float value, Node *escontext)
{
	char		digits[FLOAT_SHORTEST_DECIMAL_LEN];

	if (isnan(value))
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("NaN not allowed in %s", kind->name)));

	if (isinf(value))
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("infinite value not allowed in %s", kind->name)));

	float_to_shortest_decimal_buf(value, digits);
	ereturn(escontext, false,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("\"%s\" is out of range for type %s", digits,
					kind->name)));
}

void
check_elements(const VectorKind *kind, const float *values, int n)
{
	for (int i = 0; i < n; i++)
		check_element(kind, values[i], NULL);
}

/*
 * check_same_dim
 *		For functions of two vectors, which must agree.
 */
void
check_same_dim(const VectorKind *kind, int dim_a, int dim_b)
{
	if (unlikely(dim_a != dim_b))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different %s dimensions %d and %d",
						kind->name, dim_a, dim_b)));
}

/*
 * check_unused
 *		A field of the binary form that is there for later.
 */
void
check_unused(int unused)
{
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected unused to be 0, not %d", unused)));
}

/*
 * check_typmod
 *		From the cstring[] between the parentheses of a type name to a type
 *		modifier, which is the number of dimensions as it stands.
 */
int32
check_typmod(const VectorKind *kind, Datum modifiers)
{
	int			n;
	int32	   *dim = ArrayGetIntegerTypmods(DatumGetArrayTypeP(modifiers),
											 &n);

	if (n != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type modifier")));

	if (*dim < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s must be at least 1",
						kind->name)));

	if (*dim > kind->max_dim)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s cannot exceed %d",
						kind->name, kind->max_dim)));

	return *dim;
}
