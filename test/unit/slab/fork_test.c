/* fork_test.c - a fork while slab gives memory back; and the counts of the slabs that a heap
 * retains. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "slab/fast.h"
#include "slab/fork.h"
#include "slab/init.h"
#include "slab/purge.h"
#include "slab/system.h"
#include "slab/thread_cache.h"
#include "test.h"

static _Atomic bool giving_back, go_on;

/* The kernel takes its time: until the test releases it, or for 200 ms. */
static int slow_purge(void *ctx, void *p, size_t len)
{
	atomic_store(&giving_back, true);
	for (int ms = 0; ms < 200 && !atomic_load(&go_on); ms++)
		usleep(1000);
	return os_linux.purge(ctx, p, len);
}

static void *give_back_all(void *arg)
{
	purge_now(0);
	return arg;
}

static int look_for_lost(void *arg, const struct dmm_piece *p)
{
	if (strcmp(p->what, "lost") == 0)
		*(size_t *)arg += p->len;
	return 0;
}

/* KiB that are in no list, or 254: something else is wrong. */
static int lost_kib(void)
{
	struct dmm_fault why;
	size_t lost = 0;

	if (!slab_check_all(&why))
		return 254;
	slab_walk(look_for_lost, &lost);
	return lost >> 10 < 254 ? (int)(lost >> 10) : 253;
}

static void start_on(const struct dmm_os *os)
{
	purge_by(PURGE_BY_CLOCK);
	if (root.base != 0)
		slab_shut_down();
	assert_true(slab_start_on(os));
}

TEST(a_child_has_what_another_thread_was_giving_back_at_the_fork)
{
	struct dmm_os os = os_linux;
	pthread_t other;
	int status;

	os.purge = slow_purge;
	start_on(&os);
	char *const p = slab_malloc(1 << 20);
	memset(p, 1, 1 << 20);
	slab_free(p);
	assert_int_equal(pthread_create(&other, NULL, give_back_all, NULL), 0);
	while (!atomic_load(&giving_back))
		sched_yield();
	slab_before_fork();
	const pid_t pid = fork();
	if (pid == 0) {
		slab_after_fork_child();
		_exit(lost_kib());
	}
	slab_after_fork_parent();
	atomic_store(&go_on, true);
	pthread_join(other, NULL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(lost_kib(), 0);
	slab_shut_down();
}

TEST(the_check_counts_what_is_kept)
{
	struct dmm_fault why;

	start_on(&os_linux);
	/* more than the magazines hold, so that slabs fall empty */
	for (size_t n = 16; n <= 1024; n *= 2) {
		static void *object[2000];
		for (size_t i = 0; i < 2000; i++)
			assert_non_null(object[i] = slab_malloc(n));
		for (size_t i = 0; i < 2000; i++)
			slab_free(object[i]);
	}
	lock_take(&thread_cache.heap->lock);
	cache_flush(&thread_cache, thread_cache.heap);
	lock_give(&thread_cache.heap->lock);
	assert_true(root.kept > 0);
	assert_true(slab_check_all(&why));
	root.kept++;
	assert_false(slab_check_all(&why));
	assert_string_equal(why.rule, "S7 kept");
	root.kept--;
	assert_true(slab_check_all(&why));
	slab_shut_down();
}
