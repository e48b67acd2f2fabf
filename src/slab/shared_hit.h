/* shared_hit.h - free for objects of shared heaps. */
#ifndef SLAB_SHARED_HIT_H
#define SLAB_SHARED_HIT_H

#include "slab/shared.h"
#include "slab/thread_cache.h"

/* Free p if it is an object of a shared heap; false: it is something else, or the magazine is
 * full, or p is not live. */
static inline bool shared_hit(void *p)
{
	const uint32_t tag = tag_around(p);
	struct magazine *const k = &thread_cache.magazine[tag_class(tag)];

	if (!shared_is(tag_heap(tag)) || k->top == k->limit || !shared_take_back(p, tag))
		return false;
	*k->top = p;
	/* as in fast.h: a child of fork() finds no gap */
	atomic_signal_fence(memory_order_release);
	k->top++;
	return true;
}

/* The same for a p of a shared heap, whose granule has this tag, whatever magazine there is; false:
 * p is not live. */
static inline bool shared_free(void *p, uint32_t tag)
{
	if (!shared_take_back(p, tag))
		return false;
	if (likely(thread_cache.heap != NULL))
		cache_push(&thread_cache, p, tag_class(tag));
	else
		cache_give_shared(&p, 1, tag_class(tag));
	return true;
}

#endif
