/* asleep.c - threads free all of 1 GiB and then sleep: what stays resident, without a further call.
 *
 *   LD_PRELOAD=libdmm.so asleep THREADS MIB
 *
 * The objects have 16 to 512 bytes and are freed in random order, so that what is left in a stack
 * lies in a slab of its own.  Memory of a threaded program goes back after some ticks of a helper:
 * we look for half a minute.  Fails when more than MIB stays.  bench/promises measures the same
 * after one second and three.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tasks.h"

enum { OBJECTS = 4 << 20, THREADS_MOST = 16 };
static const size_t TOTAL = (size_t)1 << 30;
static char *objects[OBJECTS];
static size_t threads;
static pthread_barrier_t filled, freed;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

static void fill_and_free(size_t number)
{
	const size_t most = OBJECTS / threads;
	char **const mine = objects + number * most;
	uint64_t state = 88172645463325252u + number;
	size_t count = 0;

	for (size_t total = 0; total < TOTAL / threads && count < most; count++) {
		const size_t n = 16 + next_random(&state) % 497;
		if ((mine[count] = malloc(n)) == NULL)
			skip("1 GiB");
		memset(mine[count], 1, n);
		total += n;
	}
	pthread_barrier_wait(&filled);
	for (; count > 0; count--) {
		const size_t i = next_random(&state) % count;
		free(mine[i]);
		mine[i] = mine[count - 1];
	}
	pthread_barrier_wait(&freed);
}

static void *work(void *number)
{
	fill_and_free((size_t)number);
	while (pause() != 0)
		;
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	double left = 0;

	threads = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	if (threads == 0 || threads > THREADS_MOST)
		return 2;
	memset(objects, 0, sizeof objects); /* so that they count before and after */
	pthread_barrier_init(&filled, NULL, (unsigned)threads);
	pthread_barrier_init(&freed, NULL, (unsigned)threads);
	const double before = rss_mib();
	for (size_t i = 1; i < threads; i++)
		if (pthread_create(&thread, NULL, work, (void *)i) != 0)
			skip("pthread_create");
	fill_and_free(0);
	for (int looks = 0; looks < 300; looks++) {
		left = rss_mib() - before;
		if (left <= strtod(argv[2], NULL))
			return 0;
		sleep_ms(100);
	}
	printf("%.1f MiB are left\n", left);
	return 1;
}
