/* trace_format.h - a recording on disk, version 2 (docs/design/recording-format.md is
 * the specification).
 *
 *   +-----------+---------------------+---------------------+---
 *   | file head | block head | payload| block head | payload| ...      both heads: 64 bytes
 *   +-----------+---------------------+---------------------+---
 *
 * A block of events belongs to one thread and to the ticks [first, last]; blocks of one thread come
 * in order, those of different threads as they were flushed.  The global order is that of ticks.
 * All numbers are little-endian.
 *
 * Invariants of a sound recording, checked by the reader under these names:
 *   T1 checksum   head and payload of a block hash to its checksum
 *   T2 bounds     lengths and counts are within the limits below, and within the file
 *   T3 order      first <= last, and no block of a thread begins before its last one ended
 *   T4 columns    every column ends exactly with its last event
 */
#ifndef OBSERVE_TRACE_FORMAT_H
#define OBSERVE_TRACE_FORMAT_H

#include <assert.h>
#include <stdint.h>

enum {
	TRACE_VERSION = 2,
	TRACE_VERSION_OLDEST = 1,       /* that is read: its blocks have at most 4,096 events */
	TRACE_EVENTS_MAX = 16384,       /* events in a block */
	TRACE_NODES_MAX = 32768,        /* stack nodes in a block */
	TRACE_RAW_MAX = 1 << 20,        /* bytes of a payload before compression */
	TRACE_PACKED_MAX = 1 << 21,     /* and after */
};

#define TRACE_FILE_MAGIC  0x65636172746d6d64u /* "dmmtrace" */
#define TRACE_BLOCK_MAGIC 0x426d6d64u         /* "dmmB" */

enum trace_stacks { TRACE_NONE, TRACE_CALLER, TRACE_FP, TRACE_DWARF };
enum trace_flag { TRACE_SCRUBBED = 1u << 0, TRACE_FORKED = 1u << 1 };

struct trace_file_head {
	uint64_t magic;
	uint32_t version, head_len;
	uint32_t pid, parent;    /* of the recorded process; 0: imported */
	uint32_t stacks, flags;  /* enum trace_stacks, enum trace_flag */
	uint64_t start_tick;     /* this tick ... */
	uint64_t start_ns;       /* ... was at this time of the monotonic clock */
	uint64_t wall_ns;        /* and at this time since 1970 */
	uint32_t tick_is_ns;     /* 1: ticks are nanoseconds; 0: calibrate by the block heads */
	uint32_t checksum;       /* of the 60 bytes before */
};
static_assert(sizeof(struct trace_file_head) == 64, "as in docs/design/recording-format.md");

enum trace_kind {
	TRACE_META = 1, /* text: key=value lines about the process */
	TRACE_MAPS,     /* text: start end offset build-id name, in hexadecimal */
	TRACE_THREAD,   /* text: serial tid name */
	TRACE_EVENTS,   /* columns, packed by zstd */
	TRACE_END,      /* text: key=value; its presence says that the process ended in order */
	TRACE_SYMBOLS,  /* text: address name; for imports that have names but no files */
};

struct trace_block_head {
	uint32_t magic;
	uint16_t kind, zero;
	uint32_t packed_len, raw_len; /* bytes of the payload; raw_len before compression */
	uint32_t thread, events;      /* the thread's serial number, not its tid */
	uint64_t first_tick, last_tick;
	uint64_t now_tick, now_ns;    /* when the block was written, by both clocks */
	uint32_t anon_kib;            /* the process's anonymous resident memory then; 0: unknown */
	uint32_t checksum;            /* of the 60 bytes before, then the payload */
};
static_assert(sizeof(struct trace_block_head) == 64, "as in docs/design/recording-format.md");

/* The columns of a block of events, in this order; the payload opens with their lengths. */
enum trace_column {
	TRACE_COL_NODES,  /* stack nodes: parent's index, address as a difference */
	TRACE_COL_OPS,    /* one byte an event: enum trace_op */
	TRACE_COL_TIMES,  /* ticks since the event before */
	TRACE_COL_ADDRS,  /* address against the predicted one */
	TRACE_COL_SIZES,  /* bytes asked for */
	TRACE_COL_STACKS, /* index of the innermost node, 0: none */
	TRACE_COL_EXTRA,  /* alignment; realloc: the old address, and how long it took */
	TRACE_COLUMNS,
};

