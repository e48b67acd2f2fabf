/* page_heap.h - runs of granules: where slabs of every class and thread, and large
 * objects, come from.
 *
 * Which granules are free, chunks.h keeps.
 *
 * A request takes the chunk with the shortest sufficient dirty run (reuse before growth, by whoever
 * freed it), else the shortest sufficient free run, among equals the lowest address: so the heap
 * stays dense, whole chunks fall free, and can be backed by huge pages and given back as such.
 *
 * All functions take page_lock themselves.  Addresses are granule numbers; 0 is never given out.
 */
#ifndef SLAB_PAGE_HEAP_H
#define SLAB_PAGE_HEAP_H

#include "slab/root.h"

/* 0, or -errno and nothing changed. */
int page_heap_open(const struct dmm_os *os);
void page_heap_close(void);

/* `count` granules, the first a multiple of `align` (a power of two), or 0: no memory.
 * *clean: the bytes read as zero. */
uint32_t run_take(uint32_t count, uint32_t align, bool *clean);
/* All of a large run will be touched: use huge pages. Runs smaller than a chunk are always treated
 * so. */
void run_fill(uint32_t first, uint32_t count);
/* Give granules back; clean: they were not written to since they were taken clean. */
void run_give(uint32_t first, uint32_t count, bool clean);
/* The same for a slab that has given back `missing` bytes of its pages. */
void run_give_holed(uint32_t first, uint32_t count, size_t missing);
/* Take `more` granules directly after a run that ends before `end`; false: they are not free. */
bool run_extend(uint32_t end, uint32_t more, bool *clean);

/* The system refused memory to a caller, who gets all chunks that are free. False: there were
 * none. */
bool page_heap_shed(void);

/* Granules whose bits in live, and in avail, fill a page: 32 of 4 KiB, all of a chunk of 16 KiB. */
static inline uint32_t purge_group(void)
{
	return (uint32_t)(root.os->page / (GRANULE_WORDS * sizeof(uint64_t)));
}

/* Take all dirty granules of one chunk that were not reused since epoch `before`, to purge them:
 * whole free chunks first; of other chunks also those that complete a group. Returns the chunk, or
 * UINT32_MAX: there is none. mask: the granules. */
uint32_t purge_claim(uint32_t from, uint32_t before, bool whole, uint64_t mask[2]);
/* The same for the chunk with the longest dirty run, and of several the one with the highest
 * address. *dirty: how many of the granules were. */
uint32_t purge_claim_longest(uint64_t mask[2], bool *whole, size_t *dirty);
/* The same for this chunk; false: it is not all free, or not dirty. */
bool purge_claim_whole(uint32_t chunk, uint64_t mask[2]);
/* Claim the last chunk before `end` (UINT32_MAX: of all), if it was mapped ahead of need and is
 * still unused; it has no resident memory. */
uint32_t purge_claim_unused(uint32_t end, uint64_t mask[2]);
enum purged { PURGED_NOT, PURGED, PURGED_AND_UNMAPPED };
/* Claimed granules are free again; whether their memory was given back and, of a whole chunk, its
 * addresses too. */
void purge_return(uint32_t chunk, const uint64_t mask[2], enum purged purged);
/* The prediction of how much freed memory is needed again soon, in granules; page_lock guards
 * it. */
extern HIDDEN struct predictor dirty_predictor;
/* Slabs of a chunk gave back so many bytes. The caller then calls huge_page_advise() without
 * locks. */
void purge_left_holes(uint32_t chunk, size_t bytes);

bool page_heap_check(struct dmm_fault *why);

#endif
