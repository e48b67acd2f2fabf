/* large_test.c - large objects, realloc, sized frees, and the address space of them all. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "fake_kernel.h"
#include "slab/alloc.h"
#include "slab/fast.h"
#include "slab/large.h"
#include "slab/page_heap.h"
#include "test.h"

static const size_t MIB = 1 << 20, KIB = 1 << 10;

static char *painted(size_t n, char with)
{
	char *const p = slab_malloc(n);
	assert_non_null(p);
	memset(p, with, n);
	return p;
}

static void compare(const char *p, size_t n, char with)
{
	for (size_t i = 0; i < n; i += i % 4096 == 0 ? 1 : 4095)
		assert_int_equal(p[i], with);
}

/* ---- realloc */

TEST(a_large_object_grows_where_it_lies_if_there_is_room)
{
	paper_begin("guarded:0");
	char *const p = painted(MIB, 1);
	const size_t used = root.used;
	assert_ptr_equal(slab_realloc(p, MIB + 300 * KIB), p);
	assert_int_equal(slab_usable(p), round_up(MIB + 300 * KIB, GRANULE));
	assert_int_equal(root.used - used, round_up(300 * KIB, GRANULE) / GRANULE);
	compare(p, MIB, 1);
	assert_ptr_equal(slab_realloc(p, 7 * MIB), p); /* and across chunks, as the heap grows */
	assert_int_equal(root.chunk_count, 4); /* by no more than it needs */
	memset(p, 2, 7 * MIB);
	paper_sound();
	slab_free(p);
	assert_int_equal(root.used, used - MIB / GRANULE);
	paper_end();
}

static void moves(const char *settings, size_t n, bool by_pages, bool refused)
{
	paper_begin(settings);
	paper.no_move = refused;
	char *const p = painted(n, 3), *const behind = painted(3 * GRANULE, 4);
	const size_t moved = paper.moved_bytes;

	char *const q = slab_realloc(p, n + 200 * KIB);
	assert_non_null(q);
	assert_ptr_not_equal(q, p);
	compare(q, n, 3);
	assert_int_equal(paper.moved_bytes - moved, by_pages ? round_up(n, GRANULE) : 0);
	char *const again = slab_calloc(1, n); /* where the old one was, for one */
	compare(again, n, 0);
	slab_free(again);
	compare(behind, 3 * GRANULE, 4);
	paper_sound();
	slab_free(q);
	slab_free(behind);
	paper_end();
}

TEST(where_there_is_none_it_moves_by_pages_if_it_is_not_small)
{
	moves("guarded:0", 240 * KIB, false, false);
	moves("guarded:0", 256 * KIB, true, false);
	moves("guarded:0", 3 * MIB, true, false);
	moves("guarded:0", 3 * MIB, false, true);
	moves("guarded:0,move_from_bytes:1m", MIB - 16 * KIB, false, false);
	moves("guarded:0,move_from_bytes:1m", MIB, true, false);
	moves("guarded:0,move_from_bytes:never", 3 * MIB, false, false);
}

TEST(growing_step_by_step_moves_a_dozen_times)
{
	size_t changes = 0, n = MIB;

	paper_begin("guarded:0");
	char *p = painted(n, 5);
	for (; n < 96 * MIB; n += 100 * KIB) {
		char *const wall = painted(GRANULE * 3, 6); /* often right behind it */
		char *const q = slab_realloc(p, n + 100 * KIB);
		assert_non_null(q);
		changes += q != p;
		p = q;
		slab_free(wall);
		if (n % 7 == 0)
			painted(GRANULE * 3, 6);
	}
	compare(p, MIB, 5);
	assert_in_range(changes, 1, 16);
	paper_sound();
	paper_end();
}

TEST(shrinking_gives_back_what_is_more_than_three_eighths)
{
	paper_begin("guarded:0");
	char *const p = painted(64 * GRANULE, 7);
	const size_t used = root.used;
	assert_ptr_equal(slab_realloc(p, 40 * GRANULE), p);
	assert_int_equal(root.used, used);
	assert_ptr_equal(slab_realloc(p, 40 * GRANULE - GRANULE), p);
	assert_int_equal(root.used, used - 25);
	assert_int_equal(slab_usable(p), 39 * GRANULE);
	compare(p, 39 * GRANULE, 7);
	char *const rest = slab_malloc(25 * GRANULE);
	assert_ptr_equal(rest, p + 39 * GRANULE);
	memset(rest, 8, 25 * GRANULE);
	compare(p, 39 * GRANULE, 7);
	char *const small = slab_realloc(p, 100);
	compare(small, 100, 7);
	assert_int_equal(slab_usable(small), 112);
	paper_sound();
	paper_end();
}

