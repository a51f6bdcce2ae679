/*-------------------------------------------------------------------------
 *
 * query_bench.c
 *	  Recall, queries per second and latency of k-NN queries over libpq.
 *
 * Each client is a thread with a connection of its own and runs every query
 * of the file once per round, beginning at a different place, with a
 * statement prepared once, a binary parameter and binary results.  For each
 * round and ef one CSV row is printed.  "cpu_us" is the time the server
 * processes spent on a CPU per query, "waited_pct" the share of the run they
 * were ready but had to wait for one: more than a few percent means that
 * something else was using the machine and the row is not to be trusted.
 *
 * bench/query_bench.c
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

#define MAX_EFS 64
#define MAX_SETTINGS 32

typedef struct Options
{
	const char *conninfo;
	const char *table;
	const char *operator;
	const char *queries;
	const char *truth;
	const char *settings[MAX_SETTINGS];
	int			nsettings;
	int			efs[MAX_EFS];
	int			nefs;
	int			limit;			/* of queries, 0: all */
	int			k;
	int			rounds;
	int			clients;
	int			warmup;			/* queries before each run */
	int			any_plan;		/* do not insist on an index scan */
} Options;

typedef struct Workload
{
	int			count;
	int			k;
	int			param_size;
	char	   *params;			/* count parameters in wire form */
	IdLists		truth;
} Workload;

typedef struct Client
{
	PGconn	   *conn;
	const Workload *work;
	pthread_barrier_t *barrier;
	pthread_t	thread;
	int			first;			/* query to begin with */
	int			warmup;
	double	   *latency;
	int32_t    *found;			/* count rows of k ids */
	int		   *nfound;
	double		started;
	double		ended;
	double		cpu;
	double		waited;
	int			cpu_known;
} Client;

static void
fail(PGconn *conn, const char *what)
{
	fprintf(stderr, "query_bench: %s: %s", what, PQerrorMessage(conn));
	exit(1);
}

static PGresult *
must_exec(PGconn *conn, const char *sql, ExecStatusType expected)
{
	PGresult   *res = PQexec(conn, sql);

	if (PQresultStatus(res) != expected)
		fail(conn, sql);
	return res;
}

static void
set_parameter(PGconn *conn, const char *name, const char *value)
{
	const char *values[2];
	PGresult   *res;

	values[0] = name;
	values[1] = value;
	res = PQexecParams(conn, "SELECT set_config($1, $2, false)", 2, NULL,
					   values, NULL, NULL, 0);
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		fail(conn, name);
	PQclear(res);
}

/*
 * Run one query of the workload; its ids go to the client's row for it.
 */
static void
run_query(Client *client, int query)
{
	const Workload *work = client->work;
	const char *value = work->params + (size_t) query * work->param_size;
	int			length = work->param_size;
	int			format = 1;
	PGresult   *res;
	int			rows;

	res = PQexecPrepared(client->conn, "knn", 1, &value, &length, &format, 1);
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		fail(client->conn, "query");
	rows = PQntuples(res);
	if (rows > work->k)
		rows = work->k;
	for (int i = 0; i < rows; i++)
	{
		uint32_t	id;

		memcpy(&id, PQgetvalue(res, i, 0), sizeof(id));
		client->found[(size_t) query * work->k + i] = (int32_t) ntohl(id);
	}
	client->nfound[query] = rows;
	PQclear(res);
}

static void *
client_main(void *arg)
{
	Client	   *client = arg;
	const Workload *work = client->work;
	double		cpu = 0;
	double		waited = 0;
	char		account[64];

	snprintf(account, sizeof(account), "/proc/%d/schedstat",
			 PQbackendPID(client->conn));
	for (int i = 0; i < client->warmup; i++)
		run_query(client, (client->first + i) % work->count);

	client->cpu_known = read_schedstat(account, &cpu, &waited);
	pthread_barrier_wait(client->barrier);
	client->started = now_seconds();
	for (int i = 0; i < work->count; i++)
	{
		double		start = now_seconds();

		run_query(client, (client->first + i) % work->count);
		client->latency[i] = now_seconds() - start;
	}
	client->ended = now_seconds();
	if (client->cpu_known)
	{
		read_schedstat(account, &client->cpu, &client->waited);
		client->cpu -= cpu;
		client->waited -= waited;
	}
	return NULL;
}

/*
 * Connect, apply the settings and prepare the query.  The statement must be
 * answered by an index scan unless the caller asked for any plan.
 */
