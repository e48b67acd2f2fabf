/* hardened_cache.c - see hardened_cache.h. */
#include "slab/hardened_cache.h"

#include <unistd.h>

#include "base/rng.h"
#include "slab/quarantine.h"

/* Of how many objects the next is one.  All of a magazine would cost programs that go through their
 * objects in the order of allocation (a collector of garbage) half of their caches. */
enum { ORDER_WINDOW = 8, HELD_MIN = 256 << 10 };

__thread struct hardened *hardened_mine;

/* ---- a thread's state ------------------------------------------------------------------------ */

struct thread_cache *hardened_cache(void)
{
	/* Twice as many as wait: the other half is for what others freed, until we come to look. */
	const uint32_t slots =
	    hardening.quarantine != 0 ? 2u << log2_ceil(hardening.quarantine) : 1;
	const size_t len =
	    round_up(sizeof(struct hardened) + slots * sizeof(uintptr_t), root.os->page);

	if (hardened_mine != NULL)
		return &hardened_mine->cache;
	struct hardened *const h = root.os->map(root.os->ctx, len, root.os->page);
	if (h == NULL)
		return NULL;
	h->cache = (struct thread_cache){THREAD_CACHE_NONE};
	h->len = len;
	h->mask = slots - 1;
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
	if (h != NULL)
		root.os->unmap(root.os->ctx, h, h->len);
}

void hardened_after_fork(void)
{
	if (hardened_mine != NULL)
		/* spread by the golden ratio */
		hardened_mine->random ^= (uint64_t)getpid() * 0x9e3779b97f4a7c15u;
}

/* ---- random order ---------------------------------------------------------------------------- */

/* Below `bound`: the upper half of a linear congruence, which without the state
 * nobody can foresee. */
static size_t random_below(struct hardened *h, size_t bound)
{
	h->random = h->random * 6364136223846793005u + 1442695040888963407u;
	return (h->random >> 32) * bound >> 32;
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
	while (h->count > hardening.quarantine || h->held > held_max()) {
		unsigned cls;
		void *const p = quarantine_take_oldest(h, &cls);
		hardened_push(h, p, cls);
	}
}
