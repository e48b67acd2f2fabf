/* sites.h - what each call site did: at the peak, in all, how long its objects lived.
 *
 * A site is a stack: equal stacks have equal numbers (trace_reader_node).  Memory: one entry a
 * site.
 */
#ifndef LAB_TRACE_SITES_H
#define LAB_TRACE_SITES_H

#include "trace/stream.h"

enum { SITES_TEMPORARY_CALLS = 10 };

struct site {
	uint32_t stack;
	/* allocations and reallocations, and what they asked for */
	uint64_t calls, total_bytes;
	/* objects that were freed within the next SITES_TEMPORARY_CALLS calls */
	uint64_t temporary;
	/* objects that were freed; the sum of their lives, in ticks */
	uint64_t freed, lifetime;
	uint64_t live_objects, live_bytes, oldest; /* oldest: tick; of what was never freed */
	uint64_t peak_objects, peak_bytes;         /* live when the program had most */
	uint64_t epoch;
};

struct sites {
	struct site *at; /* by stack until sites_end(), then those with calls */
	size_t count, cap;
	/* rises with each new peak: a site keeps what it had then when it next changes */
	uint64_t epoch, peak;
	bool failed;          /* no memory */
};

/* After each step of the stream; uses the user field of its objects. */
void sites_step(struct sites *s, struct trace_stream *stream, struct step *step);
/* The end: objects that live on are known.  False: there was no memory for all sites. */
bool sites_end(struct sites *s, const struct trace_stream *stream);
/* Join sites that are shown alike: as() returns the stack by which a stack is shown. */
typedef uint32_t site_shown_as(void *arg, uint32_t stack);
void sites_merge(struct sites *s, site_shown_as *as, void *arg);
void sites_free(struct sites *s);

/* The largest first, by one of these; returns how many are not 0. */
enum sites_order { SITES_BY_LIVE, SITES_BY_PEAK, SITES_BY_CALLS, SITES_BY_TEMPORARY };
size_t sites_sort(struct sites *s, enum sites_order order);

#endif
