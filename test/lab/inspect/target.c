/* target.c - a program for dmm to look into: it prints what it holds, then waits.
 *
 * usage: target hold   what follows, one line, then end at the end of input
 *        target rest    the same, but no thread of it wakes up
 *        target churn  THREADS threads that allocate and free until the end of input
 *        target become after a byte, another program
 *        target idle   not one call of malloc, if the C library makes none
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OBJECTS = 900, SIZE = 9300, LARGE = 7, LARGE_SIZE = 1 << 20, SMALL = 5000,
    SMALL_SIZE = 1470, LEFT_SIZE = 40 };

static void *objects[OBJECTS], *large[LARGE], *small[SMALL], *left;
static _Atomic int stop, awake;

static void *must(size_t n)
{
	void *const p = malloc(n);

	if (p == NULL)
		abort();
	memset(p, 1, n);
	return p;
}

static void wait_for_end(void)
{
	char byte;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

/* Another thread frees a tenth of the small ones, which the first does not take back, and leaves an
 * object at its end. */
static void *free_some(void *arg)
{
	left = must(LEFT_SIZE);
	for (int i = 0; i < SMALL; i += 10)
		free(small[i]);
	return arg;
}

static void *sleep_on(void *arg)
{
	free(must(64));
	awake = 1;
	while (!stop)
		usleep(10000);
	return arg;
}

/* Sizes of few other users: the test asks for these classes. */
static int hold(int sleepers)
{
	pthread_t other, sleeper;
	int live = 0;

	for (int i = 0; i < OBJECTS; i++)
		objects[i] = must(SIZE);
	for (int i = 0; i < SMALL; i++)
		small[i] = must(SMALL_SIZE);
	for (int i = 0; i < LARGE; i++)
		large[i] = must(LARGE_SIZE);
	for (int i = 0; i < OBJECTS; i++)
		if (i % 3 == 0)
			free(objects[i]);
		else
			live++;
	if (sleepers) {
		pthread_create(&sleeper, NULL, sleep_on, NULL);
		pthread_setname_np(sleeper, "sleeper");
		while (!awake) /* otherwise it may take over the heap that the other leaves */
			usleep(1000);
	}
	pthread_create(&other, NULL, free_some, NULL);
	pthread_join(other, NULL);
	usleep(200000);
	dprintf(STDOUT_FILENO, "%d %d %d %d\n", live, SMALL - SMALL / 10, SMALL / 10, LARGE);
	wait_for_end();
	return 0;
}

static void *churn(void *arg)
{
	uint64_t x = (uintptr_t)arg * 0x9e3779b97f4a7c15u + 1;
	void *mine[512] = {NULL};

	while (!stop) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		void **const at = &mine[x % 512];
		free(*at);
		*at = must(x >> 32 & 1023 ? (x >> 20) % 3000 : (x >> 20) % 300000);
	}
	for (int i = 0; i < 512; i++)
		free(mine[i]);
	return NULL;
}

static int churn_all(int threads)
{
	pthread_t thread[64];

	for (int i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, churn, (void *)(intptr_t)(i + 1));
	dprintf(STDOUT_FILENO, "churning\n");
	wait_for_end();
	stop = 1;
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && (strcmp(argv[1], "hold") == 0 || strcmp(argv[1], "rest") == 0))
		return hold(strcmp(argv[1], "hold") == 0);
	if (argc > 2 && strcmp(argv[1], "churn") == 0)
		return churn_all(atoi(argv[2]) > 64 ? 64 : atoi(argv[2]));
	if (argc > 1 && strcmp(argv[1], "become") == 0) {
		free(must(100));
		dprintf(STDOUT_FILENO, "waiting\n");
		if (read(STDIN_FILENO, (char[1]){0}, 1) == 1)
			execl("/bin/sleep", "sleep", "60", (char *)NULL);
	}
	dprintf(STDOUT_FILENO, "idle\n");
	wait_for_end();
	return 0;
}
