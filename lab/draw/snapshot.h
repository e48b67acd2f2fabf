/* snapshot.h - a heap as walk() tells it, kept: pieces in address order, and the chunks they form.
 *
 *      pieces   | header | payload ...... | footer | header | free ... | footer | table |
 *      chunks   |<--------- live ------------------>|<------ free ------------->|
 *      regions  |<----------------------- contiguous addresses ------------------------->|  gap ...
 *
 * A picture outlives the moment: comparing the one before a call with the one after it tells what
 * the call did, for any system, also a student's own.  Not thread-safe.
 */
#ifndef LAB_DRAW_SNAPSHOT_H
#define LAB_DRAW_SNAPSHOT_H

#include "system/heap.h"

#define PICTURE_UNLISTED UINT32_MAX

struct picture_chunk {
	uintptr_t addr, mem;  /* where it begins; where its payload does */
	size_t    len;        /* bytes, with header, links and footer */
	size_t    usable;     /* bytes of payload or free memory in it */
	bool      live;
	int32_t   bin;        /* -1: none */
	uint32_t  rank;       /* its place in the list of that bin; PICTURE_UNLISTED: unknown */
	uint32_t  first, count; /* its pieces */
};

struct picture {
	struct dmm_piece *pieces;
	struct picture_chunk *chunks;
	size_t piece_count, piece_cap, chunk_count, chunk_cap;
	size_t owned_bytes, free_bytes, live_bytes, meta_bytes, pad_bytes;
};

/* Take the heap's picture; the old content of *p (zeroed at first) is replaced. */
void picture_take(struct picture *p, struct heap *h);
void picture_drop(struct picture *p);

/* The chunk that contains addr, or NULL. */
const struct picture_chunk *picture_find(const struct picture *p, uintptr_t addr);
/* Its neighbour in memory without a gap, or NULL. */
const struct picture_chunk *picture_next(const struct picture *p, const struct picture_chunk *c);
const struct picture_chunk *picture_prev(const struct picture *p, const struct picture_chunk *c);

/* Piece i begins a region: nothing owned ends where it begins. */
bool picture_begins_region(const struct picture *p, size_t i);

#endif
