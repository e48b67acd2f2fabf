/* tables_test.c - how the tables grow with the heap, and for which tables slab makes pages in
 * advance. */
#include <pthread.h>
#include <string.h>

#include "fake_kernel.h"
#include "slab/fast.h"
#include "slab/window.h"
#include "test.h"

static bool filled(const volatile void *p)
{
	return paper_advised((const void *)p, DMM_ADVICE_POPULATE);
}

static void fill_chunks(size_t chunks)
{
	enum { OBJECT = 2048 };

	while (root.used < chunks * CHUNK_GRANULES)
		memset(slab_malloc(OBJECT), 1, OBJECT);
}

TEST(a_slab_high_in_the_heap_finds_its_bits_and_its_record_in_memory)
{
	paper_begin("guarded:0");
	fill_chunks(40);
	for (uint32_t chunk = 1; chunk < 40; chunk++) {
		const char *const p = granule_address(chunk * CHUNK_GRANULES),
		    *const last = p + HUGE_PAGE_SIZE - 1;
		assert_int_equal(filled(live_word_at(p)), chunk >= 4);
		assert_int_equal(filled(live_word_at(last)), chunk >= 4);
		assert_int_equal(filled(avail_word(p)), chunk >= 4);
		assert_int_equal(filled(avail_word(last)), chunk >= 4);
		assert_int_equal(filled(slab_at(chunk * CHUNK_GRANULES)), chunk >= 4);
		assert_int_equal(filled(slab_at((chunk + 1) * CHUNK_GRANULES - 1)), chunk >= 4);
	}
	paper_sound();
	paper_end();
}

static void *free_it(void *p)
{
	slab_free(p);
	return NULL;
}

TEST(marks_are_in_memory_as_well_once_another_thread_has_freed)
{
	pthread_t other;

	paper_begin("guarded:0");
	fill_chunks(12);
	assert_false(filled(mark_word(granule_address(8 * CHUNK_GRANULES))));
	assert_int_equal(pthread_create(&other, NULL, free_it, slab_malloc(2048)), 0);
	pthread_join(other, NULL);
	fill_chunks(30);
	for (uint32_t chunk = 20; chunk < 29; chunk++)
		assert_true(filled(mark_word(granule_address(chunk * CHUNK_GRANULES))));
	paper_sound();
	paper_end();
}

TEST(the_tables_of_a_heap_of_80_MiB_grow_in_fewer_than_50_calls)
{
	paper_begin("guarded:0");
	fill_chunks(40);
	assert_in_range(paper.tables_grown, 10, 50);
	paper_end();
}
