/* record_maps.c - notes which file is mapped where, so that readers can turn return addresses
 * into functions.
 *
 * /proc/self/maps is read, not dl_iterate_phdr: the loader's lock may be held by a thread
 * that is waiting for one of ours.  Build-ids are read through the kernel, since a mapping
 * may go any moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crash.h"
#include "base/elf_id.h"
#include "base/proc_maps.h"
#include "observe/record.h"
#include "observe/script_names.h"

enum { RANGES_MAX = 2048, TEXT_LEN = 8 << 10 };
#define RETRY_NS 100000000u /* addresses of generated code are in no file: do not look too often */
#define MADE UINT64_MAX     /* offset of a range that holds code made at run time */

/* The kernel tells of one address in 2 us: at most one question in ASK_NS, after at most
 * ASK_AT_ONCE in a row. */
enum { ASK_NS = 50000, ASK_AT_ONCE = 64, READ_SHARE = 20 };

struct mapped_range {
	uint64_t start, end, offset, inode;
};

static struct {
	struct lock lock;
	struct mapped_range known[RANGES_MAX];
	size_t count;
	size_t last; /* index of the range that covered() found last */
	uint64_t looked_ns, look_took_ns;
	uint64_t asked_ns; /* questions up to this moment are used up */
	bool no_asking;    /* the kernel is older than Linux 6.11 */
	uint64_t first_inode, first_start; /* the file whose beginning was mapped last */
	char text[TEXT_LEN];               /* lines not yet written */
	size_t text_len;
} maps;

static bool peek(void *arg, uint64_t addr, void *to, size_t n)
{
	(void)arg;
	const struct iovec local = {to, n}, remote = {(void *)(uintptr_t)addr, n};
	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)n;
}

