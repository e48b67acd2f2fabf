/* purge_test.c - slab purges free pages within a second, down to the promised limit, and never a
 * page with a live object.  The tests ask the kernel which pages are resident. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "fake_kernel.h"
#include "objects.h"
#include "slab/alloc.h"
#include "slab/fast.h"
#include "slab/place.h"
#include "slab/purge.h"
#include "slab/thread_cache.h"
#include "test.h"

static const size_t MIB = 1 << 20;
enum { OBJECTS = 20000, OBJECT = 2048 };
static char *object[OBJECTS];

static size_t in_use(void)
{
	return root.used * GRANULE;
}

static size_t promised(size_t live)
{
	return max_size(MIB, live / 8);
}

TEST(dirty_memory_is_given_back_after_its_age_and_within_a_second_is_what_was_promised)
{
	paper_begin("guarded:0");
	objects_fill(object, 0, OBJECTS, OBJECT);
	objects_free(object, 1000, OBJECTS);
	const size_t full = paper_resident_payload();
	assert_true(full >= 39 * MIB);
	for (unsigned ms = 100; ms <= 400; ms += 100) {
		paper_pass_ms(100);
		/* a few pages of slabs; the rest may be wanted again */
		assert_true(paper.purged_bytes <= MIB / 2);
	}
	paper_pass_ms(100);
	assert_true(paper.purged_bytes > 30 * MIB);
	paper_pass_ms(500);
	assert_true(paper_resident_payload() <= in_use() + promised(in_use()));
	assert_true(in_use() < 3 * MIB);
	objects_compare(object, 0, 1000, OBJECT);
	paper_sound();
	paper_end();
}

TEST(the_age_and_the_tick_are_settings)
{
	paper_begin("guarded:0,purge_age_ms:250,purge_tick_ms:50");
	objects_fill(object, 0, OBJECTS, OBJECT);
	objects_free(object, 0, OBJECTS);
	paper_pass_ms(249);
	assert_true(paper.purged_bytes <= MIB / 2);
	paper_pass_ms(51);
	assert_true(paper.purged_bytes > 30 * MIB);
	paper_end();
}

TEST(what_is_within_the_limit_stays)
{
	paper_begin("guarded:0,dirty_floor_bytes:16m");
	objects_fill(object, 0, OBJECTS, OBJECT);
	objects_free(object, 0, OBJECTS);
	paper_pass_ms(1000);
	const size_t kept = paper_resident_payload();
	assert_true(kept <= 9 * MIB); /* half of it, so that not every free wakes it again */
	assert_true(kept >= 5 * MIB);
	paper_pass_ms(3000);
	assert_int_equal(paper_resident_payload(), kept);
	paper_end();
	paper_begin("guarded:0,dirty_share_permille:1000"); /* as much as is in use */
	objects_fill(object, 0, OBJECTS, OBJECT);
	const size_t purged = paper.purged_bytes;
	objects_free(object, OBJECTS / 2 + 200, OBJECTS);
	paper_pass_ms(3000);
	assert_int_equal(paper.purged_bytes, purged);
	objects_free(object, OBJECTS / 2 - 400, OBJECTS / 2 + 200);
	paper_pass_ms(1000);
	assert_true(paper.purged_bytes > purged);
	paper_end();
}

TEST(what_is_taken_again_and_again_is_not_given_back)
{
	paper_begin("guarded:0");
	for (unsigned i = 0; i < 30; i++) {
		char *const p = slab_malloc(8 * MIB);
		assert_non_null(p);
		memset(p, 1, 8 * MIB);
		slab_free(p);
		paper_pass_ms(100);
	}
	assert_int_equal(paper.purged_bytes, 0);
	paper_pass_ms(600);
	assert_true(paper.purged_bytes >= 7 * MIB);
	paper_end();
}

