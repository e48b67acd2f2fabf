/* heap.c - the C library's rules over any system, in one place. */
#include "system/heap.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "os/libc.h"

/* With a single thread no lock is needed, and the C library knows when that is so: no second thread
 * can start between enter and leave. */
static void enter(struct heap *h)
{
	if (!(h->sys->traits & DMM_THREADS) && !libc_single_threaded())
		lock_take(&h->lock);
}

static void leave(struct heap *h)
{
	if (lock_held(&h->lock))
		lock_give(&h->lock);
}

static void *fail(int error)
{
	errno = error;
	return NULL;
}

static size_t state_len(const struct heap *h)
{
	return round_up(max_size(h->sys->state_size, 1), h->os->page);
}

size_t heap_own_bytes(const struct heap *h)
{
	return state_len(h) + aligned_bytes(&h->aligned, h->os);
}

int heap_open(struct heap *h, const struct dmm_system *sys, const struct dmm_params *params,
    const struct dmm_os *os)
{
	if (sys->abi != DMM_SYSTEM_ABI)
		return -ENOEXEC;
	*h = (struct heap){.sys = sys, .os = os};
	h->state = os->map(os->ctx, state_len(h), os->page);
	if (h->state == NULL)
		return -ENOMEM;
	const int r = sys->open(h->state, params != NULL ? params : &sys->defaults, os);
	if (r != 0)
		os->unmap(os->ctx, h->state, state_len(h));
	return r;
}

void heap_close(struct heap *h)
{
	h->sys->close(h->state);
	aligned_close(&h->aligned, h->os);
	h->os->unmap(h->os->ctx, h->state, state_len(h));
	*h = (struct heap){0};
}

/* More alignment than the system gives: take enough to find it inside, and remember the start. */
static void *alloc_inside(struct heap *h, size_t n, size_t align)
{
	const struct dmm_system *const sys = h->sys;

	if (align > DMM_SIZE_MAX || n > DMM_SIZE_MAX - align)
		return NULL;
	void *const base = sys->alloc(h->state, max_size(n, 1) + align - DMM_ALIGN_MIN,
	    DMM_ALIGN_MIN);
	if (base == NULL)
		return NULL;
	void *const p = (void *)round_up((uintptr_t)base, align);
	if (p == base || aligned_add(&h->aligned, h->os, p, base))
		return p;
	sys->free(h->state, base);
	return NULL;
}

static void *alloc_locked(struct heap *h, size_t n, size_t align)
{
	if (n > DMM_SIZE_MAX)
		return NULL;
	if (align <= h->sys->align)
		return h->sys->alloc(h->state, n, align);
	return alloc_inside(h, n, align);
}

static void free_locked(struct heap *h, void *p)
{
	h->sys->free(h->state, aligned_remove(&h->aligned, p));
}

static size_t usable_locked(const struct heap *h, const void *p)
{
	const void *const base = aligned_find(&h->aligned, p);
	return h->sys->usable(h->state, base) - ptr_diff(p, base);
}

void *heap_aligned(struct heap *h, size_t align, size_t n)
{
	if (!is_pow2(align))
		return fail(EINVAL);
	enter(h);
	void *const p = alloc_locked(h, n, max_size(align, DMM_ALIGN_MIN));
	leave(h);
	return p != NULL || (n == 0 && (h->sys->traits & DMM_ZERO_IS_NULL)) ? p : fail(ENOMEM);
}

void *heap_malloc(struct heap *h, size_t n)
{
	return heap_aligned(h, DMM_ALIGN_MIN, n);
}

void *heap_calloc(struct heap *h, size_t count, size_t n)
{
	size_t all;

	if (__builtin_mul_overflow(count, n, &all))
		return fail(ENOMEM);
	void *const p = heap_malloc(h, all);
	return p != NULL ? memset(p, 0, all) : NULL;
}

/* In place or by the system's own way, without a copy; NULL if neither. */
static void *resize_locked(struct heap *h, void *p, size_t n)
{
	if (h->sys->resize == NULL || n > DMM_SIZE_MAX || aligned_find(&h->aligned, p) != p)
		return NULL;
	return h->sys->resize(h->state, p, n);
}

/* A shorter object needs no new memory: it stays where it is. */
static void *move_locked(struct heap *h, void *p, size_t n)
{
	const size_t have = usable_locked(h, p);
	void *const q = alloc_locked(h, n, DMM_ALIGN_MIN);
	if (q == NULL)
		return n <= have ? p : NULL;
	memcpy(q, p, min_size(n, have));
	free_locked(h, p);
	return q;
}

void *heap_realloc(struct heap *h, void *p, size_t n)
{
	if (p == NULL)
		return heap_malloc(h, n);
	if (n == 0) {
		heap_free(h, p);
		return NULL;
	}
	enter(h);
	void *q = resize_locked(h, p, n);
	if (q == NULL)
		q = move_locked(h, p, n);
	leave(h);
	return q != NULL ? q : fail(ENOMEM);
}

void heap_free(struct heap *h, void *p)
{
	if (p == NULL)
		return;
	const int saved = errno;
	enter(h);
	free_locked(h, p);
	leave(h);
	errno = saved;
}

size_t heap_usable(struct heap *h, const void *p)
{
	if (p == NULL)
		return 0;
	enter(h);
	const size_t usable = usable_locked(h, p);
	leave(h);
	return usable;
}

int heap_walk(struct heap *h, dmm_visit *visit, void *arg)
{
	if (h->sys->walk == NULL)
		return 0;
	enter(h);
	const int r = h->sys->walk(h->state, visit, arg);
	leave(h);
	return r;
}

bool heap_check(struct heap *h, struct dmm_fault *why)
{
	if (h->sys->check == NULL)
		return true;
	enter(h);
	const bool sound = h->sys->check(h->state, why);
	leave(h);
	return sound;
}

size_t heap_trim(struct heap *h, size_t keep)
{
	if (h->sys->trim == NULL)
		return 0;
	enter(h);
	const size_t back = h->sys->trim(h->state, keep);
	leave(h);
	return back;
}

void *heap_next_free(struct heap *h, int32_t bin, const void *after)
{
	if (h->sys->next_free == NULL)
		return NULL;
	enter(h);
	void *const next = h->sys->next_free(h->state, bin, after);
	leave(h);
	return next;
}

/* A signal handler may fork in the middle of a call, which goes on in both processes
 * (base/lock.h). */
void heap_before_fork(struct heap *h)
{
	lock_fork_take(&h->lock);
}

void heap_after_fork_parent(struct heap *h)
{
	lock_fork_give(&h->lock);
}

void heap_after_fork_child(struct heap *h)
{
	lock_fork_child(&h->lock);
}
