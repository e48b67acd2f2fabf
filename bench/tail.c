/* tail.c - how long single calls of malloc and free take, for any malloc: the usual call and the
 * slowest ones.
 *
 *   LD_PRELOAD=libdmm.so tail [THREADS [SECONDS [LIVE [IDLE]]]]
 *
 * Each of THREADS threads (1) keeps LIVE objects (20,000) of 16 bytes to 64 KiB, their sizes drawn
 * so that each doubling is as frequent as any other.  For SECONDS (2) it frees one of them at
 * random and allocates another in its place.  One object in 16 is passed to the next thread, which
 * frees it.  Each call is timed by itself, by the processor's cycle counter; the first byte of each
 * object is written after the call was timed.  IDLE: before it starts, the program sleeps for so
 * many seconds, in which the host of a virtual machine takes free memory back.
 *
 * It prints percentiles in ns, which hold what the clock itself takes (first line), and what the
 * kernel does to a thread meanwhile: with more threads than cores, the worst call is one that was
 * interrupted.  It judges nothing: docs/evidence/front-ends.md compares.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/rng.h"
#include "os/ticks.h"

enum { THREADS_MAX = 256, PARTS = 32, BUCKETS = 64 * PARTS };
enum { PASSED = 256, PASS_EVERY = 16, LOOK_EVERY = 64 };

/* Ticks by their size: PARTS buckets for each doubling, so that a bucket is within 3 % of what it
 * counts. */
struct histogram {
	uint64_t count[BUCKETS], calls, worst;
};

struct worker {
	struct histogram mallocs, frees;
	_Atomic(void *) passed[PASSED]; /* by the thread before this one, to be freed here */
	struct worker *next;
	struct rng dice;
	void **object;
	uint64_t end; /* ticks */
	size_t live;
	pthread_t thread;
};

static void die(const char *why)
{
	fprintf(stderr, "tail: %s\n", why);
	exit(1);
}

static unsigned bucket_of(uint64_t ticks)
{
	if (ticks < PARTS)
		return (unsigned)ticks;
	const unsigned doublings = 63u - (unsigned)__builtin_clzll(ticks) - 5;
	return doublings * PARTS + (unsigned)(ticks >> doublings);
}

/* The largest number of ticks in a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
	if (bucket < 2 * PARTS)
		return bucket;
	const unsigned doublings = bucket / PARTS - 1;
	return ((uint64_t)(bucket % PARTS + PARTS + 1) << doublings) - 1;
}

static void note(struct histogram *h, uint64_t ticks)
{
	h->count[bucket_of(ticks)]++;
	h->calls++;
	h->worst = ticks > h->worst ? ticks : h->worst;
}

static void free_timed(struct worker *w, void *p)
{
	const uint64_t from = os_ticks();
	free(p);
	note(&w->frees, os_ticks() - from);
}

static void *malloc_timed(struct worker *w)
{
	enum { DOUBLINGS = 12 }; /* 16 bytes to 64 KiB */
	const size_t least = (size_t)16 << rng_below(&w->dice, DOUBLINGS);
	const size_t n = least + rng_below(&w->dice, least);
	const uint64_t from = os_ticks();
	char *const p = malloc(n);
	note(&w->mallocs, os_ticks() - from);
	if (p == NULL)
		die("out of memory");
	*p = 1;
	return p;
}

/* False: the next thread has not freed enough of what it was passed. */
static int pass(struct worker *to, void *p)
{
	for (int i = 0; i < PASSED; i++) {
		void *none = NULL;
		if (atomic_load_explicit(&to->passed[i], memory_order_relaxed) == NULL &&
		    atomic_compare_exchange_strong(&to->passed[i], &none, p))
			return 1;
	}
	return 0;
}

static void free_passed(struct worker *w)
{
	for (int i = 0; i < PASSED; i++) {
		void *const p = atomic_load_explicit(&w->passed[i], memory_order_acquire);
		if (p == NULL)
			continue;
		atomic_store_explicit(&w->passed[i], NULL, memory_order_relaxed);
		free_timed(w, p);
	}
}

static void *work(void *arg)
{
	struct worker *const w = arg;

	for (uint64_t n = 1; n % LOOK_EVERY != 0 || os_ticks() < w->end; n++) {
		void **const at = &w->object[rng_below(&w->dice, w->live)];
		if (*at != NULL && (n % PASS_EVERY != 0 || w->next == w || !pass(w->next, *at)))
			free_timed(w, *at);
		*at = malloc_timed(w);
		if (n % LOOK_EVERY == 0)
			free_passed(w);
	}
	return NULL;
}

static uint64_t percentile(const struct histogram *h, double share)
{
	uint64_t left = (uint64_t)((double)h->calls * share);

	for (unsigned i = 0; i < BUCKETS; i++) {
		if (h->count[i] > left)
			return bucket_end(i);
		left -= h->count[i];
	}
	return h->worst;
}

static void print(const char *name, const struct histogram *h, double ns)
{
	static const double shares[] = {0.5, 0.99, 0.999, 0.9999};

	printf("%-6s %10.2f M calls", name, (double)h->calls / 1e6);
	for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
		printf("  p%-5g %8.0f", shares[i] * 100, (double)percentile(h, shares[i]) * ns);
	printf("  worst %10.0f ns\n", (double)h->worst * ns);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Nanoseconds of a tick, measured. */
static double tick_ns(void)
{
	const uint64_t from_ns = now_ns(), from = os_ticks();
	uint64_t ns;

	while ((ns = now_ns() - from_ns) < 50000000)
		;
	return (double)ns / (double)(os_ticks() - from);
}

static long number(int argc, char **argv, int i, long otherwise, long most)
{
	const long n = argc > i ? strtol(argv[i], NULL, 10) : otherwise;

	if (n < 0 || n > most || (n == 0 && i != 4))
		die("usage: tail [THREADS [SECONDS [LIVE [IDLE]]]]");
	return n;
}

static void add(struct histogram *sum, const struct histogram *h)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		sum->count[i] += h->count[i];
	sum->calls += h->calls;
	sum->worst = h->worst > sum->worst ? h->worst : sum->worst;
}

int main(int argc, char **argv)
{
	static struct worker worker[THREADS_MAX];
	static struct histogram clock;
	const long threads = number(argc, argv, 1, 1, THREADS_MAX);
	const long seconds = number(argc, argv, 2, 2, 3600);
	const long live = number(argc, argv, 3, 20000, 100000000);
	const double ns = tick_ns();

	for (int i = 0; i < 100000; i++) {
		const uint64_t from = os_ticks();
		note(&clock, os_ticks() - from);
	}
	sleep((unsigned)number(argc, argv, 4, 0, 3600));
	const uint64_t end = os_ticks() + (uint64_t)((double)seconds * 1e9 / ns);
	for (long i = 0; i < threads; i++) {
		struct worker *const w = &worker[i];
		w->next = &worker[(i + 1) % threads];
		w->dice = (struct rng){(uint64_t)i + 1};
		w->live = (size_t)live;
		w->end = end;
		w->object = calloc(w->live, sizeof *w->object);
		if (w->object == NULL || pthread_create(&w->thread, NULL, work, w) != 0)
			die("no memory or no thread");
	}
	static struct histogram mallocs, frees;
	for (long i = 0; i < threads; i++) {
		pthread_join(worker[i].thread, NULL);
		add(&mallocs, &worker[i].mallocs);
		add(&frees, &worker[i].frees);
	}
	print("clock", &clock, ns);
	print("malloc", &mallocs, ns);
	print("free", &frees, ns);
	return 0;
}
