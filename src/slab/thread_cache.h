/* thread_cache.h - what a thread allocates from, and the lists of its slabs.
 *
 *   thread_cache (TLS)                 struct heap (metadata)
 *     bin[c] --> a word of free[] of     partial[c] --> slab <-> slab       has free objects
 *                the current slab of c   own        --> all its slabs
 *     heap   -------------------------> inbox      --> slabs freed into by others
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

struct bin {
	_Atomic uint64_t *word; /* of the current slab; NULL: there is none */
	char    *base;          /* object of the word's bit 0 */
	uint32_t step;          /* bytes from object to object */
	uint32_t slab;          /* granule; 0: none */
};

struct thread_cache {
	struct bin   bin[CLASS_MAX];
	struct heap *heap;
	uint32_t     flagged_frees; /* frees into own slabs that others have freed into */
	bool         ended;
};

extern __thread struct thread_cache thread_cache;

static inline uintptr_t thread_self(void)
{
	return (uintptr_t)__builtin_thread_pointer();
}

/* The next object of a bin whose word is 0 or missing; NULL and errno: no memory. */
void *bin_refill(unsigned cls);

/* After a free that brought countdown to 0. */
void slab_counted_down(struct slab *s);

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

extern struct lock late_lock; /* taken before late_heap's lock */
extern struct heap late_heap;
extern struct thread_cache late_cache;
void *late_malloc(unsigned cls);

#endif
