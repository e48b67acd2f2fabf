/* profile.h - a sampled heap profile: which call stacks allocate, and which of their objects are
 * live.
 *
 *   bytes that the program asks for   ------x-----------------x---x------------x----->
 *                                     distances between x: exponential, of mean `profile`
 *   an allocation that holds an x is a sample: its stack is noted, and it stands for
 *   1 / (1 - exp(-n / mean)) allocations of n bytes (as in gperftools' tcmalloc)
 *
 * How it stays off the fast path (fast.h):
 *   malloc   of a small object pops from a stack that holds no more objects than may go out before
 *            the next sample: an empty stack misses (profile_draw.h).  A larger object misses
 *            always, and its bytes are counted.  Without a profile nothing is counted.
 *   free     a sample of up to MEDIUM_MAX bytes lies in a slab of a heap that no thread owns, so
 *            that its free misses, as that of another thread's object does.  Larger objects are
 *            freed on the slow path anyway.
 *
 *   root.profile --> struct profile_head --> segment --> segment
 *                                            sites, one behind the other, never moved or freed:
 *                                            outside readers copy them (dmm profile)
 *   live samples: by address, in chains; an empty chain answers a free without a lock
 *
 * Invariants:
 *   P1 sums    live_bytes is the sum of the sites' live.bytes; none is negative
 *   P2 peak    peak_bytes is the largest live_bytes so far, and the sites' peaks are what they had
 *              live then
 *   P3 whole   changes is even whenever the lock is free
 */
#ifndef SLAB_PROFILE_H
#define SLAB_PROFILE_H

#include "slab/profile_draw.h"
#include "slab/slab.h"

enum {
	PROFILE_VERSION = 1,
	PROFILE_FRAMES = 64,
	PROFILE_SEGMENT = 64 << 10,
	PROFILE_FRACTION = 1024
};

/* Estimates of the program's behaviour: each sample counts as the allocations that it stands
 * for. */
struct profile_sum {
	uint64_t objects; /* in 1/PROFILE_FRACTION */
	uint64_t bytes;   /* that were asked for */
};

/* A call stack. */
struct profile_site {
	struct profile_site *next; /* of the same chain */
	uint64_t hash;
	uint64_t epoch;               /* of the peak for which .peak was kept */
	struct profile_sum allocated; /* ever */
	struct profile_sum live;
	struct profile_sum
	    temporary; /* freed by the same thread before it allocated anything else */
	struct profile_sum peak;
	uint64_t depth;
	const void *at[]; /* return addresses, innermost first */
};

struct profile_segment {
	struct profile_segment *next;
	uint64_t used; /* bytes, this head among them; sites follow it */
};

struct profile_head {
	uint32_t version, site_bytes;         /* PROFILE_VERSION, sizeof(struct profile_site) */
	_Atomic uint64_t changes;             /* twice each change; odd while one is being made */
	uint64_t mean;                        /* bytes from sample to sample */
	uint64_t begun_ns;                    /* wall clock */
	uint64_t epoch;                       /* how often a new peak was reached, and 1 */
	uint64_t live_bytes, peak_bytes;      /* estimates */
	uint64_t samples, live_samples, lost; /* lost: for want of memory */
	struct profile_segment *segments;     /* newest first */
};

static inline size_t profile_site_len(const struct profile_site *s)
{
	return sizeof *s + s->depth * sizeof s->at[0];
}

/* The site's live objects when the program's live bytes peaked. */
static inline struct profile_sum profile_peak(const struct profile_head *h,
    const struct profile_site *s)
{
	return s->epoch == h->epoch ? s->peak : s->live;
}

/* ---- for alloc.c ----------------------------------------------------------------------------- */

/* Another thread's first call may find the settings read before this ran. */
static inline bool profiler_ready(void)
{
	return likely(__atomic_load_n(&root.profile, __ATOMIC_ACQUIRE) != NULL);
}

/* A sample of n <= MEDIUM_MAX bytes, which was drawn as one of `size` bytes.  NULL: no memory; the
 * sample is lost, and the caller allocates the object as any other. */
void *profiler_malloc(size_t n, size_t size, const void *caller);
/* p, n bytes, was allocated by another path, and is a sample. */
void profiler_note(const void *p, size_t n, const void *caller);

/* p is about to be freed or resized: its sample leaves the table; NULL: it is no sample. Then call
 * one of these two. */
struct profile_sample *profiler_lift(const void *p);
void profiler_lay(struct profile_sample *s);  /* it stays */
void profiler_drop(struct profile_sample *s); /* it is freed */

/* Free an object of the samples' heap, whose tag this is.  False: it is not live. */
bool profiler_free(void *p, uint32_t tag);
static inline bool profiler_has(uint32_t tag)
{
	return tag_heap(tag) == root.profile_heap && root.profile_heap != 0;
}

/* ---- for the rest ---------------------------------------------------------------------------- */

/* Slab starts, or ends. */
bool profiler_start_up(void);
void profiler_close(void);
void profiler_before_fork(void);
void profiler_after_fork_parent(void);
void profiler_after_fork_child(void);

/* Copy all sites, one after another, to `to`, which has room for cap bytes, and the totals. Returns
 * the bytes that they take; more than cap: nothing is copied. Takes the profile's lock. */
size_t profiler_copy(struct profile_head *head, void *to, size_t cap);

#endif
