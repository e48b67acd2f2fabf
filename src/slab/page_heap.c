/* page_heap.c - free runs in 2 MiB chunks, found through bitmaps by their length. */
#include "slab/page_heap.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "slab/chunk_mask.h"
#include "slab/purge.h"
#include "slab/reservation.h"

static unsigned lowest(mask128 m)
{
	const uint64_t low = (uint64_t)m;
	return low != 0 ? (unsigned)__builtin_ctzll(low) : 64u + (unsigned)__builtin_ctzll((uint64_t)(m >> 64));
}

/* Bit i of the result: a run of at least n ones ends at i. */
static mask128 run_ends(mask128 m, unsigned n)
{
	unsigned have = 1;
	while (have < n && m != 0) {
		const unsigned step = have < n - have ? have : n - have;
		m &= m << step;
		have += step;
	}
	return m;
}

static unsigned longest_run(mask128 m)
{
	mask128 power[8] = {m}; /* [k]: ends of runs of 2^k */
	unsigned k = 0;

	if (m == 0)
		return 0;
	while (k < 7 && (power[k + 1] = power[k] & power[k] << (1u << k)) != 0)
		k++;
	unsigned len = 1u << k;
	for (mask128 ends = power[k]; k > 0 && len < CHUNK_GRANULES;) {
		const mask128 longer = ends & power[--k] << len;
		if (longer != 0) {
			ends = longer;
			len += 1u << k;
		}
	}
	return len;
}

/* ---- bins: exact up to 8, then up to 16, 32, 64, 127, and whole chunks --------------------- */

static unsigned bin_of(unsigned len)
{
	if (len <= 8)
		return len;
	return len == CHUNK_GRANULES ? 13 : 5 + log2_ceil(len);
}

static void bin_set(uint32_t chunk, bool dirty, unsigned bin)
{
	bins_at(chunk / 64)->bin[dirty][bin] |= 1ull << chunk % 64;
	root.middle[chunk / 4096].bin[dirty][bin] |= 1ull << chunk / 64 % 64;
	root.top.bin[dirty][bin] |= 1ull << chunk / 4096;
}

static void bin_clear(uint32_t chunk, bool dirty, unsigned bin)
{
	if ((bins_at(chunk / 64)->bin[dirty][bin] &= ~(1ull << chunk % 64)) != 0)
		return;
	if ((root.middle[chunk / 4096].bin[dirty][bin] &= ~(1ull << chunk / 64 % 64)) != 0)
		return;
	root.top.bin[dirty][bin] &= ~(1ull << chunk / 4096);
}

/* The chunk with the lowest address in a bin that is not empty. */
static uint32_t bin_first(bool dirty, unsigned bin)
{
	const uint32_t t = (uint32_t)__builtin_ctzll(root.top.bin[dirty][bin]);
	const uint32_t m = t * 64 + (uint32_t)__builtin_ctzll(root.middle[t].bin[dirty][bin]);
	return m * 64 + (uint32_t)__builtin_ctzll(bins_at(m)->bin[dirty][bin]);
}

/* The next one in a bin, or UINT32_MAX. */
static uint32_t bin_next(bool dirty, unsigned bin, uint32_t chunk)
{
	const uint64_t above = ~1ull; /* << n: what lies above bit n */
	uint32_t m = chunk / 64, t = chunk / 4096;
	uint64_t word = bins_at(m)->bin[dirty][bin] & above << chunk % 64;

	if (word == 0) {
		uint64_t middle = root.middle[t].bin[dirty][bin] & above << m % 64;
		if (middle == 0) {
			const uint64_t top = root.top.bin[dirty][bin] & above << t;
			if (top == 0)
				return UINT32_MAX;
			t = (uint32_t)__builtin_ctzll(top);
			middle = root.middle[t].bin[dirty][bin];
		}
		m = t * 64 + (uint32_t)__builtin_ctzll(middle);
		word = bins_at(m)->bin[dirty][bin];
	}
	return m * 64 + (uint32_t)__builtin_ctzll(word);
}

