/* hardened.c - see hardened.h. */
#include "slab/hardened.h"

#include <errno.h>
#include <string.h>

#include "base/crash.h"
#include "base/rng.h"
#include "slab/alloc.h"
#include "slab/canary.h"
#include "slab/guarded.h"
#include "slab/remote.h"

enum { RING_BYTES_MAX = 4 << 20 }; /* that one thread keeps from reuse */

struct hardened {
	struct thread_cache cache; /* first: a heap's owner points to it */
	struct rng rng;
	uint32_t first, count;     /* of the ring: the oldest, and how many */
	uint32_t mask;
	size_t   held;             /* bytes of them */
	size_t   len;              /* of all this */
	void    *ring[];
};

static __thread struct hardened *mine;

/* ---- a thread's state --------------------------------------------------------------------------- */

struct thread_cache *hardened_cache(void)
{
	const uint32_t slots = 1u << log2_ceil(hardening.quarantine + 1u);
	const size_t len = round_up(sizeof(struct hardened) + slots * sizeof(void *), root.os->page);

	if (mine != NULL)
		return &mine->cache;
	struct hardened *const h = root.os->map(root.os->ctx, len, root.os->page);
	if (h == NULL)
		return NULL;
	h->len = len;
	h->mask = slots - 1;
	h->rng.state = hardening.secret ^ (uintptr_t)h ^ (uintptr_t)__builtin_thread_pointer() << 20;
	mine = h;
	return &h->cache;
}

static struct hardened *state(void)
{
	if (likely(mine != NULL && mine->cache.heap != NULL))
		return mine;
	return heap_mine() != NULL ? mine : NULL;
}

static struct hardened *hardened_of(struct thread_cache *owner)
{
	return (struct hardened *)owner;
}

void hardened_end(void)
{
	struct hardened *const h = mine;

	mine = NULL;
	if (h != NULL)
		root.os->unmap(root.os->ctx, h, h->len);
}

/* ---- bytes --------------------------------------------------------------------------------------- */

typedef uint64_t bytes16 __attribute__((vector_size(16), may_alias));

static void clear(void *p, size_t size)
{
	if (size > 512) {
		memset(p, 0, size);
		return;
	}
	for (bytes16 *at = p, *const end = ptr_add(p, size); at < end; at++)
		*at = (bytes16){0, 0};
}

static bool is_clear(const void *p, size_t size)
{
	bytes16 sum = {0, 0};

	for (const bytes16 *at = p, *const end = ptr_add(p, size); at < end; at++)
		sum |= *at;
	return (sum[0] | sum[1]) == 0;
}

/* ---- a slot becomes an object --------------------------------------------------------------------- */

/* Any of the stack's, the last takes its place.  The stack is shortened first: where a fork cuts in,
 * an object is lost in the child, never there twice. */
static void *pick(struct hardened *h, struct stack *k)
{
	const size_t count = (uintptr_t)k->top % STACK_BYTES / sizeof(void *);
	void **const last = k->top - 1;

	k->top = last;
	if (!hardening.random_order)
		return *last;
	atomic_signal_fence(memory_order_seq_cst);
	void **const any = last - rng_below(&h->rng, count);
	void *const p = *any;
	*any = *last;
	return p;
}

static void *become_live(void *p, unsigned cls, size_t n)
{
	const size_t size = size_class[cls].size;

	if (cls != CLASS_ZERO) {
		if (hardening.check_on_reuse && unlikely(!is_clear(p, size)))
			slab_misuse("write after free", p, size);
		if (hardening.canary)
			canary_write(p, n, size);
	}
	atomic_fetch_or_explicit(live_word_at(p), bit_of(p), memory_order_relaxed);
	return p;
}

/* A thread without a heap of its own. */
static void *late_slot(unsigned cls)
{
	if (!slab_start_up())
		return NULL;
	heap_share();
	lock_take(&late_lock);
	void *const p = cache_pop_late(cls);
	lock_give(&late_lock);
	return p;
}

static void *take(unsigned cls, size_t n)
{
	struct hardened *const h = state();
	void *p;

	if (unlikely(h == NULL)) {
		p = late_slot(cls);
	} else {
		struct stack *const k = &h->cache.stack[cls];
		const bool any = likely((uintptr_t)k->top % STACK_BYTES != 0) || cache_fill(&h->cache, cls);
		p = any ? pick(h, k) : NULL;
	}
	if (unlikely(p == NULL)) {
		errno = ENOMEM;
		return NULL;
	}
	return become_live(p, cls, n);
}

static size_t with_canary(size_t n)
{
	return n + (hardening.canary && n != 0);
}

void *hardened_malloc(size_t n)
{
	bool clean;
	return likely(n < MEDIUM_MAX) ? take(class_of(with_canary(n)), n) : guarded_malloc(n, 1, &clean);
}

void *hardened_calloc(size_t n)
{
	bool clean = hardening.zero_on_free; /* H1 */
	void *const p = n < MEDIUM_MAX ? take(class_of(with_canary(n)), n) : guarded_malloc(n, 1, &clean);
	return p != NULL && !clean ? memset(p, 0, n) : p;
}

void *hardened_aligned(size_t align, size_t n)
{
	bool clean;

	if (n >= MEDIUM_MAX || align > GRANULE)
		return guarded_malloc(n, align, &clean);
	unsigned cls = class_of(with_canary(n == 0 ? 1 : n));
	while (cls < class_count && size_class[cls].size % align != 0)
		cls++;
	return cls < class_count ? take(cls, n) : guarded_malloc(n, align, &clean);
}

