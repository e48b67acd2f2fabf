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
 * kernel still holds. One dear huge page among cheap ones may be the only one, so slab soon tries
 * another; if that is dear too, or none was cheap lately, it goes without for longer. */
/* NONE: faster than any huge page can come.  DEAR: slower than a cheap one by far.  DEAR_ONCE_FOR
 * and DEAR_FOR: how long slab goes without.  DEAR_AGAIN and CHEAP_LATELY: how long it remembers. */
static const uint64_t NONE_NS = 40000, DEAR_NS = 1000000, DEAR_ONCE_FOR_NS = 30000000,
                      DEAR_FOR_NS = 500000000, DEAR_AGAIN_NS = 2000000000,
                      CHEAP_LATELY_NS = 1000000000;
/* If one huge page was cheap, slab expects the same of the next ones and leaves them to the first
 * write: the malloc calls that touched each were the slowest of all. */
static const uint64_t CHEAP_FOR_NS = 20000000;

static uint64_t now_ns(void)
{
	return root.os->now_ns(root.os->ctx);
}

bool huge_page_is_dear(void)
{
	const uint64_t until = atomic_load_explicit(&root.huge_dear_until, memory_order_relaxed);
	return until != 0 && until - now_ns() <= DEAR_FOR_NS;
}

/* A huge page came within `took` ns: decide until when slab goes without, or leaves the touch to
 * the program. advice_lock is held. */
static void judge(uint64_t took)
{
	const uint64_t now = now_ns();
	const bool dear = took > DEAR_NS,
	    again = root.huge_dear_at != 0 && now - root.huge_dear_at <= DEAR_AGAIN_NS,
	    lately = root.huge_cheap_at != 0 && now - root.huge_cheap_at <= CHEAP_LATELY_NS;
	const uint64_t until = dear ? now + (lately && !again ? DEAR_ONCE_FOR_NS : DEAR_FOR_NS) : 0;

	atomic_store_explicit(&root.huge_dear_until, until, memory_order_relaxed);
	root.huge_cheap_until = dear ? 0 : now + CHEAP_FOR_NS;
	root.huge_dear_at = dear ? now : root.huge_dear_at;
	root.huge_cheap_at = dear ? root.huge_cheap_at : now;
}

/* Write to the last page of a chunk, which brings the others. A thread that was interrupted
 * meanwhile also takes huge pages for dear, and does without for a moment. */
static void bring(char *chunk)
{
	const size_t page = root.os->page;
	const uint64_t from = now_ns();
	root.os->advise(root.os->ctx, chunk + HUGE_PAGE_SIZE - page, page, DMM_ADVICE_POPULATE);
	const uint64_t took = now_ns() - from;
	if (took >= NONE_NS) /* else another thread was first, with small pages perhaps */
		judge(took);
}

/* The advice waits for page faults of other threads in that mapping, so it is slow where huge pages
 * are dear that others bring. */
static void advise_huge(char *p, size_t len)
{
	const uint64_t from = now_ns();
	root.os->advise(root.os->ctx, p, len, DMM_ADVICE_HUGE);
	const uint64_t took = now_ns() - from;
	if (took > DEAR_NS)
		judge(took);
}

static bool known_cheap(void)
{
	CHECK(lock_held(&advice_lock));
	return root.huge_cheap_until - now_ns() <= CHEAP_FOR_NS;
}

/* A collapse copies the small pages of a chunk, and first waits until every processor has emptied a
 * list of its own (lru_add_drain_all in Linux): 0.3 ms in all on an idle machine, up to 20 ms on a
 * busy one. So a slow one says nothing about huge pages; but all collapses together take about a
 * tenth of the program's time at most, or a fiftieth where they are slow. */
static const uint64_t PAUSE_MAX_NS = 1000000000, SEARCH_AGAIN_NS = 100000000;

static bool pauses(const _Atomic uint64_t *until)
{
	const uint64_t at = atomic_load_explicit(until, memory_order_relaxed);
	return at != 0 && at - now_ns() - 1 < PAUSE_MAX_NS;
}

static void pause(_Atomic uint64_t *until, uint64_t ns)
{
	atomic_store_explicit(until, now_ns() + (ns < PAUSE_MAX_NS ? ns : PAUSE_MAX_NS),
	    memory_order_relaxed);
}

static void collapse(char *chunk)
{
	const uint64_t from = now_ns();
	const int failed =
	    root.os->advise(root.os->ctx, chunk, HUGE_PAGE_SIZE, DMM_ADVICE_COLLAPSE);
	const uint64_t now = now_ns(), took = now - from;

	if (failed == 0 && took <= DEAR_NS)
		root.huge_cheap_at = now;
	pause(&root.no_collapse_until, took * (took > DEAR_NS ? 100 : 10));
}

static void decide(uint32_t first, uint32_t count, enum dmm_advice what)
{
	CHECK(page_lock_held() && lock_held(&advice_lock) &&
	      waiting_count < sizeof waiting / sizeof *waiting);
	waiting[waiting_count].first = first;
	waiting[waiting_count].count = count;
	waiting[waiting_count++].what = what;
}

/* Of the chunks that are full of small pages: one about which the kernel will be asked whether it
 * was touched, and one that it said was; 0: none. Under page_lock and advice_lock, or advice_lock
 * alone by the thread that decided. */
static uint32_t to_ask, touched;
/* The chunk about which the kernel was asked last; 0: parts of it were given back since, so that
 * the answer is no longer true. Under page_lock. */
static uint32_t asked;

static bool mostly_touched(uint32_t chunk);

