/* races.c - two threads free one object at the same moment; afterwards malloc must not give one
 * object to two owners.
 *
 *   LD_PRELOAD=libdmm.so races [--trials=N] [--seed=N] [WAY]
 *
 * Each trial is a process of its own.  Its threads meet at a barrier, free the same object, meet
 * again, and each takes many objects of that size and writes its mark into them.  A trial ends in
 * one of these ways:
 *
 *   named     malloc ended the program with "double free"
 *   silent    nobody was given the object a second time
 *   twice     two callers were given one object, or a mark was overwritten: a fault of malloc
 *
 * Prints a line for each way and size; exits 1 if any trial ended in "twice", or in none of the
 * three.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/libc.h" /* malloc_trim(), which musl does not declare */

void free_sized(void *p, size_t n) __attribute__((weak)); /* C23; glibc 2.36 has none */

enum { TAKEN_MOST = 1500, OTHER_SIZE = 64, TAKERS = 3, TWICE = 3, UNABLE = 4 };

struct way {
	const char *name;
	bool dead_owner; /* who allocated has ended; two others free */
	bool alone;      /* no other object of the slab is in use, so that it can close */
	bool sized;
	bool trims;      /* a third thread gives memory back meanwhile, closing slabs */
	bool large;
};

static const struct way ways[] = {
    {.name = "owner and another"},
    {.name = "owner and another, sized", .sized = true},
    {.name = "owner and another, alone in its slab", .alone = true},
    {.name = "owner and another, alone, a third trims", .alone = true, .trims = true},
    {.name = "two others, the owner has ended", .dead_owner = true},
    {.name = "two others, the owner has ended, alone in its slab", .dead_owner = true,
        .alone = true},
    {.name = "two others, the owner has ended, a third trims", .dead_owner = true, .alone = true,
        .trims = true},
    {.name = "two threads, a large object", .large = true},
};

static struct {
	const struct way *way;
	size_t size;
	uint64_t seed;
	void *object, *neighbours[64], *of_main;
	_Atomic unsigned arrived;
	_Atomic bool other_has_heap, allocated, freed;
	uint64_t *taken[TAKERS][TAKEN_MOST];
	size_t count;
} trial;

static uint64_t mixed(uint64_t x)
{
	x = (x ^ x >> 31) * 0x9e3779b97f4a7c15;
	return x ^ x >> 29;
}

/* The n-th to come lets all go on; spinning, so that they leave within nanoseconds of each
 * other. */
static void meet(unsigned n)
{
	atomic_fetch_add(&trial.arrived, 1);
	for (unsigned spins = 0; atomic_load(&trial.arrived) < n; spins++)
		if (spins % 2000 == 1999)
			sched_yield();
}

/* In every second trial not at all. */
static void wait_a_little(uint64_t by)
{
	for (volatile uint64_t i = trial.seed % 2 * mixed(trial.seed * 3 + by) % 40; i > 0; i--)
		;
}

static void drop(void *p)
{
	if (trial.way->sized)
		free_sized(p, trial.size);
	else
		free(p);
}

static void take(uint64_t who)
{
	for (size_t i = 0; i < trial.count; i++) {
		uint64_t *const p = malloc(trial.size);
		if (p == NULL)
			_exit(UNABLE);
		trial.taken[who][i] = p;
		*p = who << 32 | i;
	}
}

/* Every mark is still there, or another caller was given the same memory. */
static void compare(uint64_t who)
{
	for (size_t i = 0; i < trial.count; i++)
		if (*trial.taken[who][i] != (who << 32 | i))
			_exit(TWICE);
}

static void *races(void *arg)
{
	const uint64_t who = (uintptr_t)arg;

	free(malloc(OTHER_SIZE)); /* has a heap, and no slab of the size */
	if (who != 0) {
		/* In half of the trials a thread has freed for another before: then all such frees
		 * take a shorter way. */
		if (trial.seed / 2 % 2 == 0)
			free(trial.of_main);
		/* so that it does not take over the one of who ends */
		atomic_store(&trial.other_has_heap, true);
	}
	while (!atomic_load(&trial.allocated))
		sched_yield();
	meet(2);
	wait_a_little(who);
	drop(trial.object);
	meet(4);
	take(who);
	meet(6);
	compare(who);
	return NULL;
}

