/* pages.c - what the kernel knows of a process: which pages are resident, its threads' numbers
 * and names, and what it used.  A core has none of this.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "inspect/inspect.h"

/* ---- pages: 8 bytes a page in /proc/PID/pagemap ---------------------------------------------- */

enum { ENTRIES = 8192 };
/* a guard is no page */
static const uint64_t PRESENT = 1ull << 63, SWAPPED = 1ull << 62, GUARD = 1ull << 58;

struct pagemap_window {
	int fd;
	uint64_t page, first; /* bytes; number of the page of entry[0] */
	size_t count;
	uint64_t entry[ENTRIES];
};

static bool look_up(struct pagemap_window *p, uint64_t number, uint64_t *entry)
{
	if (number - p->first >= p->count) {
		const ssize_t r =
		    pread(p->fd, p->entry, sizeof p->entry, (off_t)(number * sizeof(uint64_t)));
		p->first = number;
		p->count = r > 0 ? (size_t)r / sizeof(uint64_t) : 0;
		if (p->count == 0)
			return false;
	}
	*entry = p->entry[number - p->first];
	return true;
}

/* Resident bytes of [from, end). */
static uint64_t resident(struct pagemap_window *p, uint64_t from, uint64_t end, uint64_t *swapped)
{
	uint64_t present = 0, entry;

	for (uint64_t number = from / p->page; number * p->page < end; number++) {
		if (!look_up(p, number, &entry))
			break;
		present += (entry & PRESENT) != 0 ? p->page : 0;
		*swapped += (entry & (SWAPPED | GUARD)) == SWAPPED ? p->page : 0;
	}
	return present;
}

static void see_heap(struct outside *o, struct outside_view *v)
{
	struct pagemap_window *const p = calloc(1, sizeof *p);
	static struct outside_range ranges[OUTSIDE_RANGES];

	if (p == NULL)
		return;
	p->fd = o->pagemap;
	p->page = (uint64_t)sysconf(_SC_PAGESIZE);
	const size_t count = outside_table_ranges(o, ranges, OUTSIDE_RANGES);
	for (size_t i = 0; i < count; i++)
		v->resident_tables +=
		    resident(p, round_down(ranges[i].start, p->page), ranges[i].end, &v->swapped);
	for (size_t i = 0; i < v->run_count; i++) {
		const struct outside_run *const run = &v->runs[i];
		const uint64_t from = v->base + run->granule * v->granule;
		const uint64_t bytes =
		    resident(p, from, from + run->count * v->granule, &v->swapped);
		v->resident[run->kind] += bytes;
		if (run->kind == OUTSIDE_IS_SLAB)
			v->classes[run->cls].resident += bytes;
	}
	const size_t objects = outside_mapped_ranges(o, ranges, OUTSIDE_RANGES);
	for (size_t i = 0; i < objects; i++)
		v->resident[OUTSIDE_IS_LARGE] +=
		    resident(p, ranges[i].start, ranges[i].end, &v->swapped);
	v->pages_known = v->resident_tables != 0; /* all zero: the kernel would not say */
	free(p);
}

/* ---- the process ----------------------------------------------------------------------------- */

static bool read_text(pid_t pid, const char *file, char *text, size_t room)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	const ssize_t r = read(fd, text, room - 1);
	close(fd);
	text[r > 0 ? r : 0] = '\0';
	return r > 0;
}

/* A number may be given to a new process, and a process may become another program. */
bool outside_is_same(struct outside *o, struct memory_error *e)
{
	char path[64], text[1024], exe[sizeof o->exe] = "";
	unsigned long long started = 0;
	struct stat st;

	if (!o->memory.live)
		return true;
	snprintf(path, sizeof path, "/proc/%d/exe", o->memory.pid);
	if (read_text(o->memory.pid, "stat", text, sizeof text) && strrchr(text, ')') != NULL)
		sscanf(strrchr(text, ')') + 1,
		    " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		    "%*s %*s %*s %llu",
		    &started);
	if (stat(path, &st) == 0)
		snprintf(exe, sizeof exe, "%llx:%llx", (unsigned long long)st.st_dev,
		    (unsigned long long)st.st_ino);
	if (o->exe[0] == '\0') {
		snprintf(o->exe, sizeof o->exe, "%s", exe);
		o->started = started;
	}
	if (started != o->started || exe[0] == '\0')
		return memory_refuse(e, "%s has ended", o->memory.title);
	return strcmp(exe, o->exe) == 0 ||
	       memory_refuse(e, "%s has become another program (exec)", o->memory.title);
}

