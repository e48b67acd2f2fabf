/* payload.c - see payload.h. */
#include "slab/payload.h"

#include "base/assert.h"
#include "slab/chunks.h"
#include "slab/huge_page.h"
#include "slab/settings.h"
#include "slab/window.h"

static void absent_changes(uint32_t first, uint32_t count, bool to)
{
	const bool before = first > 0 && chunk_at(first - 1)->state == CHUNK_ABSENT;
	const bool behind =
	    first + count < root.chunk_count && chunk_at(first + count)->state == CHUNK_ABSENT;
	const uint32_t rows = 1u - before - behind;

	root.absent_rows += to ? rows : -rows;
}

enum { ABSENT_ROWS_MOST = 4096 }; /* each costs a mapping more, and the program needs some itself */

void payload_is_unmapped(uint32_t chunk)
{
	struct slab_chunk *const c = chunk_at(chunk);

	CHECK(page_lock_held() && c->state == CHUNK_HERE && all_free(chunk));
	c->state = CHUNK_ABSENT;
	root.payload_mapped -= HUGE_PAGE_SIZE;
	absent_changes(chunk, 1, true);
	huge_page_forget(chunk);
	chunk_update(chunk, join(c->free), 0);
}

static bool unmap(uint32_t chunk)
{
	return root.absent_rows < ABSENT_ROWS_MOST &&
	       root.os->unmap(root.os->ctx, granule_address(chunk * CHUNK_GRANULES),
	           HUGE_PAGE_SIZE) == 0;
}

bool payload_unmap_claimed(uint32_t chunk)
{
	CHECK(!lock_held(&root.page_lock) && !lock_held(&advice_lock) && chunk_at(chunk)->claimed);
	lock_take(&advice_lock);
	const bool ok = unmap(chunk);
	lock_give(&advice_lock);
	return ok;
}

/* The system refuses memory: give it all chunks that are free, but those of [first, first + count).
 * True: there were some. A thread that waits for page_lock meanwhile would be refused as well. */
bool payload_shed(uint32_t first, uint32_t count)
{
	const bool mine = lock_held(&advice_lock);
	bool some = false;

	CHECK(page_lock_held());
	if (!mine)
		lock_take(&advice_lock);
	for (uint32_t chunk = 1; chunk < root.chunk_count; chunk++)
		if (chunk - first >= count && chunk_at(chunk)->state == CHUNK_HERE &&
		    all_free(chunk) && unmap(chunk)) {
			payload_is_unmapped(chunk);
			some = true;
		}
	if (!mine)
		lock_give(&advice_lock);
	return some;
}

/* ---- open and grow -------------------------------------------------------------------------- */

/* The granule after the last one that is mapped, or may be mapped next. */
uint32_t payload_top(void)
{
	const uint32_t last = root.chunk_count - 1;
	const struct slab_chunk *const c = chunk_at(last);
	const bool grows = c->state == CHUNK_HERE && !c->stuck;

	return grows ? last * CHUNK_GRANULES + c->mapped : root.chunk_count * CHUNK_GRANULES;
}

static void count_chunks(uint32_t count)
{
	root.chunk_count = count;
	__atomic_store_n(&root.units, (size_t)count * HUGE_PAGE_SIZE >> UNIT_SHIFT,
	    __ATOMIC_RELEASE);
}

/* Mark these granules of one chunk as ours. */
static void add_granules(uint32_t first, uint32_t count)
{
	const uint32_t chunk = first / CHUNK_GRANULES, from = first % CHUNK_GRANULES;

	if (chunk >= root.chunk_count)
		count_chunks(chunk + 1);
	struct slab_chunk *const c = chunk_at(chunk);
	c->mapped = (uint8_t)(from + count);
	root.used += count; /* chunk_update takes them off again */
	chunk_update(chunk, join(c->free) | ones(from, count), join(c->dirty));
}

/* Foreign mappings lie in this chunk at granule `first` of it or after it. */
static void lose_rest(uint32_t first)
{
	const uint32_t chunk = first / CHUNK_GRANULES;

	if (chunk >= root.chunk_count)
		count_chunks(chunk + 1);
	if (first % CHUNK_GRANULES == 0)
		chunk_at(chunk)->state = CHUNK_FOREIGN;
	chunk_at(chunk)->stuck = true;
}

static void add_range(uint32_t from, uint32_t end)
{
	for (uint32_t at = from, n; at < end; at += n) {
		n = (uint32_t)min_size(end - at, CHUNK_GRANULES - at % CHUNK_GRANULES);
		add_granules(at, n);
	}
}

/* Map granules from the top to `end`, except where foreign mappings lie; false: the system refused
 * before that. */
