/* patterns_single.c - one thread: lifetimes, growth, a cache with expiry, fragmentation,
 * buffers. */
#include <stdlib.h>
#include <string.h>

#include "patterns.h"

/* ---- random lifetimes ------------------------------------------------------------------------ */

/* Most objects die young, some live ten times as long, a few stay to the end. */
static uint64_t random_lifetimes(const struct work *w)
{
	enum { SHORT = 512, MEDIUM = 8192, LONG = 32768, OPS = 6000000 };
	static void *slots[SHORT + MEDIUM + LONG];
	struct rng r = {1};
	uint64_t sum = 0;

	for (size_t i = 0; i < OPS * w->scale; i++) {
		const uint64_t kind = rng_below(&r, 100);
		const size_t at = kind < 90   ? rng_below(&r, SHORT)
		                  : kind < 99 ? SHORT + rng_below(&r, MEDIUM)
		                              : SHORT + MEDIUM + rng_below(&r, LONG);
		sum += touch_free(slots[at]);
		slots[at] = touch_malloc(program_size(&r, 16384), (unsigned char)i);
	}
	for (size_t at = 0; at < sizeof slots / sizeof slots[0]; at++) {
		sum += touch_free(slots[at]);
		slots[at] = NULL;
	}
	return sum;
}

/* ---- vectors --------------------------------------------------------------------------------- */

struct vector {
	uint32_t *item;
	size_t count, cap;
};

static void push(struct vector *v, uint32_t x)
{
	if (v->count == v->cap) {
		v->cap = v->cap == 0 ? 4 : v->cap + v->cap / 2;
		v->item = realloc(v->item, v->cap * sizeof *v->item);
		if (v->item == NULL)
			abort();
	}
	v->item[v->count++] = x;
}

/* Many vectors that grow at once, by halves; every so often one is dropped and begins anew. */
static uint64_t vector_growth(const struct work *w)
{
	enum { VECTORS = 256, PUSHES = 40000000 };
	static struct vector vectors[VECTORS];
	struct rng r = {2};
	uint64_t sum = 0;

	for (size_t i = 0; i < PUSHES * w->scale; i += 16) {
		struct vector *const v = &vectors[rng_below(&r, VECTORS)];
		for (uint32_t k = 0; k < 16; k++)
			push(v, (uint32_t)i + k);
		if (v->count > 500000 || rng_below(&r, 4096) == 0) {
			sum += v->item[v->count / 2] + v->count;
			free(v->item);
			*v = (struct vector){0};
		}
	}
	for (int k = 0; k < VECTORS; k++) {
		sum += vectors[k].count;
		free(vectors[k].item);
		vectors[k] = (struct vector){0};
	}
	return sum;
}

/* One buffer that grows by 1 KiB at a time, as a reader of unknown input does. */
static uint64_t buffer_growth(const struct work *w)
{
	enum { STEP = 1024, STEPS = 128 << 10 };
	uint64_t sum = 0;

	for (size_t round = 0; round < w->scale; round++) {
		char *p = NULL;
		for (size_t i = 1; i <= STEPS; i++) {
			p = realloc(p, i * STEP);
			if (p == NULL)
				abort();
			memset(p + (i - 1) * STEP, (int)i, STEP);
		}
		sum += (unsigned char)p[STEPS / 2 * STEP];
		free(p);
	}
	return sum;
}

/* ---- a cache with expiry, as redis has it ---------------------------------------------------- */

struct entry {
	struct entry *next;
	char *key, *value;
	size_t expires; /* operation number */
};

enum { BUCKETS = 1 << 16 };

static uint64_t drop(struct entry **at)
{
	struct entry *const e = *at;
	*at = e->next;
	const uint64_t sum = touch_free(e->key) + touch_free(e->value);
	free(e);
	return sum;
}

/* Entries of a bucket that are due are removed at the next look-up. */
static uint64_t expire(struct entry **at, size_t now)
{
	uint64_t sum = 0;
	while (*at != NULL)
		if ((*at)->expires <= now)
			sum += drop(at);
		else
			at = &(*at)->next;
	return sum;
}

/* Values grow from phase to phase, so that what the old ones left must be reused for others. */
static uint64_t cache_expiry(const struct work *w)
{
	enum { OPS = 900000, LIFE = 100000, PHASES = 4 };
	struct entry **const table = calloc(BUCKETS, sizeof *table);
	struct rng r = {3};
	uint64_t sum = 0;

	if (table == NULL)
		abort();
	for (size_t i = 0; i < OPS * w->scale; i++) {
		const size_t phase = i * PHASES / (OPS * w->scale);
		struct entry **const at = &table[rng_below(&r, BUCKETS)];
		sum += expire(at, i);
		struct entry *const e = malloc(sizeof *e);
		if (e == NULL)
			abort();
		e->key = touch_malloc(16 + rng_below(&r, 24), 1);
		e->value = touch_malloc(24 + 40 * phase + rng_below(&r, 100 << phase),
		    (unsigned char)i);
		e->expires = i + rng_below(&r, LIFE);
		e->next = *at;
		*at = e;
	}
	for (size_t b = 0; b < BUCKETS; b++)
		sum += expire(&table[b], SIZE_MAX);
	free(table);
	return sum;
}

/* ---- fragmentation --------------------------------------------------------------------------- */

/* Fill, free a random 90 %, then live on with objects of another size. */
static uint64_t free_90(const struct work *w)
{
	enum { OBJECTS = 200000, LEN = 256, OTHER = 640 };
	const size_t count = OBJECTS * w->scale;
	void **const p = calloc(2 * count, sizeof *p);
	struct rng r = {4};
	uint64_t sum = 0;

	if (p == NULL)
		abort();
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < count; i++)
			p[i] = touch_malloc(LEN, (unsigned char)i);
		for (size_t i = 0; i < count; i++)
			if (rng_below(&r, 10) != 0) {
				sum += touch_free(p[i]);
				p[i] = NULL;
			}
		for (size_t i = 0; i < count / 4; i++)
			p[count + i] = touch_malloc(OTHER, (unsigned char)i);
		for (size_t i = 0; i < 2 * count; i++) {
			sum += touch_free(p[i]);
			p[i] = NULL;
		}
	}
	free(p);
	return sum;
}

/* ---- buffers --------------------------------------------------------------------------------- */

/* Frames, blocks, responses: 16 KiB to 4 MiB, a few at a time, every page written. */
static uint64_t large_buffers(const struct work *w)
{
	enum { SLOTS = 12, OPS = 1500 };
	static void *slots[SLOTS];
	struct rng r = {5};
	uint64_t sum = 0;

	for (size_t i = 0; i < OPS * w->scale; i++) {
		void **const slot = &slots[rng_below(&r, SLOTS)];
		const size_t base = (size_t)16384 << rng_below(&r, 8);
		sum += touch_free(*slot);
		*slot = touch_malloc(base + rng_below(&r, base), (unsigned char)i);
	}
	for (int i = 0; i < SLOTS; i++) {
		sum += touch_free(slots[i]);
		slots[i] = NULL;
	}
	return sum;
}

const struct pattern patterns_single[] = {
    {"random-lifetimes", "most objects die young, some live long", random_lifetimes},
    {"vector-growth", "256 vectors growing by halves", vector_growth},
    {"buffer-growth", "one buffer growing by 1 KiB to 128 MiB", buffer_growth},
    {"cache-expiry", "keys and values that expire, values growing by phase", cache_expiry},
    {"free-90", "a random 90 % freed, then another size", free_90},
    {"large-buffers", "16 KiB to 8 MiB, twelve at a time", large_buffers},
    {0},
};
