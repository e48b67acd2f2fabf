/* hardened_test.c - canaries byte by byte, and quarantine free by free. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/rng.h"
#include "os/os.h"
#include "fake_kernel.h"
#include "slab/alloc.h"
#include "slab/canary.h"
#include "slab/fast.h"
#include "test.h"

#define HARDENED "hardened,guarded:0,readonly_conf:0"

static bool all(const char *p, size_t n, char what)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != what)
			return false;
	return true;
}

/* ---- canaries */

/* A write to any byte is seen, whatever is written but what was there. */
static void break_each_byte(char *p, size_t n, size_t size)
{
	static const uint8_t with[] = {1, 0x10, 0x80, 0xff};
	const size_t slack = size - n;

	for (size_t i = n; i < size; i++) {
		const char was = p[i];
		for (size_t k = 0; k < sizeof with; k++) {
			p[i] = (char)(was ^ with[k]);
			const struct canary c = canary_read(p, size);
			assert_int_equal(c.slack, 0);
			p[i] = was;
		}
		p[i] = 0;
		assert_true(was == 0 || canary_read(p, size).slack == 0);
		p[i] = was;
	}
	assert_int_equal(canary_read(p, size).slack, slack);
	assert_true(canary_plausible(p, size));
	p[size - 1] ^= 0x40;
	assert_false(canary_plausible(p, size));
	p[size - 1] ^= 0x40;
}

TEST(canaries_know_the_exact_end_and_see_every_byte_past_it)
{
	static char p[2048] __attribute__((aligned(16)));
	static const size_t sizes[] = {16, 32, 48, 128, 144, 176, 640, 2048};

	paper_begin(HARDENED);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (size_t n = 0; n <= sizes[i] - CANARY_LEAST; n++) {
			memset(p, 0x5a, sizeof p);
			canary_write(p, n, sizes[i], ORIGIN_NEW);
			assert_true(all(p, n, 0x5a)); /* not a byte of the program's */
			assert_true(all(p + sizes[i], sizeof p - sizes[i], 0x5a));
			assert_int_equal(canary_read(p, sizes[i]).slack, sizes[i] - n);
			assert_int_equal(canary_read(p, sizes[i]).origin, ORIGIN_NEW);
			if (n % 7 == 0 || sizes[i] - n < 40)
				break_each_byte(p, n, sizes[i]);
			for (size_t at = n; at < sizes[i] && at < n + 16; at++)
				assert_true(p[at] & 0x80); /* neither NUL nor a letter */
		}
	paper_end();
}

static struct canary_key draw_key(struct rng *rng)
{
	const uint64_t mask = rng_next(rng);
	return (struct canary_key){mask, rng_next(rng) | 1};
}

/* In a child of fork() that took another key: what is left of a damaged canary must not pass for a
 * shorter one of the key before. */
TEST(an_older_key_explains_no_damage_away_and_its_own_canaries_stay_valid)
{
	static char p[64] __attribute__((aligned(16)));
	const size_t size = sizeof p;
	struct rng rng = {1};

	paper_begin(HARDENED);
	for (int i = 0; i < 100000; i++) {
		const size_t n = size - CANARY_LEAST - (size_t)i % 40;
		hardening.keys[0] = draw_key(&rng);
		hardening.keys[1] = draw_key(&rng);
		hardening.key = hardening.keys + 1;
		canary_write(p, n, size, ORIGIN_MALLOC);
		assert_int_equal(canary_read(p, size).slack, size - n);
		p[n] = i % 2 != 0 ? 'A' : '\0';
		assert_int_equal(canary_read(p, size).slack, 0);
		if (i % 2 != 0 && size - n <= CANARY_WORD)
			assert_false(canary_plausible(p, size));
		hardening.key = hardening.keys;
		canary_write(p, size - CANARY_WORD, size, ORIGIN_NEW);
		hardening.key = hardening.keys + 1;
		assert_int_not_equal(canary_read(p, size).slack, 0);
		assert_true(canary_plausible(p, size));
	}
	hardening.key = hardening.keys;
	paper_end();
}

TEST(equal_objects_at_other_addresses_have_other_canaries)
{
	static char p[2][32] __attribute__((aligned(32)));
	size_t same = 0;

	paper_begin(HARDENED);
	for (size_t i = 0; i < 2; i++)
		canary_write(p[i], 24, 32, ORIGIN_MALLOC);
	for (size_t i = 24; i < 32; i++)
		same += p[0][i] == p[1][i];
	assert_true(same < 6); /* by chance: one process in 400 million has more */
	paper_end();
}

