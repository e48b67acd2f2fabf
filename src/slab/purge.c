/* purge.c - see purge.h for the promise. */
#include "slab/purge.h"

#include "base/bits.h"
#include "os/helper.h"
#include "slab/settings.h"
#include "slab/page_heap.h"
#include "slab/remote.h"
#include "slab/reservation.h"
#include "slab/thread_cache.h"

struct lock purge_lock;
static _Atomic bool running;
static _Atomic bool enabled = true;

static bool give_back(void *p, size_t len)
{
	return root.os->purge(root.os->ctx, p, len) == 0;
}

/* ---- free runs ------------------------------------------------------------------------------ */

static bool purge_mask(uint32_t chunk, const uint64_t mask[2])
{
	bool ok = true;

	for (uint32_t at = 0; at < CHUNK_GRANULES;) {
		uint32_t end = at;
		while (end < CHUNK_GRANULES && (mask[end / 64] >> end % 64 & 1))
			end++;
		char *const p = granule_address(chunk * CHUNK_GRANULES + at);
		if (end > at)
			ok = give_back(p, (size_t)(end - at) * GRANULE) && ok;
		at = end + 1;
	}
	return ok;
}

/* The bits of granules that are all claimed. */
static void purge_bits(uint32_t first, uint32_t count)
{
	const char *const p = granule_address(first);

	give_back(avail_word(p), (size_t)count * GRANULE_WORDS * sizeof *root.avail);
	give_back(live_word_at(p), (size_t)count * GRANULE_WORDS * sizeof *root.live);
}

static void purge_groups(uint32_t chunk, const uint64_t mask[2])
{
	for (uint32_t at = 0; at < CHUNK_GRANULES; at += PURGE_GROUP)
		if ((uint32_t)(mask[at / 64] >> at % 64) == UINT32_MAX)
			purge_bits(chunk * CHUNK_GRANULES + at, PURGE_GROUP);
}

/* Claim, purge and return one chunk from `from` on; UINT32_MAX: there is none. */
static uint32_t purge_chunk(uint32_t from, uint32_t before, bool whole)
{
	uint64_t mask[2];

	lock_take(&purge_lock);
	const uint32_t chunk = purge_claim(from, before, whole, mask);
	if (chunk != UINT32_MAX) {
		const bool ok = purge_mask(chunk, mask);
		purge_groups(chunk, mask);
		if (whole) /* no slab is left in it */
			give_back(slab_at(chunk * CHUNK_GRANULES), CHUNK_GRANULES * sizeof(struct slab));
		purge_return(chunk, mask, ok);
	}
	lock_give(&purge_lock);
	return chunk;
}

/* Purge chunks that no run was taken from or given to since epoch `before`, until at most `keep`
 * granules are dirty. */
static void purge_runs(uint32_t before, bool whole, size_t keep)
{
	uint32_t chunk = 0;

	while (root.dirty > keep && (chunk = purge_chunk(chunk, before, whole)) != UINT32_MAX)
		chunk++;
}

/* ---- pages of slabs ------------------------------------------------------------------------- */

/* No object that reaches into these bytes of the slab is anything but avail. */
static bool range_avail(const struct slab *s, size_t from, size_t to)
{
	const size_t step = s->size;
	const size_t last = min_size((to - 1) / step, s->count - 1u);

	for (size_t i = from / step; i <= last; i++) {
		const char *const p = slab_start(s) + i * step;
		if ((atomic_load_explicit(avail_word(p), memory_order_relaxed) & bit_of(p)) == 0)
			return false;
	}
	return true;
}

/* Give back the pages of a slab on which all objects are in avail: nobody touches those unlocked. */
static void purge_pages(struct slab *s)
{
	const size_t len = (size_t)s->granules << GRANULE_SHIFT, unit = PURGE_UNIT;
	size_t from = 0;

	for (size_t at = 0; at <= len; at += unit) {
		if (at < len && (s->purged >> at / unit & 1) == 0 && range_avail(s, at, at + unit))
			continue;
		if (from < at && give_back(slab_start(s) + from, at - from))
			s->purged |= (uint32_t)(((1ull << (at - from) / unit) - 1) << from / unit);
		from = at + unit;
	}
}

/* True: it has changed since we looked last, so look again. */
static bool look_at(struct slab *s)
{
	const unsigned avail = slab_count_avail(s);

	if (avail != s->seen_avail) {
		s->seen_avail = (uint16_t)avail;
		return true;
	}
	if ((size_t)avail * s->size >= 4096 && s->cls != CLASS_ZERO)
		purge_pages(s);
	return false;
}

static bool purge_slab(struct slab *s)
{
	const unsigned number = s->heap;
	struct heap *h = heap_at(number);
	bool changed = false;

	if (number == 0)
		return false;
	lock_take(&h->lock);
	if (kind_of(s) == GRANULE_SLAB && s->heap == number)
		changed = look_at(s);
	lock_give(&h->lock);
	remote_settle_for(h);
	return changed;
}

