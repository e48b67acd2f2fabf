/* guard_large.c - see guard_large.h. */
#include "slab/guard_large.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "slab/canary.h"
#include "slab/guard.h"
#include "slab/large.h"
#include "slab/mapped.h"
#include "slab/misuse.h"
#include "slab/page_heap.h"
#include "slab/place.h"
#include "slab/purge.h"

static const size_t PURGE_FROM = 256 << 10;      /* clearing less costs less than new pages */
enum { LEAD_MAX = 64 }; /* granules: objects of larger alignment have no guard before them */
enum { WAITING_MOST = 256, WAITING_LEAST_BYTES = 256 << 20 }; /* in the quarantine of runs */
enum { PARKED_GRANULES = 20, PARKED_EACH = 16 }; /* runs of one length that are parked */

static struct slab *run_of(const void *p)
{
	return slab_at(((uintptr_t)p - root.base) >> GRANULE_SHIFT);
}

static size_t run_bytes(const struct slab *s)
{
	return (size_t)s->run << GRANULE_SHIFT;
}

/* Bytes of memory for an object of n: enough pages that a write past its end meets a canary or a
 * guard. */
static size_t pages_for(size_t n)
{
	const size_t page = root.os->page;
	const bool canary = hardening.canary && !(hardening.guard_large && n % page == 0);
	return round_up(n + canary, page);
}

size_t guard_large_usable(const void *p)
{
	const struct slab *const s = run_of(p);
	if (!hardening.runs)
		return run_bytes(s);
	const size_t n = run_bytes(s) - s->size;

	if (hardening.canary &&
	    !canary_is_filled(p, (const char *)p + n, (const char *)p + pages_for(n))) {
		canary_damaged();
		slab_misuse("write past the end", p, n);
	}
	return n;
}

void guard_large_renew(const struct slab *s, const struct canary_key *old)
{
	char *const p = granule_address(granule_of(s)), *const n = p + run_bytes(s) - s->size;
	char *const end = p + pages_for(ptr_diff(n, p));

	if (hardening.runs && canary_is_filled_by(old, p, n, end))
		canary_fill(p, n, end);
}

/* ---- guards ---------------------------------------------------------------------------------- */

static size_t granules_for(size_t n)
{
	const size_t bytes = pages_for(n) + (hardening.guard_large ? root.os->page : 0);
	/* objects of zero bytes have addresses of their own, too */
	return (max_size(bytes, 1) + GRANULE - 1) >> GRANULE_SHIFT;
}

/* Make the run hold n bytes, of which its pages held `before` already. False: the guard after these
 * cannot be removed, and nothing has changed. */
static bool finish(struct slab *s, size_t n, size_t before)
{
	char *const p = granule_address(granule_of(s));
	const size_t pages = pages_for(n), all = run_bytes(s);

	if (pages > before && guard_set(p + before, pages - before, false) != 0)
		return false;
	if (before > pages)
		guard_set(p + pages, before - pages, true);
	s->size = (uint32_t)(all - n);
	if (hardening.canary)
		canary_fill(p, p + n, p + pages);
	return true;
}

/* ---- runs that left the quarantine and keep their guards ------------------------------------- */

/* Programs allocate and free buffers of a few lengths again and again.  A run that leaves the
 * quarantine is inaccessible from its lead to its end, and the next object of its length needs just
 * that around it.  So the run is parked as it is, and opening it takes one system call.
 * waiting_lock is held. */
struct lock waiting_lock;
static struct {
	uint32_t run[PARKED_EACH]; /* granules; the oldest first */
	uint32_t count;
} parked[PARKED_GRANULES + 1]; /* by granules of the run */

/* False: there are enough of its length. */
static bool park(const struct slab *s)
{
	CHECK(lock_held(&waiting_lock));
	if (s->run > PARKED_GRANULES || s->count != 1 || parked[s->run].count == PARKED_EACH)
		return false;
	parked[s->run].run[parked[s->run].count++] = granule_of(s);
	return true;
}

/* The oldest of that length; NULL: none. */
static struct slab *unpark(size_t granules)
{
	CHECK(lock_held(&waiting_lock));
	if (granules > PARKED_GRANULES || parked[granules].count == 0)
		return NULL;
	struct slab *const s = slab_at(parked[granules].run[0]);
	memmove(parked[granules].run, parked[granules].run + 1,
	    --parked[granules].count * sizeof *parked[granules].run);
	atomic_fetch_sub_explicit(&root.waiting, s->run + s->count, memory_order_relaxed);
	return s;
}

/* The pages of an unparked run stay inaccessible, past vm.max_map_count: it is parked again, for a
 * later call.  If there is no room, its addresses are lost, but no memory, and it counts as waiting
 * for ever. */
static void park_again(const struct slab *s)
{
	lock_take(&waiting_lock);
	park(s);
	atomic_fetch_add_explicit(&root.waiting, s->run + s->count, memory_order_relaxed);
	lock_give(&waiting_lock);
}

