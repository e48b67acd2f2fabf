/* trace_tape.h - T.tape beside a recording T: the events that its process noted and has not
 * written yet.
 *
 *   +-----------+--------+--------+---    mapped by the recorded process and by dmm record: when
 *   | tape head | slot 0 | slot 1 | ...   one is killed, the other has it, up to the last call.
 *   +-----------+--------+--------+---    The process removes the file when it ends in order.
 *
 *   a slot, one a thread:   state | sides: raw events | columns: encoded events | frames
 *
 * The thread notes its events on one side.  When the side is full, the thread hands it over and
 * goes on with a free one:
 *
 *   thread --> current side --> queue of sides --> columns --> block of the recording
 *              '-- owner alone --'   '----- whoever holds slot.lock -----'
 *
 * dmm record's packer empties the queues (lab/record/packer.c).  Where there is no packer, or it
 * does not come in time, the thread itself takes the lock and does the same.  The columns are
 * continued by the process that began them, because the tables that belong to them (stack nodes,
 * the predictor) are in its own memory; the other one first writes them as a block.
 *
 * Either may die between any two instructions, so each change of a slot takes effect by one store:
 * `next` for an event, `handed` for a side, `current` for what was encoded.  A reader finds events
 * in these places, in this order:
 *   1. blocks of the recording
 *   2. columns, as state[current] says; unless the recording's last block of the thread is the same
 *      (it was written, and the columns not yet emptied)
 *   3. raw events, as tape_slot_pending() says
 */
#ifndef OBSERVE_TRACE_TAPE_H
#define OBSERVE_TRACE_TAPE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "observe/trace_encode.h"

enum {
	TAPE_VERSION = 3,
	TAPE_HEAD_LEN = 4096,
	TAPE_EVENTS = 512,          /* raw events of a side: few, so that they stay in the cache */
	TAPE_SIDES = 32,
	/* threads at one time; those beyond have tapes that die with the process */
	TAPE_SLOTS = 1024,
	TAPE_NEWS = 64,
	FRAMES_CAP = 16 << 10,      /* addresses of deep stacks a block */
	FRAMES_CAP_CALLER = 8192,   /* of stacks that end above wrappers of malloc */
	FRAMES_DEPTH = 64,
	TAPE_NAME_LEN = 16,
	TAPE_NAMES_LEN = 3072,      /* of a script's functions, that wait for a block */
};

#define TAPE_MAGIC 0x65706174206d6d64u /* "dmm tape" */
#define TAPE_SUFFIX ".tape"
#define TOTAL_SUFFIX ".total"

/* T.total: what all processes of a recording share while dmm record runs. */
struct trace_total {
	_Atomic uint64_t bytes; /* of their recordings together */
	_Atomic uint64_t full;  /* 1: --max-size was reached */
};

/* A mutex between the process and dmm record; the kernel gives it on when its holder dies. */
union tape_lock {
	pthread_mutex_t mutex;
	char room[64];
};

/* Who encodes. */
enum tape_encoder { TAPE_BY_PROCESS, TAPE_BY_PACKER };

/* Lines as a block of SYMBOLS has them. */
struct tape_names {
	_Atomic uint32_t len; /* bytes of text, whole lines */
	char text[TAPE_NAMES_LEN];
};

struct tape_head {
	_Atomic uint64_t magic; /* stored last */
	uint32_t version, pid;
	uint32_t stacks, slot_len;
	uint64_t start_tick;     /* of the recording it belongs to */
	_Atomic uint32_t slots;  /* used so far */
	_Atomic uint32_t idle;   /* 1: no call was noted when the process last called exec */
	uint64_t dev, ino;       /* the recording's file */
	uint32_t by_clock;       /* 1: ticks are nanoseconds of the monotonic clock */
	/* 1: the process wants no packer any more, or the packer could not write */
	_Atomic uint32_t alone;
	_Atomic uint64_t packed_events, packed_ns; /* by the packer; its processor time */
	/* A thread that appends to the recording holds this lock. Before the packer writes a slot's
	 * columns, it notes the number of the slot, from 1 up, and the length of the file. */
	union tape_lock file_lock;
	uint32_t writing_slot;
	uint64_t writing_at;
	struct tape_names names;
};
static_assert(sizeof(struct tape_head) <= TAPE_HEAD_LEN, "slots begin behind the head");

struct tape_state {
	struct trace_columns_state columns;
	uint32_t done;     /* sides that the columns or the recording hold, as `handed` counts */
	uint32_t raw_done; /* and raw events of the next side */
};

