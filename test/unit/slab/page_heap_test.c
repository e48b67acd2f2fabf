/* page_heap_test.c - runs of granules against a model of every granule: whose it is, and whether it
 * may hold old data.  And what page_heap.h promises about which run is chosen, since the heap's
 * footprint hangs on it. */
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/rng.h"
#include "fake_kernel.h"
#include "slab/page_heap.h"
#include "test.h"

enum { GRANULES = 96 * CHUNK_GRANULES, RUNS = 400, MOST_USED = 8 * CHUNK_GRANULES };

static struct model {
	uint16_t owner[GRANULES]; /* run + 1; 0: free */
	bool dirty[GRANULES];     /* free, and may hold old data */
} model;
static struct run {
	uint32_t first, count;
} runs[RUNS];

static void begin(void)
{
	paper_begin("guarded:0");
	memset(&model, 0, sizeof model);
	memset(runs, 0, sizeof runs);
}

/* ---- the model's own idea of the choice */

static unsigned bin(unsigned len)
{
	return len <= 8 ? len : len <= 16 ? 9 : len <= 32 ? 10 : len <= 64 ? 11 : len < 128 ? 12
	    : 13;
}

static bool may_take(uint32_t g, bool dirty)
{
	const struct slab_chunk *const c = chunk_at(g / CHUNK_GRANULES);
	const bool mapped = c->state == CHUNK_ABSENT || g % CHUNK_GRANULES < c->mapped;
	return model.owner[g] == 0 && g != 0 && mapped && (!dirty || model.dirty[g]);
}

static unsigned longest(uint32_t chunk, bool dirty)
{
	unsigned best = 0, len = 0;

	for (uint32_t g = chunk * CHUNK_GRANULES; g < (chunk + 1) * CHUNK_GRANULES; g++) {
		len = may_take(g, dirty) ? len + 1 : 0;
		best = len > best ? len : best;
	}
	return best;
}

/* The first run of `count` in the chunk in the lowest bin that has one, among these the lowest. */
static uint32_t choice(uint32_t count, bool dirty)
{
	uint32_t best = UINT32_MAX;
	unsigned best_bin = 99;

	for (uint32_t chunk = 0; chunk < root.chunk_count; chunk++) {
		const unsigned len = longest(chunk, dirty);
		if (len >= count && bin(len) < best_bin)
			best = chunk, best_bin = bin(len);
	}
	if (best == UINT32_MAX)
		return 0;
	for (uint32_t g = best * CHUNK_GRANULES, len = 0;; g++) {
		len = may_take(g, dirty) ? len + 1 : 0;
		if (len == count)
			return g + 1 - count;
	}
}

/* ---- operations on both */

static void own(uint32_t first, uint32_t count, unsigned run, bool clean)
{
	bool was_dirty = false;

	assert_true(first != 0);
	assert_true(first + count <= root.chunk_count * CHUNK_GRANULES);
	assert_true(first + count <= GRANULES);
	for (uint32_t g = first; g < first + count; g++) {
		assert_int_equal(model.owner[g], 0);
		model.owner[g] = (uint16_t)(run + 1);
		was_dirty |= model.dirty[g];
		model.dirty[g] = false;
	}
	assert_int_equal(clean, !was_dirty);
}

static void take(unsigned run, uint32_t count, uint32_t align)
{
	bool clean = false;
	const uint32_t wanted_dirty = align == 1 && count <= CHUNK_GRANULES ? choice(count, true)
	    : 0;
	const uint32_t wanted_free = align == 1 && count < CHUNK_GRANULES ? choice(count, false)
	    : 0;
	const uint32_t first = run_take(count, align, &clean);

	if (wanted_dirty != 0 && count < CHUNK_GRANULES)
		/* reuse before growth, the shortest that does */
		assert_int_equal(first, wanted_dirty);
	else if (wanted_free != 0)
		assert_int_equal(first, wanted_free);
	/* Of what is aligned to more than a chunk, the address counts. */
	assert_int_equal((root.base / GRANULE + first) % align, 0);
	own(first, count, run, clean);
	runs[run] = (struct run){first, count};
}