/* A parked run as an object of n bytes; NULL: none is parked, or its pages stay inaccessible. */
static struct slab *open_parked(size_t n, size_t granules)
{
	if (!hardening.guard_large)
		return NULL;
	lock_take(&waiting_lock);
	struct slab *const s = unpark(granules);
	lock_give(&waiting_lock);
	if (s == NULL)
		return NULL;
	if (guard_set(slab_start(s), pages_for(n), false) != 0) {
		park_again(s);
		return NULL;
	}
	s->avail = ORIGIN_MALLOC;
	finish(s, n, pages_for(n));
	atomic_store_explicit(&s->kind, GRANULE_RUN, memory_order_release);
	return s;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static struct slab *open(size_t n, size_t granules, size_t align, bool *clean)
{
	const uint32_t step = (uint32_t)max_size(align >> GRANULE_SHIFT, 1);
	const uint32_t lead = hardening.guard_large && step <= LEAD_MAX ? step : 0;
	struct slab *const again = step == 1 ? open_parked(n, granules) : NULL;

	*clean = again != NULL;
	if (again != NULL)
		return again;
	const uint32_t first = run_take(lead + (uint32_t)granules, step, clean);
	if (first == 0)
		return NULL;
	struct slab *const s = slab_at(first + lead);
	char *const p = granule_address(first + lead);
	for (uint32_t i = 0; i < lead; i++) /* whatever began there */
		atomic_store_explicit(&slab_at(first + i)->kind, GRANULE_NONE,
		    memory_order_relaxed);
	s->cls = CLASS_RUN;
	s->run = (uint32_t)granules;
	s->count = (uint16_t)lead;
	s->avail = ORIGIN_MALLOC;
	guard_set(p - ((size_t)lead << GRANULE_SHIFT), (size_t)lead << GRANULE_SHIFT, true);
	guard_set(p + pages_for(n), run_bytes(s) - pages_for(n), true);
	finish(s, n, pages_for(n));
	atomic_store_explicit(&s->kind, GRANULE_RUN, memory_order_release);
	return s;
}

static bool too_large(size_t n, size_t align)
{
	const size_t most = (size_t)CHUNKS_MAX * HUGE_PAGE_SIZE;
	return n > most || align > most;
}

void *guard_large_malloc(size_t n, size_t align, bool *clean)
{
	if (!hardening.runs)
		return large_malloc(n, align, clean);
	const bool fits = n < MAPPED_FROM && !too_large(n, align);
	struct slab *s = fits ? open(n, granules_for(n), align, clean) : NULL;

	if (s == NULL && fits && guard_large_release_all())
		s = open(n, granules_for(n), align, clean);
	if (s == NULL)
		return mapped_malloc(n, align, clean);
	*clean = *clean || hardening.zero_on_free; /* H1 */
	return granule_address(granule_of(s));
}

/* Give the granules back. emptied: they have no resident page. */
static void give_back(struct slab *s, bool emptied)
{
	const struct dmm_os *const os = root.os;
	char *const p = granule_address(granule_of(s));
	const size_t lead = (size_t)s->count << GRANULE_SHIFT;

	if (guard_set(p - lead, lead + run_bytes(s), false) != 0) {
		/* past vm.max_map_count the addresses are lost, but no memory */
		os->purge(os->ctx, p, run_bytes(s));
		return;
	}
	run_give(granule_of(s) - s->count, s->run + s->count, emptied);
	purge_check(NULL);
}

/* Its first `clear` bytes have no resident page already. The rest of the run may hold old pages: an
 * object was larger, or a guard is only a protection; so the whole run is emptied. */
static void give_cleared(struct slab *s, size_t clear)
{
	const struct dmm_os *const os = root.os;
	char *const p = granule_address(granule_of(s));
	const size_t lead = (size_t)s->count << GRANULE_SHIFT,
	    pages = pages_for(run_bytes(s) - s->size);
	const bool emptied = hardening.zero_on_free && pages >= PURGE_FROM &&
	    os->purge(os->ctx, p - lead, lead + run_bytes(s)) == 0;

	if (hardening.zero_on_free && !emptied)
		memset(p + clear, 0, pages - clear);
	give_back(s, emptied);
}

/* ---- the quarantine of runs ------------------------------------------------------------------ */

static struct {
	uint32_t run[WAITING_MOST]; /* granules; 0: none */
	uint32_t first, count;
} waiting;

/* Take the oldest run out of the quarantine; it still counts in root.waiting. NULL: none waits. */
static struct slab *take_oldest(void)
{
	CHECK(lock_held(&waiting_lock) && waiting.count <= WAITING_MOST);
	if (waiting.count == 0)
		return NULL;
	struct slab *const s = slab_at(waiting.run[waiting.first]);
	waiting.first = (waiting.first + 1) % WAITING_MOST;
	waiting.count--;
	return s;
}

/* The most granules that may wait. They cost addresses alone and no memory, so a quarter of the
 * heap may wait, and some in a small program too. */
static size_t waiting_limit(void)
{
	return max_size(WAITING_LEAST_BYTES >> GRANULE_SHIFT, used_granules() / 4);
}

/* No run waits any longer, nor is it parked: it becomes free, all of it without a page. */
static void set_free(struct slab *s)
{
	atomic_fetch_sub_explicit(&root.waiting, s->run + s->count, memory_order_relaxed);
	give_back(s, true);
}

/* Let the oldest runs go until at most `most` wait, within the limit. */
static void release(uint32_t most, size_t limit)
{
	for (;;) {
		lock_take(&waiting_lock);
		const bool over = waiting.count > most || root.waiting > limit;
		struct slab *const s = over ? take_oldest() : NULL;
		const bool stays = s != NULL && root.waiting <= limit && park(s);
		lock_give(&waiting_lock);
		if (s == NULL)
			return;
		if (!stays)
			set_free(s);
	}
}

/* False: too many wait already. */
static bool enter(struct slab *s)
{
	lock_take(&waiting_lock);
	const bool room = waiting.count < WAITING_MOST;
	if (room) {
		waiting.run[(waiting.first + waiting.count++) % WAITING_MOST] = granule_of(s);
		atomic_fetch_add_explicit(&root.waiting, s->run + s->count, memory_order_relaxed);
	}
	lock_give(&waiting_lock);
	return room;
}

/* Freed: from now on an access ends the program, until enough other runs were freed after it. */
static void detain(struct slab *s, size_t clear)
{
	const struct dmm_os *const os = root.os;
	char *const p = granule_address(granule_of(s));
	const size_t pages = pages_for(run_bytes(s) - s->size);

	if (hardening.quarantine == 0 || !hardening.guard_large)
		return give_cleared(s, clear);
	/* Empty the whole run, also if the guard is only a protection: advice to guard does
	 * both. */
	if (!hardening.guard_advice && os->purge(os->ctx, p, run_bytes(s)) != 0)
		return give_cleared(s, clear);
	if (guard_set(p, hardening.guard_advice ? run_bytes(s) : pages, true) != 0)
		return give_cleared(s, clear);
	while (!enter(s))
		release(WAITING_MOST - 1, SIZE_MAX);
	release((uint32_t)min_size(hardening.quarantine, WAITING_MOST), waiting_limit());
}

bool guard_large_release_all(void)
{
	bool some = false;

	for (;;) {
		lock_take(&waiting_lock);
		struct slab *s = take_oldest();
		for (size_t n = 1; s == NULL && n <= PARKED_GRANULES; n++)
			if (parked[n].count > 0)
				s = slab_at(parked[n].run[--parked[n].count]);
		lock_give(&waiting_lock);
		if (s == NULL)
			return some;
		set_free(s);
		some = true;
	}
}

void guard_large_forget(void)
{
	waiting.first = waiting.count = 0;
	memset(parked, 0, sizeof parked);
}

void guard_large_free(void *p)
{
	struct slab *const s = run_of(p);
	uint8_t expect = GRANULE_RUN; /* two threads may free it at once: one fails here */

	if (!hardening.runs)
		return large_free(s, p);
	guard_large_usable(p);
	if (!atomic_compare_exchange_strong(&s->kind, &expect, GRANULE_FREED))
		slab_bad_pointer("free", p);
	detain(s, 0);
}

/* Room to grow into, after the guard, costs addresses alone. */
static void *move(struct slab *from, size_t had, size_t n)
{
	const struct dmm_os *const os = root.os;
	const size_t granules = granules_for(n), len = round_up(min_size(had, n), os->page);
	bool clean;
	struct slab *to = n > had && granules + granules / 2 < 1u << 17
	                      ? open(n, granules + granules / 2, 1, &clean)
	                      : NULL;
	if (to == NULL)
		to = open(n, granules, 1, &clean);
	if (to == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	char *const source = granule_address(granule_of(from)),
	    *const target = granule_address(granule_of(to));
	const enum moved moved = large_move_pages(source, target, len);
	if (moved == MOVED_AND_LOST) {
		atomic_store_explicit(&to->kind, GRANULE_FREED, memory_order_relaxed);
		return move(from, had, n);
	}
	if (moved == MOVED_NOT) {
		memcpy(target, source, min_size(had, n));
	} else if (hardening.canary) { /* the move brought the old guard and replaced the new */
		memset(target + min_size(had, n), 0, len - min_size(had, n));
		canary_fill(target, target + n, target + pages_for(n));
	}
	atomic_store_explicit(&from->kind, GRANULE_FREED, memory_order_relaxed);
	detain(from, moved == MOVED ? len : 0);
	return target;
}

void *guard_large_resize(void *p, size_t n)
{
	struct slab *const s = run_of(p);
	if (!hardening.runs)
		return large_resize(s, n);
	const size_t had = guard_large_usable(p), all = run_bytes(s),
	    want = granules_for(n) << GRANULE_SHIFT;

	if (too_large(n, 1)) {
		errno = ENOMEM;
		return NULL;
	}
	if (want > all || want < all / 2 || all - n > UINT32_MAX)
		return move(s, had, n);
	if (hardening.zero_on_free && n < had)
		memset((char *)p + n, 0, pages_for(had) - n);
	if (!finish(s, n, pages_for(had)))
		return move(s, had, n);
	if (n > had)
		memset((char *)p + had, 0, min_size(pages_for(had), n) - had); /* the canary */
	return p;
}
