/* build.c - from a recording to ops: slots for objects, and who waits for whom.
 *
 * Where a slot goes when its object dies: to the thread that freed it, last in, first out, so that
 * no other thread need wait for it; what is more than LANE_SLOTS there, to a queue for all, from
 * which it is taken when the epochs have made sure that its last op is done.
 *
 * Files grow by mapping: their pages are the page cache's, so that a recording of any length needs
 * no memory beyond what is live in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/array.h"
#include "run/launch.h"
#include "replay/ops.h"

enum { LANE_SLOTS = 1024, NONE = UINT32_MAX,
	/* ops between two times that the pages behind are let go: each may have brought back the
	 * page of an earlier op of its slot */
	OPS_A_PASS = 1 << 16,
};
#define SIZE_LIMIT (((uint64_t)1 << 48) - 1) /* more than any address space; refused as well */

/* A file without a name, mapped whole; grows at its end. */
struct spill {
	int fd;
	char *at;
	size_t len, cap;
};

struct build_slot {
	uint32_t next; /* free: the one below on the stack, or behind in the queue */
	uint32_t last_op, last_lane;
	uint32_t turn;
	bool fresh; /* nobody's turn before */
};

struct build_lane { /* a thread */
	uint32_t serial;
	uint32_t free, free_count; /* a stack of slots */
	uint32_t count, first;     /* ops; the first one */
};

struct build {
	struct trace_file file;
	struct trace_stream stream;
	struct spill ops, threads, marks;
	struct build_slot *slot;
	size_t slots, slot_cap;
	uint32_t queue_head, queue_tail;
	struct build_lane *lane;
	size_t lanes, lane_cap;
	uint32_t *lane_of; /* hash: serial to lane + 1 */
	size_t hash_cap;
	uint32_t last_lane;
	size_t count; /* ops */
	uint64_t peak_payload, peak_at, last_tick, without_effect;
	bool timeless;
};

/* ---- files ----------------------------------------------------------------------------------- */

static bool spill_open(struct spill *s)
{
	*s = (struct spill){.fd = launch_scratch()};
	return s->fd >= 0;
}

static void spill_close(struct spill *s)
{
	if (s->at != NULL)
		munmap(s->at, s->cap);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct spill){.fd = -1};
}

static bool spill_grow(struct spill *s, size_t need)
{
	size_t cap = max_size(s->cap, (size_t)1 << 20);

	while (cap < need)
		cap += min_size(cap, (size_t)1 << 30);
	if (ftruncate(s->fd, (off_t)cap) != 0)
		return false;
	void *const at = s->at == NULL ? mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_SHARED,
	    s->fd, 0)
	                               : mremap(s->at, s->cap, cap, MREMAP_MAYMOVE);
	if (at == MAP_FAILED)
		return false;
	s->at = at;
	s->cap = cap;
	return true;
}

/* What lies before `end` by some distance need not stay mapped in; it is in the file. */
static void spill_pass(const struct spill *s, size_t end)
{
	enum { NEAR = 1 << 20 };

	if (end > NEAR)
		madvise(s->at, round_down(end - NEAR, NEAR), MADV_DONTNEED);
}

/* Room for n bytes at the end; NULL: none, errno says why. */
static inline void *spill_add(struct spill *s, size_t n)
{
	if (s->len + n > s->cap && !spill_grow(s, s->len + n))
		return NULL;
	s->len += n;
	return s->at + s->len - n;
}

static bool spill_copy(struct spill *to, const struct spill *from)
{
	void *const at = spill_add(to, from->len);
	if (at != NULL && from->len != 0)
		memcpy(at, from->at, from->len);
	return at != NULL;
}

/* ---- threads --------------------------------------------------------------------------------- */

static uint32_t *lane_slot(const struct build *b, uint32_t serial)
{
	size_t i = (serial * 0x9e3779b1u >> 7) & (b->hash_cap - 1);
	while (b->lane_of[i] != 0 && b->lane[b->lane_of[i] - 1].serial != serial)
		i = (i + 1) & (b->hash_cap - 1);
	return &b->lane_of[i];
}

