/* huge_page.c - see huge_page.h. */
#include "slab/huge_page.h"

#include "base/assert.h"
#include "base/bits.h"
#include "slab/settings.h"
#include "slab/slab.h"

/* The first chunk that gets some. */
static size_t huge_from(void)
{
	return tuning.huge_from_mib == SETTING_NEVER ? SETTING_NEVER :
	    ((tuning.huge_from_mib << 20) + HUGE_PAGE_SIZE - 1) / HUGE_PAGE_SIZE;
}

static size_t free_bytes(const struct slab_chunk *c)
{
	return (size_t)(popcount(c->free[0]) + popcount(c->free[1])) * GRANULE;
}

/* ---- what was decided, and waits to be told -------------------------------------------------- */

struct lock advice_lock;

static struct {
	uint32_t first, count; /* chunks */
	enum dmm_advice what;
} waiting[4]; /* the most decisions of one request: huge, and collapse, of two chunks */
static unsigned waiting_count;

/* Decide nothing while another thread tells the kernel its decision: the chunk comes up again. */
static bool may_decide(void)
{
	return lock_held(&advice_lock) || lock_try(&advice_lock);
}

/* ---- what they cost -------------------------------------------------------------------------- */

/* A huge page takes 0.1 ms if the kernel has free memory, and 5 ms if the host of a virtual machine
 * must find it first. Small pages take much less then, since most of them lie in blocks that the
 * kernel still holds. */
static const uint64_t DEAR_NS = 1000000, DEAR_FOR_NS = 500000000;
/* If one huge page was cheap, slab expects the same of the next ones and leaves them to the first
 * write: the malloc calls that touched each were the slowest of all. */
static const uint64_t CHEAP_FOR_NS = 20000000;
static uint64_t cheap_until; /* advice_lock */

static uint64_t now_ns(void)
{
	return root.os->now_ns(root.os->ctx);
}

bool huge_page_is_dear(void)
{
	const uint64_t until = atomic_load_explicit(&root.huge_dear_until, memory_order_relaxed);
	return until != 0 && until - now_ns() <= DEAR_FOR_NS;
}

/* A thread that was interrupted meanwhile also takes huge pages for expensive, and does without for
 * a moment. */
static void advise_timed(void *p, size_t len, enum dmm_advice what)
{
	const uint64_t from = now_ns();
	root.os->advise(root.os->ctx, p, len, what);
	const uint64_t now = now_ns();
	const uint64_t until = now - from > DEAR_NS ? now + DEAR_FOR_NS : 0;

	atomic_store_explicit(&root.huge_dear_until, until, memory_order_relaxed);
	cheap_until = until == 0 ? now + CHEAP_FOR_NS : 0;
}

static bool known_cheap(void)
{
	CHECK(lock_held(&advice_lock));
	return cheap_until - now_ns() <= CHEAP_FOR_NS;
}

static void decide(uint32_t first, uint32_t count, enum dmm_advice what)
{
	CHECK(page_lock_held() && lock_held(&advice_lock) &&
	      waiting_count < sizeof waiting / sizeof *waiting);
	waiting[waiting_count].first = first;
	waiting[waiting_count].count = count;
	waiting[waiting_count++].what = what;
}

/* Chunks that were filled before there were huge pages: one about which the kernel will be asked
 * whether it was touched, and one that it said was; 0: none. Under page_lock and advice_lock, or
 * advice_lock alone by the thread that decided. */
static uint32_t to_ask, touched;
/* The chunk about which the kernel was asked last; 0: parts of it were given back since, so that
 * the answer is no longer true. Under page_lock. */
static uint32_t asked;

static bool mostly_touched(uint32_t chunk);

void huge_page_tell_kernel(void)
{
	for (unsigned i = 0; i < waiting_count; i++) {
		char *const p = granule_address(waiting[i].first * CHUNK_GRANULES);
		const size_t len = waiting[i].count * HUGE_PAGE_SIZE, page = root.os->page;
		/* touching its last page brings the others */
		if (waiting[i].what == DMM_ADVICE_POPULATE && !known_cheap())
			advise_timed(p + len - page, page, DMM_ADVICE_POPULATE);
		else if (waiting[i].what == DMM_ADVICE_POPULATE)
			continue;
		else if (waiting[i].what == DMM_ADVICE_COLLAPSE)
			advise_timed(p, len, DMM_ADVICE_COLLAPSE);
		else
			root.os->advise(root.os->ctx, p, len, waiting[i].what);
	}
	waiting_count = 0;
	if (to_ask != 0)
		touched = mostly_touched(to_ask) ? to_ask : 0;
	to_ask = 0;
	lock_give(&advice_lock);
}

