/* purge_calls_test.c - memory comes back by the calls of the program alone, as in a process
 * without threads. */
#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "base/rng.h"
#include "fake_kernel.h"
#include "objects.h"
#include "os/helper.h"
#include "slab/alloc.h"
#include "slab/chunks.h"
#include "slab/fast.h"
#include "slab/page_heap.h"
#include "slab/purge.h"
#include "slab/thread_cache.h"
#include "test.h"

static const size_t MIB = 1 << 20;
enum { OBJECTS = 20000, OBJECT = 2048 }; /* 40 MiB */
static char *object[OBJECTS];
static struct rng dice;

static void begin(const char *settings)
{
	paper_begin(settings);
	purge_by(PURGE_BY_CALLS);
	dice = (struct rng){7};
}

static void shuffle(void)
{
	for (size_t i = OBJECTS - 1; i > 0; i--) {
		const size_t j = rng_below(&dice, i + 1);
		char *const p = object[i];
		object[i] = object[j];
		object[j] = p;
	}
}

static void pass_ms(unsigned ms)
{
	paper.now_ns += (uint64_t)ms * 1000000;
}

static size_t wanted(void)
{
	return root.used * GRANULE + max_size(MIB, root.used * GRANULE / 8);
}

TEST(a_fall_ends_with_the_limit_and_needs_no_clock)
{
	begin("guarded:0");
	objects_fill(object, 0, OBJECTS, OBJECT);
	assert_true(paper_resident_payload() >= 39 * MIB);
	objects_free(object, 0, OBJECTS);
	assert_true(paper_resident_payload() <= wanted());
	assert_true(root.used * GRANULE < 2 * MIB);
	paper_sound();
	paper_end();
}

TEST(so_it_does_whatever_the_order_and_the_size)
{
	static const size_t sizes[] = {48, 200, 700, 2048, 5440, 18688};

	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		begin("guarded:0");
		objects_fill(object, 0, OBJECTS, sizes[s]);
		shuffle();
		objects_free(object, 0, OBJECTS);
		const size_t left = paper_resident_payload();
		if (left > 4 * MIB)
			fail_msg("%zu bytes each: %zu KiB are left", sizes[s], left >> 10);
		paper_sound();
		paper_end();
	}
}

TEST(while_it_falls_no_more_is_dirty_than_the_limit)
{
	begin("guarded:0");
	objects_fill(object, 0, OBJECTS, 4096);
	for (size_t i = 0; i < OBJECTS; i++) {
		objects_free(object, i, i + 1);
		assert_true(purge_dirty() <= purge_limit() + 8);
	}
	paper_end();
}

/* The kernel may take milliseconds for a collapse, and for 2 MiB that go back. */
TEST(while_the_kernel_gives_or_takes_memory_nobody_waits_for_page_lock)
{
	begin("guarded:0,huge_from_mib:4");
	for (int turn = 0; turn < 3; turn++) {
		objects_fill(object, 0, OBJECTS, OBJECT);
		shuffle();
		/* chunks with holes are no huge pages any more */
		objects_free(object, 0, OBJECTS / 2);
		objects_free(object, OBJECTS / 2, OBJECTS);
		purge_now(0);
	}
	assert_true(root.absent_rows > 0);
	assert_true(paper.count > 10);
	assert_int_equal(paper.unmapped_under_page_lock, 0);
	paper_sound(); /* looks at waited_for */
	paper_end();
}

TEST(a_large_object_goes_when_it_is_freed)
{
	begin("guarded:0");
	char *const p = slab_malloc(64 * MIB);
	memset(p, 1, 64 * MIB);
	slab_free(p);
	assert_true(paper_resident_payload() <= MIB);
	paper_end();
}

TEST(what_is_wanted_again_and_again_is_given_back_once_or_twice)
{
	begin("guarded:0");
	for (int i = 0; i < 20; i++) {
		objects_fill(object, 0, OBJECTS, OBJECT);
		shuffle();
		pass_ms(50);
		objects_free(object, 0, OBJECTS);
		pass_ms(50);
	}
	/* pages of slabs, and once more what the slabs lay on */
	assert_true(paper.purged_bytes <= 3 * 42 * MIB);
	const size_t purged = paper.purged_bytes;
	objects_fill(object, 0, OBJECTS, OBJECT);
	objects_free(object, 0, OBJECTS);
	/* a chunk with holes, which begins anew */
	assert_true(paper.purged_bytes - purged <= 4 * MIB);
	assert_true(paper_resident_payload() >= 34 * MIB);
	paper_sound();
	paper_end();
}

