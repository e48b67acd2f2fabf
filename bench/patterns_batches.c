/* patterns_batches.c - threads that allocate and free more objects at a time than a thread's cache
 * holds.
 */
#include <stdlib.h>

#include "patterns.h"

/* ---- a ring of batches ----------------------------------------------------------------------- */

enum { BATCH = 20000, BATCHES = 8, LONG_LIVED_OF = 5 };

struct ring {
	void **batch[BATCHES];
	struct rng r;
};

static void *sized_malloc(struct rng *r)
{
	static const size_t size[12] = {16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 200, 256};
	const uint64_t drawn = rng_below(r, 12);

	return touch_malloc(size[drawn], (unsigned char)drawn);
}

/* A fifth of a batch lives until the ring has come round, the rest for one step. */
static uint64_t ring_step(struct ring *ring, size_t step)
{
	void **const now = ring->batch[step % BATCHES];
	void **const before = ring->batch[(step + BATCHES - 1) % BATCHES];
	uint64_t sum = 0;

	for (size_t i = 0; i < BATCH; i += LONG_LIVED_OF)
		sum += touch_free(now[i]);
	for (size_t i = 0; i < BATCH; i++)
		now[i] = sized_malloc(&ring->r);
	for (size_t i = 0; i < BATCH; i++)
		if (i % LONG_LIVED_OF != 0) {
			sum += touch_free(before[i]);
			before[i] = NULL;
		}
	return sum;
}

static uint64_t ring_body(void *arg, unsigned i)
{
	enum { STEPS = 240 };
	const struct work *const w = arg;
	struct ring ring = {.r = {i + 1}};
	uint64_t sum = 0;

	for (size_t b = 0; b < BATCHES; b++)
		if ((ring.batch[b] = calloc(BATCH, sizeof *ring.batch[b])) == NULL)
			abort();
	for (size_t step = 0; step < STEPS * w->scale; step++)
		sum += ring_step(&ring, step);
	for (size_t b = 0; b < BATCHES; b++) {
		for (size_t k = 0; k < BATCH; k++)
			sum += touch_free(ring.batch[b][k]);
		free(ring.batch[b]);
	}
	return sum;
}

static uint64_t ring(const struct work *w)
{
	return in_threads(w->threads, ring_body, (void *)(uintptr_t)w);
}

/* ---- what one thread allocated, others free -------------------------------------------------- */

struct gift {
	void **object;
	size_t objects, threads;
};

static uint64_t given_body(void *arg, unsigned i)
{
	const struct gift *const g = arg;
	uint64_t sum = 0;

	for (size_t k = i; k < g->objects; k += g->threads)
		sum += touch_free(g->object[k]);
	return sum;
}

static uint64_t given(const struct work *w)
{
	enum { ROUNDS = 16, OBJECTS = 1000000, LEN = 8 };
	struct gift g = {malloc(OBJECTS * sizeof *g.object), OBJECTS, w->threads};
	uint64_t sum = 0;

	if (g.object == NULL)
		abort();
	for (size_t round = 0; round < ROUNDS * w->scale; round++) {
		for (size_t k = 0; k < OBJECTS; k++)
			g.object[k] = touch_malloc(LEN, (unsigned char)k);
		sum += in_threads(w->threads, given_body, &g);
	}
	free(g.object);
	return sum;
}

const struct pattern patterns_batches[] = {
    {"ring", "20,000 objects of 12 sizes a step, a fifth lives for eight steps", ring},
    {"given", "threads free a million objects of 8 bytes of the first thread", given},
    {0},
};
