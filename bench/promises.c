/* promises.c - what an allocator owes a program that has gone quiet: memory, measured, for any
 * malloc.
 *
 *   LD_PRELOAD=libdmm.so promises PROMISE [threaded]
 *   LD_PRELOAD=libdmm.so promises again-in-order|again-at-random [TURNS]      20 turns unless told
 *
 * threaded: the program has a thread beside, which has allocated and waits.  free-all is then the
 * work of four threads, who wait when they are done.
 *
 * Each prints one line: what was measured, in MiB or bytes.  It judges nothing:
 * docs/evidence/performance.md says what was wanted.
 */
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const size_t MIB = 1 << 20;

static double rss_mib(void)
{
	char text[256] = "";
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fgets(text, sizeof text, f) == NULL ||
	    sscanf(text, "%*d %ld", &pages) != 1)
		exit(2);
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (double)MIB;
}

static void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static __thread uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

static void shuffle(char **p, size_t count)
{
	for (size_t i = count - 1; i > 0; i--) {
		const size_t j = random_next() % (i + 1);
		char *const t = p[i];
		p[i] = p[j];
		p[j] = t;
	}
}

static char **fill(size_t count, size_t n)
{
	static char *all[(1 << 30) / 64 + 1];

	memset(all, 0, count * sizeof *all); /* so that it counts before and after */
	for (size_t i = 0; i < count; i++)
		memset(all[i] = malloc(n), 1, n);
	return all;
}

enum { WORKERS = 4, ALL_MOST = 4 << 20 };
static char *all_objects[ALL_MOST];
static size_t workers;
static pthread_barrier_t together;
static sem_t finished;
static double peak_mib;

/* A share of 1 GiB of objects of 16 to 512 bytes, freed at random. */
static void take_and_free(size_t worker)
{
	const size_t most = ALL_MOST / workers;
	char **const mine = all_objects + worker * most;
	size_t count = 0;

	for (size_t total = 0; total < ((size_t)1 << 30) / workers && count < most; count++) {
		const size_t n = 16 + random_next() % 497;
		memset(mine[count] = malloc(n), 1, n);
		total += n;
	}
	pthread_barrier_wait(&together);
	if (worker == 0)
		peak_mib = rss_mib();
	pthread_barrier_wait(&together);
	shuffle(mine, count);
	for (size_t i = 0; i < count; i++)
		free(mine[i]);
	sem_post(&finished);
}

static void *take_free_and_wait(void *worker)
{
	take_and_free((size_t)worker);
	while (pause() != 0) /* it returns -1 after a signal */
		;
	return worker;
}

/* Then nothing is called any more. */
static void free_all(bool threaded)
{
	pthread_t thread;

	workers = threaded ? WORKERS : 1;
	memset(all_objects, 0, sizeof all_objects);
	pthread_barrier_init(&together, NULL, (unsigned)workers);
	sem_init(&finished, 0, 0);
	const double before = rss_mib();
	for (size_t i = 1; i < workers; i++)
		if (pthread_create(&thread, NULL, take_free_and_wait, (void *)i) != 0)
			exit(2);
	take_and_free(0);
	for (size_t i = 0; i < workers; i++)
		sem_wait(&finished);
	const double peak = peak_mib, freed = rss_mib();
	sleep_ms(1000);
	const double later = rss_mib();
	sleep_ms(2000);
	printf("free-all: peak %.1f MiB, just freed %.1f, 1 s later %.1f above the start, 3 s "
	    "later %.1f\n",
	    peak - before, freed - before, later - before, rss_mib() - before);
}

