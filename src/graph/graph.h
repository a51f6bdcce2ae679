/*-------------------------------------------------------------------------
 *
 * graph.h
 *	  The HNSW graph as an algorithm: search, neighbour selection, insertion,
 *	  order of points.  Malkov and Yashunin, arXiv 1603.09320.
 *
 * The graph knows points by number and reaches everything else through a
 * GraphStore: links of a point, distances of points.  It knows nothing of
 * buffers, relations, vectors or metrics, and runs in a plain C program.
 * Smaller distances are nearer; they may be negative or infinite, not NaN.
 * Memory comes from palloc in the caller's current context.
 *
 * src/graph/graph.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_GRAPH_H
#define HNSW_GRAPH_H

/* A point of the graph: dense numbers from 0.  Stored on disk. */
typedef uint32 PointId;

#define InvalidPointId		((PointId) 0xFFFFFFFF)
#define PointIdIsValid(p)	((p) != InvalidPointId)

/* Levels 0 .. GRAPH_MAX_LEVEL; a point is linked at its level and below. */
typedef uint8 GraphLevel;

#define GRAPH_MAX_LEVEL		15
#define GRAPH_MIN_M			2
#define GRAPH_MAX_M			100
#define GRAPH_MAX_LINKS		(2 * GRAPH_MAX_M)

/* Points that are read together */
#define GRAPH_MAX_GROUP		256

/* The option ef_construction */
#define GRAPH_MIN_EF_CONSTRUCTION	4
#define GRAPH_MAX_EF_CONSTRUCTION	1000

/* At level 0 a point has twice as many links. */
#define GraphMaxLinks(m, level) ((level) == 0 ? 2 * (m) : (m))

/* Links that a new point chooses for itself */
#define GraphOwnLinks(m, level) ((level) == 0 ? (m) + (m) / 4 : (m))

typedef struct GraphNeighbour
{
	float		distance;
	PointId		point;
} GraphNeighbour;

/*-------------------------------------------------------------------------
 * Storage interface
 *-------------------------------------------------------------------------
 */
typedef struct GraphStore GraphStore;
struct GraphStore
{
	/*
	 * Copies point's links at level to links (room for GRAPH_MAX_LINKS) and
	 * returns how many.  Sets *live to false when the point stands for no row
	 * (any more): it is walked through but is no result.  A point that is not
	 * there at that level has no links.
	 */
	int			(*get_links) (GraphStore *store, PointId point,
							  GraphLevel level, PointId *links, bool *live);

	/* Distances from the current query to n points, n <= GRAPH_MAX_LINKS. */
	void		(*score) (GraphStore *store, const PointId *points, int n,
						  float *distances);

	/*
	 * Distances from one point to n others, as good as the store can tell
	 * them.  Used for neighbour selection only; NULL in a store that is only
	 * searched.
	 */
	void		(*score_between) (GraphStore *store, PointId from,
								  const PointId *points, int n,
								  float *distances);

	/*
	 * Where one point's distance is read from far away, and those of others come
	 * with it, these are a group: all points whose numbers have the same quotient
	 * by group_size (at most GRAPH_MAX_GROUP), whether anything links to them or
	 * not.  0 where it is not so.
	 */
	PointId		group_size;

	/*
	 * Distances of a group's points, from the first one on (room for
	 * group_size); returns how many there are.  What is no point has any.  NULL
	 * without groups.
	 */
	int			(*score_group) (GraphStore *store, PointId first,
								float *distances);

	/* Hint: the links of point at level are wanted soon.  May be NULL. */
	void		(*prefetch_links) (GraphStore *store, PointId point,
								   GraphLevel level);

	/*
	 * Called often by what reads the lists of a graph that is built in memory;
	 * may end it by not returning.  May be NULL.
	 */
	void		(*check_interrupts) (GraphStore *store);
};

/*-------------------------------------------------------------------------
 * Storage interface for changes
 *
 * Each function is one step: what it changes is there as a whole or not at
 * all, also after a crash, and others may do anything between two of them.
 * So a change says what it was made from, and is refused when that is no
 * longer so.  Nothing is locked between the calls.
 *-------------------------------------------------------------------------
 */

/* Where searches begin; without a point the graph is empty. */
typedef struct GraphEntry
{
	PointId		point;
	GraphLevel	level;
} GraphEntry;

