/* patterns_exchange.c - threads that hand objects to each other while they use their own.
 *
 * Who frees an object depends on how the threads run, but each is freed once: so the checksum, a
 * sum over all objects, does not.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "patterns.h"

/* Places in which threads leave objects for each other. */
struct exchange {
	size_t scale;
	size_t places;
	_Atomic(void *) *place;
};

static struct exchange exchange_open(const struct work *w, size_t places)
{
	struct exchange x = {w->scale, places, calloc(places, sizeof *x.place)};

	if (x.place == NULL)
		abort();
	return x;
}

/* The thread that closes it frees the rest. */
static uint64_t exchange_close(struct exchange *x)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < x->places; i++)
		sum += touch_free(x->place[i]);
	free(x->place);
	return sum;
}

/* ---- as mimalloc's stress test does ---------------------------------------------------------- */

/* A thread keeps some of what it allocates until it ends, frees some at once, and exchanges some
 * for what another thread left. */
static uint64_t stress_body(void *arg, unsigned i)
{
	enum { STEPS = 40000, KEPT = 12000, BIG_OF = 100 };
	struct exchange *const x = arg;
	void **const kept = calloc(KEPT, sizeof *kept);
	struct rng r = {i + 1};
	uint64_t sum = 0;

	if (kept == NULL)
		abort();
	for (size_t step = 0; step < STEPS * x->scale; step++) {
		const size_t n = rng_below(&r, BIG_OF) == 0 ? 16384 + rng_below(&r, 49152)
		                                            : program_size(&r, 4096);
		void *p = touch_malloc(n, (unsigned char)step);
		const uint64_t fate = rng_below(&r, 100);
		if (fate < 25)
			p = atomic_exchange(&x->place[rng_below(&r, x->places)], p);
		if (fate < 60) {
			void **const at = &kept[rng_below(&r, KEPT)];
			void *const before = *at;
			*at = p;
			p = before;
		}
		sum += touch_free(p);
	}
	for (size_t k = 0; k < KEPT; k++)
		sum += touch_free(kept[k]);
	free(kept);
	return sum;
}

/* Three generations of threads: each finds what the one before left in the places. */
static uint64_t stress(const struct work *w)
{
	enum { GENERATIONS = 3, PLACES = 1000 };
	struct exchange x = exchange_open(w, PLACES);
	uint64_t sum = 0;

	for (int g = 0; g < GENERATIONS; g++)
		sum += in_threads(w->threads, stress_body, &x);
	return sum + exchange_close(&x);
}

/* ---- a steady state of all sizes ------------------------------------------------------------- */

/* 16 bytes to 64 KiB, each doubling as frequent as any other. */
static size_t log_uniform_size(struct rng *r)
{
	enum { DOUBLINGS = 12 };
	const size_t least = (size_t)16 << rng_below(r, DOUBLINGS);
	return least + rng_below(r, least);
}

/* Leave p for whoever comes next, and free what was left there before. */
static uint64_t drop(struct exchange *x, struct rng *r, void *p)
{
	return touch_free(atomic_exchange(&x->place[rng_below(r, x->places)], p));
}

static uint64_t log_uniform_body(void *arg, unsigned i)
{
	enum { STEPS = 25000, LIVE = 10000, PASS_EVERY = 16 };
	struct exchange *const x = arg;
	void **const live = calloc(LIVE, sizeof *live);
	struct rng r = {i + 1};
	uint64_t sum = 0;

	if (live == NULL)
		abort();
	for (size_t step = 0; step < STEPS * x->scale; step++) {
		void **const at = &live[rng_below(&r, LIVE)];
		sum += step % PASS_EVERY == 0 ? drop(x, &r, *at) : touch_free(*at);
		*at = touch_malloc(log_uniform_size(&r), (unsigned char)step);
	}
	for (size_t k = 0; k < LIVE; k++)
		sum += touch_free(live[k]);
	free(live);
	return sum;
}

static uint64_t log_uniform(const struct work *w)
{
	enum { PLACES = 256 };
	struct exchange x = exchange_open(w, PLACES);
	const uint64_t sum = in_threads(w->threads, log_uniform_body, &x);

	return sum + exchange_close(&x);
}

const struct pattern patterns_exchange[] = {
    {"stress", "threads keep, free and exchange objects, in three generations", stress},
    {"log-uniform", "10,000 live objects a thread, 16 bytes to 64 KiB, one in 16 passed on",
        log_uniform},
    {0},
};
