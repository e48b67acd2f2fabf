/* region.h - a range of addresses as an operating system for one heap: struct dmm_os over it.
 *
 *   base                 brk            top                    end
 *     | heap section --> |     unused     | <-- mappings, holes |
 *
 * A growing region is address space that the kernel backs as it is needed; a fixed one is a buffer
 * of somebody else, whose pages are cleared before they are given out.
 *
 * Invariants:
 *   R1 apart      brk <= top, in whole pages
 *   R2 accounted  owned is the pages of [base, brk) and those whose bit in `used` is set
 *   R3 limited    owned <= limit
 *   R4 marked     only pages of [top, end) have a bit in `used`, and the page at top has one
 *
 * Not thread-safe: the heap's lock is held around every call.
 */
#ifndef HEAPS_REGION_H
#define HEAPS_REGION_H

#include "dmm_system.h"

enum { REGION_PAGE = 4096 };

struct region {
	struct dmm_os os; /* .ctx is this region */
	char *base, *brk, *top, *end;
	uint64_t *used; /* a bit for every page from base to end */
	bool fixed;
	size_t owned, peak, limit; /* bytes */
	size_t refused;            /* requests */
};

/* Bytes of `used` for a range of `len` bytes. */
size_t region_map_bytes(size_t len);
/* [base, end) in whole pages; `used` is all 0. */
void region_open(struct region *r, char *base, char *end, uint64_t *used, bool fixed, size_t limit);

/* Reserve inaccessible address space; NULL: the system has none of that length. */
void *region_reserve(size_t len);
/* Make whole pages of it readable and writable; false: the kernel refuses. */
bool region_commit(void *p, size_t len);

#endif