static void tell(char *p, size_t len, enum dmm_advice what)
{
	if (what == DMM_ADVICE_COLLAPSE)
		collapse(p);
	else if (what == DMM_ADVICE_HUGE)
		advise_huge(p, len);
	else if (what != DMM_ADVICE_POPULATE)
		root.os->advise(root.os->ctx, p, len, what);
	else if (!known_cheap())
		bring(p);
}

void huge_page_tell_kernel(void)
{
	for (unsigned i = 0; i < waiting_count; i++)
		tell(granule_address(waiting[i].first * CHUNK_GRANULES),
		    waiting[i].count * HUGE_PAGE_SIZE, waiting[i].what);
	waiting_count = 0;
	if (to_ask != 0) {
		touched = mostly_touched(to_ask) ? to_ask : 0;
		if (touched == 0)
			pause(&root.no_search_until, SEARCH_AGAIN_NS);
	}
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

/* Free granules without memory, as far as slab knows. */
static unsigned clean_granules(const struct slab_chunk *c)
{
	return popcount(c->free[0] & ~c->dirty[0]) + popcount(c->free[1] & ~c->dirty[1]);
}

/* Full of small pages, since it was filled when the heap was small or huge pages were dear.  A
 * collapse makes free granules resident that are not dirty, and the purger would not find them: so
 * hardly any may have been given back. */
static bool may_collapse(uint32_t chunk)
{
	enum { MOST_GIVEN = CHUNK_GRANULES / 16 };
	const struct slab_chunk *const c = chunk_at(chunk);

	return (c->huge == HUGE_NOT || c->huge == HUGE_ANEW) && whole(c) && nearly_full(chunk, 0) &&
	       (!c->holed || clean_granules(c) <= MOST_GIVEN) &&
	       nearly_full(chunk, huge_page_holes(chunk));
}

/* Find one chunk full of small pages, and have it collapsed.  To ask the kernel what was touched
 * takes up to 32 system calls, so they wait until page_lock is free, and the answer is used the
 * next time. The search goes on where it ended. In a small heap it leaves out the chunks that are
 * to stay small. Chunk 0 begins with a guard.
 *
 * Pages of slabs, and freed runs that the guard detains, are given back before forget_answer(): an
 * answer used in between makes those of one chunk resident again, at most a quarter of it. */
static void collapse_another(void)
{
	enum { EVERY = 16, LOOKS = 64 };
	static uint32_t calls, cursor; /* page_lock */

	if (++calls % EVERY != 0)
		return; /* a look at the clock takes as long as the rest of a call */
	const size_t from = root.chunk_count > huge_at_once_from() ? 1 : huge_from();
	if (root.chunk_count <= from || pauses(&root.no_collapse_until) ||
	    pauses(&root.no_search_until) || !may_decide())
		return;
	if (touched >= from && touched == asked && may_collapse(touched))
		decide_huge(touched, DMM_ADVICE_COLLAPSE);
	touched = 0;
	for (unsigned n = 0; n < LOOKS && to_ask == 0; n++) {
		const bool next = cursor >= from && cursor + 1 < root.chunk_count;
		cursor = next ? cursor + 1 : (uint32_t)from;
		to_ask = may_collapse(cursor) ? cursor : 0;
		if (cursor == from && to_ask == 0 && n != 0) {
			pause(&root.no_search_until, SEARCH_AGAIN_NS);
			break;
		}
	}
	asked = to_ask;
}

static void forget_answer(uint32_t chunk)
{
	CHECK(page_lock_held());
	if (chunk == asked)
		asked = 0;
}

/* A heap that was this large once will be so again: free granules of its first chunks get huge
 * pages then, since the page faults for 100 MB would take as long as the rest of the program's
 * work. */
bool huge_page_begins_anew(uint32_t chunk)
{
	const size_t from = huge_at_once_from();
	return chunk >= from || (from != SETTING_NEVER && root.chunk_count >= 2 * from);
}

/* What a chunk is advised to be; false: nothing, or not now. */
static bool advice_for(uint32_t chunk, uint32_t count, bool clean, enum dmm_advice *what)
{
	const struct slab_chunk *const c = chunk_at(chunk);
	const bool never_was = c->huge == HUGE_NOT || c->huge == HUGE_ANEW;
	/* no small page is in it, which would be in the way */
	const bool fresh = clean && (c->dirty[0] | c->dirty[1]) == 0 &&
	    free_bytes(c) + (size_t)count * GRANULE == HUGE_PAGE_SIZE;
	const bool at_once =
	    fresh && never_was && (c->huge == HUGE_ANEW || chunk >= huge_at_once_from());

	if (!whole(c) || c->huge == HUGE_ADVISED || (c->huge == HUGE_NOT && chunk < huge_from()) ||
	    !(at_once || nearly_full(chunk, 0)))
		return false;
	/* If parts of the chunk were given back, a collapse would fill them: that is left to
	 * khugepaged. A slab is written to at once anyway; a larger object may not be. */
	*what = !never_was || (at_once && count > SLAB_GRANULES_MAX) ? DMM_ADVICE_HUGE
	    : at_once ? DMM_ADVICE_POPULATE : DMM_ADVICE_COLLAPSE;
	return *what != DMM_ADVICE_COLLAPSE || !pauses(&root.no_collapse_until);
}

void huge_page_fill(uint32_t chunk, uint32_t count, bool clean)
{
	enum dmm_advice what;

	CHECK(page_lock_held());
	if (tuning.huge_from_mib == SETTING_NEVER || huge_page_is_dear())
		return;
	if (advice_for(chunk, count, clean, &what) && may_decide())
		decide_huge(chunk, what);
	collapse_another();
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
