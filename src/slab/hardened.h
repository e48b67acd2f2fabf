/* hardened.h - malloc and free when any hardening of settings.h is on: what fast.h and alloc.c are without.
 *
 *   malloc   slot out of the thread's stack, any of it --> still clear? --> canary --> live
 *   free     live? --> canary whole? --> clear --> not live --> quarantine (N frees, a ring) --> stack
 *
 *   thread_cache (TLS)      all zero: an empty stack that is full, and no tag; both hits miss
 *   struct hardened (os)    cache: the stacks that the thread's heap lends; ring: the quarantine
 *
 * The bits and lists are those of slab.h.  What waits in a quarantine is neither live nor avail, as if it
 * were in a stack.  What another thread freed waits in the owner's: it goes there when the owner, or who
 * collects for it, finds its mark (hardened_detain).
 *
 * Invariants:
 *   H1 clear   with zero_on_free: every slot that is not live, and every run that is not, reads as zero
 *   H2 exact   with canary: usable size == what was asked for
 *   H3 own     what is in a thread's quarantine is of its own heap
 */
#ifndef SLAB_HARDENED_H
#define SLAB_HARDENED_H

#include "slab/settings.h"
#include "slab/thread_cache.h"

void *hardened_malloc(size_t n);
void *hardened_calloc(size_t n);
void *hardened_aligned(size_t align, size_t n);
void *hardened_realloc(void *p, size_t n); /* p != NULL, n != 0 */
void hardened_free(void *p);               /* p != NULL */
size_t hardened_usable(const void *p);
/* alignment: known to be p's; the size must be exact, if canaries tell it. */
void hardened_free_sized(void *p, size_t n);

/* mallopt(M_PERTURB, byte): from now on, what malloc and realloc give is filled with ~byte, and what is freed
 * with byte, unless zero_on_free clears it; 0: no more.  It takes the calling thread off the hit path, and
 * refuses (false) where another thread has a heap already. */
bool slab_perturb(unsigned char byte);
extern HIDDEN unsigned char perturb_byte;
/* What the calling thread's heap is to lend its stacks to; NULL: no memory. */
struct thread_cache *hardened_cache(void);
/* All of a quarantine into avail; h's lock is held, and its thread has ended, or calls. */
void hardened_flush(struct heap *h, struct thread_cache *owner);
/* The calling thread's state is given back to the system. */
void hardened_end(void);

/* In a child of fork(): its random order shall not be that of its brothers.  Canaries stay, since live objects
 * have them. */
void hardened_after_fork(void);

/* What others freed, of one word of s, goes into the owner's quarantine; what finds no room there comes back.
 * The lock of the slab's heap is held. */
uint64_t hardened_detain(const struct slab *s, char *at, uint64_t freed);

#endif
