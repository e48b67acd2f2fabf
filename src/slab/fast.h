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

/* The calling thread's magazine for n bytes, n < small_below. */
static inline struct magazine OWN_SEG *small_magazine_for(size_t n)
{
	const int32_t *at = small_at;

	/* The compiler does not learn the length: it does not know that n is small. */
	__asm__("" : "+r"(at));
	return magazine_at(own_varying(thread_cache), (size_t)at[n]);
}

/* Where the magazine for n bytes lies in a thread's cache; beyond MEDIUM_MAX one that is always
 * empty. */
static inline size_t medium_place_for(size_t n)
{
	return n <= MEDIUM_MAX ? medium_place[(n + 63) / 64] : PLACE_NONE;
}

static inline size_t place_for(size_t n)
{
	return likely(n <= SMALL_MAX) ? (size_t)small_at[n] - own_fixed(thread_cache)
	                              : medium_place_for(n);
}

/* Did other threads free into the slab of p? Perhaps they freed p itself, at the moment at which we
 * did. */
static inline bool others_freed_near(const void *p)
{
	return (atomic_load_explicit(&root.tags_by_address[(uintptr_t)p >> GRANULE_SHIFT],
	            memory_order_relaxed) & TAG_REMOTE) != 0;
}

/* No thread ever freed an object of another heap. */
static inline bool nothing_marked(void)
{
	return likely(root.marked == MARKED_NOT);
}

/* The object on top of a magazine leaves it and becomes live.  NULL: there is none, or it needs
 * a closer look.  Where the live bit lies is computed before the top moves: the other way round a
 * loop of malloc and free takes 5 % more time. */
NO_SANITIZE static inline void *magazine_pop(struct magazine OWN_SEG *k, bool alone)
{
	void *p = k->top[-1];
	as_result(p);
	if (unlikely(p == NULL) || (!alone && unlikely(others_freed_near(p))))
		return NULL;
	_Atomic uint64_t *const live = root.live;
	uintptr_t word = (uintptr_t)p >> WORD_SHIFT, unit = (uintptr_t)p >> UNIT_SHIFT;
	computed_here(word);
	computed_here(unit);
	own_move(k->top, -(long)sizeof p);
	uint64_t bits = atomic_load_explicit(&live[word], memory_order_relaxed);
	bit_add(&bits, unit);
	own_apart(word);
	atomic_store_explicit(&live[word], bits, memory_order_relaxed);
	return p;
}

/* NULL: the class's magazine is empty, or its object needs a closer look. */
NO_SANITIZE static inline void *malloc_hit(size_t n)
{
	if (likely(n < root.alone_below))
		return magazine_pop(small_magazine_for(n), true);
	if (likely(n < small_below)) /* alone_below is 0 */
		return magazine_pop(small_magazine_for(n), false);
	return magazine_pop(magazine_at(own_offset(thread_cache), medium_place_for(n)),
	    nothing_marked());
}

static inline void *slab_malloc(size_t n)
{
	void *const p = malloc_hit(n);
	return likely(p != NULL) ? p : slab_malloc_slow(n);
}

/* The index of the unit of payload that begins at p; too large a number if none does, also if p is
 * not aligned. */
static inline size_t unit_at(const void *p)
{
	const size_t off = (uintptr_t)p - root.base;
	return off >> UNIT_SHIFT | off << (64 - UNIT_SHIFT);
}

/* The place of the magazine for a slab that holds the unit; too large if the slab is another
 * thread's, or flagged. */
NO_SANITIZE static inline size_t own_place(size_t unit)
{
	return tag_at(unit >> (GRANULE_SHIFT - UNIT_SHIFT)) ^ own_tag();
}

static inline void *address_of_unit(size_t unit)
{
	return (void *)((unit << UNIT_SHIFT) + root.base);
}

/* True: freed. unit: where *address lies; place: of the magazine that it may belong to. The address
 * is written above the magazine's top before all checks are done, which frees its register; if the
 * object turns out not to be live, *address is computed anew. */
NO_SANITIZE static inline bool free_own_hit(void **address, size_t unit, size_t place)
{
	void *p = *address;
	const uintptr_t own = own_offset(thread_cache);
	void **const top = magazine_at(own, place)->top;
	own_apart(place);
	if (unlikely(top == magazine_at(own, place)->limit))
		return false;
	*top = p;
	atomic_signal_fence(memory_order_seq_cst);
	uintptr_t word = (uintptr_t)p >> WORD_SHIFT;
	own_apart(word);
	uint64_t live = atomic_load_explicit(&root.live[word], memory_order_relaxed);
	if (unlikely(!bit_drop(&live, unit))) {
		*address = address_of_unit(unit);
		return false;
	}
	atomic_store_explicit(&root.live[word], live, memory_order_relaxed);
	own_apart(place);
	/* the counter last: a child of fork() finds no gap below the top */
	own_move(magazine_at(own, place)->top, sizeof p);
	return true;
}

enum free_try {
	FREE_DONE,
	FREE_MISSED,
	/* the granule is not the calling thread's, or flagged; *place: own_place() */
	FREE_ELSEWHERE,
};

/* Free *address, of any class, by the fast path. */
static inline enum free_try free_try(void **address, size_t *place)
{
	const size_t unit = unit_at(*address);
	if (unlikely(unit >= root.units))
		return FREE_MISSED;
	*place = own_place(unit);
	if (unlikely(*place >= CLASS_MAX * sizeof(struct magazine)))
		return FREE_ELSEWHERE;
	return likely(free_own_hit(address, unit, *place)) ? FREE_DONE : FREE_MISSED;
}

/* True: freed. wanted: the place of the one magazine that *address may belong to, or ANY_PLACE;
 * *address as above. */
#define ANY_PLACE SIZE_MAX
static inline bool free_hit_at(void **address, size_t wanted)
{
	const size_t unit = unit_at(*address);
	size_t place;

	if (wanted == ANY_PLACE)
		return free_try(address, &place) == FREE_DONE;
	return likely(unit < root.units) && likely(own_place(unit) == wanted) &&
	       free_own_hit(address, unit, wanted);
}

static inline bool free_hit(void *p, size_t wanted)
{
	return free_hit_at(&p, wanted);
}

/* True: p stays in place, an object of the calling thread whose class is that of n bytes. */
NO_SANITIZE static inline bool realloc_hit(const void *p, size_t n)
{
	const size_t unit = unit_at(p), place = place_for(n);

	return likely(unit < root.units) && own_place(unit) == place && likely(n != 0) &&
	       (live_word(p) & bit_of(p)) != 0;
}

static inline void slab_free(void *p)
{
	size_t place;
	const enum free_try how = free_try(&p, &place);

	if (unlikely(how == FREE_ELSEWHERE))
		slab_free_elsewhere(p, place);
	else if (unlikely(how == FREE_MISSED))
		slab_free_slow(p);
}

static inline void slab_free_sized(void *p, size_t n)
{
	if (unlikely(!free_hit_at(&p, place_for(n))))
		slab_free_sized_slow(p, n);
}

#endif