static PGconn *
open_client(const Options *opts)
{
	PGconn	   *conn = PQconnectdb(opts->conninfo);
	PGresult   *res;
	char		sql[512];

	if (PQstatus(conn) != CONNECTION_OK)
		fail(conn, "connect");
	for (int i = 0; i < opts->nsettings; i++)
	{
		char	   *copy = strdup(opts->settings[i]);
		char	   *value = strchr(copy, '=');

		if (value == NULL)
		{
			fprintf(stderr, "query_bench: expected name=value: %s\n", copy);
			exit(2);
		}
		*value++ = '\0';
		set_parameter(conn, copy, value);
		free(copy);
	}
	snprintf(sql, sizeof(sql),
			 "SELECT id FROM %s ORDER BY embedding %s $1 LIMIT %d",
			 opts->table, opts->operator, opts->k);
	res = PQprepare(conn, "knn", sql, 1, NULL);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		fail(conn, sql);
	PQclear(res);
	return conn;
}

static void
check_plan(const Options *opts, PGconn *conn)
{
	PGresult   *res;
	char		sql[512];
	int			found = 0;

	snprintf(sql, sizeof(sql),
			 "EXPLAIN SELECT id FROM %s ORDER BY embedding %s "
			 "(SELECT embedding FROM %s LIMIT 1) LIMIT %d",
			 opts->table, opts->operator, opts->table, opts->k);
	res = must_exec(conn, sql, PGRES_TUPLES_OK);
	for (int i = 0; i < PQntuples(res); i++)
		found |= strstr(PQgetvalue(res, i, 0), "Order By") != NULL;
	PQclear(res);
	if (!found)
	{
		fprintf(stderr, "query_bench: the plan does not use the index\n");
		exit(1);
	}
}

static Workload
read_workload(const Options *opts)
{
	Workload	work;
	FloatVectors queries = read_vectors(opts->queries, opts->limit);

	work.count = queries.count;
	work.k = opts->k;
	work.param_size = (int) VECTOR_WIRE_SIZE(queries.dim);
	work.params = must_alloc((size_t) work.count * work.param_size);
	for (int i = 0; i < work.count; i++)
		put_vector(work.params + (size_t) i * work.param_size,
				   queries.values + (size_t) i * queries.dim, queries.dim);
	free(queries.values);

	work.truth = read_ids(opts->truth);
	if (work.truth.count < work.count || work.truth.width < work.k)
	{
		fprintf(stderr, "query_bench: the ground truth does not cover "
				"%d queries at k = %d\n", work.count, work.k);
		exit(1);
	}
	return work;
}

static double
mean_recall(const Workload *work, const Client *client)
{
	double		sum = 0;

	for (int i = 0; i < work->count; i++)
		sum += list_recall(client->found + (size_t) i * work->k,
						   client->nfound[i],
						   work->truth.ids + (size_t) i * work->truth.width,
						   work->k);
	return sum / work->count;
}

/*
 * One run of all clients at one ef; run->latency must hold all queries.
 */
static void
measure(Client *clients, const Workload *work, RunResult *run)
{
	pthread_barrier_t barrier;
	double		started;
	double		ended;
	char		ef[16];

	snprintf(ef, sizeof(ef), "%d", run->ef);
	pthread_barrier_init(&barrier, NULL, run->clients);
	for (int i = 0; i < run->clients; i++)
	{
		set_parameter(clients[i].conn, "hnsw.ef_search", ef);
		clients[i].barrier = &barrier;
		clients[i].latency = run->latency + (size_t) i * work->count;
		if (pthread_create(&clients[i].thread, NULL, client_main,
						   &clients[i]) != 0)
		{
			fprintf(stderr, "query_bench: cannot start a thread\n");
			exit(1);
		}
	}
	for (int i = 0; i < run->clients; i++)
		pthread_join(clients[i].thread, NULL);
	pthread_barrier_destroy(&barrier);

	started = clients[0].started;
	ended = clients[0].ended;
	run->recall = run->cpu = run->waited = 0;
	for (int i = 0; i < run->clients; i++)
	{
		if (clients[i].started < started)
			started = clients[i].started;
		if (clients[i].ended > ended)
			ended = clients[i].ended;
		run->recall += mean_recall(work, &clients[i]) / run->clients;
		run->cpu += clients[i].cpu;
		run->waited += clients[i].waited;
	}
	if (!clients[0].cpu_known)
		run->cpu = -1;
	run->wall = ended - started;
	run->queries = run->clients * work->count;
}

