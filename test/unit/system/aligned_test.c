/* aligned_test.c - the table of over-aligned addresses, against a plain array. */
#include "system/aligned.h"

#include "base/bits.h"
#include "base/rng.h"
#include "os/os.h"
#include "test.h"

enum { PAIRS = 4000 };

static void *address(uint64_t x)
{
	return (void *)(uintptr_t)(0x10000 + x * 16);
}

TEST(an_empty_table_answers_every_address_with_itself)
{
	struct aligned t = {0};
	assert_ptr_equal(aligned_find(&t, address(1)), address(1));
	assert_ptr_equal(aligned_remove(&t, address(1)), address(1));
	aligned_close(&t, &os_linux);
}

TEST(what_is_added_is_found_until_removed)
{
	static void *base[PAIRS]; /* base[i] belongs to address(2 * i); NULL: not in the table */
	struct aligned t = {0};
	struct rng r = {42};
	size_t live = 0;

	for (int step = 0; step < 100000; step++) {
		const size_t i = rng_below(&r, PAIRS);
		void *const p = address(2 * i);
		if (base[i] == NULL) {
			base[i] = address(2 * i - 1);
			assert_true(aligned_add(&t, &os_linux, p, base[i]));
			live++;
		} else {
			assert_ptr_equal(aligned_remove(&t, p), base[i]);
			base[i] = NULL;
			live--;
		}
		assert_int_equal(t.count, live);
		const size_t j = rng_below(&r, PAIRS);
		assert_ptr_equal(aligned_find(&t, address(2 * j)),
		    base[j] ? base[j] : address(2 * j));
	}
	for (size_t i = 0; i < PAIRS; i++)
		assert_ptr_equal(aligned_remove(&t, address(2 * i)),
		    base[i] ? base[i] : address(2 * i));
	assert_int_equal(t.count, 0);
	aligned_close(&t, &os_linux);
}

TEST(the_table_stays_at_most_half_full)
{
	struct aligned t = {0};
	for (uint64_t i = 1; i <= 3000; i++) {
		assert_true(aligned_add(&t, &os_linux, address(i), address(i)));
		assert_true(2 * t.count <= t.cap);
	}
	aligned_close(&t, &os_linux);
	assert_int_equal(t.cap, 0);
}

TEST(a_refused_growth_leaves_the_table_as_it_was)
{
	struct os_fault f;
	struct aligned t = {0};
	os_fault_open(&f, &os_linux);
	f.fail_at = 1;
	assert_false(aligned_add(&t, &f.os, address(1), address(9)));
	assert_int_equal(t.count, 0);

	while (2 * (t.count + 1) <= t.cap || t.cap == 0)
		assert_true(aligned_add(&t, &f.os, address(t.count), address(t.count + 5000)));
	f.fail_from = f.calls + 1;
	const size_t count = t.count;
	assert_false(aligned_add(&t, &f.os, address(count), address(count)));
	for (size_t i = 0; i < count; i++)
		assert_ptr_equal(aligned_find(&t, address(i)), address(i + 5000));
	assert_ptr_equal(aligned_find(&t, address(count)), address(count));
	f.fail_from = 0;
	assert_true(aligned_add(&t, &f.os, address(count), address(count)));
	aligned_close(&t, &f.os);
	assert_int_equal(f.owned_bytes, 0);
}