TEST(realloc_of_a_small_object_stays_while_more_than_half_is_used)
{
	paper_begin("guarded:0");
	for (unsigned cls = 2; cls < class_count; cls++) {
		const size_t n = size_class[cls].size;
		char *const p = painted(n, 9);
		assert_int_equal(slab_usable(p), n);
		assert_ptr_equal(slab_realloc(p, n), p);
		assert_ptr_equal(slab_realloc(p, n / 2 + 1), p);
		char *const q = slab_realloc(p, n / 2);
		compare(q, n / 2, 9);
		assert_true(slab_usable(q) < n);
		char *const r = slab_realloc(q, n * 3);
		compare(r, n / 2, 9);
		assert_true(slab_usable(r) >= n * 3);
		slab_free(r);
	}
	paper_sound();
	paper_end();
}

/* ---- sized frees */

static char *victim;
static size_t said;

static void free_as_said(void *arg)
{
	(void)arg;
	slab_free_sized(victim, said);
}

static void free_aligned_as_said(void *arg)
{
	slab_free_aligned_sized(victim, *(size_t *)arg, said);
}

static void refused(size_t n)
{
	char line[100];

	said = n;
	snprintf(line, sizeof line, "dmm: free of %zu bytes: %p (%zu bytes)\n", n, (void *)victim,
	    slab_usable(victim));
	test_aborts_saying(free_as_said, NULL, line);
}

static void accepted(size_t made, size_t n)
{
	char *const p = painted(made, 1);
	slab_free_sized(p, n);
}

TEST(a_sized_free_takes_every_size_that_the_object_may_have_and_no_other)
{
	paper_begin("guarded:0,sized:abort");
	victim = painted(1000, 1);
	for (size_t n = 1; n <= 512; n = n * 2)
		refused(n); /* realloc to so little moves it */
	refused(512);
	refused(1025);
	refused(2 * MIB);
	accepted(1000, 513);
	accepted(1000, 1024);
	victim = painted(20 * GRANULE, 1);
	refused(12 * GRANULE - GRANULE); /* realloc to so little gives granules back */
	refused(1000);
	refused(MEDIUM_MAX);
	refused(20 * GRANULE + 1);
	accepted(20 * GRANULE, 12 * GRANULE - GRANULE + 1);
	accepted(20 * GRANULE, 20 * GRANULE - 5);
	accepted(0, 0);
	victim = slab_malloc(0);
	refused(1);
	slab_free_sized(NULL, 77);
	paper_sound();
	paper_end();
}

static void *free_behind_its_begin(void *of_another)
{
	slab_free(of_another); /* from now on such frees take a shorter way */
	slab_free_sized(victim + 8, said);
	return NULL;
}

static void free_behind_its_begin_in_a_thread(void *of_another)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, free_behind_its_begin, of_another) == 0)
		pthread_join(thread, NULL);
}

TEST(a_sized_free_behind_the_begin_of_another_threads_object_is_named)
{
	char line[100];

	paper_begin("guarded:0");
	victim = painted(16, 1);
	said = 16;
	snprintf(line, sizeof line, "dmm: invalid free: %p (inside 16 bytes)\n",
	    (void *)(victim + 8));
	test_aborts_saying(free_behind_its_begin_in_a_thread, painted(48, 1), line);
	paper_end();
}

TEST(a_free_that_names_an_alignment_is_held_to_it)
{
	char line[100];
	size_t align = 128;

	paper_begin("guarded:0,sized:abort");
	slab_free(slab_malloc(16));
	const size_t used = root.used;
	for (size_t a = 16; a <= 4 * MIB; a *= 2)
		for (size_t n = 0; n <= 100000; n = n * 7 + 1) {
			char *const p = slab_aligned(a, n);
			assert_non_null(p);
			assert_int_equal((uintptr_t)p % a, 0);
			assert_true(slab_usable(p) >= n);
			memset(p, 1, n);
			slab_free_aligned_sized(p, a, n);
			slab_free_aligned_sized(NULL, a, n);
		}
	slab_trim(0);
	assert_true(root.used - used < 400); /* slabs that magazines keep */
	slab_free_aligned_sized(slab_aligned(MIB, 8 * MIB), MIB, 8 * MIB);
	assert_true(root.used - used < 400);
	paper_sound();
	victim = painted(640, 1);
	if ((uintptr_t)victim % 128 != 0 || (victim = painted(640, 1)) == NULL ||
	    (uintptr_t)victim % 256 == 0)
		victim = painted(640, 1);
	align = (uintptr_t)victim % 128 == 0 ? (uintptr_t)victim % 256 == 0 ? 1 << 30 : 256 : 128;
	said = 640;
	snprintf(line, sizeof line, "dmm: free of an object aligned to %zu: %p\n", align,
	    (void *)victim);
	test_aborts_saying(free_aligned_as_said, &align, line);
	victim = slab_aligned(64, 640);
	align = 64;
	said = 6400;
	snprintf(line, sizeof line, "dmm: free of 6400 bytes: %p (640 bytes)\n", (void *)victim);
	test_aborts_saying(free_aligned_as_said, &align, line);
	errno = 0;
	assert_null(slab_aligned(48, 10));
	assert_int_equal(errno, EINVAL);
	paper_end();
}

