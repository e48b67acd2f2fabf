/* thread.c - a heap for every thread: given at its first slow path, taken back when it ends. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/assert.h"
#include "slab/page_heap.h"
#include "slab/purge.h"
#include "slab/remote.h"
#include "slab/thread_cache.h"

struct slab_root root = {.slabs = &no_slab};
extern __attribute__((visibility("default"), alias("root"))) struct slab_root dmm_slab_root;

static pthread_key_t end_key;
static bool have_key;
static struct lock start_lock;
static const struct dmm_os *start_os = &os_linux;

/* ---- heaps ---------------------------------------------------------------------------------- */

/* heaps_lock is held. */
static struct heap *heap_new(void)
{
	const uint32_t number = root.heap_count;
	if (number >= HEAPS_MAX)
		return NULL;
	char *const from = (char *)((uintptr_t)&root.heaps[number] & ~(root.os->page - 1));
	char *const to = (char *)round_up((uintptr_t)&root.heaps[number + 1], root.os->page);
	if (root.os->protect(root.os->ctx, from, ptr_diff(to, from), DMM_PROTECT_RW) != 0)
		return NULL;
	root.heap_count = number + 1;
	return &root.heaps[number];
}

/* A heap used before may still have slabs that somebody was putting into its inbox. */
static void inherit_slabs(struct heap *h)
{
	for (uint32_t g = h->own; g != 0; g = slab_at(g)->own_next) {
		uintptr_t owner = owner_of(slab_at(g));
		while (!atomic_compare_exchange_weak(
		    &slab_at(g)->owner, &owner, h->owner | (owner & OWNER_REMOTE)))
			;
	}
}

static struct heap *heap_take(void)
{
	struct heap *h;

	lock_take(&root.heaps_lock);
	if (root.unused != 0) {
		h = &root.heaps[root.unused];
		root.unused = h->next_unused;
	} else {
		h = heap_new();
	}
	lock_give(&root.heaps_lock);
	if (h == NULL)
		return NULL;
	lock_take(&h->lock);
	h->owner = thread_self();
	inherit_slabs(h);
	lock_give(&h->lock);
	return h;
}

static void give_to_orphans(struct heap *h, struct slab *s)
{
	if (s->state == SLAB_PARTIAL)
		heap_unlist_slab(h, s);
	heap_disown_slab(h, s);
	heap_own_slab(orphans(), s);
	heap_settle_slab(orphans(), s);
}

void heap_abandon(struct heap *h, uintptr_t owner)
{
	lock_take(&h->lock);
	heap_drain_inbox(h);
	for (uint32_t g = h->own, next; g != 0; g = next) {
		struct slab *s = slab_at(g);
		next = s->own_next;
		if (s->state == SLAB_CURRENT)
			s->state = SLAB_FULL;
		uintptr_t expect = owner;
		lock_take(&orphans()->lock);
		if (atomic_compare_exchange_strong(&s->owner, &expect, OWNER_ORPHAN))
			give_to_orphans(h, s);
		lock_give(&orphans()->lock);
	}
	h->owner = OWNER_NONE;
	lock_give(&h->lock);

	lock_take(&root.heaps_lock);
	h->next_unused = root.unused;
	root.unused = (uint32_t)(h - root.heaps);
	lock_give(&root.heaps_lock);
}

/* The last that a thread does for us.  What its other destructors still ask for, late_malloc gives. */
static void thread_end(void *arg)
{
	struct thread_cache *tc = &thread_cache;
	struct heap *h = tc->heap;
	(void)arg;

	if (h == NULL)
		return;
	tc->ended = true;
	tc->heap = NULL;
	memset(tc->direct, 0, sizeof tc->direct);
	memset(tc->current, 0, sizeof tc->current);
	heap_abandon(h, thread_self());
}

struct heap *heap_mine(void)
{
	struct thread_cache *tc = &thread_cache;

	if (likely(tc->heap != NULL))
		return tc->heap;
	if (tc->ended || !slab_start_up())
		return NULL;
	tc->heap = heap_take();
	if (tc->heap != NULL && have_key)
		pthread_setspecific(end_key, tc); /* may call calloc, which works by now */
	return tc->heap;
}

/* ---- start ---------------------------------------------------------------------------------- */

static bool start_locked(void)
{
	const int saved = errno;

	if (atomic_load(&root.len) != 0)
		return true;
	size_class_init();
	root.version = ROOT_VERSION;
	root.slab_bytes = sizeof(struct slab);
	root.chunk_bytes = sizeof(struct chunk);
	root.heap_bytes = sizeof(struct heap);
	root.granule = GRANULE;
	root.chunk_granules = CHUNK_GRANULES;
	if (!have_key)
		have_key = pthread_key_create(&end_key, thread_end) == 0;
	const bool ok = page_heap_open(start_os) == 0;
	if (ok) {
		root.heap_count = HEAP_FIRST;
		orphans()->owner = OWNER_ORPHAN;
		root.heaps[HEAP_LATE].owner = LATE_OWNER;
	}
	errno = saved;
	return ok;
}

bool slab_start_up(void)
{
	if (likely(atomic_load_explicit(&root.len, memory_order_acquire) != 0))
		return true;
	lock_take(&start_lock);
	const bool ok = start_locked();
	lock_give(&start_lock);
	return ok;
}

bool slab_start_on(const struct dmm_os *os)
{
	if (atomic_load(&root.len) != 0)
		return false;
	start_os = os;
	purge_allow(os == &os_linux);
	const bool ok = slab_start_up();
	if (!ok)
		start_os = &os_linux;
	return ok;
}

void slab_shut_down(void)
{
	purge_allow(false);
	page_heap_close();
	root = (struct slab_root){.slabs = &no_slab};
	thread_cache = (struct thread_cache){0};
	late_cache = (struct thread_cache){0};
	start_os = &os_linux;
}