static void *trims(void *arg)
{
	while (!atomic_load(&trial.freed))
		malloc_trim(0);
	take(2);
	return arg;
}

static void *allocates(void *arg)
{
	trial.object = malloc(trial.size);
	for (size_t i = 0; i < 64 && !trial.way->alone; i++)
		trial.neighbours[i] = malloc(trial.size);
	return arg;
}

static pthread_t start(void *(*act)(void *), uintptr_t arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, act, (void *)arg) != 0)
		_exit(UNABLE);
	return thread;
}

/* One trial, in a child. */
static void run(void)
{
	pthread_t third = 0;

	trial.of_main = malloc(OTHER_SIZE);
	const pthread_t other = start(races, 1);
	while (!atomic_load(&trial.other_has_heap))
		sched_yield();
	if (trial.way->dead_owner)
		pthread_join(start(allocates, 0), NULL);
	else
		allocates(NULL);
	if (trial.way->trims)
		third = start(trims, 0);
	atomic_store(&trial.allocated, true);
	races(NULL);
	pthread_join(other, NULL);
	atomic_store(&trial.freed, true);
	if (trial.way->trims) {
		pthread_join(third, NULL);
		for (uint64_t who = 0; who < TAKERS; who++)
			compare(who);
	}
}

/* ---- the parent */

struct tally {
	unsigned long named, silent, twice, other;
};

enum { TEXT = 400 };

static bool says_double_free(const char *said)
{
	return strstr(said, "double free") != NULL;
}

static void report(int status, const char *said)
{
	printf("races: a trial ended with %s %d: %s%s", WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), said,
	    strchr(said, '\n') != NULL ? "" : "\n");
}

static void one(int said, struct tally *tally)
{
	char text[TEXT] = "";
	int status;

	if (ftruncate(said, 0) != 0 || lseek(said, 0, SEEK_SET) != 0)
		abort();
	const pid_t child = fork();
	if (child == 0) {
		dup2(said, STDERR_FILENO);
		alarm(60);
		run();
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("races: fork");
		exit(1);
	}
	if (pread(said, text, sizeof text - 1, 0) < 0)
		perror("races: what the trial said");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && says_double_free(text))
		tally->named++;
	else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		tally->silent++;
	else if (WIFEXITED(status) && WEXITSTATUS(status) == TWICE)
		tally->twice++;
	else {
		tally->other++;
		report(status, text);
	}
}

static bool all_trials(const struct way *way, size_t size, unsigned long trials, uint64_t seed)
{
	struct tally tally = {0};
	const int said = memfd_create("said", 0);

	if (said < 0) {
		perror("races: memfd_create");
		exit(1);
	}
	trial.way = way;
	trial.size = size;
	trial.count = size > 32768 ? 8 : size > 1024 ? 200 : TAKEN_MOST;
	for (unsigned long i = 0; i < trials; i++) {
		trial.seed = seed + i;
		one(said, &tally);
	}
	close(said);
	printf("races: %-52s %6zu bytes: %lu named, %lu silent, %lu given out twice", way->name,
	    size, tally.named,
	    tally.silent, tally.twice);
	printf(tally.other != 0 ? ", %lu ended in another way\n" : "\n", tally.other);
	fflush(stdout);
	return tally.twice == 0 && tally.other == 0;
}

int main(int argc, char **argv)
{
	static const size_t small[] = {16, 200, 5000}, large[] = {100000};
	unsigned long trials = 100;
	uint64_t seed = 1;
	const char *word = "";
	bool ok = true;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--trials=", 9) == 0)
			trials = strtoul(argv[i] + 9, NULL, 10);
		else if (strncmp(argv[i], "--seed=", 7) == 0)
			seed = strtoull(argv[i] + 7, NULL, 10);
		else
			word = argv[i];
	}
	for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
		const size_t n = ways[w].large ? 1 : sizeof small / sizeof *small;
		if (strstr(ways[w].name, word) == NULL || (ways[w].sized && free_sized == NULL))
			continue;
		for (size_t i = 0; i < n; i++)
			ok &= all_trials(&ways[w], (ways[w].large ? large : small)[i], trials,
			    seed);
	}
	return !ok;
}
