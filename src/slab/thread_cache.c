/* thread_cache.c - what a thread does when a magazine of its cache is empty or full. */
#include "slab/thread_cache.h"

#include <string.h>

#include "base/assert.h"
#include "base/probe.h"
#include "slab/heap.h"
#include "slab/misuse.h"
#include "slab/profile_draw.h"
#include "slab/purge.h"
#include "slab/quarantine.h"
#include "slab/remote.h"

void *const no_object[1] = {NULL};
__thread struct thread_cache thread_cache = {THREAD_CACHE_NONE};
struct lock fallback_lock;
struct thread_cache fallback_cache = {THREAD_CACHE_NONE};

/* ---- magazine to slabs ----------------------------------------------------------------------- */

/* Returns of how many slabs the objects were: see heap_put_back(). */
static inline size_t flush(struct slab_heap *h, struct magazine *k, void **bottom, unsigned cls)
{
	const size_t slabs = heap_put_back(h, bottom, (size_t)(k->top - bottom), cls);

	k->top = bottom;
	return slabs;
}

/* Flush some of the n oldest objects of a magazine, of FLUSH_SLABS slabs. If these are few, the
 * newest objects fill the gap: to move all others down would take longer than the flush. */
static void flush_some(struct slab_heap *h, struct magazine *k, void **bottom, unsigned cls,
    size_t n)
{
	const size_t gone = heap_put_back_some(h, bottom, n, cls),
		     left = (size_t)(k->top - bottom) - gone;

	if (left >= 2 * gone)
		memcpy(bottom, bottom + left, gone * sizeof *bottom);
	else
		memmove(bottom, bottom + gone, left * sizeof *bottom);
	k->top = bottom + left;
}

static void flush_given(struct thread_cache *tc, struct slab_heap *h)
{
	for (unsigned cls = 0; cls < SMALL_CLASSES; cls++) {
		void **const bottom = given_bottom(h, cls);
		if (given_none(tc, cls) || tc->given[cls] == bottom)
			continue;
		const size_t n = (size_t)(tc->given[cls] - bottom);
		heap_put_back(h, bottom, n, cls);
		tc->given[cls] = bottom;
		given_flushed(h, cls, n);
	}
}

void cache_flush(struct thread_cache *tc, struct slab_heap *h)
{
	CHECK(heap_held(h) && tc->heap == h);
	for (unsigned cls = 0; cls < class_count; cls++) {
		struct magazine *const k = &tc->magazine[cls];
		if (!magazine_empty(k))
			flush(h, k, magazine_bottom(h, cls, k), cls);
		h->flushed[cls] = 0; /* the next refill follows no overflow */
	}
	flush_given(tc, h);
	if (likely(hardening.quarantine == 0) || heap_number(h) == HEAP_FALLBACK)
		return;
	unsigned cls;
	for (void *p; (p = quarantine_take_any((struct hardened *)tc, &cls)) != NULL;)
		heap_put_back(h, &p, 1, cls);
}

/* The first capacity of a magazine. One that feeds a stack holds two of its fills. */
static size_t first_room(unsigned cls)
{
	const size_t feeds = given_on() && cls < SMALL_CLASSES ? 2u * size_class[cls].given + 1 : 0;
	return min_size(size_class[cls].cached, max_size(MAGAZINE_SMALL_OBJECTS, feeds));
}

static void **bottom_for(const struct slab_heap *h, unsigned cls, size_t room)
{
	if (room > MAGAZINE_LARGE_OBJECTS)
		return wide_magazine(h, cls);
	return room > MAGAZINE_SMALL_OBJECTS ? large_magazine(h, cls) : small_magazine(h, cls);
}

/* The objects that a refill takes, or a flush gives away, at once: half of the room, but no more
 * than half of 255.  More would often fill a wide magazine before the program has given back all
 * that it asked for. */
static size_t batch_of(size_t room)
{
	return (min_size(room, MAGAZINE_LARGE_OBJECTS) + 1) / 2;
}

void cache_attach(struct thread_cache *tc, struct slab_heap *h)
{
	for (unsigned cls = 0; cls < class_count; cls++) {
		struct magazine *const k = &tc->magazine[cls];
		const size_t room = first_room(cls);
		k->top = bottom_for(h, cls, room);
		k->limit = k->top + room;
		h->room[cls] = h->flushed[cls] = h->swing[cls] = 0;
	}
	tc->tag = heap_number(h) << TAG_HEAP_SHIFT;
	tc->heap = h;
	heap_set_owner(h, tc);
	h->thread = tc != &fallback_cache ? (uintptr_t)__builtin_thread_pointer() : 0;
}