uint32_t bin_last(bool dirty, unsigned bin)
{
	const uint32_t t = log2_floor(root.top.bin[dirty][bin]);
	const uint32_t m = t * 64 + log2_floor(root.middle[t].bin[dirty][bin]);
	return m * 64 + log2_floor(bins_at(m)->bin[dirty][bin]);
}

void chunk_update(uint32_t chunk, mask128 free, mask128 dirty)
{
	struct chunk *c = chunk_at(chunk);

	root.used -= population(free) - (size_t)population(join(c->free));
	root.dirty += population(dirty) - (size_t)population(join(c->dirty));
	store(c->free, free);
	store(c->dirty, dirty);

	const unsigned free_bin = bin_of(longest_run(free)), dirty_bin = bin_of(longest_run(dirty));
	if (free_bin != c->free_bin) {
		if (c->free_bin != 0)
			bin_clear(chunk, false, c->free_bin);
		if (free_bin != 0)
			bin_set(chunk, false, free_bin);
		c->free_bin = (uint8_t)free_bin;
	}
	if (dirty_bin != c->dirty_bin) {
		if (c->dirty_bin != 0)
			bin_clear(chunk, true, c->dirty_bin);
		if (dirty_bin != 0)
			bin_set(chunk, true, dirty_bin);
		c->dirty_bin = (uint8_t)dirty_bin;
	}
}

/* ---- open and grow -------------------------------------------------------------------------- */

/* Add chunks until there are `count`; false: the system or the reservation has no more. */
static bool chunks_grow(uint32_t count)
{
	if (!reservation_grow(count))
		return false;
	for (uint32_t chunk = root.chunk_count; chunk < count; chunk++) {
		root.used += CHUNK_GRANULES; /* chunk_update takes them off again */
		chunk_update(chunk, chunk == 0 ? ~(mask128)1 : ~(mask128)0, 0);
	}
	root.chunk_count = count;
	__atomic_store_n(&root.units, (size_t)count * HUGE_PAGE_SIZE >> UNIT_SHIFT, __ATOMIC_RELEASE);
	return true;
}

int page_heap_open(const struct dmm_os *os)
{
	const int error = reservation_open(os);

	if (error == 0 && !chunks_grow(1)) {
		page_heap_close();
		return -ENOMEM;
	}
	return error;
}

void page_heap_close(void)
{
	__atomic_store_n(&root.units, 0, __ATOMIC_RELEASE);
	reservation_close();
	root.used = root.dirty = 0; /* a start that was refused half-way is tried again */
	memset(root.middle, 0, sizeof root.middle);
	root.top = (struct bin_words){0};
	dirty_predictor = (struct predictor){0};
}

/* ---- take and give -------------------------------------------------------------------------- */

enum { BIN_LOOKS = 32 }; /* chunks of one bin that one request looks at */

/* The chunk that fits `count` granules (at an alignment) best, or UINT32_MAX. */
static uint32_t find_chunk(bool dirty, uint32_t wide)
{
	const unsigned exact = bin_of(wide);

	/* Beyond 8 a bin has runs of several lengths: one that is too short must not hide the others. */
	uint32_t chunk = root.top.bin[dirty][exact] != 0 ? bin_first(dirty, exact) : UINT32_MAX;
	for (int looks = 0; chunk != UINT32_MAX && looks < BIN_LOOKS; looks++) {
		const struct chunk *c = chunk_at(chunk);
		if (run_ends(join(dirty ? c->dirty : c->free), wide) != 0)
			return chunk;
		chunk = bin_next(dirty, exact, chunk);
	}
	for (unsigned bin = exact + 1; bin < RUN_BINS; bin++)
		if (root.top.bin[dirty][bin] != 0)
			return bin_first(dirty, bin);
	return UINT32_MAX;
}

