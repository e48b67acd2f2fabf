/* predict_test.c - programs in miniature, on a clock of their own: what is given back, and how
 * much of it too early. */
#include <string.h>

#include "base/bits.h"
#include "base/rng.h"
#include "slab/predict.h"
#include "test.h"

static const uint64_t MS = 1000000, SECOND = 1000000000;
enum { LIMIT = 64, MIB_100 = 6400 }; /* granules of 16 KiB */

/* A program: so much of its memory is free and resident, and what has become of the rest. */
static struct {
	struct predictor p;
	uint64_t now;
	size_t free, given, early; /* early: given back and asked for again, at whatever time */
} it;

static void begin(void)
{
	memset(&it, 0, sizeof it);
	it.now = 5 * SECOND;
}

static void look(void)
{
	const size_t allowed = LIMIT + it.p.keep;
	size_t n = 0;

	if (it.free > allowed) {
		n = it.free - (allowed - LIMIT / 2);
		predict_gave(&it.p, n, it.now, SECOND);
	} else {
		n = predict_unused(&it.p, it.free, LIMIT, it.now, SECOND);
	}
	it.free -= n;
	it.given += n;
}

static void pass_ms(unsigned ms)
{
	it.now += ms * MS;
}

/* In small steps, as programs free. */
static void fall(size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		it.free += 8;
		look();
	}
}

static void rise(size_t n)
{
	const size_t from_free = min_size(n, it.free);

	it.free -= from_free;
	it.early += n - from_free;
	predict_level(&it.p, it.free);
	predict_asked(&it.p, n - from_free, it.now, SECOND);
}

TEST(a_program_that_falls_once_keeps_no_more_than_the_limit)
{
	begin();
	fall(10 * MIB_100);
	assert_true(it.free <= LIMIT);
	assert_true(it.given >= 10 * MIB_100 - LIMIT);
	assert_int_equal(it.p.keep, 0);
}

TEST(what_comes_back_within_a_second_is_kept_from_then_on)
{
	begin();
	for (int i = 0; i < 100; i++) {
		fall(MIB_100);
		pass_ms(300);
		rise(MIB_100);
		pass_ms(300);
	}
	assert_true(it.early <= MIB_100); /* once, of a hundred times */
	assert_true(it.p.keep <= MIB_100);
}

TEST(what_comes_back_later_is_given_back_each_time)
{
	begin();
	for (int i = 0; i < 10; i++) {
		fall(MIB_100);
		pass_ms(1100);
		rise(MIB_100);
		pass_ms(1100);
		assert_int_equal(it.p.keep, 0);
	}
	assert_true(it.given >= 9 * MIB_100);
}

TEST(within_is_the_callers)
{
	struct predictor p = {0};

	predict_gave(&p, 10, 5 * SECOND, 3 * SECOND);
	predict_asked(&p, 4, 8 * SECOND, 3 * SECOND);
	assert_int_equal(p.keep, 4);
	predict_asked(&p, 4, 8 * SECOND + 1, 3 * SECOND);
	assert_int_equal(p.keep, 4);
	assert_false(predict_waits(&p)); /* nor will anything more be learned of it */
}

TEST(a_fall_lasts_until_all_is_asked_for_or_its_time_is_over)
{
	const uint64_t at = 5 * SECOND, later = at + SECOND / 2;
	struct predictor p = {0};

	predict_gave(&p, 10, at, SECOND);
	predict_gave(&p, 30, later, SECOND);
	assert_int_equal(predict_fell(&p, later, SECOND), 40);
	predict_asked(&p, 15, later, SECOND);
	assert_int_equal(predict_fell(&p, later, SECOND), 40); /* the rise goes on */
	predict_gave(&p, 3, later, SECOND);
	assert_int_equal(predict_fell(&p, later, SECOND), 43);
	predict_asked(&p, 28, later, SECOND);
	assert_int_equal(p.keep, 43); /* all of it */
	predict_gave(&p, 5, later, SECOND);
	assert_int_equal(predict_fell(&p, later + SECOND, SECOND), 5);
	assert_int_equal(predict_fell(&p, later + SECOND + 1, SECOND), 0);
}