/* ---- no memory */

static void no_memory(void *p)
{
	assert_null(p);
	assert_int_equal(errno, ENOMEM);
	errno = 0;
}

TEST(what_no_address_space_can_hold_is_refused_and_nothing_changes)
{
	paper_begin("guarded:0");
	char *const p = painted(MIB, 1), *const small = painted(100, 2);
	errno = 0;
	static const size_t much[] = {
	    ((size_t)1 << 39) + 1, (size_t)1 << 46, PTRDIFF_MAX, SIZE_MAX};
	for (size_t i = 0; i < 4; i++) {
		no_memory(slab_malloc(much[i]));
		no_memory(slab_calloc(1, much[i]));
		no_memory(slab_realloc(p, much[i]));
		no_memory(slab_realloc(small, much[i]));
		no_memory(slab_aligned(4096, much[i]));
	}
	no_memory(slab_calloc(SIZE_MAX / 2, 3));
	no_memory(slab_aligned((size_t)1 << 62, 1));
	compare(p, MIB, 1);
	compare(small, 100, 2);
	paper_sound();
	paper_end();
}

TEST(a_small_window_is_used_to_its_end)
{
	static char *object[8000];
	size_t n = 0, sum = 0;

	paper_most_window = 70 * MIB;
	paper_begin("guarded:0");
	const size_t payload = (size_t)root.chunk_limit * HUGE_PAGE_SIZE;
	assert_in_range(payload, 30 * MIB, 70 * MIB);
	char *const large = painted(10 * MIB, 1);
	paper.no_segments = true; /* nor is there room elsewhere */
	for (; n < 8000 && (object[n] = slab_malloc(n % 40 * 300 + 9000)) != NULL; n++)
		sum += slab_usable(object[n]), memset(object[n], (int)n, n % 40 * 300 + 9000);
	assert_int_equal(errno, ENOMEM);
	assert_true(sum + 10 * MIB > payload / 100 * 93);
	errno = 0;
	no_memory(slab_realloc(large, 30 * MIB));
	no_memory(slab_malloc(10 * MIB));
	compare(large, 10 * MIB, 1);
	paper_sound();
	for (size_t i = 0; i < n; i++) {
		compare(object[i], i % 40 * 300 + 9000, (char)i);
		slab_free(object[i]);
	}
	/* half as much again does not fit, this does */
	char *const moved = slab_realloc(large, 24 * MIB);
	assert_non_null(moved);
	compare(moved, 10 * MIB, 1);
	slab_free(moved);
	slab_trim(0);
	paper_sound();
	assert_true(root.used < 700);
	paper_end();
	paper_most_window = 0;
}

TEST(a_kernel_that_counts_commitments_gives_what_is_needed_if_not_what_is_ahead)
{
	paper_begin("guarded:0");
	paper.most_usable = 4 * MIB;
	for (size_t i = 0; i < 40; i++)
		painted(2 * MIB, 1);
	errno = 0;
	paper.no_map = true;
	no_memory(slab_malloc(100 * MIB));
	paper_sound();
	paper.no_map = false;
	no_memory(slab_malloc(100 * MIB));
	paper.most_usable = 0;
	slab_free(painted(100 * MIB, 2));
	paper_sound();
	paper_end();
}

/* ---- huge pages */

static char *chunk_start(size_t chunk)
{
	return (char *)root.base + chunk * HUGE_PAGE_SIZE;
}

/* Until an object lies in it. */
static void grow_into(uint32_t chunk)
{
	char *p;

	do {
		p = painted(3000, 1);
		paper.now_ns += 100000;
	} while (p < (char *)root.base + chunk * HUGE_PAGE_SIZE);
}

