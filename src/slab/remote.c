/* remote.c - see remote.h for the protocol. */
#include "slab/remote.h"

#include "slab/purge.h"
#include "slab/settings.h"
#include "slab/thread_cache.h"

struct lock inbox_lock;

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

/* A flag is up at the granule.  Of a slab's further granules none may be flagged without its first. */
static void push_again(uint32_t granule)
{
	struct slab *const s = slab_covering(granule);
	const uint32_t first = granule_of(s);

	if (kind_of(s) != GRANULE_SLAB) {
		atomic_fetch_and(&root.tags[granule], ~TAG_REMOTE);
		return;
	}
	if (granule == first || (atomic_fetch_or(&root.tags[first], TAG_REMOTE) & TAG_REMOTE) == 0)
		push(heap_of(s), s);
}

void remote_rebuild(void)
{
	lock_take(&inbox_lock);
	if (atomic_load(&root.shared) == SHARED_FORKED) {
		for (uint32_t i = HEAP_LATE; i < root.heap_count; i++)
			atomic_store(&heap_at(i)->inbox, 0);
		for (uint32_t g = 1; g < root.chunk_count * CHUNK_GRANULES; g++)
			if ((tag_at(g) & TAG_REMOTE) != 0)
				push_again(g);
		atomic_store(&root.shared, SHARED_ALL);
	}
	lock_give(&inbox_lock);
}

void remote_release_emptied(struct heap *h)
{
	if (unlikely(atomic_load_explicit(&root.shared, memory_order_acquire) == SHARED_FORKED))
		remote_rebuild();
	if (atomic_load_explicit(&h->inbox, memory_order_relaxed) == 0)
		return;
	if (hardening.quarantine != 0 && h->owner != NULL)
		return; /* what others freed goes into the quarantine, which is the owner's */
	uint32_t granule = atomic_exchange(&h->inbox, 0), keep = 0;
	while (granule != 0) {
		struct slab *s = slab_at(granule);
		granule = s->inbox_next;
		/* The owner may be changing live bits this moment, unless no object is left that it has. */
		if (slab_all_avail(s)) {
			heap_look_at(h, s);
		} else {
			s->inbox_next = keep;
			keep = granule_of(s);
		}
	}
	while (keep != 0) {
		struct slab *s = slab_at(keep);
		keep = s->inbox_next;
		push(h, s);
	}
}

/* An owner that sleeps, or waits for us, leaves what we freed to nobody: so look through its inbox for slabs
 * without a live object now and then. */
static void release_for(struct heap *h)
{
	enum { PUSHES = 64 };

	if (atomic_fetch_add_explicit(&h->pushes, 1, memory_order_relaxed) % PUSHES != PUSHES - 1 ||
	    !lock_try(&h->lock))
		return;
	remote_release_emptied(h);
	lock_give(&h->lock);
	remote_settle_for(h);
}

static inline bool flagged(size_t granule)
{
	return (atomic_load(&root.tags[granule]) & TAG_REMOTE) != 0;
}

/* Put the flag up; true: it was down, and the granule is of a slab, of *heap. */
static bool flag(size_t granule, unsigned *heap)
{
	if (flagged(granule))
		return false;
	const uint32_t old = atomic_fetch_or(&root.tags[granule], TAG_REMOTE);
	*heap = tag_heap(old);
	return (old & TAG_REMOTE) == 0 && *heap != 0;
}

/* The first to free into the slab since its owner looked: tell the owner.  granule: where p lies. */
static __attribute__((noinline)) void notify_owner(size_t head, size_t granule)
{
	unsigned heap, rest;

	if (!flag(head, &heap))
		return;
	/* What begins there now stays until we have pushed it. */
	if (granule != head && slab_covering(granule) == slab_at(head))
		flag(granule, &rest);
	push(heap_at(heap), slab_at(head));
	remote_settle_for(heap_at(heap));
	release_for(heap_at(heap));
}

void remote_free(const void *p, uint32_t tag)
{
	const size_t granule = ((uintptr_t)p - root.base) >> GRANULE_SHIFT;
	size_t head = granule;
	unsigned rest;

	if (unlikely(atomic_load_explicit(&root.shared, memory_order_acquire) != SHARED_ALL))
		heap_share();
	if (size_class[tag_class(tag)].granules > 1) {
		/* Found before the bit is set: from then on the slab may be another's. */
		head = granule_of(slab_covering(granule));
		if (granule != head)
			flag(granule, &rest);
	}
	if (unlikely((atomic_fetch_or(avail_word(p), bit_of(p)) & bit_of(p)) != 0))
		slab_misuse("double free", p, class_usable(tag_class(tag)));
	if (!flagged(head))
		notify_owner(head, granule);
}
