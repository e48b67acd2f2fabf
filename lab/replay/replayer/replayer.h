/* replayer.h - between dmm and the program that replays a recording under one allocator.
 *
 *   dmm  --- fork, LD_PRELOAD=allocator, exec --->  dmm-replayer MODE TOUCH ops-fd result-fd
 *        <----------- struct replay_result, a mapping that both have ----------
 *
 * The replayer maps and touches all that it needs before the first call, and never allocates: what
 * its memory grows by is the allocator's.
 */
#ifndef LAB_REPLAY_REPLAYER_REPLAYER_H
#define LAB_REPLAY_REPLAYER_REPLAYER_H

#include <stddef.h>
#include <stdint.h>

enum replay_mode {
	REPLAY_TIME,    /* how long it takes, and the most memory; nothing else is done meanwhile */
	REPLAY_LATENCY, /* every call by the clock */
	REPLAY_MEMORY,  /* resident and usable bytes over time */
	REPLAY_PACE,    /* on the recording's clock: resident bytes, peak, mean and end */
};

enum replay_touch {
	TOUCH_ALL,   /* the first 256 bytes, then a byte of every page, and the last one */
	TOUCH_FIRST, /* the first 8 bytes */
	TOUCH_NONE,
};

enum { REPLAY_SAMPLES_MAX = 1000, REPLAY_PROVIDER_LEN = 512 };
#define REPLAY_MAGIC 0x726d6d64u

/* Histograms with 64 buckets a power of two: 1.6 % wide.  Values below 64 have one each. */
enum { HIST_STEP_LOG2 = 6, HIST_STEPS = 1 << HIST_STEP_LOG2,
    HIST_BUCKETS = (64 - HIST_STEP_LOG2) * HIST_STEPS };
enum replay_kind { KIND_MALLOC, KIND_FREE, KIND_REALLOC, REPLAY_KINDS };

static inline unsigned hist_bucket(uint64_t x)
{
	if (x < HIST_STEPS)
		return (unsigned)x;
	const unsigned shift = 63u - (unsigned)__builtin_clzll(x) - HIST_STEP_LOG2;
	const unsigned b = (shift + 1) * HIST_STEPS + (unsigned)(x >> shift) - HIST_STEPS;
	return b < HIST_BUCKETS ? b : HIST_BUCKETS - 1;
}

/* The middle of a bucket. */
static inline double hist_value(unsigned b)
{
	if (b < HIST_STEPS)
		return b;
	const unsigned shift = b / HIST_STEPS - 1;
	return ((double)(b % HIST_STEPS + HIST_STEPS) + 0.5) * (double)((uint64_t)1 << shift);
}

struct replay_sample {
	uint64_t at;              /* ops done */
	uint64_t payload, usable; /* bytes live: asked for, given */
	uint64_t rss;             /* resident, without the replayer's own */
};

struct replay_result {
	uint32_t magic, done; /* done: it came to its end */
	/* in */
	/* private memory of the replayer itself; 0: what this run has at its start */
	uint64_t own_bytes;
	double speed; /* of REPLAY_PACE: this many times as fast as recorded */
	/* out */
	char provider[REPLAY_PROVIDER_LEN]; /* the file whose malloc was called */
	uint64_t wall_ns, cpu_ns, faults;
	/* private memory at the start: the replayer's, and the allocator's own */
	uint64_t start_bytes;
	uint64_t peak_rss;    /* bytes, without the replayer's own */
	uint64_t failed;      /* calls that gave no memory */
	/* what glibc had obtained at most; 0: another malloc */
	uint64_t glibc_heap_max, glibc_mmap_max;
	uint64_t sample_count;
	struct replay_sample sample[REPLAY_SAMPLES_MAX + 1];
	/* of REPLAY_PACE: how long it took; bytes averaged over that time, and at its end; how much
	 * later than due a call came, at most */
	uint64_t paced_ns, paced_mean, paced_end, behind_ns;
	double ns_per_tick; /* of the histograms */
	uint64_t hist[REPLAY_KINDS][HIST_BUCKETS], longest[REPLAY_KINDS];
};

#endif
