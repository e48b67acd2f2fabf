/* elf_file.c - reads ELF files of this machine; every offset is checked, files come from
 * anywhere. */
#include "process/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "dmm_system.h"

struct image {
	const char *at;
	size_t len;
};

static const void *part(const struct image *f, uint64_t offset, uint64_t len)
{
	return offset <= f->len && len <= f->len - offset ? f->at + offset : NULL;
}

/* The same for an array of headers or symbols, which must be aligned to be read in place. */
static const void *records(const struct image *f, uint64_t offset, uint64_t len)
{
	return is_aligned(f->at + offset, sizeof(uint64_t)) ? part(f, offset, len) : NULL;
}

static bool problem(struct elf_facts *facts, const char *text)
{
	snprintf(facts->problem, sizeof facts->problem, "%s", text);
	return false;
}

static Elf64_Half this_machine(void)
{
	const Elf64_Ehdr *self = NULL;
	static Elf64_Ehdr head;
	const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, &head, sizeof head) == sizeof head)
		self = &head;
	if (fd >= 0)
		close(fd);
	return self != NULL ? self->e_machine : EM_NONE;
}

static bool check_head(const struct image *f, struct elf_facts *facts)
{
	const Elf64_Ehdr *const head = part(f, 0, sizeof *head);

	if (f->len < EI_NIDENT || memcmp(f->at, ELFMAG, SELFMAG) != 0)
		return problem(facts, "not an ELF file");
	if (f->at[EI_CLASS] != ELFCLASS64)
		return problem(facts, "wrong ELF class: a 32-bit file");
	if (head == NULL || f->at[EI_DATA] != ELFDATA2LSB)
		return problem(facts, "not an ELF file of this machine");
	if (head->e_machine != this_machine())
		return problem(facts, "an ELF file for another machine");
	return true;
}

static void read_notes(const char *at, size_t len, struct elf_facts *facts)
{
	while (len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		memcpy(&note, at, sizeof note);
		const uint64_t name = round_up((size_t)note.n_namesz, 4);
		const uint64_t all = sizeof note + name + round_up((size_t)note.n_descsz, 4);
		if (all > len)
			return;
		const unsigned char *const id = (const unsigned char *)at + sizeof note + name;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof "GNU")
			for (size_t i = 0; i < note.n_descsz && 2 * i + 3 <= ELF_ID_LEN; i++)
				sprintf(facts->build_id + 2 * i, "%02x", id[i]);
		at += all;
		len -= all;
	}
}

static void read_segments(const struct image *f, struct elf_facts *facts)
{
	const Elf64_Ehdr *const head = part(f, 0, sizeof *head);
	const Elf64_Phdr *const ph = records(f, head->e_phoff,
	    (uint64_t)head->e_phnum * sizeof *ph);

	facts->shared = head->e_type == ET_DYN;
	for (size_t i = 0; ph != NULL && i < head->e_phnum; i++) {
		facts->interpreted |= ph[i].p_type == PT_INTERP;
		const char *const at = part(f, ph[i].p_offset, ph[i].p_filesz);
		if (ph[i].p_type == PT_NOTE && at != NULL)
			read_notes(at, ph[i].p_filesz, facts);
	}
}

static void read_symbol(const char *name, bool defined, struct elf_facts *facts)
{
	if (strcmp(name, "__asan_init") == 0)
		facts->sanitizer = "AddressSanitizer";
	else if (strcmp(name, "__tsan_init") == 0)
		facts->sanitizer = "ThreadSanitizer";
	else if (strcmp(name, "__msan_init") == 0)
		facts->sanitizer = "MemorySanitizer";
	else if (defined && strcmp(name, "malloc") == 0)
		facts->has_malloc = true;
	else if (defined && strcmp(name, DMM_SYSTEM_SYMBOL) == 0)
		facts->has_entry = true;
}

static void read_symbols(const struct image *f, const Elf64_Shdr *table, const Elf64_Shdr *strings,
    struct elf_facts *facts)
{
	const Elf64_Sym *const symbol = records(f, table->sh_offset, table->sh_size);
	const char *const names = part(f, strings->sh_offset, strings->sh_size);

	if (symbol == NULL || names == NULL || strings->sh_size == 0 ||
	    names[strings->sh_size - 1] != '\0')
		return;
	for (size_t i = 0; i < table->sh_size / sizeof *symbol; i++)
		if (symbol[i].st_name < strings->sh_size)
			read_symbol(names + symbol[i].st_name, symbol[i].st_shndx != SHN_UNDEF,
			    facts);
}

static void read_sections(const struct image *f, struct elf_facts *facts)
{
	const Elf64_Ehdr *const head = part(f, 0, sizeof *head);
	const Elf64_Shdr *const sh = records(f, head->e_shoff,
	    (uint64_t)head->e_shnum * sizeof *sh);

	for (size_t i = 0; sh != NULL && i < head->e_shnum; i++)
		if (sh[i].sh_type == SHT_DYNSYM && sh[i].sh_link < head->e_shnum)
			read_symbols(f, &sh[i], &sh[sh[i].sh_link], facts);
}

static bool map_file(const char *path, struct image *f, struct elf_facts *facts)
{
	struct stat st;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return problem(facts, strerror(errno));
	const bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
	void *const p = regular ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
	                        : MAP_FAILED;
	close(fd);
	if (p == MAP_FAILED)
		return problem(facts, "not an ELF file");
	*f = (struct image){.at = p, .len = (size_t)st.st_size};
	return true;
}

bool elf_read(const char *path, struct elf_facts *facts)
{
	struct image f;

	*facts = (struct elf_facts){0};
	if (!map_file(path, &f, facts))
		return false;
	const bool ok = check_head(&f, facts);
	if (ok) {
		read_segments(&f, facts);
		read_sections(&f, facts);
	}
	munmap((void *)f.at, f.len);
	return ok;
}
