/* init.c - slab begins at the first slow path of all. */
#include <errno.h>

#include "slab/fork.h"
#include "slab/init.h"
#include "slab/page_heap.h"
#include "slab/profile.h"
#include "slab/purge.h"
#include "slab/thread.h"
#include "slab/thread_cache.h"

static _Atomic bool handlers_registered;
const struct dmm_os *slab_start_os = &os_linux;

static bool start_locked(void)
{
	const int saved = errno;

	if (__atomic_load_n(&root.units, __ATOMIC_ACQUIRE) != 0)
		return true;
	slab_settings_read();
	size_class_init(sampling.mean != 0);
	if (sampling.mean != 0)
		size_class_point(own_fixed(thread_cache) + offsetof(struct thread_cache, given),
		    sizeof thread_cache.given[0]);
	else
		size_class_point(own_fixed(thread_cache), sizeof(struct magazine));
	root.version = ROOT_VERSION;
	root.slab_bytes = sizeof(struct slab);
	root.chunk_bytes = sizeof(struct slab_chunk);
	root.heap_bytes = sizeof(struct slab_heap);
	root.granule = GRANULE;
	root.chunk_granules = CHUNK_GRANULES;
	root.heap_head = HEAP_HEAD;
	root.classes = class_count;
	root.class_table = size_class;
	__atomic_store_n(&root.alone_below, SMALL_MAX + 1, __ATOMIC_RELEASE);
	bool ok = page_heap_open(slab_start_os == &os_linux ? os_here() : slab_start_os) == 0;
	if (ok && (!thread_start_up() || !profiler_start_up())) {
		page_heap_close();
		ok = false;
	}
	if (ok)
		slab_settings_settle();
	errno = saved;
	return ok;
}

bool slab_start_up(void)
{
	if (likely(__atomic_load_n(&root.units, __ATOMIC_ACQUIRE) != 0))
		return true;
	/* First, and without a lock: it may allocate, and another thread may fork before it
	 * returns. */
	if (slab_register_fork_handlers != NULL && !atomic_exchange(&handlers_registered, true))
		slab_register_fork_handlers();
	lock_take(&start_lock);
	const bool ok = start_locked();
	lock_give(&start_lock);
	return ok;
}

bool slab_start_on(const struct dmm_os *os)
{
	if (__atomic_load_n(&root.units, __ATOMIC_ACQUIRE) != 0)
		return false;
	slab_start_os = os;
	purge_by(os_is_real(os) ? PURGE_BY_PROCESS : PURGE_BY_CLOCK);
	const bool ok = slab_start_up();
	if (!ok)
		slab_start_os = &os_linux;
	return ok;
}
