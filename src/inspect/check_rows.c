/*-------------------------------------------------------------------------
 *
 * check_rows.c
 *	  Is every row of the table in the index, with the code of its vector?
 *
 * A snapshot is taken first, then the heap TIDs of all points are sorted, then
 * the table is read in its order as the first scan of CREATE INDEX
 * CONCURRENTLY reads it.  A row that the snapshot sees was in the index before
 * its transaction ended, and no vacuum takes it out as long as we have the
 * snapshot; so each such row must be among those TIDs, and its point stands
 * for its vector.  Other rows and TIDs do not matter.
 *
 * src/inspect/check_rows.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "am/opclass.h"
#include "catalog/index.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "inspect/check.h"
#include "inspect/inspect.h"
#include "miscadmin.h"
#include "pages/writer.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* A heap TID of the index */
typedef struct RowEntry
{
	BlockNumber block;
	OffsetNumber offset;
	PointId		point;
} RowEntry;

typedef struct RowCheck
{
	HnswCheck  *check;
	HnswReader	reader;
	const HnswOpclass *opclass;
	HnswCode	made;			/* of a row's vector */
	HnswCode	stored;			/* of its point */
	MemoryContext row_context;	/* reset for each row */

	/* (block and offset as one number, point), in that order */
	Tuplesortstate *sorted;
	TupleTableSlot *slot;		/* of it */
	TupleTableSlot *new_slot;
	bool		any_left;
	RowEntry	next;			/* not yet in entries */

	/* what the index has of the block that is being read */
	BlockNumber block;
	RowEntry   *entries;
	int			nentries;
	int			max_entries;
} RowCheck;

/*-------------------------------------------------------------------------
 * The heap TIDs of the index
 *-------------------------------------------------------------------------
 */
static void
begin_sort(RowCheck *state)
{
	TupleDesc	desc = CreateTemplateTupleDesc(2);
	AttrNumber	key = 1;
	Oid			operator = Int8LessOperator;
	Oid			collation = InvalidOid;
	bool		nulls_first = false;

	TupleDescInitEntry(desc, 1, "tid", INT8OID, -1, 0);
	TupleDescInitEntry(desc, 2, "point", INT8OID, -1, 0);
	state->sorted = tuplesort_begin_heap(desc, 1, &key, &operator, &collation,
										 &nulls_first, maintenance_work_mem,
										 NULL, TUPLESORT_NONE);
	state->new_slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	state->slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
}

static void
put_entry(RowCheck *state, const ItemPointerData *tid, PointId point)
{
	TupleTableSlot *slot = state->new_slot;
	int64		key = (int64) ItemPointerGetBlockNumberNoCheck(tid) << 16 |
		ItemPointerGetOffsetNumberNoCheck(tid);

	ExecClearTuple(slot);
	slot->tts_values[0] = Int64GetDatum(key);
	slot->tts_values[1] = Int64GetDatum(point);
	slot->tts_isnull[0] = false;
	slot->tts_isnull[1] = false;
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(state->sorted, slot);
}

static void
get_entry(RowCheck *state)
{
	bool		isnull;
	int64		key;

	state->any_left = tuplesort_gettupleslot(state->sorted, true, false,
											 state->slot, NULL);
	if (!state->any_left)
		return;
	key = DatumGetInt64(slot_getattr(state->slot, 1, &isnull));
	state->next.block = key >> 16;
	state->next.offset = key & 0xFFFF;
	state->next.point = DatumGetInt64(slot_getattr(state->slot, 2, &isnull));
}

static void
sort_entries(RowCheck *state)
{
	HnswReader *reader = &state->reader;
	PointId		point;

	begin_sort(state);
	for (point = inspect_next_point(reader, 0); PointIdIsValid(point);
		 point = inspect_next_point(reader, (uint64) point + 1))
	{
		HnswNodeCopy copy;
		HnswNodeParts parts;
		ItemPointerData *tids;
		int			ntids;

		hnsw_reader_node(reader, point, &copy, &parts);
		if (!HnswNodeIsPresent(&copy.node) || !HnswNodeHasRows(&copy.node))
			continue;
		ntids = hnsw_reader_tids(reader, point, &copy, &parts, &tids);
		for (int i = 0; i < ntids; i++)
			put_entry(state, &tids[i], point);
		pfree(tids);
	}
	tuplesort_performsort(state->sorted);
	get_entry(state);
}

