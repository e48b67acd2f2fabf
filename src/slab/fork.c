/* fork.c - see fork.h. */
#include "slab/fork.h"

#include "slab/hardened.h"
#include "slab/purge.h"
#include "slab/remote.h"
#include "slab/sampled.h"
#include "slab/settings.h"
#include "slab/thread_cache.h"

void slab_before_fork(void)
{
	slab_start_up(); /* so that nobody else is just about to */
	lock_take(&late_lock);
	lock_take(&root.heaps_lock);
	for (uint32_t i = HEAP_LATE; i < root.heap_count; i++)
		lock_take(&heap_at(i)->lock);
	lock_take(&purge_lock);
	lock_take(&root.page_lock);
	sampled_before_fork();
}

void slab_after_fork_parent(void)
{
	sampled_after_fork_parent();
	lock_give(&root.page_lock);
	lock_give(&purge_lock);
	for (uint32_t i = HEAP_LATE; i < root.heap_count; i++)
		lock_give(&heap_at(i)->lock);
	lock_give(&root.heaps_lock);
	lock_give(&late_lock);
	for (uint32_t i = HEAP_LATE; i < root.heap_count; i++)
		remote_settle_for(heap_at(i));
}

/* Whoever had raised a flag and not yet pushed the slab is gone: take all flags down, and list anew. */
static void settle_flags(void)
{
	for (uint32_t i = HEAP_LATE; i < root.heap_count; i++)
		atomic_store(&heap_at(i)->inbox, 0);
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

/* Everything of a slab that is not in avail counts as live. */
static void keep_all(struct slab *s)
{
	const char *p = slab_start(s);

	slab_collect(s);
	for (unsigned i = 0; i < s->count; i++, p += s->size)
		if (((atomic_load_explicit(avail_word(p), memory_order_relaxed) | live_word(p)) & bit_of(p)) == 0)
			live_set(p);
}

/* fork copies page after page while other threads go on: their stacks, live bits and the program's own
 * tables need not be of one moment.  What is in their stacks now may be live for the program, and what it
 * holds may have no live bit.  So of their slabs only avail is believed, which changes under the locks
 * that we held: the rest, at most what their stacks hold, is never given out again in the child. */
static void keep_what_others_had(void)
{
	for (uint32_t g = 1; g < root.chunk_count * CHUNK_GRANULES; g++) {
		struct slab *const s = slab_at(g);
		if (kind_of(s) != GRANULE_SLAB || tag_heap(tag_at(g)) < HEAP_FIRST)
			continue;
		if (heap_of(s)->owner != NULL && heap_of(s) != thread_cache.heap)
			keep_all(s);
	}
}

/* Who was about to take a heap that nobody had, or to give up his own, had it in no list. */
static void list_all_unused(void)
{
	root.unused = 0;
	for (uint32_t i = root.heap_count; i-- > HEAP_FIRST;) {
		struct heap *const h = heap_at(i);
		if (h->owner != NULL)
			continue;
		h->next_unused = root.unused;
		root.unused = i;
	}
}

void slab_after_fork_child(void)
{
	lock_reset(&root.page_lock);
	lock_reset(&root.heaps_lock);
	lock_reset(&late_lock);
	sampled_after_fork_child();
	purge_after_fork();
	slab_settings_after_fork();
	for (uint32_t i = HEAP_LATE; i < root.heap_count; i++)
		lock_reset(&heap_at(i)->lock);
	settle_flags();
	keep_what_others_had();
	for (uint32_t i = HEAP_FIRST; i < root.heap_count; i++) {
		struct heap *const h = heap_at(i);
		if (h->owner == NULL || h == thread_cache.heap)
			continue;
		if (hardening.quarantine != 0)
			hardened_forget(h->owner);
		heap_lend(h, h->owner); /* its stacks are empty */
		heap_abandon(h);
	}
	list_all_unused();
}
