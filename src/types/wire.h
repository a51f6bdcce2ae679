/*-------------------------------------------------------------------------
 *
 * wire.h
 *	  Arrays of float4 in network byte order, as in binary forms.
 *
 * src/types/wire.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_WIRE_H
#define HNSW_WIRE_H

#include "port/pg_bswap.h"

static inline void
floats_from_wire(float *values, const char *wire, int n)
{
	for (int i = 0; i < n; i++)
	{
		uint32		bits;

		memcpy(&bits, wire + i * sizeof(bits), sizeof(bits));
		bits = pg_ntoh32(bits);
		memcpy(&values[i], &bits, sizeof(bits));
	}
}

static inline void
floats_to_wire(char *wire, const float *values, int n)
{
	for (int i = 0; i < n; i++)
	{
		uint32		bits;

		memcpy(&bits, &values[i], sizeof(bits));
		bits = pg_hton32(bits);
		memcpy(wire + i * sizeof(bits), &bits, sizeof(bits));
	}
}

#endif							/* HNSW_WIRE_H */
