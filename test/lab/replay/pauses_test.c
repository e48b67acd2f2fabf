/* pauses_test.c - which moments of a recording are kept. */
#include <stdlib.h>

#include "replay/pauses.h"
#include "test.h"

TEST(of_a_short_recording_each_moment_is_kept)
{
	struct pauses p = {.last = 100};

	for (uint64_t i = 0; i < 1000; i++)
		assert_true(pauses_note(&p, i, 100 + i * i));
	assert_int_equal(p.count, 999); /* the first op came without a pause */
	assert_int_equal(p.longest, 1997);
	for (size_t k = 0; k < p.count; k++) {
		assert_int_equal(p.seen[k].at, k + 1);
		assert_int_equal(p.seen[k].tick, 100 + (k + 1) * (k + 1));
	}
	free(p.seen);
}

TEST(of_a_long_recording_the_longest_pauses_are_kept)
{
	enum { OPS = 5 * PAUSES_MOST, EACH = 1000 };
	struct pauses p = {0};
	uint64_t tick = 0;

	for (uint64_t i = 0; i < OPS; i++) {
		tick += i % EACH == 0 ? 1000000 : 1 + i % 7;
		assert_true(pauses_note(&p, i, tick));
		assert_true(p.count <= PAUSES_MOST);
	}
	size_t rests = 0;
	for (size_t k = 0; k < p.count; k++) {
		assert_true(k == 0 || p.seen[k].at > p.seen[k - 1].at);
		rests += p.seen[k].at % EACH == 0;
	}
	assert_int_equal(rests, (OPS + EACH - 1) / EACH);
	assert_int_equal(p.longest, 1000000);
	free(p.seen);
}

/* Frames of a game, turns of a poll loop: each call after a pause of about one length. */
TEST(of_many_pauses_of_about_one_length_half_the_room_is_kept)
{
	static const uint64_t spread[] = {1, 7, 6000};

	for (size_t s = 0; s < sizeof spread / sizeof *spread; s++) {
		struct pauses p = {0};
		uint64_t tick = 0;

		for (uint64_t i = 0; i < 4 * PAUSES_MOST; i++) {
			tick += 1000000 + i * 7919 % spread[s];
			assert_true(pauses_note(&p, i, tick));
			assert_true(p.count <= PAUSES_MOST);
		}
		assert_true(p.count >= PAUSES_MOST / 2);
		for (size_t k = 1; k < p.count; k++)
			assert_true(p.seen[k].at > p.seen[k - 1].at);
		free(p.seen);
	}
}

TEST(a_clock_that_steps_back_is_no_pause)
{
	struct pauses p = {.last = 50};

	assert_true(pauses_note(&p, 0, 40));
	assert_true(pauses_note(&p, 1, 50));
	assert_int_equal(p.count, 0);
	assert_true(pauses_note(&p, 2, 60));
	assert_int_equal(p.seen[0].gap, 10);
	free(p.seen);
}
