/* cache_test.c - objects that threads keep, pass to each other, and leave at their end. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "actor.h"
#include "base/bits.h"
#include "fake_kernel.h"
#include "slab/alloc.h"
#include "slab/fast.h"
#include "slab/page_heap.h"
#include "slab/remote.h"
#include "slab/thread_cache.h"
#include "test.h"

enum { OBJECTS = 8000 };
static char *object[OBJECTS];

static void fill(size_t count, size_t n)
{
	for (size_t i = 0; i < count; i++) {
		object[i] = slab_malloc(n);
		assert_non_null(object[i]);
		memset(object[i], (int)(i % 251), n);
	}
}

static void unfill(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		slab_free(object[i]);
}

/* Objects that are neither live nor in avail: in some thread's magazine. */
static size_t waiting(size_t n)
{
	const unsigned cls = class_of(n);
	size_t count = 0;

	for (uint32_t g = 1; g < root.chunk_count * CHUNK_GRANULES; g++) {
		const struct slab *const s = slab_at(g);
		if (kind_of(s) != GRANULE_SLAB || s->cls != cls)
			continue;
		for (unsigned i = 0; i < s->count; i++) {
			const char *const p = slab_start(s) + (size_t)i * s->size;
			count += ((live_word(p) | atomic_load(avail_word(p))) & bit_of(p)) == 0;
		}
	}
	return count;
}

static size_t slabs_of(size_t n)
{
	const unsigned cls = class_of(n);
	size_t count = 0;

	for (uint32_t g = 1; g < root.chunk_count * CHUNK_GRANULES; g++)
		count += kind_of(slab_at(g)) == GRANULE_SLAB && slab_at(g)->cls == cls;
	return count;
}

/* ---- one thread */

static void keeps(const char *settings, size_t n, size_t most)
{
	paper_begin(settings);
	fill(1000, n);
	slab_free(object[999]); /* a first free, of a magazine that malloc has just filled */
	for (size_t i = 0; i < 999; i++) {
		if (waiting(n) > most)
			fail_msg("%s: %zu objects of %zu bytes wait", settings, waiting(n), n);
		slab_free(object[i]);
	}
	paper_sound();
	paper_end();
}

TEST(a_thread_keeps_no_more_than_the_settings_say)
{
	keeps("guarded:0", 64, 255); /* as settings.h says */
	keeps("guarded:0", 1024, 64); /* 64 KiB */
	keeps("guarded:0", 32768, 4);
	keeps("guarded:0,magazine_bytes:4k", 64, 64);
	keeps("guarded:0,magazine_bytes:4k", 4096, 4);
	keeps("guarded:0,magazine_bytes:4k,magazine_min_objects:9", 4096, 9);
	keeps("guarded:0,magazine_max_objects:5", 16, 5);
	keeps("guarded:0,magazine_max_objects:1", 16, 1);
	paper_begin("guarded:0");
	for (unsigned cls = 1; cls < class_count; cls++) {
		const size_t bytes = (64 << 10) / size_class[cls].size;
		const size_t most = cls <= class_of(240) ? 1151 : 255;
		assert_int_equal(size_class[cls].cached, bytes < 4 ? 4 : min_size(bytes, most));
	}
	paper_end();
}

TEST(who_only_frees_keeps_less_and_less_and_who_allocates_again_more)
{
	paper_begin("guarded:0");
	fill(3000, 64);
	unfill(0, 2000);
	assert_true(waiting(64) <= 63);
	paper_sound();
	fill(500, 64); /* refilled by halves: as large as ever */
	unfill(0, 64);
	assert_true(waiting(64) >= 64);
	paper_end();
}

TEST(what_was_freed_last_is_given_out_first)
{
	paper_begin("guarded:0");
	fill(1000, 48);
	unfill(0, 100);
	assert_true(waiting(48) >= 100);
	for (size_t i = 0; i < 100; i++)
		assert_ptr_equal(slab_malloc(48), object[99 - i]);
	paper_end();
}

TEST(a_fresh_heap_gives_addresses_that_rise_without_gaps)
{
	paper_begin("guarded:0");
	for (size_t n = 16; n <= 8192; n *= 2) {
		fill(100, n);
		for (size_t i = 1; i < 100; i++)
			if ((uintptr_t)object[i] / GRANULE == (uintptr_t)object[i - 1] / GRANULE)
				assert_ptr_equal(object[i], object[i - 1] + n);
	}
	paper_end();
}

