/* record_flush.c - the program's threads write the events of their tapes into the file.
 *
 * A thread hands a full side over to dmm record's packer.  It does the packer's work itself where
 * there is no packer, where the packer did not come in time, and at the end of the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crash.h"
#include "observe/record.h"

enum {
	PRESSES = 8,
	LOOK_MS = 50, /* how often a thread looks at the process's memory and its own name */
	/* at least so many fit --max-size: near it, a block must not be what breaks it */
	SIZE_MAX_BLOCKS = 32,
	QUEUE_ALONE = 2, /* sides that wait before the thread encodes them, without a packer */
	QUEUE_SERVED = TAPE_SIDES - 2, /* with one */
};

/* Encoders, each with a lock: as many threads may write at one time. */
static struct press {
	struct lock lock;
	struct trace_coder *coder;
} presses[PRESSES];

static void *map(size_t len)
{
	void *const p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static struct press *press_take(const struct tape *t)
{
	for (unsigned i = 0; i < PRESSES; i++)
		if (lock_try(&presses[(t->slot->serial + i) % PRESSES].lock))
			return &presses[(t->slot->serial + i) % PRESSES];
	lock_take(&presses[t->slot->serial % PRESSES].lock);
	return &presses[t->slot->serial % PRESSES];
}

static bool press_ready(struct press *p)
{
	if (p->coder == NULL) {
		void *const mem = map(trace_coder_size());
		if (mem != NULL)
			p->coder = trace_coder_init(mem, trace_coder_size(), record_config.level);
	}
	return p->coder != NULL;
}

void flush_after_fork(void)
{
	for (int i = 0; i < PRESSES; i++) {
		lock_reset(&presses[i].lock);
		if (presses[i].coder != NULL) /* maybe in the middle of a block */
			presses[i].coder = trace_coder_init(presses[i].coder, trace_coder_size(),
			    record_config.level);
	}
}

/* ---- the slot's lock ------------------------------------------------------------------------- */

void tape_lock(struct tape *t)
{
	if (store_lock(&t->slot->lock))
		/* dmm record died there: was it writing this slot's columns? */
		output_repair();
	slot_begin_change(t->slot);
}

void tape_unlock(struct tape *t)
{
	slot_end_change(t->slot);
	store_unlock(&t->slot->lock);
}

/* ---- one tape, whose lock is held ------------------------------------------------------------ */

/* The thread's name, whenever it changed. */
static void flush_name(struct tape *t)
{
	char path[64], text[64], name[sizeof t->name] = "";

	crash_format(path, sizeof path, "/proc/self/task/%u/comm", (size_t)t->slot->tid);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	const ssize_t n = read(fd, name, sizeof name);
	close(fd);
	if (n <= 0)
		return;
	name[n - 1] = '\0'; /* the kernel ends it with a newline */
	if (strcmp(name, t->name) == 0)
		return;
	memcpy(t->name, name, sizeof name);
	memcpy(t->slot->name, name, sizeof name);
	const size_t len = crash_format(text, sizeof text, "%u %u %s\n", (size_t)t->slot->serial,
	    (size_t)t->slot->tid, name);
	output_text(TRACE_THREAD, text, len);
}

static bool look_is_due(const struct tape *t)
{
	return record_clock_ns() - t->looked_ns > LOOK_MS * UINT64_C(1000000);
}

static void look(struct tape *t)
{
	t->looked_ns = record_clock_ns();
	atomic_store(&t->slot->anon_kib, record_anon_kib(false));
	flush_name(t);
}

/* The columns become a block in the file.  False: the file takes no more, and the columns stay as
 * they are. */
static bool write_columns(struct tape *t)
{
	struct trace_block_info info = slot_info(&t->work);
	const uint32_t events = trace_columns_events(t->work.columns);
	size_t len, count;

	info.now_tick = record_ticks();
	info.now_ns = record_clock_ns();
	if (look_is_due(t))
		look(t);
	info.anon_kib = atomic_exchange(&t->slot->anon_kib, 0);
	struct press *const p = press_take(t);
	const void *const block =
	    press_ready(p) ? trace_pack(p->coder, t->work.columns, &info, &len) : NULL;
	if (block != NULL) {
		const uint64_t *const at = trace_columns_addresses(t->work.columns, &count);
		maps_cover(at, count);
		python_flush();
		output_block(block, len);
		output_count(events, 0);
	} else {
		t->lost += events;
	}
	lock_give(&p->lock);
	if (block != NULL && output_stopped())
		return false;
	slot_emptied(&t->work);
	return true;
}

static bool is_large(const struct tape *t)
{
	return record_config.size_max != 0 && trace_columns_events(t->work.columns) != 0 &&
	    trace_columns_len(t->work.columns) > record_config.size_max / SIZE_MAX_BLOCKS;
}

/* The queue goes into the columns, and these, when they are full, into the file. */
static bool encode_queue(struct tape *t)
{
	bool fine = !slot_adopt(&t->work) || write_columns(t);

	while (fine) {
		if (slot_is_full(&t->work) || is_large(t))
			fine = write_columns(t);
		else if (!slot_encode_side(&t->work))
			break;
	}
	return fine;
}

static bool frames_are_full(const struct tape *t, size_t part)
{
	return t->frames != NULL &&
	    t->slot->frames_len + FRAMES_DEPTH + 1 > frames_cap(record_config.stacks) * part / 4;
}

static void rewind_frames(struct tape *t)
{
	if (t->slot->frames_len > 1 && t->frames_seen != NULL) {
		memset(t->frames_seen, 0, FRAMES_SEEN * sizeof *t->frames_seen);
		memset(t->known, 0, sizeof t->known);
	}
	t->slot->frames_len = 1;
	t->rewinds++;
}

/* Start numbering stacks anew when no event refers to an old number: when the current side is empty
 * too. */
static bool renumber_frames(struct tape *t)
{
	if (frames_are_full(t, 4) && trace_columns_events(t->work.columns) != 0 &&
	    !write_columns(t))
		return false;
	/* before the next block is full: that one would end there */
	if (frames_are_full(t, 3) && trace_columns_events(t->work.columns) == 0)
		rewind_frames(t);
	return true;
}

/* Do the packer's work. fresh: the current side is empty. False: the file takes no more, and the
 * tape keeps its events for readers of T.tape. */
static bool work(struct tape *t, bool fresh)
{
	const uint64_t began = record_cpu_ns();
	bool fine = false;

	tape_lock(t);
	if (output_open())
		fine = encode_queue(t) && (!fresh || renumber_frames(t));
	tape_unlock(t);
	output_count(0, record_cpu_ns() - began);
	return fine;
}

void tape_flush(struct tape *t)
{
	const uint64_t began = record_cpu_ns();

	tape_lock(t);
	if (output_open()) {
		bool fine = !slot_adopt(&t->work) || write_columns(t);
		while (fine && !slot_encode_all(&t->work))
			fine = write_columns(t);
		if (fine && trace_columns_events(t->work.columns) != 0)
			write_columns(t);
	}
	tape_unlock(t);
	output_count(0, record_cpu_ns() - began);
}

void tape_rewind(struct tape *t)
{
	tape_lock(t);
	slot_restart(&t->work);
	rewind_frames(t);
	tape_unlock(t);
}

/* ---- sides ----------------------------------------------------------------------------------- */

/* The lowest that is free, so that few are in use and stay in the cache; TAPE_SIDES: none. */
static uint32_t free_side(struct tape *t)
{
	struct tape_slot *const s = t->slot;
	const uint32_t handed = atomic_load_explicit(&s->handed, memory_order_relaxed);
	uint32_t busy = 1u << t->side;

	for (uint32_t i = atomic_load_explicit(&s->done, memory_order_acquire); i != handed; i++)
		busy |= 1u << s->queue[i % TAPE_SIDES];
	const uint32_t side = ~busy != 0 ? (uint32_t)__builtin_ctz(~busy) : TAPE_SIDES;
	if (side < t->sides)
		return side;
	if (side == TAPE_SIDES || t->no_more_sides || !store_side(s, side)) {
		t->no_more_sides = true; /* the disk is full: do not try again */
		return TAPE_SIDES;
	}
	t->sides = side + 1;
	return side;
}

void tape_use_side(struct tape *t, uint32_t side)
{
	struct trace_raw *const first = t->slot->raw[side];

	t->side = side;
	t->end = first + TAPE_EVENTS - 2;
	atomic_store_explicit(&t->slot->next, first, memory_order_release);
}

static void hand_over(struct tape *t, uint32_t side)
{
	struct tape_slot *const s = t->slot;
	const uint32_t handed = atomic_load_explicit(&s->handed, memory_order_relaxed);
	struct trace_raw *const next = atomic_load_explicit(&s->next, memory_order_relaxed);

	s->queue[handed % TAPE_SIDES] = (uint8_t)t->side;
	s->used[handed % TAPE_SIDES] = (uint16_t)(next - s->raw[t->side]);
	atomic_store_explicit(&s->handed, handed + 1, memory_order_release);
	tape_use_side(t, side);
}

/* Addresses of code that the packer saw first. */
static void take_news(struct tape *t)
{
	struct tape_slot *const s = t->slot;
	const uint32_t count = atomic_load_explicit(&s->news_count, memory_order_acquire);

	if (count == 0)
		return;
	maps_cover(s->news, min_size(count, TAPE_NEWS));
	atomic_store_explicit(&s->news_count, 0, memory_order_release);
}

static bool is_behind(const struct tape *t)
{
	const struct tape_slot *const s = t->slot;
	const uint32_t queued = s->handed - atomic_load_explicit(&s->done, memory_order_acquire);

	return queued >= (store_is_served(s) ? QUEUE_SERVED : QUEUE_ALONE);
}

static void pass_on(struct tape *t)
{
	uint32_t side = free_side(t);

	if (side == TAPE_SIDES && work(t, false))
		side = free_side(t);
	if (side == TAPE_SIDES)
		return;
	hand_over(t, side);
	take_news(t);
	if (is_behind(t) || frames_are_full(t, 4))
		work(t, true);
	if (look_is_due(t)) {
		tape_lock(t);
		look(t);
		tape_unlock(t);
	}
}

void tape_full(struct tape *t)
{
	const int saved = errno;
	struct signals mask;

	signals_block(&mask);
	/* the parent's, in the child that a signal handler forked: record_fork.c */
	if (t != tape_self) {
		signals_restore(&mask);
		return;
	}
	t->ready = false;
	if (!output_stopped())
		pass_on(t);
	if (output_is_full() && tapes_flush())
		output_end();
	t->ready = !output_stopped();
	signals_restore(&mask);
	errno = saved;
}
