/* namespaces.c - after a program freed memory, it may still do what the kernel allows only to a
 * process of one task.
 *
 *   LD_PRELOAD=libdmm.so DMM_CONF=purge_tick_ms:60000 namespaces alone|joined user|vm|setns|files
 *
 *   user, vm  unshare(CLONE_NEWUSER), unshare(CLONE_VM), setns into a child's
 *   files     unshare(CLONE_FILES); then the last writing end of a pipe is closed: end of file, at
 *             once
 *   joined    the program had a thread, with a heap, while it freed, and has joined it
 *
 * Exits 77 where the kernel refuses for another reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tasks.h"

static void allow(int result, const char *what)
{
	if (result == 0)
		return;
	if (errno == EINVAL && access("/proc/self/ns/user", F_OK) == 0)
		wrong(what);
	skip(what);
}

static void enter_a_child(void)
{
	char path[64], c;
	int ready[2];

	if (pipe(ready) != 0)
		wrong("pipe");
	const pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) != 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		skip("a child with a user namespace");
	snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const int result = fd < 0 ? -1 : setns(fd, CLONE_NEWUSER), error = errno;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	errno = error;
	allow(result, "setns");
}

static void reach_the_end_of_a_pipe(const int end[2])
{
	struct pollfd p = {.fd = end[0], .events = POLLIN};
	char c;

	allow(unshare(CLONE_FILES), "unshare(CLONE_FILES)");
	close(end[1]);
	errno = 0;
	if (poll(&p, 1, 5000) != 1 || read(end[0], &c, 1) != 0)
		wrong("somebody else holds the pipe open");
}

int main(int argc, char **argv)
{
	const bool joined = argc == 3 && strcmp(argv[1], "joined") == 0;
	const char *const what = argc == 3 ? argv[2] : "";
	int end[2];

	if (pipe(end) != 0)
		wrong("pipe");
	if (joined)
		begin_thread();
	come_and_go(20);
	if (joined && getenv("LD_PRELOAD") != NULL && await_task("dmm-purge") == 0)
		wrong("no helper came, so nothing is tested");
	if (joined) {
		end_thread();
		await_tasks(1);
	}
	if (strcmp(what, "user") == 0)
		allow(unshare(CLONE_NEWUSER), "unshare(CLONE_NEWUSER)");
	else if (strcmp(what, "vm") == 0)
		allow(unshare(CLONE_VM), "unshare(CLONE_VM)");
	else if (strcmp(what, "setns") == 0)
		enter_a_child();
	else if (strcmp(what, "files") == 0)
		reach_the_end_of_a_pipe(end);
	else
		return 2;
	return 0;
}
