/*-------------------------------------------------------------------------
 *
 * index.c
 *	  What a backend keeps of an index, and the metapage.
 *
 * Open indexes are kept in a hash table by relation.  An entry may be in use
 * by scans that an error ends without a word to us, so nothing is freed in
 * the middle of a transaction: an entry whose relation got another file is
 * replaced and retired, and what is retired, or was invalidated and not opened
 * again, is freed when the transaction ends.
 *
 * src/pages/index.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "pages/index.h"
#include "pages/opclass.h"
#include "pages/unpinned.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

typedef struct HnswIndexEntry
{
	Oid			relid;			/* hash key */
	HnswIndex  *ix;
} HnswIndexEntry;

static HTAB *open_indexes = NULL;

/* Replaced in this transaction, to be freed at its end */
static List *retired_indexes = NIL;

/* Some entry was invalidated since the last end of a transaction */
static bool any_stale = false;

static void
retire_index(HnswIndex *ix)
{
	MemoryContext old = MemoryContextSwitchTo(CacheMemoryContext);

	retired_indexes = lappend(retired_indexes, ix);
	MemoryContextSwitchTo(old);
}

static void
free_unused_indexes(XactEvent event, void *arg)
{
	HASH_SEQ_STATUS status;
	HnswIndexEntry *entry;
	ListCell   *cell;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;

	foreach(cell, retired_indexes)
		MemoryContextDelete(((HnswIndex *) lfirst(cell))->context);
	list_free(retired_indexes);
	retired_indexes = NIL;

	if (!any_stale)
		return;
	hash_seq_init(&status, open_indexes);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (!entry->ix->stale)
			continue;
		MemoryContextDelete(entry->ix->context);
		hash_search(open_indexes, &entry->relid, HASH_REMOVE, NULL);
	}
	any_stale = false;
}

static void
mark_stale(Datum arg, Oid relid)
{
	HnswIndexEntry *entry;

	any_stale = true;
	if (OidIsValid(relid))
	{
		entry = hash_search(open_indexes, &relid, HASH_FIND, NULL);
		if (entry != NULL)
			entry->ix->stale = true;
	}
	else
	{
		HASH_SEQ_STATUS status;

		hash_seq_init(&status, open_indexes);
		while ((entry = hash_seq_search(&status)) != NULL)
			entry->ix->stale = true;
	}
}

static void
init_open_indexes(void)
{
	HASHCTL		ctl;

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(HnswIndexEntry);
	open_indexes = hash_create("open hnsw indexes", 16, &ctl,
							   HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(mark_stale, (Datum) 0);
	RegisterXactCallback(free_unused_indexes, NULL);
	unpinned_init();
}

const char *
hnsw_region_name(HnswRegionId region)
{
	static const char *const names[] = {
		"meta", "parameters", "codes", "refinement", "nodes", "upper levels",
		"overflow"
	};

	return names[region];
}

void
hnsw_page_init(Page page, HnswRegionId region, uint32 page_no)
{
	HnswPageTag *tag;

	PageInit(page, BLCKSZ, 0);
	tag = HnswPageGetTag(page);
	tag->magic = HNSW_PAGE_MAGIC;
	tag->region = region;
	tag->reserved = 0;
	tag->page_no = page_no;

	/*
	 * Most pages have no hole: generic WAL must not zero anything of them.
	 * Node and overflow pages move the bounds.
	 */
	((PageHeader) page)->pd_lower = BLCKSZ;
	((PageHeader) page)->pd_upper = BLCKSZ;
}

void
hnsw_page_verify(Page page, HnswRegionId region, uint32 page_no,
				 BlockNumber block, const char *index_name)
{
	const HnswPageTag *tag = HnswPageGetTag(page);

	if (PageIsNew(page))
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" contains unexpected zero page at block %u",
						index_name, block),
				 errhint("Please REINDEX it.")));

	if (!hnsw_page_is(page, region, page_no))
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" contains corrupted page at block %u",
						index_name, block),
				 errdetail("Expected page %u of region \"%s\", found tag %04X, region %u, page %u.",
						   page_no, hnsw_region_name(region), tag->magic,
						   tag->region, tag->page_no),
				 errhint("Please REINDEX it.")));
}

/*
 * A record's factors and code share a page when they fit; else the code is
 * cut into pieces of HNSW_PIECE_SIZE bytes, a page each.
 */
