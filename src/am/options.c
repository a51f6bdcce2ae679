/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Storage parameters of an index.
 *
 * They take effect when the index is built and are kept in its metapage; a
 * change by ALTER INDEX waits for the next REINDEX.
 *
 * src/am/options.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/reloptions.h"
#include "am/options.h"
#include "compat.h"

static relopt_kind hnsw_relopt_kind;

/*
 * Without quotes, float is the name of a type to the grammar, which hands over
 * what it stands for.
 */
static relopt_enum_elt_def quantizer_values[] = {
	{"auto", HNSW_QUANTIZER_AUTO},
	{"float", QUANTIZER_FLOAT},
	{"pg_catalog.float8", QUANTIZER_FLOAT},
	{"8", QUANTIZER_8},
	{"4", QUANTIZER_4},
	{NULL, 0}
};

static relopt_enum_elt_def link_format_values[] = {
	{"packed", LINK_FORMAT_PACKED},
	{"plain", LINK_FORMAT_PLAIN},
	{NULL, 0}
};

static relopt_enum_elt_def selection_values[] = {
	{"heuristic", HNSW_SELECTION_HEURISTIC},
	{"simple", HNSW_SELECTION_SIMPLE},
	{NULL, 0}
};

static const HnswOptions default_options = {
	.m = HNSW_DEFAULT_M,
	.ef_construction = HNSW_DEFAULT_EF_CONSTRUCTION,
	.quantizer = HNSW_QUANTIZER_AUTO,
	.link_format = LINK_FORMAT_PACKED,
	.selection = HNSW_SELECTION_HEURISTIC,
	.extend_candidates = false,
	.keep_pruned = true,
	.seed = 0
};

void
hnsw_init_reloptions(void)
{
	hnsw_relopt_kind = add_reloption_kind();

	add_int_reloption(hnsw_relopt_kind, "m",
					  "Max number of connections",
					  default_options.m, GRAPH_MIN_M, GRAPH_MAX_M,
					  AccessExclusiveLock);
	add_int_reloption(hnsw_relopt_kind, "ef_construction",
					  "Size of the dynamic candidate list for construction",
					  default_options.ef_construction,
					  GRAPH_MIN_EF_CONSTRUCTION, GRAPH_MAX_EF_CONSTRUCTION,
					  AccessExclusiveLock);
	add_enum_reloption(hnsw_relopt_kind, "quantizer",
					   "How vectors are coded in the index",
					   quantizer_values, default_options.quantizer,
					   "Valid values are \"auto\", \"float\", \"8\", and \"4\".",
					   AccessExclusiveLock);
	add_enum_reloption(hnsw_relopt_kind, "link_format",
					   "How links are stored in the index",
					   link_format_values, default_options.link_format,
					   "Valid values are \"packed\" and \"plain\".",
					   AccessExclusiveLock);
	add_enum_reloption(hnsw_relopt_kind, "selection",
					   "How the neighbours of a point are chosen",
					   selection_values, default_options.selection,
					   "Valid values are \"heuristic\" and \"simple\".",
					   AccessExclusiveLock);
	add_bool_reloption(hnsw_relopt_kind, "extend_candidates",
					   "Consider neighbours of neighbours when choosing neighbours",
					   default_options.extend_candidates,
					   AccessExclusiveLock);
	add_bool_reloption(hnsw_relopt_kind, "keep_pruned",
					   "Fill up with the nearest neighbours that were not chosen",
					   default_options.keep_pruned, AccessExclusiveLock);
	add_int_reloption(hnsw_relopt_kind, "seed",
					  "Seed of the random choices of a build",
					  default_options.seed, 0, INT_MAX,
					  AccessExclusiveLock);
}

bytea *
hnsw_parse_options(Datum reloptions, bool validate)
{
	static const relopt_parse_elt elements[] = {
		{.optname = "m", .opttype = RELOPT_TYPE_INT,
		.offset = offsetof(HnswOptions, m)},
		{.optname = "ef_construction", .opttype = RELOPT_TYPE_INT,
		.offset = offsetof(HnswOptions, ef_construction)},
		{.optname = "quantizer", .opttype = RELOPT_TYPE_ENUM,
		.offset = offsetof(HnswOptions, quantizer)},
		{.optname = "link_format", .opttype = RELOPT_TYPE_ENUM,
		.offset = offsetof(HnswOptions, link_format)},
		{.optname = "selection", .opttype = RELOPT_TYPE_ENUM,
		.offset = offsetof(HnswOptions, selection)},
		{.optname = "extend_candidates", .opttype = RELOPT_TYPE_BOOL,
		.offset = offsetof(HnswOptions, extend_candidates)},
		{.optname = "keep_pruned", .opttype = RELOPT_TYPE_BOOL,
		.offset = offsetof(HnswOptions, keep_pruned)},
		{.optname = "seed", .opttype = RELOPT_TYPE_INT,
		.offset = offsetof(HnswOptions, seed)}
	};

	return (bytea *) build_reloptions(reloptions, validate, hnsw_relopt_kind,
									  sizeof(HnswOptions), elements,
									  lengthof(elements));
}

const char *
hnsw_quantizer_option_name(int quantizer)
{
	for (int i = 0; quantizer_values[i].string_val != NULL; i++)
	{
		if (quantizer_values[i].symbol_val == quantizer)
			return quantizer_values[i].string_val;
	}
	return "unknown";
}

void
hnsw_get_options(Relation index, HnswOptions *options)
{
	if (index->rd_options != NULL)
		*options = *(HnswOptions *) index->rd_options;
	else
		*options = default_options;
}
