/*-------------------------------------------------------------------------
 *
 * options.h
 *	  Storage parameters of an index.
 *
 * src/am/options.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_OPTIONS_H
#define HNSW_OPTIONS_H

#include "graph/graph.h"
#include "pages/link_codec.h"
#include "quantize/quantize.h"
#include "utils/relcache.h"

#define HNSW_DEFAULT_M					16
#define HNSW_DEFAULT_EF_CONSTRUCTION	64

/* The option quantizer: 0 lets the index choose, else a QuantizerKind */
#define HNSW_QUANTIZER_AUTO				0

/* Values of the option selection */
typedef enum HnswSelection
{
	HNSW_SELECTION_HEURISTIC,
	HNSW_SELECTION_SIMPLE
} HnswSelection;

typedef struct HnswOptions
{
	int32		vl_len_;		/* varlena header, do not touch */
	int			m;
	int			ef_construction;
	int			quantizer;		/* QuantizerKind or HNSW_QUANTIZER_AUTO */
	int			link_format;	/* LinkFormat */
	int			selection;		/* HnswSelection */
	bool		extend_candidates;
	bool		keep_pruned;
	int			seed;
} HnswOptions;

extern void hnsw_init_reloptions(void);
extern bytea *hnsw_parse_options(Datum reloptions, bool validate);

/* A value of the option quantizer as users write it */
extern const char *hnsw_quantizer_option_name(int quantizer);

/* The options of an index, defaults filled in. */
extern void hnsw_get_options(Relation index, HnswOptions *options);

#endif							/* HNSW_OPTIONS_H */
