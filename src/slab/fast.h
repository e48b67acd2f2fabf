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
	struct slab *const s = slab_from(thread_cache.direct[(n + 15) / 16]);
	const size_t word = s->hot;
	const uint64_t free = free_word(s, word);
	if (unlikely(free == 0))
		return slab_malloc_slow(n);
	free_word_set(s, word, free & (free - 1));
	return s->start + (word * 64 + (size_t)__builtin_ctzll(free)) * s->size;
}

static inline void slab_free(void *p)
{
	const size_t off = (uintptr_t)p - root.base;
	if (unlikely(off >= atomic_load_explicit(&root.len, memory_order_relaxed)))
		return slab_free_slow(p);
	struct slab *const s = slab_at(off >> GRANULE_SHIFT);
	if (unlikely(owner_of(s) != thread_self()))
		return slab_free_slow(p);
	/* The high half of the product is the object's index; the low half is below inverse iff the
	 * offset is a multiple of the size (size_class.h, Z3). */
	const uint64_t product = (off % GRANULE) * s->inverse;
	const size_t index = product >> 32, word = index / 64;
	uint64_t free = free_word(s, word);
	if (unlikely((uint32_t)product >= s->inverse || index >= s->count || bit_set(&free, index)))
		return slab_free_slow(p);
	s->hot = (uint8_t)word;
	if (unlikely(--s->countdown == 0))
		return slab_free_last(s, index);
	free_word_set(s, word, free); /* the last that we do to the slab */
}

#endif
