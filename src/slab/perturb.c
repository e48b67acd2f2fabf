/* perturb.c - mallopt(M_PERTURB): at run time, make every call miss the fast path. */
#include "slab/hardened.h"
#include "slab/init.h"
#include "slab/settings.h"
#include "slab/thread.h"
#include "slab/thread_cache.h"

/* heaps_lock is held. */
static bool alone(void)
{
	for (uint32_t i = HEAP_FIRST; i < root.heap_count; i++)
		if (heap_at(i)->owner != NULL && heap_at(i) != thread_cache.heap)
			return false;
	return true;
}

/* Empty the calling thread's magazines. A signal handler that allocates meanwhile finds a thread
 * that has ended, and the fallback heap serves it. */
static bool leave_hit_path(void)
{
	struct thread_cache *const tc = &thread_cache;
	struct slab_heap *const h = tc->heap;

	lock_take(&root.heaps_lock);
	const bool may = alone();
	lock_give(&root.heaps_lock);
	if (!may || tc->ended || hardening.readonly_conf)
		return false;
	if (h != NULL)
		thread_leave_heap(h);
	*tc = (struct thread_cache){THREAD_CACHE_NONE, .ended = true};
	hardening.on = hardening.detour = true;
	tc->ended = false;
	return true;
}

bool slab_perturb(unsigned char byte)
{
	if (!slab_start_up())
		return false;
	if (byte != 0 && !hardening.on && !leave_hit_path())
		return false;
	perturb_byte = byte;
	return true;
}
