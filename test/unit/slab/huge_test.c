/* huge_test.c - which chunks the kernel is advised to back with huge pages, as they become sparse,
 * empty and full again. */
#include <string.h>

#include "fake_kernel.h"
#include "slab/alloc.h"
#include "slab/fast.h"
#include "slab/page_heap.h"
#include "slab/purge.h"
#include "slab/huge_page.h"
#include "slab/thread_cache.h"
#include "test.h"

enum { OBJECTS = 36000, OBJECT = 2048 };
static char *object[OBJECTS];

static void fill(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		object[i] = slab_malloc(OBJECT);
		assert_non_null(object[i]);
		memset(object[i], 1, OBJECT);
	}
}

/* The last advice that the kernel got for a chunk; none at all: NOHUGE. */
static enum dmm_advice last_advice(uint32_t chunk)
{
	const uintptr_t at = (uintptr_t)granule_address(chunk * CHUNK_GRANULES);
	enum dmm_advice last = DMM_ADVICE_NOHUGE;

	for (size_t i = 0; i < paper.count; i++)
		if (paper.call[i].at == at)
			last = paper.call[i].what;
	return last;
}

static bool is_huge(uint32_t chunk)
{
	return last_advice(chunk) != DMM_ADVICE_NOHUGE;
}

/* One object stays alive in every `every` bytes: chunks 5 to 8 are full, and then so much of
 * each is given back. */
static void leave_one_in(size_t every)
{
	const size_t step = every / OBJECT;

	fill(0, 10 * (2 << 20) / OBJECT);
	for (uint32_t chunk = 5; chunk < 9; chunk++)
		assert_true(is_huge(chunk));
	for (size_t i = 0; i < 10 * (2 << 20) / OBJECT; i++)
		if (step != 0 ? i % step != 0 : i % 16 < 2) {
			slab_free(object[i]);
			object[i] = NULL;
		}
	paper_pass_ms(3000);
}

TEST(what_is_sparse_is_no_huge_page_any_more_until_it_is_filled)
{
	paper_begin("guarded:0,huge_from_mib:2");
	leave_one_in(64 << 10); /* whole granules come back */
	for (uint32_t chunk = 5; chunk < 9; chunk++)
		assert_false(is_huge(chunk));
	assert_in_range(root.chunks_revoked, 4, 10);
	const size_t calls = paper.count;
	slab_free(slab_malloc(OBJECT)); /* a little changes nothing */
	assert_int_equal(paper.count, calls);
	for (size_t i = 0; i < 10 * (2 << 20) / OBJECT; i++)
		if (object[i] == NULL)
			fill(i, i + 1);
	for (uint32_t chunk = 5; chunk < 9; chunk++)
		assert_true(is_huge(chunk));
	assert_true(root.chunks_revoked <= 2); /* the ends, which are not full */
	for (size_t i = calls; i < paper.count; i++)
		/* that is for the start of a heap */
		assert_int_not_equal(paper.call[i].what, DMM_ADVICE_COLLAPSE);
	paper_sound();
	paper_end();
}

TEST(what_was_sparse_and_becomes_empty_begins_anew)
{
	paper_begin("guarded:0,huge_from_mib:4,dirty_floor_bytes:0,dirty_share_permille:0");
	leave_one_in(64 << 10);
	for (size_t i = 0; i < 10 * (2 << 20) / OBJECT; i++) {
		slab_free(object[i]);
		object[i] = NULL;
	}
	paper_pass_ms(3000);
	slab_trim(0);
	for (uint32_t chunk = 2; chunk < 9; chunk++)
		/* and all advice has gone with the mapping */
		assert_int_equal(chunk_at(chunk)->state, CHUNK_ABSENT);
	assert_true(root.chunks_revoked <= 2);
	fill(0, 10 * (2 << 20) / OBJECT);
	for (uint32_t chunk = 1; chunk < 9; chunk++)
		assert_true(is_huge(chunk));
	paper_sound();
	paper_end();
}

/* Free a heap of that many objects and fill it again, 8 MiB at a time. Returns how many of the
 * chunks that a small heap fills by small pages became huge at once. */
