/* hardened_cache.c - see hardened_cache.h. */
#include "slab/hardened_cache.h"

#include "base/rng.h"
#include "os/ticks.h"
#include "slab/heap.h"
#include "slab/quarantine.h"

/* The number of objects of which one is drawn as the next. A draw from all of a magazine would cost
 * programs that use their objects in the order of allocation (a garbage collector) half of their
 * caches. */
enum { ORDER_WINDOW = 4, HELD_ALL = 256 << 10, HELD_MIN = 32 << 10 };

__thread struct hardened *hardened_mine;

/* ---- a thread's state ------------------------------------------------------------------------ */

static size_t state_len(void)
{
	return round_up(sizeof(struct hardened), root.os->page);
}

struct thread_cache *hardened_cache(void)
{
	if (hardened_mine != NULL)
		return &hardened_mine->cache;
	struct hardened *const h = root.os->map(root.os->ctx, state_len(), root.os->page);
	if (h == NULL)
		return NULL;
	h->cache = (struct thread_cache){THREAD_CACHE_NONE};
	quarantine_begin(h);
	struct rng rng = {
	    hardening.secret ^ (uintptr_t)h ^ (uintptr_t)__builtin_thread_pointer() << 20};
	h->random = rng_next(&rng);
	hardened_mine = h;
	return &h->cache;
}

void hardened_end(void)
{
	struct hardened *const h = hardened_mine;

	hardened_mine = NULL;
	if (h == NULL)
		return;
	quarantine_end(h);
	root.os->unmap(root.os->ctx, h, state_len());
}

void hardened_after_fork(void)
{
	if (hardened_mine != NULL)
		/* spread by the golden ratio */
		hardened_mine->random ^= os_ticks() * 0x9e3779b97f4a7c15u;
}

/* ---- random order ---------------------------------------------------------------------------- */

static size_t random_below(struct hardened *h, size_t bound)
{
	return hardened_random(h) * bound >> 32;
}

static size_t in_magazine(const struct hardened *h, unsigned cls)
{
	return (size_t)(h->cache.magazine[cls].top -
	                magazine_bottom(h->cache.heap, cls, &h->cache.magazine[cls]));
}

/* A magazine in random order stays so: a pushed object takes a random place, and the one that was
 * there comes to the top. If a fork interrupts this, the child loses an object and never gets one
 * twice. */
void hardened_push(struct hardened *h, void *p, unsigned cls)
{
	struct magazine *const k = &h->cache.magazine[cls];

	if (unlikely(k->top == k->limit))
		return cache_push(&h->cache, p, cls);
	if (!hardening.random_order) {
		*k->top++ = p;
		return;
	}
	void **const any =
	    k->top - random_below(h, min_size(in_magazine(h, cls) + 1, ORDER_WINDOW));
	void *const moved = any == k->top ? p : *any;
	*any = p;
	atomic_signal_fence(memory_order_seq_cst);
	*k->top = moved;
	atomic_signal_fence(memory_order_seq_cst);
	k->top++;
}

void hardened_shuffle(struct hardened *h, unsigned cls)
{
	struct magazine *const k = &h->cache.magazine[cls];
	void **const top = k->top, **const bottom = top - in_magazine(h, cls);

	k->top = bottom; /* for a fork, as above */
	atomic_signal_fence(memory_order_seq_cst);
	for (void **last = top - 1; last > bottom; last--) {
		void **const any =
		    last - random_below(h, min_size((size_t)(last - bottom) + 1, ORDER_WINDOW));
		void *const p = *any;
		*any = *last;
		*last = p;
	}
	atomic_signal_fence(memory_order_seq_cst);
	k->top = top;
}

/* ---- the end of waiting ---------------------------------------------------------------------- */

/* Bytes that may wait in one quarantine: of large objects, fewer wait.  All threads together have a
 * share of the heap. */
static size_t held_max(void)
{
	const size_t threads = max_size(root.heap_count, HEAP_FIRST + 1) - HEAP_FIRST;
	const size_t all = HELD_ALL + used_granules() * (GRANULE / 16);
	return max_size(all / threads, HELD_MIN);
}

void hardened_trim(struct hardened *h)
{
	unsigned cls;
	void *p;

	while ((p = quarantine_take_spilled(h, &cls)) != NULL)
		hardened_push(h, p, cls);
}

/* May the ring of the class hold twice as much? */
static bool fits(const struct hardened *h, unsigned cls)
{
	const size_t more = (size_t)h->rings[cls].count * size_class[cls].size;
	return h->held + more <= held_max();
}

/* The n oldest that wait go back to their slabs. */
static void let_go(struct hardened *h, unsigned cls, uint32_t n)
{
	struct slab_heap *const heap = h->cache.heap;
	void *leave[RELEASE_MOST];

	lock_take(&heap->lock);
	for (uint32_t part; n > 0; n -= part) {
		part = (uint32_t)min_size(n, RELEASE_MOST);
		quarantine_release(h, cls, part, leave);
		heap_put_back(heap, leave, part, cls);
	}
	lock_give(&heap->lock);
}

/* The thread has freed N objects since the last look. */
static void look_at_all(struct hardened *h)
{
	for (unsigned cls = 0; cls < class_count; cls++) {
		struct class_ring *const w = &h->rings[cls];
		const uint32_t needs = quarantine_needs(w);
		if (w->count > needs)
			let_go(h, cls, w->count - needs);
		w->seen = class_frees(w);
	}
	h->looked = h->frees;
}

/* All rings together hold too much, or the ring of the class shall be longer and cannot be: the one
 * that holds most, and more than twice as much as this one, loses half. */
static void make_room(struct hardened *h, unsigned cls)
{
	const unsigned largest = quarantine_largest(h);
	const size_t its = (size_t)h->rings[largest].count * size_class[largest].size,
	    ours = (size_t)h->rings[cls].count * size_class[cls].size;

	if (largest != 0 && (h->held > held_max() || its > 2 * ours))
		let_go(h, largest, h->rings[largest].count / 2);
}

void hardened_review(struct hardened *h, unsigned cls)
{
	enum { MAKE_ROOM_EVERY = 128 }; /* frees: rings of large objects turn every few frees */
	struct class_ring *const w = &h->rings[cls];
	const bool soon = h->frees - w->turned < hardening.quarantine;
	const bool longer = soon && w->count < quarantine_most();

	w->turned = h->frees;
	if (h->frees - h->looked >= hardening.quarantine)
		look_at_all(h);
	if (h->frees - h->made_room >= MAKE_ROOM_EVERY &&
	    (h->held > held_max() || (longer && !fits(h, cls)))) {
		h->made_room = h->frees;
		make_room(h, cls);
	}
	if (longer && w->at == 0 && w->count == w->limit && fits(h, cls))
		quarantine_set_limit(h, cls, 2 * (size_t)w->count);
}
