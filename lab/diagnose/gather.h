/* gather.h - what one pass over a recording counts; private to this room.
 *
 *   time   |----|----|----|----| ... |   MARKS + 1 moments at equal times: each site's live bytes,
 *          0    1    2    3    4    16   and the pages that few live objects hold
 *
 * FINE_MARKS moments have the live bytes of the whole program.  A mark that falls into an idle time
 * has what was live then.  Without times, calls take the place of time.
 */
#ifndef LAB_DIAGNOSE_GATHER_H
#define LAB_DIAGNOSE_GATHER_H

#include "diagnose/diagnose.h"

enum {
	CHURN_CALLS = 10,      /* an object that is freed within this many calls is temporary */
	LARGE_BYTES = 128 << 10,
	SPARSE_PART = 4,       /* a page is sparse if at most 1 / SPARSE_PART of it is live */
	PAGE_BYTES = 4096,
};

struct gathered_site { /* a call site, by its node */
	uint64_t allocs, frees;      /* objects */
	uint64_t temporary;          /* of the frees: within CHURN_CALLS calls */
	uint64_t live_bytes, live_objects, live_peak; /* live_peak: bytes, at most */
	uint64_t early_frees;        /* of the frees: before the last mark but one */
	uint64_t large_peak;         /* bytes in objects of LARGE_BYTES and more, at most */
	uint64_t large_live, large_size; /* now; the size of the last one */
	uint64_t shrunk_bytes, shrunk_count; /* given back by realloc to half and less */
	float    at[MARKS + 1];      /* live bytes at each mark */
	float    objects_at[MARKS + 1];
};

/* Pages at one mark, of which at most a quarter is live. */
struct sparse {
	uint64_t pages, live;        /* pages; live bytes in them */
	unsigned mark;
};

struct pin { /* of a site, at the mark with most sparse pages */
	uint32_t stack;
	/* pages in which only this site's objects live; those objects */
	uint64_t pages, objects, bytes;
};

enum { PINS_MAX = 4, THREADS_MAX = 4096 };

struct gathered_thread { /* a thread */
	uint64_t last_tick;
	uint64_t freed_late, peak;   /* bytes that it freed since peak number `peak` */
	/* its longest time without a call since then; freed_late before it */
	uint64_t idle_ticks, idle_freed;
};

struct gather {
	const struct trace_file *file;
	const struct trace_stream *stream;
	struct gathered_site *site;  /* [site_cap], by node */
	size_t site_cap;
	uint64_t first_tick, end_tick, events;
	uint64_t fine[FINE_MARKS + 1];
	unsigned fine_done, marks_done;
	struct sparse sparse;        /* the worst */
	uint64_t held[MARKS + 1];    /* unused bytes of sparse pages, at each mark */
	struct pin pin[PINS_MAX];
	size_t pins;
	uint64_t peak_payload, peak_tick;
	uint64_t peaks;              /* how often the payload has risen beyond all before */
	/* [THREADS_MAX], by serial number; what is beyond shares the last */
	struct gathered_thread *worker;
	bool timeless;
};

/* Both are the reader's, and stay until gather_close().  False: no memory; the caller closes all
 * the same, as after the others. */
bool gather_open(struct gather *g, const struct trace_file *f, const struct trace_stream *s);
bool gather_step(struct gather *g, const struct step *step);
/* All calls are read. */
bool gather_end(struct gather *g);
void gather_close(struct gather *g);
/* Seconds from the start of the recording to a mark of FINE_MARKS. */
double gather_seconds(const struct gather *g);

/* pages.c: look at all live objects, and keep the result if it is the worst so far.  False: no
 * memory. */
bool pages_look(struct gather *g, unsigned mark);

#endif