static unsigned free_chunks_with_holes(void)
{
	unsigned count = 0;

	for (uint32_t chunk = 1; chunk < root.chunk_count; chunk++)
		count += chunk_at(chunk)->state == CHUNK_HERE && chunk_at(chunk)->holed &&
		    chunk_is_whole(chunk);
	return count;
}

/* At the end of a fall in random order the thread's magazines hold objects of most chunks.  One
 * call empties them all, and each chunk has lost parts of its memory before. */
TEST(all_chunks_that_one_flush_empties_go_and_are_filled_by_huge_pages_again)
{
	begin("guarded:0,huge_from_mib:4");
	objects_fill(object, 0, OBJECTS, 2000);
	shuffle();
	objects_free(object, 0, OBJECTS);
	assert_true(root.chunk_count >= 20);
	assert_int_equal(free_chunks_with_holes(), 0);
	paper_sound();
	paper_end();
}

/* Chunks with holes fall empty, and no more is dirty than may be. */
static unsigned free_chunks_left(bool dear)
{
	enum { LEFT = 32 };

	begin("guarded:0,huge_from_mib:4");
	objects_fill(object, 0, OBJECTS, 2000);
	for (size_t i = 0; i < OBJECTS; i++)
		if (i % LEFT != 0)
			slab_free(object[i]);
	purge_now(0);
	tuning.dirty_floor_bytes = 1024 * MIB;
	root.huge_dear_until = dear ? paper.now_ns + 400000000 : 0;
	for (size_t i = 0; i < OBJECTS; i += LEFT)
		slab_free(object[i]);
	const unsigned left = free_chunks_with_holes();
	paper_sound();
	paper_end();
	return left;
}

TEST(chunks_with_holes_that_fall_empty_go_unless_huge_pages_are_dear)
{
	assert_int_equal(free_chunks_left(false), 0);
	assert_true(free_chunks_left(true) >= 4);
}

/* Chunks lose the memory of a few granules, and fall empty; *count: how many chunks there are. */
static size_t purged_of_chunks_that_lost(unsigned granules)
{
	enum { CHUNKS = 20 };
	static uint32_t run[CHUNKS];
	bool clean;

	begin("guarded:0,huge_from_mib:4");
	for (unsigned i = 0; i < CHUNKS; i++) {
		run[i] = run_take(CHUNK_GRANULES, 1, &clean);
		assert_true(run[i] != 0);
	}
	for (unsigned i = 0; i < CHUNKS; i++)
		run_give(run[i], granules, false);
	purge_now(0);
	const size_t purged = paper.purged_bytes;
	tuning.dirty_floor_bytes = 1024 * MIB;
	for (unsigned i = 0; i < CHUNKS; i++)
		run_give(run[i] + granules, CHUNK_GRANULES - granules, false);
	purge_check(NULL);
	const size_t went = paper.purged_bytes - purged;
	paper_sound();
	paper_end();
	return went;
}

/* To fill a few small pages takes less than to give the others back and to fill a huge one. */
TEST(a_chunk_that_falls_empty_stays_if_it_lost_little_of_its_memory)
{
	assert_int_equal(purged_of_chunks_that_lost(8), 0);
	assert_true(purged_of_chunks_that_lost(64) >= 20 * MIB);
}

/* Payload, live, avail and the records of slabs. */
TEST(of_a_whole_chunk_each_table_goes_with_one_call)
{
	begin("guarded:0,dirty_floor_bytes:1g");
	objects_fill(object, 0, OBJECTS, OBJECT);
	const size_t chunks = root.chunk_count;
	objects_free(object, 0, OBJECTS);
	const size_t calls = paper.purge_calls;
	purge_now(0);
	assert_true(chunks >= 20);
	assert_in_range(paper.purge_calls - calls, chunks - 1, 5 * chunks);
	paper_sound();
	paper_end();
}

TEST(nothing_is_learned_where_the_setting_says_so)
{
	begin("guarded:0,purge_again_ms:0");
	for (int i = 0; i < 5; i++) {
		objects_fill(object, 0, OBJECTS, OBJECT);
		objects_free(object, 0, OBJECTS);
		pass_ms(1);
		assert_true(paper_resident_payload() <= wanted());
	}
	paper_end();
}

