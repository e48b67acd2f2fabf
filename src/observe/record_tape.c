/* record_tape.c - the tapes: made, flushed, reused.
 *
 * A thread's end is not announced: its tape is given back when the kernel no longer knows the tid.
 * So there is no pthread key, and what a thread frees after all its destructors is noted too.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crash.h"
#include "observe/record.h"

enum {
	PRESSES = 8,
	LOOK_MS = 50,      /* how often a tape's flush looks at memory and the thread's name */
	CROWD = 8,         /* new tapes after which ended threads are looked for */
	TAPES_MAX = 16384, /* threads at one time */
	/* at least so many fit --max-size: near it, a block must not be what breaks it */
	SIZE_MAX_BLOCKS = 32,
};

__thread struct tape *tape_self;
static __thread bool entering;

static struct {
	struct lock lock;
	struct tape *at[TAPES_MAX];
	_Atomic uint32_t count;
	uint32_t serial, fresh; /* tapes made since the last look for ended threads */
	_Atomic bool unwanted;  /* recording is stopped for now */
	uint64_t refused;       /* threads that got no tape */
} tapes;

/* Encoders, each with a lock: as many threads may flush at one time. */
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

/* ---- flushing ------------------------------------------------------------------------------- */

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

static struct trace_block_info info_of(const struct tape *t)
{
	return (struct trace_block_info){.thread = t->slot->serial, .stacks = record_config.stacks,
	    .frames = t->frames, .frames_len = t->frames != NULL ? t->slot->frames_len : 0};
}

/* t->lock is held, here and below.  Between begin and end, who reads T.tape waits, or, if we died
 * there, believes slot.current. */
static void begin_change(struct tape *t)
{
	atomic_fetch_add_explicit(&t->slot->changes, 1, memory_order_acq_rel);
}

static void end_change(struct tape *t)
{
	atomic_fetch_add_explicit(&t->slot->changes, 1, memory_order_release);
}

/* What is in the columns, and how many of the raw events are, by one store. */
static void commit(struct tape *t, uint32_t raw_done)
{
	struct tape_slot *const s = t->slot;
	const uint32_t other = !s->current;

	trace_columns_save(t->columns, &s->state[other].columns);
	s->state[other].raw_done = raw_done;
	atomic_store_explicit(&s->current, other, memory_order_release);
}

static uint32_t raw_done(const struct tape *t)
{
	return (uint32_t)(t->flushed - t->slot->raw);
}

/* What is new on the tape goes into its columns, which have room. */
static void encode(struct tape *t)
{
	const struct trace_block_info info = info_of(t);
	struct trace_raw *const next = atomic_load_explicit(&t->slot->next, memory_order_acquire);

	trace_columns_add(t->columns, &info, t->flushed, (size_t)(next - t->flushed));
	t->flushed = next;
	commit(t, raw_done(t));
}

/* Back to the first raw event.  trace_tape.h says what a reader makes of each moment of it. */
static void lap(struct tape *t)
{
	commit(t, TAPE_LAPPED);
	t->slot->raw[0].tick_op = 0;
	t->flushed = t->slot->raw;
	atomic_store_explicit(&t->slot->next, t->flushed, memory_order_release);
}

static void empty_columns(struct tape *t)
{
	trace_columns_clear(t->columns);
	commit(t, t->flushed == t->slot->raw ? TAPE_LAPPED : raw_done(t));
}

/* The columns become a block in the file.  encode_ns: what encoding them took, about.  False: the
 * file takes no more, and the columns stay as they are. */
static bool flush_columns(struct tape *t, uint64_t encode_ns)
{
	const uint64_t now = record_clock_ns(), began = record_cpu_ns();
	const bool look = now - t->looked_ns > LOOK_MS * UINT64_C(1000000);
	const uint32_t events = trace_columns_events(t->columns);
	struct trace_block_info info = info_of(t);
	size_t len, count;

	info.now_tick = record_ticks();
	info.now_ns = now;
	if (look) {
		info.anon_kib = record_anon_kib(false);
		t->looked_ns = now;
		flush_name(t);
	}
	struct press *const p = press_take(t);
	const void *const block =
	    press_ready(p) ? trace_pack(p->coder, t->columns, &info, &len) : NULL;
	if (block != NULL) {
		const uint64_t *const at = trace_columns_addresses(t->columns, &count);
		maps_cover(at, count);
		output_block(block, len);
		output_count(events, encode_ns + record_cpu_ns() - began);
	} else {
		t->lost += events;
	}
	lock_give(&p->lock);
	return block == NULL || !output_stopped();
}

