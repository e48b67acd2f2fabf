/* workload.h - counts of a program's use of its heap, from a prepared recording (replay/ops.h). */
#ifndef LAB_TUNE_WORKLOAD_H
#define LAB_TUNE_WORKLOAD_H

#include "replay/ops.h"

enum { FACTS_SMALL = 64, FACTS_LARGE = 128 << 10, FACTS_SHORT = 100, FACTS_SIZES = 4096 };

struct facts {
	uint64_t calls, requests, reallocs, frees; /* requests: allocations and reallocs */
	double seconds;                /* of the recording */
	uint64_t threads, busy_threads; /* those that make a hundredth of the calls at least */
	double busiest;                /* share of the calls that the busiest thread makes */
	uint64_t handed;               /* calls on an object whose last call was another thread's */
	/* bytes asked for; the median is exact below FACTS_SIZES */
	uint64_t size_median, size_most;
	double small;                  /* share of requests of at most FACTS_SMALL bytes */
	double short_lived;            /* share of objects gone within FACTS_SHORT calls */
	uint64_t never_freed;          /* objects */
	uint64_t peak_payload, peak_count;
	/* of that in objects of FACTS_LARGE bytes and more */
	uint64_t peak_large, peak_large_count;
	uint64_t end_payload;
	double mean_payload; /* over the recording's time; without times, over its calls */
	uint64_t asked;                /* bytes, of all requests together */
};

/* False: no memory. */
bool facts_count(struct facts *f, const struct replay_ops *ops);

#endif