/* The page faults of 40 MiB take 20 ms, which is a twentieth of 400. */
static size_t kept_after(unsigned rest_ms, bool at_random)
{
	size_t kept = 0;

	begin("guarded:0");
	for (int i = 0; i < 5; i++) {
		objects_fill(object, 0, OBJECTS, OBJECT);
		if (at_random)
			shuffle();
		objects_free(object, 0, OBJECTS);
		kept = paper_resident_payload();
		pass_ms(rest_ms);
	}
	paper_sound();
	paper_end();
	return kept;
}

TEST(what_comes_back_after_a_rest_is_given_back_each_time)
{
	assert_true(kept_after(300, false) >= 38 * MIB);
	assert_true(kept_after(500, false) <= 2 * MIB);
	/* pages of slabs go first; they count once */
	assert_true(kept_after(300, true) >= 34 * MIB);
	assert_true(kept_after(500, true) <= 4 * MIB);
}

TEST(what_was_learned_is_forgotten_by_a_program_that_goes_on_in_a_small_way)
{
	begin("guarded:0");
	for (int i = 0; i < 4; i++) {
		objects_fill(object, 0, OBJECTS, OBJECT);
		pass_ms(50);
		objects_free(object, 0, OBJECTS);
		pass_ms(50);
	}
	assert_true(paper_resident_payload() >= 38 * MIB);
	for (int i = 0; i < 100; i++) {
		pass_ms(100);
		objects_fill(object, 0, 400, 1000); /* so much that it goes by the slow path */
		objects_free(object, 0, 400);
	}
	assert_true(paper_resident_payload() <= 4 * MIB);
	paper_sound();
	paper_end();
}

/* ---- pages of slabs */

static void sparse(size_t n, size_t every, size_t most_of_full)
{
	begin("guarded:0");
	objects_fill(object, 0, OBJECTS, n);
	const size_t full = paper_resident_payload();
	for (size_t i = 0; i < OBJECTS; i++)
		if (i % every != 0)
			objects_free(object, i, i + 1);
	const size_t left = paper_resident_payload();
	if (left > full / 100 * most_of_full + 2 * MIB)
		fail_msg("%zu bytes, one of %zu: %zu of %zu KiB are left", n, every, left >> 10,
		    full >> 10);
	paper_sound();
	for (size_t i = 0; i < OBJECTS; i += every)
		for (size_t at = 0; at < n; at += 7)
			assert_int_equal((unsigned char)object[i][at], i % 251 + 1);
	objects_free(object, 0, OBJECTS);
	assert_true(paper_resident_payload() <= 4 * MIB);
	paper_end();
}

TEST(pages_of_slabs_on_which_nothing_lives_go_while_it_falls)
{
	sparse(512, 32, 60);
	sparse(1360, 12, 60);
	sparse(5440, 12, 40);
	sparse(8192, 16, 40);
	sparse(14336, 8, 40);
}

/* Each sweep looks at every partly empty slab: so few of them that a fall stays linear. */
TEST(sweeps_become_no_more_frequent_as_the_heap_grows)
{
	begin("guarded:0");
	objects_fill(object, 0, OBJECTS, OBJECT);
	shuffle();
	objects_free(object, 0, OBJECTS / 2);
	const size_t purged = paper.purged_bytes;
	for (int i = 0; i < 50; i++) { /* a steady state over a sparse heap */
		objects_fill(object, 0, 2000, OBJECT);
		objects_free(object, 0, 2000);
		pass_ms(10);
	}
	assert_true(paper.purged_bytes - purged <= 2 * 42 * MIB);
	paper_end();
}

/* ---- refusals */

TEST(who_is_refused_asks_again_after_a_second)
{
	begin("guarded:0");
	objects_fill(object, 0, OBJECTS, OBJECT);
	paper.no_purge = true;
	objects_free(object, 0, OBJECTS - 4000);
	assert_true(root.dirty * GRANULE > 20 * MIB);
	paper_sound();
	paper.no_purge = false;
	objects_free(object, OBJECTS - 4000, OBJECTS - 2000);
	assert_true(root.dirty * GRANULE > 20 * MIB); /* a second has not passed */
	pass_ms(1001);
	objects_free(object, OBJECTS - 2000, OBJECTS);
	assert_true(paper_resident_payload() <= wanted());
	paper_sound();
	paper_end();
}

