/* refused_test.c - where the kernel refuses a call half-way, slab still knows which memory is zero
 * and which is accessible. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/rng.h"
#include "os/os.h"
#include "fake_kernel.h"
#include "slab/alloc.h"
#include "slab/fast.h"
#include "slab/page_heap.h"
#include "slab/purge.h"
#include "test.h"

static const size_t KIB = 1 << 10, MIB = 1 << 20;

static bool all(const char *p, size_t n, char what)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != what)
			return false;
	return true;
}

static char *painted(size_t n, char with)
{
	char *const p = slab_malloc(n);
	assert_non_null(p);
	return memset(p, with, n);
}

/* ---- what is said to be clean */

static void *three_slabs_of_no_bytes(void *arg)
{
	enum { MANY = 3 * GRANULE / 16 };
	static void *none[MANY];

	for (int i = 0; i < MANY; i++)
		none[i] = slab_malloc(0);
	for (int i = 0; i < MANY; i++)
		slab_free(none[i]);
	return arg;
}

TEST(where_objects_of_no_bytes_were_calloc_clears_what_lay_there_before_them)
{
	pthread_t t;

	paper_begin("guarded:0");
	char *const p = painted(3 * GRANULE, 7);
	slab_free(p);
	assert_int_equal(pthread_create(&t, NULL, three_slabs_of_no_bytes, NULL), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	char *const q = slab_calloc(1, 3 * GRANULE);
	assert_ptr_equal(q, p);
	assert_true(all(q, 3 * GRANULE, 0));
	paper_sound();
	paper_end();
}

/* The first fills its granules but for a page, the second all but three. */
static void leaves_clean(const char *settings)
{
	const size_t n = 20 * GRANULE - 4096 - 1, less = 19 * GRANULE + 100;

	paper_begin(settings);
	char *const p = painted(n, 1);
	slab_free(p);
	assert_ptr_equal(painted(less, 2), p);
	char *const wall = painted(40 * KIB, 3);
	const size_t moved = paper.moved_bytes;
	char *const q = slab_realloc(p, 3 * n);
	assert_true(paper.moved_bytes > moved);
	char *const c = slab_calloc(1, n);
	assert_ptr_equal(c, p);
	assert_true(all(c, n, 0));
	slab_free(c), slab_free(q), slab_free(wall);
	paper_sound();
	paper_end();
}

TEST(where_a_hardened_object_moved_away_from_calloc_clears_what_lay_beside_it)
{
	leaves_clean("canary:1,guarded:0");
	paper_no_guards = true;
	leaves_clean("guard_large:1,guarded:0");
	leaves_clean("canary:1,guard_large:1,guarded:0");
	paper_no_guards = false;
	leaves_clean("canary:1,guard_large:1,guarded:0");
}

TEST(hardened_objects_of_no_bytes_have_granules_of_their_own_at_every_alignment)
{
	static const char *const settings[] = {"zero_on_free:1,guarded:0", "canary:1,guarded:0",
	    "guard_large:1,guarded:0", "hardened,guarded:0,readonly_conf:0"};

	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		paper_begin(settings[i]);
		for (size_t align = 16; align <= MIB; align *= 4) {
			char *const p = slab_aligned(align, 0), *const q = slab_aligned(align, 0);
			assert_non_null(p);
			assert_ptr_not_equal(p, q);
			assert_int_equal((uintptr_t)p % align, 0);
			memset(painted(100 * KIB, 1), 2, 100 * KIB);
			paper_sound();
			slab_free(p);
			slab_free(q);
		}
		paper_sound();
		paper_end();
	}
}

/* ---- guards that stay */

static void grows_beside_a_guard_that_stays(const char *settings)
{
	paper_begin(settings);
	char *const p = painted(40000, 1);
	paper.no_protect = true;
	/* two guards at its end, of which it would take one */
	char *const q = slab_realloc(p, 44000);
	assert_non_null(q);
	assert_ptr_not_equal(q, p);
	assert_true(all(q, 40000, 1));
	memset(q, 2, 44000);
	paper.no_protect = false;
	slab_free(q);
	paper_sound();
	paper_end();
}