static void tape_flush(struct tape *t)
{
	lock_take(&t->lock);
	if (output_open()) {
		begin_change(t);
		encode(t);
		if (trace_columns_events(t->columns) != 0 && flush_columns(t, 0))
			empty_columns(t);
		end_change(t);
	}
	lock_give(&t->lock);
}

static void rewind_frames(struct tape *t)
{
	if (t->slot->frames_len > 1 && t->frames_seen != NULL)
		memset(t->frames_seen, 0, FRAMES_SEEN * sizeof *t->frames_seen);
	t->slot->frames_len = 1;
}

static void tape_rewind(struct tape *t)
{
	lock_take(&t->lock);
	begin_change(t);
	trace_columns_clear(t->columns);
	lap(t);
	rewind_frames(t);
	end_change(t);
	lock_give(&t->lock);
}

/* The raw events into the columns, and these, if they might not take as many again, into the file.
 * The processor's time is read around one encoding in four, and holds for all. */
static void tape_pass_on(struct tape *t)
{
	const uint32_t before = trace_columns_events(t->columns);
	const bool timed = before + 2 * TAPE_EVENTS > TRACE_EVENTS_MAX;
	const uint64_t began = timed ? record_cpu_ns() : 0;

	encode(t);
	const uint64_t took = timed ? record_cpu_ns() - began : 0;
	const bool frames_full = t->frames != NULL && t->slot->frames_len + FRAMES_DEPTH + 1 >
	                                                  frames_cap(record_config.stacks);
	const bool large = record_config.size_max != 0 &&
	    trace_columns_len(t->columns) > record_config.size_max / SIZE_MAX_BLOCKS;
	if (large || frames_full || !trace_columns_have_room(t->columns, TAPE_EVENTS)) {
		const uint32_t events = trace_columns_events(t->columns);
		if (!output_open() ||
		    !flush_columns(t, events > before ? took * events / (events - before) : took))
			return; /* what is on the tape stays there, for who reads T.tape */
		trace_columns_clear(t->columns);
		if (t->slot->frames_len > frames_cap(record_config.stacks) / 4 * 3)
			/* before the next block is full: that one would end there */
			rewind_frames(t);
	}
	lap(t);
}

void tape_full(struct tape *t)
{
	const int saved = errno;
	sigset_t mask;

	signals_block(&mask);
	/* the parent's, in the child that a signal handler forked: record_fork.c */
	if (t != tape_self) {
		signals_restore(&mask);
		return;
	}
	t->ready = false;
	lock_take(&t->lock);
	begin_change(t);
	if (!output_stopped())
		tape_pass_on(t);
	end_change(t);
	lock_give(&t->lock);
	if (output_is_full() && tapes_flush())
		output_end();
	t->ready = !output_stopped();
	signals_restore(&mask);
	errno = saved;
}

bool tapes_flush(void)
{
	struct tape *const self = tape_self;

	if (self != NULL && !self->ready && !output_is_full())
		return false;
	if (self != NULL)
		self->ready = false;
	for (uint32_t i = 0; i < tapes.count; i++)
		tape_flush(tapes.at[i]);
	if (self != NULL)
		self->ready = !output_stopped();
	return true;
}

uint64_t tapes_lost(void)
{
	uint64_t lost = tapes.refused;
	for (uint32_t i = 0; i < tapes.count; i++)
		lost += tapes.at[i]->lost;
	return lost;
}

uint32_t tapes_count(void)
{
	return tapes.count;
}

void tapes_want(bool wanted)
{
	atomic_store(&tapes.unwanted, !wanted);
	for (uint32_t i = 0; i < tapes.count; i++)
		atomic_store(&tapes.at[i]->wanted, wanted);
}

bool tapes_wanted(void)
{
	return !atomic_load(&tapes.unwanted);
}

/* ---- making and reusing --------------------------------------------------------------------- */

