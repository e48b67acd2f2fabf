/* malloc_fast.c - slab as the process's malloc: libdmm.so and libdmm.a.  No table, no lock, no test
 * whether the heap is open: a hit is fast.h, inlined into malloc and free.
 *
 * Invariants:
 *   F1 the heap opens in the first slow path, which is the first call of all
 *   F2 what opens it neither allocates nor needs a C library that is ready
 *   F3 stats:1 takes every call off the hit path (settings.c), and only what misses is counted
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "interpose/interpose.h"
#include "interpose/report.h"
#include "os/helper.h"
#include "os/dlopen.h"
#include "slab/fast.h"
#include "slab/fork.h"
#include "slab/hardened.h"
#include "slab/init.h"
#include "slab/measure.h"
#include "slab/origin.h"
#include "slab/profile_hit.h"
#include "slab/purge.h"
#include "slab/remote_hit.h"
#include "slab/settings.h"
#include "slab/system.h"

static _Atomic size_t calls[5]; /* by enum usage_call */

/* Called after the counting: the very first call reads the settings. */
static inline void count_call(enum usage_call call)
{
	if (unlikely(surface.stats))
		atomic_fetch_add_explicit(&calls[call], 1, memory_order_relaxed);
}

static __attribute__((noinline)) void *malloc_counted(size_t n)
{
	void *const p = slab_malloc_slow(n);
	count_call(USAGE_MALLOC);
	return p;
}

static __attribute__((noinline)) void *malloc_miss(size_t n)
{
	/* Without classes this call is what reads the settings. */
	if (likely(!hardening.detour && class_count != 0))
		return slab_malloc_slow(n);
	if (likely(hardening.alone))
		return hardened_malloc(n);
	void *const p = profiler_hit(n);
	if (likely(p != NULL))
		return p;
	/* By a jump where nothing is counted, so that the slow path knows who called malloc. */
	return surface.stats || class_count == 0 ? malloc_counted(n) : slab_malloc_slow(n);
}

static inline void *do_malloc(size_t n)
{
	void *const p = malloc_hit(n);
	return likely(p != NULL) ? p : malloc_miss(n);
}

static inline void *do_calloc(size_t count, size_t n)
{
	void *const p = slab_calloc(count, n);
	count_call(USAGE_CALLOC);
	return p;
}

static __attribute__((noinline)) void *realloc_miss(void *p, size_t n)
{
	void *const q = slab_realloc(p, n);
	count_call(USAGE_REALLOC);
	return q;
}

static inline void *do_realloc(void *p, size_t n)
{
	if (p != NULL)
		return realloc_hit(p, n) ? p : realloc_miss(p, n);
	void *const fresh = malloc_hit(n);
	return likely(fresh != NULL) ? fresh : realloc_miss(p, n);
}

static inline void *do_aligned(size_t align, size_t n)
{
	void *const p = slab_aligned(align, n);
	count_call(USAGE_ALIGNED);
	return p;
}

static __attribute__((noinline)) void free_miss(void *p)
{
	if (unlikely(hardening.alone) && p != NULL) {
		if (unlikely(hardened_free(p)))
			purge_check(__builtin_return_address(0));
		return;
	}
	if (p != NULL)
		count_call(USAGE_FREE);
	slab_free_slow(p);
}

/* place: see remote_hit() */
static __attribute__((noinline)) void free_elsewhere(void *p, size_t place)
{
	if (!remote_hit(p, place))
		free_miss(p);
}

static inline void do_free(void *p)
{
	size_t place;
	const enum free_try how = free_try(&p, &place);

	if (unlikely(how == FREE_ELSEWHERE))
		free_elsewhere(p, place);
	else if (unlikely(how == FREE_MISSED))
		free_miss(p);
}

/* Objects of operator new are marked where anybody looks at the marks.  Where nothing is to be
 * done, it jumps to malloc's own slow path, which takes the return address for the program's. */
