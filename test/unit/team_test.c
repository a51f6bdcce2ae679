/*-------------------------------------------------------------------------
 *
 * team_test.c
 *	  Threads that build a graph together.
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
	PointId		joins_at;		/* so many points are done */
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

/* Builds the graph of some points with so many threads. */
static void
build_together(const GraphBuildOptions *options, const MemoryStore *points,
			   void *memory, int nthreads)
{
	Meeting		meeting;
	Member		members[MAX_THREADS];
	bool		sound = true;

	meeting_init(&meeting);
	graph_build_init(memory, options, points->n);
	for (int i = 0; i < nthreads; i++)
	{
		Member	   *member = &members[i];

		member->team.wait = member_wait;
		member->team.report = member_report;
		member->meeting = &meeting;
		member->store = share_points(points);
		member->build = graph_build_attach(memory, &member->store->store,
										   memory_set_query);
		member->joins_at = i == 1 ? 0 : unit_random_below(points->n);
		member->last_report = 0;
		member->went_back = false;
	}
	(void) meeting_join(&meeting);
	for (int i = 1; i < nthreads; i++)
		pthread_create(&members[i].thread, NULL, help, &members[i]);
	graph_build_lead(members[0].build, &members[0].team);
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
		GraphBuild *together;

		build_together(&options, store, memory, nthreads);
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

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	test_team(1, 3, 4, false);
	test_team(500, 3, 4, false);
	test_team(12000, 8, 6, false);
	test_team(6000, 2, 8, true);
	return unit_finish();
}