static unsigned huge_at_once_after(size_t objects)
{
	unsigned count = 0;

	paper_begin("guarded:0,huge_from_mib:16,dirty_floor_bytes:0,dirty_share_permille:0");
	fill(0, objects);
	for (size_t i = 0; i < objects; i++)
		slab_free(object[i]);
	slab_trim(0);
	paper.count = 0;
	fill(0, (8 << 20) / OBJECT);
	for (uint32_t chunk = 1; chunk < 8; chunk++)
		count += last_advice(chunk) == DMM_ADVICE_HUGE;
	paper_sound();
	paper_end();
	return count;
}

TEST(a_heap_that_was_large_is_filled_again_by_huge_pages_from_its_first_chunks_on)
{
	assert_true(huge_at_once_after(((66 << 20) / OBJECT)) >= 2);
	assert_int_equal(huge_at_once_after(((40 << 20) / OBJECT)), 0);
}

/* Chunks [from, to) that the kernel was asked to back with huge pages. */
static unsigned count_huge(uint32_t from, uint32_t to)
{
	unsigned count = 0;

	for (uint32_t chunk = from; chunk < to; chunk++)
		count += last_advice(chunk) != DMM_ADVICE_NOHUGE;
	return count;
}

static bool was_brought(const void *p)
{
	return paper_advised((void *)(((uintptr_t)p | (HUGE_PAGE_SIZE - 1))), DMM_ADVICE_POPULATE);
}

/* Huge pages that were brought by a write to their last page. */
static unsigned count_brought(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < paper.count; i++)
		count += paper.call[i].what == DMM_ADVICE_POPULATE && paper.call[i].at >= root.base;
	return count;
}

enum { PER_CHUNK = (2 << 20) / OBJECT };

TEST(after_a_huge_page_that_was_dear_slab_tries_one_more_and_then_none_for_half_a_second)
{
	paper_begin("guarded:0,huge_from_mib:2");
	fill(0, 10 * PER_CHUNK);
	const unsigned before = count_brought();
	paper.now_ns += 100000000;
	paper.huge_ns = 5000000;
	fill(10 * PER_CHUNK, 13 * PER_CHUNK);
	assert_int_equal(count_brought(), before + 1);
	paper.now_ns += 40000000;
	fill(13 * PER_CHUNK, 16 * PER_CHUNK); /* a second one, dear too */
	assert_int_equal(count_brought(), before + 2);
	paper.now_ns += 300000000;
	paper.huge_ns = 100000;
	fill(16 * PER_CHUNK, 17 * PER_CHUNK);
	assert_int_equal(count_brought(), before + 2);
	paper_sound();
	paper_end();
}

TEST(one_dear_huge_page_among_cheap_ones_costs_the_next_few_alone)
{
	paper_begin("guarded:0,huge_from_mib:2");
	fill(0, 4 * PER_CHUNK);
	paper.now_ns += 100000000;
	paper.huge_ns = 5000000;
	fill(4 * PER_CHUNK, 5 * PER_CHUNK);
	paper.huge_ns = 100000;
	paper.now_ns += 40000000;
	fill(5 * PER_CHUNK, 12 * PER_CHUNK);
	assert_in_range(count_huge(6, 12), 5, 6);
	paper_end();
}

TEST(what_was_filled_while_huge_pages_were_dear_becomes_huge_later)
{
	paper_begin("guarded:0,huge_from_mib:2");
	paper.huge_ns = 5000000;
	fill(0, 8 * PER_CHUNK);
	const unsigned before = count_huge(1, 8);
	assert_in_range(before, 0, 4);
	paper.now_ns += 1000000000;
	paper.huge_ns = 100000;
	fill(8 * PER_CHUNK, 12 * PER_CHUNK);
	assert_in_range(count_huge(1, 8), 6, 7);
	for (size_t i = 0; i < paper.count; i++)
		assert_false(paper.call[i].what == DMM_ADVICE_COLLAPSE &&
		    paper.call[i].at == (uintptr_t)granule_address(0));
	paper_sound();
	paper_end();
}

/* How many collapses a heap of 64 MiB makes in the 200 ms in which it grows from 16 MiB, if each
 * takes so long. */