static void set_advised(uint32_t chunk)
{
	struct slab_chunk *const c = chunk_at(chunk);

	root.chunks_revoked -= c->huge == HUGE_REVOKED;
	c->huge = HUGE_ADVISED;
}

/* advice: DMM_ADVICE_COLLAPSE, _POPULATE or _HUGE: no stronger one. */
static void decide_huge(uint32_t chunk, enum dmm_advice then)
{
	set_advised(chunk);
	decide(chunk, 1, DMM_ADVICE_HUGE);
	if (then != DMM_ADVICE_HUGE)
		decide(chunk, 1, then);
}

/* ---- how full chunks are --------------------------------------------------------------------- */

size_t huge_page_holes(uint32_t chunk)
{
	size_t pages = 0;

	for (uint32_t i = 0; i < CHUNK_GRANULES; i++) {
		const struct slab *const s = slab_at(chunk * CHUNK_GRANULES + i);
		if (kind_of(s) == GRANULE_SLAB)
			pages += popcount(s->purged);
	}
	return pages * PURGE_UNIT;
}

static bool nearly_full(uint32_t chunk, size_t holes)
{
	const struct slab_chunk *const c = chunk_at(chunk);

	return !c->claimed && free_bytes(c) + holes <= HUGE_PAGE_SIZE / 4;
}

static bool whole(const struct slab_chunk *c)
{
	return c->state == CHUNK_HERE && c->mapped == CHUNK_GRANULES;
}

/* Is one of some words of a page not 0? The page may be looked at again and again. */
static bool written(const char *page)
{
	enum { WORDS = 4, STEP = 64 };

	for (int i = 0; i < WORDS; i++)
		if (root.os->touched(root.os->ctx, page + i * STEP) == DMM_TOUCHED_SURELY)
			return true;
	return false;
}

/* Of a large object perhaps only the beginning was touched: a collapse would make the rest
 * resident. */
static bool mostly_touched(uint32_t chunk)
{
	enum { SAMPLES = 8, MISSING = SAMPLES / 4 };
	unsigned there = 0;

	if (root.os->touched == NULL)
		return true;
	for (uint32_t i = 0; i < SAMPLES; i++)
		there += written(granule_address(chunk * CHUNK_GRANULES +
		                                 (2 * i + 1) * CHUNK_GRANULES / SAMPLES / 2));
	return there >= SAMPLES - MISSING;
}

static bool may_collapse(uint32_t chunk)
{
	return whole(chunk_at(chunk)) && chunk_at(chunk)->huge == HUGE_NOT &&
	       nearly_full(chunk, huge_page_holes(chunk));
}

/* One that was filled before there were huge pages; the next when the heap has grown again, since
 * each takes a third of a millisecond, and ten times that where a host has to find the memory.  To
 * ask the kernel what was touched takes up to 32 system calls, so they wait until page_lock is
 * free, and the answer is used the next time.  So many chunks from twice `end` on became huge
 * pages: the search goes on with another chunk each time, so that one that was not touched does not
 * hide the others.  Chunk 0 begins with a guard.
 *
 * Pages of slabs, and freed runs that the guard detains, are given back before forget_answer(): an
 * answer used in between makes those of one chunk resident again, at most a quarter of it. */
static void collapse_one_below(uint32_t end, uint32_t became)
{
	if (touched != 0 && touched == asked && touched < end && may_collapse(touched))
		decide_huge(touched, DMM_ADVICE_COLLAPSE);
	touched = 0;
	for (uint32_t n = 1; n < end && to_ask == 0; n++) {
		const uint32_t chunk = 1 + (became + n - 1) % (end - 1);
		to_ask = may_collapse(chunk) ? chunk : 0;
	}
	asked = to_ask;
}

static void forget_answer(uint32_t chunk)
{
	CHECK(page_lock_held());
	if (chunk == asked)
		asked = 0;
}

