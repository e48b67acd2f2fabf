/* hardened_cache.h - the calling thread's state when any hardening is on: its magazines in random
 * order, its quarantine.
 *
 * A hardened thread's thread_cache (TLS) stays empty and full, so that every call misses the fast
 * path; the thread's heap is attached to the cache in struct hardened.
 */
#ifndef SLAB_HARDENED_CACHE_H
#define SLAB_HARDENED_CACHE_H

#include "slab/quarantine.h"

extern __thread struct hardened *hardened_mine; /* NULL: no state yet, or ended */

/* The cache that will be attached to the calling thread's heap; NULL: no memory. */
struct thread_cache *hardened_cache(void);
/* Give the calling thread's state back to the system. */
void hardened_end(void);
/* In a child of fork(): draw another random order than the parent's other children. */
void hardened_after_fork(void);

/* Push an object that is no longer live on its magazine: with random_order at a random place near
 * its top. */
void hardened_push(struct hardened *h, void *p, unsigned cls);
/* Put a magazine that was just filled into random order. */
void hardened_shuffle(struct hardened *h, unsigned cls);
/* Move objects that left the quarantine because other threads freed some to their magazine. */
void hardened_trim(struct hardened *h);
/* The ring of the class has turned once, or is full for the first time: shall it be longer, or
 * another one shorter? */
void hardened_review(struct hardened *h, unsigned cls);

/* p, just freed, waits; what has waited long goes onto its magazine.  True: slabs may have got
 * objects back, so purge_check() is due. */
static inline bool hardened_wait(struct hardened *h, void *p, unsigned cls)
{
	struct class_ring *const w = &h->rings[cls];
	struct magazine *const k = &h->cache.magazine[cls];

	if (unlikely(w->count != w->limit)) {
		quarantine_append(h, p, cls);
		if (w->count == w->limit)
			hardened_review(h, cls);
		return true;
	}
	void *const leaving = quarantine_swap(h, w, p);
	/* The next malloc of its class reads it, and it has left the caches meanwhile. */
	__builtin_prefetch(leaving, 1);
	const bool full = k->top == k->limit;
	if (likely(!full)) {
		*k->top = leaving;
		/* a child of a fork that cuts in finds no gap */
		atomic_signal_fence(memory_order_seq_cst);
		k->top++;
	} else {
		cache_push(&h->cache, leaving, cls);
	}
	if (likely(w->at != 0))
		return full;
	quarantine_turned(h, w);
	hardened_review(h, cls);
	return true;
}

#endif
