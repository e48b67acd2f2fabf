/* record_maps.c - which file is mapped where: what turns return addresses into functions later.
 *
 * /proc/self/maps is read, not dl_iterate_phdr: the loader's lock may be held by a thread
 * that is waiting for one of ours.  Build-ids are read through the kernel, since a mapping
 * may go any moment.
 */
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crash.h"
#include "base/elf_id.h"
#include "base/proc_maps.h"
#include "observe/record.h"

enum { RANGES_MAX = 2048, TEXT_LEN = 8 << 10 };
#define RETRY_NS 100000000u /* addresses of generated code are in no file: do not look too often */

struct mapped_range {
	uint64_t start, end, offset, inode;
};

static struct {
	struct lock lock;
	struct mapped_range known[RANGES_MAX];
	size_t count;
	size_t last; /* index of the range that covered() found last */
	uint64_t looked_ns;
	uint64_t first_inode, first_start; /* the file whose beginning was mapped last */
	char text[TEXT_LEN];               /* lines not yet written */
	size_t text_len;
} maps;

static bool peek(uint64_t addr, void *to, size_t n)
{
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
	elf_id_at(peek, maps.first_inode == r->inode ? maps.first_start : 0, id);
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

static void note_line(const struct map_line *line)
{
	const struct mapped_range r = {line->start, line->end, line->offset, line->inode};

	if (line->path[0] != '/' && strcmp(line->path, "[vdso]") != 0) {
		if (line->executable && !covered(r.start) && maps.count < RANGES_MAX)
			maps.known[maps.count++] = r; /* made at run time: code, but of no file */
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
	struct proc_maps file;
	struct map_line line;

	if (proc_maps_open(&file, 0, text, sizeof text) != 0)
		return;
	while (proc_maps_next(&file, &line))
		note_line(&line);
	proc_maps_close(&file);
	write_text();
	maps.looked_ns = record_clock_ns();
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
		if (covered(addresses[i]))
			continue;
		if (record_clock_ns() - maps.looked_ns > RETRY_NS)
			refresh();
		break;
	}
	lock_give(&maps.lock);
}

bool maps_is_code(uint64_t addr)
{
	sigset_t mask;

	signals_block(&mask);
	lock_take(&maps.lock);
	if (!covered(addr) && record_clock_ns() - maps.looked_ns > RETRY_NS)
		refresh();
	const bool is = covered(addr);
	lock_give(&maps.lock);
	signals_restore(&mask);
	return is;
}

void maps_after_fork(void)
{
	/* held by nobody: it is only taken under a tape's or a press's lock */
	lock_reset(&maps.lock);
	maps.count = 0;
	maps.text_len = 0;
}