/* ---- an object becomes a slot ---------------------------------------------------------------------- */

static uint32_t tag_of_object(const void *p)
{
	return tag_at(((uintptr_t)p - root.base) >> GRANULE_SHIFT);
}

/* Out of quarantine, or never in: to the stack, or to the heap whose it is. */
static void release(struct hardened *h, void *p)
{
	const uint32_t tag = tag_of_object(p);

	if (unlikely(h == NULL || tag_heap(tag) << TAG_HEAP_SHIFT != h->cache.tag)) {
		remote_free(p, tag_of_object(p));
		return;
	}
	cache_push(&h->cache, p, tag_class(tag));
	if (unlikely((tag & TAG_REMOTE) != 0))
		cache_look_around(&h->cache);
}

static void release_oldest(struct hardened *h)
{
	void *const p = h->ring[h->first];

	h->first = (h->first + 1) & h->mask;
	h->count--;
	h->held -= size_class[tag_class(tag_of_object(p))].size;
	release(h, p);
}

static void detain(struct hardened *h, void *p, size_t size)
{
	if (h->count == hardening.quarantine)
		release_oldest(h);
	h->ring[(h->first + h->count) & h->mask] = p;
	h->count++;
	h->held += size;
	while (unlikely(h->held > RING_BYTES_MAX))
		release_oldest(h);
}

void hardened_flush(struct thread_cache *owner)
{
	struct hardened *const h = hardened_of(owner);

	for (; h->count > 0; h->count--) {
		void *const p = h->ring[h->first];
		h->first = (h->first + 1) & h->mask;
		remote_free(p, tag_of_object(p));
	}
	h->held = 0;
}

static void check_canary(const void *p, size_t size)
{
	if (unlikely(canary_slack(p, size) == 0))
		slab_misuse("write past the end", p, size);
}

/* A live object's class; ends the program when p is no such thing.  CLASS_RUN: see place_of. */
static unsigned class_at(const char *call, const void *p)
{
	const size_t off = (uintptr_t)p - root.base, unit = off >> UNIT_SHIFT | off << (64 - UNIT_SHIFT);

	if (likely(unit < __atomic_load_n(&root.units, __ATOMIC_RELAXED))) {
		const uint32_t tag = tag_of_object(p);
		if (likely(tag_heap(tag) != 0)) {
			if (unlikely((live_word(p) & bit_of(p)) == 0))
				slab_bad_pointer(call, p);
			return tag_class(tag);
		}
	}
	const struct place at = place_of(p);
	if (at.slab == NULL)
		slab_bad_pointer(call, p);
	return at.slab->cls;
}

static void free_slot(void *p, unsigned cls)
{
	const size_t size = size_class[cls].size;

	if (cls != CLASS_ZERO) {
		if (hardening.canary)
			check_canary(p, size);
		if (hardening.zero_on_free)
			clear(p, size);
	}
	const uint64_t bit = bit_of(p);
	if (unlikely((atomic_fetch_and_explicit(live_word_at(p), ~bit, memory_order_acq_rel) & bit) == 0))
		slab_bad_pointer("free", p); /* another thread freed it since */
	struct hardened *const h = state();
	if (hardening.quarantine != 0 && likely(h != NULL))
		detain(h, p, size);
	else
		release(h, p);
}

void hardened_free(void *p)
{
	const unsigned cls = class_at("free", p);

	if (unlikely(cls == CLASS_RUN))
		return guarded_free(p);
	free_slot(p, cls);
}

/* ---- what an object is --------------------------------------------------------------------------- */

/* What was asked for, if canaries tell. */
static size_t slot_usable(const void *p, unsigned cls)
{
	const size_t size = size_class[cls].size;

	if (cls == CLASS_ZERO)
		return 0;
	if (!hardening.canary)
		return size;
	const size_t slack = canary_slack(p, size);
	if (unlikely(slack == 0))
		slab_misuse("write past the end", p, size);
	return size - slack;
}

static size_t usable_of(const void *p, unsigned cls)
{
	return cls == CLASS_RUN ? guarded_usable(p) : slot_usable(p, cls);
}

size_t hardened_usable(const void *p)
{
	return usable_of(p, class_at("malloc_usable_size", p));
}

void hardened_free_sized(void *p, size_t n)
{
	const size_t usable = usable_of(p, class_at("free", p));

	if (unlikely(hardening.canary ? n != usable : n > usable))
		crash("free of %u bytes: %p (%u bytes)", n, p, usable);
	hardened_free(p);
}

/* It stays where it is, and ends elsewhere. */
static void *resize_slot(void *p, unsigned cls, size_t usable, size_t n)
{
	char *const end = (char *)p + min_size(usable, n);
	const size_t size = size_class[cls].size;

	if (hardening.zero_on_free)
		memset(end, 0, size - (size_t)(end - (char *)p));
	canary_write(p, n, size);
	return p;
}

void *hardened_realloc(void *p, size_t n)
{
	const unsigned cls = class_at("realloc", p);
	const size_t usable = usable_of(p, cls);

	if (cls == CLASS_RUN && n >= MEDIUM_MAX)
		return guarded_resize(p, n);
	if (cls != CLASS_RUN && cls != CLASS_ZERO && n < MEDIUM_MAX && class_of(with_canary(n)) == cls)
		return hardening.canary ? resize_slot(p, cls, usable, n) : p;
	void *const q = hardened_malloc(n);
	if (q == NULL)
		return NULL;
	memcpy(q, p, min_size(n, usable));
	hardened_free(p);
	return q;
}
