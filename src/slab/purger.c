/* purger.c - the decay of free pages: which calls and which thread purge, and
 * when.  See purge.h. */
#include "slab/heap.h"
#include "slab/purge.h"

#include "base/bits.h"
#include "os/helper.h"
#include "os/libc.h"
#include "slab/remote.h"
#include "slab/thread_cache.h"

static _Atomic enum purger purger = PURGE_BY_PROCESS;
static _Atomic bool running;     /* a helper or, on a simulated os, the clock */
static _Atomic uint32_t owners;  /* threads that have a heap */
static _Atomic bool sparse_wanted; /* a heap is sparse, and no helper runs */
static _Atomic uint64_t no_helper_until, no_calls_until; /* by the clock: one was refused */

static const uint64_t AGAIN_NS = 1000000000;

/* ---- the helper ------------------------------------------------------------------------------ */

/* A helper makes an unthreaded process threaded: fork() warns, unshare() fails. */
static bool helper_allowed(void)
{
	return atomic_load_explicit(&purger, memory_order_relaxed) == PURGE_BY_PROCESS &&
	       tuning.helper && atomic_load(&owners) >= 2 && !libc_single_threaded();
}

static bool too_dirty(void)
{
	return purge_dirty() > purge_limit();
}

/* What goes from tick to tick. */
struct rounds {
	uint32_t cursor;
	unsigned quiet;
};

/* Memory that the program has not needed for a second is not expected to be needed again. */
static void forget_unneeded(void)
{
	(void)purge_unused(purge_limit());
	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count && purge_pages_keep() != 0; i++) {
		struct slab_heap *const h = heap_at(i);
		lock_take(&h->lock);
		(void)purge_pages_unused(h);
		lock_give(&h->lock);
		remote_settle_for(h);
	}
}

/* False: there was nothing to do for a while, and the purger sleeps until a thread wakes it. */
static bool tick(struct rounds *r)
{
	enum { QUIET = 10 };
	const size_t tick_ms = tuning.purge_tick_ms;
	const uint32_t age_ticks = (uint32_t)((tuning.purge_age_ms + tick_ms - 1) / tick_ms);
	const uint32_t before = root.epoch++ - (age_ticks - 1);

	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++)
		purge_release(heap_at(i), false);
	const bool changed = purge_slabs(&r->cursor);
	forget_unneeded();
	if (too_dirty()) {
		purge_runs(before, true, purge_limit() / 2);
		purge_runs(before, false, purge_limit());
	}
	r->quiet = changed || too_dirty() ? 0 : r->quiet + 1;
	if (r->quiet < QUIET)
		return true;
	atomic_store(&running, false);
	r->quiet = 0;
	return too_dirty() && !atomic_exchange(&running, true);
}

static void helper(void)
{
	struct rounds r = {0};

	while (helper_allowed() && helper_sleep_ms((unsigned)tuning.purge_tick_ms) &&
	       helper_allowed())
		if (!tick(&r))
			return;
	atomic_store(&running, false);
}

/* True: there is one. A call that wants a helper and may not start one does its work. */
static bool helper_is_there(const void *caller)
{
	if (atomic_load_explicit(&running, memory_order_relaxed))
		return true;
	if (!helper_may_start_from(caller) || purge_clock() < atomic_load(&no_helper_until) ||
	    atomic_exchange(&running, true))
		return false;
	if (!helper_start(helper)) {
		atomic_store(&no_helper_until, purge_clock() + AGAIN_NS);
		atomic_store(&running, false);
		return false;
	}
	/* the last other thread has just left its heap, and saw no helper */
	if (atomic_load(&owners) < 2)
		helper_stop();
	return true;
}

/* ---- the program's own calls ----------------------------------------------------------------- */

/* Objects in the caller's magazines keep slabs from being empty, and one empty slab of each
 * class is kept. */
static void release_own(void)
{
	struct slab_heap *const h = thread_cache.heap;

	if (h == NULL || hardening.on)
		return;
	lock_take(&h->lock);
	cache_flush(&thread_cache, h);
	heap_release_all_kept(h);
	lock_give(&h->lock);
}

/* Some of the other heaps: those whose threads sleep, or have ended. */
static void release_some(void)
{
	enum { HEAPS = 8 };
	static _Atomic uint32_t cursor;
	const uint32_t count = root.heap_count - HEAP_FALLBACK;

	for (uint32_t i = 0; i < HEAPS && i < count; i++) {
		struct slab_heap *const h =
		    heap_at(HEAP_FALLBACK + atomic_fetch_add(&cursor, 1) % count);
		if (h != thread_cache.heap)
			purge_release(h, true);
	}
}

