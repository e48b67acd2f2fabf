/* hardened.h - malloc and free when any of hardening.h is on: what fast.h and alloc.c are without.
 *
 *   malloc   slot out of the thread's stack, any of it --> still clear? --> canary --> live
 *   free     live? --> canary whole? --> clear --> not live --> quarantine (N frees, a ring) --> stack
 *
 *   thread_cache (TLS)      all zero: an empty stack that is full, and no tag; both hits miss
 *   struct hardened (os)    cache: the stacks that the thread's heap lends; ring: the quarantine
 *
 * The bits and lists are those of slab.h, with one difference: a live bit is taken down by whoever frees,
 * by an atomic instruction, so that two threads that free one object at once find out, and an object can
 * wait in any thread's quarantine.  There it is neither live nor avail, as if in a stack.
 *
 * Invariants:
 *   H1 clear   with zero_on_free: every slot that is not live, and every run that is not, reads as zero
 *   H2 exact   with canary: usable size == what was asked for
 */
#ifndef SLAB_HARDENED_H
#define SLAB_HARDENED_H

#include "slab/hardening.h"
#include "slab/thread_cache.h"

void *hardened_malloc(size_t n);
void *hardened_calloc(size_t n);
void *hardened_aligned(size_t align, size_t n);
void *hardened_realloc(void *p, size_t n); /* p != NULL, n != 0 */
void hardened_free(void *p);               /* p != NULL */
size_t hardened_usable(const void *p);
/* alignment: known to be p's; the size must be exact, if canaries tell it. */
void hardened_free_sized(void *p, size_t n);

/* What the calling thread's heap is to lend its stacks to; NULL: no memory. */
struct thread_cache *hardened_cache(void);
/* A thread ends, or did not come along through a fork: empty its quarantine, before its heap is left. */
void hardened_flush(struct thread_cache *owner);
/* The calling thread's is given back to the system. */
void hardened_end(void);

#endif
