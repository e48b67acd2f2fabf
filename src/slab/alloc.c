/* alloc.c - the malloc family: every call that leaves the fast path. */
#include "slab/alloc.h"

#include <errno.h>
#include <string.h>

#include "base/crash.h"
#include "slab/fast.h"
#include "slab/guarded.h"
#include "slab/hardened.h"
#include "slab/init.h"
#include "slab/large.h"
#include "slab/mapped.h"
#include "slab/misuse.h"
#include "slab/orphan.h"
#include "slab/place.h"
#include "slab/profile.h"
#include "slab/profile_hit.h"
#include "slab/purge.h"
#include "slab/remote_hit.h"
#include "slab/thread.h"

static void *pop_checked(unsigned cls)
{
	void *const p = cache_pop(&thread_cache, cls);

	live_set(p);
	return p;
}

/* caller: into the program. */
static inline void *plain_malloc(size_t n, const void *caller)
{
	bool clean;

	if (unlikely(class_count == 0)) {
		if (slab_start_up())
			return slab_malloc_slow(n); /* only now are the settings read */
		errno = ENOMEM;
		return NULL;
	}
	if (n > MEDIUM_MAX)
		return large_malloc(n, 1, &clean);
	const unsigned cls = class_of(n);
	/* other threads freed into the slab of the object on top */
	if (!magazine_empty(&thread_cache.magazine[cls]))
		return pop_checked(cls);
	void *const guarded = unlikely(guarding.on) && guarded_due(cache_batch(cls)) && n != 0
	                          ? guarded_malloc(n, caller)
	                          : NULL;
	return likely(guarded == NULL) ? thread_malloc(cls) : guarded;
}

/* ---- while a profile is taken: count what is asked for, and note samples --------------------- */

static void *other_malloc(size_t n, const void *caller)
{
	return hardening.on ? hardened_malloc(n) : plain_malloc(n, caller);
}

/* p was allocated by another path, or is NULL for lack of memory. */
static void *noted(void *p, size_t n, const void *caller)
{
	if (p != NULL)
		profiler_note(p, n, caller);
	return p;
}

/* It was drawn as an object of `size` bytes.  A small object elsewhere than in the samples' heap is
 * no sample: a free that hits would not tell. */
static __attribute__((noinline)) void *sampled_malloc(size_t n, size_t size, const void *caller)
{
	if (n > MEDIUM_MAX || hardening.on)
		return noted(other_malloc(n, caller), n, caller);
	void *const p = profiler_malloc(n, size, caller);
	return likely(p != NULL) ? p : other_malloc(n, caller);
}

static __attribute__((noinline)) void *detour_malloc(size_t n, const void *caller);

/* For a small object: the thread's stack of the class is empty, or other threads freed near the
 * object on top. */
static __attribute__((noinline)) void *given_malloc(size_t n, const void *caller)
{
	const unsigned cls = class_of(n);

	if (unlikely(given_none(&thread_cache, cls)))
		return detour_malloc(n, caller);
	const enum given next = given_next(cls);
	if (unlikely(next != GIVEN_OBJECT))
		return next == GIVEN_SAMPLE ? sampled_malloc(n, size_class[cls].size, caller)
		                            : plain_malloc(n, caller);
	void *const p = malloc_hit(n);
	if (likely(p != NULL))
		return p;
	void *const checked = cache_pop_given(&thread_cache, cls);
	live_set(checked);
	return checked;
}

/* Every malloc with additional duties: hardening, counting, a profile. */
static void *detour_malloc(size_t n, const void *caller)
{
	if (sampling.mean != 0 && n <= DMM_SIZE_MAX && (profiler_ready() || slab_start_up())) {
		if (n <= SMALL_MAX && given_on() && thread_heap() != NULL)
			return given_malloc(n, caller);
		void *const p = profiler_hit(n);
		if (likely(p != NULL))
			return p;
		if (profiler_due(n))
			return sampled_malloc(n, n, caller);
	}
	return other_malloc(n, caller);
}

/* The same duties for objects that are allocated without malloc's slow path. */
static void *profiled(void *p, size_t n, const void *caller)
{
	if (unlikely(sampling.mean != 0) && p != NULL && profiler_ready() && profiler_due(n))
		profiler_note(p, n, caller);
	return p;
}

