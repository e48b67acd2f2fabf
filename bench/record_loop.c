/* record_loop.c - what a recorder costs a call: threads that do little but malloc and free.
 *
 *   record_loop THREADS CALLS     prints nanoseconds a call: wall time of a thread, then CPU time
 *                                 of all tasks of the process (which counts what a recorder's own
 *                                 tasks do)
 *
 * Each thread keeps 1,000 objects of 16 to 1,024 bytes and replaces one at random: sizes and order
 * are those of a busy program, without its other work.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"

enum { OBJECTS = 1000, THREADS_MAX = 64 };

static size_t calls;

static void *run(void *arg)
{
	struct rng rng = {(uintptr_t)arg};
	void *object[OBJECTS] = {0};

	for (size_t i = 0; i < calls; i += 2) {
		const uint64_t x = rng_next(&rng);
		void **const slot = &object[x % OBJECTS];
		free(*slot);
		*slot = malloc(16 << (x >> 32) % 7);
	}
	for (int i = 0; i < OBJECTS; i++)
		free(object[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS_MAX];
	struct timespec a, b, cpu;
	const size_t threads = argc > 1 ? strtoul(argv[1], NULL, 10) : 2;

	calls = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000000;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (size_t i = 0; i < threads && i < THREADS_MAX; i++)
		pthread_create(&thread[i], NULL, run, (void *)(i + 1));
	for (size_t i = 0; i < threads && i < THREADS_MAX; i++)
		pthread_join(thread[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	const double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	const double cpu_ns = (double)cpu.tv_sec * 1e9 + (double)cpu.tv_nsec;
	printf("%.1f %.1f\n", ns / (double)calls, cpu_ns / (double)calls / (double)threads);
	return 0;
}
