/* find.c - where a process or a core keeps dmm_slab_root: by the symbol, in a library or in a
 * program linked with libdmm.a; by its looks, in a stripped program; or what runs there instead.
 */
#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "inspect/inspect.h"
#include "process/known_mallocs.h"
#include "cli/units.h"

static const char wanted[] = "dmm_slab_root";

/* ---- a loaded object's own dynamic symbols --------------------------------------------------- */

struct loaded_image {
	struct memory *m;
	uint64_t base, bias; /* where its first byte lies; what is added to its addresses */
};

struct dynamic {
	uint64_t symbols, strings, gnu_hash;
};

static bool read_head(struct loaded_image *f, Elf64_Ehdr *head)
{
	return memory_read(f->m, f->base, head, sizeof *head) &&
	    memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 &&
	       head->e_ident[EI_CLASS] == ELFCLASS64 && head->e_phentsize == sizeof(Elf64_Phdr);
}

static bool read_dynamic(struct loaded_image *f, const Elf64_Phdr *ph, struct dynamic *d)
{
	enum { ENTRIES_MAX = 256 };
	Elf64_Dyn entry;

	for (uint64_t i = 0; i < ENTRIES_MAX; i++) {
		if (!memory_read(f->m, f->bias + ph->p_vaddr + i * sizeof entry, &entry,
		    sizeof entry) ||
		    entry.d_tag == DT_NULL)
			break;
		/* The loader makes addresses of offsets in place; some loaders and a file do
		 * not. */
		const uint64_t at = entry.d_un.d_ptr < f->base ? entry.d_un.d_ptr + f->bias
		    : entry.d_un.d_ptr;
		if (entry.d_tag == DT_SYMTAB)
			d->symbols = at;
		else if (entry.d_tag == DT_STRTAB)
			d->strings = at;
		else if (entry.d_tag == DT_GNU_HASH)
			d->gnu_hash = at;
	}
	return d->symbols != 0 && d->strings != 0 && d->gnu_hash != 0;
}