TEST(the_purger_comes_to_an_end_and_again_when_it_is_needed)
{
	paper_begin("guarded:0");
	objects_fill(object, 0, OBJECTS, OBJECT);
	objects_free(object, 0, OBJECTS);
	const uint32_t before = root.epoch;
	paper_pass_ms(3000);
	const uint32_t after = root.epoch;
	assert_in_range(after - before, 10, 25); /* ticks of 100 ms; a second of quiet ends it */
	paper_pass_ms(60000);
	assert_int_equal(root.epoch, after);
	assert_true(paper_resident_payload() <= in_use() + MIB);
	objects_fill(object, 0, OBJECTS, OBJECT);
	objects_free(object, 0, OBJECTS);
	paper_pass_ms(1000);
	assert_true(paper_resident_payload() <= in_use() + MIB);
	paper_sound();
	paper_end();
}

TEST(a_small_program_has_no_purger)
{
	paper_begin("guarded:0");
	const uint32_t epoch = root.epoch;
	objects_fill(object, 0, 300, OBJECT);
	objects_free(object, 0, 300);
	paper_pass_ms(5000);
	assert_int_equal(root.epoch, epoch);
	assert_int_equal(paper.purged_bytes, 0);
	paper_end();
}

/* ---- pages within slabs */

static void empty_but_one_of(size_t every)
{
	for (size_t i = 0; i < OBJECTS; i++)
		if (i % every != 0)
			objects_free(object, i, i + 1);
}

static void sparse(size_t n, size_t every, size_t most_of_full)
{
	paper_begin("guarded:0");
	objects_fill(object, 0, OBJECTS, n);
	const size_t full = paper_resident_payload();
	empty_but_one_of(every);
	paper_pass_ms(2500);
	const size_t left = paper_resident_payload(), purged = paper.purged_bytes;
	assert_true(left <= full / 100 * most_of_full + 2 * MIB);
	objects_compare(object, 0, OBJECTS, n);
	paper_sound();
	/* Released memory is not released again, whichever thread wakes the purger. */
	char *const large = slab_malloc(8 * MIB);
	memset(large, 1, 8 * MIB);
	slab_free(large);
	paper_pass_ms(2500);
	assert_true(paper.purged_bytes - purged <= 9 * MIB + promised(in_use()));
	for (size_t i = 0; i < OBJECTS; i++)
		if (object[i] == NULL)
			objects_fill(object, i, i + 1, n);
	objects_compare(object, 0, OBJECTS, n);
	objects_free(object, 0, OBJECTS);
	paper_sound();
	paper_end();
}

TEST(pages_of_slabs_on_which_nothing_lives_come_back_and_what_lives_stays)
{
	sparse(512, 32, 27);     /* one object in each slab of four pages */
	sparse(1360, 12, 40);    /* objects that lie across pages */
	sparse(5440, 12, 17);    /* slabs of two granules, */
	sparse(8192, 16, 17);
	sparse(14336, 8, 17);    /* of seven, */
	sparse(18688, 7, 17);    /* and of eight */
}

TEST(no_page_of_an_object_that_is_in_a_threads_stack_is_given_back)
{
	paper_begin("guarded:0,magazine_bytes:16m,magazine_min_objects:127");
	objects_fill(object, 0, OBJECTS, 4096);
	empty_but_one_of(4);
	paper_pass_ms(2500);
	objects_compare(object, 0, OBJECTS, 4096);
	const size_t after = paper_resident_payload();
	assert_true(after >= OBJECTS / 4 * 4096u);
	assert_true(after <= OBJECTS / 4 * 4096u + 3 * MIB);
	objects_free(object, 0, OBJECTS);
	paper_end();
}

/* ---- refusals, trim, metadata, kept slabs */

