/* private.h - between the pieces of the reader: blocks unpacked, and cursors over them. */
#ifndef LAB_TRACE_PRIVATE_H
#define LAB_TRACE_PRIVATE_H

#include "observe/trace_code.h"
#include "trace/trace.h"

/* META: a sentence about calls that T.tape had and nobody could read. */
#define TRACE_TAPE_LOST "tape_lost"

bool trace_file_read(const struct trace_file *f, void *buf, size_t n, uint64_t at);
/* Head of the block at `at`, checked against bounds and the file's end. */
bool trace_file_block(const struct trace_file *f, uint64_t at, struct trace_block_head *h,
    struct trace_error *e);
/* Its payload, checked against its checksum, zero-terminated; the caller frees it.  NULL: *e. */
char *trace_file_payload(const struct trace_file *f, uint64_t at, const struct trace_block_head *h,
    struct trace_error *e);

struct trace_cursor {
	const unsigned char *at, *end;
};

/* One unpacked block. */
struct trace_block {
	uint64_t offset;
	uint32_t thread, left; /* events still to come */
	enum trace_stacks stacks;
	uint64_t tick;
	/* index in the block -> index in the reader; NULL: stacks are not wanted */
	uint32_t *nodes;
	uint32_t node_count;
	uint64_t node_addr;
	bool has_next, failed;
	bool pending; /* `next` is the begin of a realloc; `second` its end */
	struct trace_event next, second;
	struct predict predict;
	struct trace_cursor col[TRACE_COLUMNS];
	size_t raw_len;
	unsigned char raw[];
};

/* Unpack; then b->next is the first event.  NULL: *e says why. */
struct trace_block *trace_block_open(struct trace_file *f, const struct trace_index *at,
    struct trace_error *e);
void trace_block_close(struct trace_file *f, struct trace_block *b);
/* The next stack node of the block: false at the end, or (b->failed) when damaged. */
bool trace_block_node(struct trace_block *b, uint32_t *parent, uint64_t *addr);
/* Move b->next on.  False: the block is done, or (b->failed) its columns are damaged. */
bool trace_block_step(struct trace_block *b);

#endif
