/* loads.h - generated patterns of allocation whose peak payload is known. */
#ifndef LAB_BENCH_LOADS_H
#define LAB_BENCH_LOADS_H

#include "bench/bench.h"

struct load {
	const char *name, *doc;
	/* Run it on a heap; the peak of live bytes asked for.  0: the heap refused memory. */
	size_t (*run)(struct bench_heap *heap);
};

enum { LOADS = 5 };
extern const struct load bench_loads[LOADS];

#endif