static size_t hex(char *to, const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		to[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		to[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	to[2 * n] = '\0';
	return 2 * n;
}

static void write_text(void)
{
	if (maps.text_len != 0)
		output_text(TRACE_MAPS, maps.text, maps.text_len);
	maps.text_len = 0;
}

static void add_hex(uint64_t x)
{
	char digits[17];
	unsigned char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(x >> (56 - 8 * i));
	hex(digits, bytes, 8);
	maps.text_len +=
	    crash_format(maps.text + maps.text_len, TEXT_LEN - maps.text_len, "%s ", digits);
}

static void add(const struct mapped_range *r, const char *path)
{
	char id[ELF_ID_ROOM];
	const char *const slash = strrchr(path, '/');
	const bool library = strstr(path, ".so") != NULL;

	for (size_t i = 0; i < maps.count; i++)
		if (memcmp(&maps.known[i], r, sizeof *r) == 0)
			return;
	if (maps.count == RANGES_MAX)
		return;
	maps.known[maps.count++] = *r;
	if (TEXT_LEN - maps.text_len < PROC_MAPS_WHOLE)
		write_text();
	elf_id_at(peek, NULL, maps.first_inode == r->inode ? maps.first_start : 0, id);
	add_hex(r->start);
	add_hex(r->end);
	add_hex(r->offset);
	/* scrubbed: libraries keep their file name, which they share with everybody;
	 * nothing else does */
	maps.text_len +=
	    crash_format(maps.text + maps.text_len, TEXT_LEN - maps.text_len, "%s %s\n", id,
	        !record_config.scrub       ? path
	        : library && slash != NULL ? slash + 1
	                                   : "program");
}

static bool holds(const struct mapped_range *r, uint64_t addr)
{
	return addr >= r->start && addr < r->end;
}

/* maps.lock is held. */
static bool covered(uint64_t addr)
{
	if (maps.last < maps.count && holds(&maps.known[maps.last], addr))
		return true;
	for (size_t i = maps.count; i-- > 0;)
		if (holds(&maps.known[i], addr)) {
			maps.last = i;
			return true;
		}
	return false;
}

/* Code made at run time is in no file, and its mappings grow, shrink and melt into one another. */
static void add_made(uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < maps.count; i++) {
		struct mapped_range *const r = &maps.known[i];
		if (r->offset == MADE && start <= r->end && end >= r->start) {
			r->start = min_size(r->start, start);
			r->end = max_size(r->end, end);
			return;
		}
	}
	if (maps.count < RANGES_MAX)
		maps.known[maps.count++] = (struct mapped_range){start, end, MADE, 0};
}

static void note_line(const struct map_line *line)
{
	const struct mapped_range r = {line->start, line->end, line->offset, line->inode};

	if (line->path[0] != '/' && strcmp(line->path, "[vdso]") != 0) {
		if (line->executable)
			add_made(r.start, r.end);
		return;
	}
	if (r.offset == 0) {
		maps.first_inode = r.inode;
		maps.first_start = r.start;
	}
	if (line->executable)
		add(&r, line->path);
}

/* maps.lock is held. */
static void refresh(void)
{
	static char text[2 * PROC_MAPS_WHOLE];
	const uint64_t began = record_clock_ns();
	struct proc_maps file;
	struct map_line line;

	if (proc_maps_open(&file, 0, text, sizeof text) != 0)
		return;
	while (proc_maps_next(&file, &line))
		note_line(&line);
	proc_maps_close(&file);
	write_text();
	maps.looked_ns = record_clock_ns();
	maps.look_took_ns = maps.looked_ns - began;
}

void maps_refresh(void)
{
	lock_take(&maps.lock);
	refresh();
	lock_give(&maps.lock);
}

void maps_cover(const uint64_t *addresses, size_t count)
{
	lock_take(&maps.lock);
	for (size_t i = 0; i < count; i++) {
		if (script_is_address(addresses[i]) || covered(addresses[i]))
			continue;
		if (record_clock_ns() - maps.looked_ns > RETRY_NS)
			refresh();
		break;
	}
	lock_give(&maps.lock);
}

/* ---- is that code? ----------------------------------------------------------------------- */

/* As <linux/fs.h> has it since Linux 6.11. */
struct map_query {
	uint64_t size, flags, addr, start, end, vma_flags, page_size, offset, inode;
	uint32_t dev_major, dev_minor, name_size, id_size;
	uint64_t name_addr, id_addr;
};
#define MAP_QUERY _IOWR('f', 17, struct map_query)
enum { MAP_QUERY_EXECUTABLE = 4 };

/* Is there a mapping that may be executed now?  Negative: the kernel does not answer such
 * questions. */
static int ask(uint64_t addr)
{
	struct map_query q = {.size = sizeof q, .flags = MAP_QUERY_EXECUTABLE, .addr = addr};
	const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	const int r = ioctl(fd, MAP_QUERY, &q);
	const int error = r < 0 ? errno : 0;
	close(fd);
	if (r == 0 && q.inode == 0)
		add_made(q.start, q.end);
	return r == 0 ? 1 : error == ENOENT ? 0 : -1;
}

static bool may_ask(uint64_t now)
{
	maps.asked_ns = max_size(maps.asked_ns, now - ASK_AT_ONCE * ASK_NS);
	if (maps.asked_ns > now)
		return false;
	maps.asked_ns += ASK_NS;
	return true;
}

/* V8 and other compilers make code all the time: a list read a moment ago does not have it.
 * maps.lock is held. */
static bool is_new_code(uint64_t addr)
{
	const uint64_t now = record_clock_ns();

	if (!maps.no_asking && may_ask(now)) {
		const int answer = ask(addr);
		maps.no_asking = answer < 0;
		return answer > 0;
	}
	if (maps.no_asking && now - maps.looked_ns > READ_SHARE * maps.look_took_ns)
		refresh();
	return covered(addr);
}

bool maps_is_code(uint64_t addr)
{
	const int saved = errno; /* a call of malloc that succeeds leaves it */
	struct signals mask;

	signals_block(&mask);
	lock_take(&maps.lock);
	const bool is = covered(addr) || is_new_code(addr);
	lock_give(&maps.lock);
	signals_restore(&mask);
	errno = saved;
	return is;
}

void maps_after_fork(void)
{
	/* held by nobody: it is only taken under a tape's or a press's lock */
	lock_reset(&maps.lock);
	maps.count = 0;
	maps.text_len = 0;
}
