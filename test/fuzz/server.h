/*-------------------------------------------------------------------------
 *
 * server.h
 *	  As much of a server as the functions under test call.
 *
 * Memory lasts until server_reset(), each piece by itself, so that the address
 * sanitizer knows its ends.  An error goes back to where SERVER_TRY was.
 *
 * test/fuzz/server.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef FUZZ_SERVER_H
#define FUZZ_SERVER_H

#include <setjmp.h>

extern sigjmp_buf server_error;

/* 0 first, and 1 when an error was raised since */
#define SERVER_TRY()	sigsetjmp(server_error, 0)

extern void server_reset(void);

#endif							/* FUZZ_SERVER_H */
