/* purge.h - giving memory back, in bulk, also when the program is about to go to sleep.
 *
 *   dirty     resident pages without a live object: free runs, slabs that are kept, pages of slabs
 *   limit     max(1 MiB, used / 8): the settings dirty_floor_bytes and dirty_share_permille
 *   keep      memory that this program is expected to need again soon: predict.h
 *
 * Memory is given back (purger.c) by
 *
 *   the program's own calls   as long as no other thread has a heap, or no helper may be had.  A
 *                             call that finds more than limit + keep dirty gives back in bulk, at
 *                             once: so a fall ends with no more than that, and a program may sleep
 *                             from then on.
 *   the helper                while at least two threads have heaps.  It looks ten times a second
 *                             (purge_tick_ms), and gives back pages that were idle for 400 ms
 *                             (purge_age_ms), down to the limit.  It ends after a second without
 *                             work, and as soon as one heap is left.  If one heap was left less
 *                             than 100 ms ago, and no more than limit + keep is dirty, it begins
 *                             only when that has lasted for 10 ms.
 *   the clock                 on a simulated os: the helper's work, when the test moves the clock.
 *
 * It goes back in this order (purge.c): whole free chunks with their metadata, free runs, pages of
 * slabs on which no object is live.
 *
 * The process learns what it needs again, not the heap, since threads that begin get other heaps
 * than those that ended had: of dirty granules one amount, of pages of slabs one for each heap.
 *
 *   learned   what calls give back because more than limit + keep was dirty, and what a look at a
 *             heap's slabs gives back
 *   not       what the helper gives back, since it was idle for 400 ms; and free chunks with holes
 *             (purge_chunk_soon), which go back so that a huge page fills them. They would go each
 *             time, so each time the program would seem to need more than it has.
 *
 * The first fall to one thread cannot wait until it is known whether other threads begin: that
 * thread may sleep from then on, and pthread_join() must return without the helper, since unshare()
 * and setns() fail in a process that has another thread.
 *
 * No madvise() or munmap() for this runs under a heap's lock or page_lock: the purger first takes
 * the memory out of all lists. It holds purge_lock meanwhile, for one chunk or slab at a time; fork
 * and malloc_trim() wait for that lock, the program's other calls never do.
 */
#ifndef SLAB_PURGE_H
#define SLAB_PURGE_H

#include "os/os.h"
#include "slab/root.h"
#include "slab/settings.h"

/* ---- how much is too much -------------------------------------------------------------------- */

/* Granules that may stay dirty. */
static inline size_t purge_limit(void)
{
	const size_t floor = tuning.dirty_floor_bytes / GRANULE;
	const size_t share = used_granules() * tuning.dirty_share_permille / 1000;
	return share > floor ? share : floor;
}

static inline size_t purge_dirty(void)
{
	return root.dirty + atomic_load_explicit(&root.kept, memory_order_relaxed);
}

/* ---- for the calls of the program: no lock is held ------------------------------------------- */

/* So many bytes of slabs were taken, more than came back since pages of the heap went. */
void purge_pages_asked(size_t bytes);
/* How many bytes one heap is expected to need again soon, of those that fell since pages of its
 * slabs were given back. The process learns this, not each heap, since threads that begin get other
 * heaps than those that ended had. page_lock guards it. */
extern HIDDEN struct predictor pages_predictor;

/* More is dirty than the limit, or purge_wanted is set. caller: free()'s return address; NULL:
 * unknown. */
void purge_over(const void *caller);
extern HIDDEN _Atomic bool purge_wanted; /* a heap is sparse, or a chunk should go back */

static inline void purge_check(const void *caller)
{
	if (unlikely(purge_dirty() > purge_limit() ||
	             atomic_load_explicit(&purge_wanted, memory_order_relaxed)))
		purge_over(caller);
}

/* This chunk is free as a whole, and would be worth more without its memory: the next call
 * gives it back.  page_lock is held. */
void purge_chunk_soon(uint32_t chunk);
/* One of those chunks, noted no longer; 0: there is none. */
uint32_t purge_chunk_noted(void);
void purge_chunks_forget(void); /* the heap is closed */
/* Are there enough free objects in partly empty slabs of h to look at their pages?
 * h's lock is held. */
bool purge_is_sparse(struct slab_heap *h);
/* It was. */
void purge_sparse(struct slab_heap *h);

/* A thread got its heap; a thread left its heap, which stays. */
void purge_heap_taken(void);
void purge_heap_left(struct slab_heap *h);
/* The heaps of all threads are closed. */
void purge_heaps_gone(void);

/* Give back all but `keep` bytes; returns the bytes given back. */
size_t purge_now(size_t keep);

/* ---- who ------------------------------------------------------------------------------------- */

enum purger {
	PURGE_BY_PROCESS, /* calls or helper, as the process has threads */
	PURGE_BY_CALLS,
	PURGE_BY_CLOCK,   /* the purger does nothing by itself */
};
/* Returns when the helper is gone.  Forgets what waits to be given back, not what was learned. */
void purge_by(enum purger who);
/* PURGE_BY_CLOCK: do the work that the helper would have done by now. Call it after the os's clock
 * moved. */
void purge_by_clock(void);
/* When it has work next, in nanoseconds of purge_clock(); UINT64_MAX: when a call wakes it. */
uint64_t purge_next_ns(void);

void purge_after_fork(void); /* in the child */

/* ---- purge.c and learned.c for purger.c ------------------------------------------------------ */

/* The os's, in ns. */
static inline uint64_t purge_clock(void)
{
	return root.os->now_ns(root.os->ctx);
}

/* The longest time after which slab still learns, and for which it keeps memory that the program
 * does not use. */
static inline uint64_t purge_again_ns(void)
{
	return (uint64_t)tuning.purge_again_ms * 1000000;
}
/* Where the program asks within this time for memory that the last fall gave back, slab should have
 * kept it: otherwise the program would spend a twentieth of its time on page faults, or more.
 * page_lock is held. */
uint64_t purge_soon_ns(uint64_t now);
/* Granules beyond the limit that the program is expected to need again soon. */
size_t purge_keep(void);
/* The same for bytes of one heap (pages_predictor). */
size_t purge_pages_keep(void);
/* The pages of a heap's slabs were given back. Its lock is held. */
void purge_pages_gave(struct slab_heap *h);
/* The heap's level has not fallen so low for a second: it is sparse. */
size_t purge_pages_unused(struct slab_heap *h);
/* So many granules were given back because more than limit + keep were dirty. */
void purge_gave(size_t granules);
/* So many granules beyond the limit stayed dirty for a second or more: give them back. */
size_t purge_unused(size_t limit);

/* Chunks from which no run was taken, and to which none was given, since epoch `before`, until at
 * most `keep` granules are dirty. */
void purge_runs(uint32_t before, bool whole, size_t keep);
/* The longest dirty runs first, until at most `most` granules are dirty or kept, or the kernel
 * refuses (false). */
bool purge_longest(size_t most, size_t *given);
/* One chunk that is free as a whole. False: another thread purges, so the chunk stays as it is. */
bool purge_whole(uint32_t chunk);
/* Pages of all partly empty slabs of h on which no object is live.  False: the kernel refused. */
bool purge_heap(struct slab_heap *h);
/* A quarter of all chunks: pages of slabs that have not changed since the last look.  True:
 * something has changed. */
bool purge_slabs(uint32_t *cursor);
/* Close slabs of a heap without a live object: those that other threads emptied, and kept ones, all
 * or only idle ones. */
void purge_release(struct slab_heap *h, bool all);

#endif
