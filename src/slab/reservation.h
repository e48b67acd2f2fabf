/* reservation.h - the address space of the heap: laid out once, made accessible as the heap grows.
 *
 *   | chunks | bins | heaps | stacks | slabs | tags | live | avail |g|g| payload ............... |
 *     \_________________ metadata: 64 chunks at a time _________/        \ a quarter ahead __/
 *
 * What each part is, root.h says.  All of it is inaccessible at first, and costs nothing.  Page_lock is
 * held, or nobody else is there yet.
 */
#ifndef SLAB_RESERVATION_H
#define SLAB_RESERVATION_H

#include "slab/root.h"

/* 0, or -ENOMEM and nothing changed.  Takes 512 GiB of payload, or as much as it gets. */
int reservation_open(const struct dmm_os *os);
void reservation_close(void);

/* Metadata and payload of the first `count` chunks can be used; false: the system or the reservation has
 * no more. */
bool reservation_grow(uint32_t count);
/* Bytes of a chunk's slabs that were given back; about, since owners may be filling them. */
size_t reservation_holes(uint32_t chunk);
/* Something small was taken from a chunk, so that it fills up: back it with a huge page; in a small heap only
 * when three quarters of it are taken. */
void reservation_fill(uint32_t chunk);
/* The same for the whole chunks in a run of a large object that is expected to be filled. */
void reservation_fill_run(uint32_t first, uint32_t count);
/* Parts of a chunk were given back, `holes` bytes of slabs among them: if a quarter of it is empty now, no huge
 * page until less is.  khugepaged would make one of what is left within seconds.  One of a large heap that is all
 * empty may be one again at once. */
void reservation_revoke(uint32_t chunk, size_t holes);

/* Would a chunk that is free as a whole be a huge page at the next touch, if all of it were given back? */
bool reservation_begins_anew(uint32_t chunk);

#endif
