/* fork.c - see fork.h. */
#include "slab/fork.h"

#include "slab/canary.h"
#include "slab/guard_large.h"
#include "slab/guarded.h"
#include "slab/hardened_cache.h"
#include "slab/huge_page.h"
#include "slab/mapped.h"
#include "slab/orphan.h"
#include "slab/profile.h"
#include "slab/purge.h"
#include "slab/remote.h"
#include "slab/settings.h"
#include "slab/thread_cache.h"
#include "slab/window.h"

void slab_before_fork(void)
{
	lock_fork_take(&start_lock);
	lock_fork_take(&fallback_lock);
	lock_fork_take(&root.heaps_lock);
	lock_fork_take(&purge_lock);
	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++)
		lock_fork_take(&heap_at(i)->lock);
	lock_fork_take(&inbox_lock);
	lock_fork_take(&waiting_lock);
	lock_fork_take(&root.page_lock);
	lock_fork_take(&advice_lock);
	lock_fork_take(&mapped_lock);
	guarded_before_fork();
	profiler_before_fork();
	lock_fork_take(&window_lock);
}

/* Closing a slab takes page_lock. The interrupted code may hold it, or advice_lock, for which a
 * holder of page_lock may wait. */
static void settle_inboxes(void)
{
	if (lock_held(&root.page_lock) || lock_held(&advice_lock))
		return;
	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++)
		remote_settle_for(heap_at(i));
}

void slab_after_fork_parent(void)
{
	lock_fork_give(&window_lock);
	profiler_after_fork_parent();
	guarded_after_fork_parent();
	lock_fork_give(&mapped_lock);
	lock_fork_give(&advice_lock);
	lock_fork_give(&root.page_lock);
	lock_fork_give(&waiting_lock);
	lock_fork_give(&inbox_lock);
	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++)
		lock_fork_give(&heap_at(i)->lock);
	lock_fork_give(&purge_lock);
	lock_fork_give(&root.heaps_lock);
	lock_fork_give(&fallback_lock);
	lock_fork_give(&start_lock);
	settle_inboxes();
}

void slab_after_fork_child(void)
{
	lock_fork_forget();
	lock_fork_child(&window_lock);
	lock_fork_child(&mapped_lock);
	lock_fork_child(&advice_lock);
	lock_fork_child(&root.page_lock);
	purge_after_fork();
	lock_fork_child(&waiting_lock);
	lock_fork_child(&inbox_lock);
	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++)
		lock_fork_child(&heap_at(i)->lock);
	lock_fork_child(&root.heaps_lock);
	lock_fork_child(&fallback_lock);
	lock_fork_child(&start_lock);
	guarded_after_fork_child();
	profiler_after_fork_child();
	slab_settings_after_fork();
	hardened_after_fork();
	orphan_others();
	canary_after_fork();
}
