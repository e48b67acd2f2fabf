/* trace_tape.h - T.tape beside a recording T: what its process has noted and not yet written.
 *
 *   +-----------+--------+--------+---    mapped by the recorded process, shared: when that is
 *   | tape head | slot 0 | slot 1 | ...   killed, what it noted stays, up to its last call.  The
 *   +-----------+--------+--------+---    process removes the file when it ends in order.
 *
 *   a slot, one a thread:   state | raw events, the newest | columns: encoded events | frames
 *
 * The process may die between any two instructions, so each change of a slot takes effect by one
 * store: `next` for an event, `current` for what was encoded.  A reader finds events in three
 * places, in this order:
 *   1. blocks of the recording
 *   2. columns, as state[current] says; unless the recording's last block of the thread is the same
 *      (it was written, and the columns not yet emptied)
 *   3. raw events, as tape_slot_pending() says
 */
#ifndef OBSERVE_TRACE_TAPE_H
#define OBSERVE_TRACE_TAPE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "observe/trace_encode.h"

enum {
	TAPE_VERSION = 2,
	TAPE_HEAD_LEN = 4096,
	TAPE_EVENTS = 1024,         /* raw events: short, so that they stay in the cache */
	/* threads at one time; those beyond have tapes that die with the process */
	TAPE_SLOTS = 1024,
	/* raw_done: all were encoded, `next` goes back to the first */
	TAPE_LAPPED = TAPE_EVENTS + 1,
	FRAMES_CAP = 16 << 10,      /* addresses of deep stacks a block */
	FRAMES_CAP_CALLER = 8192,   /* of stacks that end above wrappers of malloc */
	FRAMES_DEPTH = 64,
	TAPE_NAME_LEN = 16,
};

#define TAPE_MAGIC 0x65706174206d6d64u /* "dmm tape" */
#define TAPE_SUFFIX ".tape"
#define TOTAL_SUFFIX ".total"

/* T.total: what all processes of a recording share while dmm record runs. */
struct trace_total {
	_Atomic uint64_t bytes; /* of their recordings together */
	_Atomic uint64_t full;  /* 1: --max-size was reached */
};

struct tape_head {
	uint64_t magic;
	uint32_t version, pid;
	uint32_t stacks, slot_len;
	uint64_t start_tick;     /* of the recording it belongs to */
	_Atomic uint32_t slots;  /* used so far */
	_Atomic uint32_t idle;   /* 1: no call was noted when the process last called exec */
};

struct tape_state {
	struct trace_columns_state columns;
	uint32_t raw_done; /* raw events that the columns or the recording hold; TAPE_LAPPED */
};

struct tape_slot {
	_Atomic uint32_t serial;  /* of the thread; 0: unused */
	int32_t tid;
	/* odd: events are being moved; for readers while the process lives */
	_Atomic uint32_t changes;
	_Atomic uint32_t current; /* the state that holds */
	struct tape_state state[2];
	/* where the slot is in the process: the pointers below count from there */
	uint64_t self;
	struct trace_raw *_Atomic next;
	uint64_t frames_len;      /* [0] is unused */
	char name[TAPE_NAME_LEN];
	struct trace_raw raw[TAPE_EVENTS] __attribute__((aligned(64)));
	unsigned char bytes[];    /* columns, then (deep stacks) frames */
};

/* Bytes of each column.  A block is closed when one of them might not hold TAPE_EVENTS more. */
#define TAPE_LAYOUT(nodes)                                                                \
	{[TRACE_COL_NODES] = (nodes), [TRACE_COL_OPS] = 16 << 10, [TRACE_COL_TIMES] = 32 << 10, \
	    [TRACE_COL_ADDRS] = 48 << 10, [TRACE_COL_SIZES] = 32 << 10,                   \
	    [TRACE_COL_STACKS] = 32 << 10, [TRACE_COL_EXTRA] = 24 << 10}

static inline const uint32_t *tape_layout(enum trace_stacks stacks)
{
	static const uint32_t callers[TRACE_COLUMNS] = TAPE_LAYOUT(32 << 10);
	static const uint32_t deep[TRACE_COLUMNS] = TAPE_LAYOUT(216 << 10);
	return stacks > TRACE_CALLER ? deep : callers;
}

static inline size_t tape_columns_len(enum trace_stacks stacks)
{
	return (trace_columns_bytes(tape_layout(stacks)) + 7) & ~(size_t)7;
}

static inline size_t frames_cap(enum trace_stacks stacks)
{
	return stacks > TRACE_CALLER ? FRAMES_CAP : stacks == TRACE_CALLER ? FRAMES_CAP_CALLER : 0;
}

static inline size_t tape_slot_len(enum trace_stacks stacks)
{
	const size_t frames = frames_cap(stacks) * sizeof(uint64_t);
	return (sizeof(struct tape_slot) + tape_columns_len(stacks) + frames + 4095) &
	       ~(size_t)4095;
}

static inline uint64_t *tape_slot_frames(struct tape_slot *s, enum trace_stacks stacks)
{
	return stacks != TRACE_NONE ? (uint64_t *)(s->bytes + tape_columns_len(stacks)) : NULL;
}

/* The raw events that nobody has encoded: [*from, *to).  `s` may be a copy.  Between two laps, when
 * `next` has not yet gone back, the first event is an old one. */
static inline bool tape_slot_pending(const struct tape_slot *s, uint32_t *from, uint32_t *to)
{
	const struct tape_state *const state = &s->state[s->current & 1];
	const uint64_t first = s->self + offsetof(struct tape_slot, raw);
	const uint64_t next = (uint64_t)(uintptr_t)s->next - first;

	*from = state->raw_done;
	*to = (uint32_t)(next / sizeof(struct trace_raw));
	if (next % sizeof(struct trace_raw) != 0 || next / sizeof(struct trace_raw) > TAPE_EVENTS)
		return false;
	if (*from <= TAPE_EVENTS)
		return *from <= *to;
	*from = 0;
	if (*to >= TAPE_EVENTS - 1 && trace_raw_tick(&s->raw[0]) <= state->columns.last_tick)
		*to = 0;
	if (*to > 0 && s->raw[0].tick_op == 0)
		*to = 0;
	return true;
}

#endif
