/* stack_test.c - the stacks of a thread, step by step: when they become smaller, and that none is left behind. */
#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "paper.h"
#include "slab/alloc.h"
#include "slab/fast.h"
#include "slab/page_heap.h"
#include "slab/thread_cache.h"
#include "test.h"

enum { OBJECTS = 3000 };
static char *object[OBJECTS];

static void fill(size_t n)
{
	for (size_t i = 0; i < OBJECTS; i++)
		assert_non_null(object[i] = slab_malloc(n));
}

TEST(a_stack_that_is_full_for_the_third_time_without_a_refill_halves_down_to_12)
{
	static const size_t rooms[] = {255, 255, 127, 63, 31, 15, 12, 12};
	const unsigned cls = class_of(64);
	size_t flushes = 0;

	paper_begin("guarded:0");
	for (int round = 0; round < 2; round++, flushes = 0) {
		fill(64); /* a refill: as large as ever */
		const struct stack *const k = &thread_cache.stack[cls];
		for (size_t i = 0; i < OBJECTS; i++) {
			void **const before = k->top;
			slab_free(object[i]);
			if (k->top < before)
				assert_int_equal(k->limit - stack_bottom(thread_cache.heap, cls),
				    rooms[min_size(flushes++, 7)]);
		}
		assert_true(flushes > 20);
	}
	paper_sound();
	paper_end();
}

static void *takes_and_gives(void *arg)
{
	const size_t n = *(size_t *)arg;
	slab_free(slab_malloc(n));
	return NULL;
}

TEST(a_thread_that_ends_leaves_nothing_in_its_stack_of_any_class)
{
	pthread_t thread;

	paper_begin("guarded:0");
	slab_free(slab_malloc(64)); /* the main thread has a heap */
	const size_t used = root.used;
	for (unsigned cls = 0; cls < class_count; cls++) {
		size_t n = class_usable(cls);
		assert_int_equal(pthread_create(&thread, NULL, takes_and_gives, &n), 0);
		pthread_join(thread, NULL);
		assert_int_equal(root.used, used);
	}
	paper_sound();
	paper_end();
}