static bool find_dynamic(struct loaded_image *f, struct dynamic *d)
{
	Elf64_Ehdr head;
	Elf64_Phdr ph, dynamic = {0};
	bool biased = false;

	if (!read_head(f, &head))
		return false;
	for (unsigned i = 0; i < head.e_phnum; i++) {
		if (!memory_read(f->m, f->base + head.e_phoff + i * sizeof ph, &ph, sizeof ph))
			return false;
		if (ph.p_type == PT_LOAD && !biased) {
			f->bias = f->base - (ph.p_vaddr - ph.p_offset);
			biased = true;
		}
		if (ph.p_type == PT_DYNAMIC)
			dynamic = ph;
	}
	return dynamic.p_type == PT_DYNAMIC && read_dynamic(f, &dynamic, d);
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t h = 5381;
	for (; *name != '\0'; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

static bool is_wanted(struct loaded_image *f, const struct dynamic *d, uint32_t index,
    uint64_t *addr)
{
	char name[sizeof wanted + 1];
	Elf64_Sym symbol;

	if (!memory_read(f->m, d->symbols + index * sizeof symbol, &symbol, sizeof symbol) ||
	    symbol.st_shndx == SHN_UNDEF ||
	    !memory_read_string(f->m, d->strings + symbol.st_name, name, sizeof name) ||
	    strcmp(name, wanted) != 0)
		return false;
	*addr = f->bias + symbol.st_value;
	return true;
}

/* The layout: buckets, first hashed symbol, words of the filter, shift; filter; buckets; chains. */
static bool find_symbol(struct loaded_image *f, uint64_t *addr)
{
	enum { CHAIN_MAX = 1 << 16 };
	struct dynamic d = {0};
	uint32_t head[4], index, hash;

	if (!find_dynamic(f, &d) || !memory_read(f->m, d.gnu_hash, head, sizeof head) ||
	    head[0] == 0)
		return false;
	const uint64_t buckets = d.gnu_hash + sizeof head + head[2] * 8ull,
	    chains = buckets + head[0] * 4ull;
	const uint32_t want = gnu_hash(wanted);
	if (!memory_read(f->m, buckets + want % head[0] * 4ull, &index, 4) || index < head[1])
		return false;
	for (int n = 0; n < CHAIN_MAX; n++, index++) {
		if (!memory_read(f->m, chains + (index - head[1]) * 4ull, &hash, 4))
			return false;
		if ((hash | 1) == (want | 1) && is_wanted(f, &d, index, addr))
			return true;
		if (hash & 1)
			return false;
	}
	return false;
}

/* ---- a program's own symbols, in its file ---------------------------------------------------- */

static bool find_in_section(Elf *elf, Elf_Scn *section, const GElf_Shdr *sh, uint64_t *value)
{
	Elf_Data *const data = elf_getdata(section, NULL);
	GElf_Sym symbol;

	for (int i = 0; data != NULL && sh->sh_entsize != 0 &&
	    (uint64_t)i < sh->sh_size / sh->sh_entsize; i++) {
		if (gelf_getsym(data, i, &symbol) == NULL || symbol.st_shndx == SHN_UNDEF)
			continue;
		const char *const name = elf_strptr(elf, sh->sh_link, symbol.st_name);
		if (name != NULL && strcmp(name, wanted) == 0) {
			*value = symbol.st_value;
			return true;
		}
	}
	return false;
}

/* The symbol's value, and the first PT_LOAD's, from which the bias follows. */
static bool find_in_file(int fd, uint64_t *value, uint64_t *first)
{
	Elf *const elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	Elf_Scn *section = NULL;
	GElf_Shdr sh;
	GElf_Phdr ph;
	size_t count = 0;
	bool found = false;

	while (elf != NULL && !found && (section = elf_nextscn(elf, section)) != NULL)
		found = gelf_getshdr(section, &sh) != NULL && sh.sh_type == SHT_SYMTAB &&
		        find_in_section(elf, section, &sh, value);
	*first = 0;
	if (found && elf_getphdrnum(elf, &count) == 0)
		for (size_t i = count; i-- > 0;)
			if (gelf_getphdr(elf, (int)i, &ph) != NULL && ph.p_type == PT_LOAD)
				*first = ph.p_vaddr - ph.p_offset;
	elf_end(elf);
	return found;
}

static bool find_in_program(struct memory *m, const struct memory_mapping *map, uint64_t *addr)
{
	char path[4200];
	uint64_t value, first;

	/* Seen from its own root directory, which may be a container's. */
	snprintf(path, sizeof path, "/proc/%d/root%s", m->pid, map->path);
	int fd = open(m->live ? path : map->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	/* replaced or removed since: the kernel still has it */
	if (fd < 0 && m->live && map == &m->maps[0]) {
		snprintf(path, sizeof path, "/proc/%d/exe", m->pid);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	if (fd < 0)
		return false;
	const bool found = find_in_file(fd, &value, &first);
	close(fd);
	*addr = found ? map->start - first + value : 0;
	return found;
}

/* ---- by its looks ---------------------------------------------------------------------------- */

static bool search_block(struct memory *m, uint64_t at, size_t len, char *block, uint64_t *addr)
{
	const struct outside_mark mark = outside_root_mark();
	struct memory_error ignored;

	if (!memory_read(m, at, block, len))
		return false;
	for (uint64_t root = round_up(at, mark.step); root + mark.offset + mark.len <= at + len;
	    root += mark.step)
		if (memcmp(block + (root - at) + mark.offset, mark.bytes, mark.len) == 0 &&
		    outside_root_at(m, root, &ignored) > 0) {
			*addr = root;
			return true;
		}
	return false;
}

/* Data of mapped files that was written, and the zeroed memory after it (.bss). */
static bool find_by_looks(struct memory *m, uint64_t *addr, const struct memory_mapping **where)
{
	enum { BLOCK = 1 << 20, OVERLAP = 4096, AT_MOST = 64 << 20 };
	char *const block = malloc(BLOCK);
	bool found = false;

	for (size_t i = 0; i < m->map_count && block != NULL && !found; i++) {
		const struct memory_mapping *const map = &m->maps[i], *const last =
		                                                          i > 0 ? map - 1 : map;
		if (!map->writable || (!map->file && !(last->file && last->end == map->start)))
			continue;
		const uint64_t end = min_size(map->end, map->start + AT_MOST);
		for (uint64_t at = map->start; at < end && !found; at += BLOCK - OVERLAP)
			found = search_block(m, at, min_size(BLOCK, end - at), block, addr);
		*where = map->file ? map : last;
	}
	free(block);
	return found;
}

/* ---- what else runs there -------------------------------------------------------------------- */

static const char *file_part(const char *path)
{
	const char *const slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

/* "it seems to run jemalloc" */
static void guess(const struct memory *m, char *text, size_t room)
{
	const struct known_malloc *runs = NULL; /* the first of the table that is mapped */
	char design[32];

	for (size_t k = 0; k < m->map_count; k++)
		if (sscanf(file_part(m->maps[k].path), "libdmm-%31[a-z0-9]", design) == 1 &&
		    strcmp(design, "record") != 0) {
			snprintf(text, room, "it runs dmm's %s, whose heap only 'dmm record' and "
			                     "'dmm show' of a recording can see", design);
			return;
		}
	for (size_t k = 0; k < m->map_count; k++) {
		const struct known_malloc *const of =
		    known_malloc_of_library(file_part(m->maps[k].path));
		if (of != NULL && (runs == NULL || of < runs))
			runs = of;
	}
	if (runs != NULL)
		snprintf(text, room, "it seems to run %s; 'dmm run -- PROGRAM' starts one on slab",
		    runs->shown);
	else
		snprintf(text, room, "it is linked statically, or brings a malloc of its own");
}

/* ---- all together ---------------------------------------------------------------------------- */

static bool first_of_file(const struct memory *m, size_t i)
{
	return m->maps[i].offset == 0 && m->maps[i].file &&
	       (i == 0 || strcmp(m->maps[i - 1].path, m->maps[i].path) != 0);
}

/* Is this it?  A library that has been mapped and never asked is passed over. */
static int accept(struct outside *o, uint64_t addr, const char *path, struct memory_error *e)
{
	const int is = outside_root_at(&o->memory, addr, e);

	if (is > 0) {
		o->root = addr;
		snprintf(o->library, sizeof o->library, "%s", file_part(path));
	}
	return is;
}

bool outside_find(struct outside *o, struct memory_error *e)
{
	struct memory *const m = &o->memory;
	const struct memory_mapping *where = NULL;
	bool known = false;
	uint64_t addr;
	char text[200];

	elf_version(EV_CURRENT);
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < m->map_count; i++) {
			struct loaded_image f = {m, m->maps[i].start, 0};
			if (!first_of_file(m, i) ||
			    !(pass == 0 ? find_symbol(&f, &addr)
			    : find_in_program(m, &m->maps[i], &addr)))
				continue;
			const int is = accept(o, addr, m->maps[i].path, e);
			if (is > 0)
				return true;
			known |= is < 0;
		}
	if (known)
		return false;
	if (find_by_looks(m, &addr, &where) && accept(o, addr, where->path, e) > 0)
		return true;
	if (m->missing != 0)
		return memory_refuse(e, "%s is cut short: %s of it are missing, and with them "
		                        "slab's root, if it had any", m->title,
		                        units_bytes(text, (double)m->missing));
	guess(m, text, sizeof text);
	return memory_refuse(e, "%s does not run slab: %s", m->title, text);
}