TEST(an_object_moves_when_the_guard_behind_it_cannot_be_taken_away)
{
	paper_no_guards = true;
	grows_beside_a_guard_that_stays("guard_large:1,guarded:0");
	grows_beside_a_guard_that_stays("canary:1,guard_large:1,guarded:0");
	grows_beside_a_guard_that_stays("hardened,guarded:0,readonly_conf:0");
	paper_no_guards = false;
}

TEST(of_an_object_whose_guards_cannot_be_taken_away_the_addresses_are_lost_and_not_the_memory)
{
	paper_no_guards = true;
	paper_begin("guard_large:1,guarded:0");
	char *const p = painted(MIB, 1);
	paper.no_protect = true;
	slab_free(p);
	assert_int_equal(paper_resident(p, MIB), 0);
	paper.no_protect = false;
	paper_sound();
	paper_end();
	paper_no_guards = false;
}

/* The end of an object that was shrunk in place lies after a guard, with all its memory. */
TEST(nor_is_the_memory_behind_them)
{
	paper_no_guards = true;
	paper_begin("guard_large:1,guarded:0");
	char *const p = painted(4 * MIB, 1);
	assert_ptr_equal(slab_realloc(p, 3 * MIB), p);
	paper.no_protect = true;
	slab_free(p);
	assert_int_equal(paper_resident(p, 4 * MIB), 0);
	paper.no_protect = false;
	paper_sound();
	paper_end();
	paper_no_guards = false;
}

static void gives_back_all_of_what_shrank(const char *settings)
{
	paper_begin(settings);
	char *const p = painted(8 * MIB, 1);
	assert_ptr_equal(slab_realloc(p, 5 * MIB), p);
	slab_free(p);
	slab_trim(0);
	assert_in_range(paper_resident(p, 8 * MIB), 0, 64 * KIB);
	paper_sound();
	paper_end();
}

TEST(what_a_hardened_object_held_before_it_shrank_goes_back_with_it)
{
	gives_back_all_of_what_shrank("guarded:0");
	gives_back_all_of_what_shrank("zero_on_free:1,guarded:0");
	gives_back_all_of_what_shrank("hardened,guarded:0,readonly_conf:0");
	paper_no_guards = true;
	gives_back_all_of_what_shrank("guard_large:1,guarded:0");
	gives_back_all_of_what_shrank("hardened,guarded:0,readonly_conf:0");
	paper_no_guards = false;
}

/* ---- a thread whose heap is refused */

/* To its end, or it gets one when it frees. */
static void *work_without_a_heap(void *to_its_end)
{
	char *object[100];

	paper.no_map = true;
	for (size_t i = 0; i < 100; i++) {
		object[i] = slab_malloc(10 * i + 1);
		assert_non_null(object[i]);
		memset(object[i], 1, 10 * i + 1);
	}
	paper.no_map = to_its_end != NULL;
	for (size_t i = 0; i < 100; i++)
		slab_free(object[i]);
	return NULL;
}

static size_t mapped_bytes;

static void *count_map(void *ctx, size_t len, size_t align)
{
	void *const p = paper.no_map ? NULL : os_linux.map(ctx, len, align);
	mapped_bytes += p != NULL ? len : 0;
	return p;
}

/* Rooms for heaps, which the next threads take over. */
static size_t pool_bytes(void)
{
	size_t bytes = 0;

	for (const struct pool_segment *s = root.segments; s != NULL; s = s->next)
		bytes += s->len;
	return bytes;
}

static int count_unmap(void *ctx, void *p, size_t len)
{
	/* payload may go back */
	mapped_bytes -= (uintptr_t)p - root.window < root.window_len ? 0 : len;
	return os_linux.unmap(ctx, p, len);
}

