/*-------------------------------------------------------------------------
 *
 * team_test.c
 *	  Threads that build a graph together, and put its points in order.
 *
 * team_test [seed]
 *
 * test/unit/team_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <pthread.h>
#include <sched.h>

#include "graph/build_internal.h"
#include "graph/graph.h"
#include "graph/order.h"
#include "graph_memory.h"

#define MAX_THREADS 6

/* A barrier that more threads can join at any time */
typedef struct Meeting
{
	pthread_mutex_t mutex;
	pthread_cond_t all_here;
	int			nmembers;
	int			narrived;
	uint32		nwaits;
} Meeting;

typedef struct Member
{
	GraphTeam	team;			/* must be first */
	Meeting    *meeting;
	MemoryStore *store;
	GraphBuild *build;
	PointId		joins_at;		/* so many points are done, or stages of the
								 * order */
	PointId		last_report;
	bool		went_back;		/* a report was lower than the one before */
	pthread_t	thread;
} Member;

static void
meeting_init(Meeting *meeting)
{
	pthread_mutex_init(&meeting->mutex, NULL);
	pthread_cond_init(&meeting->all_here, NULL);
	meeting->nmembers = meeting->narrived = 0;
	meeting->nwaits = 0;
}

static void
meeting_free(Meeting *meeting)
{
	pthread_mutex_destroy(&meeting->mutex);
	pthread_cond_destroy(&meeting->all_here);
}

static uint32
meeting_join(Meeting *meeting)
{
	uint32		nwaits;

	pthread_mutex_lock(&meeting->mutex);
	meeting->nmembers++;
	nwaits = meeting->nwaits;
	pthread_mutex_unlock(&meeting->mutex);
	return nwaits;
}

static void
meeting_end_wait(Meeting *meeting)
{
	meeting->narrived = 0;
	meeting->nwaits++;
	pthread_cond_broadcast(&meeting->all_here);
}

static void
meeting_leave(Meeting *meeting)
{
	pthread_mutex_lock(&meeting->mutex);
	meeting->nmembers--;
	if (meeting->narrived > 0 && meeting->narrived == meeting->nmembers)
		meeting_end_wait(meeting);
	pthread_mutex_unlock(&meeting->mutex);
}

static void
member_wait(GraphTeam *team)
{
	Meeting    *meeting = ((Member *) team)->meeting;
	uint32		now;

	pthread_mutex_lock(&meeting->mutex);
	now = meeting->nwaits;
	if (++meeting->narrived == meeting->nmembers)
		meeting_end_wait(meeting);
	while (meeting->nwaits == now)
		pthread_cond_wait(&meeting->all_here, &meeting->mutex);
	pthread_mutex_unlock(&meeting->mutex);
}

static void
member_report(GraphTeam *team, PointId done)
{
	Member	   *member = (Member *) team;

	member->went_back |= done < member->last_report;
	member->last_report = done;
}

/* The same points, and what was asked for counted for each member alone */
static MemoryStore *
share_points(const MemoryStore *points)
{
	MemoryStore *store = memory_create(points->n, points->dim, points->first,
									   1);

	memcpy(store->vectors, points->vectors,
		   (size_t) points->n * points->dim * sizeof(float));
	return store;
}

static void *
help(void *arg)
{
	Member	   *member = arg;
	BuildShared *shared = member->build->shared;

	while (__atomic_load_n(&shared->ninserted, __ATOMIC_RELAXED) +
		   __atomic_load_n(&shared->next_point, __ATOMIC_RELAXED) <
		   member->joins_at)
		sched_yield();
	graph_build_help(member->build, &member->team,
					 meeting_join(member->meeting));
	meeting_leave(member->meeting);
	return NULL;
}

static void *
help_to_order(void *arg)
{
	Member	   *member = arg;
	BuildShared *shared = member->build->shared;

	while (__atomic_load_n(&shared->order.stage, __ATOMIC_RELAXED) <
		   member->joins_at &&
		   !__atomic_load_n(&shared->done, __ATOMIC_RELAXED))
		sched_yield();
	graph_order_help(member->build, &member->team,
					 meeting_join(member->meeting));
	meeting_leave(member->meeting);
	return NULL;
}

