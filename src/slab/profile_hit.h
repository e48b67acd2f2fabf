/* profile_hit.h - what fast.h's malloc_hit() is while a profile is taken: the same, and bytes are
 * counted. */
#ifndef SLAB_PROFILE_HIT_H
#define SLAB_PROFILE_HIT_H

#include "slab/fast.h"
#include "slab/profile.h"

/* NULL: this is a sample, or the magazine holds no object of the class, or one that needs a closer
 * look; nothing is counted then.  Without a profile, profiler_left is 0, and this is NULL for all
 * n > 0. */
NO_SANITIZE static inline void *profiler_hit(size_t n)
{
	const uintptr_t own = own_offset(thread_cache);
	void *p = NULL;

	if (unlikely(n > profiler_left))
		return NULL;
	if (likely(n < root.alone_below))
		p = magazine_pop(own, small_place[(n + 15) / 16], true);
	else if (n <= MEDIUM_MAX)
		p = magazine_pop(own, class_of(n) * sizeof(struct magazine), nothing_marked());
	if (likely(p != NULL))
		profiler_left -= n;
	return p;
}

#endif
