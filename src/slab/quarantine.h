/* quarantine.h - a hardened thread's freed objects wait before they are given out again.
 *
 *   free --> ring of the class: the last N freed objects (setting quarantine)
 *                  --one of the 4 oldest--> magazine of the class, on top
 *
 *   thread_cache (TLS)      all zero: an empty magazine that is full, and no tag; both fast paths
 *                           miss
 *   struct hardened (os)    cache: the magazines that the thread's heap attaches; rings: the
 *                           quarantine
 *
 * Each class has a ring of its own.  So a free takes no look at the class of what leaves, and no
 * sum of bytes: what comes in is as large as what goes out.  A ring that turns once while the
 * thread frees less than N objects becomes longer, if all rings together hold little enough.  What
 * waits in a ring that is twice as long as it needs to be, or of a class that is freed no more,
 * goes back to its slab (hardened_cache.c).  Else a few objects would keep many slabs in memory.
 *
 * An object in a quarantine is neither live nor in avail, as if it were in a magazine.  An object
 * that another thread freed waits in its owner's quarantine: it goes there when the owner finds its
 * mark (quarantine_collect).  What left a ring for it is spilled, since the owner then holds the
 * lock of its heap, and goes onto a magazine later (hardened_trim).
 *
 * Invariant H3 own: every object in a thread's quarantine is of its own heap.
 */
#ifndef SLAB_QUARANTINE_H
#define SLAB_QUARANTINE_H

#include "slab/settings.h"
#include "slab/thread_cache.h"

/* RING_SPREAD: of how many of the oldest, with random_order, one leaves. */
enum { RING_FIRST = 16, RING_SPREAD = 4, SPILLED_MOST = 1024, SPILLED_CLASS = 57 };
enum { RELEASE_MOST = 64 };
static_assert(CLASS_MAX <= 1 << (64 - SPILLED_CLASS), "a class fits above an address");

/* Objects of one class.  While count < limit, they are ordered by age. */
struct class_ring {
	void   **ring;   /* NULL: none waited yet */
	uint32_t at;     /* the oldest, if count == limit */
	uint32_t count;
	uint32_t limit;  /* of count */
	uint32_t spread; /* one of this many more than one leaves next: 0, 1 or 3 */
	uint32_t slots;  /* of ring */
	/* of the class, but for the last turn of a ring that is full; and at the last look */
	uint32_t frees, seen;
	uint32_t turned; /* struct hardened's frees when the ring last turned */
};

struct hardened {
	struct thread_cache cache; /* first: a heap's owner points to it */
	uint64_t random;
	size_t   held;             /* bytes in all rings */
	uint32_t frees;            /* as a ring's, in all rings */
	uint32_t looked, made_room; /* frees when hardened_review() last did so */
	uint32_t spilled;
	struct class_ring rings[CLASS_MAX];
	void    *first[CLASS_MAX][RING_FIRST]; /* rings that are still short */
	uintptr_t spill[SPILLED_MOST]; /* address, and from SPILLED_CLASS on the class */
};

/* The upper half of a linear congruence, which cannot be predicted without the state. */
static inline uint32_t hardened_random(struct hardened *h)
{
	h->random = h->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(h->random >> 32);
}

/* The most objects of a class that wait: so many that each waits for as many frees as the setting
 * says, also those that may leave before they are the oldest. */
static inline uint32_t quarantine_most(void)
{
	return (uint32_t)hardening.quarantine + (hardening.random_order ? RING_SPREAD - 1 : 0);
}

/* p, just freed, takes the place of an object that has waited long: returns that.  count == limit,
 * and some wait.  In a child of a fork() that cuts in, an object may be lost, but none is there
 * twice. */
static inline void *quarantine_swap(struct hardened *h, struct class_ring *w, void *p)
{
	const uint32_t at = w->at, next = at + 1;
	w->at = next == w->count ? 0 : next;
	const uint32_t any = at + ((hardened_random(h) >> 16) & w->spread);
	void **const oldest = &w->ring[at],
	    **const leaves = &w->ring[any < w->count ? any : any - w->count];
	void *const moved = *oldest, *const leaving = *leaves;

	*oldest = p;
	atomic_signal_fence(memory_order_seq_cst);
	if (leaves != oldest)
		*leaves = moved;
	return leaving;
}

void quarantine_begin(struct hardened *h);
/* All rings are empty: give back their memory. */
void quarantine_end(struct hardened *h);
/* Frees of the class until now. */
static inline uint32_t class_frees(const struct class_ring *w)
{
	return w->frees + (w->count == w->limit ? w->at : 0);
}

/* A ring that is full has turned once. */
static inline void quarantine_turned(struct hardened *h, struct class_ring *w)
{
	w->frees += w->count;
	h->frees += w->count;
}

/* p waits from now on, and none leaves: count < limit. */
void quarantine_append(struct hardened *h, void *p, unsigned cls);
/* The ring may hold `limit` objects, as far as the setting and memory allow.  at == 0. */
void quarantine_set_limit(struct hardened *h, unsigned cls, size_t limit);
/* The n oldest of a ring, at most RELEASE_MOST, wait no longer and are now in `out`, the oldest
 * first. */
void quarantine_release(struct hardened *h, unsigned cls, uint32_t n, void **out);
/* A ring of a class that is freed as often as this one was lately needs at most this length. */
uint32_t quarantine_needs(const struct class_ring *w);
/* The class whose ring holds most bytes, among those that can be shorter; 0: none can. */
unsigned quarantine_largest(const struct hardened *h);
/* An object that is spilled, or any that waits, and does so no longer; NULL: there is none. */
void *quarantine_take_spilled(struct hardened *h, unsigned *cls);
void *quarantine_take_any(struct hardened *h, unsigned *cls);
/* Put the objects of one word of s that other threads freed into the owner's quarantine; returns
 * those for which it has no room. The lock of the slab's heap is held. */
uint64_t quarantine_collect(const struct slab *s, char *at, uint64_t freed);

#endif
