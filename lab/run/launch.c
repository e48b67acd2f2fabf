/* launch.c - starts a program under an allocator. */
#include "run/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cli/lab.h"

enum { PIPE_PATIENCE_MS = 200 };

double launch_now(void)
{
	return clock_s(CLOCK_MONOTONIC);
}

int launch_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

static void redirect(int fd, int to, int flags)
{
	const int from = fd >= 0 ? fd : open("/dev/null", flags | O_CLOEXEC);
	if (dup2(from, to) < 0)
		_exit(EXIT_OURS);
}

/* A descriptor of its own, so that every run reads from the beginning. */
static int reopen(int fd)
{
	char name[64];

	if (fd < 0)
		return -1;
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	return open(name, O_RDONLY | O_CLOEXEC);
}

static void tell(int pipe, const void *what, size_t len)
{
	if (write(pipe, what, len) != (ssize_t)len)
		_exit(EXIT_OURS);
}

static void child(const struct launch *l, int pipe)
{
	const struct rlimit no_core = {0, 0};

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	redirect(reopen(l->input), STDIN_FILENO, O_RDONLY);
	redirect(l->output, STDOUT_FILENO, O_WRONLY);
	redirect(l->errors, STDERR_FILENO, O_WRONLY);
	setrlimit(RLIMIT_CORE, &no_core); /* a crash shall cost what a crash costs */
	if (l->no_huge_pages)
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (l->allocator != NULL)
		allocator_enter(l->allocator);
	if (l->traced && ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(EXIT_OURS);
	const double started = launch_now();
	tell(pipe, &started, sizeof started);
	execvp(l->argv[0], l->argv);
	const int error = errno;
	tell(pipe, &error, sizeof error);
	_exit(EXIT_NOT_FOUND);
}

static ssize_t read_all(int fd, void *to, size_t len)
{
	ssize_t n;
	do
		n = read(fd, to, len);
	while (n < 0 && errno == EINTR);
	return n;
}

pid_t launch_start(const struct launch *l, double *started)
{
	int ends[2], error;

	fflush(NULL);
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	const pid_t pid = fork();
	if (pid == 0)
		child(l, ends[1]);
	const int fork_error = errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -fork_error;
	}
	*started = launch_now();
	read_all(ends[0], started, sizeof *started);
	/* A traced child stops inside exec, when its end of the pipe is closed already. */
	const bool failed = read_all(ends[0], &error, sizeof error) == sizeof error;
	close(ends[0]);
	if (!failed)
		return pid;
	waitpid(pid, NULL, 0);
	return -error;
}

int launch_scratch(void)
{
	const char *const directory = getenv("TMPDIR");
	const int fd = open(directory != NULL ? directory : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC,
	    0600);
	return fd >= 0 ? fd : memfd_create("dmm", MFD_CLOEXEC);
}

static int copy_of_pipe(void)
{
	char buf[1 << 16];
	const int copy = launch_scratch();
	ssize_t n;

	while ((n = read_all(STDIN_FILENO, buf, sizeof buf)) > 0)
		if (copy < 0 || write(copy, buf, (size_t)n) != n)
			lab_die(EXIT_OURS, "cannot keep standard input for the runs: %s",
			    strerror(errno));
	return copy;
}

int launch_input(void)
{
	struct stat st;
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	if (fstat(STDIN_FILENO, &st) != 0 || isatty(STDIN_FILENO))
		return -1;
	if (S_ISREG(st.st_mode))
		return STDIN_FILENO;
	if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
		return -1;
	/* A pipe can be read only once, so its contents are kept. A pipe that stays empty is no
	 * input. */
	return poll(&in, 1, PIPE_PATIENCE_MS) > 0 && (in.revents & POLLIN) ? copy_of_pipe() : -1;
}

static bool may_run(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	if (S_ISREG(st.st_mode) && access(path, X_OK) == 0)
		return true;
	errno = EACCES;
	return false;
}

char *launch_path(const char *command)
{
	const char *dirs = getenv("PATH");
	char path[PATH_MAX];
	int error = ENOENT;

	if (strchr(command, '/') != NULL)
		return may_run(command) ? strdup(command) : NULL;
	for (dirs = dirs != NULL ? dirs : "/bin:/usr/bin"; ; dirs++) {
		const int n = (int)strcspn(dirs, ":");
		snprintf(path, sizeof path, "%.*s%s%s", n, dirs, n > 0 ? "/" : "", command);
		if (may_run(path))
			return strdup(path);
		if (errno == EACCES)
			error = EACCES;
		dirs += n;
		if (*dirs == '\0')
			break;
	}
	errno = error;
	return NULL;
}
