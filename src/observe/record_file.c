/* record_file.c - where the blocks go: one file a process, appended to, never trusted to be there.
 *
 * A program may close our descriptor with all others and open its own in that place, may change its
 * root, its limits, or fill the disk: before each write the descriptor must still be our file.
 */
#include <dlfcn.h>
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
#include "observe/record.h"
#include "observe/xxh64.h"

enum { PATH_LEN = 1024, META_LEN = 16 << 10, FD_HIGH = 512 };

struct record_config record_config = {.stacks = TRACE_CALLER, .level = 1, .depth_max = 64};

static struct {
	struct lock lock;
	int fd; /* valid while open */
	bool open;
	_Atomic bool stopped;
	bool configured, forked;
	pid_t pid, parent;
	dev_t dev;
	ino_t ino;
	uint64_t len;
	uint64_t start_tick, start_ns, start_wall_ns; /* before the first event */
	char path[PATH_LEN];  /* of this process's recording */
	char base[PATH_LEN];  /* of the first process's */
	_Atomic uint64_t events, flush_ns;
} output;

static const char *stacks_name(enum trace_stacks stacks)
{
	static const char *const names[] = {"none", "caller", "fp", "dwarf"};
	return names[stacks];
}

static void note_start(void)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	output.start_wall_ns = (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec;
	output.start_ns = record_clock_ns();
	output.start_tick = record_ticks();
}

static void choose_path(void)
{
	const char *const first = getenv("DMM_RECORD_FIRST");
	char pid[24];

	output.pid = getpid();
	crash_format(pid, sizeof pid, "%u", (size_t)output.pid);
	if (output.base[0] == '\0') {
		const char *const env = getenv("DMM_RECORD");
		crash_format(output.base, sizeof output.base, "%s", env != NULL ? env : "dmm-record");
	}
	if (!output.forked && first != NULL && strcmp(first, pid) == 0)
		crash_format(output.path, sizeof output.path, "%s", output.base);
	else
		crash_format(output.path, sizeof output.path, "%s.%s", output.base, pid);
}

void record_configure(void)
{
	if (output.configured)
		return;
	output.configured = true;
	real_find();
	record_config.by_clock = !os_ticks_steady();
	const char *const stacks = getenv("DMM_RECORD_STACKS");
	for (int i = TRACE_NONE; stacks != NULL && i <= TRACE_DWARF; i++)
		if (strcmp(stacks, stacks_name(i)) == 0)
			record_config.stacks = (enum trace_stacks)i;
	record_config.scrub = getenv("DMM_RECORD_SCRUB") != NULL;
	record_config.deepbind = getenv("DMM_RECORD_DEEPBIND") != NULL;
	if (record_config.stacks == TRACE_DWARF && !stack_find_unwinder()) {
		crash_say("record: no libunwind.so.8; recording callers only");
		record_config.stacks = TRACE_CALLER;
	}
	record_config.deep = record_config.stacks > TRACE_CALLER;
	choose_path();
	note_start();
}

static void stop(const char *why)
{
	if (!atomic_exchange(&output.stopped, true))
		crash_say("record: %s: %s; recording ends here, the program goes on", output.path, why);
}

bool output_stopped(void)
{
	return atomic_load(&output.stopped);
}

bool output_is_ours(void)
{
	return getpid() == output.pid;
}

void output_count(uint64_t events, uint64_t ns)
{
	atomic_fetch_add(&output.events, events);
	atomic_fetch_add(&output.flush_ns, ns);
}