TEST(pages_of_slabs_that_a_kernel_refuses_to_take_are_offered_again)
{
	paper_begin("guarded:0");
	objects_fill(object, 0, OBJECTS, 512);
	const size_t full = paper_resident_payload();
	paper.no_purge = true;
	empty_but_one_of(32);
	paper_pass_ms(2500);
	assert_true(paper_resident_payload() >= full);
	paper.no_purge = false;
	char *const large = slab_malloc(8 * MIB); /* the purger comes once more */
	slab_free(large);
	paper_pass_ms(2500);
	assert_true(paper_resident_payload() <= full / 100 * 27 + 2 * MIB);
	objects_free(object, 0, OBJECTS);
	paper_sound();
	paper_end();
}

TEST(a_kernel_that_refuses_is_asked_again_later)
{
	paper_begin("guarded:0");
	objects_fill(object, 0, OBJECTS, OBJECT);
	objects_free(object, 100, OBJECTS);
	paper.no_purge = true;
	paper_pass_ms(2000);
	assert_true(root.dirty * GRANULE > 30 * MIB);
	paper_sound();
	paper.no_purge = false;
	paper_pass_ms(2000);
	assert_true(paper_resident_payload() <= in_use() + MIB);
	objects_compare(object, 0, 100, OBJECT);
	paper_end();
}

TEST(trim_gives_back_all_but_what_is_to_be_kept_and_says_how_much)
{
	paper_begin("guarded:0");
	objects_fill(object, 0, OBJECTS, OBJECT);
	objects_free(object, 200, OBJECTS);
	const size_t full = paper_resident_payload();
	const size_t some = slab_trim(20 * MIB), after_some = paper_resident_payload();
	assert_true(some > 0);
	assert_true(root.dirty * GRANULE <= 20 * MIB);
	/* and no more than it must, in chunks of 2 MiB */
	assert_true(root.dirty * GRANULE > 17 * MIB);
	assert_in_range(full - after_some, some, some + some / 8);
	const size_t rest = slab_trim(0);
	assert_true(rest > 17 * MIB);
	assert_int_equal(root.dirty, 0);
	assert_true(paper_resident_payload() <= in_use());
	assert_int_equal(slab_trim(0), 0);
	objects_compare(object, 0, 200, OBJECT);
	paper_sound();
	paper_end();
	assert_int_equal(slab_trim(0), 0); /* there is no heap */
}

static size_t resident_metadata(void)
{
	static const enum table_kind tables[] = {TABLE_AVAIL, TABLE_LIVE, TABLE_SLABS, TABLE_TAGS};
	size_t bytes = 0;

	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		bytes +=
		    paper_resident((void *)table_address(tables[i]), root.table[tables[i]].mapped);
	return bytes;
}

TEST(metadata_of_chunks_that_are_all_free_comes_back_too)
{
	paper_begin("guarded:0");
	objects_fill(object, 0, OBJECTS, OBJECT);
	for (size_t i = 0; i < 30; i++)
		slab_free(slab_malloc(MIB)); /* where objects were, and are not */
	const size_t full = resident_metadata();
	assert_true(full > 400 << 10);
	objects_free(object, 0, OBJECTS);
	slab_trim(0);
	assert_true(resident_metadata() < full / 4);
	objects_fill(object, 0, OBJECTS, OBJECT);
	objects_compare(object, 0, OBJECTS, OBJECT);
	objects_free(object, 0, OBJECTS);
	paper_sound();
	paper_end();
}

TEST(bits_of_what_is_still_live_stay_when_its_neighbours_metadata_goes)
{
	paper_begin("guarded:0");
	objects_fill(object, 0, OBJECTS, OBJECT);
	for (size_t i = 0; i < OBJECTS; i++) /* of each chunk a quarter stays */
		if (i / 256 % 4 != 0)
			objects_free(object, i, i + 1);
	slab_trim(0);
	paper_sound();
	objects_compare(object, 0, OBJECTS, OBJECT);
	for (size_t i = 0; i < OBJECTS; i++)
		if (object[i] != NULL)
			assert_int_equal(slab_usable(object[i]), OBJECT);
	objects_free(object, 0, OBJECTS);
	paper_sound();
	paper_end();
}