static bool grow_lanes(struct build *b)
{
	const size_t cap = b->lane_cap == 0 ? 64 : 2 * b->lane_cap;
	struct build_lane *const lane = realloc(b->lane, cap * sizeof *lane);

	if (lane == NULL)
		return false;
	b->lane = lane;
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
static uint32_t lane_of(struct build *b, uint32_t serial)
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

static bool queue_is_ripe(const struct build *b)
{
	const size_t epoch = b->count / OPS_AN_EPOCH;
	return b->queue_head != NONE && epoch != 0 &&
	    b->slot[b->queue_head].last_op < (epoch - 1) * OPS_AN_EPOCH;
}

static uint32_t new_slot(struct build *b)
{
	if (!ARRAY_RESERVE(b->slot, b->slot_cap, b->slots + 1))
		return NONE;
	b->slot[b->slots] = (struct build_slot){.fresh = true};
	return (uint32_t)b->slots++;
}

static uint32_t take_slot(struct build *b, struct build_lane *l)
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

static void give_slot(struct build *b, struct build_lane *l, uint32_t i)
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

static struct replay_op *op_at(const struct build *b, size_t i)
{
	return (struct replay_op *)(b->ops.at + sizeof(struct replay_head)) + i;
}

/* The slot's ops are one thread's after another's: does it change hands here? */
static void hand_over(struct build *b, struct replay_op *op, struct build_slot *s, uint32_t lane)
{
	if (!s->fresh && s->last_lane != lane) {
		op_at(b, s->last_op)->flags |= OP_HANDS;
		op->flags |= OP_WAITS;
		s->turn++;
	}
	op->turn = s->turn;
	s->fresh = false;
	s->last_op = (uint32_t)b->count;
	s->last_lane = lane;
}

static bool add_op(struct build *b, const struct replay_op *op, uint32_t lane)
{
	struct replay_op *const at = spill_add(&b->ops, sizeof *at);
	uint32_t *const thread = spill_add(&b->threads, sizeof *thread);

	if (at == NULL || thread == NULL)
		return false;
	*at = *op;
	*thread = lane;
	if (op->op != TRACE_OP_NONE)
		hand_over(b, at, &b->slot[op->slot], lane);
	if (b->lane[lane].count++ == 0)
		b->lane[lane].first = (uint32_t)b->count;
	b->count++;
	return true;
}

static bool add_mark(struct build *b, uint64_t calls)
{
	struct replay_mark *const m = spill_add(&b->marks, sizeof *m);

	if (m == NULL)
		return false;
	*m = (struct replay_mark){b->timeless ? 0 : trace_file_ns(&b->file, b->last_tick), calls};
	return true;
}

static bool mark_if_due(struct build *b)
{
	return b->count % OPS_A_MARK != 0 || add_mark(b, b->stream.events - 1);
}

static bool add_free(struct build *b, const struct live_object *was, const struct trace_event *ev,
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

static bool add_alloc(struct build *b, const struct step *s, uint32_t lane)
{
	const uint32_t slot = s->kind == STEP_RESIZE ? (uint32_t)s->was.user
	                                             : take_slot(b, &b->lane[lane]);
	const struct replay_op op = {.slot = slot, .size = min_size(s->ev.size, SIZE_LIMIT),
	    .op = s->ev.op,
	    .align_log2 = s->ev.align_log2};

	if (slot == NONE)
		return false;
	s->object->user = slot;
	return add_op(b, &op, lane);
}

static bool add_step(struct build *b, const struct step *s)
{
	const struct replay_op nothing = {.op = TRACE_OP_NONE};
	const uint32_t lane = lane_of(b, s->ev.thread);

	b->last_tick = s->ev.tick;
	if (lane == NONE || !mark_if_due(b))
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

static bool read_all(struct build *b, struct trace_error *e)
{
	struct step step;
	int r;

	while ((r = trace_stream_next(&b->stream, &step, e)) > 0) {
		if (step.ev.begin)
			continue;
		if (b->count >= NONE - 2)
			return trace_fail(e, TRACE_NOWHERE, "more than %u calls; cut the recording",
			    NONE - 2);
		if (!add_step(b, &step))
			return trace_fail(e, TRACE_NOWHERE, "no room for the calls made ready: %s",
			    strerror(errno));
		if (b->stream.payload > b->peak_payload) {
			b->peak_payload = b->stream.payload;
			b->peak_at = b->count - 1;
		}
		if (b->count % OPS_A_PASS == 0) {
			spill_pass(&b->ops, b->ops.len);
			spill_pass(&b->threads, b->threads.len);
		}
	}
	return r == 0;
}

/* ---- the file -------------------------------------------------------------------------------- */

static int by_first(const void *x, const void *y)
{
	const struct build_lane *const a = x, *const b = y;
	return a->first < b->first ? -1 : a->first > b->first;
}

/* Counting sort of op numbers by thread; the threads in the order of their first op. */
static bool add_index(struct build *b, struct replay_head *h)
{
	const uint32_t *const lane_of_op = (const uint32_t *)b->threads.at;
	uint32_t *const place = calloc(b->lanes + 1, sizeof *place); /* old number to sorted */
	struct build_lane *const sorted = malloc((b->lanes + 1) * sizeof *sorted);
	uint64_t *const next = calloc(b->lanes + 1, sizeof *next);
	uint32_t *const index = b->lanes > 1 ? spill_add(&b->ops, round_up(b->count * 4, 8)) : NULL;
	const bool fine = place != NULL && sorted != NULL && next != NULL &&
	    (index != NULL || b->lanes <= 1);
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
	struct replay_thread *const t =
	    /* the index may have moved */
	    fine ? spill_add(&b->ops, (b->lanes + 1) * sizeof *t) : NULL;
	for (size_t i = 0, at = 0; t != NULL && i < b->lanes; at += sorted[i++].count)
		t[i] = (struct replay_thread){at, sorted[i].count, sorted[i].serial};
	free(place);
	free(sorted);
	free(next);
	return t != NULL;
}

static bool finish(struct build *b, struct trace_error *e)
{
	struct replay_head h = {.magic = OPS_MAGIC,
	    .version = OPS_VERSION,
	    .count = b->count,
	    .slots = b->slots,
	    .threads = b->lanes,
	    .calls = b->stream.events,
	    .peak_payload = b->peak_payload,
	    .peak_count = b->stream.peak_count,
	    .peak_at = b->peak_at,
	    .foreign = b->stream.foreign,
	    .overlaid = b->stream.overlaid,
	    .without_effect = b->without_effect,
	    .timeless = b->timeless};

	/* The last mark is when the process ended, which may be long after its last call. */
	b->last_tick = max_size(b->last_tick, b->file.end_tick);
	if (!add_mark(b, b->stream.events))
		return trace_fail(e, TRACE_NOWHERE, "no room for the calls made ready: %s",
		    strerror(errno));
	h.marks_at = b->ops.len;
	bool fine = spill_copy(&b->ops, &b->marks);
	h.index_at = b->ops.len;
	fine = fine && add_index(b, &h);
	h.len = b->ops.len;
	if (!fine || ftruncate(b->ops.fd, (off_t)h.len) != 0)
		return trace_fail(e, TRACE_NOWHERE, "no room for the calls made ready: %s",
		    strerror(errno));
	memcpy(b->ops.at, &h, sizeof h);
	return true;
}

static bool open_all(struct build *b, const char *path, struct trace_error *e)
{
	char clock[16];

	if (!trace_file_open(&b->file, path, e))
		return false;
	if (!trace_stream_open(&b->stream, &b->file) || !spill_open(&b->ops) ||
	    !spill_open(&b->threads) ||
	    !spill_open(&b->marks) || spill_add(&b->ops, sizeof(struct replay_head)) == NULL)
		return trace_fail(e, TRACE_NOWHERE, "no room for the calls made ready: %s",
		    strerror(errno));
	trace_reader_want_stacks(b->stream.reader, false);
	b->timeless = trace_file_value(&b->file, TRACE_META, "clock", clock, sizeof clock) &&
	    strcmp(clock, "none") == 0;
	return true;
}

bool replay_ops_build(struct replay_ops *o, const char *path, struct trace_error *e)
{
	struct build *const b = calloc(1, sizeof *b);

	*o = (struct replay_ops){.fd = -1};
	if (b == NULL)
		return trace_fail(e, TRACE_NOWHERE, "no memory");
	b->file.fd = b->ops.fd = b->threads.fd = b->marks.fd = -1;
	b->queue_head = NONE;
	const bool fine = open_all(b, path, e) && read_all(b, e) && finish(b, e);
	const int fd = fine ? dup(b->ops.fd) : -1; /* inherited by the programs that replay it */
	trace_stream_close(&b->stream);
	trace_file_close(&b->file);
	spill_close(&b->ops);
	spill_close(&b->threads);
	spill_close(&b->marks);
	free(b->slot);
	free(b->lane);
	free(b->lane_of);
	free(b);
	if (!fine)
		return false;
	if (fd >= 0 && replay_ops_map(o, fd))
		return true;
	trace_fail(e, TRACE_NOWHERE, "cannot map the calls made ready: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return false;
}