/* An image of this very process was here before it called exec: keep what it wrote. */
static void keep_earlier_image(void)
{
	struct trace_file_head head;
	char kept[PATH_LEN + 24];
	const int fd = open(output.path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	const bool ours = read(fd, &head, sizeof head) == sizeof head && head.magic == TRACE_FILE_MAGIC &&
	    head.pid == (uint32_t)output.pid;
	close(fd);
	for (size_t i = 1; ours && i < 1000; i++) {
		crash_format(kept, sizeof kept, "%s.exec%u", output.path, i);
		if (access(kept, F_OK) != 0) {
			rename(output.path, kept);
			return;
		}
	}
}

/* Out of the way of programs that count on low numbers. */
static int high(int fd)
{
	const int moved = fcntl(fd, F_DUPFD_CLOEXEC, FD_HIGH);
	if (moved < 0)
		return fd;
	close(fd);
	return moved;
}

static bool still_ours(void)
{
	struct stat st;
	return fstat(output.fd, &st) == 0 && st.st_dev == output.dev && st.st_ino == output.ino;
}

/* output.lock is held, here and below. */
static void append(const void *data, size_t len)
{
	struct rlimit limit;
	size_t done = 0;

	if (!still_ours()) {
		output.fd = open(output.path, O_WRONLY | O_APPEND | O_CLOEXEC);
		if (output.fd >= 0)
			output.fd = high(output.fd);
		if (output.fd < 0 || !still_ours()) {
			stop("the file was closed or replaced");
			return;
		}
	}
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < output.len + len) {
		stop("file size limit reached"); /* the write would raise SIGXFSZ */
		return;
	}
	while (done < len) {
		const ssize_t n = write(output.fd, (const char *)data + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			const char *why = n == 0 || errno == ENOSPC ? "no space left on device"
			    : errno == EDQUOT                       ? "disk quota exceeded"
			                                            : "write failed";
			if (ftruncate(output.fd, (off_t)output.len) != 0)
				why = "write failed, and left half a block";
			stop(why);
			return;
		}
		done += (size_t)n;
	}
	output.len += len;
}

static void append_text(enum trace_kind kind, const char *text, size_t len)
{
	static struct { /* threads may have small stacks */
		struct trace_block_head head;
		char text[META_LEN];
	} b;

	len = min_size(len, sizeof b.text);
	b.head = (struct trace_block_head){.kind = (uint16_t)kind, .packed_len = (uint32_t)len,
	    .now_tick = record_ticks(), .now_ns = record_clock_ns()};
	b.head.first_tick = b.head.last_tick = b.head.now_tick;
	memcpy(b.text, text, len);
	trace_block_seal(&b.head, b.text);
	append(&b, sizeof b.head + len);
}

/* "key=the file's content\n", zeros made into spaces; returns the length. */
static size_t quote_file(char *to, size_t cap, const char *key, const char *path)
{
	size_t n = crash_format(to, cap, "%s=", key);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t got = fd >= 0 ? read(fd, to + n, min_size(cap - n - 2, 4096)) : -1;

	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i < got; i++, n++)
		if (to[n] == '\0' || to[n] == '\n')
			to[n] = ' ';
	while (to[n - 1] == ' ')
		n--;
	to[n++] = '\n';
	to[n] = '\0';
	return n;
}

