/* profile_hit.h - what fast.h's malloc_hit() is for more than SMALL_MAX bytes while a profile is
 * taken: the same, and bytes are counted. */
#ifndef SLAB_PROFILE_HIT_H
#define SLAB_PROFILE_HIT_H

#include "slab/fast.h"
#include "slab/profile_draw.h"

/* NULL: this is a sample, or the magazine holds no object of the class, or one that needs a closer
 * look; nothing is counted then.  Without a profile, profiler_left is 0, and this is NULL for all
 * n. */
NO_SANITIZE static inline void *profiler_hit(size_t n)
{
	if (n <= SMALL_MAX || n > MEDIUM_MAX || (int64_t)n > profiler_left)
		return NULL;
	void *const p = magazine_pop(magazine_at(own_offset(thread_cache),
	    class_of(n) * sizeof(struct magazine)), nothing_marked());
	if (likely(p != NULL))
		profiler_left -= (int64_t)n;
	return p;
}

#endif
