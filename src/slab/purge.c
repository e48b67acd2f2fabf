/* purge.c - giving memory back: see purge.h. */
#include "slab/purge.h"

#include "base/assert.h"
#include "base/bits.h"
#include "base/probe.h"
#include "slab/chunks.h"
#include "slab/heap.h"
#include "slab/huge_page.h"
#include "slab/page_heap.h"
#include "slab/payload.h"
#include "slab/remote.h"
#include "slab/thread_cache.h"

static bool give_back(void *p, size_t len)
{
	PROBE(purge, p, len);
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
	const char *const p = granule_address(first),
	    *const last = granule_address(first + count) - 1;

	/* which grows downwards */
	give_back(avail_word(last), (size_t)count * GRANULE_WORDS * sizeof *root.avail);
	give_back(live_word_at(p), (size_t)count * GRANULE_WORDS * sizeof *root.live);
	if (__atomic_load_n(&root.marked, __ATOMIC_RELAXED))
		give_back(mark_word(p), (size_t)count * GRANULE_WORDS * sizeof *root.marks);
}

/* Neighbouring groups in one call: of a whole chunk each table takes one call, not four. */
static void purge_groups(uint32_t chunk, const uint64_t mask[2])
{
	const uint32_t group = purge_group();

	for (uint32_t at = 0, end; at < CHUNK_GRANULES; at = end + group) {
		for (end = at; end < CHUNK_GRANULES; end += group)
			if ((join(mask) & ones(end, group)) != ones(end, group))
				break;
		if (end > at)
			purge_bits(chunk * CHUNK_GRANULES + at, end - at);
	}
}

/* Give back a claimed chunk; false: the kernel refused a part.  purge_lock is held. */
static bool purge_claimed(uint32_t chunk, bool whole, const uint64_t mask[2])
{
	CHECK(lock_held(&purge_lock) && !lock_held(&root.page_lock));
	const bool ok = purge_mask(chunk, mask), all = (mask[0] & mask[1]) == UINT64_MAX;

	purge_groups(chunk, mask);
	if (whole) /* no slab is left in it */
		give_back(slab_at((chunk + 1) * CHUNK_GRANULES - 1),
		    CHUNK_GRANULES * sizeof(struct slab));
	const bool unmapped = ok && all && payload_unmap_claimed(chunk);
	purge_return(chunk, mask, unmapped ? PURGED_AND_UNMAPPED : ok ? PURGED : PURGED_NOT);
	return ok;
}

/* Memory that was mapped ahead while the heap grew is not resident, but counts as addresses and as
 * a commitment. */
static void unmap_unused(void)
{
	uint64_t mask[2];

	for (uint32_t chunk = UINT32_MAX; lock_try(&purge_lock);) {
		chunk = purge_claim_unused(chunk, mask);
		if (chunk != UINT32_MAX)
			purge_return(chunk, mask,
			    payload_unmap_claimed(chunk) ? PURGED_AND_UNMAPPED : PURGED);
		lock_give(&purge_lock);
		if (chunk == UINT32_MAX)
			break;
	}
}

/* Purge one chunk at `from` or after it; UINT32_MAX: there is none. */
static uint32_t purge_chunk(uint32_t from, uint32_t before, bool whole)
{
	uint64_t mask[2];

	lock_take(&purge_lock);
	const uint32_t chunk = purge_claim(from, before, whole, mask);
	if (chunk != UINT32_MAX)
		purge_claimed(chunk, whole, mask);
	lock_give(&purge_lock);
	return chunk;
}

void purge_runs(uint32_t before, bool whole, size_t keep)
{
	uint32_t chunk = 0;

	while (root.dirty > keep && (chunk = purge_chunk(chunk, before, whole)) != UINT32_MAX)
		chunk++;
	if (whole && chunk != 0)
		unmap_unused();
}

bool purge_longest(size_t most, size_t *given)
{
	bool ok = true;

	while (ok && purge_dirty() > most && root.dirty > 0 && lock_try(&purge_lock)) {
		uint64_t mask[2];
		size_t dirty = 0;
		bool whole;
		const uint32_t chunk = purge_claim_longest(mask, &whole, &dirty);
		if (chunk != UINT32_MAX)
			ok = purge_claimed(chunk, whole, mask);
		lock_give(&purge_lock);
		if (chunk == UINT32_MAX)
			break;
		*given += ok ? dirty : 0;
	}
	if (*given != 0)
		unmap_unused();
	return ok;
}

