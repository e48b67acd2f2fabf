/* chunks.c - see chunks.h. */
#include "slab/chunks.h"

#include <string.h>

#include "base/assert.h"

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

unsigned bin_of(unsigned len)
{
	if (len <= 8)
		return len;
	return len == CHUNK_GRANULES ? 13 : 5 + log2_ceil(len);
}

static unsigned row_bin(unsigned bin)
{
	return 2 * RUN_BINS + bin;
}

static uint64_t *word_of(struct bin_words *w, unsigned bin)
{
	return &w->all[bin];
}

static uint64_t filled; /* the bins that are not empty */
static_assert(2 * RUN_BINS + ROW_BINS + 1 <= 64, "a bit each");

void bins_forget(void)
{
	memset(root.middle, 0, sizeof root.middle);
	root.top = (struct bin_words){0};
	filled = 0;
}

static void bin_set(uint32_t chunk, unsigned bin)
{
	filled |= 1ull << bin;
	*word_of(bins_at(chunk / 64), bin) |= 1ull << chunk % 64;
	*word_of(&root.middle[chunk / 4096], bin) |= 1ull << chunk / 64 % 64;
	*word_of(&root.top, bin) |= 1ull << chunk / 4096;
}

static void bin_clear(uint32_t chunk, unsigned bin)
{
	if ((*word_of(bins_at(chunk / 64), bin) &= ~(1ull << chunk % 64)) != 0)
		return;
	if ((*word_of(&root.middle[chunk / 4096], bin) &= ~(1ull << chunk / 64 % 64)) != 0)
		return;
	if ((*word_of(&root.top, bin) &= ~(1ull << chunk / 4096)) == 0)
		filled &= ~(1ull << bin);
}

unsigned bin_with_longer(bool dirty, unsigned bin)
{
	const unsigned next = run_bin(dirty, bin + 1);
	const uint64_t longer = filled & ((1ull << run_bin(dirty, RUN_BINS)) - (1ull << next));

	return longer != 0 ? (unsigned)lowest_one(longer) : 0;
}

/* The chunk with the lowest address in a bin, or UINT32_MAX: it is empty. */
uint32_t bin_first(unsigned bin)
{
	if (root.top.all[bin] == 0)
		return UINT32_MAX;
	const uint32_t t = (uint32_t)__builtin_ctzll(root.top.all[bin]);
	const uint32_t m = t * 64 + (uint32_t)__builtin_ctzll(root.middle[t].all[bin]);
	return m * 64 + (uint32_t)__builtin_ctzll(bins_at(m)->all[bin]);
}

uint32_t bin_last(unsigned bin)
{
	if (root.top.all[bin] == 0)
		return UINT32_MAX;
	const uint32_t t = log2_floor(root.top.all[bin]);
	const uint32_t m = t * 64 + log2_floor(root.middle[t].all[bin]);
	return m * 64 + log2_floor(bins_at(m)->all[bin]);
}

/* The next one in a bin, or UINT32_MAX. */
uint32_t bin_next(unsigned bin, uint32_t chunk)
{
	const uint64_t above = ~1ull; /* << n: what lies above bit n */
	uint32_t m = chunk / 64, t = chunk / 4096;
	uint64_t word = bins_at(m)->all[bin] & above << chunk % 64;

	if (word == 0) {
		uint64_t middle = root.middle[t].all[bin] & above << m % 64;
		if (middle == 0) {
			const uint64_t top = root.top.all[bin] & above << t;
			if (top == 0)
				return UINT32_MAX;
			t = (uint32_t)__builtin_ctzll(top);
			middle = root.middle[t].all[bin];
		}
		m = t * 64 + (uint32_t)__builtin_ctzll(middle);
		word = bins_at(m)->all[bin];
	}
	return m * 64 + (uint32_t)__builtin_ctzll(word);
}

/* The bits of a word from bit n downwards. */
static uint64_t up_to(uint64_t word, uint32_t n)
{
	return word & ((2ull << n) - 1);
}

/* The last chunk in a bin at `chunk` or before it; there is one. */
static uint32_t bin_last_up_to(unsigned bin, uint32_t chunk)
{
	uint32_t m = chunk / 64, t = chunk / 4096;
	uint64_t word = up_to(bins_at(m)->all[bin], chunk % 64);

	if (word == 0) {
		uint64_t middle = up_to(root.middle[t].all[bin], m % 64) & ~(1ull << m % 64);
		if (middle == 0) {
			t = log2_floor(up_to(root.top.all[bin], t) & ~(1ull << t));
			middle = root.middle[t].all[bin];
		}
		m = t * 64 + log2_floor(middle);
		word = bins_at(m)->all[bin];
	}
	return m * 64 + log2_floor(word);
}

