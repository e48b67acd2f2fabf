/* quarantine.c - see quarantine.h. */
#include "slab/quarantine.h"

#include <string.h>

#include "base/assert.h"

/* ---- one ring -------------------------------------------------------------------------------- */

static size_t ring_bytes(size_t slots)
{
	return round_up(slots * sizeof(void *), root.os->page);
}

/* Room for `slots`, at least; false: no memory. */
static bool lengthen(struct hardened *h, struct class_ring *w, unsigned cls, size_t slots)
{
	if (w->ring == NULL) {
		w->ring = h->first[cls];
		w->slots = RING_FIRST;
	}
	if (slots <= w->slots)
		return true;
	const size_t len = ring_bytes(slots);
	void **const longer = root.os->map(root.os->ctx, len, root.os->page), **const old = w->ring;
	if (longer == NULL)
		return false;
	memcpy(longer, old, w->count * sizeof *longer);
	w->ring = longer;
	if (old != h->first[cls])
		root.os->unmap(root.os->ctx, old, ring_bytes(w->slots));
	w->slots = (uint32_t)(len / sizeof *longer);
	return true;
}

/* The objects of a class that may wait whatever their size. */
static uint32_t least(void)
{
	enum { LEAST = 4 };
	return (uint32_t)min_size(LEAST, quarantine_most());
}

void quarantine_set_limit(struct hardened *h, unsigned cls, size_t limit)
{
	struct class_ring *const w = &h->rings[cls];

	CHECK(w->at == 0 && w->count <= w->limit);
	limit = min_size(max_size(limit, least()), quarantine_most());
	if (!lengthen(h, w, cls, limit))
		limit = min_size(limit, w->slots);
	const size_t spread = limit < 4 ? 1 : (size_t)1 << log2_floor(limit / 2);
	w->spread = hardening.random_order ? (uint32_t)min_size(RING_SPREAD, spread) - 1 : 0;
	w->limit = (uint32_t)limit;
}

void quarantine_append(struct hardened *h, void *p, unsigned cls)
{
	struct class_ring *const w = &h->rings[cls];

	CHECK(w->count < w->limit && w->at == 0);
	if (w->ring == NULL)
		quarantine_set_limit(h, cls, least());
	/* first, so that in a child of a fork that cuts in, the sum is never too small */
	h->held += size_class[cls].size;
	w->ring[w->count] = p;
	atomic_signal_fence(memory_order_seq_cst);
	w->count++;
	w->frees++;
	h->frees++;
}

static void reverse(void **from, void **end)
{
	while (from < --end) {
		void *const p = *from;
		*from++ = *end;
		*end = p;
	}
}

/* Empty meanwhile: what a fork that cuts in finds in a ring is there once. */
void quarantine_release(struct hardened *h, unsigned cls, uint32_t leave, void **out)
{
	struct class_ring *const w = &h->rings[cls];
	const uint32_t n = w->count, at = w->at;

	CHECK(leave <= n && leave <= RELEASE_MOST);
	w->frees = class_frees(w);
	w->count = w->at = 0;
	w->limit = 1;
	atomic_signal_fence(memory_order_seq_cst);
	if (at != 0) {
		reverse(w->ring, w->ring + at);
		reverse(w->ring + at, w->ring + n);
		reverse(w->ring, w->ring + n);
	}
	memcpy(out, w->ring, leave * sizeof *out);
	memmove(w->ring, w->ring + leave, (n - leave) * sizeof *out);
	atomic_signal_fence(memory_order_seq_cst);
	w->limit = n;
	w->count = n - leave;
	h->held -= leave * size_class[cls].size;
	quarantine_set_limit(h, cls, w->count);
}

uint32_t quarantine_needs(const struct class_ring *w)
{
	const uint32_t lately = class_frees(w) - w->seen;
	return lately == 0 ? 0 : 2 * lately + least();
}

/* ---- all of them ----------------------------------------------------------------------------- */

void quarantine_begin(struct hardened *h)
{
	for (unsigned cls = 0; cls < CLASS_MAX; cls++)
		h->rings[cls].limit = 1;
}

void quarantine_end(struct hardened *h)
{
	for (unsigned cls = 0; cls < CLASS_MAX; cls++) {
		struct class_ring *const w = &h->rings[cls];
		if (w->ring != NULL && w->ring != h->first[cls])
			root.os->unmap(root.os->ctx, w->ring, ring_bytes(w->slots));
	}
}

unsigned quarantine_largest(const struct hardened *h)
{
	unsigned largest = 0;
	size_t bytes = 0;

	for (unsigned cls = 0; cls < class_count; cls++) {
		const size_t its = (size_t)h->rings[cls].count * size_class[cls].size;
		if (its > bytes && h->rings[cls].count > least()) {
			bytes = its;
			largest = cls;
		}
	}
	return largest;
}

void *quarantine_take_spilled(struct hardened *h, unsigned *cls)
{
	if (h->spilled == 0)
		return NULL;
	const uintptr_t p = h->spill[--h->spilled];
	*cls = (unsigned)(p >> SPILLED_CLASS);
	return (void *)(p & ((1ul << SPILLED_CLASS) - 1));
}

/* The order does not matter, nor what order the rest is in. */
void *quarantine_take_any(struct hardened *h, unsigned *cls)
{
	for (unsigned c = 0; c < class_count; c++) {
		struct class_ring *const w = &h->rings[c];
		if (w->count == 0)
			continue;
		CHECK(w->count <= w->limit && w->count <= w->slots);
		h->held -= size_class[c].size;
		w->at = 0;
		*cls = c;
		return w->ring[--w->count];
	}
	return quarantine_take_spilled(h, cls);
}

/* ---- from other threads ---------------------------------------------------------------------- */

/* False: there is no room. */
static bool collect(struct hardened *h, void *p, unsigned cls)
{
	struct class_ring *const w = &h->rings[cls];

	if (w->count < w->limit) {
		quarantine_append(h, p, cls);
		return true;
	}
	if (h->spilled == SPILLED_MOST)
		return false;
	const uintptr_t leaving = (uintptr_t)quarantine_swap(h, w, p);
	if (w->at == 0)
		quarantine_turned(h, w);
	h->spill[h->spilled] = leaving | (uintptr_t)cls << SPILLED_CLASS;
	atomic_signal_fence(memory_order_seq_cst);
	h->spilled++;
	return true;
}

uint64_t quarantine_collect(const struct slab *s, char *at, uint64_t freed)
{
	const struct slab_heap *const heap = heap_of(s);
	struct hardened *const h = (struct hardened *)heap->owner;
	uint64_t left = 0;

	CHECK(lock_held(&heap->lock));
	if (h == NULL || heap_number(heap) == HEAP_FALLBACK)
		return freed;
	char *const base = (char *)round_down((uintptr_t)at, WORD_BYTES);
	for (uint64_t x = freed; x != 0; x &= x - 1)
		if (!collect(h, base + ((size_t)__builtin_ctzll(x) << UNIT_SHIFT), s->cls))
			left |= x & -x;
	return left;
}
