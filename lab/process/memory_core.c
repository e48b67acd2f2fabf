/* memory_core.c - a core: segments by address, files that were mapped, threads.
 *
 *   ELF head | program headers | notes: NT_PRSTATUS a thread, NT_FILE | segment | segment | ...
 *                                                                     ^ p_offset, p_filesz bytes of
 *                                                                       p_memsz; the rest not
 *                                                                       dumped
 *
 * Made by the kernel or by gcore; cut short by a limit or a full disk as often as not, so that
 * every offset is checked against the file's real length.
 */
#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bits.h"
#include "cli/array.h"
#include "cli/input.h"
#include "cli/read_at.h"
#include "process/memory.h"

struct core_segment {
	uint64_t start, len, offset; /* what is in the file */
};

/* A mapped file, opened when something is missing from the core. */
struct backing {
	const char *path;
	int fd; /* -1: cannot be used */
};

struct core {
	int fd;
	uint64_t file_len;
	struct core_segment *segments; /* by address */
	size_t segment_count;
	struct backing *backings;
	size_t backing_cap, backing_count;
};

static void close_core(struct memory *m)
{
	struct core *const c = m->core;

	if (c == NULL) /* the file could not be opened */
		return;
	for (size_t i = 0; i < c->backing_count; i++)
		if (c->backings[i].fd >= 0)
			close(c->backings[i].fd);
	close(c->fd);
	free(c->segments);
	free(c->backings);
	free(c);
}

/* ---- reading --------------------------------------------------------------------------------- */

static const struct core_segment *segment_of(const struct core *c, uint64_t addr)
{
	size_t low = 0, high = c->segment_count;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;
		if (addr < c->segments[mid].start)
			high = mid;
		else if (addr - c->segments[mid].start >= c->segments[mid].len)
			low = mid + 1;
		else
			return &c->segments[mid];
	}
	return NULL;
}

/* The head of a mapped file is in the core (the linker's first page): is it still the same? */
static bool same_head(struct memory *m, const char *path, int fd)
{
	enum { HEAD = 4096 };
	char now[HEAD], then[HEAD];

	for (size_t i = 0; i < m->map_count; i++) {
		const struct memory_mapping *const map = &m->maps[i];
		if (map->offset != 0 || strcmp(map->path, path) != 0)
			continue;
		const struct core_segment *const s = segment_of(m->core, map->start);
		if (s == NULL || s->start + s->len - map->start < HEAD)
			continue;
		return read_at(m->core->fd, then, HEAD,
		           (off_t)(s->offset + (map->start - s->start))) &&
		       read_at(fd, now, HEAD, 0) && memcmp(now, then, HEAD) == 0;
	}
	return false;
}

static int backing_of(struct memory *m, const char *path)
{
	struct core *const c = m->core;

	if (c == NULL) /* the file could not be opened */
		return -1;
	for (size_t i = 0; i < c->backing_count; i++)
		if (strcmp(c->backings[i].path, path) == 0)
			return c->backings[i].fd;
	int fd = input_open(path);
	if (fd >= 0 && !same_head(m, path, fd)) {
		close(fd);
		fd = -1;
	}
	ARRAY_GROW(c->backings, c->backing_cap, c->backing_count + 1);
	c->backings[c->backing_count++] = (struct backing){path, fd};
	return fd;
}

static bool read_piece(struct memory *m, const struct memory_piece *p)
{
	uint64_t addr = p->addr;
	char *to = p->to;

	for (size_t left = p->len; left > 0;) {
		const struct core_segment *const s = segment_of(m->core, addr);
		const struct memory_mapping *const map = s == NULL ? memory_mapping(m, addr) : NULL;
		size_t n;
		if (s != NULL) {
			n = min_size(left, s->start + s->len - addr);
			if (!read_at(m->core->fd, to, n, (off_t)(s->offset + (addr - s->start))))
				return false;
		} else {
			const int fd = map != NULL && map->file ? backing_of(m, map->path) : -1;
			if (fd < 0)
				return false;
			n = min_size(left, map->end - addr);
			if (!read_at(fd, to, n, (off_t)(map->offset + (addr - map->start))))
				return false;
		}
		addr += n, to += n, left -= n;
	}
	return true;
}

