/* forward.c - see forward.h.  The signals are blocked from before the fork on and taken by
 * sigtimedwait: one that comes before the program exists waits for it, and no handler can be
 * interrupted by another. */
#include "run/forward.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

static const int forwarded[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM,
    SIGCONT, SIGWINCH};
enum { FORWARDED = sizeof forwarded / sizeof *forwarded };

static sigset_t before, waiting;

void forward_begin(void)
{
	sigemptyset(&waiting);
	sigaddset(&waiting, SIGCHLD);
	for (int i = 0; i < FORWARDED; i++)
		sigaddset(&waiting, forwarded[i]);
	signal(SIGCHLD, SIG_DFL); /* inherited as ignored, the status would be thrown away */
	sigprocmask(SIG_BLOCK, &waiting, &before);
}

void forward_child(void)
{
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static bool ended(pid_t pid, int *status)
{
	const pid_t r = waitpid(pid, status, WNOHANG);

	if (r < 0)
		*status = -1;
	return r == pid || (r < 0 && errno != EINTR);
}

int forward_wait(pid_t pid)
{
	const struct timespec second = {1, 0};
	siginfo_t info;
	int status = -1;

	while (!ended(pid, &status)) {
		const int signal = sigtimedwait(&waiting, &info, &second);
		/* not the kernel's: not the terminal's */
		if (signal > 0 && signal != SIGCHLD && info.si_code <= 0)
			kill(pid, signal);
	}
	return status;
}
