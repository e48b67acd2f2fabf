/* watch.c - a child, its end, and its patience. */
#include "torture/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/progress.h"

enum { WALL_SECONDS = 60, LOOK_MS = 20 };

__attribute__((noreturn)) static void child(void (*work)(void *arg), void *arg)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	work(arg);
	_exit(0);
}

/* True: it ended; false: it stood still for too long. */
static bool wait_for(pid_t pid, const volatile uint64_t *done, uint64_t goal, double cpu_s)
{
	const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd end = {.fd = fd, .events = POLLIN};
	clockid_t clock = CLOCK_MONOTONIC;
	uint64_t seen = *done;
	bool ended = fd < 0;

	clock_getcpuclockid(pid, &clock);
	double cpu = clock_s(clock), wall = clock_s(CLOCK_MONOTONIC);
	while (!ended) {
		ended = poll(&end, 1, LOOK_MS) > 0;
		if (*done != seen) {
			seen = *done;
			progress_share(goal != 0 ? (double)seen / (double)goal : 0);
			cpu = clock_s(clock);
			wall = clock_s(CLOCK_MONOTONIC);
		} else if (clock_s(clock) - cpu > cpu_s ||
		    clock_s(CLOCK_MONOTONIC) - wall > WALL_SECONDS) {
			break;
		}
	}
	if (fd >= 0)
		close(fd);
	return ended;
}

enum torture_end watch_run(void (*work)(void *arg), void *arg, const volatile uint64_t *done,
    uint64_t goal, double cpu_s, int *signal)
{
	int status = 0;

	fflush(NULL);
	const pid_t pid = fork();
	if (pid == 0)
		child(work, arg);
	if (pid < 0)
		return TORTURE_CANNOT;
	const bool ended = wait_for(pid, done, goal, cpu_s);
	if (!ended)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!ended)
		return TORTURE_HANGS;
	if (WIFSIGNALED(status)) {
		*signal = WTERMSIG(status);
		return TORTURE_DIED;
	}
	*signal = SIGABRT; /* a sanitizer's way to say no is an exit status */
	return WEXITSTATUS(status) == 0 ? TORTURE_FINE : TORTURE_DIED;
}
