/* record_file.c - where the blocks go: one file a process, appended to, never trusted to be there.
 *
 * A program may close our descriptor with all others and open its own in that place, may change its
 * root, its limits, or fill the disk: before each write the descriptor must still be our file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crash.h"
#include "base/write_all.h"
#include "observe/record.h"
#include "observe/xxh64.h"

enum { PATH_LEN = 1024, LAST_WORDS = 4096 /* bytes below --max-size for tapes' ends, each */ };

struct record_config record_config = {.stacks = TRACE_CALLER, .level = 1};

static struct {
	struct lock lock;
	int fd;        /* valid while open */
	bool open;
	bool inherited; /* fd is the parent's, in the child of a fork */
	_Atomic bool stopped, full, ended;
	bool dropped; /* a block that --max-size left no room for: nothing may follow it */
	bool configured;
	struct record_identity who;
	dev_t dev;
	ino_t ino;
	uint64_t len;
	uint64_t start_tick, start_ns, start_wall_ns; /* before the first event */
	char path[PATH_LEN]; /* of this process's recording */
	char base[PATH_LEN]; /* of the first process's */
	_Atomic uint64_t events, flush_ns;
} output;

static void note_start(void)
{
	output.start_wall_ns = clock_ns(CLOCK_REALTIME);
	output.start_ns = record_clock_ns();
	output.start_tick = record_ticks();
}

static void choose_path(void)
{
	const char *const first = getenv("DMM_RECORD_FIRST");
	char pid[24];

	output.who.pid = getpid();
	crash_format(pid, sizeof pid, "%u", (size_t)output.who.pid);
	if (output.base[0] == '\0') {
		const char *const env = getenv("DMM_RECORD");
		crash_format(output.base, sizeof output.base, "%s",
		    env != NULL ? env : "dmm-record");
	}
	if (!output.who.forked && first != NULL && strcmp(first, pid) == 0)
		crash_format(output.path, sizeof output.path, "%s", output.base);
	else
		crash_format(output.path, sizeof output.path, "%s.%s", output.base, pid);
}

static size_t number_in(const char *name)
{
	const char *s = getenv(name);
	size_t x = 0;

	for (; s != NULL && *s >= '0' && *s <= '9'; s++)
		x = x * 10 + (size_t)(*s - '0');
	return x;
}

void record_configure(void)
{
	if (output.configured)
		return;
	output.configured = true;
	real_find();
	record_config.by_clock = !os_ticks_steady();
	record_config.stacks = meta_stacks(getenv("DMM_RECORD_STACKS"));
	record_config.scrub = getenv("DMM_RECORD_SCRUB") != NULL;
	record_config.deepbind = getenv("DMM_RECORD_DEEPBIND") != NULL;
	record_config.size_max = number_in("DMM_RECORD_MAX");
	if (record_config.stacks == TRACE_DWARF && !stack_find_unwinder()) {
		crash_say("record: no libunwind.so.8; recording callers only");
		record_config.stacks = TRACE_CALLER;
	}
	record_config.deep = record_config.stacks > TRACE_CALLER;
	record_config.climbs = record_config.stacks == TRACE_CALLER;
	record_config.python = record_config.climbs && python_find();
	meta_note_allocator();
	switch_configure();
	choose_path();
	where_keep(output.base);
	note_start();
}

static void stop(const char *why)
{
	if (atomic_exchange(&output.stopped, true))
		return;
	tapes_want(false);
	store_leave_packer();
	crash_say("record: %s: %s; recording ends here, the program goes on", output.path, why);
}

bool output_stopped(void)
{
	return atomic_load(&output.stopped);
}

bool output_is_ours(void)
{
	return getpid() == output.who.pid;
}

void output_count(uint64_t events, uint64_t ns)
{
	atomic_fetch_add(&output.events, events);
	atomic_fetch_add(&output.flush_ns, ns);
}

/* And how long is it?  Children may have noted in it what became of them. */
static bool still_ours(void)
{
	struct stat st;

	if (fstat(output.fd, &st) != 0 || st.st_dev != output.dev || st.st_ino != output.ino)
		return false;
	output.len = (uint64_t)st.st_size;
	return true;
}

/* The program may have closed it, or put a file of its own in its place.  output.lock is held,
 * here and below. */
