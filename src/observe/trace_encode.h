/* trace_encode.h - raw events of one thread in, one block of the format out.
 *
 * Runs inside the recorded program: it neither allocates nor locks nor calls the system.  The coder
 * lives in memory that the caller maps, trace_coder_size() bytes, and serves one caller at a time.
 */
#ifndef OBSERVE_TRACE_ENCODE_H
#define OBSERVE_TRACE_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "observe/trace_format.h"

/* An event as a thread notes it, 32 bytes.  Where trace_op_has_more(op), a second one follows:
 * addr = the old address or the alignment, size = the tick at which realloc returned. */
struct trace_raw {
	uint64_t tick_op; /* tick << 8 | enum trace_op */
	uint64_t addr;    /* 0: the call failed */
	uint64_t size;    /* bytes asked for */
	uint64_t stack;   /* TRACE_CALLER: return address; deeper: index of its length in frames[]; 0: none */
};

static inline uint64_t trace_raw_tick(const struct trace_raw *r)
{
	return r->tick_op >> 8;
}

struct trace_coder;

size_t trace_coder_size(void);
/* Make the memory at `mem` a coder; level: of zstd.  NULL: it is too small. */
struct trace_coder *trace_coder_init(void *mem, size_t len, int level);

/* What goes into a block beside its events. */
struct trace_block_info {
	uint32_t thread;
	enum trace_stacks stacks;
	uint64_t not_before;    /* last tick of the thread's block before this one */
	const uint64_t *frames; /* frames[i] = count, then count addresses, innermost first */
	size_t frames_len;
	uint64_t now_tick, now_ns;
	uint32_t anon_kib;
};

/* Encode raw[0..n), n <= TRACE_EVENTS_MAX, whole events only.  Returns the block (head and payload,
 * valid until the next call) and its length; NULL when it does not fit the format's limits. */
const void *trace_encode(struct trace_coder *c, const struct trace_block_info *info,
    const struct trace_raw *raw, size_t n, size_t *len);

/* The addresses whose stack nodes the last block introduced, for mapping look-ups. */
const uint64_t *trace_coder_addresses(const struct trace_coder *c, size_t *count);

/* Fill in magic and checksum of a head whose other fields are set. */
void trace_block_seal(struct trace_block_head *head, const void *payload);

#endif
