/* heap.h - the slabs of a heap, and heaps that change their thread.
 *
 *   unlisted --(an object comes into avail)--> partial --(none left)--> unlisted
 *                                              |
 *                                              `--(all are in avail)--> kept
 *   kept --(another is kept, or it is idle)--> page heap
 *
 * struct slab_heap (root.h) has a ring of partly empty slabs for each class, and the inbox
 * into which other threads put slabs that they freed into (remote.h).  All of it changes
 * under the heap's lock.
 *
 * A heap without a thread waits in root.unused.  A thread whose heap has no slab of a class
 * reclaims one from there.
 */
#ifndef SLAB_HEAP_H
#define SLAB_HEAP_H

#include "slab/slab.h"

static inline bool heap_held(const struct slab_heap *h)
{
	return lock_held(&h->lock);
}

/* ---- slabs: the heap's lock is held ---------------------------------------------------------- */

/* avail of s has changed: list s, or, if no object is live and the heap has another, close it. */
void heap_settle_slab(struct slab_heap *h, struct slab *s);
void heap_unlist_slab(struct slab_heap *h, struct slab *s);
/* Close the slabs that were kept: all, or those that no object was taken from since the last such
 * call. */
void heap_release_all_kept(struct slab_heap *h);
void heap_release_idle_kept(struct slab_heap *h);
/* Collect the objects that other threads freed into avail, of all slabs that wait. The caller is
 * the heap's thread, or the heap has none. */
void heap_drain_inbox(struct slab_heap *h);
/* The same for one slab that was in the inbox. */
void heap_look_at(struct slab_heap *h, struct slab *s);
/* The same for a slab without live objects and without objects in magazines, of a heap whose thread
 * may be running. The flags stay up until the slab is closed, so that frees by the heap's thread
 * leave the fast path. It misses only a free that found the flags down just before another thread's
 * mark emptied the slab, and that was stopped then. */
void heap_release_emptied(struct slab_heap *h, struct slab *s);

/* Of how many slabs one call of malloc or free moves objects at most. Each slab costs misses of the
 * cache, and where a program frees at random, nearly each object is of another slab: a refill or a
 * flush of half a magazine was then the slowest of 1,000 calls.  Of larger objects each has a line
 * of bits for itself. */
enum { FLUSH_SLABS = 4, RANDOM_LEAST = 4 };
static inline unsigned refill_slabs(unsigned cls)
{
	return size_class[cls].size < WORD_BYTES ? 2 : 1;
}

/* Take free objects of a class from at most refill_slabs() of the heap's slabs, or from a new one,
 * and write them to end[-1], end[-2], ... down to bottom. Returns where it ended: at end, if there
 * is no memory. */
void **heap_take_objects(struct slab_heap *h, unsigned cls, void **end, void **bottom);
/* One object, which becomes live, for a heap that no thread owns; NULL: no memory. */
void *heap_take_one(struct slab_heap *h, unsigned cls);
/* Put n objects of a class, of slabs of h, which are not live, into avail. It is fast if neighbours
 * follow each other. Returns the number of slabs that they came from, rounded up to a multiple
 * of FLUSH_SLABS; a slab counts again if objects of others lie between its own. */
size_t heap_put_back(struct slab_heap *h, void *const *object, size_t n, unsigned cls);
/* The same for those of the first FLUSH_SLABS slabs; returns their number. */
size_t heap_put_back_some(struct slab_heap *h, void *const *object, size_t n, unsigned cls);

/* ---- heaps ----------------------------------------------------------------------------------- */

/* The fallback heap, which no thread owns; false: no memory. */
bool heap_start_up(void);
/* A heap without a thread, for the calling thread; NULL: no memory. */
struct slab_heap *heap_acquire(void);
/* The calling thread has left the heap; the next thread takes it over. */
void heap_set_free(struct slab_heap *h);
/* The number of a heap that no thread will ever own; 0: no memory. start_lock is held. */
uint32_t heap_new_shared(void);

#endif
