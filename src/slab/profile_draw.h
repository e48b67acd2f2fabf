/* profile_draw.h - which allocations are samples of a heap profile. */
#ifndef SLAB_PROFILE_DRAW_H
#define SLAB_PROFILE_DRAW_H

#include "base/config.h"

extern __thread size_t
    profiler_left; /* bytes that this thread may still ask for without a sample; starts at 0 */

/* n bytes are asked for: is this allocation a sample?  A profile is taken. */
bool profiler_drawn(size_t n);
static inline bool profiler_due(size_t n)
{
	if (unlikely(n > profiler_left))
		return profiler_drawn(n);
	profiler_left -= n;
	return false;
}

/* Bytes that this thread has asked for so far. */
uint64_t profiler_position(void);

void profile_draw_close(void);
void profile_draw_after_fork(void);

#endif
