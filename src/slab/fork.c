/* fork.c - see fork.h. */
#include "slab/fork.h"

#include "slab/purge.h"
#include "slab/settings.h"
#include "slab/thread_cache.h"

void slab_before_fork(void)
{
	slab_start_up(); /* so that nobody else is just about to */
	lock_take(&late_lock);
	lock_take(&root.heaps_lock);
	for (uint32_t i = HEAP_LATE; i < root.heap_count; i++)
		lock_take(&root.heaps[i].lock);
	lock_take(&root.page_lock);
}

void slab_after_fork_parent(void)
{
	lock_give(&root.page_lock);
	for (uint32_t i = HEAP_LATE; i < root.heap_count; i++)
		lock_give(&root.heaps[i].lock);
	lock_give(&root.heaps_lock);
	lock_give(&late_lock);
}

/* Whoever had raised a flag and not yet pushed the slab is gone: take all flags down, and list anew. */
static void settle_flags(void)
{
	for (uint32_t i = HEAP_LATE; i < root.heap_count; i++)
		atomic_store(&root.heaps[i].inbox, 0);
	for (uint32_t g = 1; g < root.chunk_count * CHUNK_GRANULES; g++) {
		if ((tag_at(g) & TAG_REMOTE) == 0)
			continue;
		struct slab *const s = slab_covering(g);
		atomic_fetch_and(&root.tags[g], ~TAG_REMOTE);
		if (kind_of(s) != GRANULE_SLAB)
			continue;
		slab_collect(s);
		heap_settle_slab(heap_of(s), s);
	}
}

void slab_after_fork_child(void)
{
	lock_reset(&root.page_lock);
	lock_reset(&root.heaps_lock);
	lock_reset(&late_lock);
	purge_after_fork();
	slab_settings_after_fork();
	for (uint32_t i = HEAP_LATE; i < root.heap_count; i++)
		lock_reset(&root.heaps[i].lock);
	settle_flags();
	for (uint32_t i = HEAP_FIRST; i < root.heap_count; i++) {
		struct heap *const h = &root.heaps[i];
		if (h->owner != NULL && h != thread_cache.heap)
			heap_abandon(h);
	}
}