/* Flush and free the tapes of threads that are no more.  tapes.lock is held. */
static void reap(void)
{
	const pid_t pid = getpid();

	tapes.fresh = 0;
	for (uint32_t i = 0; i < tapes.count; i++) {
		struct tape *const t = tapes.at[i];
		if (t->gone || syscall(SYS_tgkill, pid, t->slot->tid, 0) == 0 || errno != ESRCH)
			continue;
		tape_flush(t);
		tape_rewind(t);
		t->gone = true;
	}
}

size_t tape_len(void)
{
	return round_up(sizeof(struct tape), 4096) + trace_columns_size() +
	    (record_config.stacks != TRACE_NONE ? FRAMES_SEEN * sizeof(uint32_t) : 0);
}

static struct tape *tape_map(void)
{
	struct tape *const t = tapes.count < TAPES_MAX ? map(tape_len()) : NULL;
	struct tape_slot *const s = t != NULL ? store_slot() : NULL;

	if (s == NULL) {
		if (t != NULL)
			munmap(t, tape_len());
		return NULL;
	}
	madvise(t, tape_len(), MADV_WIPEONFORK);
	t->slot = s;
	t->columns = (struct trace_columns *)((char *)t + round_up(sizeof *t, 4096));
	trace_columns_init(t->columns, s->bytes, tape_layout(record_config.stacks));
	t->frames = tape_slot_frames(s, record_config.stacks);
	if (t->frames != NULL)
		t->frames_seen = (uint32_t *)((char *)t->columns + trace_columns_size());
	s->frames_len = 1;
	s->self = (uintptr_t)s;
	t->end = &s->raw[TAPE_EVENTS - 1];
	lap(t);
	t->gone = true;
	tapes.at[tapes.count] = t;
	atomic_fetch_add(&tapes.count, 1);
	return t;
}

static struct tape *tape_find(void)
{
	struct tape *t = NULL;

	lock_take(&tapes.lock);
	if (++tapes.fresh > CROWD + tapes.count / 2)
		reap();
	for (uint32_t i = 0; i < tapes.count && t == NULL; i++)
		t = tapes.at[i]->gone ? tapes.at[i] : NULL;
	if (t == NULL)
		t = tape_map();
	if (t != NULL) {
		begin_change(t);
		trace_columns_restart(t->columns);
		commit(t, TAPE_LAPPED);
		t->slot->tid = (int)syscall(SYS_gettid);
		atomic_store(&t->slot->serial, ++tapes.serial);
		end_change(t);
		t->gone = false;
		t->looked_ns = 0;
		t->name[0] = '\0';
		t->wanted = tapes_wanted();
		t->ready = true;
	}
	tapes.refused += t == NULL;
	lock_give(&tapes.lock);
	return t;
}

struct tape *tape_enter(void)
{
	const int saved = errno;

	sigset_t mask;

	if (entering || tape_self != NULL)
		return tape_self;
	signals_block(&mask);
	entering = true;
	record_configure();
	struct tape *const t = output_open() ? tape_find() : NULL;
	if (t != NULL)
		stack_prepare(t);
	tape_self = t;
	entering = false;
	signals_restore(&mask);
	errno = saved;
	return t;
}

struct tape *tape_off(struct tape *t)
{
	sigset_t mask;

	(void)t;
	if (!store_is_forked())
		return NULL;
	signals_block(&mask);
	output_after_fork(NULL);
	t = tape_enter();
	signals_restore(&mask);
	return t;
}

/* ---- fork ----------------------------------------------------------------------------------- */

/* The parent's tapes are wiped, their slots are not mapped, and the parent's threads are not here:
 * whatever lock they held is free. */
void tapes_after_fork(const struct tape *keep)
{
	const size_t len = tape_len();

	for (uint32_t i = 0; i < tapes.count; i++)
		if (tapes.at[i] != keep)
			munmap(tapes.at[i], len);
	for (int i = 0; i < PRESSES; i++) {
		lock_reset(&presses[i].lock);
		if (presses[i].coder != NULL) /* maybe in the middle of a block */
			presses[i].coder = trace_coder_init(presses[i].coder, trace_coder_size(),
			    record_config.level);
	}
	lock_reset(&tapes.lock);
	atomic_store(&tapes.count, 0);
	tapes.serial = tapes.fresh = 0;
	tapes.refused = 0;
	tape_self = NULL;
	entering = false;
}

__attribute__((constructor)) static void record_init(void)
{
	tape_enter();
}