static char *victim;
static size_t past;

static void write_past_and_free(void *arg)
{
	(void)arg;
	victim[past] ^= 1;
	slab_free(victim);
}

static void write_past_and_realloc(void *arg)
{
	(void)arg;
	victim[past] = (char)(victim[past] + 1);
	slab_realloc(victim, past + 1000);
}

static void write_past_and_ask(void *arg)
{
	(void)arg;
	victim[past]--;
	slab_usable(victim);
}

TEST(one_byte_past_the_end_is_told_when_the_object_is_freed_resized_or_asked_for)
{
	char line[100];

	paper_begin(HARDENED);
	for (past = 1; past < 40000; past = past * 3 + past % 5) {
		victim = slab_malloc(past);
		assert_int_equal(slab_usable(victim), past);
		const bool in_slot = past <= MEDIUM_MAX;
		const size_t told = in_slot ? size_class[class_of(past + CANARY_LEAST)].size : past;
		snprintf(line, sizeof line, "dmm: write past the end: %p (%zu bytes)\n",
		    (void *)victim, told);
		test_aborts_saying(write_past_and_free, NULL, line);
		test_aborts_saying(write_past_and_realloc, NULL, line);
		test_aborts_saying(write_past_and_ask, NULL, line);
		slab_free(victim);
	}
	paper_sound();
	paper_end();
}

static void free_one_more(void *arg)
{
	(void)arg;
	slab_free_sized(victim, slab_usable(victim) + 1);
}

TEST(usable_size_is_exactly_what_was_asked_for_also_after_realloc)
{
	paper_begin(HARDENED);
	for (size_t n = 1; n < 300000; n += n / 3 + 1) {
		char *p = slab_malloc(n);
		assert_int_equal(slab_usable(p), n);
		memset(p, 7, n);
		for (size_t k = n + n / 2 + 3; k > 0; k = k / 3 * 2) {
			const size_t had = slab_usable(p);
			p = slab_realloc(p, k);
			assert_int_equal(slab_usable(p), k);
			assert_true(all(p, min_size(k, min_size(had, n)), 7));
			memset(p, 7, k);
		}
		slab_free(p);
		for (size_t a = 16; a <= 65536; a *= 8) {
			char *const q = slab_aligned(a, n);
			assert_int_equal((uintptr_t)q % a, 0);
			assert_int_equal(slab_usable(q), n);
			memset(q, 9, n);
			slab_free_aligned_sized(q, a, n);
		}
		char *const c = slab_calloc(1, n);
		assert_int_equal(slab_usable(c), n);
		assert_true(all(c, n, 0));
		slab_free_sized(c, n);
	}
	assert_int_equal(slab_usable(slab_malloc(0)), 0);
	for (size_t a = 16; a <= 65536; a *= 8)
		slab_free_aligned_sized(slab_aligned(a, 0), a, 0);
	paper_sound();
	paper_end();
}

TEST(without_canaries_a_sized_free_may_name_all_that_is_usable_and_no_more)
{
	char line[100];

	paper_begin("zero_on_free:1,guarded:0,sized:abort");
	for (past = 100; past <= 100000; past *= 10) {
		victim = slab_malloc(past);
		slab_free_sized(victim, slab_usable(victim));
		victim = slab_malloc(past);
		snprintf(line, sizeof line, "dmm: free of %zu bytes: %p (%zu bytes)\n",
		    slab_usable(victim) + 1,
		    (void *)victim, slab_usable(victim));
		test_aborts_saying(free_one_more, NULL, line);
		slab_free_sized(victim, past);
	}
	paper_end();
}

/* ---- what is freed */

TEST(what_is_freed_is_cleared_to_its_last_byte)
{
	paper_begin(HARDENED);
	for (unsigned cls = 1; cls < class_count; cls++) {
		const size_t size = size_class[cls].size, n = min_size(size - 2, MEDIUM_MAX);
		char *const p = slab_malloc(n);
		memset(p, 1, n);
		slab_free(p);
		assert_true(all(p, size, 0));
	}
	paper_sound();
	paper_end();
}

