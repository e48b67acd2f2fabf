/* arena_test.c - the simulated heap section and mapping area. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/bits.h"
#include "base/rng.h"
#include "os/os.h"
#include "test.h"

static const size_t MIB = (size_t)1 << 20;

/* An arena of 1 MiB of heap section and 16 MiB of mappings. */
static struct os_arena opened(unsigned slot, struct os_arena *a)
{
	assert_int_equal(os_arena_open(a, slot, MIB, 16 * MIB), 0);
	return *a;
}

static bool all_zero(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

static void touch(void *arg)
{
	*(volatile char *)arg = 1;
}

TEST(an_arena_lies_at_the_same_address_every_time)
{
	struct os_arena a;
	opened(3, &a);
	char *const base = a.base;
	void *const p = a.os.map(&a, 4096, 4096);
	os_arena_close(&a);
	opened(3, &a);
	assert_ptr_equal(a.base, base);
	assert_ptr_equal(a.os.map(&a, 4096, 4096), p);
	os_arena_close(&a);
}

TEST(several_arenas_live_at_once_and_one_slot_only_once)
{
	static struct os_arena a[OS_ARENA_SLOTS];
	struct os_arena again;

	for (unsigned i = 0; i < OS_ARENA_SLOTS; i++) {
		opened(i, &a[i]);
		assert_int_equal(a[i].os.brk_set(&a[i], a[i].base + 4096), 0);
		memset(a[i].base, (int)i + 1, 4096);
	}
	assert_int_equal(os_arena_open(&again, 5, MIB, MIB), -EEXIST);
	assert_int_equal(os_arena_open(&again, OS_ARENA_SLOTS, MIB, MIB), -EINVAL);
	assert_int_equal(os_arena_open(&again, 0, SIZE_MAX - 4095, MIB), -EINVAL);
	for (unsigned i = 0; i < OS_ARENA_SLOTS; i++) {
		assert_int_equal(a[i].base[0], i + 1);
		assert_int_equal(a[i].base[4095], i + 1);
		os_arena_close(&a[i]);
	}
}

TEST(the_break_stays_inside_the_section)
{
	struct os_arena a;
	opened(0, &a);
	assert_ptr_equal(a.os.brk_get(&a), a.base);
	assert_int_equal(a.os.brk_set(&a, a.base - 1), -ENOMEM);
	assert_int_equal(a.os.brk_set(&a, a.heap_end + 1), -ENOMEM);
	assert_ptr_equal(a.os.brk_get(&a), a.base);
	assert_int_equal(a.os.brk_set(&a, a.heap_end), 0);
	a.base[0] = a.heap_end[-1] = 1;
	assert_int_equal(a.heap_bytes, MIB);
	assert_int_equal(a.os.brk_set(&a, a.base + 5), 0);
	assert_int_equal(a.heap_bytes, 5);
	assert_int_equal(a.peak_bytes, MIB);
	os_arena_close(&a);
}

TEST(beyond_the_break_nothing_may_be_touched)
{
	struct os_arena a;
	opened(0, &a);
	test_dies_by(touch, a.base, SIGSEGV);
	assert_int_equal(a.os.brk_set(&a, a.base + 4097), 0);
	a.base[8191] = 1; /* the rest of the break's page, as with the real one */
	test_dies_by(touch, a.base + 8192, SIGSEGV);
	assert_int_equal(a.os.brk_set(&a, a.base + 4096), 0);
	test_dies_by(touch, a.base + 4096, SIGSEGV);
	os_arena_close(&a);
}

TEST(a_lowered_and_raised_break_gives_zeroed_pages)
{
	struct os_arena a;
	opened(0, &a);
	assert_int_equal(a.os.brk_set(&a, a.base + 16384), 0);
	memset(a.base, 0xee, 16384);
	assert_int_equal(a.os.brk_set(&a, a.base + 4096), 0);
	assert_int_equal(a.os.brk_set(&a, a.base + 16384), 0);
	assert_int_equal((unsigned char)a.base[4095], 0xee);
	assert_true(all_zero(a.base + 4096, 12288));
	os_arena_close(&a);
}

TEST(what_is_unmapped_at_the_top_is_there_for_any_length)
{
	struct os_arena a;
	opened(0, &a);
	for (int i = 0; i < 100; i++) { /* two of them would not fit */
		char *const p = a.os.map(&a, 4096, 4096);
		char *const q = a.os.reserve(&a, 9 * MIB, 4096);
		assert_non_null(q);
		assert_int_equal(a.os.unmap(&a, q, 9 * MIB), 0);
		assert_int_equal(a.os.unmap(&a, p, 4096), 0);
		assert_ptr_equal(a.map_top, a.heap_end);
	}
	os_arena_close(&a);
}

TEST(an_unmapped_stretch_is_inaccessible_then_reused_and_zero)
{
	struct os_arena a;
	opened(0, &a);
	char *const p = a.os.map(&a, 12288, 4096);
	void *const above = a.os.map(&a, 4096, 4096);
	memset(p, 0xee, 12288);
	assert_int_equal(a.map_bytes, 16384);
	assert_int_equal(a.os.unmap(&a, p, 12288), 0);
	assert_int_equal(a.map_bytes, 4096);
	test_dies_by(touch, p, SIGSEGV);
	assert_true(a.os.map(&a, 4096, 4096) > above); /* reused by length only */
	assert_ptr_equal(a.os.map(&a, 12288, 4096), p);
	assert_true(all_zero(p, 12288));
	os_arena_close(&a);
}

TEST(mappings_never_overlap_and_are_accounted)
{
	enum { LIVE = 40 };
	static struct {
		char *p;
		size_t len;
	} live[LIVE];
	struct os_arena a;
	struct rng r = {11};
	size_t owned = 0;

	opened(0, &a);
	for (int step = 0; step < 20000; step++) {
		const size_t i = rng_below(&r, LIVE);
		if (live[i].p != NULL) {
			assert_int_equal((unsigned char)live[i].p[0], i + 1);
			assert_int_equal((unsigned char)live[i].p[live[i].len - 1], i + 1);
			assert_int_equal(a.os.unmap(&a, live[i].p, live[i].len), 0);
			owned -= live[i].len;
			live[i].p = NULL;
		} else {
			live[i].len = 4096 * (1 + rng_below(&r, 8));
			live[i].p = a.os.map(&a, live[i].len, 4096);
			assert_non_null(live[i].p);
			assert_true(live[i].p[0] == 0 && live[i].p[live[i].len - 1] == 0);
			live[i].p[0] = live[i].p[live[i].len - 1] = (char)(i + 1);
			owned += live[i].len;
		}
		assert_int_equal(a.map_bytes, owned);
	}
	os_arena_close(&a);
}

TEST(mappings_are_aligned_as_asked)
{
	struct os_arena a;
	assert_int_equal(os_arena_open(&a, 0, 0, (size_t)4 << 30), 0);
	for (size_t align = 4096; align <= (size_t)1 << 30; align *= 2) {
		char *const p = a.os.map(&a, 4096, align);
		assert_non_null(p);
		assert_true(is_aligned(p, align));
		*p = 1;
	}
	os_arena_close(&a);
}

TEST(a_full_mapping_area_refuses_and_recovers)
{
	struct os_arena a;
	opened(0, &a);
	char *const p = a.os.map(&a, 16 * MIB, 4096);
	assert_non_null(p);
	assert_null(a.os.map(&a, 4096, 4096));
	assert_null(a.os.reserve(&a, 4096, 4096));
	assert_int_equal(a.map_bytes, 16 * MIB);
	assert_int_equal(a.os.unmap(&a, p, 16 * MIB), 0);
	assert_non_null(a.os.map(&a, 16 * MIB, 4096));
	os_arena_close(&a);
}

TEST(remap_keeps_contents_and_a_refused_one_changes_nothing)
{
	struct os_arena a;
	opened(0, &a);
	char *p = a.os.map(&a, 8192, 4096);
	memset(p, 0x5a, 8192);
	assert_null(a.os.remap(&a, p, 8192, 32 * MIB));
	assert_int_equal(a.map_bytes, 8192);
	p = a.os.remap(&a, p, 8192, 40960);
	assert_non_null(p);
	assert_int_equal(p[0], 0x5a);
	assert_int_equal(p[8191], 0x5a);
	assert_true(all_zero(p + 8192, 32768));
	assert_int_equal(a.map_bytes, 40960);
	assert_ptr_equal(a.os.remap(&a, p, 40960, 4096), p);
	assert_int_equal(p[4095], 0x5a);
	assert_int_equal(a.map_bytes, 4096);
	os_arena_close(&a);
}

TEST(reserved_space_is_usable_only_after_protect_and_purge_zeroes)
{
	struct os_arena a;
	opened(0, &a);
	char *const p = a.os.reserve(&a, 8192, 8192);
	assert_true(is_aligned(p, 8192));
	test_dies_by(touch, p, SIGSEGV);
	assert_int_equal(a.os.protect(&a, p, 4096, DMM_PROTECT_RW), 0);
	memset(p, 1, 4096);
	test_dies_by(touch, p + 4096, SIGSEGV);
	assert_int_equal(a.os.purge(&a, p, 4096), 0);
	assert_true(all_zero(p, 4096));
	assert_int_equal(a.os.protect(&a, p, 4096, DMM_PROTECT_READ), 0);
	test_dies_by(touch, p, SIGSEGV);
	os_arena_close(&a);
}

/* Random touches and purges, checked against one flag a page. */
TEST(of_what_is_reserved_the_pages_count_that_were_touched_since_they_were_purged)
{
	enum { PAGES = 1000, PAGE = 4096 };
	struct os_arena a;
	struct rng r = {11};
	bool touched[PAGES] = {false}, held;

	opened(0, &a);
	char *const other = a.os.map(&a, PAGE, PAGE), *const p = a.os.reserve(&a, PAGES * PAGE,
	    PAGE);
	assert_int_equal(os_arena_footprint(&a), PAGE);
	for (int i = 0; i < 3000; i++) {
		const size_t from = rng_below(&r, PAGES),
		    n = 1 + rng_below(&r, min_size(PAGES - from, 150));
		const bool purge = rng_below(&r, 3) == 0;
		if (purge)
			assert_int_equal(a.os.purge(&a, p + from * PAGE, n * PAGE), 0);
		else /* from the last byte of the first to the first byte of the last */
			os_arena_touch(&a, p + from * PAGE + PAGE - 1,
			    (n - 1) * PAGE - (n > 1 ? PAGE - 2 : -1));
		for (size_t k = from; k < from + n; k++)
			touched[k] = !purge;
		size_t count = 0;
		for (size_t k = 0; k < PAGES; k++)
			count += touched[k];
		assert_int_equal(os_arena_footprint(&a), (count + 1) * PAGE);
	}
	/* stretches are as long as they can be */
	for (size_t at = 100, len; at < PAGES * PAGE - 100; at += len) {
		len = os_arena_stretch(&a, p + at, PAGES * PAGE - 100 - at, &held);
		for (size_t k = at / PAGE; k <= (at + len - 1) / PAGE; k++)
			assert_int_equal(touched[k], held);
		assert_true(at + len == PAGES * PAGE - 100 || touched[(at + len) / PAGE] != held);
	}
	os_arena_touch(&a, other, 2 * PAGE); /* of no effect */
	assert_int_equal(os_arena_stretch(&a, other, PAGE, &held), PAGE);
	assert_true(held);
	a.os.unmap(&a, p, PAGES * PAGE);
	assert_int_equal(os_arena_footprint(&a), PAGE);
	os_arena_close(&a);
}

/* An arena with a window of `blocks` blocks of 2 MiB, all mapped, in *p. */
static void open_blocks(struct os_arena *a, size_t blocks, char **p)
{
	assert_int_equal(os_arena_open(a, 0, 1 << 20, (size_t)64 << 20), 0);
	*p = a->os.window(a, blocks * HUGE_PAGE_SIZE, HUGE_PAGE_SIZE);
	assert_non_null(*p);
	assert_int_equal(a->os.map_at(a, *p, blocks * HUGE_PAGE_SIZE), 0);
}

TEST(the_first_touch_of_an_advised_block_gives_memory_to_all_of_it)
{
	enum { PAGE = 4096 };
	struct os_arena a;
	char *p;

	open_blocks(&a, 4, &p);
	/* the second block as a whole, and half of the third: that is no block */
	a.os.advise(&a, p + HUGE_PAGE_SIZE, HUGE_PAGE_SIZE + HUGE_PAGE_SIZE / 2, DMM_ADVICE_HUGE);
	os_arena_touch(&a, p, 1);
	os_arena_touch(&a, p + 2 * HUGE_PAGE_SIZE, 1);
	assert_int_equal(os_arena_footprint(&a), 2 * PAGE);
	os_arena_touch(&a, p + HUGE_PAGE_SIZE + 5 * PAGE, 1);
	assert_int_equal(os_arena_footprint(&a), HUGE_PAGE_SIZE + 2 * PAGE);
	assert_int_equal(a.huge_faults, 1);
	assert_int_equal(a.faults, 2);
	/* a purge takes single pages out, and those come back as single pages */
	a.os.purge(&a, p + HUGE_PAGE_SIZE, HUGE_PAGE_SIZE - PAGE);
	assert_int_equal(os_arena_footprint(&a), 3 * PAGE);
	os_arena_touch(&a, p + HUGE_PAGE_SIZE, 1);
	assert_int_equal(os_arena_footprint(&a), 4 * PAGE);
	/* all of it was purged: it is a huge page again */
	a.os.purge(&a, p + HUGE_PAGE_SIZE, HUGE_PAGE_SIZE);
	os_arena_touch(&a, p + HUGE_PAGE_SIZE, 1);
	assert_int_equal(os_arena_footprint(&a), HUGE_PAGE_SIZE + 2 * PAGE);
	os_arena_close(&a);
}

TEST(a_touch_across_blocks_fills_only_the_advised_one)
{
	enum { PAGE = 4096 };
	struct os_arena a;
	char *p;

	open_blocks(&a, 3, &p);
	a.os.advise(&a, p + HUGE_PAGE_SIZE, HUGE_PAGE_SIZE, DMM_ADVICE_HUGE);
	os_arena_touch(&a, p + HUGE_PAGE_SIZE - 1, 2);
	assert_int_equal(os_arena_footprint(&a), HUGE_PAGE_SIZE + PAGE);
	os_arena_close(&a);
}

TEST(a_block_is_populated_collapsed_and_forgotten_as_advised)
{
	enum { PAGE = 4096 };
	struct os_arena a;
	char *p;

	open_blocks(&a, 4, &p);
	a.os.advise(&a, p, HUGE_PAGE_SIZE, DMM_ADVICE_HUGE);
	a.os.advise(&a, p + HUGE_PAGE_SIZE - PAGE, PAGE, DMM_ADVICE_POPULATE);
	assert_int_equal(os_arena_footprint(&a), HUGE_PAGE_SIZE);
	os_arena_touch(&a, p + HUGE_PAGE_SIZE, 1);
	a.os.advise(&a, p + HUGE_PAGE_SIZE, 2 * HUGE_PAGE_SIZE, DMM_ADVICE_COLLAPSE);
	assert_int_equal(os_arena_footprint(&a), 2 * HUGE_PAGE_SIZE); /* the third has no memory */
	a.os.advise(&a, p, HUGE_PAGE_SIZE, DMM_ADVICE_NOHUGE);
	a.os.purge(&a, p, HUGE_PAGE_SIZE);
	os_arena_touch(&a, p, 1);
	assert_int_equal(os_arena_footprint(&a), HUGE_PAGE_SIZE + PAGE);
	/* what is unmapped and mapped anew is not advised any more */
	a.os.advise(&a, p + 3 * HUGE_PAGE_SIZE, HUGE_PAGE_SIZE, DMM_ADVICE_HUGE);
	a.os.unmap(&a, p + 3 * HUGE_PAGE_SIZE, HUGE_PAGE_SIZE);
	assert_int_equal(a.os.map_at(&a, p + 3 * HUGE_PAGE_SIZE, HUGE_PAGE_SIZE), 0);
	os_arena_touch(&a, p + 3 * HUGE_PAGE_SIZE, 1);
	assert_int_equal(os_arena_footprint(&a), HUGE_PAGE_SIZE + 2 * PAGE);
	os_arena_close(&a);
}

TEST(pages_that_move_take_their_contents_and_their_memory_along)
{
	enum { PAGE = 4096, N = 16 };
	struct os_arena a;
	char *p;

	open_blocks(&a, 2, &p);
	char *const q = p + HUGE_PAGE_SIZE;
	os_arena_touch(&a, p, 3 * PAGE);
	memset(p + PAGE, 7, PAGE);
	os_arena_touch(&a, q + 5 * PAGE, 4 * PAGE); /* lost */
	q[6 * PAGE] = 9;
	assert_int_equal(a.os.move(&a, p, q, N * PAGE), 0);
	assert_int_equal(os_arena_footprint(&a), 3 * PAGE);
	assert_true(all_zero(p, N * PAGE));
	assert_int_equal(q[PAGE], 7);
	assert_int_equal(q[2 * PAGE - 1], 7);
	assert_true(all_zero(q + 2 * PAGE, (N - 2) * PAGE));
	bool held;
	assert_int_equal(os_arena_stretch(&a, q, N * PAGE, &held), 3 * PAGE);
	assert_true(held);
	os_arena_close(&a);
}

TEST(the_clock_moves_only_by_hand)
{
	struct os_arena a;
	opened(0, &a);
	assert_int_equal(a.os.now_ns(&a), 0);
	a.clock_ns = 77;
	assert_int_equal(a.os.now_ns(&a), 77);
	os_arena_close(&a);
}
