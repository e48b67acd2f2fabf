/* loads.c - five ways in which programs use a heap, after Wilson et al. (1995): a steady state,
 * a ramp, a plateau that changes its sizes, peaks, and vectors that grow between nodes that stay.
 *
 * All are deterministic.  Payload is what is asked for; the peak is over the whole run.
 */
#include "bench/loads.h"

#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "base/rng.h"

enum { SLOTS = 20000, STEPS = 150000, SEED = 1995 };

struct use {
	struct bench_heap *heap;
	void *p[SLOTS];
	size_t n[SLOTS];
	size_t live, peak; /* bytes asked for */
	struct rng rng;
};

static struct use *use_begin(struct bench_heap *heap)
{
	static struct use use;

	memset(&use, 0, sizeof use);
	use.heap = heap;
	use.rng.state = SEED;
	return &use;
}

static void put(struct use *u, size_t i, size_t n)
{
	u->p[i] = bench_alloc(u->heap, n);
	u->n[i] = n;
	u->live += n;
	u->peak = max_size(u->peak, u->live);
}

static void drop(struct use *u, size_t i)
{
	if (u->p[i] == NULL)
		return;
	bench_free(u->heap, u->p[i]);
	u->p[i] = NULL;
	u->live -= u->n[i];
}

static void drop_all(struct use *u)
{
	for (size_t i = 0; i < SLOTS; i++)
		drop(u, i);
}

/* Sizes as programs have them: each doubling from `least` as likely as the next. */
static size_t log_uniform(struct rng *r, unsigned least_log2, unsigned most_log2)
{
	const unsigned k = least_log2 + (unsigned)rng_below(r, most_log2 - least_log2);
	return ((size_t)1 << k) + rng_below(r, (size_t)1 << k);
}

static size_t nodes(struct bench_heap *heap)
{
	struct use *const u = use_begin(heap);

	for (size_t i = 0; i < SLOTS; i++)
		put(u, i, 24);
	for (size_t k = 0; k < STEPS; k++) {
		const size_t i = rng_below(&u->rng, SLOTS);
		drop(u, i);
		put(u, i, 24);
	}
	drop_all(u);
	return u->peak;
}

static size_t steady(struct bench_heap *heap)
{
	struct use *const u = use_begin(heap);

	for (size_t k = 0; k < STEPS; k++) {
		const size_t i = rng_below(&u->rng, SLOTS);
		drop(u, i);
		put(u, i, log_uniform(&u->rng, 4, 12));
	}
	drop_all(u);
	return u->peak;
}

/* Every other object goes; what comes next is a little larger than each hole. */
static size_t plateaus(struct bench_heap *heap)
{
	struct use *const u = use_begin(heap);

	for (size_t phase = 0; phase < 6; phase++) {
		for (size_t i = phase % 2; i < SLOTS; i += 2)
			drop(u, i);
		for (size_t i = phase % 2; i < SLOTS; i += 2)
			put(u, i, 40 + 40 * phase + rng_below(&u->rng, 32));
	}
	drop_all(u);
	return u->peak;
}

/* A request of a server: many objects, nearly all of which die at its end. */
static size_t peaks(struct bench_heap *heap)
{
	struct use *const u = use_begin(heap);

	for (size_t request = 0; request < 30; request++) {
		const size_t kept = request * 60; /* what earlier requests left behind */
		for (size_t i = kept; i < kept + 4000; i++)
			put(u, i, log_uniform(&u->rng, 4, 14));
		for (size_t i = kept + 60; i < kept + 4000; i++)
			drop(u, i);
	}
	drop_all(u);
	return u->peak;
}

static size_t vectors(struct bench_heap *heap)
{
	enum { VECTORS = 40, GROWTHS = 14, BETWEEN = 20 };
	struct use *const u = use_begin(heap);
	size_t node = VECTORS;

	for (size_t growth = 0; growth < GROWTHS; growth++) {
		for (size_t v = 0; v < VECTORS; v++) {
			const size_t old = v, n = (size_t)32 << growth;
			void *const was = u->p[old];
			const size_t was_n = u->n[old];
			/* the new one stands before the old one goes, as in std::vector */
			put(u, old, n);
			if (was != NULL) {
				bench_free(heap, was);
				u->live -= was_n;
			}
			for (size_t k = 0; k < BETWEEN && node < SLOTS; k++)
				put(u, node++, 48);
		}
	}
	drop_all(u);
	return u->peak;
}

const struct load bench_loads[LOADS] = {
    {"nodes", "20,000 objects of 24 bytes, replaced at random", nodes},
    {"steady", "20,000 objects of 16 bytes to 4 KiB, replaced at random", steady},
    {"plateaus", "every other object replaced by a slightly larger one, six times", plateaus},
    {"peaks", "requests of 4,000 objects each, of which 60 stay", peaks},
    {"vectors", "40 vectors that double, between nodes that stay", vectors},
};
