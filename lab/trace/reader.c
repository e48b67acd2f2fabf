/* reader.c - all threads' blocks merged by their ticks.
 *
 * A heap of open blocks by the tick of their next event; a block is opened when that order reaches
 * its first tick.
 *
 * Invariant: R1 the blocks in heap[0..open) each have a next event, and heap[0] has the least tick.
 */
#include <malloc.h>
#include <stdlib.h>

#include "base/bits.h"
#include "cli/array.h"
#include "cli/progress.h"
#include "trace/private.h"

struct node_slot {
	uint64_t addr;
	uint32_t parent, index; /* 0: empty */
};

struct trace_reader {
	struct trace_file *f;
	size_t next_block; /* in f->blocks: the first not yet opened */
	struct trace_block **heap;
	size_t open, cap;
	bool want_stacks, failed;
	bool tells; /* how far it is */
	struct trace_node *nodes; /* nodes[0] is unused */
	uint32_t node_count, node_cap;
	struct node_slot *slots;
	size_t slot_cap;
};

struct trace_reader *trace_reader_open(struct trace_file *f)
{
	struct trace_reader *const r = calloc(1, sizeof *r);

	/* Blocks of 100 KiB come and go: glibc must not give their memory back each time. */
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	if (r != NULL) {
		r->f = f;
		r->want_stacks = f->head.stacks != TRACE_NONE;
		r->tells = true;
		progress_begin("reading calls");
	}
	return r;
}

void trace_reader_want_stacks(struct trace_reader *r, bool want)
{
	r->want_stacks = want && r->f->head.stacks != TRACE_NONE;
}

static void end_telling(struct trace_reader *r)
{
	if (r->tells)
		progress_end();
	r->tells = false;
}

void trace_reader_close(struct trace_reader *r)
{
	end_telling(r);
	for (size_t i = 0; i < r->open; i++)
		trace_block_close(r->f, r->heap[i]);
	free(r->heap);
	free(r->nodes);
	free(r->slots);
	free(r);
}

uint32_t trace_reader_nodes(const struct trace_reader *r)
{
	return r->node_count;
}

const struct trace_node *trace_reader_node(const struct trace_reader *r, uint32_t node)
{
	return &r->nodes[node];
}

/* ---- stacks ------------------------------------------------------------------------------- */

static size_t slot_home(const struct trace_reader *r, uint64_t addr, uint32_t parent)
{
	return (addr ^ (uint64_t)parent << 40) * 0x9e3779b97f4a7c15u >> 20 & (r->slot_cap - 1);
}

static struct node_slot *slot_of(const struct trace_reader *r, uint64_t addr, uint32_t parent)
{
	size_t i = slot_home(r, addr, parent);
	while (r->slots[i].index != 0 && (r->slots[i].addr != addr || r->slots[i].parent != parent))
		i = (i + 1) & (r->slot_cap - 1);
	return &r->slots[i];
}

static bool grow_nodes(struct trace_reader *r)
{
	const struct node_slot *const old = r->slots;
	const size_t old_cap = r->slot_cap;
	size_t cap = r->node_cap;

	if (!ARRAY_RESERVE(r->nodes, cap, max_size(cap + 1, 1024)))
		return false;
	struct node_slot *const slots = calloc(2 * cap, sizeof *slots);
	if (slots == NULL)
		return false;
	r->node_cap = (uint32_t)cap;
	r->slots = slots;
	r->slot_cap = 2 * cap;
	for (size_t i = 0; i < old_cap; i++)
		if (old[i].index != 0)
			*slot_of(r, old[i].addr, old[i].parent) = old[i];
	free((void *)old);
	return true;
}

static uint32_t intern(struct trace_reader *r, uint64_t addr, uint32_t parent)
{
	if (r->node_count + 1 >= r->node_cap && !grow_nodes(r))
		return 0;
	struct node_slot *const s = slot_of(r, addr, parent);
	if (s->index == 0) {
		*s = (struct node_slot){addr, parent, ++r->node_count};
		r->nodes[r->node_count] = (struct trace_node){addr, parent};
	}
	return s->index;
}

