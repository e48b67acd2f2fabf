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

/* A ring, oldest first: who has waited longest has gathered most free objects. */
void heap_list_slab(struct heap *h, struct slab *s)
{
	const uint32_t me = granule_of(s), first = h->partial[s->cls];

	s->state = SLAB_PARTIAL;
	s->next = s->prev = me;
	if (first != 0) {
		struct slab *const head = slab_at(first);
		s->next = first;
		s->prev = head->prev;
		slab_at(head->prev)->next = me;
		head->prev = me;
	} else {
		h->partial[s->cls] = me;
	}
	h->partial_granules += s->granules;
}

void heap_unlist_slab(struct heap *h, struct slab *s)
{
	const uint32_t me = granule_of(s);

	if (h->partial[s->cls] == me)
		h->partial[s->cls] = s->next == me ? 0 : s->next;
	slab_at(s->prev)->next = s->next;
	slab_at(s->next)->prev = s->prev;
	h->partial_granules -= s->granules;
	s->state = SLAB_FULL;
}

void heap_own_slab(struct heap *h, struct slab *s)
{
	s->heap = (uint16_t)(h - root.heaps);
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
	s->heap = 0;
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
	const unsigned half = s->count / 2 + 1;
	s->countdown = live == 0 ? 1 : (uint32_t)min_size(live, half);
	if (live == 0)
		release(h, s);
}

void slab_free_last(struct slab *s, size_t index)
{
	struct heap *h = thread_cache.heap;
	bool sparse = false;

	free_word_set(s, index / 64, free_word(s, index / 64) | 1ull << index % 64);

	lock_take(&h->lock);
	if (heap_of(s) == h && (owner_of(s) & ~OWNER_REMOTE) == thread_self()) {
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

/* Make the lowest word with a free object the hot one: low addresses first keeps pages dense. */
static bool find_hot(struct slab *s)
{
	for (unsigned w = 0; w * 64 < s->count; w++)
		if (free_word(s, w) != 0) {
			s->hot = (uint8_t)w;
			return true;
		}
	return false;
}

static void set_current(struct thread_cache *tc, unsigned cls, size_t distance)
{
	tc->current[cls] = distance;
	if (cls > small_class[SMALL_MAX / 16])
		return;
	for (size_t i = cls == 0 ? 0 : size_class[cls - 1].size / 16 + 1; i <= size_class[cls].size / 16; i++)
		if (small_class[i] == cls)
			tc->direct[i] = distance;
}

static struct slab *take_partial(struct heap *h, unsigned cls)
{
	if (h->partial[cls] == 0)
		heap_drain_inbox(h);
	if (h->partial[cls] == 0)
		remote_adopt_one(h, cls);
	if (h->partial[cls] == 0)
		return NULL;
	struct slab *s = slab_at(h->partial[cls]);
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

/* The current slab is used up: file it, and find another.  NULL: no memory. */
static struct slab *change(struct thread_cache *tc, struct heap *h, unsigned cls)
{
	if (tc->current[cls] != 0) {
		struct slab *old = slab_from(tc->current[cls]);
		heap_drain_inbox(h);
		if (find_hot(old))
			return old;
		old->state = SLAB_FULL;
		old->countdown = old->count / 8 + 1;
		set_current(tc, cls, 0);
	}
	struct slab *s = take_partial(h, cls);
	if (s == NULL)
		s = take_new(h, cls);
	if (s == NULL)
		return NULL;
	s->state = SLAB_CURRENT;
	s->countdown = NEVER;
	s->purged = 0;
	slab_collect(s);
	find_hot(s);
	set_current(tc, cls, ptr_diff(s, root.slabs));
	return s;
}

static void *refill(struct thread_cache *tc, unsigned cls)
{
	struct heap *h = tc->heap;
	struct slab *s = slab_from(tc->current[cls]);

	if (tc->current[cls] == 0 || !find_hot(s)) {
		lock_take(&h->lock);
		s = change(tc, h, cls);
		lock_give(&h->lock);
	}
	if (s == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	return cache_take(s);
}

/* ---- what is asked of us after a thread's end ------------------------------------------------ */

struct lock late_lock;
struct thread_cache late_cache;

static void *late_malloc(unsigned cls)
{
	if (root.base == 0) {
		errno = ENOMEM;
		return NULL;
	}
	lock_take(&late_lock);
	late_cache.heap = &root.heaps[HEAP_LATE];
	void *p = refill(&late_cache, cls);
	lock_give(&late_lock);
	return p;
}

void *cache_refill(unsigned cls)
{
	return likely(heap_mine() != NULL) ? refill(&thread_cache, cls) : late_malloc(cls);
}
