/* lock_test.c - the lock with 1, 2 and 64 threads. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/lock.h"
#include "test.h"

enum { ROUNDS_ALL = 640000 };

struct shared {
	struct lock lock;
	unsigned long count, other; /* kept equal under the lock */
	unsigned long torn;         /* how often a holder saw them differ */
	int rounds;
};

static void *add(void *arg)
{
	struct shared *s = arg;
	for (int i = 0; i < s->rounds; i++) {
		lock_take(&s->lock);
		s->torn += s->count != s->other;
		s->count++;
		if (i % 64 == 0)
			cpu_relax(); /* hold it a little longer now and then */
		s->other++;
		lock_give(&s->lock);
	}
	return NULL;
}

static void count_with(int threads)
{
	struct shared s = {.rounds = ROUNDS_ALL / threads};
	pthread_t t[64];

	for (int i = 0; i < threads; i++)
		assert_int_equal(pthread_create(&t[i], NULL, add, &s), 0);
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(s.count, (unsigned long)(s.rounds * threads));
	assert_int_equal(s.torn, 0);
	assert_false(lock_is_held(&s.lock));
}

TEST(one_thread_loses_no_count)
{
	count_with(1);
}

TEST(two_threads_lose_no_count)
{
	count_with(2);
}

TEST(sixty_four_threads_lose_no_count)
{
	count_with(64);
}

TEST(a_held_lock_refuses_a_second_holder)
{
	struct lock l = {0};
	assert_true(lock_try(&l));
	assert_false(lock_try(&l));
	lock_give(&l);
	assert_true(lock_try(&l));
	lock_reset(&l);
	assert_true(lock_try(&l));
}

static void *take_and_give(void *arg)
{
	struct lock *l = arg;
	lock_take(l);
	lock_give(l);
	return NULL;
}

TEST(a_sleeper_is_woken)
{
	struct lock l = {0};
	pthread_t t;

	lock_take(&l);
	assert_int_equal(pthread_create(&t, NULL, take_and_give, &l), 0);
	for (int i = 0; i < 60000 && (l.word & LOCK_WAITED) == 0; i++)
		usleep(1000);
	assert_int_equal(l.word & LOCK_WAITED, LOCK_WAITED); /* a thread sleeps in the kernel */
	assert_true(lock_held(&l));
	lock_give(&l);
	pthread_join(t, NULL);
	assert_true(lock_try(&l));
}

static void *holds(void *arg)
{
	return lock_held(arg) ? arg : NULL;
}

TEST(a_lock_knows_the_thread_that_holds_it)
{
	struct lock l = {0};
	pthread_t t;
	void *found = &l;

	assert_false(lock_held(&l));
	lock_take(&l);
	assert_true(lock_held(&l));
	assert_int_equal(pthread_create(&t, NULL, holds, &l), 0);
	pthread_join(t, &found);
	assert_null(found);
	lock_give(&l);
	assert_false(lock_held(&l));
}

TEST(fork_handlers_leave_a_lock_to_the_code_that_they_interrupted)
{
	struct lock l = {0};

	for (int held = 0; held < 2; held++) {
		if (held)
			lock_take(&l);
		lock_fork_take(&l);
		lock_fork_take(&l); /* a second signal, whose handler forks as well */
		lock_fork_give(&l);
		assert_true(lock_held(&l));
		lock_fork_give(&l);
		assert_int_equal(lock_held(&l), held);
	}
	lock_fork_take(&l);
	lock_fork_child(&l);
	assert_true(lock_held(&l));
	lock_give(&l);
	lock_fork_take(&l);
	lock_fork_child(&l);
	assert_false(lock_is_held(&l));
}

struct two_locks {
	struct lock outer, inner;
};

/* As the purger does: it holds one lock, and sleeps for the next. */
static void *take_both(void *arg)
{
	struct two_locks *const two = arg;

	lock_take(&two->outer);
	lock_take(&two->inner);
	lock_give(&two->inner);
	lock_give(&two->outer);
	return NULL;
}

TEST(fork_handlers_leave_a_lock_to_a_thread_that_sleeps_for_the_interrupted_code)
{
	struct two_locks two = {0};
	pthread_t t;

	lock_take(&two.inner); /* the interrupted code */
	assert_int_equal(pthread_create(&t, NULL, take_both, &two), 0);
	while (!lock_is_wanted(&two.inner)) /* which the thread sets when it has the outer lock */
		usleep(100);
	lock_fork_take(&two.outer);
	assert_false(lock_held(&two.outer));
	assert_true(lock_is_held(&two.outer));
	lock_fork_give(&two.outer);
	assert_false(lock_held(&two.outer));
	lock_give(&two.inner);
	pthread_join(t, NULL);
	assert_false(lock_is_held(&two.outer) || lock_is_held(&two.inner));
}