/* The first numbers of an order, and who gets none */
#define FIRST			7

static const bool *left_out;

static void
lead_order(GraphBuild *build, GraphTeam *team)
{
	GraphOrderOptions options = {20, FIRST, left_out};

	(void) graph_order_lead(build, team, &options);
}

/* What threads do together: one of them leads. */
typedef struct Work
{
	void		(*lead) (GraphBuild *build, GraphTeam *team);
	void	   *(*help) (void *member);
	PointId		joins_before;
} Work;

static void
work_together(const Work *work, const MemoryStore *points, void *memory,
			  int nthreads)
{
	Meeting		meeting;
	Member		members[MAX_THREADS];
	bool		sound = true;

	meeting_init(&meeting);
	for (int i = 0; i < nthreads; i++)
	{
		Member	   *member = &members[i];

		member->team.wait = member_wait;
		member->team.report = member_report;
		member->meeting = &meeting;
		member->store = share_points(points);
		member->build = graph_build_attach(memory, &member->store->store,
										   memory_set_query);
		member->joins_at = i == 1 ? 0 : unit_random_below(work->joins_before);
		member->last_report = 0;
		member->went_back = false;
	}
	(void) meeting_join(&meeting);
	for (int i = 1; i < nthreads; i++)
		pthread_create(&members[i].thread, NULL, work->help, &members[i]);
	work->lead(members[0].build, &members[0].team);
	meeting_leave(&meeting);
	for (int i = 1; i < nthreads; i++)
		pthread_join(members[i].thread, NULL);

	for (int i = 0; i < nthreads; i++)
	{
		sound = sound && !members[i].store->misused && !members[i].went_back;
		graph_build_free(members[i].build);
		memory_free(members[i].store);
	}
	meeting_free(&meeting);
	unit_ok(sound, "%d threads: what they ask for and report is sound",
			nthreads);
}

static bool
same_graphs(const GraphBuild *a, const GraphBuild *b, PointId n)
{
	if (graph_build_entry(a) != graph_build_entry(b))
		return false;
	for (PointId point = 0; point < n; point++)
	{
		for (int level = 0; level <= graph_build_level(a, point); level++)
		{
			int			na;
			int			nb;
			const PointId *la = graph_build_links(a, point, level, &na);
			const PointId *lb = graph_build_links(b, point, level, &nb);

			if (na != nb || memcmp(la, lb, na * sizeof(PointId)) != 0)
				return false;
		}
		if (a->in_links[point] != b->in_links[point])
			return false;
	}
	return true;
}

static void
test_team(uint32 n, int dim, int m, bool ties)
{
	GraphBuildOptions options = {m, 40, {true, false, true}, unit_random()};
	MemoryStore *store = memory_create(n, dim, 0, 1);
	void	   *memory = aligned_alloc(64, TYPEALIGN(64,
													 graph_build_size(&options,
																	  n)));
	GraphBuild *alone = graph_build_create(&options, &store->store,
										   memory_set_query, n);

	memory_fill_clusters(store, 20, 0.3);
	for (uint32 i = 0; ties && i < n * dim; i++)
		store->vectors[i] = roundf(store->vectors[i]);
	graph_build_alone(alone);
	for (int nthreads = 1; nthreads <= MAX_THREADS; nthreads++)
	{
		Work		work = {graph_build_lead, help, n};
		GraphBuild *together;

		graph_build_init(memory, &options, n);
		work_together(&work, store, memory, nthreads);
		together = graph_build_attach(memory, &store->store,
									  memory_set_query);
		unit_ok(same_graphs(alone, together, n),
				"%d threads, %u points%s: the graph one builds", nthreads, n,
				ties ? ", ties" : "");
		graph_build_free(together);
	}
	graph_build_free(alone);
	free(memory);
	memory_free(store);
}

