/*-------------------------------------------------------------------------
 *
 * build_duplicates.c
 *	  Rows of a build whose vector an earlier row has.
 *
 * They are in one array, the size of which is known, and counted as memory of
 * the build, before the first of them comes.
 *
 * src/am/build_duplicates.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/build_duplicates.h"
#include "compat.h"
#include "graph/memory.h"
#include "miscadmin.h"

Size
duplicate_rows_size(uint64 max)
{
	return graph_array_size(max, sizeof(DuplicateRow));
}

void
duplicate_rows_init(DuplicateRows *duplicates, uint64 max)
{
	duplicates->rows = max == 0 ? NULL :
		graph_array_alloc(max, sizeof(DuplicateRow));
	duplicates->n = 0;
	duplicates->max = max;
}

void
duplicate_rows_add(DuplicateRows *duplicates, PointId point,
				   ItemPointerData tid)
{
	if (duplicates->n == duplicates->max)
		elog(ERROR, "hnsw index build has more repeated rows than it had counted");
	duplicates->rows[duplicates->n].point = point;
	duplicates->rows[duplicates->n++].tid = tid;
}

static int
compare_rows(const void *a, const void *b)
{
	const DuplicateRow *x = a;
	const DuplicateRow *y = b;

	CHECK_FOR_INTERRUPTS();
	if (x->point != y->point)
		return x->point < y->point ? -1 : 1;
	return ItemPointerCompare(unconstify(ItemPointerData *, &x->tid),
							  unconstify(ItemPointerData *, &y->tid));
}

void
duplicate_rows_renumber(DuplicateRows *duplicates, const PointId *new_ids)
{
	for (uint64 i = 0; i < duplicates->n; i++)
		duplicates->rows[i].point = new_ids[duplicates->rows[i].point];
	if (duplicates->n > 1)
		qsort(duplicates->rows, duplicates->n, sizeof(DuplicateRow),
			  compare_rows);
}