static void pause_calls(void)
{
	atomic_store_explicit(&no_calls_until, purge_clock() + AGAIN_NS, memory_order_relaxed);
}

/* Too much is dirty: purge half the limit beyond the excess, so that not every call comes here. */
static void give_back_too_much(size_t limit)
{
	size_t given = 0;

	release_own();
	if (root.heap_count > HEAP_FIRST + 1)
		release_some();
	if (!purge_longest(limit + purge_keep() - limit / 2, &given))
		pause_calls();
	purge_gave(given);
}

/* Give back memory that was kept and not needed. */
static void give_back_unused(size_t limit)
{
	size_t given = 0;
	const size_t n = purge_unused(limit), dirty = purge_dirty();

	if (n != 0 && !purge_longest(dirty - min_size(dirty, n), &given))
		pause_calls();
}

static void give_back_noted(void)
{
	/* while another thread purges, each call would take page_lock twice for nothing */
	if (!atomic_load_explicit(&purge_wanted, memory_order_relaxed) ||
	    lock_is_held(&purge_lock))
		return;
	atomic_store(&purge_wanted, false);
	for (uint32_t chunk; (chunk = purge_chunk_noted()) != 0;) {
		if (purge_whole(chunk))
			continue;
		/* another thread purges: a later call gives back this one and the rest */
		lock_take(&root.page_lock);
		purge_chunk_soon(chunk);
		lock_give(&root.page_lock);
		return;
	}
}

/* No other thread will. As long as no more is dirty than this program is expected to need again,
 * one call of 16 looks at the clock. */
static void give_back_by_call(void)
{
	enum { EVERY = 16 };
	static _Atomic unsigned calls;
	const size_t limit = purge_limit(), dirty = purge_dirty();
	const bool too_much = dirty > limit + purge_keep();

	give_back_noted();
	if (dirty <= limit ||
	    (!too_much && atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) % EVERY != 0))
		return;
	if (purge_clock() < atomic_load_explicit(&no_calls_until, memory_order_relaxed))
		return;
	if (too_much)
		give_back_too_much(limit);
	else
		give_back_unused(limit);
}

/* ---- which of them --------------------------------------------------------------------------- */

/* To begin and end a helper takes 0.1 ms, which a program whose threads begin and end every few
 * milliseconds would pay each time. So where one thread was alone less than 100 ms ago, no helper
 * begins in the first 10 ms if the program is expected to need again all that is dirty: by then its
 * threads may have ended. Elsewhere it begins at once, since no call may come after the 10 ms. */
static const uint64_t HELPER_WAITS_NS = 10000000, COME_AND_GO_NS = 100000000;
static _Atomic uint64_t over_since; /* no helper runs, and more is dirty than the limit; 0: no */
static _Atomic uint64_t alone_at;   /* when the last but one thread left its heap; 0: never */

static bool helper_may_wait(void)
{
	const size_t keep = purge_keep();
	const uint64_t alone = atomic_load_explicit(&alone_at, memory_order_relaxed);

	if (keep == 0 || alone == 0 || purge_dirty() > purge_limit() + keep)
		return false;
	const uint64_t now = purge_clock(), since = atomic_load(&over_since);
	if (now - alone > COME_AND_GO_NS)
		return false;
	if (since == 0 && too_dirty())
		atomic_store(&over_since, now);
	return since == 0 || now - since <= HELPER_WAITS_NS;
}

/* Let the helper work, if there may be one; false: the call gives back. */
static bool leave_to_helper(const void *caller)
{
	if (!helper_allowed())
		return false;
	if (atomic_load_explicit(&running, memory_order_relaxed) ||
	    (!atomic_load_explicit(&sparse_wanted, memory_order_relaxed) && helper_may_wait())) {
		atomic_store(&purge_wanted, false);
		return true;
	}
	if (!helper_is_there(caller))
		return false;
	atomic_store(&purge_wanted, false);
	atomic_store(&sparse_wanted, false);
	atomic_store(&over_since, 0);
	return true;
}

void purge_over(const void *caller)
{
	if (atomic_load_explicit(&purger, memory_order_relaxed) == PURGE_BY_CLOCK)
		atomic_store(&running, true);
	else if (!leave_to_helper(caller))
		give_back_by_call();
}

/* The helper looks at a few slabs at a time. It need not begin at once for pages that the program
 * is expected to need again: as pages or, once their slabs are empty, as dirty granules. */
