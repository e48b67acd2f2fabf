/* patterns_common.c - what all patterns use: memory that is touched, sizes, threads. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "patterns.h"

static void die(const char *why)
{
	fprintf(stderr, "dmm-patterns: %s\n", why);
	exit(1);
}

void *touch_malloc(size_t n, unsigned char mark)
{
	enum { LINE = 64 };
	unsigned char *const p = malloc(n);

	if (p == NULL)
		die("out of memory");
	for (size_t at = 0; at < n; at += LINE)
		p[at] = mark;
	return p;
}

unsigned touch_free(void *p)
{
	if (p == NULL)
		return 0;
	const unsigned mark = *(unsigned char *)p;
	free(p);
	return mark;
}

size_t program_size(struct rng *r, size_t most)
{
	const uint64_t kind = rng_below(r, 100);

	if (kind < 75)
		return 16 + rng_below(r, 112);
	if (kind < 95 || most < 1024)
		return 128 + rng_below(r, 896);
	return 1024 + rng_below(r, most - 1023);
}

/* ---- threads --------------------------------------------------------------------------------- */

struct worker {
	pthread_t thread;
	uint64_t (*body)(void *arg, unsigned i);
	void *arg;
	unsigned i;
	uint64_t sum;
};

static void *enter(void *arg)
{
	struct worker *const w = arg;
	w->sum = w->body(w->arg, w->i);
	return NULL;
}

uint64_t in_threads(unsigned threads, uint64_t (*body)(void *arg, unsigned i), void *arg)
{
	struct worker *const workers = calloc(threads, sizeof *workers);
	uint64_t sum = 0;

	if (workers == NULL)
		die("out of memory");
	for (unsigned i = 0; i < threads; i++) {
		workers[i] = (struct worker){.body = body, .arg = arg, .i = i};
		if (pthread_create(&workers[i].thread, NULL, enter, &workers[i]) != 0)
			die("cannot start a thread");
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		sum += workers[i].sum;
	}
	free(workers);
	return sum;
}
