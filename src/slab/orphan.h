/* orphan.h - in a child of fork(): the heaps of threads that did not come along.
 *
 * Such a thread stood between any two instructions.  Its magazines and its live bits may not
 * match, and it may have freed into a slab without having told the slab's owner.  An orphan is
 * never given to a new thread.  So nothing takes objects from its magazines, and of its slabs
 * two bits tell all:
 *
 *   an object of an orphan is live iff neither in avail nor marked
 *
 * (Avail changes under locks that fork holds.)
 *
 * At most what the magazines of the dead thread hold stays live for ever.  Nothing is settled in
 * fork itself, which must not cost time for each slab of a large heap:
 *
 *   slab     before it moves to another heap (heap.c: move_slab): all live bits that the rule
 *            demands are set
 *   object   when a call finds its live bit clear: it is set, if the rule says so
 *   inboxes  at the first use: remote_rebuild()
 *   heap     when no heap number is left for a new thread: all its slabs, and then it is no orphan
 */
#ifndef SLAB_ORPHAN_H
#define SLAB_ORPHAN_H

#include "slab/slab.h"

/* In the child, before anything else runs: make orphans of all heaps but the calling thread's
 * and the late one. */
void orphan_others(void);
/* Set the live bits of all objects of an orphan's slab that are not in avail; those that are marked
 * are collected next.  The heap's lock is held. */
void orphan_settle_slab(struct slab *s);
/* True: p is an object of an orphan, and its live bit is set now, if it was not.  No
 * heap's lock is held. */
bool orphan_settle_object(const void *p);
/* The next orphan, in turn; NULL: there is none, or none among the next few heaps.
 * No lock is held. */
struct slab_heap *orphan_next(void);
/* Make a heap without a thread of one orphan, and return it; NULL: there is none.
 * heaps_lock is held. */
struct slab_heap *orphan_adopt(void);

#endif
