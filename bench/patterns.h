/* patterns.h - programs that do nothing but allocate: one pattern a run, under whatever malloc is
 * preloaded.
 *
 *   dmm-patterns PATTERN [SCALE [THREADS]]
 *
 * Work is fixed (by SCALE, not by a clock), seeds are fixed, memory is touched as a program would,
 * and the checksum that is printed is the same under every allocator: a difference is a fault.
 */
#ifndef BENCH_PATTERNS_H
#define BENCH_PATTERNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

struct work {
	size_t scale;     /* 1: about half a second under glibc */
	unsigned threads; /* for the patterns that have them */
};

struct pattern {
	const char *name, *doc;
	uint64_t (*run)(const struct work *w); /* the checksum */
};

/* Each ends with a nameless one. */
extern const struct pattern patterns_single[], patterns_threads[], patterns_sharing[],
    patterns_exchange[], patterns_batches[], patterns_phases[];

/* malloc that ends the program when it fails, writes every cache line and marks the first byte. */
void *touch_malloc(size_t n, unsigned char mark);
/* Reads the mark back, frees. */
unsigned touch_free(void *p);
/* From a mixture as programs have it: mostly 16 to 128, a tail up to `most`. */
size_t program_size(struct rng *r, size_t most);

/* Run body(arg, i) in w->threads threads and add up what they return. */
uint64_t in_threads(unsigned threads, uint64_t (*body)(void *arg, unsigned i), void *arg);

#endif
