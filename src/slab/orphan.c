/* orphan.c - see orphan.h. */
#include "slab/orphan.h"

#include "base/assert.h"
#include "slab/canary.h"
#include "slab/remote.h"
#include "slab/thread_cache.h"

static _Atomic uint32_t turn; /* heaps that one call of orphan_next() looks at */

void orphan_others(void)
{
	for (uint32_t i = HEAP_FIRST; i < root.heap_count; i++) {
		struct slab_heap *const h = heap_at(i);
		if (h->taker == 0 || h->taker == lock_self())
			continue;
		h->taker = 0;
		h->owner = NULL;
		h->thread = 0;
		atomic_store_explicit(&h->orphan, true, memory_order_relaxed);
		root.orphans++;
	}
	__atomic_store_n(&root.single_most, 0, __ATOMIC_SEQ_CST);
	/* In a child of such a child, a rebuild may have been interrupted, and goes on. */
	if (__atomic_load_n(&root.marked, __ATOMIC_ACQUIRE) != MARKED)
		return;
	__atomic_store_n(&root.marked, MARKED_FORKED, __ATOMIC_SEQ_CST);
	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++)
		remote_forget_waiting(heap_at(i));
}

/* An object that no malloc may have given out becomes live.  Without zero_on_free its end holds
 * what was last written there, which the free of the object behind it would take for damage. */
static void come_alive(char *p, const struct slab *s)
{
	if (hardening.canary && s->cls != CLASS_ZERO && !canary_plausible(p, s->size))
		memset(p + s->size - CANARY_WORD, 0, CANARY_WORD);
	live_set(p);
}

void orphan_settle_slab(struct slab *s)
{
	char *p = slab_start(s);

	CHECK(lock_held(&heap_of(s)->lock) && heap_of(s)->orphan && kind_of(s) == GRANULE_SLAB);
	for (unsigned i = 0; i < s->count; i++, p += s->size)
		if (((avail_bits(p) | live_word(p)) & bit_of(p)) == 0)
			come_alive(p, s);
}

/* heap: the orphan whose lock is held. */
static bool settle_locked(const struct slab_heap *h, const void *p)
{
	const size_t granule = ((uintptr_t)p - root.base) >> GRANULE_SHIFT;
	const struct slab *const s = slab_covering(granule);

	if (!h->orphan || kind_of(s) != GRANULE_SLAB || heap_of(s) != h)
		return false;
	const size_t within = (uintptr_t)p - (uintptr_t)slab_start(s);
	if (within % s->size != 0 || within / s->size >= s->count ||
	    ((avail_bits(p) | atomic_load(mark_word(p))) & bit_of(p)) != 0)
		return false;
	live_set(p);
	return true;
}

bool orphan_settle_object(const void *p)
{
	const size_t off = (uintptr_t)p - root.base;

	if (root.orphans == 0 ||
	    off >> UNIT_SHIFT >= __atomic_load_n(&root.units, __ATOMIC_ACQUIRE))
		return false;
	const unsigned heap = tag_heap(tag_at(off >> GRANULE_SHIFT));
	if (heap < HEAP_FIRST || !heap_at(heap)->orphan)
		return false;
	struct slab_heap *const h = heap_at(heap);
	lock_take(&h->lock);
	const bool live = settle_locked(h, p);
	lock_give(&h->lock);
	return live;
}

enum { LOOKS = 16 };

struct slab_heap *orphan_next(void)
{
	const uint32_t heaps = root.heap_count - HEAP_FIRST;

	for (unsigned look = 0; look < LOOKS && root.orphans != 0; look++) {
		const uint32_t number = HEAP_FIRST + atomic_fetch_add(&turn, 1) % heaps;
		if (heap_at(number)->orphan)
			return heap_at(number);
	}
	return NULL;
}

static void settle_heap(struct slab_heap *h)
{
	lock_take(&h->lock);
	for (uint32_t g = 1; g < root.chunk_count * CHUNK_GRANULES; g++) {
		struct slab *const s = slab_at(g);
		if (kind_of(s) == GRANULE_SLAB && heap_of(s) == h)
			orphan_settle_slab(s);
	}
	atomic_store_explicit(&h->orphan, false, memory_order_relaxed);
	lock_give(&h->lock);
}

struct slab_heap *orphan_adopt(void)
{
	CHECK(lock_held(&root.heaps_lock));
	for (uint32_t i = HEAP_FIRST; root.orphans != 0 && i < root.heap_count; i++) {
		struct slab_heap *const h = heap_at(i);
		if (!h->orphan)
			continue;
		settle_heap(h);
		root.orphans--;
		return h;
	}
	return NULL;
}