static void
add_entry(RowCheck *state)
{
	if (state->nentries == state->max_entries)
	{
		state->max_entries = Max(MaxHeapTuplesPerPage, state->max_entries * 2);
		state->entries = state->entries == NULL ?
			palloc_array(RowEntry, state->max_entries) :
			repalloc_array(state->entries, RowEntry, state->max_entries);
	}
	state->entries[state->nentries++] = state->next;
}

/* Goes on to the entries of a block of the table. */
static void
load_block(RowCheck *state, BlockNumber block)
{
	if (BlockNumberIsValid(state->block) && block < state->block)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("rows of table \"%s\" cannot be checked",
						RelationGetRelationName(state->check->heap)),
				 errdetail("Its access method does not give them in the order of their blocks.")));

	state->block = block;
	state->nentries = 0;
	for (; state->any_left && state->next.block <= block; get_entry(state))
	{
		if (state->next.block == block)
			add_entry(state);
	}
}

/*-------------------------------------------------------------------------
 * The rows of the table
 *-------------------------------------------------------------------------
 */

/* Block with the code of a point, or the first of them */
static BlockNumber
code_block(RowCheck *state, PointId point)
{
	const HnswRecordLayout *layout = &state->check->codes;

	return hnsw_reader_block(&state->reader, HNSW_REGION_CODES,
							 point / layout->per_page *
							 layout->pages_per_record);
}

/* Complains at the first of n bytes that is not as it was made. */
static void
report_code(RowCheck *state, const RowEntry *entry, const char *region,
			const uint8 *made, const uint8 *stored, int n)
{
	int			i = 0;

	while (i < n && made[i] == stored[i])
		i++;
	if (i < n)
		check_fault(state->check, "has a row at a point with another code",
					"Block %u, point %u, row (%u,%u) of table \"%s\": expected %02X as byte %d of its %s, found %02X.",
					code_block(state, entry->point), entry->point,
					entry->block, entry->offset,
					RelationGetRelationName(state->check->heap), made[i], i,
					region, stored[i]);
}

static void
report_factors(RowCheck *state, const RowEntry *entry, const float *made,
			   const float *stored, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (made[i] != stored[i])
			check_fault(state->check, "has a row at a point with other factors",
						"Block %u, point %u, row (%u,%u) of table \"%s\": expected factor %d to be %.9g, found %.9g.",
						code_block(state, entry->point), entry->point,
						entry->block, entry->offset,
						RelationGetRelationName(state->check->heap), i,
						made[i], stored[i]);
	}
}

static void
report_difference(RowCheck *state, const RowEntry *entry,
				  QuantizedDifference difference)
{
	const HnswCode *made = &state->made;
	const HnswCode *stored = &state->stored;

	if (difference == QUANTIZED_OTHER_CODE)
	{
		report_code(state, entry, "code", made->code, stored->code,
					state->check->codes.code_size);
		report_code(state, entry, "refinement", made->refine, stored->refine,
					state->check->refine.code_size);
	}
	report_factors(state, entry, made->factors, stored->factors,
				   state->check->quantizer->nfactors);
	report_factors(state, entry, made->refine_factors, stored->refine_factors,
				   state->check->quantizer->nrefine_factors);
}

static QuantizedVector
quantized(const HnswCode *code)
{
	QuantizedVector vector = {
		.code = code->code,
		.factors = code->factors,
		.refine = code->refine,
		.refine_factors = code->refine_factors
	};

	return vector;
}

/* Is the code that was made the one of the entry's point? */
static QuantizedDifference
compare_with_point(RowCheck *state, const RowEntry *entry)
{
	QuantizedVector made = quantized(&state->made);
	QuantizedVector stored = quantized(&state->stored);

	hnsw_reader_code(&state->reader, entry->point, state->stored.code,
					 state->stored.factors, state->stored.refine,
					 state->stored.refine_factors);
	return quantizer_compare(state->reader.ix->quantizer, &made, &stored);
}

/*
 * One of the index's entries for the row is right.  Others can be left from
 * rows that had the number before.
 */
