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

void remote_settle_for(struct heap *h)
{
	/* Again: somebody may have pushed after our look, and found the lock taken. */
	while (atomic_load(&h->inbox) != 0 && h->owner == NULL && lock_try(&h->lock)) {
		if (h->owner == NULL)
			heap_drain_inbox(h);
		lock_give(&h->lock);
	}
}

/* Put the flag up; true: it was down, and the granule is of a slab, of *heap. */
static bool flag(size_t granule, unsigned *heap)
{
	if ((atomic_load(&root.tags[granule]) & TAG_REMOTE) != 0)
		return false;
	const uint32_t old = atomic_fetch_or(&root.tags[granule], TAG_REMOTE);
	*heap = tag_heap(old);
	return (old & TAG_REMOTE) == 0 && *heap != 0;
}

void remote_free(const void *p, uint32_t tag)
{
	const unsigned cls = tag_class(tag);
	const size_t granule = ((uintptr_t)p - root.base) >> GRANULE_SHIFT;
	/* Found before the bit is set: from then on the slab may be another's. */
	const size_t head = size_class[cls].granules == 1 ? granule : granule_of(slab_covering(granule));
	unsigned heap, rest;

	if (unlikely(atomic_load_explicit(&root.shared, memory_order_acquire) != SHARED_ALL))
		heap_share();
	if (granule != head)
		flag(granule, &rest);
	if (unlikely((atomic_fetch_or(avail_word(p), bit_of(p)) & bit_of(p)) != 0))
		slab_misuse("double free", p, class_usable(cls));
	if (!flag(head, &heap))
		return;
	/* What begins there now stays until we have pushed it. */
	if (granule != head && slab_covering(granule) == slab_at(head))
		flag(granule, &rest);
	push(&root.heaps[heap], slab_at(head));
	remote_settle_for(&root.heaps[heap]);
	purge_check();
}
