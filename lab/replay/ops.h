/* ops.h - a recording made ready to be replayed: objects instead of addresses, 16 bytes a call.
 *
 *   +------+-----+-----+-- ... --+-------+--------+-----------------+---------+
 *   | head | op  | op  |      op | marks | pauses | index by thread | threads |   one file, mapped
 *   +------+-----+-----+-- ... --+-------+--------+-----------------+---------+
 *
 * ops stand in the valid global order of trace/stream.h.  An object has a slot from its first call
 * to its last; slots are used again, so that a replayer's table is as large as what is live.  A
 * mark says what time it was, every OPS_A_MARK ops; a pause says it for one op.  A recording of up
 * to PAUSES_MOST calls has a pause for each op, a longer one those after the longest gaps
 * (pauses.h).  The index has, thread after thread, the
 * numbers of its ops; a recording of one thread and a model need none.
 *
 * OPS_FOR_THREADS: threads keep the recorded order as far as the program could have relied on it:
 *   objects   when the next call on a slot is another thread's, the op has OP_HANDS, and that next
 *             one OP_WAITS; `turn` is how often the slot has been handed on before it
 *   epochs    an op of epoch e (of OPS_AN_EPOCH ops) begins when all of epoch e - 2 are done, so
 *             that no thread runs away from the others; a slot is given to another thread only when
 *             that alone makes it free
 */
#ifndef LAB_REPLAY_OPS_H
#define LAB_REPLAY_OPS_H

#include "trace/stream.h"

enum { OPS_A_MARK = 64, OPS_AN_EPOCH = 4096, OPS_A_WINDOW = 1 << 19, OPS_VERSION = 2 };
#define OPS_MAGIC 0x73706f6d6d64u /* "dmmops" */

enum op_flag {
	OP_WAITS = 1,   /* the slot's last op was another thread's */
	OP_HANDS = 2,   /* its next op is */
	OP_IMPLIED = 4, /* no call of the program: a free that the recording missed */
};

struct replay_op {
	uint32_t slot;
	union {
		uint32_t turn;  /* OPS_FOR_THREADS */
		uint32_t stack; /* OPS_FOR_MODELS: of the call, 0: none is known */
	};
	uint64_t size : 48; /* bytes asked for; of a free: what the object had */
	uint64_t op : 5;    /* enum trace_op; TRACE_OP_NONE: a call without effect */
	uint64_t align_log2 : 6;
	uint64_t flags : 5;
};
static_assert(sizeof(struct replay_op) == 16, "ops are streamed: they are small");

struct replay_mark {
	uint64_t ns, calls; /* before the op that it stands at */
};

struct replay_pause {
	uint64_t at, ns; /* the time just before op `at` */
};

struct replay_thread {
	uint64_t first;  /* its first entry in the index */
	uint32_t count;  /* entries */
	uint32_t serial; /* as in the recording */
};

struct replay_head { /* of the file; offsets in bytes */
	uint64_t magic, version;
	uint64_t count, slots; /* ops; slots in use at one time, at most */
	uint64_t marks_at, pauses_at, pauses, index_at, threads_at, len;
	uint64_t idle_ns; /* the longest time without calls */
	uint64_t threads; /* in the order of their first op */
	uint64_t calls, peak_payload, peak_count;
	uint64_t peak_at, peak_call; /* the op that made the payload largest; its call, from 1 */
	uint64_t timeless; /* 1: an import that knew no times; all ns are 0 */
	uint64_t foreign, overlaid;
	/* calls that are TRACE_OP_NONE: free(NULL), failed calls, foreign objects */
	uint64_t without_effect;
};

struct ops_map { /* a part of the file, mapped */
	void *at;
	size_t len;
};

struct replay_ops {
	int fd;
	const struct replay_head *head;
	const struct replay_mark *mark;
	const struct replay_pause *pause; /* head->pauses of them, in order */
	const struct replay_thread *thread;
	/* NULL until replay_ops_whole() */
	const struct replay_op *op;
	const uint32_t *index; /* NULL for a single thread and for models too */
	struct ops_map head_map, mark_map, thread_map, whole_map;
};