static __attribute__((noinline)) void *new_miss(size_t n, enum origin origin)
{
	if (likely(!hardening.detour && class_count != 0))
		return slab_malloc_slow(n);
	void *const p = malloc_miss(n);
	if (hardening.origins && p != NULL)
		origin_set(p, origin);
	return p;
}

static inline void *do_new(size_t n, enum origin origin)
{
	void *const p = malloc_hit(n);
	return likely(p != NULL) ? p : new_miss(n, origin);
}

static inline void *do_new_aligned(size_t align, size_t n, enum origin origin)
{
	void *const p = do_aligned(align, n);
	if (unlikely(hardening.origins) && p != NULL)
		origin_set(p, origin);
	return p;
}

static inline void check_delete(void *p, enum origin origin)
{
	if (unlikely(hardening.origins) && p != NULL)
		origin_check(origin == ORIGIN_NEW ? "delete" : "delete[]", p, origin);
}

static __attribute__((noinline)) void delete_miss(void *p, enum origin origin)
{
	check_delete(p, origin);
	free_miss(p);
}

/* Where origins are checked, hardening.on is set, and remote_hit() is false. */
static __attribute__((noinline)) void delete_elsewhere(void *p, size_t place, enum origin origin)
{
	if (!remote_hit(p, place))
		delete_miss(p, origin);
}

static inline void do_delete(void *p, enum origin origin)
{
	size_t place;
	const enum free_try how = free_try(&p, &place);

	if (unlikely(how == FREE_ELSEWHERE))
		delete_elsewhere(p, place, origin);
	else if (unlikely(how == FREE_MISSED))
		delete_miss(p, origin);
}

static inline void do_free_sized(void *p, size_t align, size_t n)
{
	if (p != NULL)
		count_call(USAGE_FREE);
	if (align <= DMM_ALIGN_MIN)
		slab_free_sized(p, n);
	else
		slab_free_aligned_sized(p, align, n);
}

static inline void do_delete_sized(void *p, size_t align, size_t n, enum origin origin)
{
	check_delete(p, origin);
	do_free_sized(p, align, n);
}

static inline size_t do_usable(const void *p)
{
	return slab_usable(p);
}

#include "interpose/names.h"

const char *slab_settings_text(void)
{
	/* A string in the code would lie among those of the messages, which no start needs. */
	static const char name[] = "DMM_CONF";
	return secure_getenv(name); /* NULL while there is no environment yet */
}

bool dlopen_keeps_deepbind(void)
{
	return slab_start_up() && surface.deepbind;
}

void *interpose_new(size_t align, size_t n, enum origin origin)
{
	return do_new_aligned(align, n, origin);
}

void interpose_measure(struct usage *u)
{
	struct slab_sums m;

	slab_measure(&m);
	*u = (struct usage){.system = "slab",
	    .apart = m.tables,
	    .trimmable = m.dirty,
	    .bytes = {[DMM_LIVE] = m.live,
	        [DMM_FREE] = m.free,
	        [DMM_META] = m.tables,
	        [DMM_PAD] = m.lost},
	    .pieces = {[DMM_LIVE] = m.live_pieces,
	        [DMM_FREE] = m.free_pieces,
	        [DMM_META] = m.tables != 0,
	        [DMM_PAD] = m.lost_pieces}};
	for (int i = 0; i < 5; i++)
		u->calls[i] = atomic_load_explicit(&calls[i], memory_order_relaxed);
}

bool interpose_perturb(unsigned char byte)
{
	return slab_perturb(byte);
}

size_t interpose_trim(size_t keep)
{
	return slab_trim(keep);
}

void interpose_before_fork(void)
{
	slab_before_fork();
}

void interpose_after_fork_parent(void)
{
	slab_after_fork_parent();
}

void interpose_after_fork_child(void)
{
	slab_after_fork_child();
}

void slab_register_fork_handlers(void)
{
	fork_guard();
}

/* At the latest before main: a thread may be there that has not called malloc yet. */
static __attribute__((constructor)) void open_before_main(void)
{
	helper_note_process();
	if (slab_start_up() && surface.stats)
		usage_at_exit();
	report_begin();
}
