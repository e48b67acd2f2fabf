/* page_heap.c - see page_heap.h. */
#include "slab/page_heap.h"

#include <errno.h>

#include "base/assert.h"
#include "slab/chunks.h"
#include "slab/huge_page.h"
#include "slab/payload.h"
#include "slab/purge.h"
#include "slab/window.h"

int page_heap_open(const struct dmm_os *os)
{
	const int error = window_open(os);

	if (error != 0)
		return error;
	if (!payload_begin()) {
		page_heap_close();
		return -ENOMEM;
	}
	return 0;
}

void page_heap_close(void)
{
	__atomic_store_n(&root.units, 0, __ATOMIC_RELEASE);
	window_close();
	root.used = root.dirty = 0; /* a start that was refused half-way is tried again */
	bins_forget();
	dirty_predictor = pages_predictor = (struct predictor){0};
	purge_chunks_forget();
}

/* ---- take and give -------------------------------------------------------------------------- */

enum { BIN_LOOKS = 32 }; /* chunks of one bin that one request looks at */

/* The chunk that fits `count` granules (at an alignment) best, or UINT32_MAX. */
static uint32_t find_chunk(bool dirty, uint32_t wide)
{
	const unsigned exact = bin_of(wide);

	/* Beyond 8 granules a bin has runs of several lengths: one that is too short must not hide
	 * the others. */
	uint32_t chunk = bin_first(run_bin(dirty, exact));
	for (int looks = 0; chunk != UINT32_MAX && looks < BIN_LOOKS; looks++) {
		const struct slab_chunk *c = chunk_at(chunk);
		if (run_ends(join(dirty ? c->dirty : c->free), wide) != 0)
			return chunk;
		chunk = bin_next(run_bin(dirty, exact), chunk);
	}
	const unsigned longer = bin_with_longer(dirty, exact);
	return longer != 0 ? bin_first(longer) : UINT32_MAX;
}

static uint32_t take_in_chunk(uint32_t chunk, bool dirty, uint32_t count, uint32_t align,
    bool *clean)
{
	struct slab_chunk *c = chunk_at(chunk);
	const mask128 free = join(c->free), old_dirty = join(c->dirty);
	mask128 starts = run_ends(dirty ? old_dirty : free, count) >> (count - 1);

	unsigned at = lowest(starts);
	while ((at & (align - 1)) != 0) {
		starts &= starts - 1;
		if (starts == 0)
			return 0;
		at = lowest(starts);
	}
	const mask128 run = ones(at, count);
	*clean = (old_dirty & run) == 0;
	c->epoch = root.epoch;
	chunk_update(chunk, free & ~run, old_dirty & ~run);
	huge_page_fill(chunk, count, *clean);
	return chunk * CHUNK_GRANULES + at;
}

/* The first of `count` chunks in a row that are all free, at an alignment, or UINT32_MAX: the row
 * with the lowest address of the shortest sort that is long enough. */
static uint32_t find_row(uint32_t count, uint32_t align)
{
	const size_t base = root.base / HUGE_PAGE_SIZE;

	for (unsigned bin = row_bin_of(count); bin < ROW_ANY; bin++) {
		uint32_t chunk = bin_first(bin);
		for (int looks = 0; chunk != UINT32_MAX && looks < BIN_LOOKS; looks++) {
			const uint32_t at = (uint32_t)(round_up(base + chunk, align) - base);
			if (at + count <= chunk + chunk_at(chunk)->row)
				return at;
			chunk = bin_next(bin, chunk);
		}
	}
	return UINT32_MAX;
}

/* Take [first, first + count), all of them free. */
static bool take_range(uint32_t first, uint32_t count)
{
	bool clean = true;

	for (uint32_t at = first, end = first + count; at < end;) {
		const uint32_t chunk = at / CHUNK_GRANULES, from = at % CHUNK_GRANULES;
		const uint32_t n = (uint32_t)min_size(end - at, CHUNK_GRANULES - from);
		struct slab_chunk *c = chunk_at(chunk);
		const mask128 run = ones(from, n), dirty = join(c->dirty);
		clean = clean && (dirty & run) == 0;
		c->epoch = root.epoch;
		chunk_update(chunk, join(c->free) & ~run, dirty & ~run);
		at += n;
	}
	return clean;
}