/* Count fields from the end of the name, since the name may hold any character. */
static void see_process(struct outside *o, struct outside_view *v)
{
	char text[1024];
	unsigned long long pages, minor, major, user, system;

	if (read_text(o->memory.pid, "statm", text, sizeof text) &&
	    sscanf(text, "%*u %llu", &pages) == 1)
		v->rss = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	if (!read_text(o->memory.pid, "stat", text, sizeof text) || strrchr(text, ')') == NULL)
		return;
	if (sscanf(strrchr(text, ')') + 1,
	        " %*c %*d %*d %*d %*d %*d %*u %llu %*u %llu %*u %llu %llu", &minor, &major, &user,
	        &system) == 4) {
		v->faults = minor + major;
		v->cpu_seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	}
}

void outside_see_pages(struct outside *o, struct outside_view *v)
{
	char path[64];

	if (!o->memory.live)
		return;
	snprintf(path, sizeof path, "/proc/%d/pagemap", o->memory.pid);
	if (o->pagemap < 0)
		o->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (o->pagemap >= 0)
		see_heap(o, v);
	see_process(o, v);
}

void outside_close(struct outside *o)
{
	outside_tables_drop(o);
	if (o->pagemap >= 0)
		close(o->pagemap);
	o->pagemap = -1;
	memory_close(&o->memory);
}

/* ---- threads --------------------------------------------------------------------------------- */

/* A thread pointer leads to the C library's record of the thread, which holds its number somewhere.
 * Where, our own record tells: it is the same library as a rule, and a number is only believed if
 * it is that of a thread of the target. */
static void find_tid_offsets(struct outside *o)
{
	enum { AROUND = 4096, WORDS = 64 };
	const uint64_t self = (uint64_t)(uintptr_t)__builtin_thread_pointer();
	struct memory us = {.pid = 0};
	struct memory_error e;
	const pid_t tid = gettid();
	int32_t words[WORDS];

	if (!memory_open_process(&us, getpid(), &e)) {
		memory_close(&us);
		return;
	}
	for (long offset = -AROUND; offset < AROUND; offset += (long)sizeof words) {
		if (!memory_read(&us, self + (uint64_t)offset, words, sizeof words))
			continue;
		for (int i = 0; i < WORDS; i++)
			if (words[i] == tid && o->tid_offset_count < 4)
				o->tid_offset[o->tid_offset_count++] =
				    offset + i * (long)sizeof words[0];
	}
	memory_close(&us);
	if (o->tid_offset_count == 0)
		o->tid_offset[o->tid_offset_count++] = 0;
}

static bool is_thread(const struct memory *m, pid_t tid)
{
	for (size_t i = 0; i < m->thread_count; i++)
		if (m->threads[i] == tid)
			return true;
	return false;
}

static void name_thread(struct outside *o, struct outside_heap *h)
{
	char file[48];
	int32_t tid;

	for (size_t i = 0; i < o->tid_offset_count && h->tid == 0 && h->pointer != 0; i++)
		if (memory_read(&o->memory, h->pointer + (uint64_t)o->tid_offset[i], &tid,
		        sizeof tid) &&
		    is_thread(&o->memory, tid))
			h->tid = tid;
	if (h->tid == 0 || !o->memory.live)
		return;
	snprintf(file, sizeof file, "task/%d/comm", h->tid);
	if (read_text(o->memory.pid, file, h->name, sizeof h->name))
		h->name[strcspn(h->name, "\n")] = '\0';
}

void outside_name_threads(struct outside *o, struct outside_view *v)
{
	if (o->memory.pid == 0) /* ourselves */
		return;
	if (o->tid_offset_count == 0)
		find_tid_offsets(o);
	for (size_t i = 0; i < v->heap_count; i++)
		if (v->heaps[i].kind == OUTSIDE_THREAD)
			name_thread(o, &v->heaps[i]);
}
