/* magazine_test.c - the magazines of a thread, step by step: when they shrink, and that no magazine
 * is lost. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "os/os.h"
#include "fake_kernel.h"
#include "slab/alloc.h"
#include "slab/fast.h"
#include "slab/heap.h"
#include "slab/init.h"
#include "slab/page_heap.h"
#include "slab/thread_cache.h"
#include "test.h"

enum { OBJECTS = 4000 };
static char *object[OBJECTS];

static void fill(size_t n)
{
	for (size_t i = 0; i < OBJECTS; i++)
		assert_non_null(object[i] = slab_malloc(n));
}

enum order {
	IN_ORDER,  /* neighbours follow each other */
	SCATTERED, /* each object is of another slab than the one before */
};

static void free_nth(size_t i, enum order order)
{
	enum { STEP = OBJECTS / 2 - 1 }; /* a prime number */

	slab_free(object[order == IN_ORDER ? i : i * STEP % OBJECTS]);
}

/* The capacity of a magazine: at first, while it gives away some of its objects, and then, flush
 * after flush of all of them; the last one repeats, until three quarters are freed. The capacity at
 * the end. */
struct flushes {
	size_t first, then[5], end;
};

static void frees_all(size_t n, enum order order, const struct flushes *f)
{
	const unsigned cls = class_of(n);
	const struct magazine *const k = &thread_cache.magazine[cls];
	const size_t some = order == IN_ORDER ? (f->first + 1) / 2 : FLUSH_SLABS;
	size_t flushes = 0;

	while (!magazine_empty(k)) /* neighbours */
		assert_non_null(slab_malloc(n));
	for (size_t i = 0; i < OBJECTS; i++) {
		void **const before = k->top;
		free_nth(i, order);
		if (k->top > before || i >= OBJECTS / 4 * 3)
			continue;
		void **const bottom = magazine_bottom(thread_cache.heap, cls, k);
		const size_t kept = (size_t)(k->top - bottom) - 1;
		const size_t room = (size_t)(k->limit - bottom);
		if (kept != 0 && flushes == 0) {
			assert_int_equal(kept, f->first - some);
			assert_int_equal(room, f->first);
			continue;
		}
		assert_int_equal(kept, 0);
		assert_int_equal(room, f->then[min_size(flushes++, 4)]);
	}
	assert_true(flushes > 20);
	assert_int_equal(k->limit - magazine_bottom(thread_cache.heap, cls, k), f->end);
}

TEST(a_stack_that_gave_back_as_much_as_it_holds_halves_down_to_6_and_is_emptied)
{
	paper_begin("guarded:0");
	fill(512);
	frees_all(512, SCATTERED, &(struct flushes){128, {64, 32, 16, 8, 6}, 6});
	paper_sound();
	paper_end();
}

TEST(a_stack_halves_down_to_63_or_six_pages_where_neighbours_are_freed_one_after_the_other)
{
	paper_begin("guarded:0");
	fill(512);
	frees_all(512, IN_ORDER, &(struct flushes){128, {64, 48, 48, 48, 48}, 48});
	fill(512);
	fill(128);
	frees_all(128, IN_ORDER, &(struct flushes){255, {127, 63, 63, 63, 63}, 63});
	paper_sound();
	paper_end();
}

TEST(a_stack_of_small_objects_halves_down_to_31_while_the_heap_is_small)
{
	paper_begin("guarded:0");
	fill(128);
	frees_all(128, SCATTERED, &(struct flushes){255, {127, 63, 31, 31, 31}, 31});
	paper_sound();
	paper_end();
}

TEST(a_stack_halves_down_to_63_once_the_program_asked_again_for_what_it_had_freed)
{
	static const struct flushes first = {128, {64, 32, 16, 8, 6}, 6},
	                            then = {128, {64, 63, 63, 63, 63}, 6};

	paper_begin("guarded:0");
	for (int round = 0; round < 3; round++) {
		fill(512); /* refills: the stack is as large as ever */
		frees_all(512, SCATTERED, round == 0 ? &first : &then);
	}
	paper_sound();
	paper_end();
}

TEST(a_stack_of_small_objects_halves_down_to_6_in_a_large_heap)
{
	const struct magazine *const k = &thread_cache.magazine[class_of(64)];

	paper_begin("guarded:0");
	char *const large = slab_malloc((size_t)64 << 20);
	for (enum order order = IN_ORDER; order <= SCATTERED; order++) {
		fill(64);
		for (size_t i = 0; i < OBJECTS; i++)
			free_nth(i, order);
		assert_int_equal(k->limit - magazine_bottom(thread_cache.heap, class_of(64), k),
		    order == IN_ORDER ? 63 : 6);
	}
	slab_free(large);
	paper_end();
}