/* A random 90 % of 512 MiB of equal objects freed. */
static void free_most(size_t n)
{
	static unsigned char page_live[(3ul << 30) / 4096];
	const size_t count = (512u << 20) / n;
	const double before = rss_mib();
	char **const all = fill(count, n);
	const double pointers = rss_mib();
	size_t pages = 0;

	shuffle(all, count);
	for (size_t i = count / 10; i < count; i++)
		free(all[i]);
	const double freed = rss_mib();
	sleep_ms(1000);
	const double later = rss_mib();
	uintptr_t low = UINTPTR_MAX;
	for (size_t i = 0; i < count / 10; i++)
		low = (uintptr_t)all[i] < low ? (uintptr_t)all[i] : low;
	for (size_t i = 0; i < count / 10; i++)
		for (uintptr_t at = ((uintptr_t)all[i] - low / 4096 * 4096) / 4096,
		               end = ((uintptr_t)all[i] + n - 1 - low / 4096 * 4096) / 4096;
		               at <= end; at++)
			if (at < sizeof page_live && !page_live[at])
				page_live[at] = 1, pages++;
	const double table = (double)(count * sizeof *all) / (double)MIB;
	printf("free-90-%zu: peak %.1f MiB, just freed %.1f, 1 s later %.1f (%.2f of the peak); "
	       "pages with a live object %.1f MiB\n", n, pointers - before - table,
	       freed - before - table, later - before - table,
	    (later - before - table) / (pointers - before - table),
	    (double)pages * 4096 / (double)MIB);
}

/* ---- 16 producers, one thread that only frees ------------------------------------------------ */

enum { PRODUCERS = 16, RING = 1 << 16, EACH = 400000 };
static char *ring[PRODUCERS][RING];
static _Atomic size_t made[PRODUCERS], gone[PRODUCERS];
static _Atomic long live_bytes, most_live_bytes;

static void *produce(void *arg)
{
	const uintptr_t me = (uintptr_t)arg;
	uint64_t state = me * 7919 + 1;

	for (size_t i = 0; i < EACH; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		const size_t n = 32 + (state >> 33) % 480;
		char *const p = malloc(n);
		memset(p, 1, n);
		live_bytes += (long)malloc_usable_size(p);
		for (long now = live_bytes, most = most_live_bytes; now > most;)
			if (atomic_compare_exchange_weak(&most_live_bytes, &most, now))
				break;
		while (i - gone[me] >= RING)
			sched_yield();
		ring[me][i % RING] = p;
		made[me] = i + 1;
	}
	return NULL;
}

static void free_one(size_t from)
{
	char *const p = ring[from][gone[from] % RING];

	live_bytes -= (long)malloc_usable_size(p);
	free(p);
	gone[from]++;
}

static bool all_produce(void)
{
	for (size_t i = 0; i < PRODUCERS; i++)
		if (made[i] == EACH)
			return false;
	return true;
}

/* Keeps the rings between half full and full: 140 to 280 MiB of live objects. */
static int free_only(void)
{
	pthread_t threads[PRODUCERS];
	double worst = 0, worst_rss = 0, worst_live = 0;
	size_t done = 0, looks = 0;

	memset(ring, 0, sizeof ring);
	const double before = rss_mib();
	for (uintptr_t i = 0; i < PRODUCERS; i++)
		pthread_create(&threads[i], NULL, produce, (void *)i);
	while (done < (size_t)PRODUCERS * EACH) {
		for (size_t i = 0; i < PRODUCERS; i++)
			while (made[i] - gone[i] > (made[i] == EACH ? 0 : RING / 2))
				free_one(i), done++;
		if (++looks % 16 == 0) {
			/* With two processors this thread sees the rings just after it emptied them
			 * to half, and the memory of when they were full: so the most that ever
			 * lived is the measure. */
			/* first: we may be preempted between the two */
			const double rss = rss_mib() - before;
			const double most = (double)most_live_bytes / (double)MIB;
			if (most > 64 && all_produce() && rss / most > worst)
				worst = rss / most, worst_rss = rss, worst_live = most;
		}
	}
	for (size_t i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	if (worst == 0) {
		puts("free-only: never seen while all produced: the machine had too little time "
		    "for us; again, please");
		return 1;
	}
	printf("free-only: while all produce, largest ratio of RSS (threads' stacks included) to "
	       "the most bytes that lived so far %.2f (%.1f to %.1f MiB)\n", worst, worst_rss,
	       worst_live);
	return 0;
}

/* ---- threads that wait ----------------------------------------------------------------------- */

static sem_t started, leave;
static bool idle_allocates;

static void *idle(void *arg)
{
	(void)arg;
	if (idle_allocates)
		free(malloc(100));
	sem_post(&started);
	sem_wait(&leave);
	return NULL;
}

static double idle_cost(bool allocates)
{
	enum { THREADS = 1000 };
	static pthread_t threads[THREADS];
	pthread_attr_t attr;
	const double before = rss_mib();

	idle_allocates = allocates;
	sem_init(&started, 0, 0);
	sem_init(&leave, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], &attr, idle, NULL) != 0)
			exit(2);
	for (int i = 0; i < THREADS; i++)
		sem_wait(&started);
	const double with = rss_mib();
	for (int i = 0; i < THREADS; i++)
		sem_post(&leave);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return (with - before) * 1024 / THREADS;
}