static bool reopen(void)
{
	const char *name;
	const int at = output_where(output.path, &name);

	output.fd = openat(at, name, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (output.fd >= 0)
		output.fd = where_high(output.fd);
	return output.fd >= 0 && still_ours();
}

static void append_alone(const void *data, size_t len)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < output.len + len) {
		stop("file size limit reached"); /* the write would raise SIGXFSZ */
		return;
	}
	const int error = write_all(output.fd, data, len);
	if (error != 0) {
		const char *why = error == ENOSPC ? "no space left on device"
		    : error == EDQUOT ? "disk quota exceeded" : "write failed";
		if (ftruncate(output.fd, (off_t)output.len) != 0)
			why = "write failed, and left half a block";
		stop(why);
		return;
	}
	output.len += len;
	total_add((int64_t)len);
}

static void append(const void *data, size_t len)
{
	if (!still_ours() && !reopen()) {
		stop("the file was closed or replaced");
		return;
	}
	store_file_take(output.fd);
	if (still_ours()) /* and this long: dmm record appends, too */
		append_alone(data, len);
	store_file_give();
}

void output_repair(void)
{
	lock_take(&output.lock);
	if (output.open && (still_ours() || reopen())) {
		store_file_take(output.fd);
		store_file_give();
	}
	lock_give(&output.lock);
}

static void append_text(enum trace_kind kind, const char *text, size_t len)
{
	static struct { /* threads may have small stacks */
		struct trace_block_head head;
		char text[META_LEN];
	} b;

	len = min_size(len, sizeof b.text);
	b.head = (struct trace_block_head){.kind = (uint16_t)kind, .packed_len = (uint32_t)len,
	    .now_tick = record_ticks(), .now_ns = record_clock_ns(),
	    .anon_kib = kind == TRACE_END ? record_anon_kib(true) : 0};
	b.head.first_tick = b.head.last_tick = b.head.now_tick;
	memcpy(b.text, text, len);
	trace_block_seal(&b.head, b.text);
	append(&b, sizeof b.head + len);
}

static void append_meta(void)
{
	static char text[META_LEN];
	append_text(TRACE_META, text, meta_text(text, sizeof text, &output.who));
}

static void append_head(void)
{
	struct trace_file_head head = {.magic = TRACE_FILE_MAGIC,
	    .version = TRACE_VERSION,
	    .head_len = sizeof head,
	    .pid = (uint32_t)output.who.pid,
	    .parent = (uint32_t)output.who.parent,
	    .stacks = record_config.stacks,
	    .flags =
	        (record_config.scrub ? TRACE_SCRUBBED : 0) | (output.who.forked ? TRACE_FORKED : 0),
	    .start_tick = output.start_tick,
	    .start_ns = output.start_ns,
	    .wall_ns = output.start_wall_ns,
	    .tick_is_ns = 0};

	head.checksum = (uint32_t)xxh64(&head, sizeof head - sizeof head.checksum, 0);
	append(&head, sizeof head);
}

/* output.fd is still the parent's recording, in the child of a fork that got none. */
static void tell_parent(const char *reason)
{
	char text[META_LEN / 8];

	if (!output.inherited || !still_ours())
		return;
	const size_t n = crash_format(text, sizeof text, "lost=%u %s a child of fork\n",
	    (size_t)output.who.pid, reason);
	append_text(TRACE_META, text, n);
}

static void leave_parent(void)
{
	if (output.inherited && still_ours())
		close(output.fd);
	output.inherited = false;
}

static void cannot_create(int error)
{
	const bool rights = error == EACCES || error == EPERM || error == EROFS;

	if (!output_stopped())
		tell_parent(rights ? "rights" : error == EEXIST ? "name" : "file");
	leave_parent();
	stop(rights && output.who.forked ? "this process may not create it any more"
	    : error == EEXIST            ? "another file has this name, and is not overwritten"
	    : error == ENOSPC            ? "no space left on device"
	    : rights                     ? "cannot be written"
	    : error == ENOENT            ? "no such directory"
	                                 : "cannot be created");
}

/* Once --max-size is reached, the processes that begin then are not recorded: the
 * first one said so. */
static bool begins_too_late(void)
{
	const uint64_t max = record_config.size_max;

	total_open(output.base);
	if (max == 0 || (!total_is_full() && total_bytes() + (uint64_t)4 * LAST_WORDS < max))
		return false;
	leave_parent();
	tapes_want(false);
	atomic_store(&output.stopped, true);
	return true;
}