static void give(unsigned run, bool clean)
{
	run_give(runs[run].first, runs[run].count, clean);
	for (uint32_t g = runs[run].first; g < runs[run].first + runs[run].count; g++) {
		assert_int_equal(model.owner[g], run + 1);
		model.owner[g] = 0;
		model.dirty[g] = !clean;
	}
	runs[run].count = 0;
}

static void extend(unsigned run, uint32_t more)
{
	const uint32_t end = runs[run].first + runs[run].count;
	bool clean = false, can = true;

	for (uint32_t g = end; g < end + more && g < GRANULES; g++)
		can &= model.owner[g] == 0;
	if (end + more > GRANULES)
		return;
	const bool done = run_extend(end, more, &clean);
	assert_int_equal(done, can); /* it never moves what can stay, and never takes another's */
	if (done) {
		own(end, more, run, clean);
		runs[run].count += more;
	}
}

static void agree(void)
{
	size_t used = 0, dirty = 0;

	for (uint32_t g = 0; g < root.chunk_count * CHUNK_GRANULES; g++) {
		used += model.owner[g] != 0;
		dirty += model.dirty[g];
	}
	assert_int_equal(root.used, used + 1); /* granule 0 is a guard */
	assert_int_equal(root.dirty, dirty);
	struct dmm_fault why = {.rule = "(none)"};
	if (!page_heap_check(&why))
		fail_msg("broken rule '%s'", why.rule);
}

TEST(runs_are_disjoint_aligned_truly_clean_and_the_shortest_that_suffice)
{
	struct rng r = {20261125};

	print_message("seed %llu\n", (unsigned long long)r.state);
	begin();
	for (int i = 0; i < 6000; i++) {
		const unsigned run = (unsigned)rng_below(&r, RUNS);
		const uint64_t kind = rng_below(&r, 100);
		const uint32_t count = (uint32_t)rng_below(&r,
		    kind < 70 ? 9 : kind < 97 ? 60 : 300) + 1;
		if (runs[run].count != 0 && rng_below(&r, 4) == 0)
			extend(run, count % 20 + 1);
		else if (runs[run].count != 0)
			give(run, rng_below(&r, 5) == 0);
		else if (root.used + count < MOST_USED)
			take(run, count, rng_below(&r, 10) == 0 ? 1u << rng_below(&r, 9) : 1);
		if (i % 16 == 0)
			agree();
	}
	for (unsigned run = 0; run < RUNS; run++)
		if (runs[run].count != 0)
			give(run, false);
	agree();
	paper_end();
}

TEST(a_run_of_a_chunk_or_more_takes_whole_free_chunks_before_the_heap_grows)
{
	begin();
	for (unsigned i = 0; i < 6; i++)
		take(i, 2 * CHUNK_GRANULES, 1);
	const uint32_t chunks = root.chunk_count;
	give(2, false);
	give(1, false); /* four chunks in a row now */
	take(10, 4 * CHUNK_GRANULES, 1);
	assert_int_equal(runs[10].first, runs[0].first + 2 * CHUNK_GRANULES);
	assert_int_equal(root.chunk_count, chunks);
	give(10, false);
	take(11, 3 * CHUNK_GRANULES + 1, 1);
	agree();
	take(12, 100, 1); /* into the rest of that last chunk, before the heap grows */
	assert_int_equal(root.chunk_count, chunks);
	paper_end();
}

TEST(a_chunk_whose_last_granule_is_taken_still_gives_its_127)
{
	begin();
	take(0, CHUNK_GRANULES, 1);
	take(1, CHUNK_GRANULES, 1);
	give(0, false);
	give(1, false);
	take(2, CHUNK_GRANULES - 1, 1);
	agree();
	take(3, 1, 1);
	agree();
	paper_end();
}

