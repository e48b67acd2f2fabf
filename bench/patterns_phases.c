/* patterns_phases.c - programs with phases: what is given back, and when, decides their memory over
 * time.
 *
 * Each rests for a part of its run, as services do, so its time says little and its mean memory
 * much.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "patterns.h"

static void rest_ms(unsigned ms)
{
	usleep(ms * 1000);
}

/* ---- one burst ------------------------------------------------------------------------------- */

/* 150,000 objects of 200 to 350 bytes; all but one of 64 are freed; then 0.6 s in which nothing
 * happens. */
static uint64_t burst_idle(const struct work *w)
{
	enum { OBJECTS = 150000, KEPT_OF = 64 };
	uint64_t sum = 0;

	for (size_t round = 0; round < w->scale; round++) {
		void **const p = malloc(OBJECTS * sizeof *p);
		if (p == NULL)
			abort();
		for (size_t i = 0; i < OBJECTS; i++)
			p[i] = touch_malloc(200 + i % 150, (unsigned char)i);
		for (size_t i = 0; i < OBJECTS; i++)
			if (i % KEPT_OF != 0)
				sum += touch_free(p[i]);
		rest_ms(600); /* the survivors stay, as a service's do when it is stopped */
		free(p);
	}
	return sum;
}

/* ---- pool threads that take turns ------------------------------------------------------------ */

enum { TURN_OBJECTS = 40000 };

static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static unsigned turn_of;

static uint64_t serve_one(struct rng *r)
{
	static void *p[TURN_OBJECTS];
	uint64_t sum = 0;

	for (size_t i = 0; i < TURN_OBJECTS; i++)
		p[i] = touch_malloc(program_size(r, 2048), (unsigned char)i);
	for (size_t i = 0; i < TURN_OBJECTS; i++)
		sum += touch_free(p[i]);
	rest_ms(40);
	return sum;
}

/* One thread at a time serves a request of some MiB and frees it; then it waits for its next
 * turn. */
static uint64_t take_turns(void *arg, unsigned i)
{
	const struct work *const w = arg;
	struct rng r = {i + 1};
	uint64_t sum = 0;

	for (size_t turn = 0; turn < 2 * w->scale; turn++) {
		pthread_mutex_lock(&turn_lock);
		while (turn_of % w->threads != i)
			pthread_cond_wait(&turn_changed, &turn_lock);
		sum += serve_one(&r);
		turn_of++;
		pthread_cond_broadcast(&turn_changed);
		pthread_mutex_unlock(&turn_lock);
	}
	return sum;
}

static uint64_t pool_turns(const struct work *w)
{
	turn_of = 0;
	return in_threads(w->threads, take_turns, (void *)(uintptr_t)w);
}

/* ---- a server's bursts ----------------------------------------------------------------------- */

/* As a build server works: all threads allocate trees of small objects with some large buffers,
 * free all but what they cache, and then nothing happens until the next burst. */
static uint64_t burst_body(void *arg, unsigned i)
{
	enum { OBJECTS = 30000, KEPT_OF = 200, BIG_OF = 500, BIG = 100000 };
	const uint64_t burst = *(const uint64_t *)arg;
	void **const p = malloc(OBJECTS * sizeof *p);
	struct rng r = {burst * 1000 + i + 1};
	uint64_t sum = 0;

	if (p == NULL)
		abort();
	for (size_t k = 0; k < OBJECTS; k++)
		p[k] = touch_malloc(k % BIG_OF == 0 ? BIG : program_size(&r, 2048),
		    (unsigned char)k);
	for (size_t k = 0; k < OBJECTS; k++)
		if (k % KEPT_OF != 1)
			sum += touch_free(p[k]);
	rest_ms(500);
	for (size_t k = 1; k < OBJECTS; k += KEPT_OF)
		sum += touch_free(p[k]);
	free(p);
	return sum;
}

static uint64_t server_bursts(const struct work *w)
{
	enum { BURSTS = 3 };
	uint64_t sum = 0;

	for (uint64_t burst = 0; burst < BURSTS * w->scale; burst++)
		sum += in_threads(w->threads, burst_body, &burst);
	return sum;
}

/* ---- a cache that is dropped ----------------------------------------------------------------- */

/* Three times: a cache grows to some 50 MiB, nine tenths of it are dropped, and small requests
 * go on. */
static uint64_t cache_drops(const struct work *w)
{
	enum { ENTRIES = 60000, DROPS = 3, REQUESTS = 200 };
	static void *entry[ENTRIES];
	struct rng r = {7};
	uint64_t sum = 0;

	for (size_t drop = 0; drop < DROPS * w->scale; drop++) {
		for (size_t i = 0; i < ENTRIES; i++)
			if (entry[i] == NULL)
				entry[i] = touch_malloc(program_size(&r, 8192), (unsigned char)i);
		for (size_t i = 0; i < ENTRIES; i++)
			if (rng_below(&r, 10) != 0) {
				sum += touch_free(entry[i]);
				entry[i] = NULL;
			}
		for (size_t i = 0; i < REQUESTS; i++) {
			sum += touch_free(touch_malloc(program_size(&r, 4096), (unsigned char)i));
			rest_ms(1);
		}
	}
	return sum;
}

const struct pattern patterns_phases[] = {
    {"burst-idle", "150,000 objects, all freed but one of 64, then 0.6 s of rest", burst_idle},
    {"pool-turns", "threads serve requests of some MiB by turns, and wait", pool_turns},
    {"server-bursts", "threads build trees at once, free nearly all, and rest for 0.5 s",
        server_bursts},
    {"cache-drops", "a cache grows, nine tenths of it are dropped, small requests go on",
        cache_drops},
    {NULL, NULL, NULL},
};
