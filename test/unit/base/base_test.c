/* base_test.c - arithmetic, names, lists, random numbers, and the lines of a crash. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "base/crash.h"
#include "base/list.h"
#include "base/nearest.h"
#include "base/rng.h"
#include "test.h"

static const char *const names[] = {"minimal", "pad", "list", "dlist", "bins", "vm", "gnu", "slab"};
enum { NAMES = sizeof names / sizeof *names };

TEST(nearest_name_is_the_name_itself)
{
	for (size_t i = 0; i < NAMES; i++)
		assert_string_equal(nearest_name(names[i], names, NAMES), names[i]);
}

TEST(nearest_name_forgives_a_missing_a_wrong_and_an_extra_letter)
{
	assert_string_equal(nearest_name("minmal", names, NAMES), "minimal");
	assert_string_equal(nearest_name("dlisd", names, NAMES), "dlist");
	assert_string_equal(nearest_name("binss", names, NAMES), "bins");
}

TEST(nearest_name_of_something_else_is_none)
{
	char longest[200];
	memset(longest, 'x', sizeof longest);
	longest[sizeof longest - 1] = '\0';

	assert_null(nearest_name("quicksort", names, NAMES));
	assert_null(nearest_name(longest, names, NAMES));
	assert_null(nearest_name("", names, NAMES));
	assert_null(nearest_name("bins", names, 0));
}

TEST(rounding_agrees_with_division)
{
	for (size_t to = 1; to <= 64; to *= 2)
		for (size_t x = 0; x < 300; x++) {
			assert_int_equal(round_up(x, to), (x + to - 1) / to * to);
			assert_int_equal(round_down(x, to), x / to * to);
		}
	assert_int_equal(round_up(SIZE_MAX - 3, 16), 0); /* wraps, as its comment says */
	assert_int_equal(round_up(SIZE_MAX - 15, 16), SIZE_MAX - 15);
}

TEST(logarithms_are_exact_around_every_power_of_two)
{
	assert_int_equal(log2_floor(1), 0);
	assert_int_equal(log2_ceil(1), 0);
	for (unsigned k = 1; k < 64; k++) {
		const size_t p = (size_t)1 << k;
		assert_int_equal(log2_floor(p), k);
		assert_int_equal(log2_floor(p - 1), k - 1);
		assert_int_equal(log2_ceil(p), k);
		assert_int_equal(log2_ceil(p + 1), k == 63 ? 64 : k + 1);
		assert_true(is_pow2(p));
		assert_false(is_pow2(p + 1));
		assert_int_equal(is_pow2(p - 1), k == 1);
	}
	assert_false(is_pow2(0));
}

TEST(a_list_keeps_order_and_removal_is_local)
{
	struct list head, a, b, c;
	list_init(&head);
	assert_true(list_empty(&head));
	list_insert_after(&head, &a);
	list_insert_after(&a, &c);
	list_insert_after(&a, &b);
	assert_ptr_equal(head.next, &a);
	assert_ptr_equal(a.next, &b);
	assert_ptr_equal(b.next, &c);
	assert_ptr_equal(c.next, &head);
	list_remove(&b);
	assert_ptr_equal(a.next, &c);
	assert_ptr_equal(c.prev, &a);
	list_remove(&a);
	list_remove(&c);
	assert_true(list_empty(&head));
}

TEST(random_numbers_are_the_published_splitmix64)
{
	static const uint64_t published[] = {6457827717110365317u, 3203168211198807973u,
	    9817491932198370423u, 4593380528125082431u, 16408922859458223821u};
	struct rng r = {1234567};
	for (size_t i = 0; i < sizeof published / sizeof *published; i++)
		assert_true(rng_next(&r) == published[i]);
}

TEST(random_numbers_below_a_bound_stay_below_and_reach_all)
{
	struct rng r = {7};
	unsigned seen[10] = {0};
	for (int i = 0; i < 10000; i++) {
		const uint64_t x = rng_below(&r, 10);
		assert_true(x < 10);
		seen[x]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(seen[i], 850, 1150);
}

TEST(crash_format_knows_text_addresses_and_sizes)
{
	char buf[100];
	size_t n = crash_format(buf, sizeof buf, "double free: %p (%u bytes) in %s", (void *)0x7f10,
	    (size_t)48, "bins");
	assert_string_equal(buf, "double free: 0x7f10 (48 bytes) in bins");
	assert_int_equal(n, strlen(buf));
	crash_format(buf, sizeof buf, "%u %u %p", (size_t)0, SIZE_MAX, NULL);
	assert_string_equal(buf, "0 18446744073709551615 0x0");
	crash_format(buf, sizeof buf, "100%% and %");
	assert_string_equal(buf, "100% and %");
}

TEST(crash_format_cuts_what_does_not_fit_and_terminates)
{
	char buf[8];
	for (size_t cap = 1; cap <= sizeof buf; cap++) {
		memset(buf, '?', sizeof buf);
		assert_int_equal(crash_format(buf, cap, "%s", "chunk and payload"), cap - 1);
		assert_memory_equal(buf, "chunk and payload", cap - 1);
		assert_int_equal(buf[cap - 1], '\0');
		for (size_t i = cap; i < sizeof buf; i++)
			assert_int_equal(buf[i], '?');
	}
}

static void die(void *arg)
{
	crash("double free: %p (%u bytes)", arg, (size_t)48);
}

static void die_of_a_check(void *arg)
{
	CHECK(arg != NULL);
}

static void say_and_live(void *arg)
{
	(void)arg;
	errno = EBADF;
	crash_say("heap %s", "walked");
	if (errno != EBADF)
		crash_say("errno changed");
}

TEST(crash_writes_one_line_and_aborts)
{
	test_aborts_saying(die, (void *)0x1230, "dmm: double free: 0x1230 (48 bytes)\n");
}

TEST(a_failed_check_names_its_condition_and_place)
{
	char said[200];
	const int status = test_in_child(die_of_a_check, NULL, said, sizeof said);
	assert_int_equal(status & 0x7f, SIGABRT);
	assert_non_null(strstr(said, "dmm: broken invariant: arg != NULL at "));
	assert_non_null(strstr(said, "base_test.c:"));
}

TEST(crash_say_returns_and_keeps_errno)
{
	char said[200];
	assert_int_equal(test_in_child(say_and_live, NULL, said, sizeof said), 0);
	assert_string_equal(said, "dmm: heap walked\n");
}

static void say_more_than_a_line_holds(void *arg)
{
	crash_say("%s", (const char *)arg);
}

TEST(a_line_too_long_is_cut_but_still_a_line)
{
	char text[2000], said[2000];
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\0';
	assert_int_equal(test_in_child(say_more_than_a_line_holds, text, said, sizeof said), 0);
	assert_true(strlen(said) <= 512);
	assert_int_equal(said[strlen(said) - 1], '\n');
}