/*
 * New links for a point at a level.  The store keeps what it has seen behind
 * this; see GraphWriter.change_size.
 */
typedef struct GraphLinkChange
{
	PointId		point;
	GraphLevel	level;			/* of the list */
	GraphLevel	top;			/* of the point */
	bool		done;			/* out: false when the list is not as read */
	int			nlinks;
	PointId		links[GRAPH_MAX_LINKS + 1]; /* one is spare */
} GraphLinkChange;

/* A point to be written, with the links chosen for it, nearest first */
typedef struct GraphNewPoint
{
	PointId		point;
	GraphLevel	level;
	GraphNeighbour *links[GRAPH_MAX_LEVEL + 1];
	int			nlinks[GRAPH_MAX_LEVEL + 1];
} GraphNewPoint;

typedef struct GraphWriter GraphWriter;
struct GraphWriter
{
	/* Bytes from one change to the next in an array of them */
	Size		change_size;

	GraphEntry	(*get_entry) (GraphWriter *writer);

	/*
	 * Sets the entry point if it is still the one seen (InvalidPointId: if
	 * there still is none).  A point that is not linked takes the place of
	 * no other that is alive.  Returns whether it did.
	 */
	bool		(*set_entry) (GraphWriter *writer, PointId seen,
							  GraphEntry entry, bool linked);

	/*
	 * Reads the list of a point at a level into a change, to be altered and
	 * given to write_links.  False when the point is not live, or has no such
	 * level.
	 */
	bool		(*read_links) (GraphWriter *writer, PointId point,
							   GraphLevel level, GraphLinkChange *change);

	/*
	 * Makes n changes, all at level 0 or all above it, each by itself or
	 * several in one step.  They may come back in another order, and the
	 * links in each, too.
	 */
	void		(*write_links) (GraphWriter *writer, GraphLinkChange *changes,
								int n);

	/*
	 * An id for a new point, whose level and links are known, and its code and
	 * links, after which it is live.  NULL in a store that gets no points.
	 */
	PointId		(*allocate) (GraphWriter *writer,
							 const GraphNewPoint *new_point);
	void		(*write_point) (GraphWriter *writer,
								const GraphNewPoint *new_point);
};

/* One of an array of changes */
static inline GraphLinkChange *
graph_change(const GraphWriter *writer, GraphLinkChange *changes, int i)
{
	return (GraphLinkChange *) ((char *) changes + i * writer->change_size);
}

/*-------------------------------------------------------------------------
 * Search (search.c)
 *-------------------------------------------------------------------------
 */
typedef struct GraphSearch GraphSearch;

typedef struct GraphSearchStats
{
	uint64		visited;		/* points whose distance was computed */
	uint64		met;			/* the same, where a group counts as so many
								 * points as would be met of it without groups */
	uint64		expanded;		/* points whose links were read */
	uint64		continuations;	/* calls of graph_search_continue */
} GraphSearchStats;

/*
 * A search object that can be used for many searches one after the other.
 * keep_rejected: remember what falls out of the pool, so that
 * graph_search_continue works, and that a point which turns out not to be
 * live gives its place in the pool to the nearest one that got none.  That
 * costs nothing until it is needed.  Without it a search that meets more such
 * points than the pool holds may end before it finds a live one.
 */
extern GraphSearch *graph_search_create(GraphStore *store, bool keep_rejected);
extern void graph_search_free(GraphSearch *search);

/*
 * Greedy walk: from entry at level from, one level at a time down to level
 * to inclusive, always moving to the nearest neighbour.  Returns the nearest
 * point found, with its distance.
 */
extern GraphNeighbour graph_descend(GraphSearch *search, PointId entry,
									int from, int to);

/*
 * Beam search at one level from the given entries (whose distances are
 * known), with a pool of ef live points (1 <= ef).  Returns how many results
 * there are, at most ef; read them with graph_search_results.
 */
extern int	graph_search_level(GraphSearch *search,
							   const GraphNeighbour *entries, int nentries,
							   GraphLevel level, int ef);

/*
 * Like graph_search_level, at level 0 and from one entry, but ends as soon as
 * a point at exactly that distance was met: a search for a known point.
 */
extern int	graph_search_distance(GraphSearch *search, GraphNeighbour entry,
								  int ef, float distance);

