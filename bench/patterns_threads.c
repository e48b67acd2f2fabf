/* patterns_threads.c - threads of their own, threads that hand objects on, threads that come and
 * go. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "patterns.h"

/* ---- churn in each thread -------------------------------------------------------------------- */

static uint64_t churn_body(void *arg, unsigned i)
{
	enum { SLOTS = 2000, OPS = 3000000 };
	const struct work *const w = arg;
	void **const slots = calloc(SLOTS, sizeof *slots);
	struct rng r = {100 + i};
	uint64_t sum = 0;

	if (slots == NULL)
		abort();
	for (size_t k = 0; k < OPS * w->scale; k++) {
		void **const slot = &slots[rng_below(&r, SLOTS)];
		sum += touch_free(*slot);
		*slot = touch_malloc(program_size(&r, 4096), (unsigned char)k);
	}
	for (int k = 0; k < SLOTS; k++)
		sum += touch_free(slots[k]);
	free(slots);
	return sum;
}

static uint64_t local_churn(const struct work *w)
{
	return in_threads(w->threads, churn_body, (void *)(uintptr_t)w);
}

/* ---- a ring between two threads -------------------------------------------------------------- */

enum { RING = 1024 };

struct ring {
	_Atomic(void *) slot[RING];
};

static void ring_put(struct ring *q, size_t at, void *p)
{
	while (atomic_load_explicit(&q->slot[at % RING], memory_order_acquire) != NULL)
		sched_yield();
	atomic_store_explicit(&q->slot[at % RING], p, memory_order_release);
}

static void *ring_take(struct ring *q, size_t at)
{
	void *p;
	while ((p = atomic_load_explicit(&q->slot[at % RING], memory_order_acquire)) == NULL)
		sched_yield();
	atomic_store_explicit(&q->slot[at % RING], NULL, memory_order_release);
	return p;
}

struct pairs {
	size_t objects;
	struct ring *rings;
};

/* Even threads allocate, odd ones free. */
static uint64_t pair_body(void *arg, unsigned i)
{
	const struct pairs *const pairs = arg;
	struct ring *const q = &pairs->rings[i / 2];
	struct rng r = {200 + i};
	uint64_t sum = 0;

	for (size_t k = 0; k < pairs->objects; k++)
		if (i % 2 == 0)
			ring_put(q, k, touch_malloc(program_size(&r, 1024), (unsigned char)k));
		else
			sum += touch_free(ring_take(q, k));
	return sum;
}

static uint64_t producer_consumer(const struct work *w)
{
	enum { OBJECTS = 4000000 };
	const unsigned count = w->threads / 2 > 0 ? w->threads / 2 : 1;
	struct pairs pairs = {OBJECTS * w->scale, calloc(count, sizeof *pairs.rings)};

	if (pairs.rings == NULL)
		abort();
	const uint64_t sum = in_threads(2 * count, pair_body, &pairs);
	free(pairs.rings);
	return sum;
}

/* ---- many producers, one thread that only frees ---------------------------------------------- */

struct funnel {
	size_t objects; /* by each producer */
	unsigned producers;
	struct ring *rings;
};

static uint64_t funnel_body(void *arg, unsigned i)
{
	const struct funnel *const f = arg;
	struct rng r = {300 + i};
	uint64_t sum = 0;

	if (i < f->producers) {
		for (size_t k = 0; k < f->objects; k++)
			ring_put(&f->rings[i], k, touch_malloc(program_size(&r, 512),
			    (unsigned char)k));
		return 0;
	}
	for (size_t k = 0; k < f->objects; k++)
		for (unsigned p = 0; p < f->producers; p++)
			sum += touch_free(ring_take(&f->rings[p], k));
	return sum;
}

static uint64_t free_only(const struct work *w)
{
	enum { PRODUCERS = 16, OBJECTS = 300000 };
	struct funnel f = {OBJECTS * w->scale, PRODUCERS, calloc(PRODUCERS, sizeof *f.rings)};

	if (f.rings == NULL)
		abort();
	const uint64_t sum = in_threads(PRODUCERS + 1, funnel_body, &f);
	free(f.rings);
	return sum;
}

/* ---- bleeding (Larson and Krishnan, 1998) ---------------------------------------------------- */

/* A server's threads end and hand what they hold to the next one, which frees what it never
 * allocated. */
enum { BLEED_SLOTS = 2000, BLEED_ROUNDS = 20 };

struct bleeding {
	const struct work *work;
	void *(*slots)[BLEED_SLOTS];
	unsigned round;
};

static uint64_t bleed_body(void *arg, unsigned i)
{
	enum { OPS = 120000 };
	const struct bleeding *const b = arg;
	void **const slots = b->slots[i];
	struct rng r = {400 + 1000 * b->round + i};
	uint64_t sum = 0;

	for (size_t k = 0; k < OPS * b->work->scale; k++) {
		void **const slot = &slots[rng_below(&r, BLEED_SLOTS)];
		sum += touch_free(*slot);
		*slot = touch_malloc(10 + rng_below(&r, 490), (unsigned char)k);
	}
	return sum;
}

static uint64_t bleeding(const struct work *w)
{
	struct bleeding b = {.work = w, .slots = calloc(w->threads, sizeof *b.slots)};
	uint64_t sum = 0;

	if (b.slots == NULL)
		abort();
	for (; b.round < BLEED_ROUNDS; b.round++)
		sum += in_threads(w->threads, bleed_body, &b);
	for (unsigned i = 0; i < w->threads; i++)
		for (int k = 0; k < BLEED_SLOTS; k++)
			sum += touch_free(b.slots[i][k]);
	free(b.slots);
	return sum;
}

/* ---- threads that come and go ---------------------------------------------------------------- */

static uint64_t short_body(void *arg, unsigned i)
{
	enum { OBJECTS = 200 };
	void *p[OBJECTS];
	struct rng r = {500 + i};
	uint64_t sum = 0;

	(void)arg;
	for (int k = 0; k < OBJECTS; k++)
		p[k] = touch_malloc(program_size(&r, 2048), (unsigned char)k);
	for (int k = 0; k < OBJECTS; k++)
		sum += touch_free(p[k]);
	return sum;
}

static uint64_t thread_churn(const struct work *w)
{
	enum { THREADS = 8000 };
	uint64_t sum = 0;

	for (size_t i = 0; i < THREADS * w->scale; i += w->threads)
		sum += in_threads(w->threads, short_body, NULL);
	return sum;
}

const struct pattern patterns_threads[] = {
    {"local-churn", "each thread on objects of its own", local_churn},
    {"producer-consumer", "one thread allocates, another frees, by a ring", producer_consumer},
    {"free-only", "16 producers, one thread that only frees", free_only},
    {"bleeding", "threads end and leave their objects to the next (Larson)", bleeding},
    {"thread-churn", "short threads come and go", thread_churn},
    {0},
};