static void lives_without_a_heap(const char *settings)
{
	pthread_t t;

	paper_begin(settings);
	painted(100, 1);
	slab_free(painted(3 * MIB, 1)); /* for its objects */
	paper.os.map = count_map;
	paper.os.unmap = count_unmap;
	mapped_bytes = 0;
	for (int k = 0; k < 2; k++) {
		assert_int_equal(pthread_create(&t, NULL, work_without_a_heap, k == 0 ? &t : NULL),
		    0);
		assert_int_equal(pthread_join(t, NULL), 0);
		paper.no_map = false;
		assert_int_equal(mapped_bytes, pool_bytes()); /* nothing else is left of it */
	}
	paper_sound();
	paper_end();
}

TEST(a_thread_for_which_there_is_no_heap_shares_one)
{
	lives_without_a_heap("guarded:0");
	lives_without_a_heap("zero_on_free:1,guarded:0");
	lives_without_a_heap("hardened,guarded:0,readonly_conf:0");
}

/* ---- moves of pages */

static char *grows_by_a_move(size_t n)
{
	char *const p = painted(n, 4), *const wall = painted(n, 5);
	char *const q = slab_realloc(p, 4 * n);

	assert_non_null(q);
	assert_ptr_not_equal(q, p);
	assert_true(all(q, n, 4));
	memset(q, 4, 4 * n);
	assert_true(all(wall, n, 5));
	slab_free(wall);
	return q;
}

/* There is a hole in the payload, where mincore() ends. */
static size_t mapped_resident_payload(void)
{
	size_t bytes = 0;

	for (size_t g = 0; g < (size_t)root.chunk_count * CHUNK_GRANULES; g++)
		for (size_t at = 0; at < GRANULE; at += 4096) {
			unsigned char there = 0;
			if (mincore(granule_address((uint32_t)g) + at, 4096, &there) == 0)
				bytes += (there & 1) * 4096u;
		}
	return bytes;
}

static void survives_a_lost_target(const char *settings, bool in_chunk, size_t before)
{
	paper_begin(settings);
	paper.move_loses = true;
	paper.moves_in_chunk = in_chunk;
	paper.moves_before_loss = before;
	grows_by_a_move(5 * MIB);
	char *p[6];
	for (int i = 0; i < 6; i++)
		p[i] = grows_by_a_move(300 * KIB);
	for (int i = 0; i < 6; i++)
		slab_free(p[i]);
	const size_t used = used_granules();
	/* one is lost, and not one each time */
	assert_in_range(used, 0, 30 * MIB / GRANULE + 3000);
	slab_trim(0);
	memset(painted(8 * MIB, 1), 2, 8 * MIB);
	paper_sound();
	paper_end();
}

TEST(where_the_kernel_took_the_target_of_a_move_away_it_is_never_used_again)
{
	for (size_t before = 0; before < 5; before++) {
		survives_a_lost_target("guarded:0", before > 0, before);
		survives_a_lost_target("canary:1,guarded:0", before > 0, before);
		survives_a_lost_target("hardened,guarded:0,readonly_conf:0", before > 0, before);
	}
}

TEST(what_had_been_moved_to_a_lost_target_before_leaves_no_memory_there)
{
	paper_begin("guarded:0");
	paper.move_loses = paper.moves_in_chunk = true;
	paper.moves_before_loss = 3;
	char *const p = painted(10 * MIB, 4), *const wall = painted(3 * MIB, 5);
	char *const q = slab_realloc(p, 12 * MIB);
	assert_true(all(q, 10 * MIB, 4));
	assert_int_equal(paper.moved_bytes, 6 * MIB);
	slab_free(q), slab_free(wall);
	slab_trim(0);
	assert_in_range(mapped_resident_payload(), 0, 256 * KIB);
	paper_sound();
	paper_end();
}

static void moves_in_parts(const char *settings, size_t every)
{
	paper_begin(settings);
	paper.moves_in_chunk = true;
	paper.moves_every = every;
	char *const p = grows_by_a_move(700 * KIB), *const q = grows_by_a_move(5 * MIB + 5000);
	assert_true(paper.moved_bytes > 4 * MIB / 2);
	slab_free(p), slab_free(q);
	for (size_t n = 3 * MIB; n < 40 * MIB; n += 9 * MIB) {
		char *const c = slab_calloc(1, n);
		assert_true(all(c, n, 0));
	}
	paper_sound();
	paper_end();
}

