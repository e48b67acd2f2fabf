/* profile_test.c - a heap profile's figures are what the program did: exactly, where each
 * allocation is a sample, and on average, where few are. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "fake_kernel.h"
#include "slab/alloc.h"
#include "slab/fast.h"
#include "slab/fork.h"
#include "slab/measure.h"
#include "slab/profile.h"
#include "test.h"

/* A mean of 1: an allocation of 64 bytes and more is a sample, with a probability of 1 - 10^-27. */
#define EACH "profile:1,guarded:0"

static char copy[8 << 20];
static struct profile_head head;

struct figures {
	struct profile_sum allocated, live, temporary, peak;
};

static void add(struct profile_sum *to, struct profile_sum x)
{
	to->objects += x.objects;
	to->bytes += x.bytes;
}

/* Of all sites. */
static struct figures look(void)
{
	const size_t len = profiler_copy(&head, copy, sizeof copy);
	struct figures f = {{0, 0}, {0, 0}, {0, 0}, {0, 0}};

	assert_true(len <= sizeof copy);
	for (size_t at = 0; at < len;) {
		const struct profile_site *const s = (const struct profile_site *)(copy + at);
		add(&f.allocated, s->allocated);
		add(&f.live, s->live);
		add(&f.temporary, s->temporary);
		add(&f.peak, profile_peak(&head, s));
		at += profile_site_len(s);
	}
	assert_int_equal(f.live.bytes, head.live_bytes);
	assert_int_equal(f.peak.bytes, head.peak_bytes);
	assert_int_equal(head.changes % 2, 0);
	assert_int_equal(head.lost, 0);
	return f;
}

static void expect(const struct profile_sum *found, uint64_t objects, uint64_t bytes)
{
	assert_int_equal(found->objects, objects * PROFILE_FRACTION);
	assert_int_equal(found->bytes, bytes);
}

TEST(without_a_profile_nothing_is_counted_and_malloc_hits)
{
	paper_begin("guarded:0");
	slab_free(slab_malloc(100));
	void *const p = malloc_hit(100);
	assert_non_null(p);
	assert_null(root.profile);
	assert_int_equal(root.profile_heap, 0);
	assert_true(free_hit(p, ANY_PLACE));
	assert_int_equal(profiler_left, 0);
	paper_end();
}

TEST(with_a_profile_malloc_of_small_objects_hits_and_of_larger_ones_misses)
{
	paper_begin("profile:1g,guarded:0");
	slab_free(slab_malloc(100));
	slab_free(slab_malloc(5000));
	assert_null(malloc_hit(5000));
	size_t hits = 0;
	for (size_t i = 0; i < 1000; i++) {
		void *p = malloc_hit(100);
		hits += p != NULL;
		p = p != NULL ? p : slab_malloc_slow(100);
		assert_true(free_hit(p, ANY_PLACE));
		p = slab_malloc(5000);
		assert_true(free_hit(p, ANY_PLACE));
	}
	assert_true(hits > 800); /* a stack of at least 8 was filled at each miss */
	paper_sound();
	paper_end();
}

/* The objects of a stack go back as all others do, and the counter of a class stays as it is. */
TEST(what_stacks_hold_goes_back_with_the_magazines)
{
	enum { COUNT = 500 };
	static void *p[COUNT];

	paper_begin("profile:1g,guarded:0");
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT; i++)
			p[i] = slab_malloc(1 + i * 2);
		for (size_t i = 0; i < COUNT; i++)
			slab_free(p[i]);
		paper_sound();
		slab_trim(0);
		paper_sound();
		struct slab_sums m;
		slab_measure(&m);
		assert_int_equal(m.live_pieces, 0);
	}
	paper_end();
}

/* Objects of a stack that a purge takes back were not allocated. */
TEST(what_a_purge_takes_from_a_stack_is_not_counted_as_allocated)
{
	enum { ROUNDS = 4000, SIZE = 100 };

	paper_begin("profile:4k,guarded:0");
	for (int i = 0; i < ROUNDS; i++) {
		slab_free(slab_malloc(SIZE)); /* fills the magazine */
		slab_free(slab_malloc(SIZE)); /* fills the stack from it */
		lock_take(&thread_cache.heap->lock);
		cache_flush(&thread_cache, thread_cache.heap);
		lock_give(&thread_cache.heap->lock);
	}
	const uint64_t bytes = look().allocated.bytes;
	assert_true(bytes > 2 * ROUNDS * SIZE * 6 / 10 && bytes < 2 * ROUNDS * SIZE * 14 / 10);
	paper_end();
}

/* A signal handler that allocates between the comparison and the subtraction leaves the countdown
 * below 0. */
