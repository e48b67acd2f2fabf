/* stream.h - a recording as what happened to objects, in a valid global order.
 *
 * The reader merges by ticks; those of two threads may tie, or be a little off, since a core may
 * read its clock ahead of older loads.  Where an event contradicts what is live (a free of what
 * nobody has, an address given out twice), its thread is held back until another thread has brought
 * the missing event, for at most HOLD_TICKS; then it goes out as it is, and is counted.
 */
#ifndef LAB_TRACE_STREAM_H
#define LAB_TRACE_STREAM_H

#include "trace/live.h"
#include "trace/trace.h"

enum step_kind {
	/* changes nothing: free(NULL), a call that failed, the first half of a realloc */
	STEP_NONE,
	STEP_ALLOC,  /* *object is new */
	STEP_FREE,   /* `was` is gone */
	STEP_RESIZE, /* *object is what `was` became; it has was.user and was.call */
	STEP_FOREIGN, /* free of what the recording never saw: inherited by a fork, or missed */
};

struct step {
	struct trace_event ev;
	enum step_kind kind;
	struct live_object *object; /* valid until the next step; NULL unless ALLOC or RESIZE */
	struct live_object was;
	bool overlaid; /* the address was live already: its free was missed, and it is dropped */
	struct live_object dropped;
};

enum {
	STREAM_HELD = 256, /* seen with 64 threads on 2 cores: 1 */
	/* events that are read before their turn, so that the entries of their objects are in the
	 * cache by then: a power of two */
	STREAM_AHEAD = 32,
};

struct trace_stream {
	struct trace_reader *reader;
	struct live live;
	uint64_t payload, peak_payload; /* bytes asked for and live; at most */
	uint64_t peak_count;
	uint64_t events;   /* calls, a realloc is one */
	uint64_t foreign, overlaid, held_total, forced;
	uint64_t hold_ticks;
	struct trace_event held[STREAM_HELD]; /* in the order of their ticks */
	size_t held_count;
	struct trace_event ahead[STREAM_AHEAD]; /* a ring */
	size_t ahead_first, ahead_count;
	int reader_state; /* the last result of trace_reader_next(); 0 or -1 comes after the ring */
	/* reallocs between their halves; .user is kept, .thread is the caller */
	struct live_object *moving;
	size_t moving_count, moving_cap;
};

bool trace_stream_open(struct trace_stream *s, struct trace_file *f);
/* 1: *step is next; 0: the end; -1: damaged or no memory, *e says which. */
int trace_stream_next(struct trace_stream *s, struct step *step, struct trace_error *e);
void trace_stream_close(struct trace_stream *s);

/* One of those that count something in a reading.  Only one of them may use live_object.user. */
struct trace_listener {
	/* Called after each step has happened.  False: the reading ends, *e says why. */
	bool (*step)(void *arg, struct step *step, struct trace_error *e);
	void *arg;
	const struct trace_listener *next;
};

/* Decode a recording once for all listeners.  False: damaged, no memory, or a listener's reason. */
bool trace_stream_read(struct trace_stream *s, const struct trace_listener *first,
    struct trace_error *e);

#endif
