/* survivor.c - a program that counts its own calls of malloc, and ends in many ways.
 *
 *   survivor WAY CALLS COUNTS     COUNTS: a file of 64 numbers, one a thread, mapped: what was
 *                                 counted stays there however the program ends
 *
 * Each call asks for MARK bytes; a call is counted when it has returned.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dmm_record.h"

enum { MARK = 777, COUNTERS = 64, THREADS = 64 };

static volatile uint64_t *counts;
static size_t calls;
static char **arguments;

static void work(size_t thread, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		void *volatile const p = malloc(MARK);
		counts[thread]++;
		if (i % 3 != 0)
			free(p);
	}
}

static void be_killed(void)
{
	kill(getpid(), SIGKILL);
}

static void crash_by_null(void)
{
	*(volatile int *)0 = 1;
}

static void leave_by_system_call(void)
{
	syscall(SYS_exit_group, 7);
}

static void leave_quickly(void)
{
	quick_exit(7);
}

static void leave(void)
{
	_exit(7);
}

/* CALLS, then the same in another image, COUNTS[1], COUNTS[2]; the last one is killed. */
static void execute_again(void)
{
	static char number[8];
	const char *const way = arguments[1];
	const int link = way[4] != '\0' ? atoi(way + 4) : 0;

	if (link == 2)
		be_killed();
	snprintf(number, sizeof number, "exec%d", link + 1);
	arguments[1] = number;
	execv(arguments[0], arguments);
	_exit(1);
}

static void become_a_daemon(void)
{
	if (daemon(1, 0) != 0)
		_exit(1);
	work(1, calls);
	be_killed();
}

static void become_nobody(void)
{
	if (setgid(65534) != 0 || setuid(65534) != 0)
		_exit(1);
	work(1, calls);
	be_killed();
}

static void be_locked_in(void)
{
	if (chroot("/proc/self/fdinfo") != 0 || chdir("/") != 0)
		_exit(1);
	work(1, calls);
	be_killed();
}

static void have_few_descriptors(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_NOFILE, &none);
	work(1, calls);
	be_killed();
}

static void close_all(void)
{
	close_range(3, ~0u, 0);
	for (int i = 0; i < 64; i++)
		if (open("mine", O_RDWR | O_CREAT, 0600) < 0)
			_exit(1);
	work(1, calls);
	be_killed();
}

static void close_all_locked_in(void)
{
	close_range(3, ~0u, 0);
	be_locked_in();
}

/* Made by a system call that libc does not know of. */
static void be_forked_unannounced(void)
{
	int status = 0;
	const pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0) {
		work(1, calls);
		be_killed();
	}
	waitpid(pid, &status, 0);
	work(0, calls);
	be_killed();
}

static void be_a_child_of_nobody(void)
{
	if (fork() != 0)
		_exit(7);
	work(1, calls);
	be_killed();
}

static void *run(void *arg)
{
	work((size_t)arg, 2 * calls);
	for (;;)
		pause();
	return NULL;
}

static size_t all_counts(void)
{
	size_t sum = 0;

	for (size_t i = 0; i < COUNTERS; i++)
		sum += counts[i];
	return sum;
}

/* Each of the others makes 2 CALLS; the process is killed when about half of all are made. */
static void be_killed_with_64_threads(void)
{
	pthread_t thread;

	for (size_t i = 1; i < THREADS; i++)
		if (pthread_create(&thread, NULL, run, (void *)i) != 0)
			_exit(1);
	while (all_counts() < THREADS * calls)
		sched_yield();
	be_killed();
}

static void start_and_stop(void)
{
	if (dmm_record_stop == NULL || dmm_record_start == NULL)
		_exit(1);
	dmm_record_stop();
	for (size_t i = 0; i < calls; i++)
		free(malloc(MARK));
	dmm_record_start();
	work(1, calls);
	be_killed();
}

/* CALLS twice, before and after a signal to itself. */
static void be_told_to_stop(void)
{
	raise(SIGUSR2);
	for (size_t i = 0; i < calls; i++)
		free(malloc(MARK));
	raise(SIGUSR2);
	work(1, calls);
	be_killed();
}

static void wait_for_a_signal(void)
{
	if (write(STDOUT_FILENO, "ready\n", 6) == 6)
		for (;;)
			pause();
}

static const struct {
	const char *name;
	void (*go)(void);
} ways[] = {
    {"kill", be_killed}, {"abort", abort}, {"crash", crash_by_null}, {"quick_exit", leave_quickly},
    {"_exit", leave}, {"exit_group", leave_by_system_call}, {"exec", execute_again},
        {"daemon", become_a_daemon},
    {"setuid", become_nobody}, {"chroot", be_locked_in}, {"nofile", have_few_descriptors},
        {"close", close_all},
    {"close_chroot", close_all_locked_in}, {"clone", be_forked_unannounced},
        {"orphan", be_a_child_of_nobody},
    {"threads", be_killed_with_64_threads}, {"switch", start_and_stop}, {"toggle", be_told_to_stop},
    {"wait", wait_for_a_signal},
};

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	calls = strtoul(argv[2], NULL, 10);
	arguments = argv;
	const int fd = open(argv[3], O_RDWR | O_CREAT, 0666);
	if (fd < 0 || ftruncate(fd, COUNTERS * sizeof *counts) != 0)
		return 2;
	counts = mmap(NULL, COUNTERS * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (counts == MAP_FAILED)
		return 2;
	const bool chained = strncmp(argv[1], "exec", 4) == 0;
	work(chained ? (size_t)atoi(argv[1] + 4) : 0, calls);
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		if (strcmp(ways[i].name, argv[1]) == 0 || (chained && ways[i].go == execute_again))
			ways[i].go();
	return 2;
}
