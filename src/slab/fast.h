/* fast.h - the whole fast path: malloc pops an object and marks it live, free checks the mark, takes
 * it off and pushes.
 *
 * Nothing here reads or writes the object.  One bit, which only the slab's owner writes, tells that a
 * live object begins at an address: a pointer that is foreign, misaligned, inside an object or free
 * already fails one of the tests and goes to slab_free_slow, which decides and names the fault.
 */
#ifndef SLAB_FAST_H
#define SLAB_FAST_H

#include "slab/alloc.h"
#include "slab/thread_cache.h"

/* Where the stack for n bytes lies in a thread's cache; beyond MEDIUM_MAX one that is always empty.
 * own: own_offset(thread_cache). */
NO_SANITIZE static inline size_t place_for(uintptr_t own, size_t n)
{
	if (likely(n <= SMALL_MAX))
		return ((struct thread_cache OWN_SEG *)own)->place[(n + 15) / 16];
	return n <= MEDIUM_MAX ? medium_place[(n + 63) / 64] : PLACE_NONE;
}

static inline uint32_t tag_near(const void *p)
{
	return atomic_load_explicit(&root.tags_by_address[(uintptr_t)p >> GRANULE_SHIFT], memory_order_relaxed);
}

/* NULL: no object of the class is in the stack, or it needs a closer look. */
NO_SANITIZE static inline void *malloc_hit(size_t n)
{
	const uintptr_t own = own_offset(thread_cache);
	struct stack OWN_SEG *const k = stack_at(own, place_for(own, n));
	void **const top = k->top;
	void *const p = top[-1];
	/* Others have freed into its slab: perhaps the same object, at the moment at which we freed it. */
	if (unlikely(p == NULL) || (unlikely(root.marked != MARKED_NOT) && unlikely((int32_t)tag_near(p) < 0)))
		return NULL;
	k->top = top - 1;
	live_set(p);
	return p;
}

static inline void *slab_malloc(size_t n)
{
	void *const p = malloc_hit(n);
	return likely(p != NULL) ? p : slab_malloc_slow(n);
}

/* True: freed.  place: of the one stack that p may belong to, or ANY_PLACE. */
#define ANY_PLACE SIZE_MAX
NO_SANITIZE static inline bool free_hit(void *p, size_t wanted)
{
	/* A pointer that is not 16-byte aligned turns into a huge number. */
	const size_t off = (uintptr_t)p - root.base, unit = off >> UNIT_SHIFT | off << (64 - UNIT_SHIFT);
	if (unlikely(unit >= root.units))
		return false;
	const size_t place = tag_at(unit >> (GRANULE_SHIFT - UNIT_SHIFT)) ^ own_tag();
	if (unlikely(wanted == ANY_PLACE ? place >= CLASS_MAX * sizeof(struct stack) : place != wanted))
		return false;

	struct stack OWN_SEG *const k = stack_at(own_offset(thread_cache), place);
	void **const top = k->top;
	uint64_t live = live_word(p);
	if (unlikely(top == k->limit || !bit_drop(&live, unit)))
		return false;
	live_word_set(p, live);
	*top = p;
	atomic_signal_fence(memory_order_release); /* a child of fork() finds no gap below its top */
	k->top = top + 1;
	return true;
}

static inline void slab_free(void *p)
{
	if (unlikely(!free_hit(p, ANY_PLACE)))
		slab_free_slow(p);
}

static inline void slab_free_sized(void *p, size_t n)
{
	if (unlikely(!free_hit(p, place_for(own_offset(thread_cache), n))))
		slab_free_sized_slow(p, n);
}

#endif