bool purge_whole(uint32_t chunk)
{
	uint64_t mask[2];

	if (!lock_try(&purge_lock))
		return false;
	if (purge_claim_whole(chunk, mask))
		purge_claimed(chunk, true, mask);
	lock_give(&purge_lock);
	return true;
}

/* ---- pages of slabs ------------------------------------------------------------------------- */

/* Every object that reaches into these bytes of the slab is in avail or marks. */
static bool range_free(const struct slab *s, size_t from, size_t to)
{
	const size_t step = s->size;
	const size_t last = min_size((to - 1) / step, s->count - 1u);

	for (size_t i = from / step; i <= last; i++) {
		const char *const p = slab_start(s) + i * step;
		if ((free_word(p) & bit_of(p)) == 0)
			return false;
	}
	return true;
}

/* The bits of a mask, one for each PURGE_UNIT, that fill whole pages of the system. */
static uint32_t whole_pages(uint32_t mask)
{
	const unsigned units = (unsigned)(root.os->page / PURGE_UNIT);
	const uint32_t one = (uint32_t)((1ull << units) - 1);
	uint32_t whole = 0;

	for (unsigned at = 0; at < 32; at += units)
		if ((mask >> at & one) == one)
			whole |= one << at;
	return whole;
}

/* Pages that are still resident and on which all objects are in avail or marks: no thread touches
 * them without the heap's lock. */
static uint32_t empty_pages(const struct slab *s)
{
	const size_t pages = ((size_t)s->granules << GRANULE_SHIFT) / PURGE_UNIT;
	uint32_t mask = 0;

	for (size_t i = 0; i < pages; i++)
		if ((s->purged >> i & 1) == 0 &&
		    range_free(s, i * PURGE_UNIT, (i + 1) * PURGE_UNIT))
			mask |= 1u << i;
	return whole_pages(mask);
}

/* The pages that the kernel took. */
static uint32_t give_back_pages(const struct slab *s, uint32_t mask)
{
	uint32_t taken = 0;

	for (unsigned at = 0; mask >> at != 0;) {
		at += (unsigned)__builtin_ctz(mask >> at);
		const unsigned n = (unsigned)__builtin_ctzll(~((uint64_t)mask >> at));
		if (give_back(slab_start(s) + (size_t)at * PURGE_UNIT, (size_t)n * PURGE_UNIT))
			taken |= (uint32_t)(((1ull << n) - 1) << at);
		at += n;
		if (at >= 32)
			break;
	}
	return taken;
}

/* The result of one look at many slabs. */
struct sweep {
	size_t given; /* bytes */
	size_t live;  /* bytes of objects in partly empty slabs that are not free */
	bool refused; /* the kernel did not take all */
};

/* The slab leaves its list while the kernel works, so that no thread takes from it. h's lock is
 * held before and after, and given up meanwhile. */
static void purge_pages(struct slab_heap *h, struct slab *s, struct sweep *w)
{
	const uint32_t mask = s->listed == LISTED ? empty_pages(s) : 0,
	    chunk = granule_of(s) / CHUNK_GRANULES;

	CHECK(lock_held(&purge_lock) && lock_held(&h->lock));
	if (mask == 0)
		return;
	heap_unlist_slab(h, s);
	s->listed = LISTED_PURGING;
	lock_give(&h->lock);
	huge_page_advise();
	const uint32_t taken = give_back_pages(s, mask);
	lock_take(&h->lock);
	s->purged |= taken;
	s->listed = LISTED_NOT;
	heap_settle_slab(h, s);
	purge_left_holes(chunk, huge_page_holes(chunk));
	w->given += (size_t)popcount(taken) * PURGE_UNIT;
	w->refused = w->refused || taken != mask;
}

