/* children.c - runs a test in a child process; how the child ends is the result. */
#include "test.h"

#include "emulated.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_SECONDS = 120 }; /* what hangs, hangs for ever; eight jobs may share two processors */

static void child(void (*act)(void *arg), void *arg, int err)
{
	/* cmocka's handlers would long-jump back into a copy of the whole run. */
	static const int caught[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGABRT};
	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
		signal(caught[i], SIG_DFL);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	alarm(CHILD_SECONDS);
	dup2(err, STDERR_FILENO);
	act(arg);
	_exit(0);
}

int test_in_child(void (*act)(void *arg), void *arg, char *out, size_t cap)
{
	int fd[2], status;
	size_t have = 0;
	ssize_t got;

	assert_int_equal(pipe(fd), 0);
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(act, arg, fd[1]);
	close(fd[1]);
	while (have < cap - 1 && (got = read(fd[0], out + have, cap - 1 - have)) > 0)
		have += (size_t)got;
	out[have] = '\0';
	cut_emulators_line(out);
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

void test_aborts_saying(void (*act)(void *arg), void *arg, const char *line)
{
	char said[1024];
	const int status = test_in_child(act, arg, said, sizeof said);
	assert_string_equal(said, line);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

void test_dies_by(void (*act)(void *arg), void *arg, int sig)
{
	char said[1024];
	const int status = test_in_child(act, arg, said, sizeof said);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), sig);
}