/*
 * The results of the last graph_search_level or graph_search_continue: live
 * points, nearest first, valid until the next call.  In a store with groups, with
 * keep_rejected, those behind the nearest half can be points that are not live,
 * or that were never written.
 */
extern const GraphNeighbour *graph_search_results(GraphSearch *search,
												  int *count);

/*
 * Goes on where the last call ended, without restart and without computing a
 * distance twice: drops the results it has given, fills the pool with the ef
 * nearest of the points it met and did not give, expands those that were not
 * expanded.  Returns how many results there are now; 0 when every point
 * that can be reached has been given.
 *
 * expand = false gives the rest of what was met, nearest first, without
 * reading another link.  These results can be points that are not live, and
 * what only they lead to is out of reach from then on.
 */
extern int	graph_search_continue(GraphSearch *search, int ef, bool expand);

/* Counted since the search object was created. */
extern const GraphSearchStats *graph_search_stats(const GraphSearch *search);

/* Bytes of memory the search object holds. */
extern Size graph_search_memory(const GraphSearch *search);

/*-------------------------------------------------------------------------
 * Neighbour selection (select.c)
 *-------------------------------------------------------------------------
 */
typedef struct GraphSelectOptions
{
	bool		heuristic;		/* Algorithm 4 of the paper, else 3 */
	bool		extend_candidates;	/* also consider neighbours' neighbours */
	bool		keep_pruned;	/* fill up with the nearest discarded ones */
} GraphSelectOptions;

/*
 * Chooses at most max of the n candidates for a point and moves them to the
 * front of the array, nearest first; returns how many.  Candidates need not
 * be sorted, must be distinct, and must not contain the point itself.
 *
 * With extend_candidates the caller puts more into the array: the nearest of
 * the neighbours' neighbours are what graph_search_continue gives with
 * expand = false, since the links of all results have been followed.
 */
extern int	graph_select_neighbours(GraphStore *store,
									const GraphSelectOptions *options,
									GraphNeighbour *candidates, int n,
									int max);

/*-------------------------------------------------------------------------
 * Building a graph in memory (build.c, batch.c)
 *-------------------------------------------------------------------------
 */
typedef struct GraphBuild GraphBuild;

typedef struct GraphBuildOptions
{
	int			m;				/* GRAPH_MIN_M .. GRAPH_MAX_M */
	int			ef_construction;
	GraphSelectOptions select;
	uint64		seed;			/* of the levels */
} GraphBuildOptions;

/*
 * A graph of npoints points is built in one piece of memory of
 * graph_build_size bytes, which starts at a cache line and which members of a
 * team, be they threads or processes, share.  One of them initializes it;
 * each has a GraphBuild of its own.
 *
 * distances: score, score_between and check_interrupts of this store are used,
 * nothing else; each member has one.  set_query(distances, p) makes point p
 * the current query of score.
 */
extern Size graph_build_size(const GraphBuildOptions *options,
							 PointId npoints);
extern void graph_build_init(void *memory, const GraphBuildOptions *options,
							 PointId npoints);
extern GraphBuild *graph_build_attach(void *memory, GraphStore *distances,
									  void (*set_query) (GraphStore *distances,
														 PointId point));

/* The same in memory that nobody shares. */
extern GraphBuild *graph_build_create(const GraphBuildOptions *options,
									  GraphStore *distances,
									  void (*set_query) (GraphStore *distances,
														 PointId point),
									  PointId npoints);

/* Frees a member's view, and memory that nobody shares. */
extern void graph_build_free(GraphBuild *build);

/* What connects a member to the others */
typedef struct GraphTeam GraphTeam;
struct GraphTeam
{
	/*
	 * Returns when all members have called it.  What one of them wrote
	 * before, all of them see after it.
	 */
	void		(*wait) (GraphTeam *team);

	/*
	 * Called at least every few milliseconds of work; so many points are done
	 * or taken.  May end the build by not returning.
	 */
	void		(*report) (GraphTeam *team, PointId done);
};

/*
 * Inserts all points.  One member leads; others may come whenever they
 * like, and return when all is done.  nwaits: how many times the team had
 * waited when the member joined it.  The graph does not depend on how many
 * members there are.
 */
extern void graph_build_lead(GraphBuild *build, GraphTeam *team);
extern void graph_build_help(GraphBuild *build, GraphTeam *team,
							 uint32 nwaits);
extern void graph_build_alone(GraphBuild *build);