TEST(a_small_heap_gets_huge_pages_where_it_fills_them_and_all_once_it_is_twice_as_large)
{
	paper_begin("guarded:0,huge_from_mib:8");
	grow_into(7);
	for (size_t chunk = 0; chunk < 8; chunk++) {
		assert_int_equal(paper_advised(chunk_start(chunk), DMM_ADVICE_HUGE),
		    chunk >= 4 && chunk < 7);
		assert_int_equal(paper_advised(chunk_start(chunk), DMM_ADVICE_COLLAPSE),
		    chunk >= 4 && chunk < 7);
	}
	/* and once it is larger, those that it filled before, but the first, with its guard */
	grow_into(16);
	for (size_t chunk = 0; chunk <= 16; chunk++) {
		assert_int_equal(paper_advised(chunk_start(chunk), DMM_ADVICE_HUGE), chunk >= 1);
		assert_int_equal(paper_advised(chunk_start(chunk), DMM_ADVICE_COLLAPSE),
		    chunk >= 1 && chunk < 8);
	}
	const size_t calls = paper.count;
	slab_free(painted(3000, 1));
	painted(100, 1);
	assert_int_equal(paper.count, calls); /* once each */
	paper_end();
}

TEST(a_large_heap_gets_huge_pages_at_once)
{
	paper_begin("guarded:0,huge_from_mib:8");
	grow_into(9);
	assert_true(paper_advised(chunk_start(7), DMM_ADVICE_COLLAPSE));
	for (size_t chunk = 8; chunk < 10; chunk++) {
		assert_true(paper_advised(chunk_start(chunk), DMM_ADVICE_HUGE));
		assert_false(paper_advised(chunk_start(chunk), DMM_ADVICE_COLLAPSE));
	}
	paper_end();
}

TEST(huge_pages_never_means_that_even_an_eager_kernel_gives_none)
{
	paper_begin("guarded:0,huge_from_mib:never");
	slab_free(painted(30 * MIB, 1));
	painted(30 * MIB, 1);
	while (root.chunk_count <= 40)
		painted(MIB, 1);
	for (size_t chunk = 0; chunk <= 40; chunk++) {
		assert_true(paper_advised(chunk_start(chunk) + GRANULE, DMM_ADVICE_NOHUGE));
		assert_false(paper_advised(chunk_start(chunk) + GRANULE, DMM_ADVICE_HUGE));
	}
	paper_end();
}

static bool all_huge(const char *p, size_t n)
{
	const char *const first = (const char *)round_up((uintptr_t)p, HUGE_PAGE_SIZE);

	for (const char *at = first; at + HUGE_PAGE_SIZE <= p + n; at += HUGE_PAGE_SIZE)
		if (!paper_advised(at, DMM_ADVICE_HUGE))
			return false;
	return true;
}

TEST(large_arrays_get_huge_pages_once_the_last_one_was_filled)
{
	paper_begin("guarded:0");
	char *const a = slab_malloc(16 * MIB);
	memset(a, 1, MIB); /* its beginning only */
	char *const b = slab_malloc(16 * MIB);
	assert_false(paper_advised(b + 8 * MIB, DMM_ADVICE_HUGE));
	memset(b, 1, 16 * MIB);
	char *const c = slab_malloc(15 * MIB);
	assert_true(all_huge(c, 15 * MIB));
	assert_false(paper_advised(c + 15 * MIB, DMM_ADVICE_HUGE)); /* what follows is another's */
	char *const d = slab_malloc(16 * MIB); /* c was not touched */
	assert_false(paper_advised(d + 8 * MIB, DMM_ADVICE_HUGE));
	memset(d, 1, 16 * MIB);
	slab_free(d); /* the last word on it */
	char *const e = slab_malloc(40 * MIB);
	assert_true(all_huge(e, 40 * MIB));
	paper_sound();
	paper_end();
}

TEST(a_filled_array_within_the_first_mib_gets_none)
{
	paper_begin("guarded:0,huge_from_mib:64");
	painted(16 * MIB, 1);
	char *const b = painted(16 * MIB, 1);
	assert_false(paper_advised(b + 8 * MIB, DMM_ADVICE_HUGE));
	char *const c = slab_malloc(48 * MIB); /* beyond 64 MiB with half of it */
	for (char *at = c + 2 * MIB; at + 2 * MIB < c + 46 * MIB; at += 2 * MIB)
		assert_int_equal(paper_advised(at, DMM_ADVICE_HUGE),
		    (uintptr_t)at - root.base >= 64 * MIB);
	paper_end();
}