static void read_core(struct memory *m, struct memory_piece *pieces, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		pieces[i].got = read_piece(m, &pieces[i]);
		if (!pieces[i].got)
			m->error = EFAULT;
	}
}

static const struct memory_source source = {.read = read_core, .close = close_core};

/* ---- opening --------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
	const uint64_t x = ((const struct core_segment *)a)->start,
	    y = ((const struct core_segment *)b)->start;
	return x < y ? -1 : x > y;
}

static int by_map_start(const void *a, const void *b)
{
	const uint64_t x = ((const struct memory_mapping *)a)->start,
	    y = ((const struct memory_mapping *)b)->start;
	return x < y ? -1 : x > y;
}

static void add_segment(struct memory *m, const GElf_Phdr *ph)
{
	struct core *const c = m->core;
	const uint64_t there = ph->p_offset < c->file_len
	    ? min_size(ph->p_filesz, c->file_len - ph->p_offset) : 0;

	m->missing += ph->p_filesz - there;
	if (there != 0 && there <= UINT64_MAX - ph->p_vaddr)
		c->segments[c->segment_count++] = (struct core_segment){ph->p_vaddr, there,
		    ph->p_offset};
	if (ph->p_memsz <= UINT64_MAX - ph->p_vaddr) {
		const struct memory_mapping map = {.start = ph->p_vaddr,
		    .end = ph->p_vaddr + ph->p_memsz,
		    .writable = (ph->p_flags & PF_W) != 0,
		    .path = (char[]){""}};
		memory_add_mapping(m, &map);
	}
}

/* count, page size; count times start, end, offset in pages; then count names. */
static void read_files(struct memory *m, const char *at, size_t len)
{
	uint64_t head[2], range[3];

	if (len < sizeof head)
		return;
	memcpy(head, at, sizeof head);
	if (head[0] > (len - sizeof head) / sizeof range)
		return;
	const char *name = at + sizeof head + head[0] * sizeof range;
	for (uint64_t i = 0; i < head[0]; i++) {
		const size_t room = (size_t)(at + len - name), n = strnlen(name, room);
		if (n == room)
			return;
		memcpy(range, at + sizeof head + i * sizeof range, sizeof range);
		for (size_t k = 0; k < m->map_count; k++) {
			struct memory_mapping *const map = &m->maps[k];
			if (map->start < range[0] || map->start >= range[1] || map->path[0] != '\0')
				continue;
			free(map->path);
			map->path = strdup(name);
			CHECK(map->path != NULL);
			map->offset = range[2] * head[1] + (map->start - range[0]);
			map->file = name[0] == '/';
		}
		name += n + 1;
	}
}

static void read_note(struct memory *m, const GElf_Nhdr *note, const char *owner, const char *at)
{
	if (strncmp(owner, "CORE", 4) != 0)
		return;
	if (note->n_type == NT_PRSTATUS && note->n_descsz >= sizeof(struct elf_prstatus)) {
		struct elf_prstatus status;
		memcpy(&status, at, sizeof status);
		if (m->thread_count == 0)
			m->pid = status.pr_pid;
		memory_add_thread(m, status.pr_pid);
	} else if (note->n_type == NT_PRPSINFO && note->n_descsz >= sizeof(struct elf_prpsinfo)) {
		struct elf_prpsinfo info;
		memcpy(&info, at, sizeof info);
		m->pid = info.pr_pid;
		snprintf(m->name, sizeof m->name, "%.*s", (int)sizeof info.pr_fname, info.pr_fname);
	} else if (note->n_type == NT_SIGINFO && note->n_descsz >= sizeof(siginfo_t) &&
	    m->signal == 0) {
		siginfo_t info;
		memcpy(&info, at, sizeof info);
		m->signal = info.si_signo;
		m->fault = info.si_signo == SIGSEGV && info.si_code > 0
		    ? (uint64_t)(uintptr_t)info.si_addr : 0;
	} else if (note->n_type == NT_FILE) {
		read_files(m, at, note->n_descsz);
	}
}

