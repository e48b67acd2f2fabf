/* fast.h - the whole fast path: malloc pops an object and marks it live, free checks the mark,
 * takes it off and pushes.
 *
 * Nothing here reads or writes the object.  One bit, which only the slab's owner writes,
 * tells that a live object begins at an address: a pointer that is foreign, misaligned,
 * inside an object or free already fails one of the tests and goes to slab_free_slow, which
 * decides and names the fault.
 */
#ifndef SLAB_FAST_H
#define SLAB_FAST_H

#include "slab/alloc.h"
#include "slab/thread_cache.h"

/* Where the magazine for n bytes lies in a thread's cache; beyond MEDIUM_MAX one that is always
 * empty.  own: own_offset(thread_cache). */
NO_SANITIZE static inline size_t small_place_for(uintptr_t own, size_t n)
{
	/* A pointer, not an array: the compiler does not know that n is small where
	 * root.alone_below says so. */
	const uint16_t OWN_SEG *const place =
	    (const uint16_t OWN_SEG *)(own + offsetof(struct thread_cache, place));
	return place[(n + 15) / 16];
}

static inline size_t medium_place_for(size_t n)
{
	return n <= MEDIUM_MAX ? medium_place[(n + 63) / 64] : PLACE_NONE;
}

NO_SANITIZE static inline size_t place_for(uintptr_t own, size_t n)
{
	return likely(n <= SMALL_MAX) ? small_place_for(own, n) : medium_place_for(n);
}

/* Have others freed into the slab of p?  Perhaps p itself, at the moment at which we freed it. */
static inline bool others_freed_near(const void *p)
{
	return (atomic_load_explicit(&root.tags_by_address[(uintptr_t)p >> GRANULE_SHIFT],
	            memory_order_relaxed) & TAG_REMOTE) != 0;
}

/* No thread ever freed what is another heap's. */
static inline bool nothing_marked(void)
{
	return likely(root.marked == MARKED_NOT);
}

/* The object on top of a magazine leaves it and becomes live.  NULL: there is none, or it needs
 * a closer look. */
NO_SANITIZE static inline void *magazine_pop(uintptr_t own, size_t place, bool alone)
{
	void *p = magazine_at(own, place)->top[-1];
	as_result(p);
	if (unlikely(p == NULL) || (!alone && unlikely(others_freed_near(p))))
		return NULL;
	own_apart(place);
	own_move(magazine_at(own, place)->top, -(long)sizeof p);
	live_set(p);
	return p;
}

/* NULL: no object of the class is in the magazine, or it needs a closer look. */
NO_SANITIZE static inline void *malloc_hit(size_t n)
{
	const uintptr_t own = own_offset(thread_cache);

	if (likely(n < root.alone_below))
		return magazine_pop(own, small_place_for(own, n), true);
	if (likely(n <= SMALL_MAX)) /* alone_below is 0 */
		return magazine_pop(own, small_place_for(own, n), false);
	return magazine_pop(own, medium_place_for(n), nothing_marked());
}

static inline void *slab_malloc(size_t n)
{
	void *const p = malloc_hit(n);
	return likely(p != NULL) ? p : slab_malloc_slow(n);
}

/* The unit of payload that begins at p.  Where none does, also where p is not aligned, a
 * number too large. */
static inline size_t unit_at(const void *p)
{
	const size_t off = (uintptr_t)p - root.base;
	return off >> UNIT_SHIFT | off << (64 - UNIT_SHIFT);
}

/* Of the magazine for a slab that holds the unit; too large when the slab is another
 * thread's, or flagged. */
NO_SANITIZE static inline size_t own_place(size_t unit)
{
	return tag_at(unit >> (GRANULE_SHIFT - UNIT_SHIFT)) ^ own_tag();
}

/* True: freed.  wanted: the place of the one magazine that p may belong to, or ANY_PLACE. */
#define ANY_PLACE SIZE_MAX
NO_SANITIZE static inline bool free_hit(void *p, size_t wanted)
{
	const size_t unit = unit_at(p);
	if (unlikely(unit >= root.units))
		return false;
	size_t place = own_place(unit);
	if (unlikely(wanted == ANY_PLACE ? place >= CLASS_MAX * sizeof(struct magazine)
	                                 : place != wanted))
		return false;

	const uintptr_t own = own_offset(thread_cache);
	void **const top = magazine_at(own, place)->top;
	uint64_t live = live_word(p);
	own_apart(place);
	if (unlikely(top == magazine_at(own, place)->limit || !bit_drop(&live, unit)))
		return false;
	live_word_set(p, live);
	*top = p;
	own_apart(place);
	/* last: a child of fork() finds no gap below its top */
	own_move(magazine_at(own, place)->top, sizeof p);
	return true;
}

/* True: p stays where it is, an object of the calling thread's whose class is that of n bytes. */
NO_SANITIZE static inline bool realloc_hit(const void *p, size_t n)
{
	const size_t unit = unit_at(p), place = place_for(own_offset(thread_cache), n);

	return likely(unit < root.units) && own_place(unit) == place && likely(n != 0) &&
	       (live_word(p) & bit_of(p)) != 0;
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