void
hnsw_record_layout(HnswRecordLayout *layout, int code_size, int nfactors)
{
	int			stride;

	layout->code_size = code_size;
	layout->factors_size = nfactors * sizeof(float);
	stride = code_size + layout->factors_size;

	if (stride == 0)
	{
		layout->per_page = 0;
		layout->pages_per_record = 0;
		layout->codes_offset = BLCKSZ;
	}
	else if (stride <= HNSW_BODY_SIZE)
	{
		layout->per_page = HNSW_BODY_SIZE / stride;
		layout->pages_per_record = 1;
		layout->codes_offset = BLCKSZ - layout->per_page * code_size;
	}
	else
	{
		layout->per_page = 1;
		layout->pages_per_record =
			(code_size + HNSW_PIECE_SIZE - 1) / HNSW_PIECE_SIZE;
		layout->codes_offset = HNSW_PIECE_OFFSET;
	}
}

void
hnsw_code_layouts(const Quantizer *quantizer, HnswRecordLayout *codes,
				  HnswRecordLayout *refine)
{
	hnsw_record_layout(codes, quantizer->variable_size ?
					   (int) sizeof(ItemPointerData) : quantizer->code_size,
					   quantizer->nfactors);
	hnsw_record_layout(refine, quantizer->refine_size,
					   quantizer->nrefine_factors);
}

/*
 * Where pages have few codes or very many, other things count as well: how many
 * nodes share a page, and how many bits links take.
 */
#define MIN_TOGETHER	16
#define MAX_TOGETHER	128

uint32
hnsw_points_together(const Quantizer *quantizer)
{
	HnswRecordLayout codes;
	HnswRecordLayout refine;
	uint32		n;

	hnsw_code_layouts(quantizer, &codes, &refine);
	n = codes.per_page;
	if (quantizer->variable_size || n > MAX_TOGETHER)
		return MAX_TOGETHER / 2;
	return n < MIN_TOGETHER ? (MIN_TOGETHER + n - 1) / n * n : n;
}

uint32
hnsw_record_pages(const HnswRecordLayout *layout, uint32 nrecords)
{
	if (layout->per_page == 0)
		return 0;
	return (uint32) (((uint64) nrecords + layout->per_page - 1) /
					 layout->per_page) * layout->pages_per_record;
}

Quantizer *
hnsw_meta_quantizer(const HnswMetaPageData *meta, const float *centroid)
{
	Quantizer  *quantizer = quantizer_create(meta->quantizer, meta->metric,
											 meta->dimensions, meta->seed,
											 centroid);

	quantizer->lift_sq = meta->lift_sq;
	return quantizer;
}

static void
meta_corrupted(const char *index_name, const char *what, uint64 found)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("metapage of index \"%s\" is corrupted", index_name),
			 errdetail("Invalid %s: %llu.", what,
					   (unsigned long long) found),
			 errhint("Please REINDEX it.")));
}

static void
validate_directory(const HnswRegionDirectory *directory, HnswRegionId region,
				   const char *index_name)
{
	uint64		npages = 0;

	if (directory->nextents > HNSW_MAX_EXTENTS)
		meta_corrupted(index_name, "number of extents", directory->nextents);
	for (uint32 i = 0; i < directory->nextents; i++)
	{
		const HnswExtent *extent = &directory->extents[i];

		if (extent->start == HNSW_META_BLOCK ||
			extent->npages > MaxBlockNumber ||
			extent->start > MaxBlockNumber - extent->npages)
			meta_corrupted(index_name, "start of an extent", extent->start);
		npages += extent->npages;
	}
	if (npages != directory->npages)
		meta_corrupted(index_name, "number of pages of a region",
					   directory->npages);
}

/* The region has room for the records that the metapage says it holds. */
static void
validate_capacity(const HnswMetaPageData *meta, HnswRegionId region,
				  uint64 pages_needed, const char *index_name)
{
	if (hnsw_directory(meta, region)->npages < pages_needed)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("metapage of index \"%s\" is corrupted", index_name),
				 errdetail("Region \"%s\" has %u pages, %llu are needed.",
						   hnsw_region_name(region),
						   hnsw_directory(meta, region)->npages,
						   (unsigned long long) pages_needed),
				 errhint("Please REINDEX it.")));
}

