/* profile_hit.h - what fast.h's malloc_hit() is while a profile is taken: the same, and bytes are
 * counted. */
#ifndef SLAB_PROFILE_HIT_H
#define SLAB_PROFILE_HIT_H

#include "slab/fast.h"
#include "slab/profile.h"

/* The place that a thread's table names where no profile is taken. */
static inline size_t true_place_for(size_t n)
{
	if (likely(n <= SMALL_MAX))
		return small_place[(n + 15) / 16];
	return n <= MEDIUM_MAX ? medium_class[(n + 63) / 64] * sizeof(struct stack) : PLACE_NONE;
}

/* NULL: this is a sample, or the stack holds no object of the class, or one that needs a closer
 * look; nothing is counted then.  Without a profile, profiler_left is 0, and this is NULL for all n
 * > 0. */
NO_SANITIZE static inline void *profiler_hit(size_t n)
{
	if (unlikely(n > profiler_left))
		return NULL;
	void *const p =
	    stack_pop_hit(own_offset(thread_cache), true_place_for(n), nothing_marked());
	if (likely(p != NULL))
		profiler_left -= n;
	return p;
}

#endif
