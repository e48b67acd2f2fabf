/* helper.c - when slab has a helper thread, when it has none, and that the helper is an ordinary
 * thread.
 *
 *   LD_PRELOAD=libdmm.so DMM_CONF=purge_tick_ms:60000 helper QUESTION
 *
 *   alone    a program without threads has one task, while it frees and afterwards, and its memory
 *            is back
 *   none     with threads, where the setting helper:0 forbids it: nor then, and its memory is back
 *   refused  nor where the system refuses a thread
 *   bound    it has all CPUs that the process had, though who freed was bound to one
 *   fifo     it has the normal policy, though who freed had SCHED_FIFO
 *   child    a child of fork() has one task, and frees as if there had never been a helper
 *   leaves   the main thread leaves by exit(2): the process ends with it
 *   leaves-threads  and with a thread, the process ends when that thread does
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tasks.h"

enum { MIB = 100, LEFT_MIB = 8 };

/* Some moments later there is none either. */
static void is_alone(size_t tasks)
{
	for (int i = 0; i < 30; i++) {
		if (find_task("dmm-purge") != 0 || count_tasks() != tasks)
			wrong("there is a task that the program did not make");
		sleep_ms(10);
	}
}

static void free_and_look(size_t tasks)
{
	const double before = rss_mib();

	for (int i = 0; i < 4; i++) {
		/* each more than what was learned from the one before */
		come_and_go(MIB >> (3 - i));
		if (count_tasks() != tasks)
			wrong("there is a task that the program did not make");
	}
	is_alone(tasks);
	if (rss_mib() - before > MIB / 2 + LEFT_MIB)
		wrong("memory did not come back");
}

static void refuse_threads(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof code / sizeof *code, code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		skip("seccomp");
}

static pid_t free_until_a_helper_comes(void)
{
	come_and_go(MIB);
	const pid_t tid = await_task("dmm-purge");
	errno = 0;
	if (tid == 0)
		wrong("no helper came, so nothing is tested");
	return tid;
}

static void bound(void)
{
	cpu_set_t all, one, its;

	if (sched_getaffinity(0, sizeof all, &all) != 0)
		skip("sched_getaffinity");
	CPU_ZERO(&one);
	for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof one, &one) != 0)
		skip("sched_setaffinity");
	const pid_t tid = free_until_a_helper_comes();
	if (sched_getaffinity(tid, sizeof its, &its) != 0 || !CPU_EQUAL(&its, &all))
		wrong("the helper is bound to fewer CPUs than the process had");
}

static void fifo(void)
{
	const struct sched_param least = {.sched_priority = 1};

	if (sched_setscheduler(0, SCHED_FIFO, &least) != 0)
		skip("SCHED_FIFO");
	const pid_t tid = free_until_a_helper_comes();
	if (sched_getscheduler(tid) != SCHED_OTHER)
		wrong("the helper has the policy of who freed");
}

static void child(void)
{
	int status;

	free_until_a_helper_comes();
	const pid_t pid = fork();
	if (pid == 0) {
		errno = 0;
		free_and_look(1);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		wrong("a child");
}

/* In a child, so that the parent can look. */
static void leaves(bool threads)
{
	enum { SLICES = 4500 }; /* of 10 ms */
	int status;
	const pid_t pid = fork();

	if (pid == 0) {
		if (threads) {
			begin_thread();
			free_until_a_helper_comes();
			end_thread_in_ms(200);
		} else {
			come_and_go(MIB);
		}
		syscall(SYS_exit, 0);
	}
	for (int i = 0; i < SLICES; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return;
		sleep_ms(10);
	}
	kill(pid, SIGKILL);
	errno = 0;
	wrong("the process stays when its threads have left");
}

int main(int argc, char **argv)
{
	const char *const what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "alone") == 0)
		free_and_look(1);
	else if (strcmp(what, "leaves") == 0)
		leaves(false);
	else if (strcmp(what, "leaves-threads") == 0)
		leaves(true);
	else {
		begin_thread();
		errno = 0;
		if (strcmp(what, "none") == 0)
			free_and_look(2);
		else if (strcmp(what, "refused") == 0) {
			refuse_threads();
			free_and_look(2);
		} else if (strcmp(what, "bound") == 0)
			bound();
		else if (strcmp(what, "fifo") == 0)
			fifo();
		else if (strcmp(what, "child") == 0)
			child();
		else
			return 2;
	}
	return 0;
}