/* The objects that are freed are all of different slabs. */
static void moves_objects_of_few_slabs(size_t bytes)
{
	const unsigned cls = class_of(bytes), taken = refill_slabs(cls);
	const struct magazine *const k = &thread_cache.magazine[cls];
	size_t flushes = 0, refills = 0;

	fill(bytes);
	while (!magazine_empty(k)) /* neighbours */
		assert_non_null(slab_malloc(bytes));
	const struct slab_heap *const h = thread_cache.heap;
	const size_t room = (size_t)(k->limit - magazine_bottom(h, cls, k));
	for (size_t i = 0; h->flushed[cls] < room; i += GRANULE / bytes) {
		const bool full = k->top == k->limit;
		slab_free(object[i]);
		if (full)
			assert_int_equal(k->limit - k->top, FLUSH_SLABS - 1);
		flushes += full;
	}
	assert_int_equal(flushes, room / FLUSH_SLABS);
	for (size_t i = 0; refills < room / taken; i += GRANULE / bytes) {
		refills += magazine_empty(k);
		assert_non_null(object[i] = slab_malloc(bytes));
		if (refills > 0)
			assert_in_range(k->top - magazine_bottom(h, cls, k), 0, taken - 1);
	}
}

TEST(a_free_or_malloc_moves_objects_of_few_slabs)
{
	paper_begin("guarded:0");
	moves_objects_of_few_slabs(960);
	moves_objects_of_few_slabs(1024);
	paper_sound();
	paper_end();
}

TEST(a_stack_begins_with_15_and_doubles_at_each_refill_up_to_255)
{
	static const size_t rooms[] = {15, 31, 63, 127, 255, 255, 255};
	const unsigned cls = class_of(64);
	const struct magazine *const k = &thread_cache.magazine[cls];
	size_t refills = 0;

	paper_begin("guarded:0");
	for (int i = 0; refills < 7; i++) {
		const bool empty = magazine_empty(k);
		assert_true(i < OBJECTS);
		assert_non_null(object[i] = slab_malloc(64));
		if (!empty)
			continue;
		void **const bottom = magazine_bottom(thread_cache.heap, cls, k);
		assert_int_equal(k->limit - bottom, rooms[refills]);
		assert_ptr_equal(bottom, refills == 0 ? small_magazine(thread_cache.heap, cls)
		                                      : large_magazine(thread_cache.heap, cls));
		/* at most half, and one is ours */
		assert_in_range(k->top - bottom, 0, (rooms[refills] + 1) / 2 - 1);
		refills++;
	}
	paper_sound();
	paper_end();
}

/* Allocate n objects of `size` bytes and free them, so many times. */
static void swings_of(size_t size, size_t n, int times)
{
	for (; times > 0; times--) {
		for (size_t i = 0; i < n; i++)
			assert_non_null(object[i] = slab_malloc(size));
		for (size_t i = 0; i < n; i++)
			slab_free(object[i]);
	}
}

static void swings(size_t n, int times)
{
	swings_of(32, n, times);
}

TEST(a_stack_that_runs_empty_after_it_overflowed_grows_until_a_swing_of_1000_fits)
{
	const unsigned cls = class_of(32);
	struct magazine *const k = &thread_cache.magazine[cls];

	paper_begin("guarded:0");
	struct slab_heap *const h = (slab_free(slab_malloc(32)), thread_cache.heap);
	swings(1000, 1); /* no refill follows the overflow yet */
	assert_int_equal(h->room[cls], MAGAZINE_LARGE_OBJECTS);
	swings(1000, 4);
	assert_int_equal(k->limit - magazine_bottom(h, cls, k), MAGAZINE_OBJECTS_MAX);
	assert_ptr_equal(magazine_bottom(h, cls, k), wide_magazine(h, cls));
	const size_t fallen = h->fallen;
	const size_t flushed = h->flushed[cls];
	swings(1000, 3);
	assert_int_equal(h->fallen, fallen); /* neither a refill nor a flush */
	assert_int_equal(h->flushed[cls], flushed);
	paper_sound();
	paper_end();
}

TEST(a_stack_of_128_bytes_grows_to_64_KiB_of_objects)
{
	const unsigned cls = class_of(128);

	paper_begin("guarded:0");
	struct slab_heap *const h = (slab_free(slab_malloc(128)), thread_cache.heap);
	swings_of(128, 1000, 5);
	assert_int_equal(h->room[cls], (64 << 10) / 128);
	const size_t fallen = h->fallen;
	swings_of(128, 400, 1);
	const size_t flushed = h->flushed[cls];
	swings_of(128, 400, 3);
	assert_int_equal(h->flushed[cls], flushed);
	assert_int_equal(h->fallen, fallen); /* neither a refill nor a flush */
	paper_sound();
	paper_end();
}

static sem_t has_a_heap;

static void *holds_a_heap_until(void *end)
{
	slab_free(slab_malloc(64));
	sem_post(&has_a_heap);
	sem_wait(end);
	return NULL;
}

