/* fork_child.c - how many instructions a child of fork() runs until it ends, for a small and for a
 * large heap.
 *
 *   LD_PRELOAD=libdmm.so fork_child MIB_SMALL MIB_LARGE THREADS
 *
 * A traced program fills so many MiB with objects of 64 bytes, an equal part in each of its
 * threads, and forks.  The child calls _exit.  Its steps are counted from fork's system call on, up
 * to STEPS_MAX.  Exits 1 when the large heap costs the child more than ALLOWED instructions beyond
 * the small one, 77 where the system lets nothing be traced.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OBJECT = 64, ALLOWED = 2000, STEPS_MAX = 100000, THREADS_MAX = 64, SKIPPED = 77 };

static size_t share; /* bytes a thread */
static pthread_barrier_t filled;

static void fill(void)
{
	for (size_t n = 0; n < share; n += OBJECT)
		*(char *)malloc(OBJECT) = 1;
}

static void *fill_and_stay(void *arg)
{
	fill();
	pthread_barrier_wait(&filled);
	for (;;)
		pause();
	return arg;
}

static void traced(size_t mib, unsigned threads)
{
	pthread_t thread[THREADS_MAX];

	share = (mib << 20) / (threads + 1);
	pthread_barrier_init(&filled, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, fill_and_stay, NULL) != 0)
			_exit(3);
	fill();
	pthread_barrier_wait(&filled);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(SKIPPED);
	raise(SIGSTOP);
	const pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	_exit(0);
}

static void skip(const char *why)
{
	fprintf(stderr, "fork_child: %s\n", why);
	exit(SKIPPED);
}

/* The child of `parent`, stopped before its first instruction. */
static pid_t wait_for_fork(pid_t parent)
{
	unsigned long child = 0;
	int status;

	if (waitpid(parent, &status, 0) != parent || !WIFSTOPPED(status))
		skip("nothing can be traced here");
	void *const options = (void *)(PTRACE_O_TRACEFORK | PTRACE_O_EXITKILL);
	if (ptrace(PTRACE_SETOPTIONS, parent, NULL, options) != 0)
		skip("forks cannot be traced here");
	do
		ptrace(PTRACE_CONT, parent, NULL, NULL);
	while (waitpid(parent, &status, 0) == parent && WIFSTOPPED(status) &&
	       status >> 8 != (SIGTRAP | PTRACE_EVENT_FORK << 8));
	ptrace(PTRACE_GETEVENTMSG, parent, NULL, &child);
	waitpid((pid_t)child, &status, 0);
	return (pid_t)child;
}

static long count_steps(size_t mib, unsigned threads)
{
	const pid_t parent = fork();
	long steps = 0;
	int status;

	if (parent == 0)
		traced(mib, threads);
	const pid_t child = wait_for_fork(parent);
	while (steps < STEPS_MAX && ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0 &&
	       waitpid(child, &status, 0) == child && WIFSTOPPED(status))
		steps++;
	kill(child, SIGKILL);
	kill(parent, SIGKILL);
	while (waitpid(parent, &status, 0) == parent && WIFSTOPPED(status))
		continue;
	return steps;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: fork_child MIB_SMALL MIB_LARGE THREADS\n");
		return 2;
	}
	const unsigned threads = (unsigned)atoi(argv[3]);
	if (threads > THREADS_MAX)
		return 2;
	const long few = count_steps((size_t)atol(argv[1]), threads);
	const long many = count_steps((size_t)atol(argv[2]), threads);
	printf("a child of %u threads runs %ld instructions with %s MiB, %ld with %s MiB\n",
	    threads + 1,
	    few, argv[1], many, argv[2]);
	return few == 0 || many > few + ALLOWED;
}
