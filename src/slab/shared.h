/* shared.h - heaps that belong to no thread, for larger objects, once threads free these for each
 * other.
 *
 *   thread 1  magazine[c] <--refill--  shared heap of class c  <--flush--  magazine[c]  thread 2
 *
 * What another thread frees in a slab of a thread waits for that thread (remote.h).  A thread that
 * waits for a processor leaves it unused, while others open new slabs: of larger objects, with few
 * to a slab, that is much memory.  So once threads have freed into SHARED_AFTER slabs of larger
 * objects for each other, no thread opens such slabs for itself any more: it uses up those that it
 * has, and otherwise takes from a shared heap and gives back there, a batch at a time.  A shared
 * object goes into the magazine of the thread that frees it.  A program whose threads free only
 * their own objects never comes there.
 *
 * A larger object has a word of live bits to itself.  So any thread may write the word: malloc by a
 * plain store, since the object came out of its magazine, free by one atomic instruction, which
 * tells whether the object was live.  All else of a shared heap changes under its lock.
 *
 * Marks and flags are rare there, and remote.h serves them as those of any heap without a thread:
 * a slab that the heap reclaims may have them, and a thread that does not know of the heap yet sets
 * them.
 *
 * In a child of fork() the shared heaps are orphans (orphan.h), since other threads may have
 * stopped between an object's live bit and their magazine. Objects of them that are in the magazine
 * of the thread that forked serve it, and then go the way of all frees of another's objects.
 *
 * The idea is that of tcmalloc's central lists (S. Ghemawat, P. Menage, 2005), for larger objects
 * alone.
 */
#ifndef SLAB_SHARED_H
#define SLAB_SHARED_H

#include "base/assert.h"
#include "slab/misuse.h"
#include "slab/slab.h"

enum {
	SHARED_AFTER = 256,
	SHARED_HEAPS = 4, /* a class has one of them */
};
static_assert((int)SMALL_MAX >= (int)WORD_BYTES, "a shared object has its own word of live bits");

/* Is it the number of a shared heap? */
static inline bool shared_is(unsigned heap)
{
	const uint32_t count = __atomic_load_n(&root.shared_count, __ATOMIC_ACQUIRE);
	return heap - root.shared_first < count;
}

/* The class is that of larger objects, and no thread opens slabs of it for itself. */
static inline bool shared_serves(unsigned cls)
{
	return cls >= SMALL_CLASSES && __atomic_load_n(&root.shared_count, __ATOMIC_ACQUIRE) != 0;
}

/* May a magazine of the class hold objects of heaps that are not its thread's? */
static inline bool shared_mixes(unsigned cls)
{
	return cls >= SMALL_CLASSES &&
	       __atomic_load_n(&root.shared_first, __ATOMIC_RELAXED) != 0;
}

/* The heap from which threads take objects of a class that shared heaps serve. */
static inline struct slab_heap *shared_heap(unsigned cls)
{
	CHECK(shared_serves(cls));
	return heap_at(root.shared_first + cls % root.shared_count);
}

/* p, of a granule that has this tag, which is that of a shared heap, is not live any more. False:
 * it was not. */
static inline bool shared_take_back(const void *p, uint32_t tag)
{
	_Atomic uint64_t *const live = live_word_at(p);
	const uint64_t bit = bit_of(p);

	CHECK(shared_is(tag_heap(tag)) && tag_class(tag) >= SMALL_CLASSES);
	if ((atomic_fetch_and_explicit(live, ~bit, memory_order_acq_rel) & bit) == 0)
		return false;
	/* another thread freed p first, and the slab was closed: the bit was of another slab */
	if (unlikely(((tag_around(p) ^ tag) & ~TAG_REMOTE) != 0))
		slab_misuse("double free", p, class_usable(tag_class(tag)));
	return true;
}

#endif