static bool create(void)
{
	struct stat st;

	if (begins_too_late())
		return false;
	const int fd = place_recording(output.path, strcmp(output.path, output.base) == 0, &st);
	if (fd < 0) {
		cannot_create(errno);
		return false;
	}
	leave_parent();
	output.fd = where_high(fd);
	output.dev = st.st_dev;
	output.ino = st.st_ino;
	output.len = 0;
	output.who.parent = getppid();
	append_head();
	append_meta();
	store_open(output.path, output.start_tick, &st);
	return !output_stopped();
}

bool output_open(void)
{
	if (output_stopped())
		return false;
	lock_take(&output.lock);
	const bool made = !output.open && (output.open = create());
	lock_give(&output.lock);
	if (made)
		maps_refresh();
	return !output_stopped();
}

/* As much must stay below the limit as the tapes of all threads may still hold, if that is
 * not most of it. */
static bool is_near_limit(void)
{
	const uint64_t max = record_config.size_max;
	const uint64_t rest = (uint64_t)(tapes_count() + 1) * 4 * LAST_WORDS;
	return max != 0 && total_bytes() + (rest < max / 4 ? rest : max / 4) > max;
}

bool output_is_full(void)
{
	return atomic_load(&output.full) && !atomic_load(&output.ended);
}

void output_block(const void *block, size_t len)
{
	lock_take(&output.lock);
	const uint64_t max = record_config.size_max;
	if (!output_stopped() && !output.dropped) {
		output.dropped = max != 0 && total_bytes() + len + LAST_WORDS > max;
		if (!output.dropped)
			append(block, len);
	}
	if ((output.dropped || total_is_full() || is_near_limit()) &&
	    !atomic_exchange(&output.full, true)) {
		tapes_want(false);
		if (total_fill())
			crash_say("record: %s: --max-size is reached; recording ends here, the "
			          "program goes on",
			    output.base);
	}
	lock_give(&output.lock);
}

void output_text(enum trace_kind kind, const char *text, size_t len)
{
	lock_take(&output.lock);
	if (!output_stopped() && output.open)
		append_text(kind, text, len);
	lock_give(&output.lock);
}

static uint64_t events_written(void)
{
	return atomic_load(&output.events) + store_packed_events();
}

/* What a fork made and exec or exit ended before it called us: no file is worth that. */
static bool is_worthless(void)
{
	return output.who.forked && events_written() == 0 && !meta_has_news();
}

void output_end(void)
{
	char text[256];

	if (output_stopped() || !output.open || atomic_exchange(&output.ended, true))
		return;
	tapes_want(false);
	store_leave_packer();
	if (is_worthless()) {
		const char *name;
		const int at = output_where(output.path, &name);
		unlinkat(at, name, 0);
		total_add(-(int64_t)output.len);
		store_remove();
		return;
	}
	maps_refresh();
	python_flush();
	const size_t n = crash_format(text, sizeof text,
	    "events=%u\nlost=%u\nflush_ns=%u\npacker_ns=%u\nnote_ps=%u\nbytes=%u\n%s",
	    (size_t)events_written(), (size_t)tapes_lost(),
	    (size_t)atomic_load(&output.flush_ns), (size_t)store_packed_ns(),
	    (size_t)meta_note_ps(), (size_t)output.len,
	    atomic_load(&output.full) ? "stopped=--max-size was reached\n" : "");
	output_text(TRACE_END, text, n);
	if (!output_stopped())
		store_remove();
}

void output_before_exec(void)
{
	if (output_stopped() || !output.open)
		return;
	tapes_flush();
	store_note_idle(events_written() == 0 && !meta_has_news());
}

void output_after_fork(const struct tape *keep)
{
	if (!output.configured)
		return;
	lock_reset(&output.lock);
	output.inherited = output.open && still_ours();
	output.open = false;
	output.who.forked = true;
	output.full = output.ended = output.dropped = false;
	atomic_store(&output.events, 0);
	atomic_store(&output.flush_ns, 0);
	tapes_after_fork(keep);
	total_after_fork();
	store_after_fork();
	maps_after_fork();
	climb_after_fork();
	meta_after_fork();
	choose_path();
	note_start();
}

void output_keep(void)
{
	struct signals mask;

	if (!output.configured || output_stopped())
		return;
	signals_block(&mask);
	if (output_open()) {
		lock_take(&output.lock);
		if (!still_ours())
			reopen();
		lock_give(&output.lock);
	}
	signals_restore(&mask);
}
