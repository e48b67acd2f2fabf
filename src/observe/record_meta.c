/* record_meta.c - the facts about its process that a recording begins and ends with. */
#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crash.h"
#include "observe/record.h"

enum { PATH_LEN = 1024 };

static struct {
	char allocator[PATH_LEN];
	_Atomic bool news;
} meta;

static const char *const stacks_names[] = {"none", "caller", "fp", "dwarf"};

enum trace_stacks meta_stacks(const char *name)
{
	for (int i = TRACE_NONE; name != NULL && i <= TRACE_DWARF; i++)
		if (strcmp(name, stacks_names[i]) == 0)
			return (enum trace_stacks)i;
	return TRACE_CALLER;
}

bool meta_has_news(void)
{
	return atomic_load(&meta.news);
}

void meta_note_news(void)
{
	atomic_store(&meta.news, true);
}

void meta_after_fork(void)
{
	atomic_store(&meta.news, false);
}

static const char *basename_of(const char *path)
{
	const char *const slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

void meta_note_allocator(void)
{
	Dl_info info = {0};

	if (dladdr((void *)(uintptr_t)real.malloc, &info) != 0 && info.dli_fname != NULL)
		crash_format(meta.allocator, sizeof meta.allocator, "%s",
		    record_config.scrub ? basename_of(info.dli_fname) : info.dli_fname);
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

static size_t link_line(char *to, size_t cap, const char *key, const char *link)
{
	char target[PATH_LEN];
	const ssize_t n = readlink(link, target, sizeof target - 1);

	target[n > 0 ? n : 0] = '\0';
	return crash_format(to, cap, "%s=%s\n", key, target);
}

size_t meta_text(char *text, size_t cap, const struct record_identity *who)
{
	size_t n =
	    crash_format(text, cap, "recorder=dmm 1\npid=%u\nparent=%u\nstacks=%s\nclock=%s\n",
	        (size_t)who->pid, (size_t)who->parent, stacks_names[record_config.stacks],
	        record_config.by_clock ? "monotonic" : "tsc");

	n += crash_format(text + n, cap - n, "page_size=%u\n", (size_t)getauxval(AT_PAGESZ));
	if (meta.allocator[0] != '\0')
		n += crash_format(text + n, cap - n, "allocator=%s\n", meta.allocator);
	if (record_config.scrub)
		n += crash_format(text + n, cap - n, "scrubbed=1\n");
	else {
		n += link_line(text + n, cap - n, "exe", "/proc/self/exe");
		n += quote_file(text + n, cap - n, "command", "/proc/self/cmdline");
	}
	n += python_meta(text + n, cap - n);
	if (!tapes_wanted())
		n += crash_format(text + n, cap - n, "paused=1\n");
	if (who->forked)
		n += crash_format(text + n, cap - n, "forked=1\n");
	return n;
}

/* The number behind `key` in the text of a file of /proc; 0: none. */
static uint64_t number_after(const char *text, const char *key)
{
	const char *s = strstr(text, key);
	uint64_t x = 0;

	if (s == NULL)
		return 0;
	for (s += strlen(key); *s == ' ' || *s == '\t' || *s == ':';)
		s++;
	for (; *s >= '0' && *s <= '9'; s++)
		x = x * 10 + (uint64_t)(*s - '0');
	return x;
}

/* Resident now, less files and shared memory; at most so far: the peak of all, less what
 * is of files now. */
uint32_t record_anon_kib(bool peak)
{
	char text[4096];
	const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	const uint64_t all = number_after(text, "VmHWM"), now = number_after(text, "RssAnon");
	const uint64_t files = number_after(text, "RssFile") + number_after(text, "RssShmem");
	return (uint32_t)(peak && all > files ? max_size(all - files, now) : now);
}

/* What one event costs on the hot path, without the flush: measured here and now. */
uint64_t meta_note_ps(void)
{
	enum { TRIES = 1000 };
	struct trace_raw scratch[16];
	volatile struct trace_raw *to = scratch;
	const uint64_t began = record_clock_ns();

	for (int i = 0; i < TRIES; i++)
		to[i % 16].tick_op = record_ticks() << 8;
	return (record_clock_ns() - began) * 1000 / TRIES;
}
