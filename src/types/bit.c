/*-------------------------------------------------------------------------
 *
 * bit.c
 *	  The core type bit: distances.
 *
 * src/types/bit.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "distance/distance.h"
#include "types/bit.h"

void
refuse_stored_bits(const VarBit *bits)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("stored bit string is corrupted"),
			 errdetail("It is said to have %d bits, in %zu bytes.",
					   VARBITLEN(bits), (Size) VARSIZE(bits))));
}

static void
check_same_length(VarBit *a, VarBit *b)
{
	if (VARBITLEN(a) != VARBITLEN(b))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different bit lengths %u and %u",
						(unsigned int) VARBITLEN(a),
						(unsigned int) VARBITLEN(b))));
}

/* How many bits differ */
PG_FUNCTION_INFO_V1(hamming_distance);
Datum
hamming_distance(PG_FUNCTION_ARGS)
{
	VarBit	   *a = PG_GETARG_BITS(0);
	VarBit	   *b = PG_GETARG_BITS(1);
	double		result;

	check_same_length(a, b);
	result = distance_kernels->xor_bits(VARBITS(a), VARBITS(b),
										VARBITBYTES(a));

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_FLOAT8(result);
}

/*
 * The share of the bits set in either that are not set in both; 1 when none
 * is set in both, even if none is set at all.
 */
PG_FUNCTION_INFO_V1(jaccard_distance);
Datum
jaccard_distance(PG_FUNCTION_ARGS)
{
	VarBit	   *a = PG_GETARG_BITS(0);
	VarBit	   *b = PG_GETARG_BITS(1);
	double		result = 1;
	uint64		both;

	check_same_length(a, b);
	both = distance_kernels->and_bits(VARBITS(a), VARBITS(b),
									  VARBITBYTES(a));
	if (both > 0)
		result -= (double) both /
			distance_kernels->or_bits(VARBITS(a), VARBITS(b), VARBITBYTES(a));

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_FLOAT8(result);
}