TEST(runs_stop_at_the_end_of_the_window_and_nothing_changes)
{
	bool clean;

	paper_most_window = (size_t)200 << 20;
	paper_begin("guarded:0");
	paper_most_window = 0;
	const uint32_t limit = root.chunk_limit;
	assert_in_range(limit, 64, 100);
	/* granule 0 is not to be had */
	assert_int_equal(run_take(limit * CHUNK_GRANULES, 1, &clean), 0);
	assert_int_equal(run_take((limit + 1) * CHUNK_GRANULES, 1, &clean), 0);
	const uint32_t most = run_take((limit - 1) * CHUNK_GRANULES, 1, &clean);
	assert_int_equal(most, CHUNK_GRANULES);
	assert_false(run_extend(limit * CHUNK_GRANULES, 1, &clean));
	assert_int_equal(run_take(CHUNK_GRANULES, 1, &clean), 0);
	assert_true(run_take(CHUNK_GRANULES - 1, 1, &clean) != 0); /* the rest of chunk 0 */
	assert_int_equal(run_take(1, 1, &clean), 0);
	run_give(most, (limit - 1) * CHUNK_GRANULES, false);
	assert_int_equal(run_take(1, 1, &clean), most);
	assert_false(clean);
	paper_sound();
	paper_end();
}

/* ---- more chunks than one word, and one word of words, can tell of */

enum { MANY = 4300 };

TEST(among_thousands_of_chunks_the_lowest_that_fits_is_found)
{
	static const uint32_t some[] = {1, 62, 63, 64, 65, 127, 128, 4094, 4095, 4096, 4097, 4200};
	static uint32_t first[MANY];
	bool clean;

	begin();
	for (uint32_t i = 0; i < MANY; i++) {
		first[i] = run_take(CHUNK_GRANULES, 1, &clean);
		assert_int_equal(first[i], (i + 1) * CHUNK_GRANULES);
	}
	assert_true(run_take(CHUNK_GRANULES - 1, 1, &clean) != 0); /* what is left of chunk 0 */
	const size_t n = sizeof some / sizeof *some;
	for (size_t i = n; i-- > 0;) /* the last 12 granules; the lowest comes last */
		run_give(first[some[i]] + 116, 12, false);
	paper_sound();
	/* each in turn, the lowest first; what is left does for 2 */
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(run_take(10, 1, &clean), first[some[i]] + 116);
		assert_false(clean);
	}
	for (size_t i = 0; i < n; i++)
		assert_int_equal(run_take(2, 1, &clean), first[some[i]] + 126);
	paper_sound();
	/* Runs of 9 to 16 share a bin: those that are too short do not hide the one that is not. */
	for (size_t i = 0; i < n; i++)
		run_give(first[some[i]] + 100, i == 9 || i == 11 ? 14 : 11, false);
	assert_int_equal(run_take(13, 1, &clean), first[some[9]] + 100);
	assert_int_equal(run_take(13, 1, &clean), first[some[11]] + 100);
	paper_end();
}

/* ---- for the purger */

static bool in(const uint64_t mask[2], unsigned g)
{
	return mask[g / 64] >> g % 64 & 1;
}

