/*-------------------------------------------------------------------------
 *
 * change_bench.c
 *	  Rows per second of INSERT and UPDATE, and the time of SQL commands.
 *
 * Each client is a thread with a connection of its own that runs a statement
 * prepared once, a row and a transaction each, until all rows are done.  One
 * CSV row is printed: rows, seconds, seconds of CPU of the server processes,
 * seconds they were ready and had to wait for a CPU, and the 50th, 95th and
 * 99th percentile of the statements' time in microseconds.
 *
 * bench/change_bench.c
 *
 *-------------------------------------------------------------------------
 */
#include <getopt.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"
#include "vecs.h"
#include "wire.h"

typedef enum Mode
{
	MODE_INSERT,
	MODE_UPDATE,
	MODE_SQL
} Mode;

typedef struct Options
{
	const char *conninfo;
	const char *table;
	const char *vectors;
	const char *sql;
	Mode		mode;
	int			first;			/* row of the file, or lowest id */
	int			count;
	int			among;			/* updates pick from so many ids */
	int			clients;
} Options;

typedef struct Client
{
	const Options *opts;
	const FloatVectors *vectors;
	const int  *ids;			/* of all clients */
	int			number;
	PGconn	   *conn;
	pthread_barrier_t *barrier;
	pthread_t	thread;
	double	   *latency;
	int			done;
	double		started;
	double		ended;
	double		cpu;
	double		waited;
} Client;

static void
fail(PGconn *conn, const char *what)
{
	fprintf(stderr, "change_bench: %s: %s", what, PQerrorMessage(conn));
	exit(1);
}

static void
check_done(Client *client, PGresult *res, const char *what)
{
	ExecStatusType status = PQresultStatus(res);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		fail(client->conn, what);
	PQclear(res);
}

/* Prepares the statement of a row; its first parameter is the id. */
static void
prepare(Client *client)
{
	const Options *opts = client->opts;
	char		sql[256];

	if (opts->mode == MODE_INSERT)
		snprintf(sql, sizeof(sql),
				 "INSERT INTO %s (id, embedding) VALUES ($1::int, $2)",
				 opts->table);
	else
		snprintf(sql, sizeof(sql),
				 "UPDATE %s SET note = note + 1 WHERE id = $1::int",
				 opts->table);
	check_done(client, PQprepare(client->conn, "change", sql, 0, NULL), sql);
}

static void
change_row(Client *client, int i, char *param)
{
	const FloatVectors *vectors = client->vectors;
	uint32_t	id = htonl((uint32_t) client->ids[i]);
	const char *values[2] = {(char *) &id, param};
	int			lengths[2] = {sizeof(id), 0};
	int			formats[2] = {1, 1};
	int			nparams = 1;

	if (client->opts->mode == MODE_INSERT)
	{
		put_vector(param, vectors->values +
				   (size_t) client->ids[i] * vectors->dim, vectors->dim);
		lengths[1] = (int) VECTOR_WIRE_SIZE(vectors->dim);
		nparams = 2;
	}
	check_done(client,
			   PQexecPrepared(client->conn, "change", nparams, values,
							  lengths, formats, 0), "row");
}

static void
run_rows(Client *client)
{
	char	   *param = must_alloc(VECTOR_WIRE_SIZE(client->vectors->dim));

	for (int i = client->number; i < client->opts->count;
		 i += client->opts->clients)
	{
		double		start = now_seconds();

		change_row(client, i, param);
		client->latency[client->done++] = now_seconds() - start;
	}
	free(param);
}

static void *
client_main(void *arg)
{
	Client	   *client = arg;
	char		account[64];
	double		cpu = 0;
	double		waited = 0;

	snprintf(account, sizeof(account), "/proc/%d/schedstat",
			 PQbackendPID(client->conn));
	if (client->opts->mode != MODE_SQL)
		prepare(client);
	pthread_barrier_wait(client->barrier);
	read_schedstat(account, &cpu, &waited);
	client->started = now_seconds();
	if (client->opts->mode == MODE_SQL)
	{
		check_done(client, PQexec(client->conn, client->opts->sql),
				   client->opts->sql);
		client->latency[client->done++] = now_seconds() - client->started;
	}
	else
		run_rows(client);
	client->ended = now_seconds();
	read_schedstat(account, &client->cpu, &client->waited);
	client->cpu -= cpu;
	client->waited -= waited;
	return NULL;
}

/* The ids of the rows: in a row, or so many of those there are, at random */
static int *
make_ids(const Options *opts)
{
	int			n = opts->mode == MODE_UPDATE ? opts->among : opts->count;
	int		   *ids = must_alloc(sizeof(int) * n);

	for (int i = 0; i < n; i++)
		ids[i] = opts->first + i;
	if (opts->mode == MODE_UPDATE)
	{
		srandom(1);
		for (int i = 0; i < opts->count; i++)
		{
			int			j = i + (int) (random() % (n - i));
			int			swap = ids[i];

			ids[i] = ids[j];
			ids[j] = swap;
		}
	}
	return ids;
}