/* 16 threads that sleep keep no more than two would. */
TEST(stacks_stay_at_255_while_many_threads_have_heaps)
{
	enum { THREADS = 16 };
	const unsigned cls = class_of(32);
	pthread_t thread[THREADS];
	sem_t end;

	paper_begin("guarded:0");
	slab_free(slab_malloc(64));
	sem_init(&has_a_heap, 0, 0);
	sem_init(&end, 0, 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, holds_a_heap_until, &end), 0);
	for (int i = 0; i < THREADS; i++)
		sem_wait(&has_a_heap);
	swings(1000, 6);
	assert_int_equal(thread_cache.heap->room[cls], MAGAZINE_LARGE_OBJECTS);
	for (int i = 0; i < THREADS; i++)
		sem_post(&end);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	paper_sound();
	paper_end();
}

TEST(a_wide_stack_that_is_only_freed_into_shrinks_as_others_do)
{
	const unsigned cls = class_of(32);
	const struct magazine *const k = &thread_cache.magazine[cls];

	paper_begin("guarded:0");
	swings(1000, 5);
	struct slab_heap *const h = thread_cache.heap;
	assert_int_equal(h->room[cls], MAGAZINE_OBJECTS_MAX);
	swings(OBJECTS, 1);
	swings(OBJECTS, 1);
	assert_in_range(k->limit - magazine_bottom(h, cls, k), 1, MAGAZINE_LARGE_OBJECTS);
	paper_sound();
	paper_end();
}

TEST(who_takes_few_objects_of_every_size_touches_three_pages_of_stacks)
{
	paper_begin("guarded:0");
	for (unsigned cls = 0; cls < class_count; cls++)
		for (size_t i = 0; i < 4; i++)
			assert_non_null(slab_malloc(class_usable(cls)));
	const char *const magazines = heap_magazines(thread_cache.heap);
	assert_true(paper_resident(magazines, HEAP_MAGAZINES_BYTES) <= 3 * (size_t)4096);
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

TEST(a_cache_without_a_quarantine_is_all_that_is_emptied)
{
	static struct {
		struct thread_cache cache;
		unsigned char behind[256];
	} one;

	paper_begin("guarded:0");
	slab_free(slab_malloc(64));
	struct slab_heap *const h = thread_cache.heap;
	lock_take(&h->lock);
	cache_flush(&thread_cache, h);
	one.cache = (struct thread_cache){THREAD_CACHE_NONE};
	memset(one.behind, 0x55, sizeof one.behind);
	cache_attach(&one.cache, h);
	cache_flush(&one.cache, h);
	cache_attach(&thread_cache, h);
	lock_give(&h->lock);
	for (size_t i = 0; i < sizeof one.behind; i++)
		assert_int_equal(one.behind[i], 0x55);
	paper_sound();
	paper_end();
}

/* ---- two threads begin at once */

static pthread_t second;
static bool second_began, second_has_a_heap;

static void *begins_as_well(void *arg)
{
	char *const p = slab_malloc(64);
	second_has_a_heap = p != NULL && thread_cache.heap != NULL;
	slab_free(p);
	return arg;
}

static void *window_while_another_begins(void *ctx, size_t len, size_t align)
{
	if (!second_began)
		second_began = pthread_create(&second, NULL, begins_as_well, NULL) == 0;
	usleep(100000); /* until it waits for us */
	return os_linux.window(ctx, len, align);
}

TEST(who_begins_while_another_is_at_it_waits_and_has_a_heap_of_its_own)
{
	struct dmm_os os = os_linux;

	paper_end();
	os.window = window_while_another_begins;
	assert_true(slab_start_on(&os));
	assert_true(second_began);
	pthread_join(second, NULL);
	assert_true(second_has_a_heap);
	paper_sound();
	paper_end();
}

/* ---- the lock of a heap: who holds it sees nothing change */

static sem_t stack_is_full, go_on;
static _Atomic bool flushed;

static void *fills_its_stack(void *arg)
{
	const unsigned cls = class_of(64);

	fill(64);
	size_t i = 0;
	do
		slab_free(object[i++]);
	while (thread_cache.magazine[cls].top != thread_cache.magazine[cls].limit);
	sem_post(&stack_is_full);
	sem_wait(&go_on);
	slab_free(object[i++]);
	atomic_store(&flushed, true);
	while (i < OBJECTS)
		slab_free(object[i++]);
	return arg;
}

TEST(a_full_stack_is_not_flushed_while_another_holds_the_heaps_lock)
{
	pthread_t owner;

	paper_begin("guarded:0");
	slab_free(slab_malloc(64));
	atomic_store(&flushed, false);
	sem_init(&stack_is_full, 0, 0);
	sem_init(&go_on, 0, 0);
	assert_int_equal(pthread_create(&owner, NULL, fills_its_stack, NULL), 0);
	sem_wait(&stack_is_full);
	struct slab_heap *const h = heap_at(HEAP_FIRST + 1);
	lock_take(&h->lock);
	sem_post(&go_on);
	usleep(100000);
	const bool meanwhile = atomic_load(&flushed);
	lock_give(&h->lock);
	pthread_join(owner, NULL);
	assert_false(meanwhile);
	assert_true(atomic_load(&flushed));
	paper_sound();
	paper_end();
}
