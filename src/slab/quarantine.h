/* quarantine.h - a hardened thread's freed objects wait before they are given out again.
 *
 *   free --> ring: the last N freed objects (setting quarantine)
 *                  --the oldest--> magazine of the class, at a random place
 *
 *   thread_cache (TLS)      all zero: an empty magazine that is full, and no tag; both fast paths
 *                           miss
 *   struct hardened (os)    cache: the magazines that the thread's heap attaches; ring: the
 *                           quarantine
 *
 * An object in a quarantine is neither live nor in avail, as if it were in a magazine.  An object
 * that another thread freed waits in its owner's quarantine: it goes there when the owner, or the
 * thread that collects for it, finds its mark (quarantine_collect).
 *
 * Invariant H3 own: every object in a thread's quarantine is of its own heap.
 */
#ifndef SLAB_QUARANTINE_H
#define SLAB_QUARANTINE_H

#include "slab/settings.h"
#include "slab/thread_cache.h"

struct hardened {
	struct thread_cache cache; /* first: a heap's owner points to it */
	uint64_t random;
	uint32_t first, count, mask; /* of the ring: the oldest, how many, slots - 1 */
	size_t   held;             /* bytes of them */
	size_t   len;              /* of all this */
	uintptr_t ring[];          /* address, and from bit 57 on the class */
};

enum { RING_CLASS = 57 };
static_assert(CLASS_MAX <= 1 << (64 - RING_CLASS), "a class fits above an address");

/* p waits from now on.  The caller calls hardened_trim() afterwards. */
static inline void quarantine_add(struct hardened *h, void *p, unsigned cls)
{
	h->ring[(h->first + h->count) & h->mask] = (uintptr_t)p | (uintptr_t)cls << RING_CLASS;
	h->count++;
	h->held += size_class[cls].size;
}

/* The oldest object, which waits no longer.  The quarantine is not empty. */
void *quarantine_take_oldest(struct hardened *h, unsigned *cls);
/* Objects of one word of s that others freed go into the owner's quarantine; returns those for
 * which it has no room.  The lock of the slab's heap is held. */
uint64_t quarantine_collect(const struct slab *s, char *at, uint64_t freed);

#endif