static void forget(const void *p)
{
	struct profile_sample *const sample = profiler_lift(p);

	if (sample != NULL)
		profiler_drop(sample);
}

void *slab_malloc_slow(size_t n)
{
	const void *const caller = __builtin_return_address(0);
	if (likely(!hardening.detour))
		return plain_malloc(n, caller);
	return n <= SMALL_MAX ? given_malloc(n, caller) : detour_malloc(n, caller);
}

/* Of our own heap: its magazine is full, or other threads freed into the slab. */
static void free_own(void *p, uint32_t tag)
{
	live_word_set(p, live_word(p) & ~bit_of(p));
	cache_push(&thread_cache, p, tag_class(tag));
	if ((tag & TAG_REMOTE) != 0)
		cache_look_around(&thread_cache);
}

static void free_run(void *p)
{
	const struct place at = place_of(p);

	if (unlikely(at.slab == NULL))
		slab_bad_pointer("free", p);
	large_free(at.slab, p);
}

static void free_outside(void *p)
{
	if (!mapped_free(p) && !guarded_frees(p))
		slab_bad_pointer("free", p);
}

/* True: freed. */
static __attribute__((noinline)) bool detour_free(void *p)
{
	const size_t off = (uintptr_t)p - root.base;

	forget(p);
	if (hardening.on) {
		hardened_free(p);
		return true;
	}
	const bool inside = off >> UNIT_SHIFT < __atomic_load_n(&root.units, __ATOMIC_ACQUIRE) &&
	                    off % MAX_ALIGN == 0;
	const uint32_t tag = inside ? tag_at(off >> GRANULE_SHIFT) : 0;
	if (!profiler_has(tag))
		return false;
	if (!profiler_free(p, tag))
		slab_bad_pointer("free", p);
	return true;
}

static __attribute__((noinline)) void free_any(void *p)
{
	const size_t off = (uintptr_t)p - root.base;

	if (unlikely(hardening.detour) && detour_free(p))
		return;
	if (unlikely(off >> UNIT_SHIFT >= __atomic_load_n(&root.units, __ATOMIC_ACQUIRE) ||
	             off % MAX_ALIGN != 0))
		return free_outside(p);
	const uint32_t tag = tag_at(off >> GRANULE_SHIFT);
	if (tag_heap(tag) == 0)
		return free_run(p);
	if (unlikely((live_word(p) & bit_of(p)) == 0) && !orphan_settle_object(p))
		slab_bad_pointer("free", p);
	if (tag_heap(tag) << TAG_HEAP_SHIFT != thread_cache.tag) {
		remote_free(p, tag);
		return;
	}
	if (unlikely(!object_live(p)))
		slab_bad_pointer("free", p);
	free_own(p, tag);
}

/* purge_check() need not be called after a result of FREED_QUIETLY. */
enum freed { FREED_NOT, FREED, FREED_QUIETLY };

/* The two most frequent reasons: p is live and the magazine is full, or the slab is another heap's
 * and remote_hit() does not serve it: it has several granules, or no thread has marked yet.
 * remote_free() reads the mark when it sets it, so the mark's cache line is fetched once. */
static inline enum freed free_frequent(void *p)
{
	const size_t unit = unit_at(p);
	if (unit >= __atomic_load_n(&root.units, __ATOMIC_ACQUIRE))
		return FREED_NOT;
	const uint32_t tag = tag_at(unit >> (GRANULE_SHIFT - UNIT_SHIFT)), place = tag ^ own_tag();
	uint64_t live = live_word(p);
	if (!bit_drop(&live, unit))
		return FREED_NOT;
	if (place < CLASS_MAX * sizeof(struct magazine)) {
		live_word_set(p, live);
		cache_push(&thread_cache, p, (unsigned)(place / sizeof(struct magazine)));
		return FREED;
	}
	if (unlikely(hardening.detour && (hardening.on || profiler_has(tag))) ||
	    tag_heap(place) == 0 || tag_heap(tag) == 0)
		return FREED_NOT;
	return remote_free(p, tag) ? FREED : FREED_QUIETLY;
}