TEST(what_is_claimed_for_purging_is_nobody_elses_until_it_comes_back)
{
	uint64_t mask[2] = {0};
	bool clean;

	begin();
	const uint32_t a = run_take(CHUNK_GRANULES, 1, &clean);
	run_give(a, 40, false);              /* 0..39 dirty */
	run_give(a + 64, 33, true);          /* 64..96 clean */
	run_give(a + 100, 1, false);
	const uint32_t chunk = a / CHUNK_GRANULES;
	/* touched in this epoch */
	assert_int_equal(purge_claim(0, root.epoch, false, mask), UINT32_MAX);
	assert_int_equal(purge_claim(0, root.epoch + 1, true, mask), UINT32_MAX); /* not whole */
	assert_int_equal(purge_claim(chunk + 1, root.epoch + 1, false, mask), UINT32_MAX);
	assert_int_equal(purge_claim(0, root.epoch + 1, false, mask), chunk);
	for (unsigned g = 0; g < CHUNK_GRANULES; g++)
		assert_int_equal(in(mask, g), g < 40 || g == 100);
	assert_int_equal(root.dirty, 0);
	const uint32_t other = run_take(2, 1, &clean); /* none of it */
	assert_true(clean);
	assert_false(other >= a && other < a + CHUNK_GRANULES && in(mask, other - a));
	purge_return(chunk, mask, false); /* the kernel refused */
	assert_int_equal(root.dirty, 41);
	assert_int_equal(purge_claim(0, root.epoch + 1, false, mask), chunk);
	purge_return(chunk, mask, true);
	assert_int_equal(root.dirty, 0);
	assert_int_equal(run_take(40, 1, &clean), a);
	assert_true(clean);
	paper_sound();
	paper_end();
}

TEST(a_group_of_free_granules_is_claimed_with_its_clean_ones)
{
	uint64_t mask[2] = {0};
	bool clean;

	begin();
	const uint32_t a = run_take(CHUNK_GRANULES, 1, &clean);
	run_give(a + 32, 31, true);
	run_give(a + 63, 1, false); /* 32..63 is a group: all free, one dirty */
	run_give(a + 64, 31, false); /* 64..94: one is missing */
	assert_int_equal(purge_claim(0, root.epoch + 1, false, mask), a / CHUNK_GRANULES);
	for (unsigned g = 0; g < CHUNK_GRANULES; g++)
		assert_int_equal(in(mask, g), g >= 32 && g < 95);
	purge_return(a / CHUNK_GRANULES, mask, true);
	paper_sound();
	paper_end();
}

TEST(whole_free_chunks_are_claimed_apart_from_others_and_by_age)
{
	uint64_t mask[2];
	bool clean;

	begin();
	const uint32_t a = run_take(2 * CHUNK_GRANULES, 1, &clean);
	const uint32_t b = run_take(CHUNK_GRANULES, 1, &clean);
	root.epoch = 10;
	run_give(a, CHUNK_GRANULES, false);
	root.epoch = 12;
	run_give(b, CHUNK_GRANULES - 1, false);
	run_give(a + CHUNK_GRANULES, CHUNK_GRANULES, false);
	assert_int_equal(purge_claim(0, 10, true, mask), UINT32_MAX);
	assert_int_equal(purge_claim(0, 11, true, mask), a / CHUNK_GRANULES);
	purge_return(a / CHUNK_GRANULES, mask, true);
	assert_int_equal(purge_claim(0, 12, true, mask), UINT32_MAX);
	assert_int_equal(purge_claim(0, 12, false, mask), UINT32_MAX);
	assert_int_equal(purge_claim(0, 13, true, mask), a / CHUNK_GRANULES + 1);
	assert_true(~mask[0] == 0 && ~mask[1] == 0);
	purge_return(a / CHUNK_GRANULES + 1, mask, true);
	assert_int_equal(purge_claim(0, 13, true, mask), UINT32_MAX);
	assert_int_equal(purge_claim(0, 13, false, mask), b / CHUNK_GRANULES);
	purge_return(b / CHUNK_GRANULES, mask, true);
	/* of chunk 0, whose first granule is a guard */
	const uint32_t rest = run_take(5, 1, &clean);
	run_give(rest, 5, false);
	assert_int_equal(rest / CHUNK_GRANULES, 0);
	assert_int_equal(purge_claim(0, 13, true, mask), 0);
	assert_false(in(mask, 0));
	purge_return(0, mask, true);
	paper_sound();
	paper_end();
}
