/* quarantine.c - see quarantine.h. */
#include "slab/quarantine.h"

#include "base/assert.h"

void *quarantine_take_oldest(struct hardened *h, unsigned *cls)
{
	const uintptr_t oldest = h->ring[h->first];

	CHECK(h->count > 0);
	*cls = (unsigned)(oldest >> RING_CLASS);
	h->first = (h->first + 1) & h->mask;
	h->count--;
	h->held -= size_class[*cls].size;
	return (void *)(oldest & ((1ul << RING_CLASS) - 1));
}

uint64_t quarantine_collect(const struct slab *s, char *at, uint64_t freed)
{
	const struct slab_heap *const heap = heap_of(s);
	struct hardened *const h = (struct hardened *)heap->owner;

	CHECK(lock_held(&heap->lock));
	if (h == NULL || heap_number(heap) == HEAP_FALLBACK || h->mask - h->count < 64)
		return freed;
	char *const base = (char *)round_down((uintptr_t)at, WORD_BYTES);
	for (uint64_t x = freed; x != 0; x &= x - 1)
		quarantine_add(h, base + ((size_t)__builtin_ctzll(x) << UNIT_SHIFT), s->cls);
	return 0;
}