/* free() jumps here, so this returns to free()'s caller. */
void slab_free_slow(void *p)
{
	if (p == NULL)
		return;
	const enum freed how = free_frequent(p);
	if (how == FREED_QUIETLY)
		return;
	if (how == FREED_NOT)
		free_any(p);
	purge_check(__builtin_return_address(0));
}

void slab_free_first(const void *p, uint32_t tag, const void *caller)
{
	remote_notify(p, tag);
	purge_check(caller);
}

void slab_free_elsewhere(void *p, size_t place)
{
	if (!remote_hit(p, place))
		slab_free_slow(p);
}

/* p must be live; says what it is. */
static struct place live_place(const char *call, const void *p)
{
	const struct place at = place_of(p);

	if (likely(at.slab != NULL))
		return at;
	return orphan_settle_object(p) ? place_of(p) : place_outside(call, p);
}

size_t slab_usable(const void *p)
{
	if (p == NULL)
		return 0;
	return unlikely(hardening.on) ? hardened_usable(p)
	                              : live_place("malloc_usable_size", p).size;
}

void *slab_calloc(size_t count, size_t n)
{
	size_t len;

	if (unlikely(__builtin_mul_overflow(count, n, &len) || len > DMM_SIZE_MAX)) {
		errno = ENOMEM;
		return NULL;
	}
	if (len <= MEDIUM_MAX && likely(!hardening.on)) {
		void *p = slab_malloc(len);
		return p != NULL ? memset(p, 0, len) : NULL;
	}
	if (unlikely(class_count == 0 && !slab_start_up())) {
		errno = ENOMEM;
		return NULL;
	}
	if (unlikely(hardening.detour))
		return profiled(hardening.on ? hardened_calloc(len) : large_calloc(len), len,
		    __builtin_return_address(0));
	return large_calloc(len);
}

/* Resize a large object. If it keeps its size it stays the sample that it is; otherwise it counts
 * as freed and allocated anew. */
static void *profiled_resize(void *p, const struct place *at, size_t n)
{
	struct profile_sample *const sample = profiler_lift(p);
	void *const q =
	    at->slab->cls == CLASS_MAPPED ? mapped_resize(p, n) : large_resize(at->slab, n);

	if (q == NULL || (q == p && slab_usable(q) == at->size)) {
		if (sample != NULL)
			profiler_lay(sample);
		return q;
	}
	if (sample != NULL)
		profiler_drop(sample);
	return profiled(q, n, __builtin_return_address(0));
}

/* Hardened, and then counted as freed and allocated anew, whether it moves or not. */
static void *detour_realloc(void *p, size_t n)
{
	struct profile_sample *const sample = sampling.mean != 0 ? profiler_lift(p) : NULL;
	void *const q = hardened_realloc(p, n);

	if (q == NULL && sample != NULL)
		profiler_lay(sample);
	else if (sample != NULL)
		profiler_drop(sample);
	return profiled(q, n, __builtin_return_address(0));
}

/* Does a realloc to n bytes leave an object of `size` bytes in its place? */
static inline bool stays(size_t size, size_t n)
{
	return n <= size && n > size / 2;
}

/* p's first len bytes go to q, and p is freed.  q NULL: p stays.  Returns q. */
static inline void *move_object(void *q, void *p, size_t len)
{
	if (q == NULL)
		return NULL;
	memcpy(q, p, len);
	slab_free(p);
	return q;
}

/* The frequent case: a live object of the calling thread becomes one of at most SMALL_MAX bytes.
 * NULL: it is another case, or malloc or free needs its slow path; nothing has changed. */
static inline void *realloc_small(void *p, size_t n)
{
	const size_t unit = unit_at(p);
	if (unit >= root.units || n == 0 || n > SMALL_MAX)
		return NULL;
	const size_t place = own_place(unit);
	if (place >= CLASS_MAX * sizeof(struct magazine) || (live_word(p) & bit_of(p)) == 0)
		return NULL;
	const size_t size = class_usable((unsigned)place / TAG_MAGAZINE);
	if (stays(size, n))
		return p;
	return move_object(malloc_hit(n), p, min_size(n, size));
}

