/* record_tape.c - the tapes: made, flushed, reused; and the flusher that does it in time.
 *
 * The flusher is a bare clone() that libc does not know: pthread_create would allocate, and would
 * end the program's life as a single-threaded one (glibc's malloc is twice as fast in that).  It has
 * no thread area but a zeroed one, blocks all signals, and ends with the process.
 *
 * A thread's end is not announced: its tape is given back when the kernel no longer knows the tid.
 * So there is no pthread key, and what a thread frees after all its destructors is noted too.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crash.h"
#include "observe/record.h"

enum {
	FLUSH_MS = 200,
	PRESSES = 8,
	FLUSHER_STACK = 256 << 10,
	FLUSHER_TLS = 64 << 10,
	LOOK_MS = 50, /* how often a tape's flush looks at memory and the thread's name */
	CROWD = 64, /* new tapes after which ended threads are looked for at once */
};

__thread struct tape *tape_self;
static __thread bool entering;

static struct {
	struct lock lock;
	struct tape *_Atomic first;
	uint32_t serial, fresh; /* tapes made since the last look for ended threads */
} tapes;

/* Encoders, each with a lock: as many threads may flush at one time. */
static struct press {
	struct lock lock;
	struct trace_coder *coder;
} presses[PRESSES];

static struct {
	_Atomic bool running;
	char *memory; /* stack below, thread area above; kept for the whole process */
} flusher;

