/* report.c - stats:exit, stats:interval:S, stats:signal:N (slab/settings.h), on stderr or in a
 * file.
 *
 * A thread of the C library, which the program asked for by its settings, writes the reports: a
 * signal handler may not read the heap, since it may have interrupted a malloc that holds a lock,
 * so the handler only wakes the thread. A child of fork() has no such thread: it reports at exit
 * alone, unless it runs another program.
 *
 * A file is replaced as a whole: the report is written beside it and renamed.  What cannot be
 * written is lost, with one line on stderr the first time, and the program goes on.
 */
#include "interpose/report.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/crash.h"
#include "interpose/stats.h"
#include "slab/settings.h"

enum { PATH_ROOM = STATS_PATH + 32, HIGH_FD = 200 }; /* above what programs close by number */

/* stderr as it was at the start: many programs close it first. */
static int error_fd = STDERR_FILENO;
static sem_t wanted;
static pid_t owner; /* the process whose thread reports */

/* The path with %p replaced by the process id, and `suffix` behind it. */
static void spell_path(char path[PATH_ROOM], const char *suffix)
{
	const char *const mark = strstr(surface.stats_file, "%p");
	size_t n = 0;

	if (mark == NULL)
		n = crash_format(path, PATH_ROOM, "%s", surface.stats_file);
	else {
		n = (size_t)(mark - surface.stats_file);
		memcpy(path, surface.stats_file, n);
		n += crash_format(path + n, PATH_ROOM - n, "%u%s", (size_t)getpid(), mark + 2);
	}
	crash_format(path + n, PATH_ROOM - n, "%s", suffix);
}

static void complain(const char *path, int error)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&said))
		crash_say("stats_file: cannot write %s (error %u): this report is lost", path,
		    (size_t)error);
}

static void report_to_file(void)
{
	char path[PATH_ROOM], fresh[PATH_ROOM];

	spell_path(path, "");
	spell_path(fresh, ".new");
	const int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		complain(fresh, errno);
		return;
	}
	int error = stats_write(fd, (enum dmm_stats_format)surface.stats_format);
	if (close(fd) != 0 && error == 0)
		error = errno;
	if (error == 0 && rename(fresh, path) != 0)
		error = errno;
	if (error != 0) {
		unlink(fresh);
		complain(path, error);
	}
}

/* Where nobody reads stderr any more, writing to it raises SIGPIPE, which is taken off again. */
static void report(void)
{
	const int saved = errno;
	sigset_t pipe, before, pending;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &before);
	sigpending(&pending);
	if (surface.stats_file[0] != '\0')
		report_to_file();
	else if (stats_write(error_fd, (enum dmm_stats_format)surface.stats_format) == EPIPE &&
	         !sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe, NULL, &(struct timespec){0, 0});
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void wake(int signal)
{
	const int saved = errno;

	(void)signal;
	if (getpid() == owner)
		sem_post(&wanted);
	errno = saved;
}

/* Until the next time of an interval, or until a signal came. */
static void wait_until(struct timespec *next)
{
	int r;

	if (surface.stats_interval_s == 0) {
		while (sem_wait(&wanted) != 0 && errno == EINTR)
			;
		return;
	}
	while ((r = sem_clockwait(&wanted, CLOCK_MONOTONIC, next)) != 0 && errno == EINTR)
		;
	if (r != 0)
		next->tv_sec += (time_t)surface.stats_interval_s;
}

static void *report_again_and_again(void *arg)
{
	struct timespec next;

	prctl(PR_SET_NAME, "dmm-stats");
	clock_gettime(CLOCK_MONOTONIC, &next);
	next.tv_sec += (time_t)surface.stats_interval_s;
	for (;;) {
		wait_until(&next);
		report();
	}
	return arg;
}

static bool start_thread(void)
{
	sigset_t all, before;
	pthread_t thread;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const int error = pthread_create(&thread, &attr, report_again_and_again, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (error != 0)
		crash_say("stats: no thread for reports (error %u)", (size_t)error);
	return error == 0;
}

/* A program that handles the signal itself has it: it may be set later, and replaces ours. */
static void take_signal(void)
{
	const int number = (int)surface.stats_signal;
	struct sigaction before;

	if (sigaction(number, NULL, &before) != 0 || before.sa_handler != SIG_DFL ||
	    (before.sa_flags & SA_SIGINFO)) {
		crash_say("stats:signal:%u: this signal is not to be had", (size_t)number);
		return;
	}
	struct sigaction ours = {.sa_handler = wake, .sa_flags = SA_RESTART};
	if (sigaction(number, &ours, NULL) != 0)
		crash_say("stats:signal:%u: this signal cannot be handled", (size_t)number);
}

void report_begin(void)
{
	const bool often = surface.stats_interval_s != 0 || surface.stats_signal != 0;
	const int saved = errno;

	if (!often && !surface.stats_exit)
		return;
	error_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, HIGH_FD);
	if (error_fd < 0)
		error_fd = STDERR_FILENO;
	owner = getpid();
	if (often && sem_init(&wanted, 0, 0) == 0 && start_thread() && surface.stats_signal != 0)
		take_signal();
	errno = saved;
}

static __attribute__((destructor)) void report_at_exit(void)
{
	if (surface.stats_exit)
		report();
}