/*
 * Is all of it done, or all of the order?  The team waits twice then, before it
 * leaves.
 */
extern bool graph_build_is_done(const GraphBuild *build);

/* The team waits so many times for each batch of points */
#define GRAPH_TEAM_STAGES	3

/*
 * A list of links.  Those that the heuristic accepted together come first,
 * then the others, each group nearest first.
 */
typedef struct GraphLinks
{
	int			count;
	int			naccepted;
	GraphNeighbour links[GRAPH_MAX_LINKS];
} GraphLinks;

extern void graph_build_get(const GraphBuild *build, PointId point,
							GraphLevel level, GraphLinks *links);

/* Links that a list of level 0 may hold in a build */
extern int	graph_build_capacity(int m);

/*
 * After the last point: makes every point reachable from the entry point at
 * level 0 by links from its nearest reachable points.  Returns how many
 * points it had to attach.
 */
extern uint32 graph_build_connect(GraphBuild *build);

/* The finished graph; links are not sorted, levels as graph_random_level. */
extern PointId graph_build_entry(const GraphBuild *build);
extern GraphLevel graph_build_level(const GraphBuild *build, PointId point);
extern const PointId *graph_build_links(const GraphBuild *build, PointId point,
										GraphLevel level, int *count);
/* The graph as a store to search in, with distances as given to create. */
extern GraphStore *graph_build_store(GraphBuild *build);

/* Level of the ordinal-th point: geometric with factor 1/m, by hash. */
extern GraphLevel graph_random_level(uint64 seed, uint64 ordinal, int m);

/*-------------------------------------------------------------------------
 * Lists that are not in one graph (merge.c, connect.c)
 *-------------------------------------------------------------------------
 */

/*
 * Adds the links of another list of the same point, as graph_build_get gives
 * them, and keeps at most max of all.
 */
extern void graph_merge_links(GraphLinks *links, const GraphLinks *other,
							  int max);

/* Lists of level 0, wherever they are */
typedef struct GraphLists GraphLists;
struct GraphLists
{
	int			capacity;		/* links that a list can hold */

	/* Copies the links of a point; returns how many. */
	int			(*read) (GraphLists *lists, PointId point,
						 GraphNeighbour *links);

	/* Changes the link at a place, or adds it behind the last one. */
	void		(*put) (GraphLists *lists, PointId point, int place,
						GraphNeighbour link);

	/*
	 * Finds points that may link to a point, the nearest first: those of round
	 * 0, and as long as none of them can, of further rounds.  Returns how
	 * many, -1 when there are no more.
	 */
	int			(*find_near) (GraphLists *lists, PointId point, int round,
							  const GraphNeighbour **found);
};

/*
 * Makes every point reachable from the entry point.  Returns how many points
 * it had to attach.
 */
extern uint32 graph_connect(GraphLists *lists, PointId npoints, PointId entry);

/*-------------------------------------------------------------------------
 * Order of points (order.c, order_team.c)
 *-------------------------------------------------------------------------
 */

typedef struct GraphOrderOptions
{
	uint32		per_page;		/* points that share a page, from number 0 on */
	PointId		first;			/* number to begin with */
	const bool *left_out;		/* per point: it gets none; NULL: all get one */
} GraphOrderOptions;

/*
 * Computes new numbers for points so that neighbours are near each other:
 * new_id[old] for each old id, InvalidPointId for those left out.  They are in
 * the memory of the build.  A team leads and helps as in a build, but nothing
 * is reported; check_interrupts is called.  The numbers do not depend on how
 * many members there are.
 *
 * It is the last thing to be done with a graph: the distances of links and what
 * the heuristic made of them are lost, and graph_build_links gives links in
 * another order.
 */
extern const PointId *graph_order_lead(GraphBuild *build, GraphTeam *team,
									   const GraphOrderOptions *options);
extern void graph_order_help(GraphBuild *build, GraphTeam *team,
							 uint32 nwaits);
extern const PointId *graph_order_alone(GraphBuild *build,
										const GraphOrderOptions *options);

/*
 * Memory for anything, as distances are not needed any more: so many bytes for
 * each point.
 */
extern void *graph_order_room(const GraphBuild *build, PointId point,
							  Size *size);

/* Bytes that all members together take for the order */
extern Size graph_order_size(PointId npoints);

#endif							/* HNSW_GRAPH_H */
