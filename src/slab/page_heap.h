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
/* All of a large run will be touched: huge pages.  Of what is smaller than a chunk
 * that is assumed. */
void run_fill(uint32_t first, uint32_t count);
/* Give back; clean: nobody wrote to them since they were taken clean. */
void run_give(uint32_t first, uint32_t count, bool clean);
/* Take `more` granules directly behind a run that ends before `end`; false: they are not free. */
bool run_extend(uint32_t end, uint32_t more, bool *clean);

/* The system refuses memory to somebody: it gets all chunks that are free.  False:
 * there were none. */
bool page_heap_shed(void);

/* Granules whose bits in live, and in avail, fill a page: 32 of 4 KiB, all of a chunk of 16 KiB. */
static inline uint32_t purge_group(void)
{
	return (uint32_t)(root.os->page / (GRANULE_WORDS * sizeof(uint64_t)));
}

/* Take all dirty granules of one chunk that nobody reused since epoch `before`, to purge them:
 * whole free chunks first; of others also what completes a group.  Returns the chunk, or
 * UINT32_MAX: there is none.  mask: the granules. */
uint32_t purge_claim(uint32_t from, uint32_t before, bool whole, uint64_t mask[2]);
/* The same of the chunk with the longest dirty run, and of these the one with the highest address.
 * *dirty: how many of the granules were. */
uint32_t purge_claim_longest(uint64_t mask[2], bool *whole, size_t *dirty);
/* The same of this one; false: it is not free as a whole, or not dirty. */
bool purge_claim_whole(uint32_t chunk, uint64_t mask[2]);
/* The last chunk before `end` (UINT32_MAX: of all), if it was mapped ahead of need and is still
 * unused: it is claimed, and has no memory. */
uint32_t purge_claim_unused(uint32_t end, uint64_t mask[2]);
enum purged { PURGED_NOT, PURGED, PURGED_AND_UNMAPPED };
/* They are free again; whether their memory was given back, and, of a whole chunk, also
 * its addresses. */
void purge_return(uint32_t chunk, const uint64_t mask[2], enum purged purged);
/* How much freed memory is soon asked for again, in granules; page_lock guards it. */
extern HIDDEN struct predictor dirty_predictor;
/* So much was given back of slabs in a chunk.  huge_page_advise() is the caller's to call,
 * without locks. */
void purge_left_holes(uint32_t chunk, size_t bytes);

bool page_heap_check(struct dmm_fault *why);

#endif
