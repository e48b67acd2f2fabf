/* patterns_sharing.c - false sharing, as Hoard's authors tell it (Berger and others, 2000).
 *
 * active:  the allocator itself gives parts of one cache line to several threads.
 * passive: objects that one thread allocated side by side and passed on are freed by others; an
 *          allocator that lets each reuse its own makes the sharing last.
 */
#include <stdlib.h>

#include "patterns.h"

enum { LEN = 8, ROUNDS = 250000, WRITES = 1000 };

struct sharing {
	size_t rounds;
	char **given; /* passive: one object for each thread, side by side; else NULL */
};

static uint64_t write_much(volatile char *p, size_t n)
{
	for (int i = 0; i < WRITES; i++)
		p[(size_t)i % n]++;
	return (unsigned char)p[0];
}

static uint64_t share_body(void *arg, unsigned i)
{
	const struct sharing *const s = arg;
	uint64_t sum = 0;

	if (s->given != NULL)
		free(s->given[i]);
	for (size_t k = 0; k < s->rounds; k++) {
		char *const p = calloc(1, LEN);
		if (p == NULL)
			abort();
		sum += write_much(p, LEN);
		free(p);
	}
	return sum;
}

static uint64_t false_active(const struct work *w)
{
	struct sharing s = {.rounds = ROUNDS * w->scale};
	return in_threads(w->threads, share_body, &s);
}

static uint64_t false_passive(const struct work *w)
{
	struct sharing s = {ROUNDS * w->scale, calloc(w->threads, sizeof *s.given)};

	if (s.given == NULL)
		abort();
	for (unsigned i = 0; i < w->threads; i++)
		s.given[i] = touch_malloc(LEN, 1);
	const uint64_t sum = in_threads(w->threads, share_body, &s);
	free(s.given);
	return sum;
}

const struct pattern patterns_sharing[] = {
    {"false-active", "threads write to small objects of their own", false_active},
    {"false-passive", "the same, after freeing what one thread gave to all", false_passive},
    {0},
};
