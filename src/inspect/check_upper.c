/*-------------------------------------------------------------------------
 *
 * check_upper.c
 *	  Links of the levels above 0.
 *
 * src/inspect/check_upper.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "inspect/check.h"

/*
 * Is a link in the slot of a live point now?  The slot of a new point is
 * written before its node, so the slot has to be read after that.
 */
static bool
is_link_of_live(HnswCheck *check, uint32 number, PointId from, PointId to)
{
	uint32		per_page = HnswUpperSlotsPerPage(check->meta.m);
	uint8		info = check_current_info(check, from);
	PGAlignedBlock page;
	BlockNumber block;
	const HnswUpperSlot *slot;

	if ((info & (HNSW_NODE_PRESENT | HNSW_NODE_DEAD)) != HNSW_NODE_PRESENT ||
		!check_read_page(check, HNSW_REGION_UPPER, number / per_page, true,
						 page.data, &block))
		return false;
	slot = (const HnswUpperSlot *)
		(HnswPageGetBody(page.data) +
		 number % per_page * HnswUpperSlotSize(check->meta.m));
	for (int i = 0; i < Min(slot->nlinks, check->meta.m); i++)
	{
		if (slot->links[i] == to)
			return true;
	}
	return false;
}

static void
check_slot_links(HnswCheck *check, const HnswUpperSlot *slot, uint32 number,
				 BlockNumber block)
{
	for (int i = 0; i < slot->nlinks; i++)
	{
		PointId		to = slot->links[i];

		if (!check_link(check, block, slot->point, slot->level, to) &&
			is_link_of_live(check, number, slot->point, to) &&
			!check_link(check, block, slot->point, slot->level, to))
			check_bad_link(check, block, slot->point, slot->level, to);
		for (int j = 0; j < i; j++)
		{
			if (slot->links[j] == slot->links[i])
				check_fault(check, "has a point with the same link twice",
							"Block %u, point %u, level %u: expected different links, found %u twice.",
							block, slot->point, slot->level, slot->links[i]);
		}
	}
}

/* owner and level are what the nodes say about the slot. */
static void
check_slot(HnswCheck *check, const HnswUpperSlot *slot, uint32 number,
		   BlockNumber block, PointId owner, int level)
{
	if (slot->point != owner)
		check_fault(check, "has an upper slot of another point",
					"Block %u, slot %u, level %d: expected point %u, found point %u.",
					block, number, level, owner, slot->point);
	if (slot->level != level)
		check_fault(check, "has an upper slot of another level",
					"Block %u, slot %u, point %u: expected level %d, found level %u.",
					block, number, owner, level, slot->level);
	if (slot->nlinks > check->meta.m)
		check_fault(check, "has a point with too many links",
					"Block %u, point %u, level %d: expected at most %u links, found %u.",
					block, owner, level, check->meta.m, slot->nlinks);
	check_slot_links(check, slot, number, block);
}

static bool
any_owner(const HnswCheck *check, uint64 first, uint32 count)
{
	for (uint64 i = first; i < first + count && i < check->meta.nslots; i++)
	{
		if (PointIdIsValid(check->slot_owners[i]))
			return true;
	}
	return false;
}

void
check_upper(HnswCheck *check)
{
	const HnswMetaPageData *meta = &check->meta;
	uint32		per_page = HnswUpperSlotsPerPage(meta->m);
	Size		slot_size = HnswUpperSlotSize(meta->m);
	uint32		npages = hnsw_directory(meta, HNSW_REGION_UPPER)->npages;
	PointId		previous = InvalidPointId;
	int			level = 0;

	for (uint32 page_no = 0; page_no < npages; page_no++)
	{
		PGAlignedBlock page;
		BlockNumber block;
		uint64		first = (uint64) page_no * per_page;

		if (!check_read_page(check, HNSW_REGION_UPPER, page_no,
							 !any_owner(check, first, per_page), page.data,
							 &block))
			continue;
		for (uint64 number = first;
			 number < Min(first + per_page, (uint64) meta->nslots); number++)
		{
			PointId		owner = check->slot_owners[number];

			/* the slots of a point are consecutive, from level 1 up */
			level = owner == previous ? level + 1 : 1;
			previous = owner;
			if (PointIdIsValid(owner))
				check_slot(check, (const HnswUpperSlot *)
						   (HnswPageGetBody(page.data) +
							(number - first) * slot_size),
						   number, block, owner, level);
		}
	}
}
