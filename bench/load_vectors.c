/*-------------------------------------------------------------------------
 *
 * load_vectors.c
 *	  Fill a table (id int, embedding vector) from a vector file.
 *
 * The ids are the ordinals of the vectors in the file, from 0, as ground
 * truth files count.  Rows go in by one binary COPY.  Printed are their
 * number, the dimensions, the seconds and the server's seconds of CPU.
 *
 * bench/load_vectors.c
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"
#include "vecs.h"
#include "wire.h"

static void
fail(PGconn *conn, const char *what)
{
	fprintf(stderr, "load_vectors: %s: %s", what, PQerrorMessage(conn));
	exit(1);
}

static char *
put_int16(char *p, int value)
{
	uint16_t	net = htons((uint16_t) value);

	memcpy(p, &net, sizeof(net));
	return p + sizeof(net);
}

static char *
put_int32(char *p, int32_t value)
{
	uint32_t	net = htonl((uint32_t) value);

	memcpy(p, &net, sizeof(net));
	return p + sizeof(net);
}

static void
send_rows(PGconn *conn, const FloatVectors *vectors, int first)
{
	static const char header[19] = "PGCOPY\n\377\r\n";
	size_t		vector_size = VECTOR_WIRE_SIZE(vectors->dim);
	char	   *row = must_alloc(vector_size + 14);

	if (PQputCopyData(conn, header, sizeof(header)) != 1)
		fail(conn, "COPY");
	for (int i = first; i < vectors->count; i++)
	{
		char	   *p = row;

		p = put_int16(p, 2);
		p = put_int32(p, sizeof(int32_t));
		p = put_int32(p, i);
		p = put_int32(p, (int32_t) vector_size);
		p = put_vector(p, vectors->values + (size_t) i * vectors->dim,
					   vectors->dim);
		if (PQputCopyData(conn, row, (int) (p - row)) != 1)
			fail(conn, "COPY");
	}
	put_int16(row, -1);
	if (PQputCopyData(conn, row, 2) != 1 || PQputCopyEnd(conn, NULL) != 1)
		fail(conn, "COPY");
	free(row);
}

int
main(int argc, char **argv)
{
	PGconn	   *conn;
	PGresult   *res;
	FloatVectors vectors;
	char		sql[256];
	char		account[64];
	double		started;
	double		seconds;
	double		cpu[2] = {0};
	double		waited;
	int			first;

	if (argc < 4 || argc > 6)
	{
		fprintf(stderr,
				"usage: load_vectors CONNINFO TABLE FILE [END [FIRST]]\n");
		return 2;
	}
	vectors = read_vectors(argv[3], argc >= 5 ? atoi(argv[4]) : 0);
	first = argc == 6 ? atoi(argv[5]) : 0;

	conn = PQconnectdb(argv[1]);
	if (PQstatus(conn) != CONNECTION_OK)
		fail(conn, "connect");
	snprintf(account, sizeof(account), "/proc/%d/schedstat",
			 PQbackendPID(conn));
	read_schedstat(account, &cpu[0], &waited);
	started = now_seconds();
	snprintf(sql, sizeof(sql),
			 "COPY %s (id, embedding) FROM STDIN (FORMAT binary)", argv[2]);
	res = PQexec(conn, sql);
	if (PQresultStatus(res) != PGRES_COPY_IN)
		fail(conn, sql);
	PQclear(res);
	send_rows(conn, &vectors, first);
	res = PQgetResult(conn);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		fail(conn, sql);
	PQclear(res);
	seconds = now_seconds() - started;
	read_schedstat(account, &cpu[1], &waited);
	PQfinish(conn);
	printf("%d,%d,%.4f,%.4f\n", vectors.count - first, vectors.dim, seconds,
		   cpu[1] - cpu[0]);
	return 0;
}