static void idle_threads(void)
{
	idle_cost(false); /* the C library keeps the stacks */
	const double bare = idle_cost(false);

	printf("idle-threads: %.1f KiB each without a malloc, %.1f with one\n", bare,
	    idle_cost(true));
}

static void grow(void)
{
	struct timespec from, to;
	char *p = malloc(1 << 20);

	memset(p, 1, 1 << 20);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (size_t n = 2 << 20; n <= 1 << 30; n += 1 << 20)
		p = realloc(p, n);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("grow: 1 GiB by 1 MiB steps of realloc in %.2f ms, RSS %.1f MiB, %s\n",
	    (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6,
	    rss_mib(),
	    p[0] == 1 && p[(1 << 20) - 1] == 1 ? "intact" : "damaged");
}

/* 100 MB of objects are allocated, written and freed, in order or at random, `turns` times. */
static void again(size_t size, bool random, unsigned turns)
{
	const size_t count = 100000000 / size;
	char **const p = malloc(count * sizeof *p);
	struct rusage u;

	for (unsigned turn = 0; turn < turns; turn++) {
		for (size_t i = 0; i < count; i++) {
			if ((p[i] = malloc(size)) == NULL)
				exit(2);
			memset(p[i], 1, size);
		}
		if (random)
			shuffle(p, count);
		for (size_t i = 0; i < count; i++)
			free(p[i]);
	}
	getrusage(RUSAGE_SELF, &u);
	printf("again: %u turns of 100 MB in objects of %zu bytes, freed %s: %ld page faults, "
	    "%.3f s of processor time, RSS %.1f MiB\n",
	    turns, size, random ? "at random" : "in order", u.ru_minflt,
	    (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6, rss_mib());
	free(p);
}

/* It has allocated, and waits. */
static void begin_a_thread(void)
{
	pthread_t thread;

	idle_allocates = true;
	sem_init(&started, 0, 0);
	sem_init(&leave, 0, 0);
	if (pthread_create(&thread, NULL, idle, NULL) != 0)
		exit(2);
	sem_wait(&started);
}

int main(int argc, char **argv)
{
	const char *const what = argc >= 2 ? argv[1] : "";
	const bool threaded = argc == 3 && strcmp(argv[2], "threaded") == 0;
	const bool takes_it = strcmp(what, "free-only") != 0 && strcmp(what, "idle-threads") != 0;
	const bool takes_turns =
	    argc == 3 && strncmp(argv[1], "again-", 6) == 0 && atoi(argv[2]) > 0;
	const unsigned turns = takes_turns ? (unsigned)atoi(argv[2]) : 20;

	if (threaded && takes_it && strcmp(what, "free-all") != 0)
		begin_a_thread();
	if (argc > 3 || (argc == 3 && !(threaded && takes_it) && !takes_turns))
		fputs("promises: threaded may follow, or a number of turns, and no more\n", stderr);
	else if (strcmp(what, "free-all") == 0)
		return free_all(threaded), 0;
	else if (strcmp(what, "free-90-1024") == 0)
		return free_most(1024), 0;
	else if (strcmp(what, "free-90-64") == 0)
		return free_most(64), 0;
	else if (strcmp(what, "free-only") == 0)
		return free_only();
	else if (strcmp(what, "idle-threads") == 0)
		return idle_threads(), 0;
	else if (strcmp(what, "grow") == 0)
		return grow(), 0;
	else if (strcmp(what, "again-in-order") == 0)
		return again(500, false, turns), 0;
	else if (strcmp(what, "again-at-random") == 0)
		return again(2000, true, turns), 0;
	else
		fputs("usage: promises "
		      "free-all|free-90-1024|free-90-64|free-only|idle-threads|grow|"
		      "again-in-order|again-at-random"
		      " [threaded|TURNS]\n", stderr);
	return 2;
}
