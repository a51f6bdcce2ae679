/*-------------------------------------------------------------------------
 *
 * values.c
 *	  Codes of variable size, in the overflow region.
 *
 * src/pages/values.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pages/values.h"
#include "pages/writer_internal.h"

/*
 * Copies one item to the end of what was read; returns how many bytes came, 0
 * when there is nothing that could belong there.
 */
static int
read_part(HnswReader *reader, const ItemPointerData *where, uint8 *out,
		  int room, ItemPointerData *next)
{
	uint32		page_no = ItemPointerGetBlockNumberNoCheck(where);
	Buffer		buffer;
	Page		page;
	const void *item;
	int			length;
	int			part = 0;

	if (page_no >= hnsw_directory(&reader->ix->meta,
								  HNSW_REGION_OVERFLOW)->npages)
		hnsw_index_refresh(reader->ix, reader->index);
	if (page_no >= hnsw_directory(&reader->ix->meta,
								  HNSW_REGION_OVERFLOW)->npages)
		return 0;

	page = hnsw_reader_pin(reader, HNSW_REGION_OVERFLOW, page_no, &buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	item = overflow_page_get(page, ItemPointerGetOffsetNumberNoCheck(where),
							 &length);
	if (item != NULL)
	{
		part = hnsw_value_part(item, length, next);
		if (part <= room)
			memcpy(out, item, part);
		else
			part = 0;
	}
	UnlockReleaseBuffer(buffer);
	return part;
}

const uint8 *
hnsw_value_read(HnswReader *reader, const ItemPointerData *where)
{
	HnswIndex  *ix = reader->ix;
	ItemPointerData next = *where;
	int			length = 0;

	do
	{
		int			part = read_part(reader, &next, ix->value + length,
									 ix->quantizer->max_code_size - length,
									 &next);

		if (part == 0)
			return NULL;
		length += part;
	} while (ItemPointerIsValid(&next));

	return quantizer_code_is_whole(ix->quantizer, ix->value, length) ?
		ix->value : NULL;
}

/* The last part first: each one names the next. */
ItemPointerData
hnsw_value_add(HnswReader *reader, const uint8 *code)
{
	int			size = quantizer_code_size(reader->ix->quantizer, code);
	int			offset = (size - 1) / HNSW_CODE_PART * HNSW_CODE_PART;
	ItemPointerData where = hnsw_overflow_add(reader, code + offset,
											  size - offset);

	while (offset > 0)
	{
		PGAlignedBlock item;

		offset -= HNSW_CODE_PART;
		memcpy(item.data, code + offset, HNSW_CODE_PART);
		memcpy(item.data + HNSW_CODE_PART, &where, sizeof(where));
		where = hnsw_overflow_add(reader, item.data, HNSW_CODE_ITEM);
	}
	return where;
}

void
hnsw_value_drop(HnswReader *reader, const ItemPointerData *where)
{
	HnswIndex  *ix = reader->ix;
	ItemPointerData next = *where;
	int			length = 0;

	while (ItemPointerIsValid(&next))
	{
		ItemPointerData here = next;
		int			part = read_part(reader, &here, ix->value + length,
									 ix->quantizer->max_code_size - length,
									 &next);

		/* damaged: better lost space than what is somebody else's */
		if (part == 0)
			break;
		hnsw_overflow_drop(reader, &here);
		length += part;
	}
}
