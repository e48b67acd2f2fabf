/* build.c - prepares the ops of a replay from a recording: slots of objects, and which thread
 * waits for which.
 *
 * Where a slot goes when its object dies: to the thread that freed it, last in, first out, so that
 * no other thread need wait for it; what is more than LANE_SLOTS there, to a queue for all, from
 * which it is taken when the epochs have made sure that its last op is done.
 *
 * A recording of any length needs no memory beyond what is live in it: the rest is in files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/array.h"
#include "replay/ops.h"
#include "replay/pauses.h"
#include "replay/spill.h"

enum { LANE_SLOTS = 1024, NONE = UINT32_MAX,
	/* every so many ops the builder drops the pages of earlier ops from memory; each may have
	 * been read again since */
	OPS_A_PASS = 1 << 16,
};
#define SIZE_LIMIT (((uint64_t)1 << 48) - 1) /* more than any address space; refused as well */

struct build_slot {
	uint32_t next; /* free: the next one down the stack, or the next in the queue */
	uint32_t last_op, last_lane;
	uint32_t turn;
	bool fresh; /* nobody's turn before */
};

struct build_lane { /* a thread */
	uint32_t serial;
	uint32_t free, free_count; /* a stack of slots */
	uint32_t count, first;     /* ops; the first one */
};

struct ops_build {
	const struct trace_file *file;
	const struct trace_stream *stream;
	bool threaded; /* OPS_FOR_THREADS */
	struct spill ops, threads, marks;
	struct pauses pauses;
	struct build_slot *slot;
	size_t slots, slot_cap;
	uint32_t queue_head, queue_tail;
	struct build_lane *lane;
	size_t lanes, lane_cap;
	uint32_t *lane_of; /* hash: serial to lane + 1 */
	size_t hash_cap;
	uint32_t last_lane;
	size_t count; /* ops */
	uint64_t peak_payload, peak_at, peak_call, last_tick, without_effect;
	bool timeless;
};

/* ---- threads --------------------------------------------------------------------------------- */

static uint32_t *lane_slot(const struct ops_build *b, uint32_t serial)
{
	size_t i = (serial * 0x9e3779b1u >> 7) & (b->hash_cap - 1);
	while (b->lane_of[i] != 0 && b->lane[b->lane_of[i] - 1].serial != serial)
		i = (i + 1) & (b->hash_cap - 1);
	return &b->lane_of[i];
}

static bool grow_lanes(struct ops_build *b)
{
	size_t cap = b->lane_cap;

	if (!ARRAY_RESERVE(b->lane, cap, cap + 1))
		return false;
	uint32_t *const hash = calloc(2 * cap, sizeof *hash);
	if (hash == NULL)
		return false;
	free(b->lane_of);
	b->lane_of = hash;
	b->hash_cap = 2 * cap;
	b->lane_cap = cap;
	for (size_t i = 0; i < b->lanes; i++)
		*lane_slot(b, b->lane[i].serial) = (uint32_t)i + 1;
	return true;
}

