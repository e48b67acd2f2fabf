/* profiled.c - a program whose heap profile is known, preloaded with libdmm.so or linked with
 * libdmm.a:
 *
 *   profiled known       keeps 30,000 objects of 100 bytes of 60,000, allocates and frees 60,000 of
 *                        1,000 bytes
 *   profiled hold N      has that, says "held", lives for N tenths of a second or until SIGTERM,
 *                        ends in order
 *   profiled write FD    writes its profile itself
 *   profiled fork        its child allocates 2,000 objects of 1,000 bytes more
 *   profiled storm N     12 threads allocate and free for N tenths of a second or until SIGTERM
 */
#include "dmm_profile.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COUNT = 60000, THREADS = 12, HELD = 200 };

static void *held[COUNT], *more[2000];

static __attribute__((noinline)) void *allocate(size_t n)
{
	void *const p = malloc(n);
	if (p == NULL)
		abort();
	memset(p, 1, n);
	return p;
}

static __attribute__((noinline)) void keep(int i)
{
	held[i] = allocate(100);
}

static __attribute__((noinline)) void churn(void)
{
	free(allocate(1000));
}

static void known(void)
{
	for (int i = 0; i < COUNT; i++)
		keep(i);
	for (int i = 0; i < COUNT; i++)
		churn();
	for (int i = 0; i < COUNT; i += 2)
		free(held[i]);
}

static volatile sig_atomic_t told_to_end;

static void end_soon(int number)
{
	(void)number;
	told_to_end = 1;
}

static void wait_tenths(int left)
{
	for (; left > 0 && !told_to_end; left--)
		while (nanosleep(&(struct timespec){0, 100000000}, NULL) != 0 && !told_to_end)
			;
}

static atomic_bool stop;

static void *hammer(void *arg)
{
	void *mine[HELD] = {0};
	unsigned seed = (unsigned)(uintptr_t)arg;

	while (!stop) {
		const int i = rand_r(&seed) % HELD;
		free(mine[i]);
		const size_t n = (size_t)(rand_r(&seed) % 3000);
		mine[i] = malloc(n == 0 ? 200000 : n);
	}
	for (int i = 0; i < HELD; i++)
		free(mine[i]);
	return NULL;
}

static void storm(int tenths)
{
	pthread_t thread[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, hammer, (void *)i) != 0)
			abort();
	puts("held");
	fflush(stdout);
	wait_tenths(tenths);
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

static int write_own(int fd)
{
	if (dmm_profile_write == NULL)
		return 3;
	if (dmm_profile_write(fd) == 0)
		return 0;
	return errno == ENODATA ? 4 : 5;
}

int main(int argc, char **argv)
{
	const char *const what = argc > 1 ? argv[1] : "";
	const int number = argc > 2 ? atoi(argv[2]) : 0;

	signal(SIGTERM, end_soon);
	if (strcmp(what, "storm") == 0) {
		storm(number);
		return 0;
	}
	known();
	if (strcmp(what, "hold") == 0) {
		puts("held");
		fflush(stdout);
		wait_tenths(number);
	} else if (strcmp(what, "write") == 0) {
		return write_own(number);
	} else if (strcmp(what, "fork") == 0) {
		const pid_t pid = fork();
		for (int i = 0; i < 2000 && pid == 0; i++)
			more[i] = allocate(1000);
		if (pid != 0 && waitpid(pid, NULL, 0) != pid)
			return 1;
	} else if (strcmp(what, "known") != 0) {
		return 2;
	}
	return 0;
}
