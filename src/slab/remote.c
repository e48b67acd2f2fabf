/* remote.c - see remote.h for the protocol. */
#include "slab/remote.h"

#include "slab/purge.h"
#include "slab/thread_cache.h"

static void push(struct heap *h, struct slab *s)
{
	uint32_t head = atomic_load_explicit(&h->inbox, memory_order_relaxed);
	do {
		s->inbox_next = head;
	} while (!atomic_compare_exchange_weak_explicit(
	    &h->inbox, &head, granule_of(s), memory_order_release, memory_order_relaxed));
}

void remote_free(struct slab *s, unsigned index, const void *p)
{
	_Atomic uint64_t *const word = &remote_words(s)[index / 64];
	const uint64_t bit = 1ull << bit_of(index);

	if (unlikely((free_word(s, index / 64) & bit) != 0))
		slab_misuse("double free", p, slab_usable_size(s));
	const size_t size = slab_usable_size(s); /* once the bit is set, the slab may be another's */
	if (unlikely((atomic_fetch_or_explicit(word, bit, memory_order_acq_rel) & bit) != 0))
		slab_misuse("double free", p, size);
	if ((atomic_load_explicit(&s->owner, memory_order_acquire) & OWNER_REMOTE) != 0)
		return;
	const uintptr_t owner = atomic_fetch_or_explicit(&s->owner, OWNER_REMOTE, memory_order_acq_rel);
	if ((owner & OWNER_REMOTE) != 0 || owner == OWNER_NONE || owner == OWNER_ORPHAN)
		return;
	push(heap_of(s), s);
	purge_check();
}

/* Under orphans.lock and h's lock. */
static void take_over(struct heap *h, struct slab *s)
{
	if (s->state == SLAB_PARTIAL)
		heap_unlist_slab(orphans(), s);
	heap_disown_slab(orphans(), s);
	heap_own_slab(h, s);
	atomic_exchange_explicit(&s->owner, h->owner, memory_order_acq_rel);
	slab_collect(s);
}

void remote_adopt_one(struct heap *h, unsigned cls)
{
	if (orphans()->partial[cls] == 0)
		return;
	lock_take(&orphans()->lock);
	const uint32_t granule = orphans()->partial[cls];
	if (granule != 0) {
		struct slab *s = slab_at(granule);
		take_over(h, s);
		heap_list_slab(h, s);
		heap_settle_slab(h, s);
	}
	lock_give(&orphans()->lock);
}

bool slab_adopt(struct heap *h, struct slab *s)
{
	lock_take(&h->lock);
	lock_take(&orphans()->lock);
	const bool mine = s->heap == HEAP_ORPHANS;
	if (mine) {
		take_over(h, s);
		heap_settle_slab(h, s);
	}
	lock_give(&orphans()->lock);
	lock_give(&h->lock);
	return mine;
}