void *slab_realloc(void *p, size_t n)
{
	if (p == NULL)
		return slab_malloc(n);
	if (unlikely(hardening.on) && n != 0)
		return detour_realloc(p, n);
	void *const small = realloc_small(p, n);
	if (likely(small != NULL))
		return small;
	const struct place at = live_place("realloc", p);
	if (n == 0) {
		slab_free(p);
		return NULL;
	}
	const bool large =
	    n > MEDIUM_MAX && (at.slab->cls == CLASS_MAPPED || at.slab->cls == CLASS_RUN);
	if (unlikely(hardening.detour) && large)
		return profiled_resize(p, &at, n);
	if (at.slab->cls == CLASS_MAPPED && n > MEDIUM_MAX)
		return mapped_resize(p, n);
	if (stays(at.size, n) && at.slab->cls != CLASS_RUN)
		return p;
	if (at.slab->cls == CLASS_RUN && n > MEDIUM_MAX)
		return large_resize(at.slab, n);
	return move_object(slab_malloc(n), p, min_size(n, at.size));
}

/* The smallest class whose objects all lie on the alignment: slabs begin on a granule. */
static unsigned aligned_class(size_t align, size_t n)
{
	for (unsigned cls = class_of(n == 0 ? 1 : n); cls < class_count; cls++)
		if ((size_class[cls].size & (align - 1)) == 0)
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
	if (unlikely(hardening.on))
		return profiled(hardened_aligned(align, n), n, __builtin_return_address(0));
	const unsigned cls = n <= MEDIUM_MAX && align <= GRANULE ? aligned_class(align, n) : 0;
	if (cls != 0)
		return slab_malloc(size_class[cls].size);
	return profiled(large_malloc(n, align, &clean), n, __builtin_return_address(0));
}

/* Can a malloc of n bytes have returned an object of `had` bytes? realloc leaves the object in
 * place while n is more than half of that; a run's granules are counted (large_resize). */
static bool may_hold(const struct place *at, size_t n)
{
	if (n > at->size)
		return false;
	if (at->slab->cls == CLASS_MAPPED)
		return round_up(n, root.os->page) == at->size;
	if (at->slab->cls != CLASS_RUN)
		return n > at->size / 2;
	const size_t want = round_up(n, GRANULE) / GRANULE, have = at->size / GRANULE;
	return n > MEDIUM_MAX && want >= have / 2 + have / 8;
}

/* `usable` is what n asks for today. */
static void free_sized(void *p, size_t n, size_t usable)
{
	if (unlikely(hardening.on))
		return hardened_free_sized(p, n);
	const struct place at = live_place("free", p);

	if (unlikely(at.size != usable && !may_hold(&at, n)))
		slab_wrong_size(n, p, at.size);
	slab_free(p);
}

void slab_free_sized_slow(void *p, size_t n)
{
	const size_t unit = unit_at(p); /* too large a number if p is not aligned */

	if (p == NULL)
		return;
	if (n <= MEDIUM_MAX && unit < root.units && likely(!hardening.on)) {
		const uint32_t tag = tag_at(unit >> (GRANULE_SHIFT - UNIT_SHIFT));
		if (tag_heap(tag) != 0 && tag_class(tag) == class_of(n))
			return unlikely(hardening.detour)
			           ? slab_free(p)
			           : slab_free_elsewhere(p, tag ^ own_tag());
	}
	free_sized(p, n, n <= MEDIUM_MAX ? size_class[class_of(n)].size : n);
}

void slab_free_aligned_sized(void *p, size_t align, size_t n)
{
	if (p == NULL)
		return;
	if (unlikely(((uintptr_t)p & (align - 1)) != 0)) {
		if (!hardening.on)
			live_place("free", p);
		slab_wrong_alignment(align, p);
	}
	if (align <= MAX_ALIGN || !is_pow2(align))
		return slab_free_sized(p, n);
	const unsigned cls = n <= MEDIUM_MAX && align <= GRANULE ? aligned_class(align, n) : 0;
	if (cls != 0)
		return free_sized(p, n, size_class[cls].size);
	free_sized(p, n, round_up(max_size(n, 1), GRANULE));
}

size_t slab_trim(size_t keep)
{
	return purge_now(keep);
}