TEST(of_slabs_that_are_all_free_one_of_a_class_is_kept)
{
	paper_begin("guarded:0");
	const size_t used = root.used;
	for (size_t n = 32; n <= 16384; n *= 2) {
		fill(2000, n);
		unfill(0, 2000);
		/* Objects in the magazine keep slabs of their own. */
		assert_true(slabs_of(n) <= 1 + waiting(n));
		assert_true(root.kept <= 16u * 16);
	}
	assert_true(root.used - used < 600);
	paper_sound();
	slab_trim(0);
	assert_int_equal(root.kept, 0);
	paper_sound();
	paper_end();
}

TEST(objects_go_first_to_the_slabs_that_others_share_before_a_new_one_is_opened)
{
	paper_begin("guarded:0");
	fill(4096, 128);
	const size_t slabs = slabs_of(128);
	for (size_t i = 0; i < 4096; i += 2)
		slab_free(object[i]);
	for (size_t i = 0; i < 4096; i += 2)
		object[i] = slab_malloc(128);
	assert_int_equal(slabs_of(128), slabs);
	paper_sound();
	paper_end();
}

/* ---- several, one after another, each step when it is told to go on */

static size_t size = 64;

static void fill_all(void)
{
	fill(OBJECTS, size);
}

static void free_all(void)
{
	unfill(0, OBJECTS);
}

static void free_odd(void)
{
	for (size_t i = 1; i < OBJECTS; i += 2)
		slab_free(object[i]);
}

static void free_even(void)
{
	for (size_t i = 0; i < OBJECTS; i += 2)
		slab_free(object[i]);
}

static void take_and_give_one(void)
{
	slab_free(slab_malloc(size));
}

/* The granules in use before there were any. */
static size_t begin_with_objects_of(struct actor *owner)
{
	paper_begin("guarded:0");
	take_and_give_one();
	const size_t before = root.used;
	begins(owner);
	does(owner, fill_all);
	return before;
}

static void compare_all(void)
{
	for (size_t i = 0; i < OBJECTS; i++)
		for (size_t at = 0; at < size; at += 15)
			assert_int_equal((unsigned char)object[i][at], i % 251);
}

TEST(an_owner_who_sleeps_does_not_keep_what_others_freed_for_him)
{
	struct actor owner;

	for (size = 64; size <= 5440; size += 5376) {
		const size_t before = begin_with_objects_of(&owner);
		const size_t full = root.used;
		compare_all();
		free_all();
		/* at once, and by nobody else */
		assert_true(root.used - before < (full - before) / 2 + 64);
		paper_sound();
		slab_trim(0);
		assert_true(root.used - before <= MAGAZINE_OBJECTS_MAX / 4 + 16);
		paper_sound();
		ends(&owner);
		slab_trim(0);
		assert_true(root.used <= before);
		paper_sound();
		paper_end();
	}
	size = 64;
}

TEST(what_others_freed_is_used_again_by_the_owner)
{
	struct actor owner;

	paper_begin("guarded:0");
	take_and_give_one();
	begins(&owner);
	does(&owner, fill_all);
	const size_t used = root.used;
	for (int round = 0; round < 20; round++) {
		free_odd(); /* no slab is emptied by it */
		for (size_t i = 1; i < OBJECTS; i += 2)
			object[i] = object[i - 1];
		static char *kept[OBJECTS];
		memcpy(kept, object, sizeof kept);
		does(&owner, fill_all); /* as much again, of which half fits where others freed */
		assert_true(root.used <= used + used / 2 + 64 + (size_t)round * (used / 2 + 16));
		for (size_t i = 0; i < OBJECTS; i += 2)
			slab_free(kept[i]);
		paper_sound();
	}
	free_all();
	ends(&owner);
	slab_trim(0);
	paper_sound();
	assert_true(root.used < 64);
	paper_end();
}

TEST(an_owner_who_only_frees_looks_around_for_what_others_freed)
{
	struct actor owner;

	paper_begin("guarded:0");
	take_and_give_one();
	const size_t before = root.used;
	begins(&owner);
	does(&owner, fill_all);
	free_odd();
	does(&owner, free_even);
	assert_true(root.used - before <= 80);
	paper_sound();
	ends(&owner);
	paper_end();
}

