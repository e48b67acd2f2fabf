/* system.c - the adapter to struct dmm_system: the same functions as malloc's, through a table. */
#include "slab/system.h"

#include <errno.h>

#include "slab/alloc.h"
#include "slab/fast.h"
#include "slab/guard_large.h"
#include "slab/guarded.h"
#include "slab/init.h"
#include "slab/large.h"
#include "slab/mapped.h"
#include "slab/page_heap.h"
#include "slab/profile.h"
#include "slab/profile_draw.h"
#include "slab/purge.h"

static bool fault(struct dmm_fault *why, const char *rule, const void *at, uint64_t found,
    uint64_t wanted)
{
	*why = (struct dmm_fault){rule, (uintptr_t)at, found, wanted};
	return false;
}

static bool check_lists(const struct slab_heap *h, struct dmm_fault *why)
{
	size_t granules = 0;

	for (unsigned cls = 0; cls < class_count; cls++)
		for (uint32_t first = h->partial[cls], g = first; g != 0;) {
			const struct slab *s = slab_at(g);
			if (heap_of(s) != h || !s->listed || s->cls != cls)
				return fault(why, "S5 listed", s, s->heap, heap_number(h));
			granules += s->granules;
			g = s->next == first ? 0 : s->next;
		}
	return granules == h->partial_granules ||
	    fault(why, "S5 listed", h, h->partial_granules, granules);
}

/* An object in a magazine or a given stack is neither live nor avail, and of this heap and
 * class. */
static bool check_objects(const struct slab_heap *h, unsigned cls, void *const *at,
    void *const *top, struct dmm_fault *why)
{
	for (; at < top; at++) {
		const uint64_t bits = (live_word(*at) | free_word(*at)) & bit_of(*at);
		const uint32_t tag = tag_at(((uintptr_t)*at - root.base) >> GRANULE_SHIFT);
		if (bits != 0)
			return fault(why, "S6 cached", *at, bits, 0);
		if ((tag & ~TAG_REMOTE) != tag_of(heap_number(h), cls))
			return fault(why, "S6 cached", *at, tag, tag_of(heap_number(h), cls));
	}
	return true;
}

static bool check_magazines(const struct slab_heap *h, struct dmm_fault *why)
{
	const struct thread_cache *const tc = h->owner;

	for (unsigned cls = 0; tc != NULL && cls < class_count; cls++) {
		const struct magazine *const k = &tc->magazine[cls];
		if (!check_objects(h, cls, magazine_bottom(h, cls, k), k->top, why))
			return false;
		if (cls < SMALL_CLASSES && !given_none(tc, cls) &&
		    !check_objects(h, cls, given_bottom(h, cls), tc->given[cls], why))
			return false;
	}
	return true;
}

static bool check_granule(uint32_t granule, uint32_t *count, struct dmm_fault *why)
{
	const struct slab_chunk *c = chunk_at(granule / CHUNK_GRANULES);
	const bool free = c->free[granule % CHUNK_GRANULES / 64] >> granule % 64 & 1;
	struct slab *s = slab_at(granule);
	const enum granule_kind kind = kind_of(s);

	*count = 1;
	if (free && (kind == GRANULE_SLAB || kind == GRANULE_RUN || kind == GRANULE_REST ||
	                kind == GRANULE_GUARD))
		return fault(why, "L1 alone", s, kind, GRANULE_FREED);
	if (free || (kind != GRANULE_SLAB && kind != GRANULE_RUN))
		return true;
	*count = kind == GRANULE_RUN ? s->run : s->granules;
	for (uint32_t g = granule; g < granule + *count; g++)
		if (chunk_at(g / CHUNK_GRANULES)->free[g % CHUNK_GRANULES / 64] >> g % 64 & 1)
			return fault(why, "L1 alone", slab_at(g), 1, 0);
	return kind == GRANULE_RUN || slab_check(s, why);
}

bool slab_check_all(struct dmm_fault *why)
{
	size_t kept = 0;

	if (root.base == 0)
		return true;
	if (!page_heap_check(why) || !guarded_check(why))
		return false;
	for (uint32_t g = 1, n; g < root.chunk_count * CHUNK_GRANULES; g += n) {
		const struct slab *const s = slab_at(g);
		if (!check_granule(g, &n, why))
			return false;
		kept += kind_of(s) == GRANULE_SLAB && s->listed == LISTED_KEPT ? n : 0;
	}
	if (kept != root.kept)
		return fault(why, "S7 kept", &root, root.kept, kept);
	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++)
		if (!check_lists(heap_at(i), why) || !check_magazines(heap_at(i), why))
			return false;
	return true;
}

void slab_clock_moved(void)
{
	purge_by_clock();
}

uint64_t slab_next_look_ns(void)
{
	return purge_next_ns();
}

void slab_purge_by_calls(void)
{
	purge_by(PURGE_BY_CALLS);
}

static __thread uint64_t misses;

uint64_t slab_misses(void)
{
	return misses;
}

void slab_shut_down(void)
{
	large_forget();
	guard_large_forget();
	purge_by(PURGE_BY_CLOCK);
	mapped_close();
	guarded_close();
	profiler_close();
	slab_settings_reset();
	page_heap_close();
	root = (struct slab_root){0};
	thread_cache = (struct thread_cache){THREAD_CACHE_NONE};
	fallback_cache = (struct thread_cache){THREAD_CACHE_NONE};
	purge_heaps_gone();
	slab_start_os = &os_linux;
}

/* ---- the table ------------------------------------------------------------------------------- */

static int system_open(void *st, const struct dmm_params *params, const struct dmm_os *os)
{
	(void)st, (void)params;
	if (root.base != 0)
		return -EBUSY;
	return slab_start_on(os) ? 0 : -ENOMEM;
}

static void system_close(void *st)
{
	(void)st;
	slab_shut_down();
}

static void *system_alloc(void *st, size_t n, size_t align)
{
	(void)st;
	if (align > MAX_ALIGN)
		return slab_aligned(align, n);
	void *const p = malloc_hit(n);
	if (likely(p != NULL))
		return p;
	misses++;
	return slab_malloc_slow(n);
}

static void system_free(void *st, void *p)
{
	(void)st;
	if (likely(free_hit_at(&p, ANY_PLACE)))
		return;
	misses++;
	slab_free_slow(p);
}

static void *system_resize(void *st, void *p, size_t n)
{
	(void)st;
	return slab_realloc(p, n);
}

static size_t system_usable(void *st, const void *p)
{
	(void)st;
	return slab_usable(p);
}

static int system_walk(void *st, dmm_visit *visit, void *arg)
{
	(void)st;
	return slab_walk(visit, arg);
}

static bool system_check(void *st, struct dmm_fault *why)
{
	(void)st;
	return slab_check_all(why);
}

static size_t system_trim(void *st, size_t keep)
{
	(void)st;
	return slab_trim(keep);
}

const struct dmm_system system_slab = {
    .abi = DMM_SYSTEM_ABI,
    .name = "slab",
    .doc = "size classes in slabs, a bit an object outside user memory, per thread, every free "
           "checked",
    .traits = DMM_FREES | DMM_THREADS | DMM_USES_MAP | DMM_RETURNS | DMM_SEES_DOUBLE_FREE |
              DMM_SEES_FOREIGN | DMM_SINGLETON,
    .align = (size_t)1 << 30,
    .state_size = 16,
    .open = system_open,
    .close = system_close,
    .alloc = system_alloc,
    .free = system_free,
    .resize = system_resize,
    .usable = system_usable,
    .walk = system_walk,
    .check = system_check,
    .trim = system_trim,
};