/* All slabs of one chunk; true: something has changed. */
static bool purge_slabs_of(uint32_t chunk)
{
	bool changed = false;

	for (uint32_t i = 0; i < CHUNK_GRANULES; i++) {
		struct slab *const s = slab_at(chunk * CHUNK_GRANULES + i);
		if (kind_of(s) == GRANULE_SLAB)
			changed = purge_slab(s) || changed;
	}
	const size_t holes = reservation_holes(chunk);
	if (holes > 0)
		purge_left_holes(chunk, holes);
	return changed;
}

/* Continue where the last tick ended; true: something has changed. */
static bool purge_slabs(uint32_t *cursor)
{
	const uint32_t chunks = root.chunk_count, quarter = chunks / 4 + 128;
	bool changed = false;

	for (uint32_t n = 0; n < chunks && n < quarter; n++) {
		const uint32_t chunk = (*cursor)++ % chunks;
		if (chunk_at(chunk)->free_bin == RUN_BINS - 1)
			continue;
		changed = purge_slabs_of(chunk) || changed;
	}
	return changed;
}

/* ---- slabs that others have emptied while their owner sleeps --------------------------------- */

static void release_idle(bool all)
{
	for (uint32_t i = HEAP_LATE; i < root.heap_count; i++) {
		struct heap *const h = heap_at(i);
		lock_take(&h->lock);
		remote_release_emptied(h);
		if (all)
			heap_release_all_kept(h);
		else
			heap_release_idle_kept(h);
		lock_give(&h->lock);
		remote_settle_for(h);
	}
}

/* ---- the helper ------------------------------------------------------------------------------ */

static bool too_dirty(void)
{
	return purge_dirty() > purge_limit();
}

/* What goes from tick to tick. */
struct rounds {
	uint32_t cursor;
	unsigned quiet;
};

/* False: there has been nothing to do for a while, and nobody will come again until somebody wakes us. */
static bool tick(struct rounds *r)
{
	const uint32_t age_ticks = (uint32_t)((tuning.purge_age_ms + tuning.purge_tick_ms - 1) / tuning.purge_tick_ms);
	const uint32_t before = root.epoch++ - (age_ticks - 1);

	release_idle(false);
	const bool changed = purge_slabs(&r->cursor);
	if (too_dirty()) {
		purge_runs(before, true, purge_limit() / 2);
		purge_runs(before, false, purge_limit());
	}
	r->quiet = changed || too_dirty() ? 0 : r->quiet + 1;
	if (r->quiet < 10)
		return true;
	atomic_store(&running, false);
	r->quiet = 0;
	return too_dirty() && !atomic_exchange(&running, true);
}

static int helper(void *arg)
{
	struct rounds r = {0};
	(void)arg;

	do
		helper_sleep_ms((unsigned)tuning.purge_tick_ms);
	while (enabled && tick(&r));
	return 0;
}

/* ---- or without it ---------------------------------------------------------------------------- */

static struct rounds rounds;
static uint64_t due_ns; /* of the next tick; 0: at the first look after somebody called */

static uint64_t tick_ns(void)
{
	return (uint64_t)tuning.purge_tick_ms * 1000000;
}

/* Without a thread from the system (RLIMIT_NPROC, a container's limit, seccomp) who would wake it does its work, once
 * in a tick, and asks again then.  What a program leaves that calls no more stays. */
static void start_or_tick(void)
{
	const uint64_t now = root.os->now_ns(root.os->ctx);

	if (now >= due_ns) {
		due_ns = 0;
		if (helper_start(helper))
			return;
		due_ns = now + tick_ns();
		rounds.quiet = 0;
		tick(&rounds);
	}
	atomic_store(&running, false);
}

void purge_wake(void)
{
	if (!atomic_load_explicit(&running, memory_order_relaxed) && !atomic_exchange(&running, true) && enabled)
		start_or_tick();
}

void purge_by_clock(void)
{
	if (enabled || root.base == 0 || !atomic_load_explicit(&running, memory_order_relaxed))
		return;
	const uint64_t now = root.os->now_ns(root.os->ctx);
	if (due_ns == 0)
		due_ns = now + tick_ns();
	for (bool more = true; more && now >= due_ns;) {
		more = tick(&rounds);
		due_ns = more ? due_ns + tick_ns() : 0;
	}
}

void purge_allow(bool allowed)
{
	enabled = allowed;
	while (!allowed && helper_running())
		helper_sleep_ms(1);
	if (!helper_running())
		atomic_store(&running, false);
	rounds = (struct rounds){0};
	due_ns = 0;
}

size_t purge_now(size_t keep)
{
	if (root.base == 0)
		return 0;
	const size_t before = root.dirty, granules = keep / GRANULE;

	release_idle(true);
	purge_runs(root.epoch + 1, true, granules);
	purge_runs(root.epoch + 1, false, granules);
	const size_t after = root.dirty;
	return before > after ? (before - after) * GRANULE : 0;
}

void purge_after_fork(void)
{
	helper_forget();
	lock_fork_child(&purge_lock);
	atomic_store(&running, false);
}