/* NONE: no memory. */
static uint32_t lane_of(struct ops_build *b, uint32_t serial)
{
	if (b->lanes != 0 && b->lane[b->last_lane].serial == serial)
		return b->last_lane;
	if (b->lanes == b->lane_cap && !grow_lanes(b))
		return NONE;
	uint32_t *const at = lane_slot(b, serial);
	if (*at == 0) {
		b->lane[b->lanes++] =
		    (struct build_lane){.serial = serial, .free = NONE, .first = NONE};
		*at = (uint32_t)b->lanes;
	}
	return b->last_lane = *at - 1;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static bool queue_is_ripe(const struct ops_build *b)
{
	const size_t epoch = b->count / OPS_AN_EPOCH;
	return b->queue_head != NONE && epoch != 0 &&
	    b->slot[b->queue_head].last_op < (epoch - 1) * OPS_AN_EPOCH;
}

static uint32_t new_slot(struct ops_build *b)
{
	if (!ARRAY_RESERVE(b->slot, b->slot_cap, b->slots + 1))
		return NONE;
	b->slot[b->slots] = (struct build_slot){.fresh = true};
	return (uint32_t)b->slots++;
}

static uint32_t take_slot(struct ops_build *b, struct build_lane *l)
{
	uint32_t i = l->free;

	if (i != NONE) {
		l->free = b->slot[i].next;
		l->free_count--;
	} else if (queue_is_ripe(b)) {
		i = b->queue_head;
		b->queue_head = b->slot[i].next;
		b->slot[i].fresh = true;
	} else {
		i = new_slot(b);
	}
	return i;
}

static void give_slot(struct ops_build *b, struct build_lane *l, uint32_t i)
{
	if (l->free_count < LANE_SLOTS) {
		b->slot[i].next = l->free;
		l->free = i;
		l->free_count++;
		return;
	}
	b->slot[i].next = NONE;
	if (b->queue_head == NONE)
		b->queue_head = i;
	else
		b->slot[b->queue_tail].next = i;
	b->queue_tail = i;
}

/* ---- ops ------------------------------------------------------------------------------------- */

static struct replay_op *op_at(const struct ops_build *b, size_t i)
{
	return (struct replay_op *)(b->ops.at + sizeof(struct replay_head)) + i;
}

/* The slot's ops are one thread's after another's: does it change hands here? */
static void hand_over(struct ops_build *b, struct replay_op *op, struct build_slot *s,
    uint32_t lane)
{
	if (!s->fresh && s->last_lane != lane) {
		if (b->threaded)
			op_at(b, s->last_op)->flags |= OP_HANDS;
		op->flags |= OP_WAITS;
		s->turn++;
	}
	if (b->threaded)
		op->turn = s->turn;
	s->fresh = false;
	s->last_op = (uint32_t)b->count;
	s->last_lane = lane;
}

static bool add_op(struct ops_build *b, const struct replay_op *op, uint32_t lane)
{
	struct replay_op *const at = spill_add(&b->ops, sizeof *at);
	uint32_t *const thread = b->threaded ? spill_add(&b->threads, sizeof *thread) : NULL;

	if (at == NULL || (thread == NULL && b->threaded))
		return false;
	*at = *op;
	if (b->threaded)
		*thread = lane;
	if (op->op != TRACE_OP_NONE)
		hand_over(b, at, &b->slot[op->slot], lane);
	if (b->lane[lane].count++ == 0)
		b->lane[lane].first = (uint32_t)b->count;
	b->count++;
	return true;
}

static bool add_mark(struct ops_build *b, uint64_t calls)
{
	struct replay_mark *const m = spill_add(&b->marks, sizeof *m);

	if (m == NULL)
		return false;
	*m = (struct replay_mark){b->timeless ? 0 : trace_file_ns(b->file, b->last_tick), calls};
	return true;
}

static bool mark_if_due(struct ops_build *b)
{
	return b->count % OPS_A_MARK != 0 || add_mark(b, b->stream->events - 1);
}

static bool add_free(struct ops_build *b, const struct live_object *was,
    const struct trace_event *ev,
    uint32_t lane, unsigned flags)
{
	const bool is_free = flags == 0 && (ev->class & TRACE_IS_FREE) != 0;
	const struct replay_op op = {.slot = (uint32_t)was->user,
	    .size = min_size(was->size, SIZE_LIMIT),
	    .op = is_free ? ev->op : TRACE_OP_FREE, /* realloc(p, 0) is one too */
	    .align_log2 = is_free ? ev->align_log2 : 0,
	    .flags = flags};

	if (!add_op(b, &op, lane))
		return false;
	give_slot(b, &b->lane[lane], op.slot);
	return true;
}

static bool add_alloc(struct ops_build *b, const struct step *s, uint32_t lane)
{
	const uint32_t slot = s->kind == STEP_RESIZE ? (uint32_t)s->was.user
	                                             : take_slot(b, &b->lane[lane]);
	const struct replay_op op = {.slot = slot, .size = min_size(s->ev.size, SIZE_LIMIT),
	    .op = s->ev.op,
	    .align_log2 = s->ev.align_log2,
	    .stack = b->threaded ? 0 : s->ev.stack};

	if (slot == NONE)
		return false;
	s->object->user = slot;
	return add_op(b, &op, lane);
}

static bool add_step(struct ops_build *b, const struct step *s)
{
	const struct replay_op nothing = {.op = TRACE_OP_NONE};
	const uint32_t lane = lane_of(b, s->ev.thread);

	b->last_tick = s->ev.tick;
	if (lane == NONE || !mark_if_due(b) || !pauses_note(&b->pauses, b->count, b->last_tick))
		return false;
	if (s->overlaid && !add_free(b, &s->dropped, &s->ev, lane, OP_IMPLIED))
		return false;
	if (s->overlaid && !mark_if_due(b))
		return false;
	switch (s->kind) {
	case STEP_ALLOC:
	case STEP_RESIZE:
		return add_alloc(b, s, lane);
	case STEP_FREE:
		return add_free(b, &s->was, &s->ev, lane, 0);
	case STEP_NONE:
	case STEP_FOREIGN:
		break;
	}
	b->without_effect++;
	return add_op(b, &nothing, lane);
}

static bool no_room(struct trace_error *e)
{
	return trace_fail(e, TRACE_NOWHERE, "no room for the prepared calls: %s", strerror(errno));
}

bool ops_build_step(void *build, struct step *step, struct trace_error *e)
{
	struct ops_build *const b = build;

	if (step->ev.begin)
		return true;
	if (b->count >= NONE - 2)
		return trace_fail(e, TRACE_NOWHERE, "more than %u calls; cut the recording",
		    NONE - 2);
	if (!add_step(b, step))
		return no_room(e);
	if (b->stream->payload > b->peak_payload) {
		b->peak_payload = b->stream->payload;
		b->peak_at = b->count - 1;
		b->peak_call = b->stream->events;
	}
	if (b->count % OPS_A_PASS == 0) {
		spill_pass(&b->ops, b->ops.len);
		spill_pass(&b->threads, b->threads.len);
	}
	return true;
}

/* ---- the file -------------------------------------------------------------------------------- */

static int by_first(const void *x, const void *y)
{
	const struct build_lane *const a = x, *const b = y;
	return a->first < b->first ? -1 : a->first > b->first;
}

/* One more than there are, so that it is never empty. */
static bool add_threads(struct ops_build *b, const struct build_lane *sorted)
{
	for (size_t i = 0, at = 0; i <= b->lanes; i++) {
		struct replay_thread *const t = spill_add(&b->ops, sizeof *t);
		if (t == NULL)
			return false;
		*t = i == b->lanes ? (struct replay_thread){0}
		    : (struct replay_thread){at, sorted[i].count, sorted[i].serial};
		at += t->count;
	}
	return true;
}

/* Counting sort of op numbers by thread; the threads in the order of their first op. */
static bool add_index(struct ops_build *b, struct replay_head *h)
{
	const uint32_t *const lane_of_op = (const uint32_t *)b->threads.at;
	uint32_t *const place = calloc(b->lanes + 1, sizeof *place); /* old number to sorted */
	struct build_lane *const sorted = malloc((b->lanes + 1) * sizeof *sorted);
	uint64_t *const next = calloc(b->lanes + 1, sizeof *next);
	const bool indexed = b->threaded && b->lanes > 1;
	uint32_t *const index = indexed ? spill_add(&b->ops, round_up(b->count * 4, 8)) : NULL;
	bool fine = place != NULL && sorted != NULL && next != NULL &&
	    (index != NULL || !indexed);
	uint64_t first = 0;

	for (size_t i = 0; fine && i < b->lanes; i++) {
		sorted[i] = b->lane[i];
		sorted[i].free = (uint32_t)i; /* its old number */
	}
	if (fine)
		qsort(sorted, b->lanes, sizeof *sorted, by_first);
	h->threads_at = b->ops.len;
	for (size_t i = 0; fine && i < b->lanes; i++) {
		place[sorted[i].free] = (uint32_t)i;
		next[i] = first;
		first += sorted[i].count;
	}
	for (size_t i = 0; fine && index != NULL && i < b->count; i++) {
		index[next[place[lane_of_op[i]]]++] = (uint32_t)i;
		if (i % OPS_A_WINDOW == 0) {
			spill_pass(&b->ops, b->ops.len);
			spill_pass(&b->threads, i * sizeof *lane_of_op);
		}
	}
	fine = fine && add_threads(b, sorted);
	free(place);
	free(sorted);
	free(next);
	return fine;
}

static uint64_t ns_of(const struct ops_build *b, uint64_t ticks)
{
	return b->timeless ? 0 : trace_file_ns(b->file, b->file->head.start_tick + ticks);
}

static bool add_pauses(struct ops_build *b, struct replay_head *h)
{
	h->pauses_at = b->ops.len;
	h->pauses = b->timeless ? 0 : b->pauses.count;
	for (size_t i = 0; i < h->pauses; i++) {
		struct replay_pause *const p = spill_add(&b->ops, sizeof *p);
		if (p == NULL)
			return false;
		*p = (struct replay_pause){b->pauses.seen[i].at,
		    trace_file_ns(b->file, b->pauses.seen[i].tick)};
	}
	return true;
}

static bool finish(struct ops_build *b)
{
	struct replay_head h = {.magic = OPS_MAGIC,
	    .version = OPS_VERSION,
	    .count = b->count,
	    .slots = b->slots,
	    .threads = b->lanes,
	    .calls = b->stream->events,
	    .peak_payload = b->peak_payload,
	    .peak_count = b->stream->peak_count,
	    .peak_at = b->peak_at,
	    .peak_call = b->peak_call,
	    .foreign = b->stream->foreign,
	    .overlaid = b->stream->overlaid,
	    .without_effect = b->without_effect,
	    .timeless = b->timeless};

	/* The last mark is when the process ended, which may be long after its last call. */
	b->last_tick = max_size(b->last_tick, b->file->end_tick);
	if (!add_mark(b, b->stream->events) || !pauses_note(&b->pauses, b->count, b->last_tick))
		return false;
	h.idle_ns = ns_of(b, b->pauses.longest);
	h.marks_at = b->ops.len;
	bool fine = spill_copy(&b->ops, &b->marks) && add_pauses(b, &h);
	h.index_at = b->ops.len;
	fine = fine && add_index(b, &h) && spill_flush(&b->ops);
	h.len = b->ops.len;
	if (!fine || ftruncate(b->ops.fd, (off_t)h.len) != 0)
		return false;
	return pwrite(b->ops.fd, &h, sizeof h, 0) == (ssize_t)sizeof h;
}

struct ops_build *ops_build_begin(const struct trace_file *f, const struct trace_stream *s,
    enum ops_use use, struct trace_error *e)
{
	struct ops_build *const b = malloc(sizeof *b);
	char clock[16];

	if (b == NULL) {
		trace_fail(e, TRACE_NOWHERE, "no memory");
		return NULL;
	}
	*b = (struct ops_build){.file = f, .stream = s, .threaded = use == OPS_FOR_THREADS,
	    .ops.fd = -1, .threads.fd = -1, .marks.fd = -1, .queue_head = NONE,
	    .pauses.last = f->head.start_tick};
	b->timeless = trace_file_value(f, TRACE_META, "clock", clock, sizeof clock) &&
	    strcmp(clock, "none") == 0;
	if (spill_open(&b->ops, !b->threaded) && spill_open(&b->marks, false) &&
	    (!b->threaded || spill_open(&b->threads, false)) &&
	    spill_add(&b->ops, sizeof(struct replay_head)) != NULL)
		return b;
	no_room(e);
	ops_build_end(b, NULL, e);
	return NULL;
}

bool ops_build_end(struct ops_build *b, struct replay_ops *o, struct trace_error *e)
{
	int fd = -1; /* inherited by the programs that replay it */

	if (o != NULL) {
		*o = (struct replay_ops){.fd = -1};
		fd = finish(b) ? dup(b->ops.fd) : -1;
		if (fd < 0)
			no_room(e);
	}
	spill_close(&b->ops);
	spill_close(&b->threads);
	spill_close(&b->marks);
	free(b->pauses.seen);
	free(b->slot);
	free(b->lane);
	free(b->lane_of);
	free(b);
	if (fd < 0)
		return o == NULL;
	if (replay_ops_map(o, fd))
		return true;
	trace_fail(e, TRACE_NOWHERE, "cannot map the prepared calls: %s", strerror(errno));
	close(fd);
	return false;
}

bool replay_ops_build(struct replay_ops *o, const char *path, enum ops_use use,
    struct trace_error *e)
{
	struct trace_file file;
	struct trace_stream stream;

	*o = (struct replay_ops){.fd = -1};
	if (!trace_file_open(&file, path, e))
		return false;
	struct ops_build *const b = !trace_stream_open(&stream, &file)
	    ? (trace_fail(e, TRACE_NOWHERE, "no memory"), NULL)
	    : ops_build_begin(&file, &stream, use, e);
	bool fine = b != NULL;
	if (fine) {
		trace_reader_want_stacks(stream.reader, false);
		fine = trace_stream_read(&stream,
		    &(struct trace_listener){.step = ops_build_step, .arg = b}, e);
		fine = ops_build_end(b, fine ? o : NULL, e) && fine;
	}
	trace_stream_close(&stream);
	trace_file_close(&file);
	return fine;
}
