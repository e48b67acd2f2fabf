/* thread_cache.h - the cache from which a thread allocates: a magazine for each size class.
 *
 *   thread_cache (TLS)                     struct slab_heap (heap.h)
 *     magazine[c] --> free objects of class c   partial[c] --> slab <-> slab   has objects in avail
 *     tag      =   number of the heap << 16  inbox      --> slab --> slab   others have freed into
 *
 *   malloc   <--pop--  magazine[c]  --full: its oldest----->  avail of the slabs
 *   free     --push->            <--empty: a batch--------
 *
 * A magazine begins small, with 15 objects, and doubles at each refill, up to 255.  So who needs
 * few objects of a size pays for few, in pages of magazines and in what a batch takes.  A magazine
 * of objects of up to 240 bytes grows on, to 64 KiB of objects and at most 1,151, but only when it
 * has run empty after it overflowed: the program then gives back and asks again for more objects
 * than it holds.  A program that only allocates, or only frees, gains nothing from a longer one.
 * With more than two threads it grows less far, and with nine or more not beyond 255: a thread may
 * sleep with full magazines.  So at most eight heaps have touched their wide magazines, which take
 * up to 76 KiB and stay for the next thread.
 *
 * What was freed last is given out first, because it is in the caches, whatever slab it is of.  A
 * slab belongs to a heap, and a heap to a thread: only they touch its live bits and its magazines,
 * without a lock.  All else changes under the heap's lock, which the purger takes too.
 *
 * A thread that ends empties its magazines and leaves its heap, slabs and all, to the next thread
 * that begins.  Until then who needs a slab takes one from there.  Memory asked for after that,
 * from later TLS destructors, comes from one shared heap.
 */
#ifndef SLAB_THREAD_CACHE_H
#define SLAB_THREAD_CACHE_H

#include "os/os.h"
#include "slab/slab.h"

struct magazine {
	void **top;   /* one past the newest object; NULL below it: empty */
	void **limit; /* top == limit: full */
};
static_assert(sizeof(struct magazine) == TAG_MAGAZINE, "a tag is the place of a magazine");

struct thread_cache {
	struct magazine magazine[CLASS_MAX];
	uint32_t tag;   /* heap << TAG_HEAP_SHIFT; 0: no heap */
	bool     ended;
	struct slab_heap *heap;
	/* While a profile is taken (profile_draw.h): tops, as those of magazines.  Without a heap
	 * or a profile, all are empty for ever. */
	void **given[SMALL_CLASSES];
};

/* Empty and full at once: malloc and free both go to the slow path. */
extern void *const no_object[1];
#define MAGAZINE_OF_NONE     {(void **)no_object + 1, (void **)no_object + 1}
#define THREAD_CACHE_NONE \
	.magazine = {[0 ... CLASS_MAX - 1] = MAGAZINE_OF_NONE}, \
	.given = {[0 ... SMALL_CLASSES - 1] = (void **)no_object + 1}

extern __thread struct thread_cache thread_cache;

/* Has the thread no stack of the class? */
static inline bool given_none(const struct thread_cache *tc, unsigned cls)
{
	return tc->given[cls] == (void **)(uintptr_t)no_object + 1;
}

static inline struct magazine OWN_SEG *magazine_at(uintptr_t own, size_t place)
{
	return (struct magazine OWN_SEG *)(own + place);
}

NO_SANITIZE static inline uint32_t own_tag(void)
{
	return ((struct thread_cache OWN_SEG *)own_offset(thread_cache))->tag;
}

static inline char *heap_magazines(const struct slab_heap *h)
{
	return (char *)(uintptr_t)h + HEAP_HEAD;
}

static inline void **small_magazine(const struct slab_heap *h, unsigned cls)
{
	return (void **)(heap_magazines(h) + cls * MAGAZINE_SMALL_BYTES) + 1;
}

static inline void **large_magazine(const struct slab_heap *h, unsigned cls)
{
	return (void **)(heap_magazines(h) + CLASS_MAX * MAGAZINE_SMALL_BYTES +
	                 cls * MAGAZINE_BYTES) +
	       1;
}

static inline void **wide_magazine(const struct slab_heap *h, unsigned cls)
{
	return (void **)(heap_magazines(h) +
	                 CLASS_MAX * (MAGAZINE_SMALL_BYTES + MAGAZINE_BYTES) +
	                 cls * MAGAZINE_WIDE_BYTES) +
	       1;
}

/* The place of the one magazine of the class that is in use. */
static inline void **magazine_bottom(const struct slab_heap *h, unsigned cls,
    const struct magazine *k)
{
	if (k->top >= wide_magazine(h, 0))
		return wide_magazine(h, cls);
	return k->top < large_magazine(h, 0) ? small_magazine(h, cls) : large_magazine(h, cls);
}

static inline bool magazine_empty(const struct magazine *k)
{
	return k->top[-1] == NULL;
}

/* Push an object that is not live any more on a magazine of the calling thread,
 * making room first. */
void cache_push(struct thread_cache *tc, void *p, unsigned cls);
/* Other threads freed into the slab of an object that we free: look at one slab that waits, unless
 * another thread holds the heap's lock. To look at all of them, once in 16 such frees, took 0.1 ms
 * where others had pushed hundreds. */
void cache_look_around(struct thread_cache *tc);
/* The most objects that the calling thread's next refill of the class takes. */
unsigned cache_batch(unsigned cls);
/* Fill a magazine that is empty; false: no memory. */
bool cache_fill(struct thread_cache *tc, unsigned cls);
/* Take an object, not live yet, from a magazine or a given stack that is not empty. Ends the
 * program if another thread freed it too: both could do so at one moment, and neither saw the
 * other. */
void *cache_pop(struct thread_cache *tc, unsigned cls);
void *cache_pop_given(struct thread_cache *tc, unsigned cls);
/* Put all magazines into avail; the lock of h, which is tc's heap, is held, and its thread has
 * ended, or calls. */
void cache_flush(struct thread_cache *tc, struct slab_heap *h);
/* Magazines of tc become those of h, empty; h's lock is held. */
void cache_attach(struct thread_cache *tc, struct slab_heap *h);

/* The cache of threads without a heap: it is attached to the fallback heap. This lock is taken
 * before that heap's lock. */
extern struct thread_cache fallback_cache;
extern struct lock fallback_lock;

#endif
