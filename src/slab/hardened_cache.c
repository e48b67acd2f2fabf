/* hardened_cache.c - see hardened_cache.h. */
#include "slab/hardened_cache.h"

#include "base/rng.h"
#include "os/ticks.h"
#include "slab/quarantine.h"

/* Of how many objects the next is one.  All of a magazine would cost programs that go through their
 * objects in the order of allocation (a collector of garbage) half of their caches. */
enum { ORDER_WINDOW = 8, HELD_MIN = 256 << 10 };

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

/* A magazine in random order stays so: what is pushed takes any place, and who was there comes to
 * the top.  Where a fork cuts in, an object is lost in the child, never there twice. */
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

/* Bytes that may wait in one quarantine: of large objects, fewer wait. */
static size_t held_max(void)
{
	return HELD_MIN + used_granules() * (GRANULE / 16);
}

void hardened_trim(struct hardened *h)
{
	unsigned cls;
	void *p;

	while ((p = quarantine_take_spilled(h, &cls)) != NULL)
		hardened_push(h, p, cls);
}

/* What the ring of the class holds has doubled. */
static bool fits(const struct hardened *h, unsigned cls)
{
	const size_t more = (size_t)h->rings[cls].count * size_class[cls].size;
	return h->held + more <= held_max();
}

static void halve(struct hardened *h, unsigned cls)
{
	void *leave[QUARANTINE_HALF];
	const uint32_t n = quarantine_halve(h, cls, leave);

	for (uint32_t i = 0; i < n; i++)
		hardened_push(h, leave[i], cls);
}

/* The ring of the class has turned once, or is full for the first time.  It becomes longer where
 * all rings together are short enough.  Else the one that holds most gives up half of it, unless
 * that is hardly more than this one holds. */
void hardened_review(struct hardened *h, unsigned cls)
{
	const struct class_ring *const w = &h->rings[cls];

	if (w->count == quarantine_most() && h->held <= held_max())
		return;
	const unsigned largest = fits(h, cls) ? 0 : quarantine_largest(h);
	if (largest != 0 && (h->held > held_max() ||
	        (size_t)h->rings[largest].count * size_class[largest].size >
	            (size_t)w->count * size_class[cls].size * 2))
		halve(h, largest);
	if (w->at == 0 && w->count == w->limit && fits(h, cls))
		quarantine_set_limit(h, cls, 2 * (size_t)w->count);
}