/* The last chunk of a heap is half full on average, which is much of a small heap: up to this size
 * a chunk becomes a huge page when it is nearly full. A large heap would pay for the delay with
 * page faults and copies. */
static size_t huge_at_once_from(void)
{
	/* chunks that are advised out of order: each may be a mapping of its own */
	enum { MOST = 64 };
	const size_t first = huge_from();

	return first == SETTING_NEVER ? first : min_size(2 * first, first + MOST);
}

/* A heap that was this large once will be so again: free granules of its first chunks get huge
 * pages then, since the page faults for 100 MB would take as long as the rest of the program's
 * work. */
bool huge_page_begins_anew(uint32_t chunk)
{
	const size_t from = huge_at_once_from();
	return chunk >= from || (from != SETTING_NEVER && root.chunk_count >= 2 * from);
}

void huge_page_fill(uint32_t chunk, uint32_t count)
{
	const struct slab_chunk *const c = chunk_at(chunk);
	const size_t first = huge_from();
	const bool never_was = c->huge == HUGE_NOT || c->huge == HUGE_ANEW;
	const bool at_once = c->huge == HUGE_ANEW || (never_was && chunk >= huge_at_once_from());

	CHECK(page_lock_held());
	if (!whole(c) || c->huge == HUGE_ADVISED || (never_was && !at_once && chunk < first) ||
	    !(at_once || nearly_full(chunk, 0)) || huge_page_is_dear() || !may_decide())
		return;
	/* If parts of the chunk were given back, a collapse would fill them: that is left to
	 * khugepaged. A slab is written to at once anyway; a larger object may not be. */
	const bool slab = count <= SLAB_GRANULES_MAX;
	decide_huge(chunk, at_once ? (slab ? DMM_ADVICE_POPULATE : DMM_ADVICE_HUGE)
	    : never_was ? DMM_ADVICE_COLLAPSE : DMM_ADVICE_HUGE);
	if (never_was && chunk >= 2 * first)
		collapse_one_below((uint32_t)first, chunk - 2 * (uint32_t)first);
}

void huge_page_revoke(uint32_t chunk, size_t holes)
{
	enum { MANY = HUGE_PAGE_SIZE / 4 };
	enum { MOST = 4096 }; /* each may split one mapping in three */
	struct slab_chunk *const c = chunk_at(chunk);
	const size_t empty = free_bytes(c) + holes;
	const bool advised = c->huge == HUGE_ADVISED;

	CHECK(page_lock_held() && empty <= HUGE_PAGE_SIZE);
	forget_answer(chunk);
	if (!whole(c))
		return;
	if (empty == HUGE_PAGE_SIZE && huge_page_begins_anew(chunk)) { /* nothing is left of it */
		if (c->huge == HUGE_REVOKED && may_decide())
			decide_huge(chunk, DMM_ADVICE_HUGE);
		return;
	}
	/* A chunk that was never huge need not be full: only holes in its slabs matter, which are
	 * filled by then. */
	if (c->huge == HUGE_REVOKED || (advised ? empty : holes) <= MANY ||
	    (!advised && chunk < huge_from()) || root.chunks_revoked >= MOST || !may_decide())
		return;
	c->huge = HUGE_REVOKED;
	root.chunks_revoked++;
	decide(chunk, 1, DMM_ADVICE_NOHUGE);
}

void huge_page_fill_run(uint32_t first, uint32_t count)
{
	const size_t from = max_size((first + CHUNK_GRANULES - 1) / CHUNK_GRANULES, huge_from());
	const uint32_t end = (first + count) / CHUNK_GRANULES;
	bool some = false;

	CHECK(page_lock_held());
	if (from >= end || huge_page_is_dear() || !may_decide())
		return;
	for (uint32_t chunk = (uint32_t)from; chunk < end; chunk++) {
		some = some || chunk_at(chunk)->huge != HUGE_ADVISED;
		set_advised(chunk);
	}
	if (some)
		decide((uint32_t)from, end - (uint32_t)from, DMM_ADVICE_HUGE);
}

void huge_page_forget(uint32_t chunk)
{
	struct slab_chunk *const c = chunk_at(chunk);

	forget_answer(chunk);
	root.chunks_revoked -= c->huge == HUGE_REVOKED;
	c->huge = huge_page_begins_anew(chunk) ? HUGE_ANEW : HUGE_NOT;
	c->holed = false;
}
