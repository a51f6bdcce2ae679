/*-------------------------------------------------------------------------
 *
 * wire.h
 *	  Binary form of the type vector, as its send and receive functions
 *	  have it: int16 dimension, int16 zero, float4 values, big endian.
 *
 * bench/wire.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <arpa/inet.h>
#include <string.h>

#define VECTOR_WIRE_SIZE(dim) (4 + 4 * (size_t) (dim))

/*
 * Write a vector of dim values at p; returns the end of what was written.
 */
static inline char *
put_vector(char *p, const float *values, int dim)
{
	uint16_t	head[2];

	head[0] = htons((uint16_t) dim);
	head[1] = 0;
	memcpy(p, head, sizeof(head));
	p += sizeof(head);
	for (int i = 0; i < dim; i++)
	{
		uint32_t	word;

		memcpy(&word, &values[i], sizeof(word));
		word = htonl(word);
		memcpy(p, &word, sizeof(word));
		p += sizeof(word);
	}
	return p;
}

#endif							/* BENCH_WIRE_H */
