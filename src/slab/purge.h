/* purge.h - giving memory back: late, in bulk, and also when the program has gone to sleep.
 *
 *   dirty                          = resident pages without a live object
 *   promise, 1 s after the last call: dirty <= max(1 MiB, live / 8)      dirty_floor_bytes, dirty_share_permille
 *
 * Whoever makes more dirty than that wakes a helper thread, which exists only while there is something
 * to do.  Ten times a second (purge_tick_ms) it gives back what nobody touched for 400 ms (purge_age_ms):
 * whole free chunks with their metadata, then free runs, then pages of slabs in which no object is live.
 * Where the system gives no thread, whoever would have woken it does the same as often.
 */
#ifndef SLAB_PURGE_H
#define SLAB_PURGE_H

#include "slab/root.h"
#include "slab/settings.h"

/* Granules that may stay dirty. */
static inline size_t purge_limit(void)
{
	const size_t floor = tuning.dirty_floor_bytes / GRANULE;
	const size_t share = root.used * tuning.dirty_share_permille / 1000;
	return share > floor ? share : floor;
}

/* Granules in partial slabs of one heap from which it is worth looking for empty pages. */
static inline size_t purge_sparse_limit(void)
{
	return purge_limit();
}

void purge_wake(void); /* no lock is held */

static inline size_t purge_dirty(void)
{
	return root.dirty + atomic_load_explicit(&root.kept, memory_order_relaxed);
}

static inline void purge_check(void)
{
	if (unlikely(purge_dirty() > purge_limit()))
		purge_wake();
}

size_t purge_now(size_t keep); /* bytes kept; returns bytes given back */
/* Held while what is being given back is in no list: a child of fork() would never get it. */
extern struct lock purge_lock;
void purge_after_fork(void);   /* in the child */

/* Whether purge_wake may start the helper: on a simulated os nothing happens behind the caller's back.
 * purge_allow(false) returns when it is gone. */
void purge_allow(bool helper);
/* What the helper would have done by now, were it allowed: call it when the os's clock has moved. */
void purge_by_clock(void);

#endif
