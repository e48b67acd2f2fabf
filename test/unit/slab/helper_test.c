/* helper_test.c - the helper is an ordinary thread, there is one at most, and it ends when it is
 * asked to. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os/helper.h"
#include "test.h"

static void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static void until_it_has_ended(void)
{
	for (int i = 0; i < 60000 && helper_running(); i++)
		sleep_ms(1);
	assert_false(helper_running());
}

static _Atomic bool ended;

static void end_at_once(void)
{
	ended = true;
}

TEST(a_helper_that_has_ended_makes_room_for_the_next)
{
	for (int i = 0; i < 300; i++) {
		ended = false;
		assert_true(helper_start(end_at_once));
		until_it_has_ended();
		assert_true(ended);
	}
	helper_stop();
}

static void linger(void)
{
	while (helper_sleep_ms(10000))
		;
	ended = true;
}

TEST(there_is_one_helper_at_most_and_who_asks_for_another_keeps_his_errno)
{
	assert_true(helper_start(linger));
	errno = EDOM;
	assert_false(helper_start(linger));
	assert_int_equal(errno, EDOM); /* free() may have been who asked */
	helper_stop();
	assert_int_equal(errno, EDOM);
	assert_false(helper_running());
}

static int tasks(void)
{
	char line[256];
	int n = -1;
	FILE *const f = fopen("/proc/self/status", "r");

	assert_non_null(f);
	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "Threads: %d", &n) == 1)
			break;
	fclose(f);
	return n;
}

TEST(who_has_stopped_a_helper_finds_no_task_of_it)
{
	const int before = tasks();

	for (int i = 0; i < 200; i++) {
		ended = false;
		assert_true(helper_start(linger));
		if (i % 2 == 0)
			sched_yield(); /* it may have begun, or not */
		helper_stop();
		assert_int_equal(tasks(), before);
		assert_true(ended);
	}
}

static struct {
	sigset_t blocked;
	int policy;
	char name[16];
	cpu_set_t cpus;
} seen;

static void look(void)
{
	pthread_sigmask(SIG_BLOCK, NULL, &seen.blocked);
	seen.policy = (int)syscall(SYS_sched_getscheduler, 0);
	syscall(SYS_sched_getaffinity, 0, sizeof seen.cpus, &seen.cpus);
	pthread_getname_np(pthread_self(), seen.name, sizeof seen.name);
}

TEST(the_helper_has_a_name_blocks_signals_and_is_not_bound_where_its_creator_is)
{
	cpu_set_t all, one;

	helper_note_process();
	assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	assert_true(helper_start(look));
	until_it_has_ended();
	sched_setaffinity(0, sizeof all, &all);
	assert_string_equal(seen.name, "dmm-purge");
	assert_int_equal(seen.policy, SCHED_OTHER);
	assert_true(CPU_EQUAL(&seen.cpus, &all));
	for (int s = 1; s < 32; s++)
		if (s != SIGKILL && s != SIGSTOP)
			assert_true(sigismember(&seen.blocked, s));
}

TEST(what_the_c_library_frees_starts_no_helper)
{
	assert_false(helper_may_start_from(NULL));
	assert_false(helper_may_start_from((const char *)strlen + 1));
	assert_false(helper_may_start_from((const char *)pthread_create + 1));
}