TEST(what_lies_in_several_mappings_is_moved_in_parts_and_copied_where_that_is_refused)
{
	for (size_t every = 0; every < 6; every += 2) {
		moves_in_parts("guarded:0", every);
		moves_in_parts("canary:1,guarded:0", every);
		moves_in_parts("hardened,guarded:0,readonly_conf:0", every);
	}
}

/* The kernel moves one mapping after the other, and would stop half-way. */
static void move_with_hardly_a_mapping_left(void *arg)
{
	enum { PIECES = 16, MOST = 1 << 20 };
	const size_t piece = 64 * KIB, len = PIECES * piece;
	(void)arg;

	char *const from = os_linux.map(NULL, 40 * MIB, 4096);
	char *const none = os_linux.reserve(NULL, 2ul * MOST * 4096, 4096);
	memset(from, 6, len);
	for (size_t i = 0; i < PIECES; i += 2)
		os_linux.advise(NULL, from + i * piece, piece, DMM_ADVICE_NOHUGE);
	size_t i = 0;
	while (i < MOST && mprotect(none + 2 * i * 4096, 4096, PROT_READ) == 0)
		i++;
	for (size_t k = 0; k < 40 && i > 0; k++) {
		char *const to = from + (k % 8 + 1) * 2 * MIB;
		if (os_linux.move(NULL, from, to, len) == 0)
			_exit(all(to, len, 6) ? 0 : 1);
		if (!all(from, len, 6))
			_exit(2);
		mprotect(none + 2 * --i * 4096, 4096, PROT_NONE);
	}
	_exit(0);
}

TEST(a_move_that_is_refused_has_moved_nothing)
{
	char out[2000];

	assert_int_equal(test_in_child(move_with_hardly_a_mapping_left, NULL, out, sizeof out), 0);
}

static void grow_under_a_limit(void *settings)
{
	const struct rlimit less = {(rlim_t)1 << 32, RLIM_INFINITY};

	paper_begin(settings);
	if (setrlimit(RLIMIT_AS, &less) != 0)
		abort();
	for (int i = 0; i < 4; i++)
		grows_by_a_move(700 * KIB);
	paper_sound();
	_exit(0);
}

TEST(a_program_that_limits_its_address_space_may_still_grow_what_it_has)
{
	char out[2000];

	assert_int_equal(test_in_child(grow_under_a_limit, "guarded:0", out, sizeof out), 0);
	assert_int_equal(test_in_child(grow_under_a_limit, "hardened,guarded:0,readonly_conf:0",
	    out, sizeof out), 0);
}

static size_t mappings(void)
{
	FILE *const f = fopen("/proc/self/maps", "r");
	size_t n = 0;

	for (int c; (c = getc(f)) != EOF;)
		n += c == '\n';
	fclose(f);
	return n;
}

/* Of a heap of some GiB, growing for long: each move leaves up to two mappings more. */
TEST(pages_that_were_moved_leave_the_program_most_of_its_mappings)
{
	enum { OBJECTS = 4000, STEPS = 25000 };
	static char *p[OBJECTS];
	static size_t n[OBJECTS];
	struct rng r = {5};

	paper_begin("guarded:0");
	const size_t before = mappings();
	for (int step = 0; step < STEPS; step++) {
		const size_t i = rng_below(&r, OBJECTS);
		if (p[i] != NULL && n[i] > 3 * MIB) {
			slab_free(p[i]);
			p[i] = NULL;
		} else {
			n[i] = p[i] == NULL ? (16 + rng_below(&r, 16)) * GRANULE : n[i] + n[i] / 2;
			assert_non_null(p[i] = slab_realloc(p[i], n[i]));
			p[i][n[i] / 2] = 1;
		}
	}
	const size_t more = mappings() - before;
	if (more > 13000)
		fail_msg("%zu mappings more", more);
	assert_true(paper.moved_bytes > 0);
	paper_sound();
	paper_end();
}
