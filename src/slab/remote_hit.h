/* remote_hit.h - what fast.h's free_own_hit() is for an object of another thread's slab. */
#ifndef SLAB_REMOTE_HIT_H
#define SLAB_REMOTE_HIT_H

#include "slab/alloc.h"
#include "slab/profile.h"
#include "slab/remote.h"
#include "slab/settings.h"

/* Free p if it is an object of another thread's slab of one granule; false: it is something else,
 * or an additional duty waits, or no thread has marked yet.  p is aligned, and its unit_at() below
 * root.units: the bits say no more than at which unit an object begins.  place: own_place() of the
 * granule of p.  It is inlined into a function that returns to the caller of free().
 *
 * A granule without a slab has the place 0 in its tag, and so has a slab of malloc(0): the
 * comparison with single_most excludes both. */
static inline __attribute__((always_inline)) bool remote_hit(const void *p, size_t place)
{
	const _Atomic uint32_t *const at = &root.tags_by_address[(uintptr_t)p >> GRANULE_SHIFT];
	const uint32_t tag = atomic_load_explicit(at, memory_order_relaxed),
		       class_place = tag & ((1u << TAG_HEAP_SHIFT) - 1),
		       most = __atomic_load_n(&root.single_most, __ATOMIC_ACQUIRE);

	if (unlikely(class_place - 1 >= most) || unlikely(tag_heap((uint32_t)place) == 0) ||
	    unlikely(hardening.detour && (hardening.on || profiler_has(tag))) ||
	    unlikely(!remote_is_live(p)))
		return false;
	if (unlikely(remote_mark(p)))
		remote_marked_twice(p, tag);
	else if (unlikely((atomic_load(at) & TAG_REMOTE) == 0))
		slab_free_first(p, tag, __builtin_return_address(0));
	else if (unlikely(!remote_is_live(p)))
		remote_judge(p, tag);
	return true;
}

#endif