/* True: the slab changed since the last look, so look again. */
static bool look_at(struct slab_heap *h, struct slab *s)
{
	const unsigned avail = slab_count_free(s);
	struct sweep ignored = {0};

	CHECK(lock_held(&purge_lock) && lock_held(&h->lock));
	if (avail != s->seen_avail) {
		s->seen_avail = (uint16_t)avail;
		return true;
	}
	if ((size_t)avail * s->size >= PURGE_UNIT && s->cls != CLASS_ZERO)
		purge_pages(h, s, &ignored);
	return false;
}

static bool purge_slab(struct slab *s)
{
	const unsigned number = s->heap;
	struct slab_heap *h = heap_at(number);
	bool changed = false;

	if (number == 0)
		return false;
	lock_take(&purge_lock);
	lock_take(&h->lock);
	if (kind_of(s) == GRANULE_SLAB && s->heap == number)
		changed = look_at(h, s);
	lock_give(&h->lock);
	huge_page_advise();
	lock_give(&purge_lock);
	remote_settle_for(h);
	return changed;
}

bool purge_slabs(uint32_t *cursor)
{
	const uint32_t chunks = root.chunk_count, quarter = chunks / 4 + 128;
	bool changed = false;

	for (uint32_t n = 0; n < chunks && n < quarter; n++) {
		const uint32_t chunk = (*cursor)++ % chunks;
		if (chunk_at(chunk)->free_bin == RUN_BINS - 1)
			continue;
		for (uint32_t i = 0; i < CHUNK_GRANULES; i++) {
			struct slab *const s = slab_at(chunk * CHUNK_GRANULES + i);
			if (kind_of(s) == GRANULE_SLAB)
				changed = purge_slab(s) || changed;
		}
	}
	return changed;
}

/* ---- all slabs of one heap ------------------------------------------------------------------- */

/* If objects share pages and are freed at random, a page in three is empty when as many objects
 * live as there are pages. Before that a look costs more than it gains: every page that goes alone
 * is a system call, and splits a huge page. */
static bool is_worth_a_look(const struct slab *s)
{
	const size_t live = (size_t)(s->count - s->avail),
	    pages = s->granules * (GRANULE / PURGE_UNIT);

	return s->listed == LISTED && (size_t)s->avail * s->size >= PURGE_UNIT &&
	       s->cls != CLASS_ZERO && (s->size >= PURGE_UNIT || live <= pages);
}

/* Purge one class. A slab that was looked at goes to the end of its ring, so that slabs that are
 * still resident come first. The ring may change while the lock is given up: the rest then waits
 * for the next time. The rest also waits if a thread that forks needs purge_lock. */
static void purge_class(struct slab_heap *h, unsigned cls, struct sweep *w)
{
	const uint32_t last = h->partial[cls] != 0 ? slab_at(h->partial[cls])->prev : 0;

	CHECK(lock_held(&purge_lock) && lock_held(&h->lock));
	for (uint32_t at = h->partial[cls], next; at != 0 && !w->refused;
	     at = at == last ? 0 : next) {
		struct slab *const s = slab_at(at);
		next = s->next;
		w->live += (size_t)(s->count - s->avail) * s->size;
		if (!is_worth_a_look(s))
			continue;
		purge_pages(h, s, w);
		const struct slab *const n = slab_at(next);
		if (kind_of(n) != GRANULE_SLAB || n->listed != LISTED || n->cls != cls ||
		    heap_of(n) != h || lock_is_wanted(&purge_lock))
			break;
	}
}

bool purge_heap(struct slab_heap *h)
{
	struct sweep w = {0};

	if (!lock_try(&purge_lock))
		return true;
	lock_take(&h->lock);
	for (unsigned cls = 1; cls < class_count && !lock_is_wanted(&purge_lock); cls++)
		purge_class(h, cls, &w);
	h->partial_live = w.live;
	/* if the program soon needs that again, such a deep fall is no reason to look the next
	 * time */
	if (w.given != 0)
		purge_pages_gave(h);
	h->fallen = 0;
	lock_give(&h->lock);
	huge_page_advise();
	lock_give(&purge_lock);
	remote_settle_for(h);
	return !w.refused;
}

void purge_release(struct slab_heap *h, bool all)
{
	lock_take(&h->lock);
	remote_release_emptied(h);
	if (all)
		heap_release_all_kept(h);
	else
		heap_release_idle_kept(h);
	lock_give(&h->lock);
	remote_settle_for(h);
}