static uint32_t take_in_chunk(uint32_t chunk, bool dirty, uint32_t count, uint32_t align, bool *clean)
{
	struct chunk *c = chunk_at(chunk);
	const mask128 free = join(c->free), old_dirty = join(c->dirty);
	mask128 starts = run_ends(dirty ? old_dirty : free, count) >> (count - 1);

	unsigned at = lowest(starts);
	while (at % align != 0) {
		starts &= starts - 1;
		if (starts == 0)
			return 0;
		at = lowest(starts);
	}
	const mask128 run = ones(at, count);
	*clean = (old_dirty & run) == 0;
	c->epoch = root.epoch;
	chunk_update(chunk, free & ~run, old_dirty & ~run);
	reservation_fill(chunk);
	return chunk * CHUNK_GRANULES + at;
}

/* Whole free chunks in a row, the last may be taken in part. */
static uint32_t find_chunks(uint32_t count, uint32_t align)
{
	const size_t base = root.base / HUGE_PAGE_SIZE;
	uint32_t have = 0;

	for (uint32_t chunk = 0; chunk < root.chunk_count; chunk++) {
		if (have == 0 && (base + chunk) % align != 0)
			continue;
		have = chunk_at(chunk)->free_bin == RUN_BINS - 1 ? have + 1 : 0;
		if (have == count)
			return chunk + 1 - count;
	}
	const uint32_t first = (uint32_t)(round_up(base + root.chunk_count - have, align) - base);
	return first <= root.chunk_limit && count <= root.chunk_limit - first && chunks_grow(first + count)
	    ? first
	    : UINT32_MAX;
}

/* Take [first, first + count), all of them free. */
static bool take_range(uint32_t first, uint32_t count)
{
	bool clean = true;

	for (uint32_t at = first, end = first + count; at < end;) {
		const uint32_t chunk = at / CHUNK_GRANULES, from = at % CHUNK_GRANULES;
		const uint32_t n = (uint32_t)min_size(end - at, CHUNK_GRANULES - from);
		struct chunk *c = chunk_at(chunk);
		const mask128 run = ones(from, n), dirty = join(c->dirty);
		clean = clean && (dirty & run) == 0;
		c->epoch = root.epoch;
		chunk_update(chunk, join(c->free) & ~run, dirty & ~run);
		at += n;
	}
	return clean;
}

static uint32_t take_large(uint32_t count, uint32_t align, bool *clean)
{
	const uint32_t chunks = (count + CHUNK_GRANULES - 1) / CHUNK_GRANULES;
	const uint32_t chunk = find_chunks(chunks, (uint32_t)max_size(align / CHUNK_GRANULES, 1));

	if (chunk == UINT32_MAX)
		return 0;
	*clean = take_range(chunk * CHUNK_GRANULES, count);
	return chunk * CHUNK_GRANULES;
}

static uint32_t take_small(uint32_t count, uint32_t align, bool *clean)
{
	const uint32_t wide = count + align - 1;

	for (int dirty = 1; dirty >= 0; dirty--) {
		const uint32_t chunk = find_chunk(dirty, wide);
		if (chunk != UINT32_MAX)
			return take_in_chunk(chunk, dirty, count, align, clean);
	}
	if (!chunks_grow(root.chunk_count + 1))
		return 0;
	return take_in_chunk(root.chunk_count - 1, false, count, align, clean);
}

struct predictor dirty_predictor;

/* `count` granules were taken, when `dirty` had been dirty. */
static void note_taken(size_t count, size_t dirty)
{
	const size_t fresh = count - (dirty - root.dirty);

	predict_level(&dirty_predictor, root.dirty);
	if (fresh != 0 && predict_waits(&dirty_predictor))
		predict_asked(&dirty_predictor, fresh, purge_clock(), purge_again_ns());
}

uint32_t run_take(uint32_t count, uint32_t align, bool *clean)
{
	lock_take(&root.page_lock);
	const size_t dirty = root.dirty;
	const bool small = count + align - 1 <= CHUNK_GRANULES && align < CHUNK_GRANULES;
	const uint32_t first = small ? take_small(count, align, clean) : take_large(count, align, clean);
	if (first != 0)
		note_taken(count, dirty);
	lock_give(&root.page_lock);
	return first;
}