/* ---- threads: here the test says who purges, so no helper comes */

static void *allocates_and_frees(void *arg)
{
	objects_fill(object, 0, OBJECTS, OBJECT);
	objects_free(object, 0, OBJECTS);
	return arg;
}

TEST(a_thread_that_ends_leaves_no_more_than_the_limit)
{
	pthread_t thread;

	begin("guarded:0");
	slab_free(slab_malloc(1));
	assert_int_equal(pthread_create(&thread, NULL, allocates_and_frees, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(paper_resident_payload() <= wanted() + MIB);
	paper_sound();
	paper_end();
}

/* A thread that holds the heap that was used last, so that the next one gets another. */
static pthread_barrier_t held;

static void *holds_a_heap(void *arg)
{
	slab_free(slab_malloc(1));
	pthread_barrier_wait(&held);
	pthread_barrier_wait(&held);
	return arg;
}

/* Objects of each slab live on in the main thread's hands. */
static void *leaves_sparse_slabs(void *arg)
{
	objects_fill(object, 0, OBJECTS, OBJECT);
	for (size_t i = 0; i < OBJECTS; i++)
		if (i % 31 != 0)
			objects_free(object, i, i + 1);
	return arg;
}

static void in_a_thread(void *(*body)(void *))
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, body, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

TEST(what_one_threads_heap_has_taught_the_next_thread_need_not_learn)
{
	pthread_t holder;

	begin("guarded:0");
	slab_free(slab_malloc(1));
	in_a_thread(leaves_sparse_slabs); /* its pages go */
	const size_t first = paper.purged_bytes;
	assert_true(first >= 10 * MIB);
	objects_free(object, 0, OBJECTS);
	in_a_thread(leaves_sparse_slabs); /* and are asked for again, which teaches */
	objects_free(object, 0, OBJECTS);
	assert_int_equal(pthread_barrier_init(&held, NULL, 2), 0);
	assert_int_equal(pthread_create(&holder, NULL, holds_a_heap, NULL), 0);
	pthread_barrier_wait(&held);
	const size_t before = paper.purged_bytes;
	in_a_thread(leaves_sparse_slabs); /* with another heap */
	assert_true(paper.purged_bytes - before <= 4 * MIB);
	pthread_barrier_wait(&held);
	assert_int_equal(pthread_join(holder, NULL), 0);
	paper_sound();
	paper_end();
}

/* ---- the helper */

TEST(no_helper_begins_for_a_moment_in_which_memory_is_expected_to_be_needed_again)
{
	pthread_t holder;

	begin("guarded:0,purge_tick_ms:60000");
	for (int i = 0; i < 3; i++) {
		objects_fill(object, 0, OBJECTS, OBJECT);
		objects_free(object, 0, OBJECTS);
	}
	assert_true(purge_keep() * GRANULE >= 30 * MIB);
	purge_by(PURGE_BY_PROCESS);
	for (int i = 0; i < 2; i++) { /* a thread that comes and goes, and one that stays */
		assert_int_equal(pthread_barrier_init(&held, NULL, 2), 0);
		assert_int_equal(pthread_create(&holder, NULL, holds_a_heap, NULL), 0);
		pthread_barrier_wait(&held);
		if (i == 0) {
			pthread_barrier_wait(&held);
			assert_int_equal(pthread_join(holder, NULL), 0);
		}
	}
	objects_fill(object, 0, OBJECTS, OBJECT);
	objects_free(object, 0, OBJECTS);
	assert_true(purge_dirty() > purge_limit());
	assert_false(helper_running());
	pass_ms(11);
	objects_fill(object, 0, OBJECTS / 8, OBJECT);
	objects_free(object, 0, OBJECTS / 8);
	assert_true(helper_running());
	purge_by(PURGE_BY_CALLS);
	pthread_barrier_wait(&held);
	assert_int_equal(pthread_join(holder, NULL), 0);
	paper_sound();
	paper_end();
}

static void *frees_all(void *arg)
{
	objects_free(object, 0, OBJECTS);
	return arg;
}

TEST(what_another_thread_frees_comes_back_though_the_owner_sleeps)
{
	pthread_t thread;

	begin("guarded:0");
	objects_fill(object, 0, OBJECTS, OBJECT);
	assert_int_equal(pthread_create(&thread, NULL, frees_all, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(paper_resident_payload() <= 5 * MIB);
	paper_sound();
	paper_end();
}