static size_t count_collapses(uint64_t ns)
{
	size_t count = 0;

	paper_begin("guarded:0,huge_from_mib:8");
	paper.collapse_ns = ns;
	for (size_t i = 0; i < 32 * PER_CHUNK; i += 100) {
		fill(i, i + 100);
		paper.now_ns += 1000000;
	}
	for (size_t i = 0; i < paper.count; i++)
		count += paper.call[i].what == DMM_ADVICE_COLLAPSE;
	assert_true(count_huge(8, 30) >= 20); /* whether a collapse is slow says nothing of them */
	paper_sound();
	paper_end();
	return count;
}

TEST(collapses_that_are_slow_are_few_and_huge_pages_go_on)
{
	assert_in_range(count_collapses(0), 7, 8);
	assert_in_range(count_collapses(300000), 7, 8);
	assert_in_range(count_collapses(3000000), 1, 2);
}

TEST(only_a_slab_has_its_huge_page_brought_at_once_and_none_after_one_that_was_cheap)
{
	bool clean;

	paper_begin("guarded:0,huge_from_mib:2");
	assert_int_not_equal(run_take(CHUNK_GRANULES - 1, 1, &clean), 0);
	assert_int_not_equal(run_take(10 * CHUNK_GRANULES - 1, 1, &clean), 0);
	const uint32_t first = run_take(100, 1, &clean); /* it may be that nobody writes to it */
	assert_int_not_equal(first, 0);
	assert_int_equal(last_advice(first / CHUNK_GRANULES), DMM_ADVICE_HUGE);
	assert_false(was_brought(granule_address(first)));
	enum { FEW = (8 << 20) / OBJECT, MORE = (16 << 20) / OBJECT };
	paper.now_ns += 1000000000;
	paper.count = 0;
	fill(0, FEW);
	assert_int_equal(count_brought(), 1);
	paper.now_ns += 30000000;
	fill(FEW, MORE);
	assert_int_equal(count_brought(), 2);
	assert_in_range(count_huge(first / CHUNK_GRANULES + 1, first / CHUNK_GRANULES + 8), 6, 7);
	paper_end();
}

TEST(what_the_purger_has_claimed_does_not_count_as_taken)
{
	uint64_t mask[2];
	bool clean;

	paper_begin("guarded:0,huge_from_mib:2");
	const uint32_t from = CHUNK_GRANULES; /* of chunk 1 */
	assert_int_equal(run_take(CHUNK_GRANULES - 1, 1, &clean), 1);
	assert_int_equal(run_take(8, 1, &clean), from);
	assert_int_equal(run_take(88, 1, &clean), from + 8); /* a quarter is left, so: */
	assert_true(paper_advised(granule_address(from), DMM_ADVICE_COLLAPSE));
	paper_end();

	paper_begin("guarded:0,huge_from_mib:2");
	assert_int_equal(run_take(CHUNK_GRANULES - 1, 1, &clean), 1);
	assert_int_equal(run_take(8, 1, &clean), from);
	assert_int_equal(run_take(80, 1, &clean), from + 8);
	run_give(from + 8, 80, false);
	assert_int_equal(purge_claim(1, root.epoch + 1, false, mask), 1);
	/* what completes a group of 32 is claimed too */
	assert_int_equal(run_take(20, 1, &clean), from + 96);
	assert_false(paper_advised(granule_address(from), DMM_ADVICE_HUGE));
	purge_return(1, mask, true);
	assert_int_equal(run_take(60, 1, &clean), from + 8);
	assert_false(paper_advised(granule_address(from), DMM_ADVICE_HUGE));
	assert_int_equal(run_take(8, 1, &clean), from + 68);
	assert_true(paper_advised(granule_address(from), DMM_ADVICE_COLLAPSE));
	paper_end();
}

TEST(a_chunk_with_holes_in_its_slabs_is_not_collapsed_which_would_fill_them)
{
	size_t n = 0;

	paper_begin("guarded:0,huge_from_mib:4");
	const char *const at = granule_address(2 * CHUNK_GRANULES);
	while (root.used < 2 * CHUNK_GRANULES + 70) /* more than half of chunk 2 */
		fill(n, n + 1), n++;
	for (size_t i = 0; i < n; i++)
		if (i % (GRANULE / OBJECT) != 0) { /* one in each granule stays */
			slab_free(object[i]);
			object[i] = NULL;
		}
	paper_pass_ms(3000);
	assert_int_equal(chunk_at(2)->huge, HUGE_REVOKED);
	for (size_t i = 0; root.chunk_count < 5 && i < OBJECTS; i++)
		if (object[i] == NULL)
			fill(i, i + 1);
	assert_int_equal(chunk_at(2)->huge, HUGE_ADVISED);
	assert_false(paper_advised(at, DMM_ADVICE_COLLAPSE));
	assert_true(paper_advised(at + HUGE_PAGE_SIZE, DMM_ADVICE_COLLAPSE)); /* chunk 3 had none */
	paper_sound();
	paper_end();
}

