/* hardened.h - malloc and free when any hardening of settings.h is on: what fast.h and
 * alloc.c are without.
 *
 *   malloc   slot out of the thread's magazine, any of it --> still clear? --> canary --> live
 *   free     live? --> canary whole? --> clear --> not live --> quarantine, a ring --> magazine
 *
 * The bits and lists are those of slab.h; the quarantine and a thread's state are in quarantine.h.
 *
 * Invariants:
 *   H1 clear   with zero_on_free: every slot that is not live, and every run that is not, reads as
 *              zero
 *   H2 exact   with canary: usable size == what was asked for
 */
#ifndef SLAB_HARDENED_H
#define SLAB_HARDENED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bits.h"

void *hardened_malloc(size_t n);
void *hardened_calloc(size_t n);
void *hardened_aligned(size_t align, size_t n);
void *hardened_realloc(void *p, size_t n); /* p != NULL, n != 0 */
/* p != NULL.  True: purge_check() is due. */
bool hardened_free(void *p);
size_t hardened_usable(const void *p);
/* alignment: p is known to have it; the size must be exact, if canaries record it. */
void hardened_free_sized(void *p, size_t n);

/* mallopt(M_PERTURB, byte): from now on malloc and realloc fill new objects with ~byte, and free
 * fills objects with byte unless zero_on_free clears them; 0 ends it. It takes the calling thread
 * off the fast path, and refuses (false) if another thread has a heap already, or if readonly_conf
 * alone is set. */
bool slab_perturb(unsigned char byte);
extern HIDDEN unsigned char perturb_byte;

#endif
