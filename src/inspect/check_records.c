/*-------------------------------------------------------------------------
 *
 * check_records.c
 *	  Parameters, codes and refinement: are all numbers numbers?
 *
 * src/inspect/check_records.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "compat.h"
#include "inspect/check.h"

/* Index of the first of n floats that is infinite or NaN, n when all are good */
static int
first_invalid(const float *values, int n)
{
	int			i = 0;

	while (i < n && isfinite(values[i]))
		i++;
	return i;
}

void
check_parameters(HnswCheck *check)
{
	int			per_page = HNSW_PARAMS_PER_PAGE / sizeof(float);
	int			left = check->meta.dimensions;
	uint32		npages = hnsw_directory(&check->meta,
										HNSW_REGION_PARAMS)->npages;

	for (uint32 page_no = 0; page_no < npages; page_no++)
	{
		PGAlignedBlock page;
		BlockNumber block;
		const float *values = (const float *) HnswPageGetBody(page.data);
		int			n = Min(left, per_page);
		int			i;

		(void) check_read_page(check, HNSW_REGION_PARAMS, page_no, left <= 0,
							   page.data, &block);
		i = first_invalid(values, n);
		if (i < n)
			check_fault(check, "has an invalid parameter",
						"Block %u, centroid coordinate %u: expected a finite number, found %g.",
						block, page_no * per_page + i, values[i]);
		left -= n;
	}
}

/* The factors of one record, and the coordinates of a code of floats */
static void
check_record(HnswCheck *check, Page page, BlockNumber block, PointId point,
			 const HnswRecordLayout *layout, uint32 index)
{
	const float *factors = (const float *)
		(HnswPageGetBody(page) + index * layout->factors_size);
	int			n = layout->factors_size / sizeof(float);
	int			i = first_invalid(factors, n);

	if (((PageHeader) page)->pd_lower <
		hnsw_code_end(layout, index, 0))
		check_fault(check, "has a code behind the end of its page",
					"Block %u, point %u: expected the code to end at %d at most, found %d.",
					block, point, ((PageHeader) page)->pd_lower,
					hnsw_code_end(layout, index, 0));
	if (i < n)
		check_fault(check, "has a code with an invalid factor",
					"Block %u, point %u, factor %d: expected a finite number, found %g.",
					block, point, i, factors[i]);
}

/* One page of a float code, or the piece of it that is in this page */
static void
check_coordinates(HnswCheck *check, Page page, BlockNumber block,
				  PointId point, const HnswRecordLayout *layout, uint32 index,
				  uint32 piece)
{
	const float *values = (const float *)
		((char *) page + layout->codes_offset + index * layout->code_size);
	int			first = piece * HNSW_PIECE_SIZE / sizeof(float);
	int			n = layout->code_size / sizeof(float);
	int			i;

	if (layout->pages_per_record > 1)
		n = Min(n - first, (int) (HNSW_PIECE_SIZE / sizeof(float)));
	i = first_invalid(values, n);
	if (i < n)
		check_fault(check, "has a vector with an invalid coordinate",
					"Block %u, point %u, coordinate %d: expected a finite number, found %g.",
					block, point, first + i, values[i]);
}

static void
check_record_page(HnswCheck *check, HnswRegionId region, uint32 page_no,
				  const HnswRecordLayout *layout)
{
	PGAlignedBlock page;
	BlockNumber block;
	uint32		piece = page_no % layout->pages_per_record;
	uint64		first = (uint64) (page_no / layout->pages_per_record) *
		layout->per_page;
	bool		floats = region == HNSW_REGION_CODES &&
		check->meta.quantizer == QUANTIZER_FLOAT;

	/* ids that were given out and not used have no code */
	if (!check_read_page(check, region, page_no,
						 !check_any_present(check, first, layout->per_page),
						 page.data, &block))
		return;
	for (uint32 i = 0; i < layout->per_page; i++)
	{
		if (!check_any_present(check, first + i, 1))
			continue;
		if (piece == 0)
			check_record(check, page.data, block, first + i, layout, i);
		if (floats)
			check_coordinates(check, page.data, block, first + i, layout, i,
							  piece);
	}
}

static void
check_record_region(HnswCheck *check, HnswRegionId region,
					const HnswRecordLayout *layout)
{
	uint32		npages = hnsw_directory(&check->meta, region)->npages;

	if (layout->per_page == 0 && npages > 0)
		check_fault(check, "has a region that it does not need",
					"Block 0, region \"%s\": expected no pages, found %u.",
					hnsw_region_name(region), npages);
	for (uint32 page_no = 0; page_no < npages; page_no++)
		check_record_page(check, region, page_no, layout);
}

void
check_codes(HnswCheck *check)
{
	check_record_region(check, HNSW_REGION_CODES, &check->codes);
	check_record_region(check, HNSW_REGION_REFINE, &check->refine);
}
