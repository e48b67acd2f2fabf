/* fast.h - the whole hit path: a malloc is a bit cleared, a free a bit set, after every check.
 *
 * Nothing here reads or writes the object.  A pointer that is foreign, inside an object, or free
 * already fails one of the tests and goes to slab_free_slow, which decides and names the fault.
 */
#ifndef SLAB_FAST_H
#define SLAB_FAST_H

#include "slab/alloc.h"
#include "slab/thread_cache.h"

static inline void *slab_malloc(size_t n)
{
	if (unlikely(n > SMALL_MAX))
		return slab_malloc_slow(n);
	struct bin *b = &thread_cache.bin[small_class[(n + 15) / 16]];
	_Atomic uint64_t *const word = b->word;
	if (unlikely(word == NULL))
		return slab_malloc_slow(n);
	const uint64_t free = atomic_load_explicit(word, memory_order_relaxed);
	if (unlikely(free == 0))
		return slab_malloc_slow(n);
	atomic_store_explicit(word, free & (free - 1), memory_order_relaxed);
	return b->base + (size_t)(unsigned)__builtin_ctzll(free) * b->step;
}

static inline void slab_free(void *p)
{
	const size_t off = (uintptr_t)p - root.base;
	if (unlikely(off >= atomic_load_explicit(&root.len, memory_order_relaxed)))
		return slab_free_slow(p);
	struct slab *const s = slab_at((uint32_t)(off >> GRANULE_SHIFT));
	if (unlikely(owner_of(s) != thread_self()))
		return slab_free_slow(p);
	/* Granule's Barrett: the high half is the object's index, the low half 0 .. inverse - 1 iff
	 * the offset is a multiple of the size (size_class.h, Z3). */
	const uint64_t product = (off % GRANULE) * s->inverse;
	const unsigned index = (unsigned)(product >> 32);
	const uint64_t free = free_word(s, index / 64), bit = 1ull << bit_of(index);
	if (unlikely((uint32_t)product >= s->inverse || index >= s->count || (free & bit) != 0))
		return slab_free_slow(p);
	const uint32_t left = --s->countdown;
	free_word_set(s, index / 64, free | bit); /* the last that we do to the slab */
	if (unlikely(left == 0))
		slab_counted_down(s);
}

#endif
