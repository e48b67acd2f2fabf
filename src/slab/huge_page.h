/* huge_page.h - huge pages where the heap fills them: a small program stays small.
 *
 * slab maps payload with the advice against huge pages (MADV_NOHUGEPAGE), since some kernels would
 * use them everywhere. It advises a chunk of 2 MiB to be one huge page when the heap is large and
 * the chunk is being filled, and takes the advice back when much of the chunk was given back.
 *
 * The decision is made under page_lock. huge_page_advise() tells the kernel later, outside that
 * lock, since a collapse takes a third of a millisecond and more. advice_lock is held from the
 * decision until then; a thread that finds it taken decides nothing.
 */
#ifndef SLAB_HUGE_PAGE_H
#define SLAB_HUGE_PAGE_H

#include "slab/root.h"

/* Bytes of a chunk's slabs that were given back; approximate, since owners may be filling them. */
size_t huge_page_holes(uint32_t chunk);
/* `count` granules were taken from a chunk, so that it fills up; clean: none of them was used
 * before. A large heap (twice huge_from_mib) has each new chunk backed by a huge page at once. A
 * smaller one, and a chunk in which small pages lie, waits until three quarters of the chunk are
 * taken, and has it copied into a huge page (a collapse).
 *
 * For a slab the huge page is brought at once, and the time taken, unless one was cheap in the last
 * 20 ms. After one of more than 1 ms there is none for half a second; for 30 ms only if huge pages
 * were cheap in the last second and none was slow in the last two. Chunks that were filled
 * meanwhile are collapsed later, one at a time, and collapses take about a tenth of the program's
 * time at most. */
void huge_page_fill(uint32_t chunk, uint32_t count, bool clean);
/* The same for the whole chunks in a run of a large object that is expected to be filled. */
void huge_page_fill_run(uint32_t first, uint32_t count);
/* Parts of a chunk were given back, `holes` bytes of slabs among them. If a quarter of it is empty
 * now, it gets no huge page until less is empty: khugepaged would make one of the rest within
 * seconds. A chunk of a large heap that is all empty may be huge again at once. */
void huge_page_revoke(uint32_t chunk, size_t holes);
/* Would a chunk that is free as a whole be a huge page at the next touch, if all of it
 * were given back? */
bool huge_page_begins_anew(uint32_t chunk);
/* Does slab do without huge pages now, because the last one took more than 1 ms? */
bool huge_page_is_dear(void);
/* The chunk was unmapped, and all advice with it. */
void huge_page_forget(uint32_t chunk);

/* Taken after page_lock; its holder does not take page_lock. A thread that unmaps or moves pages
 * holds it, so that no advice is on its way for them, or splits their mapping. */
extern HIDDEN struct lock advice_lock;
/* page_lock was released: tell the kernel the decision, if the caller made one, and release
 * advice_lock. */
void huge_page_tell_kernel(void);
static inline void huge_page_advise(void)
{
	if (unlikely(lock_held(&advice_lock)))
		huge_page_tell_kernel();
}

#endif