enum trace_op {
	TRACE_OP_NONE,
	TRACE_OP_MALLOC,
	TRACE_OP_CALLOC,
	TRACE_OP_MEMALIGN,
	TRACE_OP_ALIGNED_ALLOC,
	TRACE_OP_POSIX_MEMALIGN,
	TRACE_OP_VALLOC,
	TRACE_OP_PVALLOC,
	TRACE_OP_NEW,
	TRACE_OP_NEW_ARRAY,
	TRACE_OP_NEW_ALIGNED,
	TRACE_OP_NEW_ARRAY_ALIGNED,
	TRACE_OP_REALLOC,
	TRACE_OP_REALLOCARRAY,
	TRACE_OP_FREE,
	TRACE_OP_FREE_SIZED,
	TRACE_OP_FREE_ALIGNED_SIZED,
	TRACE_OP_DELETE,
	TRACE_OP_DELETE_ARRAY,
	TRACE_OP_DELETE_SIZED,
	TRACE_OP_DELETE_ARRAY_SIZED,
	TRACE_OP_DELETE_ALIGNED,
	TRACE_OP_DELETE_ARRAY_ALIGNED,
	TRACE_OP_DELETE_ALIGNED_SIZED,
	TRACE_OP_DELETE_ARRAY_ALIGNED_SIZED,
	TRACE_OPS,
};

enum trace_class {
	TRACE_IS_ALLOC = 1,
	TRACE_IS_REALLOC = 2,
	TRACE_IS_FREE = 4,
	TRACE_HAS_SIZE = 8,
	TRACE_HAS_ALIGN = 16,
};

/* The fields of an event of each operation: enum trace_class. */
static const uint8_t trace_class[TRACE_OPS] = {
    [TRACE_OP_MALLOC] = TRACE_IS_ALLOC | TRACE_HAS_SIZE,
    [TRACE_OP_CALLOC] = TRACE_IS_ALLOC | TRACE_HAS_SIZE,
    [TRACE_OP_MEMALIGN] = TRACE_IS_ALLOC | TRACE_HAS_SIZE | TRACE_HAS_ALIGN,
    [TRACE_OP_ALIGNED_ALLOC] = TRACE_IS_ALLOC | TRACE_HAS_SIZE | TRACE_HAS_ALIGN,
    [TRACE_OP_POSIX_MEMALIGN] = TRACE_IS_ALLOC | TRACE_HAS_SIZE | TRACE_HAS_ALIGN,
    [TRACE_OP_VALLOC] = TRACE_IS_ALLOC | TRACE_HAS_SIZE | TRACE_HAS_ALIGN,
    [TRACE_OP_PVALLOC] = TRACE_IS_ALLOC | TRACE_HAS_SIZE | TRACE_HAS_ALIGN,
    [TRACE_OP_NEW] = TRACE_IS_ALLOC | TRACE_HAS_SIZE,
    [TRACE_OP_NEW_ARRAY] = TRACE_IS_ALLOC | TRACE_HAS_SIZE,
    [TRACE_OP_NEW_ALIGNED] = TRACE_IS_ALLOC | TRACE_HAS_SIZE | TRACE_HAS_ALIGN,
    [TRACE_OP_NEW_ARRAY_ALIGNED] = TRACE_IS_ALLOC | TRACE_HAS_SIZE | TRACE_HAS_ALIGN,
    [TRACE_OP_REALLOC] = TRACE_IS_REALLOC | TRACE_HAS_SIZE,
    [TRACE_OP_REALLOCARRAY] = TRACE_IS_REALLOC | TRACE_HAS_SIZE,
    [TRACE_OP_FREE] = TRACE_IS_FREE,
    [TRACE_OP_FREE_SIZED] = TRACE_IS_FREE | TRACE_HAS_SIZE,
    [TRACE_OP_FREE_ALIGNED_SIZED] = TRACE_IS_FREE | TRACE_HAS_SIZE | TRACE_HAS_ALIGN,
    [TRACE_OP_DELETE] = TRACE_IS_FREE,
    [TRACE_OP_DELETE_ARRAY] = TRACE_IS_FREE,
    [TRACE_OP_DELETE_SIZED] = TRACE_IS_FREE | TRACE_HAS_SIZE,
    [TRACE_OP_DELETE_ARRAY_SIZED] = TRACE_IS_FREE | TRACE_HAS_SIZE,
    [TRACE_OP_DELETE_ALIGNED] = TRACE_IS_FREE | TRACE_HAS_ALIGN,
    [TRACE_OP_DELETE_ARRAY_ALIGNED] = TRACE_IS_FREE | TRACE_HAS_ALIGN,
    [TRACE_OP_DELETE_ALIGNED_SIZED] = TRACE_IS_FREE | TRACE_HAS_SIZE | TRACE_HAS_ALIGN,
    [TRACE_OP_DELETE_ARRAY_ALIGNED_SIZED] = TRACE_IS_FREE | TRACE_HAS_SIZE | TRACE_HAS_ALIGN,
};

/* True: the raw event of this operation is followed by a second one, see struct trace_raw. */
static inline int trace_op_has_more(unsigned op)
{
	return (trace_class[op] & (TRACE_IS_REALLOC | TRACE_HAS_ALIGN)) != 0;
}

#endif