static bool range_free(uint32_t first, uint32_t count)
{
	for (uint32_t at = first, end = first + count; at < end;) {
		const uint32_t chunk = at / CHUNK_GRANULES, from = at % CHUNK_GRANULES;
		const uint32_t n = (uint32_t)min_size(end - at, CHUNK_GRANULES - from);
		const mask128 run = ones(from, n);
		if (chunk >= root.chunk_count || (join(chunk_at(chunk)->free) & run) != run)
			return false;
		at += n;
	}
	return true;
}

/* The start of a run of whole chunks for which the heap grows: it includes the free chunks at the
 * heap's end. */
static uint32_t row_at_top(uint32_t align)
{
	const size_t base = root.base / HUGE_PAGE_SIZE;
	uint32_t first = root.chunk_count;

	if (payload_top() % CHUNK_GRANULES != 0 && chunk_at(first - 1)->mapped != 0 && first > 1 &&
	    join(chunk_at(first - 1)->free) == ones(0, chunk_at(first - 1)->mapped))
		first--;
	if (first > 0 && (first == root.chunk_count || first > 1) && all_free(first - 1))
		first -= chunk_at(first - 1)->row;
	return (uint32_t)(round_up(base + first, align) - base);
}

static uint32_t take_large(uint32_t count, uint32_t align, bool *clean)
{
	const uint32_t chunks = (count + CHUNK_GRANULES - 1) / CHUNK_GRANULES;
	const uint32_t step = (uint32_t)max_size(align / CHUNK_GRANULES, 1);

	for (;;) {
		uint32_t chunk = find_row(chunks, step);
		if (chunk == UINT32_MAX) {
			chunk = row_at_top(step);
			const size_t end = (size_t)chunk * CHUNK_GRANULES + count;
			if (end > (size_t)root.chunk_limit * CHUNK_GRANULES ||
			    !payload_grow((uint32_t)end))
				return 0;
			/* others have mapped something there */
			if (!range_free(chunk * CHUNK_GRANULES, count))
				continue;
		}
		const uint32_t covered = (uint32_t)min_size(chunks, root.chunk_count - chunk);
		if (payload_here(chunk, covered)) {
			*clean = take_range(chunk * CHUNK_GRANULES, count);
			return chunk * CHUNK_GRANULES;
		}
		if (range_free(chunk * CHUNK_GRANULES, count))
			return 0;
	}
}

/* The heap grows for a run inside a chunk. */
static bool grow_for(uint32_t wide)
{
	const uint32_t from = payload_top(), room = CHUNK_GRANULES - from % CHUNK_GRANULES;
	return payload_grow(wide <= room ? from + wide : from + room + wide);
}

static uint32_t take_small(uint32_t count, uint32_t align, bool *clean)
{
	const uint32_t wide = count + align - 1;

	for (;;) {
		uint32_t chunk = find_chunk(true, wide);
		const bool dirty = chunk != UINT32_MAX;
		if (!dirty && (chunk = find_chunk(false, wide)) == UINT32_MAX) {
			if (!grow_for(wide))
				return 0;
			continue;
		}
		if (likely(chunk_at(chunk)->state == CHUNK_HERE) || payload_here(chunk, 1))
			return take_in_chunk(chunk, dirty, count, align, clean);
		if (chunk_at(chunk)->state == CHUNK_ABSENT)
			return 0;
	}
}

/* `count` granules were taken; `dirty` were dirty before. */
static void note_taken(size_t count, size_t dirty)
{
	/* When memory was short, more granules went than were taken. */
	const size_t fresh = count - min_size(count, dirty - root.dirty);

	predict_level(&dirty_predictor, root.dirty);
	if (fresh != 0 && predict_waits(&dirty_predictor)) {
		const uint64_t now = purge_clock();
		predict_asked(&dirty_predictor, fresh, now, purge_soon_ns(now));
	}
}