/* The capacity below which a magazine that is only freed into does not shrink, when it has just
 * given back n objects of so many slabs:
 *
 *   LEAST objects                 that were freed at random keep a page resident each. Where a
 *                                 program drops a structure in the order in which it was built,
 *                                 neighbours follow each other: as many as fill LEAST pages, and
 *                                 lie in LEAST slabs, keep no more.
 *   at least LEAST_SMALL          for small objects, of which there are many, while the heap is
 *                                 small: what remains then keeps no more resident than the purger
 *                                 does, which leaves 1 MiB dirty.
 *   LEAST_SWINGING                for a program that freed about as many objects once before, and
 *                                 then asked for them again: it will soon ask again, so its
 *                                 magazines keep more room, and it flushes fewer times. If it does
 *                                 not ask again, it has freed as many in the end: so they keep less
 *                                 for the last eighth, and little remains when it sleeps. */
static size_t least_room(const struct slab_heap *h, unsigned cls, size_t n, size_t slabs)
{
	enum {
		LEAST = 6,
		SMALL = 256,
		SMALL_HEAP = (16 << 20) / GRANULE,
		LEAST_SMALL = 31,
		LEAST_SWINGING = 63
	};

	if (h->swing[cls] != UINT16_MAX && h->flushed[cls] < h->swing[cls] - h->swing[cls] / 8)
		return LEAST_SWINGING;
	const size_t size = max_size(1, size_class[cls].size),
		     fit = min_size(LEAST * n / slabs, LEAST * root.os->page / size);
	const bool small = size <= SMALL && root.used < SMALL_HEAP;

	return max_size(small ? LEAST_SMALL : LEAST, min_size(LEAST_SWINGING, fit));
}

static void note_flushed(struct slab_heap *h, unsigned cls, size_t n)
{
	h->flushed[cls] = (uint16_t)min_size(UINT16_MAX, h->flushed[cls] + n);
}

/* A full magazine gives away its oldest objects, up to half of them, of FLUSH_SLABS slabs. A thread
 * that only frees comes here again and again without a refill between, and may then never call
 * again.  Each object in its magazines keeps a slab from being empty, and so a page of payload and
 * two of tables resident.  So a magazine that has given back as many objects as it holds, and at
 * least ONLY_FREED, becomes smaller at each flush and gives away all objects: half of least_room()
 * then remains on average.
 * Magazines of 12 that keep their newer half cost as many flushes, and 9 remain.  A flush costs as
 * much as a few frees. */
static void make_room(struct slab_heap *h, struct magazine *k, unsigned cls)
{
	enum { ONLY_FREED = 32 };
	void **const bottom = magazine_bottom(h, cls, k);
	const size_t room = (size_t)(k->limit - bottom);

	CHECK(heap_held(h) && k->top == k->limit && cls < class_count);
	if (h->flushed[cls] >= max_size(room, ONLY_FREED)) {
		const size_t slabs = flush(h, k, bottom, cls),
			     least = least_room(h, cls, room, slabs);
		k->limit = bottom + min_size(room, max_size(room / 2, least));
	} else {
		flush_some(h, k, bottom, cls, batch_of(room));
	}
	note_flushed(h, cls, (size_t)(bottom + room - k->top));
}

void cache_push(struct thread_cache *tc, void *p, unsigned cls)
{
	struct slab_heap *const h = tc->heap;
	struct magazine *const k = &tc->magazine[cls];
	bool sparse = false;

	if (k->top == k->limit) {
		lock_take(&h->lock);
		make_room(h, k, cls);
		sparse = purge_is_sparse(h);
		lock_give(&h->lock);
	}
	*k->top = p;
	/* as in fast.h: a child of fork() finds no gap */
	atomic_signal_fence(memory_order_release);
	k->top++;
	if (sparse)
		purge_sparse(h);
}

void cache_look_around(struct thread_cache *tc)
{
	struct slab_heap *const h = tc->heap;

	if (!remote_any_waits(h) || !lock_try(&h->lock))
		return;
	struct slab *const s = remote_next_waiting(h);
	if (s != NULL)
		heap_look_at(h, s);
	lock_give(&h->lock);
}