enum ops_use {
	/* Nobody replays with threads: there is no index, no OP_HANDS and no turn. */
	OPS_FOR_MODELS,
	OPS_FOR_THREADS,
};

/* Read the whole recording at `path`, without stacks, into a file without a name, and map all of it
 * that is small: of 10^8 calls, 25 MB.  False: *e. */
bool replay_ops_build(struct replay_ops *o, const char *path, enum ops_use use,
    struct trace_error *e);

/* The same as a listener of a reading (trace_stream_read): pass ops_build_step as its function.  It
 * uses live_object.user.  f and s are the reader's.  NULL: *e. */
struct ops_build;
struct ops_build *ops_build_begin(const struct trace_file *f, const struct trace_stream *s,
    enum ops_use use, struct trace_error *e);
bool ops_build_step(void *build, struct step *step, struct trace_error *e);
/* The reading is over; frees b.  o NULL: it failed, only free.  False: *e. */
bool ops_build_end(struct ops_build *b, struct replay_ops *o, struct trace_error *e);

/* The same of what an inherited descriptor has; false: it is none, and fd stays the caller's. */
bool replay_ops_map(struct replay_ops *o, int fd);
/* Map the ops and the index as well, for a program that goes through them in no order: 20 bytes a
 * call of address space.  False: there is none. */
bool replay_ops_whole(struct replay_ops *o);
void replay_ops_close(struct replay_ops *o);
/* ---- from the first op to the last ------------------------------------------------------- */

enum { OPS_BEYOND = 64 }; /* ops after a window that may be read too, if there are any */

/* OPS_A_WINDOW ops at a time, so that neither memory nor addresses grow with the recording. */
struct ops_window {
	const struct replay_ops *ops;
	struct ops_map map;
	const struct replay_op *op; /* op[i - from] */
	size_t from, to;
};

/* Another window, with op i.  False: it cannot be mapped. */
bool ops_window_move(struct ops_window *w, size_t i);
void ops_window_close(struct ops_window *w);

/* Op i; the pointer is good for those up to the next multiple of OPS_A_WINDOW.  NULL: it cannot be
 * mapped.  A window begins as {.ops = ops}. */
static inline const struct replay_op *ops_window_at(struct ops_window *w, size_t i)
{
	if (__builtin_expect(i < w->from || i >= w->to, 0) && !ops_window_move(w, i))
		return NULL;
	return &w->op[i - w->from];
}

/* Nanoseconds of the recording before op i (as of its mark), and calls. */
static inline uint64_t replay_ops_ns(const struct replay_ops *o, size_t i)
{
	return o->mark[i == o->head->count ? (i + OPS_A_MARK - 1) / OPS_A_MARK : i / OPS_A_MARK].ns;
}

/* Goes forward through the moments that a recording knows.  Begins as {.ops = ops}. */
struct ops_clock {
	const struct replay_ops *ops;
	size_t pause; /* the next one */
};

/* The time before op i, as exactly as it is known.  i never falls. */
static inline uint64_t ops_clock_ns(struct ops_clock *c, size_t i)
{
	const struct replay_pause *const pause = c->ops->pause;
	uint64_t ns = replay_ops_ns(c->ops, i);

	while (c->pause < c->ops->head->pauses && pause[c->pause].at <= i)
		c->pause++;
	if (c->pause != 0 && pause[c->pause - 1].ns > ns)
		ns = pause[c->pause - 1].ns;
	return ns;
}

/* The first op after i before which the time is known again; after ops_clock_ns(c, i). */
static inline size_t ops_clock_next(const struct ops_clock *c, size_t i)
{
	const size_t mark = (i / OPS_A_MARK + 1) * OPS_A_MARK;

	if (c->pause == c->ops->head->pauses || c->ops->pause[c->pause].at >= mark)
		return mark;
	return c->ops->pause[c->pause].at;
}

static inline uint64_t replay_ops_calls(const struct replay_ops *o, size_t i)
{
	return i == o->head->count ? o->head->calls : o->mark[i / OPS_A_MARK].calls +
	    i % OPS_A_MARK;
}

#endif