void run_fill(uint32_t first, uint32_t count)
{
	lock_take(&root.page_lock);
	reservation_fill_run(first, count);
	lock_give(&root.page_lock);
}

void run_give(uint32_t first, uint32_t count, bool clean)
{
	lock_take(&root.page_lock);
	for (uint32_t at = first, end = first + count; at < end;) {
		const uint32_t chunk = at / CHUNK_GRANULES, from = at % CHUNK_GRANULES;
		const uint32_t n = (uint32_t)min_size(end - at, CHUNK_GRANULES - from);
		struct chunk *c = chunk_at(chunk);
		const mask128 run = ones(from, n), free = join(c->free), dirty = join(c->dirty);
		CHECK((free & run) == 0);
		c->epoch = root.epoch;
		chunk_update(chunk, free | run, clean ? dirty : dirty | run);
		if (unlikely(c->holed) && chunk_is_whole(chunk) && reservation_begins_anew(chunk))
			purge_chunk_soon(chunk);
		at += n;
	}
	lock_give(&root.page_lock);
}

bool run_extend(uint32_t end, uint32_t more, bool *clean)
{
	bool ok = true;

	lock_take(&root.page_lock);
	const size_t dirty = root.dirty;
	const uint32_t last = end + more;
	if (last > root.chunk_count * CHUNK_GRANULES)
		ok = last > end && last <= root.chunk_limit * CHUNK_GRANULES &&
		    chunks_grow((last + CHUNK_GRANULES - 1) / CHUNK_GRANULES);
	for (uint32_t at = end; ok && at < last;) {
		const uint32_t from = at % CHUNK_GRANULES;
		const uint32_t n = (uint32_t)min_size(last - at, CHUNK_GRANULES - from);
		const mask128 run = ones(from, n);
		ok = (join(chunk_at(at / CHUNK_GRANULES)->free) & run) == run;
		at += n;
	}
	if (ok) {
		*clean = take_range(end, more);
		note_taken(more, dirty);
	}
	lock_give(&root.page_lock);
	return ok;
}

/* ---- check ---------------------------------------------------------------------------------- */

static bool fault(struct dmm_fault *why, const char *rule, const void *at, uint64_t found, uint64_t wanted)
{
	*why = (struct dmm_fault){rule, (uintptr_t)at, found, wanted};
	return false;
}

static bool chunk_check(uint32_t chunk, struct dmm_fault *why)
{
	const struct chunk *c = chunk_at(chunk);
	const mask128 free = join(c->free), dirty = join(c->dirty);

	if ((dirty & ~free) != 0)
		return fault(why, "P1 dirty", c, c->dirty[0], c->free[0]);
	const unsigned free_bin = bin_of(longest_run(free)), dirty_bin = bin_of(longest_run(dirty));
	if (free_bin != c->free_bin || dirty_bin != c->dirty_bin)
		return fault(why, "P2 filed", c, c->free_bin, free_bin);
	for (unsigned bin = 1; bin < RUN_BINS; bin++)
		for (int d = 0; d < 2; d++)
			if ((bins_at(chunk / 64)->bin[d][bin] >> chunk % 64 & 1) !=
			    (bin == (d ? dirty_bin : free_bin)))
				return fault(why, "P2 filed", c, bin, d ? dirty_bin : free_bin);
	return true;
}

bool page_heap_check(struct dmm_fault *why)
{
	size_t used = 0, dirty = 0;
	bool ok = true;

	lock_take(&root.page_lock);
	for (uint32_t chunk = 0; ok && chunk < root.chunk_count; chunk++) {
		ok = chunk_check(chunk, why);
		used += CHUNK_GRANULES - population(join(chunk_at(chunk)->free));
		dirty += population(join(chunk_at(chunk)->dirty));
	}
	if (ok && (used != root.used || dirty != root.dirty))
		ok = fault(why, "P3 counted", &root, root.used, used);
	lock_give(&root.page_lock);
	return ok;
}
