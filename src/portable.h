/*-------------------------------------------------------------------------
 *
 * portable.h
 *	  First include of the modules that need no server.
 *
 * distance, quantize, graph and the link codec run inside the server and in
 * plain C programs (the unit tests), which are compiled with FRONTEND.
 *
 * src/portable.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_PORTABLE_H
#define HNSW_PORTABLE_H

#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#endif							/* HNSW_PORTABLE_H */