static bool read_nodes(struct trace_reader *r, struct trace_block *b)
{
	uint32_t parent;
	uint64_t addr;
	const size_t most = (size_t)(b->col[TRACE_COL_NODES].end - b->col[TRACE_COL_NODES].at) /
	    2 + 1;

	if (r->want_stacks) {
		b->nodes = calloc(most, sizeof *b->nodes);
		if (b->nodes == NULL)
			return false;
	}
	while (trace_block_node(b, &parent, &addr))
		if (b->nodes != NULL)
			b->nodes[b->node_count] = intern(r, addr, b->nodes[parent]);
	return !b->failed;
}

/* ---- the heap ------------------------------------------------------------------------------ */

static uint64_t key(const struct trace_reader *r, size_t i)
{
	return r->heap[i]->next.tick;
}

static void swap(struct trace_reader *r, size_t i, size_t j)
{
	struct trace_block *const b = r->heap[i];
	r->heap[i] = r->heap[j];
	r->heap[j] = b;
}

static void sift_down(struct trace_reader *r, size_t i)
{
	for (size_t child; (child = 2 * i + 1) < r->open; i = child) {
		if (child + 1 < r->open && key(r, child + 1) < key(r, child))
			child++;
		if (key(r, i) <= key(r, child))
			return;
		swap(r, i, child);
	}
}

static void sift_up(struct trace_reader *r, size_t i)
{
	for (; i > 0 && key(r, i) < key(r, (i - 1) / 2); i = (i - 1) / 2)
		swap(r, i, (i - 1) / 2);
}

static bool damaged(struct trace_reader *r, const struct trace_block *b, struct trace_error *e)
{
	r->failed = true;
	return trace_fail(e, b->offset, "T4 columns: an event of thread %u cannot be read",
	    b->thread);
}

static bool push_block(struct trace_reader *r, struct trace_error *e)
{
	const struct trace_index *const at = &r->f->blocks[r->next_block++];

	if (r->tells)
		progress_share((double)r->next_block / (double)r->f->count);
	if (!ARRAY_RESERVE(r->heap, r->cap, r->open + 1))
		return trace_fail(e, at->offset, "no memory for %zu open blocks", r->open + 1);
	struct trace_block *const b = trace_block_open(r->f, at, e);
	if (b == NULL)
		return false;
	if (!read_nodes(r, b) || !trace_block_step(b)) {
		damaged(r, b, e);
		trace_block_close(r->f, b);
		return false;
	}
	r->heap[r->open++] = b;
	sift_up(r, r->open - 1);
	return true;
}

static void drop_block(struct trace_reader *r, size_t i)
{
	trace_block_close(r->f, r->heap[i]);
	r->heap[i] = r->heap[--r->open];
	if (i < r->open) {
		sift_down(r, i);
		sift_up(r, i);
	}
}

/* Open what begins at or before the least tick. */
static bool open_due(struct trace_reader *r, struct trace_error *e)
{
	while (r->next_block < r->f->count &&
	    (r->open == 0 || r->f->blocks[r->next_block].first_tick <= key(r, 0)))
		if (!push_block(r, e))
			return false;
	return true;
}

static bool advance(struct trace_reader *r, size_t i, struct trace_error *e)
{
	struct trace_block *const b = r->heap[i];

	if (trace_block_step(b)) {
		sift_down(r, i);
		sift_up(r, i);
		return true;
	}
	if (b->failed)
		return damaged(r, b, e);
	drop_block(r, i);
	return true;
}

int trace_reader_next(struct trace_reader *r, struct trace_event *ev, struct trace_error *e)
{
	if (r->failed || !open_due(r, e)) {
		r->failed = true;
		end_telling(r);
		return -1;
	}
	if (r->open == 0) {
		end_telling(r);
		return 0;
	}
	*ev = r->heap[0]->next;
	return advance(r, 0, e) ? 1 : -1;
}
