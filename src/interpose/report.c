/* report.c - stats:exit, stats:interval:S, stats:signal:N, and the same of profile
 * (slab/settings.h), on stderr or in a file.
 *
 * A thread of the C library, which the program asked for by its settings, writes the reports: a
 * signal handler may not read the heap, since it may have interrupted a malloc that holds a lock,
 * so the handler only wakes the thread. A child of fork() has no such thread: it reports at exit
 * alone, unless it runs another program.
 *
 * A report replaces a file, or a symbolic link to one, as a whole.  A device, a pipe, a link to one
 * of them, and all below /dev and /proc stay, and the thread writes the report into them.  If a
 * report cannot be written, the thread prints one line on stderr the first time, and the program
 * goes on without that report.
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
#include "base/lock.h"
#include "interpose/profile.h"
#include "interpose/stats.h"
#include "os/wait_until.h"
#include "slab/settings.h"

enum { PATH_ROOM = STATS_PATH + 64, HIGH_FD = 200 }; /* above what programs close by number */

static int write_stats(int fd)
{
	return stats_write(fd, (enum dmm_stats_format)surface.stats_format);
}

/* The contents, times and target of a report. */
static struct report_task {
	const char *name; /* of the setting, and of the thread */
	const char *thread, *file;
	const size_t *interval_s, *signal;
	const bool *at_exit;
	int (*write)(int fd); /* 0, or an errno */
	sem_t wanted;
	struct lock lock; /* held while the thread, or the end of the program, reports */
	unsigned number; /* of the next report */
	atomic_flag complained;
} orders[] = {
    {"stats", "dmm-stats", surface.stats_file, &surface.stats_interval_s, &surface.stats_signal,
        &surface.stats_exit, write_stats, .complained = ATOMIC_FLAG_INIT},
    {"profile", "dmm-profile", surface.profile_file, &surface.profile_interval_s,
        &surface.profile_signal, &surface.profile_exit, profile_write,
        .complained = ATOMIC_FLAG_INIT},
};
enum { ORDERS = sizeof orders / sizeof *orders };

/* stderr as it was at the start: many programs close it first. */
static int error_fd = STDERR_FILENO;
static pid_t owner; /* the process whose threads report */

/* The path with %p replaced by the process id and %n by the report's number, then `suffix`. */
static void spell_path(const struct report_task *o, char path[PATH_ROOM], const char *suffix)
{
	size_t n = 0;

	for (const char *at = o->file; *at != '\0' && n < PATH_ROOM - 1; at++) {
		const bool pid = strncmp(at, "%p", 2) == 0, number = strncmp(at, "%n", 2) == 0;
		if (pid || number)
			n += crash_format(path + n, PATH_ROOM - n, "%u",
			    pid ? (size_t)getpid() : (size_t)o->number);
		else
			path[n++] = *at;
		at += pid || number;
	}
	crash_format(path + n, PATH_ROOM - n, "%s", suffix);
}

static void complain(struct report_task *o, const char *path, int error)
{
	if (!atomic_flag_test_and_set(&o->complained))
		crash_say("%s_file: cannot write %s (error %u): this report is lost", o->name, path,
		    (size_t)error);
}

/* The report is written beside the file and renamed.  Returns 0 or an errno. */
static int replace_file(struct report_task *o, const char *path)
{
	char fresh[PATH_ROOM];

	spell_path(o, fresh, ".new");
	const int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return errno;
	int error = o->write(fd);
	if (close(fd) != 0 && error == 0)
		error = errno;
	if (error == 0 && rename(fresh, path) != 0)
		error = errno;
	if (error != 0)
		unlink(fresh);
	return error;
}

/* Renaming a file to /dev/null or /dev/stdout would remove the device or the link from the machine.
 * O_NONBLOCK: a pipe that nobody reads must not stop the program.  Returns 0 or an errno. */
static int write_into(struct report_task *o, const char *path)
{
	const int fd = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	const int error = o->write(fd);
	return close(fd) != 0 && error == 0 ? errno : error;
}

/* Is path a device, a pipe, or a link to one?  A link to a file, which another user may have laid
 * there, is replaced itself; those of the system, as /dev/stdout, stay. */