/* ---- slabs to magazine ----------------------------------------------------------------------- */

/* The most objects of a wide magazine: threads share what two may hold.  A thread that sleeps keeps
 * its magazines, and objects of different pages keep as many pages resident. */
static size_t widest(size_t cached)
{
	const size_t heaps = __atomic_load_n(&root.heap_count, __ATOMIC_RELAXED) - HEAP_FIRST;

	return min_size(cached,
	    max_size(MAGAZINE_LARGE_OBJECTS, 2 * MAGAZINE_OBJECTS_MAX / max_size(1, heaps)));
}

/* The capacity of a magazine at its next refill. Objects of a hardened thread come in random order,
 * so it draws from many. */
static size_t next_room(const struct slab_heap *h, unsigned cls)
{
	const size_t cached = size_class[cls].cached, room = h != NULL ? h->room[cls] : 0,
		     large = min_size(cached,
		         given_on() ? GIVEN_MAGAZINE_MOST : MAGAZINE_LARGE_OBJECTS);

	if (unlikely(hardening.on))
		return large;
	if (room == 0)
		return first_room(cls);
	if (room >= MAGAZINE_LARGE_OBJECTS && !given_on())
		return min_size(widest(cached), h->flushed[cls] == 0 ? room : 2 * room + 1);
	return min_size(large, 2 * room + 1);
}

/* Check the objects of a refill: each is of the heap and the class, and free; for debug builds. */
static bool batch_whole(const struct slab_heap *h, unsigned cls, void *const *at, void *const *end)
{
	for (; at < end; at++)
		if ((tag_around(*at) & ~TAG_REMOTE) != tag_of(heap_number(h), cls) ||
		    ((live_word(*at) | avail_bits(*at)) & bit_of(*at)) != 0)
			return false;
	return true;
}

/* Put a batch onto an empty magazine, the lowest address on top, where malloc takes first; false:
 * no memory. */
static bool refill(struct slab_heap *h, struct magazine *k, unsigned cls)
{
	const size_t room = next_room(h, cls);
	void **const bottom = bottom_for(h, cls, room);
	void **const end = bottom + batch_of(room);
	void **const at = heap_take_objects(h, cls, end, bottom);

	CHECK(heap_held(h) && magazine_empty(k) && cls < class_count);
	if (at == end)
		return false;
	if (at > bottom)
		memmove(bottom, at, (size_t)(end - at) * sizeof *at);
	k->top = bottom + (end - at);
	k->limit = bottom + room;
	h->room[cls] = (uint16_t)room;
	if (h->flushed[cls] != 0)
		h->swing[cls] = h->flushed[cls];
	h->flushed[cls] = 0;
	DEBUG_CHECK(batch_whole(h, cls, bottom, k->top));
	PROBE(refill, size_class[cls].size, end - at);
	return true;
}

bool cache_fill(struct thread_cache *tc, unsigned cls)
{
	struct slab_heap *const h = tc->heap;
	struct magazine *const k = &tc->magazine[cls];

	lock_take(&h->lock);
	const bool ok = !magazine_empty(k) || refill(h, k, cls);
	lock_give(&h->lock);
	return ok;
}

/* Name the fault before the magazine changes, so that a debugger shows it as it was. */
static void *pop(void **top[static 1], unsigned cls)
{
	void *const p = (*top)[-1];

	CHECK(p != NULL && cls < class_count);
	if (unlikely((tag_around(p) & TAG_REMOTE) != 0) &&
	    (tag_heap(tag_around(p)) == 0 || (mark_bits(p) & bit_of(p)) != 0))
		slab_misuse("double free", p, class_usable(cls));
	--*top;
	return p;
}

void *cache_pop(struct thread_cache *tc, unsigned cls)
{
	return pop(&tc->magazine[cls].top, cls);
}

void *cache_pop_given(struct thread_cache *tc, unsigned cls)
{
	return pop(&tc->given[cls], cls);
}

unsigned cache_batch(unsigned cls)
{
	const struct slab_heap *const h =
	    thread_cache.ended ? fallback_cache.heap : thread_cache.heap;

	return (unsigned)batch_of(next_room(h, cls));
}