TEST(a_countdown_below_0_is_a_sample_at_the_next_malloc)
{
	paper_begin("profile:1m,guarded:0");
	slab_free(slab_malloc(5000));
	profiler_copy(&head, copy, 0);
	const uint64_t before = head.samples;
	profiler_left = -100000;
	slab_free(slab_malloc(5000));
	profiler_copy(&head, copy, 0);
	assert_int_equal(head.samples, before + 1);
	assert_true(profiler_left >= 0 && profiler_left < 64 << 20);
	paper_end();
}

TEST(each_way_to_allocate_is_counted_exactly)
{
	paper_begin(EACH);
	static const size_t sizes[] = {100, 200, 0, 100000, 0, 70000};
	void *p[] = {slab_malloc(100), slab_calloc(10, 20), slab_aligned(64, 320),
	    slab_malloc(100000), slab_calloc(1, 200000), slab_aligned(1 << 16, 70000),
	    slab_realloc(NULL, 1000)};
	struct figures f = look();
	const uint64_t bytes = 100 + 200 + 320 + 100000 + 200000 + 70000 + 1000;
	expect(&f.allocated, 7, bytes);
	expect(&f.live, 7, bytes);
	paper_sound();
	for (size_t i = 0; i < sizeof p / sizeof *p; i++)
		i % 2 == 0 ? slab_free(p[i]) : slab_free_sized(p[i], sizes[i]);
	f = look();
	expect(&f.allocated, 7, bytes);
	expect(&f.live, 0, 0);
	expect(&f.peak, 7, bytes);
	assert_int_equal(head.live_samples, 0);
	paper_sound();
	paper_end();
}

TEST(a_resize_is_a_free_and_an_allocation_unless_all_stays)
{
	paper_begin(EACH);
	void *p = slab_malloc(100);
	p = slab_realloc(p, 104); /* the same class */
	struct figures f = look();
	expect(&f.allocated, 1, 100);
	p = slab_realloc(p, 300);
	f = look();
	expect(&f.allocated, 2, 400);
	expect(&f.live, 1, 300);
	p = slab_realloc(p, 100000);
	p = slab_realloc(p, 100001); /* the same granules */
	f = look();
	expect(&f.live, 1, 100000);
	p = slab_realloc(p, 3000000);
	f = look();
	expect(&f.live, 1, 3000000);
	p = slab_realloc(p, 200);
	f = look();
	expect(&f.live, 1, 200);
	assert_null(slab_realloc(p, 0));
	f = look();
	expect(&f.live, 0, 0);
	expect(&f.allocated, 5, 100 + 300 + 100000 + 3000000 + 200);
	paper_sound();
	paper_end();
}

TEST(a_refused_resize_loses_no_sample)
{
	paper_begin(EACH);
	void *const p = slab_malloc(100000);
	assert_null(slab_realloc(p, (size_t)1 << 62));
	const struct figures f = look();
	expect(&f.live, 1, 100000);
	slab_free(p);
	paper_end();
}

TEST(temporary_is_what_its_thread_frees_before_it_allocates_again)
{
	paper_begin(EACH);
	slab_free(slab_malloc(100));
	void *const p = slab_malloc(200), *const q = slab_malloc(300);
	slab_free(p);
	slab_free(q); /* nothing was allocated since */
	const struct figures f = look();
	expect(&f.temporary, 2, 400);
	paper_end();
}

TEST(the_peak_is_of_one_moment)
{
	enum { COUNT = 3000 };
	static void *p[COUNT];
	static size_t size[COUNT];
	struct rng rng = {7};
	uint64_t live = 0, peak = 0, objects = 0, peak_objects = 0;

	paper_begin(EACH);
	for (int i = 0; i < 40 * COUNT; i++) {
		const size_t at = rng_below(&rng, COUNT);
		if (p[at] != NULL) {
			slab_free(p[at]);
			live -= size[at];
			objects--;
			p[at] = NULL;
		} else {
			size[at] = 64 + rng_below(&rng, i < 20 * COUNT ? 1000 : 300);
			p[at] = slab_malloc(size[at]);
			live += size[at];
			objects++;
		}
		if (live > peak) {
			peak = live;
			peak_objects = objects;
		}
	}
	struct figures f = look();
	expect(&f.live, objects, live);
	expect(&f.peak, peak_objects, peak);
	paper_sound();
	for (int i = 0; i < COUNT; i++) {
		slab_free(p[i]);
		p[i] = NULL;
	}
	f = look();
	expect(&f.live, 0, 0);
	expect(&f.peak, peak_objects, peak);
	paper_sound();
	paper_end();
}