static void
usage(void)
{
	fprintf(stderr,
			"usage: change_bench --db CONNINFO [OPTION]... insert|update|sql\n"
			"  --table NAME    table with id, embedding, note (items)\n"
			"  --vectors FILE  rows to insert; their ordinals are the ids\n"
			"  --first N       first row to insert (0)\n"
			"  --count N       rows to insert or update\n"
			"  --among N       update rows with ids below N, at random\n"
			"  --sql COMMAND   what to run and time\n"
			"  --clients N     concurrent connections (1)\n");
	exit(2);
}

static void
parse_options(Options *opts, int argc, char **argv)
{
	static const struct option longs[] = {
		{"db", required_argument, NULL, 'd'},
		{"table", required_argument, NULL, 't'},
		{"vectors", required_argument, NULL, 'v'},
		{"first", required_argument, NULL, 'f'},
		{"count", required_argument, NULL, 'n'},
		{"among", required_argument, NULL, 'a'},
		{"sql", required_argument, NULL, 's'},
		{"clients", required_argument, NULL, 'c'},
		{NULL, 0, NULL, 0}
	};
	int			c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
	{
		switch (c)
		{
			case 'd':
				opts->conninfo = optarg;
				break;
			case 't':
				opts->table = optarg;
				break;
			case 'v':
				opts->vectors = optarg;
				break;
			case 'f':
				opts->first = atoi(optarg);
				break;
			case 'n':
				opts->count = atoi(optarg);
				break;
			case 'a':
				opts->among = atoi(optarg);
				break;
			case 's':
				opts->sql = optarg;
				break;
			case 'c':
				opts->clients = atoi(optarg);
				break;
			default:
				usage();
		}
	}
	if (optind != argc - 1 || opts->clients < 1)
		usage();
	if (strcmp(argv[optind], "insert") == 0)
		opts->mode = MODE_INSERT;
	else if (strcmp(argv[optind], "update") == 0)
		opts->mode = MODE_UPDATE;
	else if (strcmp(argv[optind], "sql") == 0)
		opts->mode = MODE_SQL;
	else
		usage();
	if ((opts->mode == MODE_INSERT && opts->vectors == NULL) ||
		(opts->mode == MODE_SQL) != (opts->sql != NULL) ||
		(opts->mode == MODE_SQL ? opts->clients != 1 : opts->count < 1) ||
		(opts->mode == MODE_UPDATE && opts->among < opts->count))
		usage();
}

static void
print_clients(const Options *opts, const Client *clients)
{
	RunResult	all = {0};
	double		started = clients[0].started;
	double		ended = clients[0].ended;

	all.latency = must_alloc(sizeof(double) * (opts->count + 1));
	for (int i = 0; i < opts->clients; i++)
	{
		const Client *client = &clients[i];

		started = client->started < started ? client->started : started;
		ended = client->ended > ended ? client->ended : ended;
		memcpy(all.latency + all.queries, client->latency,
			   sizeof(double) * client->done);
		all.queries += client->done;
		all.cpu += client->cpu;
		all.waited += client->waited;
	}
	qsort(all.latency, all.queries, sizeof(double), compare_doubles);
	printf("%d,%.4f,%.4f,%.4f,%.1f,%.1f,%.1f\n", all.queries, ended - started,
		   all.cpu, all.waited, percentile_us(&all, 0.50),
		   percentile_us(&all, 0.95), percentile_us(&all, 0.99));
	free(all.latency);
}

int
main(int argc, char **argv)
{
	Options		opts = {.conninfo = "", .table = "items", .clients = 1};
	FloatVectors vectors = {0};
	pthread_barrier_t barrier;
	Client	   *clients;
	int		   *ids;

	parse_options(&opts, argc, argv);
	if (opts.mode == MODE_INSERT)
	{
		vectors = read_vectors(opts.vectors, opts.first + opts.count);
		if (vectors.count < opts.first + opts.count)
		{
			fprintf(stderr, "change_bench: %s has %d vectors\n", opts.vectors,
					vectors.count);
			return 1;
		}
	}
	ids = make_ids(&opts);
	clients = must_alloc(opts.clients * sizeof(Client));
	memset(clients, 0, opts.clients * sizeof(Client));
	pthread_barrier_init(&barrier, NULL, opts.clients);
	for (int i = 0; i < opts.clients; i++)
	{
		Client	   *client = &clients[i];

		client->opts = &opts;
		client->vectors = &vectors;
		client->ids = ids;
		client->number = i;
		client->barrier = &barrier;
		client->latency = must_alloc(sizeof(double) * (opts.count + 1));
		client->conn = PQconnectdb(opts.conninfo);
		if (PQstatus(client->conn) != CONNECTION_OK)
			fail(client->conn, "connect");
	}
	for (int i = 0; i < opts.clients; i++)
	{
		if (pthread_create(&clients[i].thread, NULL, client_main,
						   &clients[i]) != 0)
		{
			fprintf(stderr, "change_bench: cannot start a thread\n");
			return 1;
		}
	}
	for (int i = 0; i < opts.clients; i++)
		pthread_join(clients[i].thread, NULL);
	print_clients(&opts, clients);
	for (int i = 0; i < opts.clients; i++)
		PQfinish(clients[i].conn);
	return 0;
}
