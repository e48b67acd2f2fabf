/* thread_cache.c - refill: the next word, the next slab; and the lists behind it. */
#include "slab/thread_cache.h"

#include <errno.h>

#include "base/assert.h"
#include "slab/page_heap.h"
#include "slab/purge.h"
#include "slab/remote.h"

__thread struct thread_cache thread_cache;

enum { NEVER = 1u << 30 }; /* frees */

/* ---- lists ---------------------------------------------------------------------------------- */

void heap_list_slab(struct heap *h, struct slab *s)
{
	const uint32_t first = h->partial[s->cls];

	s->state = SLAB_PARTIAL;
	s->prev = 0;
	s->next = first;
	if (first != 0)
		slab_at(first)->prev = granule_of(s);
	h->partial[s->cls] = granule_of(s);
	h->partial_granules += s->granules;
}

void heap_unlist_slab(struct heap *h, struct slab *s)
{
	if (s->prev != 0)
		slab_at(s->prev)->next = s->next;
	else
		h->partial[s->cls] = s->next;
	if (s->next != 0)
		slab_at(s->next)->prev = s->prev;
	h->partial_granules -= s->granules;
	s->state = SLAB_FULL;
}

void heap_own_slab(struct heap *h, struct slab *s)
{
	s->heap = h;
	s->own_prev = 0;
	s->own_next = h->own;
	if (h->own != 0)
		slab_at(h->own)->own_prev = granule_of(s);
	h->own = granule_of(s);
}

void heap_disown_slab(struct heap *h, struct slab *s)
{
	if (s->own_prev != 0)
		slab_at(s->own_prev)->own_next = s->own_next;
	else
		h->own = s->own_next;
	if (s->own_next != 0)
		slab_at(s->own_next)->own_prev = s->own_prev;
	s->heap = NULL;
}

/* Nothing is live.  A slab that somebody is about to put into the inbox stays until it is drained. */
static void release(struct heap *h, struct slab *s)
{
	uintptr_t owner = owner_of(s);

	if ((owner & OWNER_REMOTE) != 0 && owner != (OWNER_ORPHAN | OWNER_REMOTE))
		return;
	if (!atomic_compare_exchange_strong_explicit(
	        &s->owner, &owner, OWNER_NONE, memory_order_acq_rel, memory_order_relaxed))
		return;
	if (s->state == SLAB_PARTIAL)
		heap_unlist_slab(h, s);
	heap_disown_slab(h, s);
	slab_collect(s); /* somebody may have set the last bit and not yet raised the flag */
	slab_close(s);
}

void heap_settle_slab(struct heap *h, struct slab *s)
{
	const unsigned free = slab_count_free(s), live = s->count - free;

	if (s->state == SLAB_CURRENT) {
		s->countdown = NEVER;
		return;
	}
	if (s->state == SLAB_FULL && free > 0)
		heap_list_slab(h, s);
	const unsigned quarter = s->count / 4 + 1;
	s->countdown = live == 0 ? 1 : (uint32_t)min_size(live, quarter);
	if (live == 0)
		release(h, s);
}

void slab_counted_down(struct slab *s)
{
	struct heap *h = thread_cache.heap;
	bool sparse = false;

	lock_take(&h->lock);
	if (s->heap == h && (owner_of(s) & ~OWNER_REMOTE) == thread_self()) {
		heap_settle_slab(h, s);
		sparse = h->partial_granules > purge_sparse_limit();
	}
	lock_give(&h->lock);
	if (sparse)
		purge_wake();
	else
		purge_check();
}

void heap_drain_inbox(struct heap *h)
{
	uint32_t granule = atomic_exchange_explicit(&h->inbox, 0, memory_order_acquire);

	while (granule != 0) {
		struct slab *s = slab_at(granule);
		granule = s->inbox_next;
		/* The flag first: whoever frees after our look puts it up, and the slab in, again. */
		atomic_fetch_and_explicit(&s->owner, ~OWNER_REMOTE, memory_order_acq_rel);
		slab_collect(s);
		heap_settle_slab(h, s);
	}
}

/* ---- refill --------------------------------------------------------------------------------- */

/* Point the bin at the lowest word with a free object: low addresses first keeps pages dense. */
static bool bin_point(struct bin *b, struct slab *s)
{
	for (unsigned w = 0; w * 64 < s->count; w++)
		if (free_word(s, w) != 0) {
			b->word = &s->free[w];
			b->base = slab_start(s) + w * 64 * slab_step(s);
			b->step = (uint32_t)slab_step(s);
			b->slab = granule_of(s);
			return true;
		}
	return false;
}

static void *bin_take(struct bin *b)
{
	const uint64_t free = atomic_load_explicit(b->word, memory_order_relaxed);
	atomic_store_explicit(b->word, free & (free - 1), memory_order_relaxed);
	return b->base + (size_t)__builtin_ctzll(free) * b->step;
}

static struct slab *take_partial(struct heap *h, unsigned cls)
{
	struct slab *s;

	if (h->partial[cls] == 0)
		heap_drain_inbox(h);
	if (h->partial[cls] == 0)
		remote_adopt_one(h, cls);
	if (h->partial[cls] == 0)
		return NULL;
	s = slab_at(h->partial[cls]);
	heap_unlist_slab(h, s);
	return s;
}

static struct slab *take_new(struct heap *h, unsigned cls)
{
	struct slab *s = slab_open(cls);

	if (s == NULL)
		return NULL;
	heap_own_slab(h, s);
	atomic_store_explicit(&s->owner, h->owner, memory_order_release);
	return s;
}

/* The current slab is used up: file it, and find another. */
static bool bin_change(struct heap *h, struct bin *b, unsigned cls)
{
	if (b->slab != 0) {
		struct slab *old = slab_at(b->slab);
		heap_drain_inbox(h);
		if (bin_point(b, old))
			return true;
		old->state = SLAB_FULL;
		old->countdown = old->count / 16 + 1;
		*b = (struct bin){0};
	}
	struct slab *s = take_partial(h, cls);
	if (s == NULL)
		s = take_new(h, cls);
	if (s == NULL)
		return false;
	s->state = SLAB_CURRENT;
	s->countdown = NEVER;
	s->purged = 0;
	slab_collect(s);
	return bin_point(b, s);
}

static void *refill(struct thread_cache *tc, unsigned cls)
{
	struct heap *h = tc->heap;
	struct bin *b = &tc->bin[cls];

	if (b->slab != 0 && bin_point(b, slab_at(b->slab)))
		return bin_take(b);
	lock_take(&h->lock);
	const bool ok = bin_change(h, b, cls);
	lock_give(&h->lock);
	if (!ok) {
		errno = ENOMEM;
		return NULL;
	}
	return bin_take(b);
}

void *bin_refill(unsigned cls)
{
	if (unlikely(heap_mine() == NULL))
		return late_malloc(cls);
	return refill(&thread_cache, cls);
}

/* ---- the heap of those who come too late ---------------------------------------------------- */

struct lock late_lock;
struct heap late_heap;
struct thread_cache late_cache;

void *late_malloc(unsigned cls)
{
	if (root.base == 0) {
		errno = ENOMEM;
		return NULL;
	}
	lock_take(&late_lock);
	late_cache.heap = &late_heap;
	late_heap.owner = (uintptr_t)&late_heap; /* never a thread pointer: all frees are remote */
	struct bin *b = &late_cache.bin[cls];
	void *p = b->word != NULL && *b->word != 0 ? bin_take(b) : refill(&late_cache, cls);
	lock_give(&late_lock);
	return p;
}