static void
unknown_features(const char *index_name, uint32 features)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("index \"%s\" uses features (0x%X) that this version of vector_hnsw does not know",
					index_name, features),
			 errhint("Please REINDEX it.")));
}

static void
validate_version(const HnswMetaPageData *meta, const char *index_name)
{
	if (meta->magic != HNSW_MAGIC)
		meta_corrupted(index_name, "magic number", meta->magic);
	if (meta->version != HNSW_FORMAT_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" has format version %u, this version of vector_hnsw reads version %d",
						index_name, meta->version, HNSW_FORMAT_VERSION),
				 errhint("Please REINDEX it.")));
	if ((meta->may_read & ~HNSW_MAY_READ_KNOWN) != 0)
		unknown_features(index_name, meta->may_read & ~HNSW_MAY_READ_KNOWN);
}

void
hnsw_index_check_writable(const HnswIndex *ix, Relation index)
{
	if ((ix->meta.may_write & ~HNSW_MAY_WRITE_KNOWN) != 0)
		unknown_features(RelationGetRelationName(index),
						 ix->meta.may_write & ~HNSW_MAY_WRITE_KNOWN);
}

void
hnsw_meta_validate(const HnswMetaPageData *meta, const char *index_name)
{
	validate_version(meta, index_name);

	if (meta->metric < HNSW_METRIC_L2 || meta->metric > HNSW_METRIC_JACCARD)
		meta_corrupted(index_name, "metric", meta->metric);
	if (!quantizer_supports(meta->quantizer, meta->metric, 1))
		meta_corrupted(index_name, "quantizer", meta->quantizer);
	if (!quantizer_supports(meta->quantizer, meta->metric, meta->dimensions))
		meta_corrupted(index_name, "number of dimensions", meta->dimensions);
	if (meta->link_format != LINK_FORMAT_PLAIN &&
		meta->link_format != LINK_FORMAT_PACKED)
		meta_corrupted(index_name, "link format", meta->link_format);
	if (meta->m < GRAPH_MIN_M || meta->m > GRAPH_MAX_M)
		meta_corrupted(index_name, "m", meta->m);
	if (meta->ef_construction < GRAPH_MIN_EF_CONSTRUCTION ||
		meta->ef_construction > GRAPH_MAX_EF_CONSTRUCTION)
		meta_corrupted(index_name, "ef_construction", meta->ef_construction);
	if (meta->nodes_per_page < 1 ||
		meta->nodes_per_page > HNSW_MAX_NODES_PER_PAGE)
		meta_corrupted(index_name, "number of nodes per page",
					   meta->nodes_per_page);
	if (!isfinite(meta->lift_sq) || meta->lift_sq < 0)
		meta_corrupted(index_name, "lift", 0);
	if (meta->npoints > HNSW_MAX_POINTS)
		meta_corrupted(index_name, "number of points", meta->npoints);
	if (PointIdIsValid(meta->entry_point) &&
		meta->entry_point >= meta->npoints)
		meta_corrupted(index_name, "entry point", meta->entry_point);
	if (meta->entry_level > GRAPH_MAX_LEVEL)
		meta_corrupted(index_name, "level of the entry point",
					   meta->entry_level);
	for (int i = 0; i <= GRAPH_MAX_LEVEL; i++)
	{
		if (PointIdIsValid(meta->free_points[i]) &&
			meta->free_points[i] >= meta->npoints)
			meta_corrupted(index_name, "free point", meta->free_points[i]);
	}
	for (int i = 1; i <= HNSW_NUM_REGIONS; i++)
		validate_directory(hnsw_directory(meta, i), i, index_name);
	validate_capacity(meta, HNSW_REGION_NODES,
					  ((uint64) meta->npoints + meta->nodes_per_page - 1) /
					  meta->nodes_per_page, index_name);
	validate_capacity(meta, HNSW_REGION_UPPER,
					  ((uint64) meta->nslots +
					   HnswUpperSlotsPerPage(meta->m) - 1) /
					  HnswUpperSlotsPerPage(meta->m), index_name);
}

/*
 * Values come from the operator class in its form; codes of another one would
 * look for parts of a vector that such values do not have.
 */
static void
validate_opclass(const HnswMetaPageData *meta, Relation index)
{
	const HnswOpclass *opclass = hnsw_opclass(index);

	if (meta->metric != opclass->metric)
		meta_corrupted(RelationGetRelationName(index), "metric", meta->metric);
	if (quantizer_form(meta->quantizer) != opclass->form)
		meta_corrupted(RelationGetRelationName(index), "quantizer",
					   meta->quantizer);
}