TEST(a_thread_that_ends_leaves_all_to_those_who_need_it)
{
	struct actor owner;

	paper_begin("guarded:0");
	take_and_give_one();
	begins(&owner);
	does(&owner, fill_all);
	does(&owner, free_odd);
	ends(&owner);
	assert_true(waiting(size) <= MAGAZINE_OBJECTS_MAX); /* in our own magazine */
	const size_t used = root.used;
	char *more[OBJECTS / 2];
	for (size_t i = 0; i < OBJECTS / 2; i++)
		more[i] = slab_malloc(size);
	assert_true(root.used <= used + 2);
	paper_sound();
	for (size_t i = 0; i < OBJECTS / 2; i++)
		slab_free(more[i]);
	free_even();
	slab_trim(0);
	paper_sound();
	assert_true(root.used <= 40);
	paper_end();
}

TEST(frees_into_the_slabs_of_an_ended_thread_give_them_back)
{
	struct actor owner;

	for (size = 64; size <= 5440; size += 5376) {
		const size_t before = begin_with_objects_of(&owner);
		ends(&owner);
		compare_all();
		free_all();
		assert_int_equal(root.used, before);
		paper_sound();
		paper_end();
	}
	size = 64;
}

TEST(a_thousand_threads_one_after_another_use_the_same_heap)
{
	struct actor a;

	paper_begin("guarded:0");
	take_and_give_one();
	for (int i = 0; i < 300; i++) {
		begins(&a);
		does(&a, take_and_give_one);
		ends(&a);
	}
	assert_int_equal(root.heap_count, HEAP_FIRST + 2);
	assert_true(root.used < 16);
	paper_sound();
	paper_end();
}

TEST(more_threads_than_there_are_heaps_are_served_all_the_same)
{
	enum { THREADS = 90, LIMIT = 50 };
	static struct actor a[THREADS];
	static char *mine[THREADS];

	paper_begin("guarded:0");
	for (size_t i = 0; i < THREADS; i++) {
		begins(&a[i]);
		does(&a[i], take_and_give_one);
		paper.no_segments = root.heap_count >= LIMIT;
	}
	assert_in_range(root.heap_count, LIMIT, LIMIT + 5);
	size = 40;
	for (size_t i = 0; i < 20; i++) { /* the last ones have none of their own */
		does(&a[THREADS - 1 - i], fill_all);
		memcpy(&mine[i], object, sizeof *mine);
		compare_all();
		does(&a[(i * 7) % THREADS], free_all);
		paper_sound();
	}
	for (size_t i = 0; i < THREADS; i++)
		ends(&a[i]);
	slab_trim(0);
	paper_sound();
	assert_true(root.used < 64);
	size = 64;
	paper_end();
}

/* ---- misuse across threads */

static void free_first(void)
{
	slab_free(object[0]);
}

static struct actor other;

static void twice_by_another(void *arg)
{
	(void)arg;
	begins(&other);
	does(&other, free_first);
	does(&other, free_first);
}

static void once_by_each(void *arg)
{
	(void)arg;
	begins(&other);
	does(&other, free_first);
	slab_free(object[0]);
}

static void first_the_owner(void *arg)
{
	(void)arg;
	begins(&other);
	slab_free(object[0]);
	does(&other, free_first);
}

TEST(an_object_is_freed_once_whoever_frees)
{
	char line[100];

	paper_begin("guarded:0");
	for (size = 64; size <= 5440; size += 5376) {
		const unsigned cls = class_of(size);
		for (unsigned i = 0; i < 5; i++) { /* at different places of its slab */
			fill(OBJECTS / 4, size);
			object[0] = object[1 + i * 5];
			snprintf(line, sizeof line, "dmm: double free: %p (%zu bytes)\n",
			    (void *)object[0],
			    class_usable(cls));
			test_aborts_saying(twice_by_another, NULL, line);
			test_aborts_saying(once_by_each, NULL, line);
			test_aborts_saying(first_the_owner, NULL, line);
		}
	}
	size = 64;
	paper_end();
}

/* ---- no memory */

TEST(a_thread_without_memory_is_told_and_goes_on_when_there_is_some)
{
	struct actor a;

	paper_begin("guarded:0");
	fill(10, 64);
	begins(&a);
	paper.no_map = true;
	errno = 0;
	size_t refused = 0;
	for (size_t n = 1000; n < 30000; n += 1000) /* until what is accessible is used up */
		for (int i = 0; i < 4000; i++) {
			char *const p = slab_malloc(n);
			if (p == NULL) {
				assert_int_equal(errno, ENOMEM);
				refused++;
				break;
			}
		}
	assert_true(refused >= 25);
	paper_sound();
	paper.no_map = false;
	does(&a, take_and_give_one);
	fill(100, 30000);
	paper_sound();
	ends(&a);
	paper_end();
}