static bool grow_to(uint32_t end)
{
	const uint32_t from = payload_top();
	const enum mapped all = end > from ? window_map(from, end - from) : MAPPED;

	if (all == MAPPED)
		add_range(from, end);
	for (uint32_t at = from, n; all == MAPPED_BY_OTHERS && at < end; at += n) {
		n = (uint32_t)min_size(end - at, CHUNK_GRANULES - at % CHUNK_GRANULES);
		const enum mapped one = window_map(at, n);
		if (one == MAPPED_NOT)
			return false;
		if (one == MAPPED)
			add_granules(at, n);
		else
			lose_rest(at);
	}
	return all != MAPPED_NOT;
}

/* Free granules after `end` that were mapped ahead go back, unless the system refuses. */
static void shrink_to(uint32_t end)
{
	while (payload_top() > end && chunk_at(root.chunk_count - 1)->state == CHUNK_HERE) {
		const uint32_t chunk = root.chunk_count - 1,
		    from = (uint32_t)max_size(end, chunk * CHUNK_GRANULES);
		struct slab_chunk *const c = chunk_at(chunk);
		const uint32_t count = chunk * CHUNK_GRANULES + c->mapped - from;
		const mask128 gone = ones(from % CHUNK_GRANULES, count);
		if ((join(c->free) & gone) != gone || !window_unmap(from, count))
			return;
		chunk_update(chunk, join(c->free) & ~gone, join(c->dirty) & ~gone);
		root.used -= count;
		c->mapped = (uint8_t)(c->mapped - count);
		if (c->mapped == 0 && chunk > 1)
			count_chunks(chunk);
	}
}

/* How many granules to map beyond the need, so that a growing heap asks the system seldom: a share
 * of it. */
static uint32_t ahead(void)
{
	enum { LEAST = 16 };
	const size_t percent = tuning.grow_ahead_percent,
	    share = root.payload_mapped / GRANULE * percent / 100;
	const size_t fixed = (tuning.grow_ahead_mib << 20) / GRANULE;

	return window_is_locked()
	           ? 0
	           : (uint32_t)max_size(fixed, percent == 0 ? 0 : max_size(LEAST, share));
}

/* Make granules up to `end` exist; a large heap grows by whole chunks, which can be huge
 * pages at once. */
bool payload_grow(uint32_t end)
{
	const size_t limit = (size_t)root.chunk_limit * CHUNK_GRANULES, whole = (size_t)16 << 20;

	CHECK(page_lock_held());
	if (end > limit || !window_grow_tables((end + CHUNK_GRANULES - 1) / CHUNK_GRANULES))
		return false;
	size_t generous = (size_t)max_size(payload_top(), end) + ahead();
	if (root.payload_mapped >= whole)
		generous = round_up(generous, CHUNK_GRANULES);
	generous = min_size(generous, limit);
	/* If the settings ask for a fixed amount ahead, map its tables as well, if possible. */
	if (tuning.grow_ahead_mib != 0)
		(void)window_grow_tables((uint32_t)((generous + CHUNK_GRANULES - 1) /
		                                    CHUNK_GRANULES));
	generous = min_size(generous, (size_t)root.meta_ready * CHUNK_GRANULES);
	const bool was_locked = window_is_locked();
	if (!grow_to((uint32_t)generous) && !grow_to(end) && !(payload_shed(0, 0) && grow_to(end)))
		return false;
	if (window_is_locked() != was_locked)
		shrink_to(end);
	return true;
}

/* Map the chunks of [first, first + count) that were given back; all of them are free. False: some
 * could not be mapped; those that could are ours, and foreign mappings stay. */
static bool bring_back(uint32_t first, uint32_t count)
{
	for (uint32_t at = first, n; at < first + count; at += n) {
		for (n = 0; at + n < first + count && chunk_at(at + n)->state == CHUNK_ABSENT; n++)
			;
		if (n == 0) {
			n = 1;
			continue;
		}
		enum mapped r = window_map(at * CHUNK_GRANULES, n * CHUNK_GRANULES);
		if (r == MAPPED_BY_OTHERS && n > 1)
			r = window_map(at * CHUNK_GRANULES, (n = 1) * CHUNK_GRANULES);
		if (r == MAPPED_NOT)
			return false;
		absent_changes(at, n, false);
		for (uint32_t i = at; i < at + n; i++)
			chunk_at(i)->state = r == MAPPED ? CHUNK_HERE : CHUNK_FOREIGN;
		if (r == MAPPED)
			continue;
		chunk_update(at, 0, 0);
		root.used -= CHUNK_GRANULES;
		return false;
	}
	return true;
}

/* The same; if the system refuses, try once more after all free memory went back to it. */
bool payload_here(uint32_t first, uint32_t count)
{
	CHECK(page_lock_held() && count > 0 && first + count <= root.chunk_count);
	while (!bring_back(first, count)) {
		for (uint32_t i = first; i < first + count; i++)
			if (chunk_at(i)->state == CHUNK_FOREIGN)
				return false;
		if (!payload_shed(first, count))
			return false;
	}
	return true;
}

bool payload_begin(void)
{
	count_chunks(1);
	root.used = chunk_at(0)->mapped = 1; /* granule 0, which never is */
	return payload_grow(1 + 1);
}
