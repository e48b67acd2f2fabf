/* trace_encode.h - raw events of one thread in, one block of the format out.
 *
 *   raw events, a few at a time --> columns, one set a thread --> zstd, any thread's --> block
 *
 * Runs inside the recorded program: it neither allocates nor locks nor calls the system.  The coder
 * lives in memory that the caller maps, trace_coder_size() bytes, and serves one caller at a time.
 */
#ifndef OBSERVE_TRACE_ENCODE_H
#define OBSERVE_TRACE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "observe/trace_format.h"
#include "observe/xxh64.h"

/* An event as a thread notes it, 32 bytes.  Where trace_op_has_more(op), a second one follows:
 * addr = the old address or the alignment, size = the tick at which realloc returned. */
struct trace_raw {
	uint64_t tick_op; /* tick << 8 | enum trace_op */
	uint64_t addr;    /* 0: the call failed */
	uint64_t size;    /* bytes asked for */
	/* TRACE_CALLER: a return address, or TRACE_STACK_FRAMES and an index; deeper: the index in
	 * frames[] of the stack's length; 0: none */
	uint64_t stack;
};

#define TRACE_STACK_FRAMES ((uint64_t)1 << 63)

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
	const uint64_t *frames; /* frames[i] = count, then count addresses, innermost first */
	size_t frames_len;
	uint64_t now_tick, now_ns;
	/* trace_encode(): no event is stamped earlier, this thread's last block ended then */
	uint64_t after_tick;
	uint32_t anon_kib;
};

enum { TRACE_ENCODE_MAX = 4096 };

/* Encode raw[0..n), n <= TRACE_ENCODE_MAX, whole events only.  Returns the block (head and payload,
 * valid until the next call) and its length; NULL when it does not fit the format's limits. */
const void *trace_encode(struct trace_coder *c, const struct trace_block_info *info,
    const struct trace_raw *raw, size_t n, size_t *len);

/* ---- the same in two steps, for a thread that encodes while its events are still in the cache  */

struct trace_columns;

/* How far the columns are filled.  With their bytes it is all that a block is made of: who has both
 * can make the block, also in another process, when the one that filled them is dead. */
struct trace_columns_state {
	uint64_t first_tick, last_tick;
	uint32_t events, len[TRACE_COLUMNS];
};

size_t trace_columns_size(void);
/* The bytes that columns of these capacities take. */
size_t trace_columns_bytes(const uint32_t cap[TRACE_COLUMNS]);
/* c: zeroed memory of trace_columns_size(); bytes: trace_columns_bytes(cap) of them, one column
 * behind the other. */
void trace_columns_init(struct trace_columns *c, unsigned char *bytes,
    const uint32_t cap[TRACE_COLUMNS]);
void trace_columns_save(const struct trace_columns *c, struct trace_columns_state *to);
/* False: such a state does not fit.  Columns that were restored may be packed, not appended to. */
bool trace_columns_restore(struct trace_columns *c, const struct trace_columns_state *from);
/* May n raw events be added, whatever they are? */
bool trace_columns_have_room(const struct trace_columns *c, size_t n);
/* Append raw[0..n), whole events only; where trace_columns_have_room(). */
void trace_columns_add(struct trace_columns *c, const struct trace_block_info *info,
    const struct trace_raw *raw, size_t n);
uint32_t trace_columns_events(const struct trace_columns *c);
size_t trace_columns_len(const struct trace_columns *c); /* bytes in all columns */
/* The block of what is in the columns, as trace_encode() returns it; then they are empty. */
const void *trace_pack(struct trace_coder *c, struct trace_columns *columns,
    const struct trace_block_info *info, size_t *len);
/* forget what is in them; the thread's ticks go on */
void trace_columns_clear(struct trace_columns *c);
/* For another thread, whose last event so far was at this tick; 0: it has none. */
void trace_columns_continue(struct trace_columns *c, uint64_t last_tick);
/* The addresses whose stack nodes the last block introduced, for mapping look-ups. */
const uint64_t *trace_columns_addresses(const struct trace_columns *c, size_t *count);

/* Fill in magic and checksum of a head whose other fields are set. */
static inline void trace_block_seal(struct trace_block_head *head, const void *payload)
{
	head->magic = TRACE_BLOCK_MAGIC;
	const uint64_t of_head = xxh64(head, sizeof *head - sizeof head->checksum, 0);
	head->checksum = (uint32_t)xxh64(payload, head->packed_len, of_head);
}

#endif
