/* thread_cache.h - what a thread allocates from, and the lists of its slabs.
 *
 *   thread_cache (TLS)                      struct heap (metadata)
 *     direct[n/16] --> the current slab of     partial[c] --> slab <-> slab       has free objects
 *     current[c]   -->   n's class c           own        --> all its slabs
 *     heap   ------------------------------>   inbox      --> slabs freed into by others
 *
 * A malloc takes the lowest free object of the slab's hot word, where the last free was: what was
 * freed last is given out first, to within 64 objects, because it is in the caches.
 *
 *   current --(no bit left)--> full --(count / 16 frees)--> partial --(needed)--> current
 *                                                              \--(all free)--> page heap
 *
 * The owner sets and clears bits of its slabs without a lock.  Everything else of a slab changes under
 * the heap's lock, which the purger and adopting threads take too: they leave current slabs alone, and
 * release a slab only when no object is live, so nobody can be freeing into it.
 *
 * When a thread ends, its slabs become orphans; who needs memory of their class, or frees into them,
 * adopts them.  Memory asked for after that, from later TLS destructors, comes from one shared heap.
 */
#ifndef SLAB_THREAD_CACHE_H
#define SLAB_THREAD_CACHE_H

#include "os/os.h"
#include "slab/slab.h"

/* Slabs are named by their distance in bytes from root.slabs: 0 is the guard granule's, which has
 * nothing free, so that zeroed thread-local storage needs no test. */
struct thread_cache {
	size_t direct[SMALL_MAX / 16 + 1]; /* current slab for (n + 15) / 16 */
	size_t current[CLASS_MAX];         /* the same by class */
	struct heap *heap;
	uint32_t     flagged_frees; /* frees into own slabs that others have freed into */
	bool         ended;
};

extern __thread struct thread_cache thread_cache;

static inline uintptr_t thread_self(void)
{
	return (uintptr_t)__builtin_thread_pointer();
}

/* An object when the hot word is 0; NULL and errno: no memory. */
void *cache_refill(unsigned cls);

/* An object of the current slab's hot word, which has one. */
static inline void *cache_take(struct slab *s)
{
	const uint64_t free = free_word(s, s->hot);
	free_word_set(s, s->hot, free & (free - 1));
	return s->start + (size_t)(s->hot * 64u + (unsigned)__builtin_ctzll(free)) * s->size;
}

static inline struct slab *slab_from(size_t distance)
{
	return ptr_add(root.slabs, distance);
}

/* Free object `index`, checked already, when that brings countdown to 0. */
void slab_free_last(struct slab *s, size_t index);

/* ---- for the other files of this room, with the heap's lock held ---------------------------- */

void heap_list_slab(struct heap *h, struct slab *s);   /* into its partial list */
void heap_unlist_slab(struct heap *h, struct slab *s);
void heap_own_slab(struct heap *h, struct slab *s);    /* into the list of all */
void heap_disown_slab(struct heap *h, struct slab *s);
/* Full, partial or empty now?  File the slab accordingly, or give it back. */
void heap_settle_slab(struct heap *h, struct slab *s);
void heap_drain_inbox(struct heap *h);

/* The calling thread's heap; NULL: it has ended, or there is no memory for one. */
struct heap *heap_mine(void);
void heap_abandon(struct heap *h, uintptr_t owner); /* all its slabs become orphans */

/* A slab of an ended thread: take it over.  True: it is h's now (whose lock the caller does not hold). */
bool slab_adopt(struct heap *h, struct slab *s);

/* Begin; false: no memory.  Called on every slow path until it succeeds. */
bool slab_start_up(void);
bool slab_start_on(const struct dmm_os *os); /* the same on another system; false: began already */
void slab_shut_down(void);                   /* everything goes back; no other thread has a heap */

/* Owner of the late heap's slabs: never a thread pointer, so that every free there is remote. */
#define LATE_OWNER ((uintptr_t)4)
extern struct lock late_lock; /* taken before that heap's lock */
extern struct thread_cache late_cache;

#endif