static bool is_helpers(const struct slab_heap *h)
{
	const size_t keep = max_size(purge_pages_keep(), purge_keep() << GRANULE_SHIFT);

	if (atomic_load_explicit(&running, memory_order_relaxed))
		return false;
	return h->fallen > tuning.dirty_floor_bytes + keep || !helper_may_wait();
}

/* A sweep looks at each partly empty slab, so enough frees must pay for it: half of the live bytes
 * in these slabs, and at least the floor. */
static bool is_callers(struct slab_heap *h)
{
	enum { EVERY = 16, SHARE = 2 };
	const size_t floor = tuning.dirty_floor_bytes, keep = purge_pages_keep();
	const size_t all = (size_t)h->partial_granules << GRANULE_SHIFT;
	const size_t live = h->partial_live != 0 ? min_size(h->partial_live, all) : all;

	if (h->fallen <= floor)
		return false;
	if (h->fallen > max_size(floor, live / SHARE) + keep)
		return true;
	return keep != 0 && ++h->looks % EVERY == 0 && purge_pages_unused(h) != 0;
}

bool purge_is_sparse(struct slab_heap *h)
{
	if (h->partial_granules <= purge_limit())
		return false;
	return helper_allowed() ||
	        atomic_load_explicit(&purger, memory_order_relaxed) == PURGE_BY_CLOCK
	    ? is_helpers(h) : is_callers(h);
}

static void want_helper(void)
{
	atomic_store(&sparse_wanted, true);
	atomic_store(&purge_wanted, true);
}

void purge_sparse(struct slab_heap *h)
{
	if (atomic_load_explicit(&purger, memory_order_relaxed) == PURGE_BY_CLOCK)
		atomic_store(&running, true);
	else if (helper_allowed())
		want_helper();
	else if (purge_clock() >= atomic_load_explicit(&no_calls_until, memory_order_relaxed) &&
	         !purge_heap(h))
		pause_calls();
}

void purge_heap_taken(void)
{
	atomic_fetch_add(&owners, 1);
}

void purge_heaps_gone(void)
{
	atomic_store(&owners, 0);
}

void purge_heap_left(struct slab_heap *h)
{
	if (atomic_fetch_sub(&owners, 1) <= 2) {
		atomic_store(&over_since, 0);
		atomic_store(&sparse_wanted, false);
		atomic_store(&alone_at, purge_clock());
		if (helper_running())
			helper_stop();
	}
	if (h->partial_granules > purge_limit()) {
		lock_take(&h->lock);
		const bool sparse = purge_is_sparse(h);
		lock_give(&h->lock);
		remote_settle_for(h);
		if (sparse)
			purge_sparse(h);
	}
	purge_check(NULL);
}

size_t purge_now(size_t keep)
{
	if (root.base == 0)
		return 0;
	const size_t before = root.dirty, granules = keep / GRANULE;

	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++)
		purge_release(heap_at(i), true);
	purge_runs(root.epoch + 1, true, granules);
	purge_runs(root.epoch + 1, false, granules);
	const size_t after = root.dirty;
	return before > after ? (before - after) * GRANULE : 0;
}

/* ---- the clock, and the start ---------------------------------------------------------------- */

static struct rounds rounds;
static uint64_t due_ns; /* of the next tick; 0: at the first look after a call */

static uint64_t tick_ns(void)
{
	return (uint64_t)tuning.purge_tick_ms * 1000000;
}

void purge_by_clock(void)
{
	if (purger != PURGE_BY_CLOCK || root.base == 0 ||
	    !atomic_load_explicit(&running, memory_order_relaxed))
		return;
	const uint64_t now = purge_clock();
	if (due_ns == 0)
		due_ns = now + tick_ns();
	for (bool more = true; more && now >= due_ns;) {
		more = tick(&rounds);
		due_ns = more ? due_ns + tick_ns() : 0;
	}
}

uint64_t purge_next_ns(void)
{
	return due_ns != 0 && atomic_load_explicit(&running, memory_order_relaxed) ? due_ns
	                                                                           : UINT64_MAX;
}

static void forget(void)
{
	atomic_store(&running, false);
	atomic_store(&purge_wanted, false);
	atomic_store(&sparse_wanted, false);
	atomic_store(&over_since, 0);
	atomic_store(&alone_at, 0);
	atomic_store(&no_helper_until, 0);
	atomic_store(&no_calls_until, 0);
	rounds = (struct rounds){0};
	due_ns = 0;
}

void purge_by(enum purger who)
{
	atomic_store(&purger, who);
	if (helper_running())
		helper_stop();
	forget();
}

void purge_after_fork(void)
{
	helper_forget();
	lock_fork_child(&purge_lock);
	atomic_store(&owners, thread_cache.heap != NULL);
	forget();
}