static const char *basename_of(const char *path)
{
	const char *const slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

static size_t link_line(char *to, size_t cap, const char *key, const char *link)
{
	char target[PATH_LEN];
	const ssize_t n = readlink(link, target, sizeof target - 1);

	target[n > 0 ? n : 0] = '\0';
	return crash_format(to, cap, "%s=%s\n", key, target);
}

static void append_meta(void)
{
	static char text[META_LEN];
	Dl_info info = {0};
	size_t n = crash_format(text, sizeof text, "recorder=dmm 1\npid=%u\nparent=%u\nstacks=%s\nclock=%s\n",
	    (size_t)output.pid, (size_t)output.parent, stacks_name(record_config.stacks),
	    record_config.by_clock ? "monotonic" : "tsc");

	if (dladdr((void *)(uintptr_t)real.malloc, &info) != 0 && info.dli_fname != NULL)
		n += crash_format(text + n, sizeof text - n, "allocator=%s\n",
		    record_config.scrub ? basename_of(info.dli_fname) : info.dli_fname);
	if (record_config.scrub)
		n += crash_format(text + n, sizeof text - n, "scrubbed=1\n");
	else {
		n += link_line(text + n, sizeof text - n, "exe", "/proc/self/exe");
		n += quote_file(text + n, sizeof text - n, "command", "/proc/self/cmdline");
	}
	if (output.forked)
		n += crash_format(text + n, sizeof text - n, "forked=1\n");
	append_text(TRACE_META, text, n);
}

static void append_head(void)
{
	struct trace_file_head head = {.magic = TRACE_FILE_MAGIC, .version = TRACE_VERSION,
	    .head_len = sizeof head, .pid = (uint32_t)output.pid, .parent = (uint32_t)output.parent,
	    .stacks = record_config.stacks,
	    .flags = (record_config.scrub ? TRACE_SCRUBBED : 0) | (output.forked ? TRACE_FORKED : 0),
	    .start_tick = output.start_tick, .start_ns = output.start_ns,
	    .wall_ns = output.start_wall_ns, .tick_is_ns = 0};

	head.checksum = (uint32_t)xxh64(&head, sizeof head - sizeof head.checksum, 0);
	append(&head, sizeof head);
}

static bool create(void)
{
	struct stat st;

	keep_earlier_image();
	const int fd = open(output.path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0 || fstat(fd, &st) != 0) {
		stop(errno == ENOSPC ? "no space left on device"
		    : errno == EACCES || errno == EROFS ? "cannot be written"
		    : errno == ENOENT                   ? "no such directory"
		                                        : "cannot be created");
		return false;
	}
	output.fd = high(fd);
	output.dev = st.st_dev;
	output.ino = st.st_ino;
	output.len = 0;
	output.parent = getppid();
	append_head();
	append_meta();
	return !output_stopped();
}

bool output_open(void)
{
	bool made = false;

	if (output_stopped())
		return false;
	lock_take(&output.lock);
	if (!output.open) {
		made = output.open = create();
	}
	lock_give(&output.lock);
	if (made)
		maps_refresh();
	return !output_stopped();
}

void output_block(const void *block, size_t len)
{
	lock_take(&output.lock);
	if (!output_stopped())
		append(block, len);
	lock_give(&output.lock);
}

void output_text(enum trace_kind kind, const char *text, size_t len)
{
	lock_take(&output.lock);
	if (!output_stopped() && output.open)
		append_text(kind, text, len);
	lock_give(&output.lock);
}

/* What one event costs on the hot path, without the flush: measured here and now. */
static uint64_t hot_path_ps(void)
{
	enum { TRIES = 1000 };
	struct trace_raw scratch[16];
	volatile struct trace_raw *to = scratch;
	const uint64_t began = record_clock_ns();

	for (int i = 0; i < TRIES; i++)
		to[i % 16].tick_op = record_ticks() << 8;
	return (record_clock_ns() - began) * 1000 / TRIES;
}

void output_end(void)
{
	char text[256];

	if (!output_open())
		return;
	maps_refresh();
	const size_t n = crash_format(text, sizeof text,
	    "events=%u\nlost=%u\nflush_ns=%u\nnote_ps=%u\nbytes=%u\n", (size_t)atomic_load(&output.events),
	    (size_t)tapes_lost(), (size_t)atomic_load(&output.flush_ns), (size_t)hot_path_ps(),
	    (size_t)output.len);
	output_text(TRACE_END, text, n);
}

void output_before_fork(void)
{
	lock_take(&output.lock);
}

void output_after_fork(bool child)
{
	if (!child) {
		lock_give(&output.lock);
		return;
	}
	lock_reset(&output.lock);
	if (output.open && still_ours())
		close(output.fd);
	output.open = false;
	output.forked = true;
	atomic_store(&output.events, 0);
	atomic_store(&output.flush_ns, 0);
	choose_path();
	note_start();
	maps_after_fork();
}
