/* block.c - one block of events: checked, unpacked, and read column by column.
 *
 * Whatever the bytes are, a cursor never leaves its column: an event that would is damage (T4).
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "trace/private.h"

static bool take(struct trace_cursor *c, uint64_t *x)
{
	const unsigned char *p = c->at;
	unsigned shift = 0;

	*x = 0;
	while (p < c->end && shift < 64) {
		*x |= (uint64_t)(*p & 0x7f) << shift;
		if ((*p++ & 0x80) == 0) {
			c->at = p;
			return true;
		}
		shift += 7;
	}
	return false;
}

static bool take_byte(struct trace_cursor *c, uint8_t *x)
{
	if (c->at == c->end)
		return false;
	*x = *c->at++;
	return true;
}

static uint64_t foresee_alloc(struct trace_block *b, uint64_t code, uint64_t size)
{
	const unsigned bucket = predict_bucket(size);
	const uint64_t addr = address_decode(code, predict_alloc(&b->predict, bucket));

	predict_saw_alloc(&b->predict, bucket, addr, size);
	return addr;
}

static uint64_t foresee_free(struct trace_block *b, uint64_t code)
{
	struct predict *const p = &b->predict;
	const uint64_t guess = (code & 1) == 0 ? p->last_free : p->last_alloc;
	const uint64_t addr = address_decode(code >> 1, guess);

	predict_saw_free(p, addr);
	return addr;
}

static bool take_more(struct trace_block *b, struct trace_event *ev)
{
	uint64_t old, took;

	if ((ev->class & TRACE_IS_REALLOC) == 0)
		return take_byte(&b->col[TRACE_COL_EXTRA], &ev->align_log2) && ev->align_log2 < 64;
	if (!take(&b->col[TRACE_COL_EXTRA], &old) || !take(&b->col[TRACE_COL_EXTRA], &took))
		return false;
	ev->old = ev->addr + (uint64_t)unzigzag(old);
	b->tick += took;
	return true;
}

static bool take_event(struct trace_block *b, struct trace_event *ev)
{
	uint64_t ticks, code, stack = 0;

	*ev = (struct trace_event){.thread = b->thread};
	if (!take_byte(&b->col[TRACE_COL_OPS], &ev->op) || ev->op == TRACE_OP_NONE ||
	    ev->op >= TRACE_OPS)
		return false;
	ev->class = trace_class[ev->op];
	if (!take(&b->col[TRACE_COL_TIMES], &ticks) || !take(&b->col[TRACE_COL_ADDRS], &code))
		return false;
	if ((ev->class & TRACE_HAS_SIZE) != 0 && !take(&b->col[TRACE_COL_SIZES], &ev->size))
		return false;
	if (b->stacks != TRACE_NONE && !take(&b->col[TRACE_COL_STACKS], &stack))
		return false;
	if (stack > b->node_count)
		return false;
	ev->addr = (ev->class & TRACE_IS_FREE) != 0 ? foresee_free(b, code)
	                                            : foresee_alloc(b, code, ev->size);
	ev->stack = b->nodes != NULL ? b->nodes[stack] : 0;
	b->tick += ticks;
	ev->tick = b->tick;
	return !trace_op_has_more(ev->op) || take_more(b, ev);
}

/* A realloc that moved is two halves in the global order: another call may get the old address
 * before it returns, and may have freed the new one after it was called. */
static void split_realloc(struct trace_block *b)
{
	if (b->next.addr == b->next.old || b->next.addr == 0 || b->next.old == 0) {
		b->next.tick = b->tick;
		return;
	}
	b->second = b->next;
	b->second.tick = b->tick;
	b->next.begin = true;
	b->pending = true;
}

bool trace_block_step(struct trace_block *b)
{
	if (b->pending) {
		b->pending = false;
		b->next = b->second;
		return true;
	}
	b->has_next = false;
	if (b->left == 0) {
		for (int i = TRACE_COL_OPS; i < TRACE_COLUMNS; i++)
			b->failed |= b->col[i].at != b->col[i].end;
		return false;
	}
	b->left--;
	if (!take_event(b, &b->next)) {
		b->failed = true;
		return false;
	}
	if ((b->next.class & TRACE_IS_REALLOC) != 0)
		split_realloc(b);
	b->has_next = true;
	return true;
}

bool trace_block_node(struct trace_block *b, uint32_t *parent, uint64_t *addr)
{
	struct trace_cursor *const c = &b->col[TRACE_COL_NODES];
	uint64_t up, d;

	if (c->at == c->end)
		return false;
	if (!take(c, &up) || !take(c, &d) || up > b->node_count ||
	    b->node_count == TRACE_NODES_MAX) {
		b->failed = true;
		return false;
	}
	b->node_addr += (uint64_t)unzigzag(d);
	*addr = b->node_addr;
	*parent = (uint32_t)up;
	b->node_count++;
	return true;
}

static bool set_columns(struct trace_block *b)
{
	const unsigned char *at = b->raw + TRACE_COLUMNS * sizeof(uint32_t);
	const unsigned char *const end = b->raw + b->raw_len;

	if (at > end)
		return false;
	for (int i = 0; i < TRACE_COLUMNS; i++) {
		uint32_t len;
		memcpy(&len, b->raw + (size_t)i * sizeof len, sizeof len);
		if (len > (size_t)(end - at))
			return false;
		b->col[i] = (struct trace_cursor){at, at + len};
		at += len;
	}
	return at == end;
}

struct trace_block *trace_block_open(struct trace_file *f, const struct trace_index *at,
    struct trace_error *e)
{
	struct trace_block_head h;
	struct trace_block *b = NULL;

	if (f->unpacked_bytes + sizeof *b + at->raw_len > TRACE_OPEN_MAX) {
		trace_fail(e, at->offset, "T2 bounds: more than %zu MiB of blocks are open at one "
		    "time",
		    TRACE_OPEN_MAX >> 20);
		return NULL;
	}
	if (!trace_file_block(f, at->offset, &h, e))
		return NULL;
	char *const packed = trace_file_payload(f, at->offset, &h, e);
	if (packed == NULL)
		return NULL;
	b = malloc(sizeof *b + h.raw_len);
	if (b == NULL) {
		trace_fail(e, at->offset, "no memory for a block of %u bytes", h.raw_len);
		goto out;
	}
	memset(b, 0, sizeof *b);
	b->offset = at->offset;
	b->thread = h.thread;
	b->left = h.events;
	b->stacks = f->head.stacks;
	b->tick = h.first_tick;
	b->raw_len = h.raw_len;
	const size_t got = ZSTD_decompress(b->raw, h.raw_len, packed, h.packed_len);
	if (got != h.raw_len || !set_columns(b)) {
		if (ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation)
			trace_fail(e, at->offset, "no memory to unpack a block of %u bytes",
			    h.raw_len);
		else
			trace_fail(e, at->offset, "T4 columns: the payload does not unpack");
		free(b);
		b = NULL;
		goto out;
	}
	f->unpacked_bytes += sizeof *b + b->raw_len;
out:
	free(packed);
	return b;
}

void trace_block_close(struct trace_file *f, struct trace_block *b)
{
	f->unpacked_bytes -= sizeof *b + b->raw_len;
	free(b->nodes);
	free(b);
}
