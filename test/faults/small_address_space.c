/* small_address_space.c - slab by every way into a program, in an address space, or private
 * writable memory, of 256 MiB.
 *
 *      small_space as|data THREADS [LIBRARY]
 *
 * LIBRARY: its malloc, found by dlsym; else the process's own.
 *
 * The limit is set, and the program then runs itself again, so that slab starts under it.  THREADS
 * threads fill what there is, until three requests in a row are refused, compare, free, and must
 * get as much again; together at least half of the limit.  Exit 0: so it was.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { OBJECTS = 40000, THREADS_MAX = 8, ROUNDS = 2 };
static const size_t LIMIT = (size_t)256 << 20, ENOUGH = LIMIT / 2;

static void *(*get)(size_t);
static void (*give)(void *);
static atomic_size_t bytes[ROUNDS];
static pthread_barrier_t all;

static struct mine {
	char *p[OBJECTS];
	size_t n[OBJECTS];
} mine[THREADS_MAX];

/* printf may allocate, and there is no memory. */
static void wrong(const char *what)
{
	if (write(2, "ways: ", 6) < 0 || write(2, what, strlen(what)) < 0 || write(2, "\n", 1) < 0)
		_exit(2);
	_exit(1);
}

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
	return *state;
}

static size_t fill(struct mine *m, uint64_t *state, int round)
{
	size_t count = 0;

	for (int refused = 0; refused < 3 && count < OBJECTS;) {
		const uint64_t r = next(state);
		const size_t n = r % 32 == 0 ? r % 500000 + 1 : r % 3000 + 1;
		errno = 0;
		char *const p = get(n);
		if (p == NULL && errno != ENOMEM)
			wrong("NULL without ENOMEM");
		refused = p == NULL ? refused + 1 : 0;
		if (p == NULL)
			continue;
		memset(p, (int)n, n);
		m->p[count] = p;
		m->n[count++] = n;
		atomic_fetch_add(&bytes[round], n);
	}
	return count;
}

static void *work(void *arg)
{
	struct mine *const m = arg;
	uint64_t state = (uint64_t)(m - mine) * 977 + 88172645463325252u;

	for (int round = 0; round < ROUNDS; round++) {
		const size_t count = fill(m, &state, round);
		pthread_barrier_wait(&all); /* all is full now */
		for (size_t i = 0; i < count; i++) {
			for (size_t at = 0; at < m->n[i]; at += 1 + m->n[i] / 64)
				if (m->p[i][at] != (char)m->n[i])
					wrong("an object lost its bytes");
			give(m->p[i]);
		}
		pthread_barrier_wait(&all);
	}
	return NULL;
}

static void limit_and_run_again(char **argv)
{
	const struct rlimit limit = {LIMIT, LIMIT};

	if (setrlimit(strcmp(argv[1], "as") == 0 ? RLIMIT_AS : RLIMIT_DATA, &limit) != 0)
		wrong("no such limit");
	setenv("WAYS_LIMITED", "1", 1);
	execv("/proc/self/exe", argv);
	wrong("cannot run itself again");
}

static void load(const char *library)
{
	void *const loaded = dlopen(library, RTLD_NOW | RTLD_LOCAL);

	if (loaded == NULL)
		wrong(dlerror());
	*(void **)&get = dlsym(loaded, "malloc");
	*(void **)&give = dlsym(loaded, "free");
	if (get == NULL || give == NULL || get == malloc)
		wrong("the library's malloc was not found");
}

int main(int argc, char **argv)
{
	const size_t threads = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	pthread_t thread[THREADS_MAX];
	pthread_attr_t attr;

	if (threads == 0 || threads > THREADS_MAX) {
		fprintf(stderr, "usage: ways as|data THREADS [LIBRARY]\n");
		return 2;
	}
	if (getenv("WAYS_LIMITED") == NULL)
		limit_and_run_again(argv);
	get = malloc;
	give = free;
	if (argc > 3)
		load(argv[3]);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 << 10);
	pthread_barrier_init(&all, NULL, (unsigned)threads);
	for (size_t i = 0; i < threads; i++)
		if (pthread_create(&thread[i], &attr, work, &mine[i]) != 0)
			wrong("no thread");
	for (size_t i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	printf("ways: %s %zu threads: %zu MiB, then %zu MiB of 256\n", argv[1], threads,
	    bytes[0] >> 20,
	    bytes[1] >> 20);
	if (bytes[0] < ENOUGH || bytes[1] < bytes[0] / 10 * 9)
		wrong("less than half of the limit, or less than before");
	return 0;
}
