/* orphan.h - in a child of fork(): the heaps of the parent's other threads, which the child lacks.
 *
 * fork() stopped such a thread between any two instructions. Its magazines and its live bits may
 * not match, and it may have freed into a slab without having notified the slab's owner. No new
 * thread gets an orphan. So no thread takes objects from its magazines, and in its slabs two bits
 * decide:
 *
 *   an object of an orphan is live iff neither in avail nor marked
 *
 * (Avail changes under locks that fork holds.)
 *
 * The objects in the dead thread's magazines stay live for ever; no others do. fork itself settles
 * nothing, since it must not take time for each slab of a large heap. The live bits are set later:
 *
 *   of a slab    before it moves to another heap (heap.c: move_slab)
 *   of an object when a call finds its live bit clear although the rule says live
 *   of a heap    when no heap number is left for a new thread: then it is no orphan any more
 *
 * and remote_rebuild() rebuilds its inbox at the first use.
 */
#ifndef SLAB_ORPHAN_H
#define SLAB_ORPHAN_H

#include "slab/slab.h"

/* In the child, before all other code: make orphans of all heaps but the calling thread's and the
 * fallback heap. */
void orphan_others(void);
/* Set the live bits of all objects of an orphan's slab that are not in avail; those that are marked
 * are collected next.  The heap's lock is held. */
void orphan_settle_slab(struct slab *s);
/* True: p is an object of an orphan, and its live bit is set now, if it was not.  No
 * heap's lock is held. */
bool orphan_settle_object(const void *p);
/* The next orphan, in turn; NULL: there is none among the next few heaps. No lock is held. */
struct slab_heap *orphan_next(void);
/* Make a heap without a thread of one orphan, and return it; NULL: there is none.
 * heaps_lock is held. */
struct slab_heap *orphan_adopt(void);

#endif
