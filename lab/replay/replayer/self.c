/* self.c - identity and memory of this process, printed without stdio and without a heap. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "replay/replayer/private.h"

enum { PROC_LEN = 4096 };

struct replay replay;

static uint64_t wall_began, cpu_began, faults_began;

static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		_exit(125);
}

void self_die(const char *what)
{
	const int error = errno;

	say("dmm-replayer: ");
	say(what);
	if (error != 0) {
		say(": ");
		say(strerrordesc_np(error));
	}
	say("\n");
	_exit(125);
}

void *self_map(size_t len)
{
	void *const p = mmap(NULL, len + 1, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		self_die("no memory for its tables");
	return p;
}

static bool read_file(const char *path, char text[PROC_LEN])
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, text, PROC_LEN - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The number of KiB after `key` at the start of a line, in bytes. */
static uint64_t value_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	uint64_t x = 0;

	if (at == NULL)
		return 0;
	for (at += strlen(key); *at == ' ' || *at == '\t'; at++)
		;
	for (; *at >= '0' && *at <= '9'; at++)
		x = 10 * x + (uint64_t)(*at - '0');
	return x << 10;
}

uint64_t self_private_bytes(void)
{
	char text[PROC_LEN];

	if (read_file("/proc/self/smaps_rollup", text))
		return value_of(text, "\nPss_Anon:") + value_of(text, "\nPss_Shmem:");
	if (read_file("/proc/self/status", text))
		return value_of(text, "\nRssAnon:") + value_of(text, "\nRssShmem:");
	return 0;
}

static uint64_t faults(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)u.ru_minflt;
}

void self_start(void)
{
	struct replay_result *const r = replay.result;
	const int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	r->start_bytes = self_private_bytes();
	replay.own_bytes = r->own_bytes != 0 ? r->own_bytes : r->start_bytes;
	if (fd >= 0) { /* the most that was resident is what is now */
		if (write(fd, "5", 1) != 1)
			errno = 0;
		close(fd);
	}
	faults_began = faults();
	cpu_began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	wall_began = clock_ns(CLOCK_MONOTONIC);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

void self_stop(void)
{
	struct replay_result *const r = replay.result;
	char text[PROC_LEN];

	r->wall_ns = clock_ns(CLOCK_MONOTONIC) - wall_began;
	r->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_began;
	r->faults = faults() - faults_began;
	if (read_file("/proc/self/status", text))
		r->peak_rss = less(value_of(text, "\nVmHWM:"),
		    value_of(text, "\nRssFile:") + replay.own_bytes);
}

uint64_t self_heap_bytes(void)
{
	return less(self_private_bytes(), replay.own_bytes);
}

void self_sample(uint64_t at, uint64_t payload, uint64_t usable)
{
	struct replay_result *const r = replay.result;

	if (r->sample_count > REPLAY_SAMPLES_MAX)
		return;
	struct replay_sample *const s = &r->sample[r->sample_count++];
	s->at = at;
	s->payload = payload;
	s->usable = usable;
	s->rss = self_heap_bytes();
}

/* ---- glibc ----------------------------------------------------------------------------------- */

/* The number behind the last `key`. */
static uint64_t last_number(const char *text, const char *key)
{
	const char *found = NULL;

	for (const char *at = text; (at = strstr(at, key)) != NULL; at += strlen(key))
		found = at + strlen(key);
	return found != NULL ? strtoull(found, NULL, 10) : 0;
}

/* malloc_info has the most of the heap sections, malloc_stats that of the mappings. */
void self_ask_glibc(void)
{
	static char text[1 << 20];
	Dl_info who;

	if (dladdr((const void *)&malloc, &who) == 0 || strstr(who.dli_fname, "/libc.so") == NULL)
		return;
	const int fd = memfd_create("dmm", MFD_CLOEXEC), errors = dup(STDERR_FILENO);
	FILE *const f = fdopen(fd, "w");
	if (f == NULL || errors < 0)
		return;
	malloc_info(0, f);
	fflush(f);
	dup2(fd, STDERR_FILENO);
	malloc_stats();
	dup2(errors, STDERR_FILENO);
	if (pread(fd, text, sizeof text - 1, 0) > 0) {
		replay.result->glibc_heap_max = last_number(text, "<system type=\"max\" size=\"");
		replay.result->glibc_mmap_max = last_number(text, "max mmap bytes   =");
	}
}