static bool is_written_into(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return false;
	if (S_ISLNK(st.st_mode))
		return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0 ||
		       (stat(path, &st) == 0 && !S_ISREG(st.st_mode));
	return !S_ISREG(st.st_mode);
}

static int report_to_file(struct report_task *o)
{
	char path[PATH_ROOM];

	spell_path(o, path, "");
	const int error = is_written_into(path) ? write_into(o, path) : replace_file(o, path);
	if (error != 0)
		complain(o, path, error);
	return error;
}

/* If no process reads stderr or a pipe any more, a write to it raises SIGPIPE, which is taken off
 * again.  In a child of fork() the thread that holds the lock does not exist. */
static void report(struct report_task *o)
{
	const bool shared = getpid() == owner;
	const int saved = errno;
	sigset_t pipe, before, pending;

	if (shared)
		lock_take(&o->lock);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &before);
	sigpending(&pending);
	const int error = o->file[0] != '\0' ? report_to_file(o) : o->write(error_fd);
	if (error == EPIPE && !sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe, NULL, &(struct timespec){0, 0});
	o->number++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (shared)
		lock_give(&o->lock);
	errno = saved;
}

/* ---- the threads ----------------------------------------------------------------------------- */

static void wake(int signal)
{
	const int saved = errno;

	for (struct report_task *o = orders; o < orders + ORDERS && getpid() == owner; o++)
		if (*o->signal == (size_t)signal)
			sem_post(&o->wanted);
	errno = saved;
}

/* Until the next time of an interval, or until a signal came. */
static void wait_for_next(struct report_task *o, struct timespec *next)
{
	int r;

	if (*o->interval_s == 0) {
		while (sem_wait(&o->wanted) != 0 && errno == EINTR)
			;
		return;
	}
	while ((r = wait_until(&o->wanted, next)) != 0 && errno == EINTR)
		;
	if (r != 0)
		next->tv_sec += (time_t)*o->interval_s;
}

static void *report_again_and_again(void *arg)
{
	struct report_task *const o = arg;
	struct timespec next;

	prctl(PR_SET_NAME, o->thread);
	clock_gettime(CLOCK_MONOTONIC, &next);
	next.tv_sec += (time_t)*o->interval_s;
	for (;;) {
		wait_for_next(o, &next);
		report(o);
	}
	return NULL;
}

static bool start_thread(struct report_task *o)
{
	sigset_t all, before;
	pthread_t thread;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const int error = pthread_create(&thread, &attr, report_again_and_again, o);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (error != 0)
		crash_say("%s: no thread for reports (error %u)", o->name, (size_t)error);
	return error == 0;
}

/* A program that handles the signal itself has it: it may be set later, and replaces ours. */
static void take_signal(const struct report_task *o)
{
	const int number = (int)*o->signal;
	struct sigaction before;

	if (sigaction(number, NULL, &before) != 0 || (before.sa_flags & SA_SIGINFO) ||
	    (before.sa_handler != SIG_DFL && before.sa_handler != wake)) {
		crash_say("%s:signal:%u: the program handles or ignores this signal", o->name,
		    (size_t)number);
		return;
	}
	struct sigaction ours = {.sa_handler = wake, .sa_flags = SA_RESTART};
	if (sigaction(number, &ours, NULL) != 0)
		crash_say("%s:signal:%u: this signal cannot be handled", o->name, (size_t)number);
}

void report_begin(void)
{
	const int saved = errno;
	bool any = false;

	for (const struct report_task *o = orders; o < orders + ORDERS; o++)
		any = any || *o->interval_s != 0 || *o->signal != 0 || *o->at_exit;
	if (!any)
		return;
	error_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, HIGH_FD);
	if (error_fd < 0)
		error_fd = STDERR_FILENO;
	owner = getpid();
	for (struct report_task *o = orders; o < orders + ORDERS; o++)
		if ((*o->interval_s != 0 || *o->signal != 0) && sem_init(&o->wanted, 0, 0) == 0 &&
		    start_thread(o) && *o->signal != 0)
			take_signal(o);
	errno = saved;
}

static __attribute__((destructor)) void report_at_exit(void)
{
	for (struct report_task *o = orders; o < orders + ORDERS; o++)
		if (*o->at_exit)
			report(o);
}
