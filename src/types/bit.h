/*-------------------------------------------------------------------------
 *
 * bit.h
 *	  The core type bit, as it is stored.
 *
 * src/types/bit.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_BIT_H
#define HNSW_BIT_H

#include "fmgr.h"
#include "utils/varbit.h"

#define PG_GETARG_BITS(n)	DatumGetBits(PG_GETARG_DATUM(n))

/* Raises an error: the value is damaged. */
extern void refuse_stored_bits(const VarBit *bits);

/* The value in a Datum, detoasted.  It has the size that its length asks for. */
static inline VarBit *
DatumGetBits(Datum datum)
{
	VarBit	   *bits = DatumGetVarBitP(datum);

	if (unlikely(VARBITLEN(bits) < 0 ||
				 VARSIZE(bits) != VARBITTOTALLEN((Size) VARBITLEN(bits))))
		refuse_stored_bits(bits);

	return bits;
}

#endif							/* HNSW_BIT_H */