static void read_notes(struct memory *m, Elf *elf, const GElf_Phdr *ph)
{
	size_t at = 0, name, desc;
	GElf_Nhdr note;

	if (ph->p_filesz == 0 || ph->p_offset >= m->core->file_len ||
	    ph->p_filesz > m->core->file_len - ph->p_offset)
		return;
	Elf_Data *const data = elf_getdata_rawchunk(elf, (int64_t)ph->p_offset, ph->p_filesz,
	    ELF_T_NHDR);
	while (data != NULL && (at = gelf_getnote(data, at, &note, &name, &desc)) > 0)
		read_note(m, &note, (const char *)data->d_buf + name,
		    (const char *)data->d_buf + desc);
}

/* Segments first: the notes name the files of what they made known. */
static bool read_headers(struct memory *m, Elf *elf, size_t count)
{
	m->core->segments = calloc(count, sizeof *m->core->segments);
	CHECK(m->core->segments != NULL);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < count; i++) {
			GElf_Phdr ph;
			if (gelf_getphdr(elf, (int)i, &ph) == NULL)
				return false;
			if (pass == 0 && ph.p_type == PT_LOAD)
				add_segment(m, &ph);
			if (pass == 1 && ph.p_type == PT_NOTE)
				read_notes(m, elf, &ph);
		}
		if (pass == 0 && m->map_count != 0) {
			qsort(m->core->segments, m->core->segment_count, sizeof *m->core->segments,
			    by_start);
			qsort(m->maps, m->map_count, sizeof *m->maps, by_map_start);
		}
	}
	return true;
}

static bool read_elf(struct memory *m, Elf *elf, const char *path, struct memory_error *e)
{
	GElf_Ehdr head;
	size_t count = 0;

	if (elf == NULL || elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &head) == NULL)
		return memory_refuse(e, "%s is not a core: not an ELF file", path);
	if (head.e_type != ET_CORE)
		return memory_refuse(e, "%s is not a core but a %s", path,
		    head.e_type == ET_REL ? "compiled file" : "program or a library");
	if (gelf_getclass(elf) != ELFCLASS64)
		return memory_refuse(e, "%s is the core of a 32-bit program: slab is 64-bit only",
		    path);
	if (elf_getphdrnum(elf, &count) != 0 || count == 0 || !read_headers(m, elf, count))
		return memory_refuse(e, "%s: a damaged core: its program headers cannot be read",
		    path);
	if (m->core->segment_count == 0)
		return memory_refuse(e, "%s: a core without any memory in it: cut short while it "
		    "was written?", path);
	return true;
}

bool memory_open_core(struct memory *m, const char *path, struct memory_error *e)
{
	struct stat st;

	*m = (struct memory){.source = &source};
	const int fd = input_open(path);
	if (fd < 0 && errno == ENODEV)
		return memory_refuse(e, "%s is not a core: not a regular file", path);
	if (fd < 0 || fstat(fd, &st) != 0) {
		memory_refuse(e, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	m->core = calloc(1, sizeof *m->core);
	CHECK(m->core != NULL);
	*m->core = (struct core){.fd = fd, .file_len = (uint64_t)st.st_size};
	if (st.st_size == 0)
		return memory_refuse(e, "%s is empty: was the core limit (ulimit -c) 0, or the "
		    "disk full?", path);
	elf_version(EV_CURRENT);
	Elf *const elf = elf_begin(fd, ELF_C_READ, NULL);
	const bool ok = read_elf(m, elf, path, e);
	elf_end(elf);
	if (m->name[0] != '\0')
		snprintf(m->title, sizeof m->title, "%s, the core of %s (%d)", path, m->name,
		    m->pid);
	else
		snprintf(m->title, sizeof m->title, "%s", path);
	return ok;
}