/* ---- rows of chunks that are all free: exact up to 4, then up to 8, 16, ... ------------------ */

unsigned row_bin_of(uint32_t len)
{
	return row_bin(len <= 4 ? len - 1 : 1 + log2_ceil(len));
}

static void row_enter(uint32_t first, uint32_t len)
{
	if (len == 0)
		return;
	chunk_at(first)->row = chunk_at(first + len - 1)->row = len;
	bin_set(first, row_bin_of(len));
	bin_set(first, ROW_ANY);
}

static void row_leave(uint32_t first, uint32_t len)
{
	if (len == 0)
		return;
	bin_clear(first, row_bin_of(len));
	bin_clear(first, ROW_ANY);
}

/* A chunk became all free: with its free neighbours it makes a row. */
static void row_join(uint32_t chunk)
{
	const uint32_t before = chunk > 0 && all_free(chunk - 1) ? chunk_at(chunk - 1)->row : 0;
	const uint32_t behind =
	    chunk + 1 < root.chunk_count && all_free(chunk + 1) ? chunk_at(chunk + 1)->row : 0;

	row_leave(chunk - before, before);
	row_leave(chunk + 1, behind);
	row_enter(chunk - before, before + 1 + behind);
}

/* The reverse; neighbours stay as they are. */
static void row_split(uint32_t chunk)
{
	const uint32_t first = bin_last_up_to(ROW_ANY, chunk), len = chunk_at(first)->row;

	row_leave(first, len);
	row_enter(first, chunk - first);
	row_enter(chunk + 1, first + len - chunk - 1);
}

/* Ones in a row from bit `at` on. */
static unsigned ones_from(mask128 m, unsigned at)
{
	if (at >= CHUNK_GRANULES)
		return 0;
	const mask128 zeros = ~m >> at;
	return zeros == 0 ? CHUNK_GRANULES - at : lowest(zeros);
}

/* The ones in a row that ends before bit `at`. */
static unsigned ones_before(mask128 m, unsigned at)
{
	const mask128 zeros = ~m & ones(0, at);
	return zeros == 0 ? at : at - 1 - highest(zeros);
}

/* The least length of the runs of a bin. */
static unsigned least_of(unsigned bin)
{
	return bin <= 8 ? bin : bin == RUN_BINS - 1 ? CHUNK_GRANULES : (1u << (bin - 6)) + 1;
}

static bool is_one_row(mask128 m)
{
	return ((m + (m & -m)) & m) == 0;
}

/* The length of the run into which this row of granules grew. */
static unsigned run_around(mask128 now, mask128 row)
{
	const unsigned from = lowest(row), to = highest(row) + 1;

	return ones_before(now, from) + (to - from) + ones_from(now, to);
}

/* The bin of `now`, where the bin of `before` was `bin`. */
static unsigned bin_after(mask128 before, mask128 now, unsigned bin)
{
	const mask128 came = now & ~before;

	if (came == 0) /* no run has grown */
		return run_ends(now, least_of(bin)) != 0 ? bin : bin_of(longest_run(now));
	if ((before & ~now) == 0 && is_one_row(came)) /* one run grew, or two became one */
		return (unsigned)max_size(bin, bin_of(run_around(now, came)));
	return bin_of(longest_run(now));
}

static void refile(uint32_t chunk, bool dirty, uint8_t *bin, unsigned now)
{
	if (now == *bin)
		return;
	if (*bin != 0)
		bin_clear(chunk, run_bin(dirty, *bin));
	if (now != 0)
		bin_set(chunk, run_bin(dirty, now));
	*bin = (uint8_t)now;
}

/* How many more ones `now` has. */
static size_t growth(mask128 before, mask128 now)
{
	const mask128 changed = before ^ now, came = changed & now;

	if (came == 0)
		return -(size_t)population(changed);
	return 2 * (size_t)population(came) - population(changed);
}

static bool chunk_check(uint32_t chunk, struct dmm_fault *why);

/* Of the granules that were dirty before, some may have been taken or given back since. */
static uint8_t still_missing(uint8_t missing, mask128 before, mask128 now)
{
	const mask128 stay = before & now;
	return stay == 0 ? 0 : (uint8_t)(missing * population(stay) / population(before));
}