TEST(of_what_was_filled_before_there_were_huge_pages_what_has_holes_gets_none)
{
	size_t n = 0;

	paper_begin("guarded:0,huge_from_mib:8");
	const char *const at = granule_address(CHUNK_GRANULES);
	while (root.chunk_count < 4)
		fill(n, n + 1), n++;
	for (size_t i = 0; i < n; i++)
		if ((uintptr_t)(object[i] - at) < HUGE_PAGE_SIZE && i % (GRANULE / OBJECT) != 0)
			slab_free(object[i]);
	paper_pass_ms(3000);
	assert_in_range(huge_page_holes(1), HUGE_PAGE_SIZE / 2, HUGE_PAGE_SIZE);
	while (root.chunk_count < 14) {
		memset(slab_malloc(1000), 1, 1000);
		paper.now_ns += 100000;
	}
	assert_false(paper_advised(at, DMM_ADVICE_HUGE));
	assert_true(paper_advised(at + HUGE_PAGE_SIZE, DMM_ADVICE_COLLAPSE));
	assert_true(paper_advised(at + 2 * HUGE_PAGE_SIZE, DMM_ADVICE_COLLAPSE));
	paper_sound();
	paper_end();
}

TEST(nor_does_a_large_object_of_which_only_the_beginning_was_touched)
{
	char *large[3];

	paper_begin("guarded:0,huge_from_mib:8");
	for (int i = 0; i < 3; i++) {
		large[i] = slab_malloc(HUGE_PAGE_SIZE);
		memset(large[i], 1, i == 1 ? HUGE_PAGE_SIZE : HUGE_PAGE_SIZE / 4);
	}
	while (root.chunk_count < 18) {
		memset(slab_malloc(1000), 1, 1000);
		paper.now_ns += 100000;
	}
	assert_false(paper_advised(large[0], DMM_ADVICE_HUGE));
	assert_true(paper_advised(large[1], DMM_ADVICE_COLLAPSE));
	assert_false(paper_advised(large[2], DMM_ADVICE_HUGE));
	paper_sound();
	paper_end();
}

TEST(nor_does_one_that_was_touched_when_the_kernel_was_asked_and_given_back_since)
{
	char *large[3];

	paper_begin("guarded:0,huge_from_mib:8");
	for (int i = 0; i < 3; i++)
		large[i] = memset(slab_malloc(HUGE_PAGE_SIZE), 1, HUGE_PAGE_SIZE);
	while (paper.asked == 0 && root.chunk_count < 18) { /* the kernel, about the first */
		memset(slab_malloc(1000), 1, 1000);
		paper.now_ns += 100000;
	}
	assert_true(paper.asked != 0);
	slab_free(large[0]);
	paper_pass_ms(3000);
	assert_ptr_equal(slab_malloc(HUGE_PAGE_SIZE), large[0]);
	while (root.chunk_count < 18) {
		memset(slab_malloc(1000), 1, 1000);
		paper.now_ns += 100000;
	}
	assert_false(paper_advised(large[0], DMM_ADVICE_COLLAPSE));
	assert_true(paper_advised(large[1], DMM_ADVICE_COLLAPSE));
	paper_sound();
	paper_end();
}

TEST(pages_of_slabs_count_as_holes_in_a_huge_page_and_a_few_holes_do_not)
{
	paper_begin("guarded:0,huge_from_mib:2");
	leave_one_in(16 << 10); /* an object in each granule: three pages of its four come back */
	for (uint32_t chunk = 5; chunk < 9; chunk++)
		assert_false(is_huge(chunk));
	paper_end();
	paper_begin("guarded:0,huge_from_mib:2");
	leave_one_in(0); /* two of sixteen are freed: an eighth */
	assert_true(paper.purged_bytes > 0);
	for (uint32_t chunk = 5; chunk < 9; chunk++)
		assert_true(is_huge(chunk));
	paper_end();
}
