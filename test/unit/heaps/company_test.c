/* company_test.c - heaps among threads and across fork: twelve threads on one heap, and children
 * that find all whole. */
#include "dmm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

enum { THREADS = 12, CALLS = 3000, FORKS = 20, HELD = 16 };

struct company {
	struct dmm_heap *h;
	atomic_size_t wrong;
};

static void *hammer(void *arg)
{
	struct company *const c = arg;
	unsigned char *held[HELD] = {0};
	unsigned seed = (unsigned)(uintptr_t)&held;

	for (size_t i = 0; i < CALLS; i++) {
		const size_t k = (size_t)rand_r(&seed) % HELD, n = 1 + (size_t)rand_r(&seed) % 700;
		if (held[k] != NULL && held[k][0] != (unsigned char)k)
			c->wrong++;
		dmm_heap_free(c->h, held[k]);
		held[k] = dmm_heap_malloc(c->h, n);
		if (held[k] == NULL)
			c->wrong++;
		else
			memset(held[k], (int)k, n);
	}
	for (size_t k = 0; k < HELD; k++)
		dmm_heap_free(c->h, held[k]);
	return NULL;
}

static void start(pthread_t *thread, struct company *c)
{
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, hammer, c), 0);
}

static void join(pthread_t *thread)
{
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

TEST(twelve_threads_share_a_heap_that_is_looked_at)
{
	struct company c = {.h = dmm_heap_create(&(struct dmm_heap_options){.design = "bins"})};
	pthread_t thread[THREADS];
	struct dmm_heap_usage stats;

	start(thread, &c);
	for (int i = 0; i < 200; i++) {
		dmm_heap_stats(c.h, &stats);
		assert_true(stats.live_bytes + stats.free_bytes + stats.meta_bytes +
		                stats.pad_bytes <=
		            stats.owned_bytes);
		assert_true(stats.live_objects <= THREADS * (HELD + 1));
	}
	join(thread);
	dmm_heap_stats(c.h, &stats);
	assert_int_equal(stats.live_objects, 0);
	assert_int_equal(c.wrong, 0);
	assert_true(dmm_heap_check(c.h, NULL));
	dmm_heap_destroy(c.h);
}

TEST(a_child_of_fork_finds_every_heap_whole)
{
	struct company c = {.h = dmm_heap_create(NULL)};
	struct dmm_heap *const quiet =
	    dmm_heap_create(&(struct dmm_heap_options){.design = "segmeta"});
	char *const word = dmm_heap_malloc(quiet, 6);
	pthread_t thread[THREADS];

	strcpy(word, "whole");
	start(thread, &c);
	for (int i = 0; i < FORKS; i++) {
		const pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			void *const p = dmm_heap_malloc(c.h, 100);
			const bool fine = p != NULL && dmm_heap_check(c.h, NULL) &&
			                  strcmp(word, "whole") == 0 &&
			                  dmm_heap_malloc(quiet, 10) != NULL;
			dmm_heap_destroy(c.h);
			_exit(fine ? 0 : 1);
		}
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	join(thread);
	assert_int_equal(c.wrong, 0);
	dmm_heap_destroy(c.h);
	dmm_heap_destroy(quiet);
}

TEST(many_heaps_live_at_once)
{
	enum { HEAPS = 300 };
	struct dmm_heap *all[HEAPS];

	for (int i = 0; i < HEAPS; i++) {
		all[i] = dmm_heap_create(&(struct dmm_heap_options){
		    .design = dmm_heap_design((size_t)i % 9), .limit_bytes = 1 << 20});
		assert_non_null(all[i]);
		*(int *)dmm_heap_malloc(all[i], sizeof(int)) = i;
	}
	for (int i = 0; i < HEAPS; i += 2)
		dmm_heap_destroy(all[i]);
	for (int i = 1; i < HEAPS; i += 2) {
		assert_non_null(dmm_heap_malloc(all[i], 1000));
		dmm_heap_destroy(all[i]);
	}
}
