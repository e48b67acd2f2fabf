/* record.h - the recorder: a malloc in front of any malloc, noting every call on its thread's tape.
 *
 *      program's thread                                     flusher, every FLUSH_MS
 *            |                                                   |
 *   malloc --+--> real.malloc (the next symbol)                  |
 *            |                                                   |
 *            +--> tape: 1,024 raw events -- full --> columns: 4,096 -- full --> press: zstd, one write
 *
 * Each tape belongs to one thread; only its owner appends.  The owner (when it is full) or the flusher
 * (when time has passed) encodes what is new, and makes blocks of it.  The tape is short so that it
 * stays in the cache: 4,096 raw events would push the program's own memory out.  The hot path takes no
 * lock and makes no system call; nothing here ever allocates from the heap that it watches.
 *
 * Who may touch what:
 *   tape.next, .end, .frames      the owner; others only read next (acquire)
 *   tape.flushed, .columns        whoever holds tape.lock
 *   the list of tapes             whoever holds tapes.lock
 *   the file                      whoever holds output.lock
 * Lock order: tapes.lock, tape.lock, press.lock, maps.lock, output.lock.
 */
#ifndef OBSERVE_RECORD_H
#define OBSERVE_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/config.h"
#include "base/lock.h"
#include "observe/trace_encode.h"
#include "os/ticks.h"

/* The malloc behind ours.  Until it is found, a small one that only bumps. */
struct real {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void *(*memalign)(size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
	void (*free)(void *);
};
extern struct real real;
void real_find(void);
/* Memory of the time before real_find(): freed by forgetting it. */
bool real_is_boot(const void *p);

enum { TAPE_EVENTS = 1024, FRAMES_CAP = 32 << 10, FRAMES_SEEN = 1024, FRAMES_DEPTH = 64 };

struct tape {
	struct trace_raw *_Atomic next;
	struct trace_raw *end; /* from here on there may be no room for an event of two */
	bool busy;             /* the owner is inside the recorder: what it calls is not the program's */
	uint32_t serial;
	int tid;
	uint64_t lost;
	uint64_t *frames;      /* deep stacks only: counts and addresses; [0] is unused */
	size_t frames_len;
	uint32_t *frames_seen; /* by hash: index in frames */
	uintptr_t stack_top;

	struct lock lock;
	struct trace_raw *flushed; /* raw..flushed is in the columns, or in the file */
	struct trace_columns *columns;
	uint64_t looked_ns;
	char name[16];             /* as last written */
	bool gone;                 /* its thread ended; free for the next one */

	struct tape *link; /* all tapes, never shortened */
	struct trace_raw raw[TAPE_EVENTS];
};

extern __thread struct tape *tape_self;
/* The calling thread's tape, made now; NULL: this call is not recorded. */
struct tape *tape_enter(void);
/* The owner's tape is full: into the file with it. */
void tape_full(struct tape *t);
/* Everything noted so far, of all threads.  last: the process is about to end. */
void tapes_flush(bool last);
/* Start the flusher if there is none. */
void flusher_start(void);
uint64_t tapes_lost(void);

/* Settings, constant once record_configure() ran. */
struct record_config {
	enum trace_stacks stacks;
	bool scrub;
	bool deepbind; /* dlopen keeps RTLD_DEEPBIND, and calls of such libraries are not recorded */
	bool deep;     /* stacks > TRACE_CALLER */
	bool by_clock; /* the cheap ticks are not steady here */
	int level;     /* of zstd */
	unsigned depth_max;
};
extern struct record_config record_config;
void record_configure(void);

static inline uint64_t record_clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Of this thread alone: what preempts it is not the recorder's. */
static inline uint64_t record_cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* In steps of 16 cycles, about 8 ns: the counter itself advances in steps of 10 where we measured,
 * and what is below is noise that does not compress. */
static inline uint64_t record_ticks(void)
{
	return unlikely(record_config.by_clock) ? record_clock_ns() : os_ticks() >> 4;
}

/* ---- stacks -------------------------------------------------------------------------------- */

/* The index in t->frames of the stack whose innermost frame is `caller`. */
uint64_t stack_capture(struct tape *t, void *caller);
void stack_prepare(struct tape *t);
bool stack_find_unwinder(void);

/* ---- the file ------------------------------------------------------------------------------ */

/* Open it, unless it is open; write the file head and META.  False: recording has stopped. */
bool output_open(void);
/* Append a whole block.  A failure is said once, and ends the recording; never the program. */
void output_block(const void *block, size_t len);
void output_text(enum trace_kind kind, const char *text, size_t len);
void output_end(void);
void output_before_fork(void);
void output_after_fork(bool child);
bool output_stopped(void);
/* False in the child of a fork that libc did not make, or of a vfork: the file is another process's. */
bool output_is_ours(void);
void output_count(uint64_t events, uint64_t ns);

/* Note the mappings that hold these addresses, if they are new. */
void maps_cover(const uint64_t *addresses, size_t count);
void maps_refresh(void);
void maps_after_fork(void);

/* ---- the hot path -------------------------------------------------------------------------- */

#define CALLER __builtin_return_address(0)

static inline struct tape *tape(void)
{
	struct tape *const t = tape_self;
	return likely(t != NULL) ? t : tape_enter();
}

static inline uint64_t stack_of(struct tape *t, void *caller)
{
	return unlikely(record_config.deep) ? stack_capture(t, caller) : (uint64_t)(uintptr_t)caller;
}

static inline void publish(struct tape *t, struct trace_raw *next)
{
	atomic_store_explicit(&t->next, next, memory_order_release);
	if (unlikely(next >= t->end))
		tape_full(t);
}

static inline void note(struct tape *t, enum trace_op op, uint64_t tick, const void *p, size_t n,
    void *caller)
{
	if (unlikely(t == NULL || t->busy))
		return;
	const uint64_t stack = stack_of(t, caller);
	struct trace_raw *const r = atomic_load_explicit(&t->next, memory_order_relaxed);
	*r = (struct trace_raw){tick << 8 | op, (uintptr_t)p, n, stack};
	publish(t, r + 1);
}

/* An event of two: `more` is the old address or the alignment. */
static inline void note_more(struct tape *t, enum trace_op op, uint64_t tick, const void *p, size_t n,
    void *caller, uint64_t more)
{
	if (unlikely(t == NULL || t->busy))
		return;
	const uint64_t stack = stack_of(t, caller);
	struct trace_raw *const r = atomic_load_explicit(&t->next, memory_order_relaxed);
	r[0] = (struct trace_raw){tick << 8 | op, (uintptr_t)p, n, stack};
	r[1] = (struct trace_raw){0, more, record_ticks(), 0};
	publish(t, r + 2);
}

#endif