static void
usage(void)
{
	fprintf(stderr,
			"usage: query_bench --queries FILE --truth FILE [OPTION]...\n"
			"  --db CONNINFO       connection string\n"
			"  --table NAME        table with id and embedding (items)\n"
			"  --operator OP       distance operator (<->)\n"
			"  --k N               rows per query (10)\n"
			"  --ef LIST           hnsw.ef_search values (40)\n"
			"  --rounds N          runs per ef (1)\n"
			"  --clients N         concurrent connections (1)\n"
			"  --warmup N          unmeasured queries before a run (100)\n"
			"  --limit N           use only the first N queries\n"
			"  --set NAME=VALUE    session setting, repeatable\n"
			"  --any-plan          do not insist on an index scan\n"
			"  --header            print the CSV header first\n");
	exit(2);
}

static void
parse_efs(Options *opts, char *list)
{
	opts->nefs = 0;
	for (char *word = strtok(list, ","); word; word = strtok(NULL, ","))
	{
		if (opts->nefs == MAX_EFS || atoi(word) <= 0)
			usage();
		opts->efs[opts->nefs++] = atoi(word);
	}
}

static void
parse_options(Options *opts, int argc, char **argv)
{
	static const struct option longs[] = {
		{"db", required_argument, NULL, 'd'},
		{"table", required_argument, NULL, 't'},
		{"operator", required_argument, NULL, 'o'},
		{"queries", required_argument, NULL, 'q'},
		{"truth", required_argument, NULL, 'g'},
		{"k", required_argument, NULL, 'k'},
		{"ef", required_argument, NULL, 'e'},
		{"rounds", required_argument, NULL, 'r'},
		{"clients", required_argument, NULL, 'c'},
		{"warmup", required_argument, NULL, 'w'},
		{"limit", required_argument, NULL, 'l'},
		{"set", required_argument, NULL, 's'},
		{"any-plan", no_argument, NULL, 'a'},
		{"header", no_argument, NULL, 'h'},
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
			case 'o':
				opts->operator = optarg;
				break;
			case 'q':
				opts->queries = optarg;
				break;
			case 'g':
				opts->truth = optarg;
				break;
			case 'k':
				opts->k = atoi(optarg);
				break;
			case 'e':
				parse_efs(opts, optarg);
				break;
			case 'r':
				opts->rounds = atoi(optarg);
				break;
			case 'c':
				opts->clients = atoi(optarg);
				break;
			case 'w':
				opts->warmup = atoi(optarg);
				break;
			case 'l':
				opts->limit = atoi(optarg);
				break;
			case 's':
				if (opts->nsettings == MAX_SETTINGS)
					usage();
				opts->settings[opts->nsettings++] = optarg;
				break;
			case 'a':
				opts->any_plan = 1;
				break;
			case 'h':
				printf("%s\n", CSV_COLUMNS);
				break;
			default:
				usage();
		}
	}
	if (optind != argc || !opts->queries || !opts->truth || opts->k < 1 ||
		opts->rounds < 1 || opts->clients < 1 || opts->warmup < 0)
		usage();
}

int
main(int argc, char **argv)
{
	Options		opts = {
		.conninfo = "",
		.table = "items",
		.operator = "<->",
		.efs = {40},
		.nefs = 1,
		.k = 10,
		.rounds = 1,
		.clients = 1,
		.warmup = 100
	};
	Workload	work;
	Client	   *clients;
	double	   *latency;

	parse_options(&opts, argc, argv);
	work = read_workload(&opts);
	clients = must_alloc(opts.clients * sizeof(Client));
	memset(clients, 0, opts.clients * sizeof(Client));
	for (int i = 0; i < opts.clients; i++)
	{
		clients[i].conn = open_client(&opts);
		clients[i].work = &work;
		clients[i].warmup = opts.warmup;
		clients[i].first = (int) ((long) work.count * i / opts.clients);
		clients[i].found = must_alloc(sizeof(int32_t) * work.count * work.k);
		clients[i].nfound = must_alloc(sizeof(int) * work.count);
	}
	if (!opts.any_plan)
		check_plan(&opts, clients[0].conn);

	latency = must_alloc(sizeof(double) * opts.clients * work.count);
	for (int round = 1; round <= opts.rounds; round++)
	{
		for (int i = 0; i < opts.nefs; i++)
		{
			RunResult	run = {
				.ef = opts.efs[i],
				.k = opts.k,
				.clients = opts.clients,
				.round = round,
				.latency = latency
			};

			measure(clients, &work, &run);
			print_run(&run);
		}
	}
	for (int i = 0; i < opts.clients; i++)
		PQfinish(clients[i].conn);
	return 0;
}