static void write_and_reuse(void *arg)
{
	victim[past] = 1;
	for (int i = 0; i < 3000; i++)
		slab_free(slab_malloc((size_t)arg));
}

TEST(a_write_to_any_byte_of_what_is_free_is_told_before_it_is_given_out_again)
{
	char line[100];

	paper_begin("check_on_reuse:1,quarantine:20,guarded:0");
	for (unsigned cls = 1; cls < 45; cls++) {
		const size_t size = size_class[cls].size;
		for (past = size - 1; past < size; past -= 1 + size / 3) {
			victim = slab_malloc(size);
			assert_int_equal(slab_usable(victim), size);
			slab_free(victim);
			snprintf(line, sizeof line, "dmm: write after free: %p (%zu bytes)\n",
			    (void *)victim, size);
			test_aborts_saying(write_and_reuse, (void *)size, line);
		}
	}
	paper_sound();
	paper_end();
}

/* Frees of the class until p is given out again. */
static size_t frees_until_again(char *p, size_t n)
{
	for (size_t frees = 1;; frees++) {
		char *const q = slab_malloc(n);
		if (q == p || frees > 5000)
			return frees;
		slab_free(q);
	}
}

TEST(so_many_frees_pass_until_an_object_is_given_out_again_and_not_many_more)
{
	paper_begin("quarantine:100,guarded:0");
	for (size_t n = 16; n <= 512; n *= 2) {
		for (int i = 0; i < 300; i++)
			slab_free(slab_malloc(n)); /* the quarantine is full */
		char *const p = slab_malloc(n);
		slab_free(p);
		assert_in_range(frees_until_again(p, n), 101, 101 + MAGAZINE_OBJECTS_MAX);
	}
	paper_sound();
	paper_end();
}

static void free_many(size_t n, int count)
{
	while (count-- > 0)
		slab_free(slab_malloc(n));
}

/* Each of them would keep a slab in memory. */
TEST(what_waits_of_a_size_that_is_freed_no_more_goes_back)
{
	static char *p[8000];

	paper_begin("quarantine:1000,guarded:0");
	const size_t used = root.used;
	for (int i = 0; i < 8000; i++)
		p[i] = slab_malloc(256);
	for (int i = 0; i < 8000; i++)
		slab_free(p[i * 2001 % 8000]); /* the last thousand are of all slabs */
	free_many(64, 4000);
	assert_true(root.used - used < 10);
	paper_sound();
	paper_end();
}

TEST(a_size_that_is_freed_late_takes_the_room_of_what_fills_the_quarantine)
{
	paper_begin("quarantine:1000,guarded:0");
	free_many(1024, 5000); /* 256 KiB of them wait, which is all that may */
	free_many(128, 10000);
	char *const p = slab_malloc(128);
	slab_free(p);
	assert_in_range(frees_until_again(p, 128), 400, 1000 + MAGAZINE_OBJECTS_MAX);
	paper_sound();
	paper_end();
}

TEST(of_large_ones_fewer_wait)
{
	char *first[8], *p[400];

	paper_begin("quarantine:100000,guarded:0");
	const size_t used = root.used;
	for (int i = 0; i < 400; i++)
		slab_free(p[i % 400] = slab_malloc(16384));
	/* 256 KiB, a little more of a large heap, and magazines */
	assert_true(root.used - used < 60);
	for (int i = 0; i < 8; i++)
		slab_free(first[i] = slab_malloc(16384));
	for (int i = 0; i < 7; i++)
		assert_ptr_not_equal(first[i], first[i + 1]);
	paper_sound();
	paper_end();
}

TEST(in_random_order_the_next_object_cannot_be_foreseen)
{
	size_t neighbours = 0;
	char *last = NULL;

	paper_begin("random_order:1,guarded:0");
	for (int i = 0; i < 2000; i++) {
		char *const p = slab_malloc(64);
		neighbours += p == last + 64 || p == last - 64;
		last = p;
	}
	assert_in_range(neighbours, 1, 1000); /* near, for the caches, but rarely the next */
	paper_sound();
	paper_end();
	neighbours = 0;
	paper_begin("zero_on_free:1,guarded:0");
	for (int i = 0; i < 2000; i++) {
		char *const p = slab_malloc(64);
		neighbours += p == last + 64;
		last = p;
	}
	assert_true(neighbours > 1900);
	paper_end();
}