/*
 * What is set at build stays as it is as long as the index has its file.  All
 * who have the index open rely on it: the quantizer, and arrays with room for
 * so many dimensions, links, or candidates, were made for it.
 */
static void
validate_same_build(const HnswMetaPageData *known,
					const HnswMetaPageData *meta, const char *index_name)
{
	if (memcmp(&known->dimensions, &meta->dimensions,
			   offsetof(HnswMetaPageData, lift_sq) -
			   offsetof(HnswMetaPageData, dimensions)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("metapage of index \"%s\" is corrupted", index_name),
				 errdetail("What was set when the index was built has changed."),
				 errhint("Please REINDEX it.")));
}

/*
 * Copies and validates the metapage of an index.  *lsn is one that the page has
 * as long as nothing changes it.
 */
static Buffer
read_meta(Relation index, HnswMetaPageData *meta, XLogRecPtr *lsn)
{
	Buffer		buffer = ReadBuffer(index, HNSW_META_BLOCK);
	Page		page = BufferGetPage(buffer);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	hnsw_page_verify(page, HNSW_REGION_META, 0, HNSW_META_BLOCK,
					 RelationGetRelationName(index));
	memcpy(meta, HnswPageGetMeta(page), sizeof(HnswMetaPageData));
	*lsn = RelationNeedsWAL(index) ? PageGetLSN(page) : InvalidXLogRecPtr;
	UnlockReleaseBuffer(buffer);

	hnsw_meta_validate(meta, RelationGetRelationName(index));
	return buffer;
}

/* Reads the centroid from the parameter region, NULL when there is none. */
static float *
read_centroid(Relation index, const HnswMetaPageData *meta)
{
	const HnswRegionDirectory *params = hnsw_directory(meta, HNSW_REGION_PARAMS);
	Size		size = meta->dimensions * sizeof(float);
	char	   *bytes;

	if (params->npages == 0)
		return NULL;
	validate_capacity(meta, HNSW_REGION_PARAMS,
					  (size + HNSW_PARAMS_PER_PAGE - 1) / HNSW_PARAMS_PER_PAGE,
					  RelationGetRelationName(index));

	bytes = palloc(size);
	for (uint32 i = 0; i * HNSW_PARAMS_PER_PAGE < size; i++)
	{
		BlockNumber block = hnsw_region_block(params, i);
		Buffer		buffer = ReadBuffer(index, block);
		Page		page = BufferGetPage(buffer);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		hnsw_page_verify(page, HNSW_REGION_PARAMS, i, block,
						 RelationGetRelationName(index));
		memcpy(bytes + i * HNSW_PARAMS_PER_PAGE, HnswPageGetBody(page),
			   Min(HNSW_PARAMS_PER_PAGE, size - i * HNSW_PARAMS_PER_PAGE));
		UnlockReleaseBuffer(buffer);
	}
	for (uint32 i = 0; i < meta->dimensions; i++)
	{
		if (!isfinite(((float *) bytes)[i]))
			meta_corrupted(RelationGetRelationName(index), "centroid", i);
	}
	return (float *) bytes;
}

static void
set_layouts(HnswIndex *ix, const char *index_name)
{
	hnsw_code_layouts(ix->quantizer, &ix->codes, &ix->refine);
	ix->upper_per_page = HnswUpperSlotsPerPage(ix->meta.m);
	validate_capacity(&ix->meta, HNSW_REGION_CODES,
					  hnsw_record_pages(&ix->codes, ix->meta.npoints),
					  index_name);
	validate_capacity(&ix->meta, HNSW_REGION_REFINE,
					  hnsw_record_pages(&ix->refine, ix->meta.npoints),
					  index_name);
}

/*
 * Makes room in the block map for every block that the directories name,
 * after a look whether that can be.  Asking for the size of the file is a
 * system call, so that is done only when the map has to grow.
 */