static void *map(size_t len)
{
	void *const p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	    -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static struct press *press_take(const struct tape *t)
{
	for (unsigned i = 0; i < PRESSES; i++)
		if (lock_try(&presses[(t->serial + i) % PRESSES].lock))
			return &presses[(t->serial + i) % PRESSES];
	lock_take(&presses[t->serial % PRESSES].lock);
	return &presses[t->serial % PRESSES];
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

static uint32_t anon_kib(void)
{
	char text[128];
	unsigned long pages[3] = {0};
	const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *s = text;
	for (int i = 0; i < 3 && *s != '\0'; i++, s += *s == ' ')
		for (; *s >= '0' && *s <= '9'; s++)
			pages[i] = pages[i] * 10 + (unsigned long)(*s - '0');
	return (uint32_t)((pages[1] - pages[2]) * 4); /* resident less shared, in KiB */
}

/* The thread's name, whenever it changed. */
static void flush_name(struct tape *t)
{
	char path[64], text[64], name[sizeof t->name] = "";

	crash_format(path, sizeof path, "/proc/self/task/%u/comm", (size_t)t->tid);
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
	const size_t len = crash_format(text, sizeof text, "%u %u %s\n", (size_t)t->serial,
	    (size_t)t->tid, name);
	output_text(TRACE_THREAD, text, len);
}

static struct trace_block_info info_of(const struct tape *t)
{
	return (struct trace_block_info){.thread = t->serial, .stacks = record_config.stacks,
	    .frames = t->frames, .frames_len = t->frames != NULL ? t->frames_len : 0};
}

/* What is new on the tape goes into its columns.  t->lock is held, here and below. */
static void encode(struct tape *t)
{
	const struct trace_block_info info = info_of(t);
	struct trace_raw *const next = atomic_load_explicit(&t->next, memory_order_acquire);

	trace_columns_add(t->columns, &info, t->flushed, (size_t)(next - t->flushed));
	t->flushed = next;
}

/* The columns become a block in the file.  encode_ns: what encoding them took, about. */
static void flush_columns(struct tape *t, uint64_t encode_ns)
{
	const uint64_t now = record_clock_ns(), began = record_cpu_ns();
	const bool look = now - t->looked_ns > LOOK_MS * UINT64_C(1000000);
	const uint32_t events = trace_columns_events(t->columns);
	struct trace_block_info info = info_of(t);
	size_t len, count;

	info.now_tick = record_ticks();
	info.now_ns = now;
	if (look) {
		info.anon_kib = anon_kib();
		t->looked_ns = now;
		flush_name(t);
	}
	struct press *const p = press_take(t);
	const void *const block = press_ready(p) ? trace_pack(p->coder, t->columns, &info, &len) : NULL;
	if (block != NULL) {
		const uint64_t *const at = trace_columns_addresses(t->columns, &count);
		maps_cover(at, count);
		output_block(block, len);
		output_count(events, encode_ns + record_cpu_ns() - began);
	} else {
		trace_columns_clear(t->columns);
		t->lost += events;
	}
	lock_give(&p->lock);
}

static void tape_flush(struct tape *t)
{
	lock_take(&t->lock);
	if (output_open()) {
		encode(t);
		if (trace_columns_events(t->columns) != 0)
			flush_columns(t, 0);
	}
	lock_give(&t->lock);
}

static void rewind_raw(struct tape *t)
{
	t->flushed = t->raw;
	atomic_store_explicit(&t->next, t->raw, memory_order_release);
}

static void rewind_frames(struct tape *t)
{
	t->frames_len = 1;
	if (t->frames_seen != NULL)
		memset(t->frames_seen, 0, FRAMES_SEEN * sizeof *t->frames_seen);
}

static void tape_rewind(struct tape *t)
{
	lock_take(&t->lock);
	rewind_raw(t);
	rewind_frames(t);
	trace_columns_clear(t->columns);
	lock_give(&t->lock);
}

/* The raw events into the columns, and these, if they might not take as many again, into the file.  The
 * processor's time is read around one encoding in four, and holds for all. */
static void tape_pass_on(struct tape *t)
{
	const uint32_t before = trace_columns_events(t->columns);
	const bool full = before + 2 * TAPE_EVENTS > TRACE_EVENTS_MAX ||
	    t->frames_len + FRAMES_DEPTH + 1 > FRAMES_CAP;
	const uint64_t began = full ? record_cpu_ns() : 0;

	encode(t);
	rewind_raw(t);
	if (!full)
		return;
	const uint64_t took = record_cpu_ns() - began;
	const uint32_t events = trace_columns_events(t->columns);
	if (events != 0 && output_is_ours() && output_open())
		flush_columns(t, events > before ? took * events / (events - before) : took);
	trace_columns_clear(t->columns);
	rewind_frames(t);
}

void tape_full(struct tape *t)
{
	const int saved = errno;

	if (t->busy) /* a signal handler, in the middle of this: its event has no place */
		return;
	t->busy = true;
	lock_take(&t->lock);
	if (output_stopped())
		rewind_raw(t);
	else
		tape_pass_on(t);
	lock_give(&t->lock);
	t->busy = false;
	errno = saved;
}

void tapes_flush(bool last)
{
	struct tape *const self = tape_self;
	const bool was_busy = self != NULL && self->busy;

	if (was_busy && !last)
		return;
	if (self != NULL)
		self->busy = true;
	for (struct tape *t = atomic_load(&tapes.first); t != NULL; t = t->link)
		if (t != self || !was_busy)
			tape_flush(t);
	if (self != NULL)
		self->busy = was_busy;
}

uint64_t tapes_lost(void)
{
	uint64_t lost = 0;
	for (const struct tape *t = atomic_load(&tapes.first); t != NULL; t = t->link)
		lost += t->lost;
	return lost;
}

/* ---- making and reusing --------------------------------------------------------------------- */

/* Flush and free the tapes of threads that are no more.  tapes.lock is held. */
static void reap(void)
{
	const pid_t pid = getpid();

	tapes.fresh = 0;
	for (struct tape *t = atomic_load(&tapes.first); t != NULL; t = t->link) {
		if (t->gone || syscall(SYS_tgkill, pid, t->tid, 0) == 0 || errno != ESRCH)
			continue;
		tape_flush(t);
		tape_rewind(t);
		t->gone = true;
	}
}

static struct tape *tape_map(void)
{
	const size_t len = round_up(sizeof(struct tape), 4096);
	struct tape *const t = map(len + trace_columns_size());

	if (t == NULL)
		return NULL;
	t->columns = (struct trace_columns *)((char *)t + len);
	trace_columns_init(t->columns);
	t->frames_len = 1;
	t->end = &t->raw[TAPE_EVENTS - 1];
	atomic_store(&t->next, t->raw);
	t->flushed = t->raw;
	t->gone = true;
	t->link = atomic_load(&tapes.first);
	atomic_store(&tapes.first, t);
	return t;
}

static struct tape *tape_find(void)
{
	struct tape *t;

	lock_take(&tapes.lock);
	if (++tapes.fresh > CROWD)
		reap();
	for (t = atomic_load(&tapes.first); t != NULL && !t->gone; t = t->link)
		;
	if (t == NULL)
		t = tape_map();
	if (t != NULL) {
		t->gone = false;
		t->tid = (int)syscall(SYS_gettid);
		t->serial = ++tapes.serial;
		trace_columns_restart(t->columns);
		t->looked_ns = 0;
		t->name[0] = '\0';
		t->busy = false;
	}
	lock_give(&tapes.lock);
	return t;
}

struct tape *tape_enter(void)
{
	const int saved = errno;

	if (entering)
		return NULL;
	entering = true;
	record_configure();
	struct tape *const t = output_stopped() ? NULL : tape_find();
	if (t != NULL && record_config.deep)
		stack_prepare(t);
	tape_self = t;
	entering = false;
	flusher_start();
	errno = saved;
	return t;
}

/* ---- the flusher ---------------------------------------------------------------------------- */

static int flusher_run(void *arg)
{
	const struct timespec pause = {0, FLUSH_MS * 1000000L};

	(void)arg;
	while (!output_stopped()) {
		nanosleep(&pause, NULL);
		for (struct tape *t = atomic_load(&tapes.first); t != NULL; t = t->link)
			if (!t->gone)
				tape_flush(t);
		lock_take(&tapes.lock);
		reap();
		lock_give(&tapes.lock);
	}
	return 0;
}

void flusher_start(void)
{
	sigset_t all, before;

	if (atomic_exchange(&flusher.running, true))
		return;
	if (flusher.memory == NULL)
		flusher.memory = map(FLUSHER_STACK + FLUSHER_TLS);
	if (flusher.memory == NULL)
		return;
	char *const top = flusher.memory + FLUSHER_STACK;
	void **const area = (void **)(top + FLUSHER_TLS / 2);
	memset(top, 0, FLUSHER_TLS);
	area[0] = area; /* the x86-64 thread pointer points at itself */
	area[2] = area;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	clone(flusher_run, top, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
	        CLONE_SYSVSEM | CLONE_SETTLS, NULL, NULL, area, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- fork ----------------------------------------------------------------------------------- */

static void before_fork(void)
{
	lock_take(&tapes.lock);
	for (struct tape *t = atomic_load(&tapes.first); t != NULL; t = t->link)
		lock_take(&t->lock);
	for (int i = 0; i < PRESSES; i++)
		lock_take(&presses[i].lock);
	output_before_fork();
}

static void after_fork_parent(void)
{
	output_after_fork(false);
	for (int i = 0; i < PRESSES; i++)
		lock_give(&presses[i].lock);
	for (struct tape *t = atomic_load(&tapes.first); t != NULL; t = t->link)
		lock_give(&t->lock);
	lock_give(&tapes.lock);
}

/* The child: what is on the tapes is the parent's to write. */
static void after_fork_child(void)
{
	output_after_fork(true);
	for (int i = 0; i < PRESSES; i++)
		lock_reset(&presses[i].lock);
	for (struct tape *t = atomic_load(&tapes.first); t != NULL; t = t->link) {
		lock_reset(&t->lock);
		tape_rewind(t);
		t->gone = true;
		t->lost = 0;
	}
	lock_reset(&tapes.lock);
	tapes.serial = 0;
	tape_self = NULL;
	atomic_store(&flusher.running, false);
}

/* Before any thread: handlers registered later run before ours, and may still allocate. */
__attribute__((constructor)) static void record_init(void)
{
	tape_enter();
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}