/* A sample each 8 KiB: thousands of samples, so that a standard deviation is 2 % at most. */
TEST(estimates_are_right_on_average_for_all_sizes)
{
	enum { COUNT = 200000 };
	static void *p[COUNT];
	static const size_t sizes[] = {16, 24, 100, 500, 2000, 9000, 60000};
	struct rng rng = {11};
	uint64_t bytes = 0, half = 0;

	paper_begin("profile:8k,guarded:0");
	for (int i = 0; i < COUNT; i++) {
		const size_t any = sizes[rng_below(&rng, 7)], n = i % 101 == 0 ? any : any % 700;
		p[i] = slab_malloc(n);
		bytes += n;
		half += i % 2 == 1 ? n : 0;
	}
	for (int i = 0; i < COUNT; i += 2)
		slab_free(p[i]);
	const struct figures f = look();
	assert_true(f.allocated.bytes > bytes * 0.9 && f.allocated.bytes < bytes * 1.1);
	assert_true(f.live.bytes > half * 0.9 && f.live.bytes < half * 1.1);
	paper_sound();
	for (int i = 1; i < COUNT; i += 2)
		slab_free(p[i]);
	const struct figures end = look();
	expect(&end.live, 0, 0);
	paper_end();
}

/* Each sample of a small object stands for hundreds: also where one object comes and goes. */
TEST(a_loop_that_holds_one_object_is_seen)
{
	enum { COUNT = 1 << 20, SIZE = 48 };

	paper_begin("profile:16k,guarded:0");
	for (int i = 0; i < COUNT; i++)
		slab_free(slab_malloc(SIZE));
	const struct figures f = look();
	const double wanted = (double)COUNT * SIZE;
	const double objects = (double)f.allocated.objects / PROFILE_FRACTION;
	assert_true(f.allocated.bytes > wanted * 0.9 && f.allocated.bytes < wanted * 1.1);
	assert_true(objects > COUNT * 0.9 && objects < COUNT * 1.1);
	assert_int_equal(f.temporary.bytes, f.allocated.bytes);
	paper_end();
}

TEST(hardened_and_profiled_is_both)
{
	paper_begin("hardened,guarded:0,profile:1");
	void *p = slab_malloc(100), *const q = slab_malloc(100000), *const r = slab_calloc(1, 500);
	struct figures f = look();
	expect(&f.live, 3, 100600);
	p = slab_realloc(p, 400);
	f = look();
	expect(&f.live, 3, 100900);
	slab_free(p);
	slab_free(q);
	slab_free(r);
	f = look();
	expect(&f.live, 0, 0);
	paper_end();
}

static void free_twice(void *p)
{
	slab_free(p);
	slab_free(p);
}

TEST(a_sample_that_is_freed_twice_is_named)
{
	char line[100];

	paper_begin(EACH);
	void *const p = slab_malloc(96), *const other = slab_malloc(96);
	snprintf(line, sizeof line, "dmm: double free: %p (96 bytes)\n", p);
	test_aborts_saying(free_twice, p, line);
	char *const inside = (char *)other + 16;
	snprintf(line, sizeof line, "dmm: invalid free: %p (inside 96 bytes)\n", inside);
	test_aborts_saying(free_twice, inside, line);
	paper_end();
}

enum { THREADS = 4, EACH_THREAD = 20000 };
static void *_Atomic handed[THREADS];

/* Each frees what its neighbour allocated. */
static void *exchange(void *arg)
{
	const size_t me = (uintptr_t)arg;

	for (int i = 0; i < EACH_THREAD; i++) {
		void *const p = slab_malloc(64 + (size_t)i % 900);
		slab_free(atomic_exchange(&handed[(me + 1) % THREADS], p));
	}
	return NULL;
}

TEST(threads_that_free_what_others_allocated_leave_nothing)
{
	pthread_t thread[THREADS];

	paper_begin(EACH);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, exchange, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < THREADS; i++)
		slab_free(atomic_exchange(&handed[i], NULL));
	const struct figures f = look();
	assert_true(f.allocated.objects >= (uint64_t)THREADS * EACH_THREAD * PROFILE_FRACTION);
	expect(&f.live, 0, 0);
	paper_sound();
	paper_end();
}

static void go_on_in_the_child(void *p)
{
	slab_free(p);
	void *const q = slab_malloc(700);
	const struct figures f = look();
	if (f.live.bytes != 700 || q == NULL)
		abort();
}

TEST(a_child_goes_on_with_its_own_profile)
{
	char out[200];

	paper_begin(EACH);
	void *const p = slab_malloc(500);
	assert_int_equal(test_in_child(go_on_in_the_child, p, out, sizeof out), 0);
	const struct figures f = look();
	expect(&f.live, 1, 500);
	slab_free(p);
	paper_end();
}

TEST(without_memory_for_it_a_sample_is_lost_and_the_program_goes_on)
{
	enum { COUNT = 200000 };
	static void *p[COUNT];

	paper_begin(EACH);
	paper.no_segments = true;
	for (int i = 0; i < COUNT; i++)
		p[i] = slab_malloc(64);
	profiler_copy(&head, copy, 0);
	assert_true(head.lost > 0);
	assert_int_equal(head.samples + head.lost, COUNT);
	for (int i = 0; i < COUNT; i++)
		slab_free(p[i]);
	profiler_copy(&head, copy, 0);
	assert_int_equal(head.live_bytes, 0);
	paper_end();
}