static void
size_block_map(HnswIndex *ix, Relation index, const HnswMetaPageData *meta)
{
	BlockNumber nblocks = 1;

	for (int i = 0; i < HNSW_NUM_REGIONS; i++)
	{
		const HnswRegionDirectory *directory = &meta->regions[i];

		for (uint32 j = 0; j < directory->nextents; j++)
			nblocks = Max(nblocks, directory->extents[j].start +
						  directory->extents[j].npages);
	}
	if (nblocks <= ix->nrecent)
		return;
	if (nblocks > HNSW_MAX_BLOCKS_AHEAD(RelationGetNumberOfBlocks(index)))
		meta_corrupted(RelationGetRelationName(index),
					   "last block of an extent", nblocks - 1);

	if (ix->recent == NULL)
		ix->recent = MemoryContextAllocExtended(ix->context,
												nblocks * sizeof(Buffer),
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	else
	{
		ix->recent = repalloc_huge(ix->recent, nblocks * sizeof(Buffer));
		memset(ix->recent + ix->nrecent, 0,
			   (nblocks - ix->nrecent) * sizeof(Buffer));
	}
	ix->nrecent = nblocks;
}

static HnswIndex *
make_index(Relation index)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "hnsw index",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	HnswIndex  *ix = palloc0(sizeof(HnswIndex));
	float	   *centroid;
	Buffer		buffer;

	ix->relid = RelationGetRelid(index);
	ix->locator = index->rd_locator;
	ix->context = context;
	buffer = read_meta(index, &ix->meta, &ix->meta_lsn);
	validate_opclass(&ix->meta, index);
	ix->overflow_hint = Max(hnsw_directory(&ix->meta,
										   HNSW_REGION_OVERFLOW)->npages, 1) - 1;
	size_block_map(ix, index, &ix->meta);
	ix->recent[HNSW_META_BLOCK] = buffer;
	centroid = read_centroid(index, &ix->meta);
	ix->quantizer = hnsw_meta_quantizer(&ix->meta, centroid);
	if (centroid != NULL)
		pfree(centroid);
	if (ix->quantizer->variable_size)
		ix->value = palloc(ix->quantizer->max_code_size);
	set_layouts(ix, RelationGetRelationName(index));
	MemoryContextSwitchTo(old);

	/* From here on it lives as long as we want */
	MemoryContextSetParent(context, CacheMemoryContext);
	MemoryContextCopyAndSetIdentifier(context, RelationGetRelationName(index));
	return ix;
}

/*
 * Is the metapage what it was?  What is changed without WAL keeps its LSN, but
 * then there is none that we know.
 */
static bool
meta_is_same(const HnswIndex *ix, Relation index)
{
	UnpinnedLook look;

	if (XLogRecPtrIsInvalid(ix->meta_lsn) || !RelationNeedsWAL(index) ||
		!unpinned_begin_changing(&look, &ix->locator, HNSW_META_BLOCK,
								 ix->recent[HNSW_META_BLOCK], 1) ||
		look.lsn != ix->meta_lsn ||
		!unpinned_end_changing(&look))
		return false;
	unpinned_count(index);
	return true;
}

void
hnsw_index_refresh(HnswIndex *ix, Relation index)
{
	HnswMetaPageData meta;
	XLogRecPtr	lsn;
	Buffer		buffer;

	if (meta_is_same(ix, index))
		return;

	/* a cursor may go on with what it has after an error in here is caught */
	buffer = read_meta(index, &meta, &lsn);
	validate_same_build(&ix->meta, &meta, RelationGetRelationName(index));
	size_block_map(ix, index, &meta);
	ix->recent[HNSW_META_BLOCK] = buffer;
	ix->meta_lsn = InvalidXLogRecPtr;
	ix->meta = meta;
	ix->quantizer->lift_sq = meta.lift_sq;
	set_layouts(ix, RelationGetRelationName(index));
	ix->meta_lsn = lsn;
}

HnswIndex *
hnsw_index_open(Relation index)
{
	Oid			relid = RelationGetRelid(index);
	HnswIndexEntry *entry;
	bool		found;
	HnswIndex  *ix;

	if (open_indexes == NULL)
		init_open_indexes();

	entry = hash_search(open_indexes, &relid, HASH_FIND, NULL);
	if (entry != NULL && !entry->ix->stale &&
		RelFileLocatorEquals(entry->ix->locator, index->rd_locator))
	{
		hnsw_index_refresh(entry->ix, index);
		return entry->ix;
	}

	ix = make_index(index);
	entry = hash_search(open_indexes, &relid, HASH_ENTER, &found);
	if (found)
		retire_index(entry->ix);
	entry->ix = ix;
	return ix;
}
