/* alloc.c - the malloc family: what is not a hit. */
#include "slab/alloc.h"

#include <errno.h>
#include <string.h>

#include "base/crash.h"
#include "slab/fast.h"
#include "slab/large.h"
#include "slab/purge.h"
#include "slab/remote.h"

void *slab_malloc_slow(size_t n)
{
	if (likely(n <= MEDIUM_MAX)) {
		unsigned cls = class_of(n);
		struct slab *const s = slab_from(thread_cache.current[cls]);
		if (free_word(s, s->hot) != 0)
			return cache_take(s);
		if (unlikely(heap_mine() != NULL && class_of(n) != cls))
			cls = class_of(n); /* this was the first call: only now are there classes */
		return cache_refill(cls);
	}
	bool clean;
	if (unlikely(class_count == 0 && !slab_start_up())) {
		errno = ENOMEM;
		return NULL;
	}
	return large_malloc(n, 1, &clean);
}

/* The owner frees: as in fast.h, for slabs of several granules and flagged ones. */
static void free_own(struct slab *s, unsigned index, const void *p)
{
	const uint64_t bit = 1ull << bit_of(index);

	if (unlikely(object_free(s, index)))
		slab_misuse("double free", p, slab_usable_size(s));
	s->hot = (uint8_t)(index / 64);
	if (--s->countdown == 0)
		return slab_free_last(s, index);
	free_word_set(s, index / 64, free_word(s, index / 64) | bit);
}

/* Others freed into this slab: take that over now and then, so that our frees become hits again. */
static void unflag(struct heap *h)
{
	if (++thread_cache.flagged_frees % 16 != 0 || atomic_load(&h->inbox) == 0)
		return;
	lock_take(&h->lock);
	heap_drain_inbox(h);
	lock_give(&h->lock);
}

static void free_object(struct slab *s, unsigned index, const void *p)
{
	const uintptr_t owner = atomic_load_explicit(&s->owner, memory_order_acquire);
	struct heap *h = thread_cache.heap;

	if ((owner & ~OWNER_REMOTE) == thread_self() && h != NULL && heap_of(s) == h) {
		free_own(s, index, p);
		if ((owner & OWNER_REMOTE) != 0)
			unflag(h);
		return;
	}
	if ((owner & ~OWNER_REMOTE) == OWNER_ORPHAN && (h = heap_mine()) != NULL && slab_adopt(h, s))
		return free_own(s, index, p);
	remote_free(s, index, p);
}

void slab_free_slow(void *p)
{
	if (p == NULL)
		return;
	const struct place at = place_of(p);
	if (unlikely(at.slab == NULL))
		slab_bad_pointer("free", p);
	if (at.slab->cls == CLASS_RUN)
		return large_free(at.slab, p);
	free_object(at.slab, at.index, p);
}

/* p must be live; says what it is. */
static struct place live_place(const char *call, const void *p)
{
	const struct place at = place_of(p);

	if (unlikely(at.slab == NULL || (at.slab->cls != CLASS_RUN && object_free(at.slab, at.index))))
		slab_bad_pointer(call, p);
	return at;
}

size_t slab_usable(const void *p)
{
	return p == NULL ? 0 : live_place("malloc_usable_size", p).size;
}

void *slab_calloc(size_t count, size_t n)
{
	bool clean = false;
	size_t len;

	if (unlikely(__builtin_mul_overflow(count, n, &len) || len > DMM_SIZE_MAX)) {
		errno = ENOMEM;
		return NULL;
	}
	if (len <= MEDIUM_MAX) {
		void *p = slab_malloc(len);
		return p != NULL ? memset(p, 0, len) : NULL;
	}
	if (unlikely(class_count == 0 && !slab_start_up())) {
		errno = ENOMEM;
		return NULL;
	}
	void *p = large_malloc(len, 1, &clean);
	return p != NULL && !clean ? memset(p, 0, len) : p;
}

void *slab_realloc(void *p, size_t n)
{
	if (p == NULL)
		return slab_malloc(n);
	const struct place at = live_place("realloc", p);
	if (n == 0) {
		slab_free(p);
		return NULL;
	}
	if (n <= at.size && n > at.size / 2 && at.slab->cls != CLASS_RUN)
		return p;
	if (at.slab->cls == CLASS_RUN && n > MEDIUM_MAX)
		return large_resize(at.slab, n);
	void *q = slab_malloc(n);
	if (q == NULL)
		return NULL;
	memcpy(q, p, min_size(n, at.size));
	slab_free(p);
	return q;
}

/* The smallest class whose objects all lie on the alignment: slabs begin on a granule. */
static unsigned aligned_class(size_t align, size_t n)
{
	for (unsigned cls = class_of(n == 0 ? 1 : n); cls < class_count; cls++)
		if (size_class[cls].size % align == 0)
			return cls;
	return 0;
}

void *slab_aligned(size_t align, size_t n)
{
	bool clean;

	if (!is_pow2(align)) {
		errno = EINVAL;
		return NULL;
	}
	if (align <= MAX_ALIGN)
		return slab_malloc(n);
	if (unlikely(class_count == 0 && !slab_start_up())) {
		errno = ENOMEM;
		return NULL;
	}
	const unsigned cls = n <= MEDIUM_MAX && align <= GRANULE ? aligned_class(align, n) : 0;
	return cls != 0 ? slab_malloc(size_class[cls].size) : large_malloc(n, align, &clean);
}

/* May an object of n bytes have ended up as large as `had`?  realloc leaves it where it is as long as
 * n is more than half of that; a run's granules are counted (large_resize). */
static bool may_hold(const struct place *at, size_t n)
{
	if (n > at->size)
		return false;
	if (at->slab->cls != CLASS_RUN)
		return n > at->size / 2;
	const size_t want = round_up(n, GRANULE) / GRANULE, have = at->size / GRANULE;
	return n > MEDIUM_MAX && want >= have / 2 + have / 8;
}

/* `usable` is what n asks for today. */
static void free_sized(void *p, size_t n, size_t usable)
{
	const struct place at = live_place("free", p);

	if (unlikely(at.size != usable && !may_hold(&at, n)))
		crash("free of %u bytes: %p (%u bytes)", n, p, at.size);
	slab_free(p);
}

void slab_free_sized(void *p, size_t n)
{
	if (p == NULL)
		return;
	free_sized(p, n, n <= MEDIUM_MAX ? size_class[class_of(n)].size : n);
}

void slab_free_aligned_sized(void *p, size_t align, size_t n)
{
	if (p == NULL)
		return;
	if (unlikely(((uintptr_t)p & (align - 1)) != 0))
		crash("free of an object aligned to %u: %p", align, p);
	if (align <= MAX_ALIGN)
		return slab_free_sized(p, n);
	const unsigned cls = n <= MEDIUM_MAX && align <= GRANULE ? aligned_class(align, n) : 0;
	if (cls != 0)
		return free_sized(p, n, size_class[cls].size);
	free_sized(p, n, round_up(n, GRANULE));
}

size_t slab_trim(size_t keep)
{
	return purge_now(keep);
}
