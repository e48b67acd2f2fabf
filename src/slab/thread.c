/* thread.c - a thread gets a heap at its first slow path, and leaves it when it ends. */
#include "slab/thread.h"

#include <errno.h>
#include <pthread.h>

#include "base/assert.h"
#include "slab/hardened_cache.h"
#include "slab/heap.h"
#include "slab/init.h"
#include "slab/profile_draw.h"
#include "slab/purge.h"

static pthread_key_t end_key;
static bool have_key;

static struct slab_heap *attach(struct thread_cache *tc)
{
	struct slab_heap *const h = heap_acquire();

	CHECK(tc->heap == NULL);
	if (h == NULL)
		return NULL;
	lock_take(&h->lock);
	cache_attach(tc, h);
	if (given_on())
		given_attach(tc, h);
	lock_give(&h->lock);
	return h;
}

void thread_leave_heap(struct slab_heap *h)
{
	CHECK(h->owner != NULL && h->owner->heap == h && h->taker == lock_self());
	lock_take(&h->lock);
	cache_flush(h->owner, h);
	heap_set_owner(h, NULL);
	heap_release_all_kept(h);
	heap_drain_inbox(h);
	lock_give(&h->lock);
	heap_set_free(h);
}

/* The last call of a thread into slab. malloc_fallback() serves its later destructors. */
static void thread_end(void *arg)
{
	struct thread_cache *const tc = &thread_cache;
	struct slab_heap *const h = tc->heap;
	(void)arg;

	if (h == NULL)
		return;
	thread_leave_heap(h);
	if (hardening.on)
		hardened_end();
	*tc = (struct thread_cache){THREAD_CACHE_NONE, .ended = true};
	purge_heap_left(h);
}

struct slab_heap *thread_heap(void)
{
	struct thread_cache *const tc = &thread_cache;

	if (likely(tc->heap != NULL))
		return tc->heap;
	if (tc->ended || !slab_start_up())
		return NULL;
	/* Hardened: the fast path's magazines stay empty and full at once, so that every call
	 * misses. */
	struct thread_cache *const cache = unlikely(hardening.on) ? hardened_cache() : tc;
	if (cache == NULL)
		return NULL;
	tc->heap = attach(cache);
	if (tc->heap == NULL) {
		if (cache != tc) /* no destructor would end the cache of a thread without a heap */
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
	return heap_start_up();
}

static void *pop_refilled(struct thread_cache *tc, unsigned cls)
{
	if (!cache_fill(tc, cls)) {
		errno = ENOMEM;
		return NULL;
	}
	void *const p = cache_pop(tc, cls);
	live_set(p);
	return p;
}

/* ---- a thread without a heap: the fallback heap ---------------------------------------------- */

static void attach_fallback(void)
{
	if (fallback_cache.heap == NULL)
		cache_attach(&fallback_cache, heap_at(HEAP_FALLBACK));
}

void *thread_pop_fallback(unsigned cls)
{
	CHECK(lock_held(&fallback_lock));
	attach_fallback();
	return cache_fill(&fallback_cache, cls) ? cache_pop(&fallback_cache, cls) : NULL;
}

static void *malloc_fallback(unsigned cls)
{
	if (!slab_start_up()) {
		errno = ENOMEM;
		return NULL;
	}
	lock_take(&fallback_lock);
	attach_fallback();
	void *const p = pop_refilled(&fallback_cache, cls);
	lock_give(&fallback_lock);
	return p;
}

void *thread_malloc(unsigned cls)
{
	struct slab_heap *const h = thread_heap();
	return likely(h != NULL) ? pop_refilled(&thread_cache, cls) : malloc_fallback(cls);
}