static void
find_row(RowCheck *state, ItemPointer tid)
{
	const RowEntry *wrong = NULL;
	QuantizedDifference difference = QUANTIZED_SAME;

	if (ItemPointerGetBlockNumber(tid) != state->block)
		load_block(state, ItemPointerGetBlockNumber(tid));
	for (int i = 0; i < state->nentries; i++)
	{
		const RowEntry *entry = &state->entries[i];

		if (entry->offset != ItemPointerGetOffsetNumber(tid))
			continue;
		difference = compare_with_point(state, entry);
		if (difference == QUANTIZED_SAME)
			return;
		wrong = entry;
	}
	if (wrong != NULL)
		report_difference(state, wrong, difference);
	check_fault(state->check, "lacks a row of its table",
				"Row (%u,%u) of table \"%s\": expected a point that stands for it, found none.",
				ItemPointerGetBlockNumber(tid),
				ItemPointerGetOffsetNumber(tid),
				RelationGetRelationName(state->check->heap));
}

/* An IndexBuildCallback: tid is the root of the row's HOT chain. */
static void
check_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		  bool tuple_is_alive, void *arg)
{
	RowCheck   *state = arg;
	Quantizer  *quantizer = state->reader.ix->quantizer;
	HnswValue	value;
	MemoryContext old;
	bool		indexed;

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(state->row_context);
	hnsw_open_indexed(state->opclass, values[0],
					  state->check->meta.dimensions, &value);
	indexed = hnsw_value_is_indexed(state->opclass, &value);
	if (indexed)
		quantizer_encode(quantizer, &value.vector, state->made.code,
						 state->made.factors, state->made.refine,
						 state->made.refine_factors);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->row_context);
	if (indexed)
		find_row(state, tid);
}

static void
scan_table(RowCheck *state, Snapshot snapshot)
{
	HnswCheck  *check = state->check;
	IndexInfo  *index_info = BuildIndexInfo(check->index);
	TableScanDesc scan;

	/* from the first block on, not from where others are reading */
	scan = table_beginscan_strat(check->heap, snapshot, 0, NULL, true, false);
	index_info->ii_Concurrent = true;
	(void) table_index_build_scan(check->heap, check->index, index_info, true,
								  false, check_row, state, scan);
}

/*
 * In READ COMMITTED a new snapshot, which is younger than the index.  The one
 * of a transaction may see rows that the index leaves out because all that
 * could see them were gone, or so broken HOT chains let it.
 */
static Snapshot
take_snapshot(HnswCheck *check)
{
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	TransactionId xmin =
		HeapTupleHeaderGetXmin(check->index->rd_indextuple->t_data);

	if (IsolationUsesXactSnapshot() &&
		check->index->rd_index->indcheckxmin &&
		!TransactionIdPrecedes(xmin, snapshot->xmin))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("index \"%s\" cannot be checked with the snapshot of this transaction",
						check->name),
				 errdetail("The index may lack rows that this transaction can see."),
				 errhint("Check it in another transaction.")));
	return snapshot;
}

static void
check_rows_as_owner(HnswCheck *check)
{
	Snapshot	snapshot = take_snapshot(check);
	RowCheck	state = {.check = check,.block = InvalidBlockNumber};

	hnsw_reader_init(&state.reader, check->index);
	state.opclass = hnsw_opclass(check->index);
	hnsw_code_create(&state.made, state.reader.ix->quantizer);
	hnsw_code_create(&state.stored, state.reader.ix->quantizer);
	state.row_context = AllocSetContextCreate(CurrentMemoryContext,
											  "hnsw check row",
											  ALLOCSET_DEFAULT_SIZES);
	sort_entries(&state);
	scan_table(&state, snapshot);

	ExecDropSingleTupleTableSlot(state.slot);
	ExecDropSingleTupleTableSlot(state.new_slot);
	tuplesort_end(state.sorted);
	MemoryContextDelete(state.row_context);
	UnregisterSnapshot(snapshot);
}

/* Expressions and predicates of the index run as the owner of the table. */
void
check_rows(HnswCheck *check)
{
	Oid			userid;
	int			security;
	int			nest_level;

	GetUserIdAndSecContext(&userid, &security);
	SetUserIdAndSecContext(check->heap->rd_rel->relowner,
						   security | SECURITY_RESTRICTED_OPERATION);
	nest_level = NewGUCNestLevel();
	RestrictSearchPath();

	check_rows_as_owner(check);

	AtEOXact_GUC(false, nest_level);
	SetUserIdAndSecContext(userid, security);
}
