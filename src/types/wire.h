/*-------------------------------------------------------------------------
 *
 * wire.h
 *	  Arrays of numbers in network byte order, as in binary forms.
 *
 * Either function goes both ways, as swapping bytes twice changes nothing.
 *
 * src/types/wire.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_WIRE_H
#define HNSW_WIRE_H

#include "port/pg_bswap.h"

static inline void
copy_network16(void *to, const void *from, int n)
{
	for (int i = 0; i < n; i++)
	{
		uint16		bits;

		memcpy(&bits, (const char *) from + i * sizeof(bits), sizeof(bits));
		bits = pg_ntoh16(bits);
		memcpy((char *) to + i * sizeof(bits), &bits, sizeof(bits));
	}
}

static inline void
copy_network32(void *to, const void *from, int n)
{
	for (int i = 0; i < n; i++)
	{
		uint32		bits;

		memcpy(&bits, (const char *) from + i * sizeof(bits), sizeof(bits));
		bits = pg_ntoh32(bits);
		memcpy((char *) to + i * sizeof(bits), &bits, sizeof(bits));
	}
}

#endif							/* HNSW_WIRE_H */
