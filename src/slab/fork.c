/* fork.c - see fork.h. */
#include "slab/fork.h"

#include "slab/purge.h"
#include "slab/thread_cache.h"

void slab_before_fork(void)
{
	slab_start_up(); /* so that nobody else is just about to */
	lock_take(&late_lock);
	lock_take(&root.heaps_lock);
	for (uint32_t i = root.heap_count; i-- > HEAP_ORPHANS;) /* the orphans come after all others */
		lock_take(&root.heaps[i].lock);
	lock_take(&root.page_lock);
}

void slab_after_fork_parent(void)
{
	lock_give(&root.page_lock);
	for (uint32_t i = HEAP_ORPHANS; i < root.heap_count; i++)
		lock_give(&root.heaps[i].lock);
	lock_give(&root.heaps_lock);
	lock_give(&late_lock);
}

/* Whoever had raised a flag and not yet pushed the slab is gone: take all flags down. */
static void settle_flags(struct heap *h)
{
	atomic_store(&h->inbox, 0);
	for (uint32_t g = h->own, next; g != 0; g = next) {
		struct slab *s = slab_at(g);
		next = s->own_next;
		atomic_fetch_and(&s->owner, ~OWNER_REMOTE);
		slab_collect(s);
		heap_settle_slab(h, s);
	}
}

void slab_after_fork_child(void)
{
	lock_reset(&root.page_lock);
	lock_reset(&root.heaps_lock);
	lock_reset(&late_lock);
	purge_after_fork();
	for (uint32_t i = HEAP_ORPHANS; i < root.heap_count; i++)
		lock_reset(&root.heaps[i].lock);
	for (uint32_t i = HEAP_ORPHANS; i < root.heap_count; i++) {
		struct heap *h = &root.heaps[i];
		settle_flags(h);
		if (i >= HEAP_FIRST && h->owner != OWNER_NONE && h != thread_cache.heap)
			heap_abandon(h, h->owner);
	}
}
