/* thread.h - a thread gets a heap at its first slow path, and leaves it when it ends. */
#ifndef SLAB_THREAD_H
#define SLAB_THREAD_H

#include "slab/thread_cache.h"

/* The calling thread's heap; NULL: the thread has ended, or there is no memory for one. */
struct slab_heap *thread_heap(void);
/* Put the calling thread's magazines into avail, and give its heap to the next thread that
 * begins. */
void thread_leave_heap(struct slab_heap *h);
/* An object of a class, live already, from a refilled magazine; NULL and errno: no memory. */
void *thread_malloc(unsigned cls);
/* An object, not live yet, for a thread without a heap; fallback_lock is held.  NULL: no memory. */
void *thread_pop_fallback(unsigned cls);

/* The fallback heap, and the end of threads; false: no memory. */
bool thread_start_up(void);

#endif
