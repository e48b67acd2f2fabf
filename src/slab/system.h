/* system.h - slab as a struct dmm_system, for the lab and the tests: at most one
 * heap in a process. */
#ifndef SLAB_SYSTEM_H
#define SLAB_SYSTEM_H

#include "dmm_system.h"

extern const struct dmm_system system_slab;

/* Walk and check the one heap, also that of the process's malloc. */
int slab_walk(dmm_visit *visit, void *arg);
bool slab_check_all(struct dmm_fault *why);

/* On a simulated os, while a heap is open: purge as the helper would have done by now. */
void slab_clock_moved(void);
/* When the helper would look for pages to purge next, in nanoseconds of the simulated clock;
 * UINT64_MAX: it sleeps until a call wakes it.  After slab_clock_moved(). */
uint64_t slab_next_look_ns(void);
/* On a simulated os, after open: the program's own calls give memory back, without a helper, as in
 * a process in which a single thread has a heap. It lasts until the heap is closed. */
void slab_purge_by_calls(void);
/* Calls of alloc and free by this thread, so far, that missed the fast path: the same
 * in every replay. */
uint64_t slab_misses(void);

#endif
