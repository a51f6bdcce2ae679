/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  What a scan will cost.
 *
 * src/am/cost.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/hnsw.h"
#include "am/options.h"
#include "compat.h"
#include "optimizer/cost.h"
#include "utils/float.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "vector_hnsw.h"

/*
 * Share of the points that a search looks at before it has its first result.
 * The number of hops grows with the logarithm of the number of points, and
 * each hop of the beam meets 2m neighbours, of which fewer and fewer are new:
 * 0.55 fits graphs of 10^4 to 10^6 points.
 */
static double
visited_share(double npoints, int m, int ef)
{
	double		levels = log(npoints) / log(m);
	double		visited = levels * m +
		2.0 * m * ef * 0.55 * levels / (1.0 + log(ef));

	return Min(visited / npoints, 1.0);
}

/*
 * A scan has a price before its first row, the search, and then gives rows
 * for as long as it is asked, so that LIMIT is what makes it cheap: the total
 * is that of walking through the whole index.
 */
void
hnsw_cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count,
				   Cost *startup_cost, Cost *total_cost,
				   Selectivity *selectivity, double *correlation,
				   double *pages)
{
	GenericCosts costs;
	HnswOptions options;
	Relation	index;
	double		share;

	/* Without ORDER BY there is nothing this index can do */
	if (path->indexorderbys == NIL)
	{
		*startup_cost = get_float8_infinity();
		*total_cost = get_float8_infinity();
		*selectivity = 0;
		*correlation = 0;
		*pages = 0;
		path_set_disabled(&path->path);
		return;
	}

	index = index_open(path->indexinfo->indexoid, NoLock);
	hnsw_get_options(index, &options);
	index_close(index, NoLock);

	MemSet(&costs, 0, sizeof(costs));
	costs.numIndexTuples = path->indexinfo->tuples;
	genericcostestimate(root, path, loop_count, &costs);

	share = visited_share(Max(costs.numIndexTuples, 2), options.m,
						  hnsw_ef_search);
	*startup_cost = costs.indexTotalCost * share;
	*total_cost = costs.indexTotalCost;
	*selectivity = costs.indexSelectivity;
	*correlation = 0;
	*pages = costs.numIndexPages;
}