/* Change a chunk's masks, and all fields that follow from them. */
void chunk_update(uint32_t chunk, mask128 free, mask128 dirty)
{
	struct slab_chunk *c = chunk_at(chunk);
	const bool was_free = all_free(chunk);
	struct dmm_fault why;

	CHECK(page_lock_held() && chunk < root.chunk_count);
	CHECK((dirty & ~free) == 0);
	const mask128 old_free = join(c->free), old_dirty = join(c->dirty);
	if (unlikely(c->missing != 0))
		c->missing = still_missing(c->missing, old_dirty, dirty);
	if (old_free != free) {
		const size_t grown = growth(old_free, free);
		const unsigned bin = bin_after(old_free, free, c->free_bin);
		root.used -= grown;
		store(c->free, free);
		refile(chunk, false, &c->free_bin, bin);
		if (old_dirty == old_free && dirty == free) { /* all that is free is dirty */
			root.dirty += grown;
			store(c->dirty, dirty);
			refile(chunk, true, &c->dirty_bin, bin);
		}
	}
	if (join(c->dirty) != dirty) {
		root.dirty += growth(old_dirty, dirty);
		store(c->dirty, dirty);
		refile(chunk, true, &c->dirty_bin, bin_after(old_dirty, dirty, c->dirty_bin));
	}
	if (was_free != all_free(chunk))
		(was_free ? row_split : row_join)(chunk);
	DEBUG_CHECK(chunk_check(chunk, &why));
}

/* ---- check ----------------------------------------------------------------------------------- */

static bool fault(struct dmm_fault *why, const char *rule, const void *at, uint64_t found,
    uint64_t wanted)
{
	*why = (struct dmm_fault){rule, (uintptr_t)at, found, wanted};
	return false;
}

static bool has_bit(uint32_t chunk, unsigned bin)
{
	return bins_at(chunk / 64)->all[bin] >> chunk % 64 & 1;
}

/* A chunk begins a row if it is all free and the one before it is not. */
static bool row_check(uint32_t chunk, struct dmm_fault *why)
{
	const struct slab_chunk *const c = chunk_at(chunk);
	const bool begins = all_free(chunk) && (chunk == 0 || !all_free(chunk - 1));
	uint32_t len = 0;

	while (begins && chunk + len < root.chunk_count && all_free(chunk + len))
		len++;
	if (begins && (c->row != len || chunk_at(chunk + len - 1)->row != len))
		return fault(why, "P4 rows", c, c->row, len);
	for (unsigned bin = row_bin(0); bin <= ROW_ANY; bin++)
		if (has_bit(chunk, bin) != (begins && (bin == ROW_ANY || bin == row_bin_of(len))))
			return fault(why, "P4 rows", c, bin, len);
	return true;
}

/* Granules that may be used. */
static unsigned size_of(const struct slab_chunk *c)
{
	return c->state == CHUNK_HERE ? c->mapped : c->state == CHUNK_ABSENT ? CHUNK_GRANULES : 0;
}

static bool chunk_check(uint32_t chunk, struct dmm_fault *why)
{
	const struct slab_chunk *c = chunk_at(chunk);
	const mask128 free = join(c->free), dirty = join(c->dirty);

	if ((dirty & ~free) != 0)
		return fault(why, "P1 dirty", c, c->dirty[0], c->free[0]);
	const unsigned free_bin = bin_of(longest_run(free)), dirty_bin = bin_of(longest_run(dirty));
	if (free_bin != c->free_bin || dirty_bin != c->dirty_bin)
		return fault(why, "P2 filed", c, c->free_bin, free_bin);
	for (unsigned bin = 1; bin < RUN_BINS; bin++)
		for (int d = 0; d < 2; d++)
			if (has_bit(chunk, run_bin(d, bin)) != (bin == (d ? dirty_bin : free_bin)))
				return fault(why, "P2 filed", c, bin, d ? dirty_bin : free_bin);
	if ((free & ~ones(0, size_of(c))) != 0 ||
	    (c->state == CHUNK_ABSENT && ((~free) != 0 || dirty != 0)))
		return fault(why, "P5 mapped", c, c->mapped, c->state);
	return row_check(chunk, why);
}

bool chunks_check(struct dmm_fault *why)
{
	size_t used = 0, dirty = 0, mapped = 0;
	bool ok = true;

	for (uint32_t chunk = 0; ok && chunk < root.chunk_count; chunk++) {
		const struct slab_chunk *const c = chunk_at(chunk);
		ok = chunk_check(chunk, why);
		used += size_of(c) - population(join(c->free));
		dirty += population(join(c->dirty));
		mapped += c->state == CHUNK_HERE ? c->mapped : 0;
	}
	if (ok && (used != root.used || dirty != root.dirty))
		ok = fault(why, "P3 counted", &root, root.used, used);
	if (ok && (mapped - 1) * GRANULE != root.payload_mapped) /* granule 0 is not */
		ok = fault(why, "P5 mapped", &root, root.payload_mapped, mapped);
	return ok;
}