/* Who gets numbers gets one each of FIRST .. */
static bool
numbers_are_right(const PointId *new_ids, uint32 n)
{
	bool	   *used = calloc(n, sizeof(bool));
	uint32		nkept = 0;
	uint32		nused = 0;

	for (uint32 i = 0; i < n; i++)
		nkept += left_out == NULL || !left_out[i];
	for (uint32 i = 0; i < n; i++)
	{
		if (left_out != NULL && left_out[i])
			nused += PointIdIsValid(new_ids[i]) ? n : 0;
		else if (new_ids[i] >= FIRST && new_ids[i] - FIRST < nkept &&
				 !used[new_ids[i] - FIRST])
		{
			used[new_ids[i] - FIRST] = true;
			nused++;
		}
	}
	free(used);
	return nused == nkept;
}

static int
compare_points(const void *a, const void *b)
{
	PointId		x = *(const PointId *) a;
	PointId		y = *(const PointId *) b;

	return (x > y) - (x < y);
}

/* The lists lead where they did, but for the order of links. */
static bool
same_links(const GraphBuild *a, const GraphBuild *b, PointId n)
{
	for (PointId point = 0; point < n; point++)
	{
		PointId		links[2][GRAPH_MAX_LINKS];
		int			count[2];

		for (int i = 0; i < 2; i++)
		{
			memcpy(links[i], graph_build_links(i == 0 ? a : b, point, 0,
											   &count[i]),
				   sizeof(PointId) * build_list_capacity(a->options.m, 0));
			qsort(links[i], count[i], sizeof(PointId), compare_points);
		}
		if (count[0] != count[1] ||
			memcmp(links[0], links[1], count[0] * sizeof(PointId)) != 0)
			return false;
	}
	return true;
}

static void
test_order(uint32 n, int dim, int m, bool some_left_out)
{
	GraphBuildOptions options = {m, 20, {true, false, true}, unit_random()};
	MemoryStore *store = memory_create(n, dim, 0, 1);
	Size		size = TYPEALIGN(64, graph_build_size(&options, n));
	void	   *memory = aligned_alloc(64, size);
	GraphBuild *before = graph_build_create(&options, &store->store,
											memory_set_query, n);
	bool	   *out = calloc(n, sizeof(bool));
	PointId    *alone = calloc(n, sizeof(PointId));

	memory_fill_clusters(store, 20, 0.3);
	for (uint32 i = 0; i < n; i++)
		out[i] = unit_random_below(3) == 0;
	left_out = some_left_out ? out : NULL;
	graph_build_alone(before);
	for (int nthreads = 1; nthreads <= MAX_THREADS; nthreads++)
	{
		Work		work = {lead_order, help_to_order, 5};
		GraphBuild *together;
		const PointId *new_ids;

		memcpy(memory, before->shared, graph_build_size(&options, n));
		((BuildShared *) memory)->done = false;
		work_together(&work, store, memory, nthreads);
		together = graph_build_attach(memory, &store->store,
									  memory_set_query);
		new_ids = order_new_ids(together);
		if (nthreads == 1)
			memcpy(alone, new_ids, n * sizeof(PointId));
		unit_ok(numbers_are_right(new_ids, n) &&
				memcmp(new_ids, alone, n * sizeof(PointId)) == 0,
				"%d threads, %u points%s: the numbers one finds", nthreads, n,
				some_left_out ? ", some left out" : "");
		unit_ok(same_links(before, together, n),
				"%d threads, %u points: the graph is what it was", nthreads, n);
		graph_build_free(together);
	}
	graph_build_free(before);
	free(alone);
	free(out);
	free(memory);
	memory_free(store);
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	test_team(1, 3, 4, false);
	test_team(500, 3, 4, false);
	test_team(12000, 8, 6, false);
	test_team(6000, 2, 8, true);
	test_order(1, 3, 4, false);
	test_order(700, 3, 8, true);
	test_order(12000, 4, 6, false);
	test_order(9000, 8, 16, true);
	return unit_finish();
}