TEST(a_kept_slab_goes_when_nobody_has_taken_from_it_for_two_looks)
{
	paper_begin("guarded:0,dirty_floor_bytes:0,dirty_share_permille:0,magazine_max_objects:2");
	for (size_t n = 1024; n <= 16384; n += n / 4) {
		objects_fill(object, 0, 40, n);
		objects_free(object, 0, 40);
	}
	const size_t kept = root.kept;
	assert_true(kept >= 10);
	paper_pass_ms(100);
	assert_int_equal(root.kept, kept);
	paper_pass_ms(200);
	assert_int_equal(root.kept, 0);
	paper_pass_ms(1000);
	assert_int_equal(root.dirty, 0);
	paper_sound();
	paper_end();
}

/* ---- the lock of a heap: who holds it sees nothing change */

static sem_t filled, leave;

static void *fills_a_slab_and_waits(void *arg)
{
	objects_fill(object, 0, 8, 8192);
	sem_post(&filled);
	sem_wait(&leave);
	return arg;
}

static void *trims(void *arg)
{
	slab_trim(0);
	return arg;
}

TEST(what_others_emptied_is_not_taken_from_a_heap_whose_lock_is_held)
{
	pthread_t owner, trimmer = 0;

	paper_begin("guarded:0");
	slab_free(slab_malloc(64));
	sem_init(&filled, 0, 0);
	sem_init(&leave, 0, 0);
	assert_int_equal(pthread_create(&owner, NULL, fills_a_slab_and_waits, NULL), 0);
	sem_wait(&filled);
	objects_free(object, 0, 8); /* all of it; the slab waits in its owner's inbox */
	struct slab_heap *const h = heap_at(HEAP_FIRST + 1);
	const size_t used = root.used, kept = root.kept;
	lock_take(&h->lock);
	const bool waits = h->inbox != 0 && pthread_create(&trimmer, NULL, trims, NULL) == 0;
	usleep(200000);
	const size_t meanwhile = root.used, kept_meanwhile = root.kept;
	lock_give(&h->lock);
	assert_true(waits);
	pthread_join(trimmer, NULL);
	const size_t after = root.used;
	sem_post(&leave);
	pthread_join(owner, NULL);
	assert_int_equal(meanwhile, used);
	assert_in_range(kept_meanwhile, 0, kept); /* of heaps before it, those go */
	assert_int_equal(after, used - 4); /* granules of that slab */
	paper_sound();
	paper_end();
}

TEST(an_object_of_a_slab_that_is_gone_is_known_as_freed_in_whichever_granule_it_lay)
{
	size_t gone = 0;

	paper_begin("guarded:0,magazine_bytes:0,magazine_min_objects:1");
	char *const stays = slab_malloc(64); /* the records of its chunk stay */
	objects_fill(object, 0, 70, 18688);                  /* ten slabs of eight granules */
	for (size_t i = 0; i < 70; i++)
		slab_free(object[i]);
	slab_trim(0);
	for (size_t i = 0; i < 70; i++) {
		const struct place at = place_of(object[i]);
		assert_null(at.slab);
		assert_true(at.freed);
		assert_int_equal(at.size, 18688);
		assert_false(place_of(object[i] + 64).freed);
		gone += tag_heap(tag_at(((uintptr_t)object[i] - root.base) >> GRANULE_SHIFT)) == 0;
	}
	assert_true(gone >= 63);
	/* Where something else lies by now, nothing is said of the past. */
	char *const large = slab_malloc(60 * 18688);
	assert_true(large <= object[10] && object[10] < large + 60 * 18688);
	for (size_t i = 0; i < 70; i++)
		if (object[i] > large && object[i] < large + 60 * 18688)
			assert_null(place_of(object[i]).slab);
	slab_free(large);
	slab_free(stays);
	paper_sound();
	paper_end();
}