TEST(a_slow_fall_teaches_by_the_time_since_it_began)
{
	struct predictor p = {0};
	uint64_t now = 5 * SECOND;

	for (int i = 0; i < 9; i++, now += 100 * MS)
		predict_gave(&p, 10, now, SECOND);
	predict_asked(&p, 90, now, 200 * MS); /* the last part went 100 ms ago */
	assert_int_equal(p.keep, 0);
	/* and one that lasts longer than `within` begins anew */
	for (int i = 0; i < 25; i++, now += 100 * MS)
		predict_gave(&p, 10, now, SECOND);
	assert_true(predict_fell(&p, now, SECOND) <= 110);
}

TEST(growth_teaches_no_more_than_was_given_back_before_it)
{
	begin();
	fall(2 * LIMIT);
	const size_t given = it.given;
	assert_true(given > 0);
	rise(20 * MIB_100);
	assert_int_equal(it.p.keep, given);
	fall(20 * MIB_100); /* so it is little that is left of the great fall */
	assert_true(it.free <= LIMIT + given);
}

TEST(nothing_is_learned_twice_of_what_was_given_back_once)
{
	struct predictor p = {0};

	predict_gave(&p, 100, SECOND, SECOND);
	for (int i = 0; i < 10; i++)
		predict_asked(&p, 30, SECOND + 1, SECOND);
	assert_int_equal(p.keep, 100);
}

TEST(what_was_kept_and_is_wanted_no_more_goes_with_the_next_call_but_one)
{
	begin();
	for (int i = 0; i < 4; i++) {
		fall(MIB_100);
		pass_ms(100);
		rise(MIB_100);
		pass_ms(100);
	}
	fall(MIB_100);
	assert_true(it.free >= MIB_100 - LIMIT);
	for (int i = 0; i < 30; i++) { /* the program goes on in a small way */
		pass_ms(100);
		rise(8);
		fall(8);
	}
	assert_true(it.free <= LIMIT + 16);
	assert_true(it.p.keep <= LIMIT);
}

TEST(of_what_was_kept_the_part_that_is_still_wanted_stays)
{
	begin();
	for (int i = 0; i < 4; i++) {
		fall(MIB_100);
		pass_ms(100);
		rise(MIB_100);
		pass_ms(100);
	}
	fall(MIB_100);
	const size_t early = it.early;
	for (int i = 0; i < 60; i++) {
		rise(MIB_100 / 4);
		pass_ms(100);
		fall(MIB_100 / 4);
		pass_ms(100);
	}
	assert_in_range(it.free, MIB_100 / 4 - LIMIT, MIB_100 / 4 + 2 * LIMIT);
	assert_true(it.early - early <= LIMIT);
}

TEST(a_program_of_random_falls_pays_for_the_largest)
{
	struct rng r = {1};

	begin();
	for (int i = 0; i < 5000; i++) {
		const size_t n = rng_below(&r, MIB_100 / 8) * 8;
		fall(n);
		pass_ms((unsigned)rng_below(&r, 20));
		rise(n);
		pass_ms((unsigned)rng_below(&r, 20));
	}
	assert_true(it.early <= 2 * MIB_100); /* of 16 million */
	assert_true(it.p.keep <= MIB_100);
}

TEST(a_clock_that_jumps_back_forgets_and_keeps_nothing)
{
	struct predictor p = {0};

	predict_gave(&p, 100, 9 * SECOND, SECOND);
	predict_asked(&p, 100, 3 * SECOND, SECOND);
	assert_int_equal(p.keep, 0);
	predict_gave(&p, 100, 9 * SECOND, SECOND);
	predict_gave(&p, 7, 3 * SECOND, SECOND);
	predict_asked(&p, 100, 3 * SECOND, SECOND);
	assert_int_equal(p.keep, 7);
}

TEST(of_a_window_counts_the_least_level)
{
	struct low_water w = {0};

	assert_int_equal(low_water_unused(&w, 100, 10, 5 * SECOND, SECOND), 0); /* it began at 0 */
	low_water_note(&w, 90);
	low_water_note(&w, 40);
	low_water_note(&w, 70);
	assert_int_equal(low_water_unused(&w, 80, 10, 6 * SECOND, SECOND), 0);
	assert_int_equal(low_water_unused(&w, 80, 10, 6 * SECOND + 1, SECOND), 30);
	/* the next window begins with what is left */
	assert_int_equal(low_water_unused(&w, 80, 10, 8 * SECOND, SECOND), 40);
}

TEST(no_more_is_forgotten_than_was_learned)
{
	struct predictor p = {.keep = 50};

	predict_forget(&p, 20);
	assert_int_equal(p.keep, 30);
	predict_forget(&p, 40);
	assert_int_equal(p.keep, 0);
}