uint32_t run_take(uint32_t count, uint32_t align, bool *clean)
{
	CHECK(count > 0 && is_pow2(align));
	lock_take(&root.page_lock);
	const size_t dirty = root.dirty;
	const bool small = count + align - 1 <= CHUNK_GRANULES && align < CHUNK_GRANULES;
	uint32_t first = 0;
	if (root.chunk_count != 0) /* the heap could be opened */
		first = small ? take_small(count, align, clean) : take_large(count, align, clean);
	if (first != 0)
		note_taken(count, dirty);
	lock_give(&root.page_lock);
	huge_page_advise();
	return first;
}

void run_fill(uint32_t first, uint32_t count)
{
	lock_take(&root.page_lock);
	huge_page_fill_run(first, count);
	lock_give(&root.page_lock);
	huge_page_advise();
}

/* A chunk that is free as a whole, and lost parts of its memory before, may go back as a whole
 * and be filled by a huge page the next time. That takes about as long as to fill 40 granules with
 * small pages, so at least so many must be missing. */
static bool is_worth_anew(uint32_t chunk)
{
	enum { MANY = CHUNK_GRANULES / 3, UNITS = GRANULE / MISSING_UNIT };
	const struct slab_chunk *const c = chunk_at(chunk);
	const unsigned clean = population(join(c->free) & ~join(c->dirty));

	return chunk_is_whole(chunk) && clean + c->missing / UNITS >= MANY &&
	       huge_page_begins_anew(chunk) && !huge_page_is_dear();
}

static void note_missing(struct slab_chunk *c, size_t bytes)
{
	const size_t units = c->missing + (bytes + MISSING_UNIT - 1) / MISSING_UNIT;
	c->missing = (uint8_t)min_size(units, UINT8_MAX);
}

static void give(uint32_t first, uint32_t count, bool clean, size_t missing)
{
	CHECK(first > 0 && count > 0);
	lock_take(&root.page_lock);
	for (uint32_t at = first, end = first + count; at < end;) {
		const uint32_t chunk = at / CHUNK_GRANULES, from = at % CHUNK_GRANULES;
		const uint32_t n = (uint32_t)min_size(end - at, CHUNK_GRANULES - from);
		struct slab_chunk *c = chunk_at(chunk);
		const mask128 run = ones(from, n), free = join(c->free), dirty = join(c->dirty);
		CHECK((free & run) == 0);
		c->epoch = root.epoch;
		chunk_update(chunk, free | run, clean ? dirty : dirty | run);
		if (unlikely(missing != 0))
			note_missing(c, missing);
		missing = 0;
		if (unlikely(c->holed) && is_worth_anew(chunk))
			purge_chunk_soon(chunk);
		at += n;
	}
	lock_give(&root.page_lock);
}

void run_give(uint32_t first, uint32_t count, bool clean)
{
	give(first, count, clean, 0);
}

void run_give_holed(uint32_t first, uint32_t count, size_t missing)
{
	give(first, count, false, missing);
}

bool run_extend(uint32_t end, uint32_t more, bool *clean)
{
	CHECK(end > 0 && more > 0);
	lock_take(&root.page_lock);
	const size_t dirty = root.dirty;
	const uint32_t last = end + more, chunk = end / CHUNK_GRANULES;
	bool ok = last > end && last <= root.chunk_limit * CHUNK_GRANULES;
	if (ok && last > payload_top())
		ok = (end >= payload_top() || range_free(end, payload_top() - end)) &&
		     payload_grow(last);
	ok = ok && range_free(end, more) &&
	     payload_here(chunk, (last - 1) / CHUNK_GRANULES + 1 - chunk);
	if (ok) {
		*clean = take_range(end, more);
		note_taken(more, dirty);
	}
	lock_give(&root.page_lock);
	return ok;
}

bool page_heap_shed(void)
{
	lock_take(&root.page_lock);
	const bool some = payload_shed(0, 0);
	lock_give(&root.page_lock);
	return some;
}


bool page_heap_check(struct dmm_fault *why)
{
	lock_take(&root.page_lock);
	const bool ok = chunks_check(why);
	lock_give(&root.page_lock);
	return ok;
}
