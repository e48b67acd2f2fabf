/* thread.c - a heap for every thread: given at its first slow path, taken back when it ends. */
#include <pthread.h>

#include "base/assert.h"
#include "slab/hardened.h"
#include "slab/orphan.h"
#include "slab/purge.h"
#include "slab/remote.h"
#include "slab/thread_cache.h"
#include "slab/window.h"

static pthread_key_t end_key;
static bool have_key;

/* ---- heaps ---------------------------------------------------------------------------------- */

static struct heap *heaps[HEAPS_MAX];

/* heaps_lock is held, or nobody else is there. */
static struct heap *heap_new(void)
{
	const uint32_t number = root.heap_count;
	CHECK(lock_held(&root.heaps_lock) || lock_held(&start_lock));
	struct heap *const h = number < root.heap_limit ? window_pool(HEAP_BYTES) : NULL;

	if (h == NULL)
		return NULL;
	h->number = number;
	heaps[number] = h;
	root.heap_count = number + 1;
	return h;
}

/* heaps_lock is held.  NULL: no memory, and no heap left. */
static struct heap *heap_without_thread(void)
{
	struct heap *h;

	CHECK(lock_held(&root.heaps_lock));
	if (root.unused != 0) {
		h = heap_at(root.unused);
		CHECK(h->owner == NULL && h->taker == 0 && !h->orphan);
		root.unused = h->next_unused;
	} else if ((h = heap_new()) == NULL) {
		h = orphan_adopt();
	}
	return h;
}

static struct heap *heap_take(struct thread_cache *tc)
{
	lock_take(&root.heaps_lock);
	struct heap *const h = heap_without_thread();
	if (h != NULL)
		h->taker = lock_self();
	lock_give(&root.heaps_lock);
	if (h == NULL)
		return NULL;
	lock_take(&h->lock);
	heap_lend(h, tc);
	lock_give(&h->lock);
	return h;
}

void heap_abandon(struct heap *h)
{
	lock_take(&h->lock);
	heap_flush(h, h->owner);
	h->owner = NULL;
	heap_release_all_kept(h);
	heap_drain_inbox(h);
	lock_give(&h->lock);

	lock_take(&root.heaps_lock);
	h->next_unused = root.unused;
	root.unused = heap_number(h);
	h->taker = 0;
	lock_give(&root.heaps_lock);
	remote_settle_for(h); /* who pushed after our look found the lock taken */
}

/* A slab of `from`, which has no thread, changes its heap, unless others are about to free into it.  They
 * may do so at any moment: its first granule has at every moment the tag of one of the two. */
static bool move_slab(struct heap *h, struct heap *from, struct slab *s)
{
	const unsigned heap = heap_number(h);
	uint32_t tag = tag_of(s->heap, s->cls);

	CHECK(lock_held(&h->lock) && lock_held(&from->lock) && from->owner == NULL && heap_of(s) == from);
	if (from->orphan)
		orphan_settle_slab(s);
	if (!atomic_compare_exchange_strong(&root.tags[granule_of(s)], &tag, tag_of(heap, s->cls)))
		return false;
	heap_unlist_slab(from, s);
	slab_tag_rest(s, heap);
	slab_collect(s);
	heap_settle_slab(h, s);
	return true;
}

static bool inherit_from(struct heap *h, struct heap *from, unsigned cls)
{
	bool found = false;

	if (from == h || from->partial[cls] == 0 || !lock_try(&from->lock))
		return false;
	if (from->owner == NULL && from->partial[cls] != 0)
		found = move_slab(h, from, slab_at(from->partial[cls]));
	lock_give(&from->lock);
	remote_settle_for(from);
	return found;
}

enum { INHERIT_LOOKS = 8 }; /* heaps without a thread that one refill looks at */

bool heap_inherit(struct heap *h, unsigned cls)
{
	bool found = false;
	uint32_t number = root.unused;

	for (int looks = 0; !found && number != 0 && looks < INHERIT_LOOKS; looks++) {
		struct heap *const from = heap_at(number);
		number = from->next_unused;
		found = inherit_from(h, from, cls);
	}
	for (int looks = 0; !found && root.orphans != 0 && looks < INHERIT_LOOKS; looks++) {
		struct heap *const from = orphan_next();
		if (from == NULL)
			break;
		remote_settle_for(from);
		found = inherit_from(h, from, cls);
	}
	return found && h->partial[cls] != 0;
}

/* The last that a thread does for us.  What its other destructors still ask for, late_malloc gives. */
static void thread_end(void *arg)
{
	struct thread_cache *const tc = &thread_cache;
	struct heap *const h = tc->heap;
	(void)arg;

	if (h == NULL)
		return;
	heap_abandon(h);
	if (hardening.on)
		hardened_end();
	*tc = (struct thread_cache){THREAD_CACHE_NONE, .ended = true};
	purge_heap_left(h);
}

struct heap *heap_mine(void)
{
	struct thread_cache *const tc = &thread_cache;

	if (likely(tc->heap != NULL))
		return tc->heap;
	if (tc->ended || !slab_start_up())
		return NULL;
	/* Hardened: the stacks of the hit path stay empty and full, and every call misses. */
	struct thread_cache *const lent = unlikely(hardening.on) ? hardened_cache() : tc;
	if (lent == NULL)
		return NULL;
	tc->heap = heap_take(lent);
	if (tc->heap == NULL) {
		if (lent != tc) /* no destructor would end that of a thread without a heap */
			hardened_end();
		return NULL;
	}
	purge_heap_taken();
	if (have_key)
		pthread_setspecific(end_key, tc); /* may call calloc, which works by now */
	return tc->heap;
}

bool thread_start_up(void)
{
	if (!have_key)
		have_key = pthread_key_create(&end_key, thread_end) == 0;
	root.heaps = heaps;
	root.heap_limit = HEAPS_MAX;
	root.heap_count = HEAP_LATE;
	return heap_new() != NULL;
}