struct tape_slot {
	_Atomic uint32_t serial;  /* of the thread; 0: unused */
	int32_t tid;
	/* odd: events are being moved; for readers while the process lives */
	_Atomic uint32_t changes;
	_Atomic uint32_t current; /* the state that holds */
	struct tape_state state[2];
	/* the slot's address in the process: `next` counts from there */
	uint64_t self;
	char name[TAPE_NAME_LEN];
	union tape_lock lock;      /* for the state and the columns */
	uint32_t encoder;          /* enum tape_encoder: whose columns these are */
	_Atomic uint32_t served;   /* 1: the packer empties the queue */
	_Atomic uint32_t done;     /* state[current].done: the sides before it are free again */
	_Atomic uint32_t anon_kib; /* of the process, for the next block; 0: not looked */
	/* addresses of code that the packer saw first; the owner takes them, then sets 0 */
	_Atomic uint32_t news_count;
	uint64_t news[TAPE_NEWS];

	/* The owner writes all fields below: `next` with each event, in a cache line that no other
	 * thread touches; queue and used before `handed` counts the side. */
	struct trace_raw *_Atomic next __attribute__((aligned(64)));
	uint64_t frames_len __attribute__((aligned(64))); /* [0] is unused */
	_Atomic uint32_t handed;                          /* sides handed over so far */
	uint16_t used[TAPE_SIDES]; /* raw events of the n-th one, at n % TAPE_SIDES */
	uint8_t queue[TAPE_SIDES]; /* and which side it is */
	struct trace_raw raw[TAPE_SIDES][TAPE_EVENTS] __attribute__((aligned(4096)));
	unsigned char bytes[]; /* columns, then (deep stacks) frames */
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

/* Is that the length of a tape of some slots? */
static inline bool tape_has_len(uint64_t len)
{
	for (enum trace_stacks s = TRACE_NONE; s <= TRACE_DWARF; s++) {
		const uint64_t slots = len - TAPE_HEAD_LEN, slot_len = tape_slot_len(s);
		if (len > TAPE_HEAD_LEN && slots % slot_len == 0 && slots / slot_len <= TAPE_SLOTS)
			return true;
	}
	return false;
}

static inline uint64_t *tape_slot_frames(struct tape_slot *s, enum trace_stacks stacks)
{
	return stacks != TRACE_NONE ? (uint64_t *)(s->bytes + tape_columns_len(stacks)) : NULL;
}

/* The side that `next` points into; TAPE_SIDES: none. *used: its events. No side is ever filled to
 * its end, so `next` never equals the start of the next side. */
static inline uint32_t tape_slot_side(const struct tape_slot *s, const struct trace_raw *next,
    uint32_t *used)
{
	const uint64_t at = (uint64_t)(uintptr_t)next - s->self - offsetof(struct tape_slot, raw);
	const uint64_t event = at / sizeof *next;

	*used = (uint32_t)(event % TAPE_EVENTS);
	return at % sizeof *next == 0 && event < (uint64_t)TAPE_SIDES * TAPE_EVENTS
	    ? (uint32_t)(event / TAPE_EVENTS)
	    : TAPE_SIDES;
}

/* The raw events of side number `number`, counted as `handed` does, that are not encoded yet. NULL:
 * the slot is damaged. */
static inline const struct trace_raw *tape_slot_queued(const struct tape_slot *s, uint32_t number,
    size_t *n)
{
	const struct tape_state *const state = &s->state[s->current & 1];
	const uint32_t side = s->queue[number % TAPE_SIDES], used = s->used[number % TAPE_SIDES];
	const uint32_t from = number == state->done ? state->raw_done : 0;

	if (side >= TAPE_SIDES || used > TAPE_EVENTS || from > used)
		return NULL;
	*n = used - from;
	return s->raw[side] + from;
}

/* The events of the current side. Read `next`, then `handed`, before; NULL: there are none. A side
 * that was just handed over is in the queue, though `next` still points into it. */
static inline const struct trace_raw *tape_slot_current(const struct tape_slot *s,
    const struct trace_raw *next, uint32_t handed, size_t *n)
{
	const struct tape_state *const state = &s->state[s->current & 1];
	const uint32_t from = handed == state->done ? state->raw_done : 0;
	uint32_t used;
	const uint32_t side = tape_slot_side(s, next, &used);

	if (side == TAPE_SIDES || used <= from ||
	    (handed != 0 && s->queue[(handed - 1) % TAPE_SIDES] == side))
		return NULL;
	*n = used - from;
	return s->raw[side] + from;
}

#endif
