/* elf_file.c - reads ELF files of this machine through libelf, which checks every offset: files
 * come from anywhere. */
#include "process/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dmm_system.h"

static bool problem(struct elf_facts *facts, const char *text)
{
	snprintf(facts->problem, sizeof facts->problem, "%s", text);
	return false;
}

static GElf_Half this_machine(void)
{
	Elf64_Ehdr head = {.e_machine = EM_NONE};
	const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	const bool is = fd >= 0 && read(fd, &head, sizeof head) == sizeof head;
	if (fd >= 0)
		close(fd);
	return is ? head.e_machine : EM_NONE;
}

/* Its first bytes, before libelf: a file of another kind is named as what it is. */
static bool check_ident(int fd, struct elf_facts *facts)
{
	char ident[EI_NIDENT];

	if (pread(fd, ident, sizeof ident, 0) != sizeof ident ||
	    memcmp(ident, ELFMAG, SELFMAG) != 0)
		return problem(facts, "not an ELF file");
	if (ident[EI_CLASS] != ELFCLASS64)
		return problem(facts, "wrong ELF class: a 32-bit file");
	return true;
}

static bool check_head(Elf *elf, GElf_Ehdr *head, struct elf_facts *facts)
{
	if (elf == NULL && errno == ENOMEM)
		return problem(facts, "no memory to read it");
	if (gelf_getehdr(elf, head) == NULL || head->e_ident[EI_DATA] != ELFDATA2LSB)
		return problem(facts, "not an ELF file of this machine");
	if (head->e_machine != this_machine())
		return problem(facts, "an ELF file for another machine");
	return true;
}

static void read_notes(Elf *elf, const GElf_Phdr *segment, struct elf_facts *facts)
{
	Elf_Data *const data = elf_getdata_rawchunk(elf, (int64_t)segment->p_offset,
	    segment->p_filesz, segment->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
	GElf_Nhdr note;
	size_t name, text;

	for (size_t at = 0;
	     data != NULL && (at = gelf_getnote(data, at, &note, &name, &text)) > 0;) {
		const unsigned char *const id = (const unsigned char *)data->d_buf + text;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof "GNU")
			for (size_t i = 0; i < note.n_descsz && 2 * i + 3 <= ELF_ID_LEN; i++)
				sprintf(facts->build_id + 2 * i, "%02x", id[i]);
	}
}

static void read_segments(Elf *elf, struct elf_facts *facts)
{
	size_t count = 0;
	GElf_Phdr segment;

	elf_getphdrnum(elf, &count);
	for (size_t i = 0; i < count && gelf_getphdr(elf, (int)i, &segment) != NULL; i++) {
		facts->interpreted |= segment.p_type == PT_INTERP;
		if (segment.p_type == PT_NOTE)
			read_notes(elf, &segment, facts);
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

static void read_symbols(Elf *elf, struct elf_facts *facts)
{
	GElf_Shdr head;
	GElf_Sym symbol;

	for (Elf_Scn *table = NULL; (table = elf_nextscn(elf, table)) != NULL;) {
		if (gelf_getshdr(table, &head) == NULL || head.sh_type != SHT_DYNSYM)
			continue;
		Elf_Data *const data = elf_getdata(table, NULL);
		for (int i = 0; data != NULL && gelf_getsym(data, i, &symbol) != NULL; i++) {
			const char *const name = elf_strptr(elf, head.sh_link, symbol.st_name);
			if (name != NULL)
				read_symbol(name, symbol.st_shndx != SHN_UNDEF, facts);
		}
	}
}

static bool read_file(int fd, struct elf_facts *facts)
{
	struct stat st;
	GElf_Ehdr head;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return problem(facts, "not an ELF file");
	if (!check_ident(fd, facts))
		return false;
	elf_version(EV_CURRENT);
	errno = 0;
	Elf *const elf = elf_begin(fd, ELF_C_READ, NULL);
	const bool ok = check_head(elf, &head, facts);
	if (ok) {
		facts->shared = head.e_type == ET_DYN;
		read_segments(elf, facts);
		read_symbols(elf, facts);
	}
	elf_end(elf);
	return ok;
}

bool elf_read(const char *path, struct elf_facts *facts)
{
	*facts = (struct elf_facts){0};
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return problem(facts, strerror(errno));
	const bool ok = read_file(fd, facts);
	close(fd);
	return ok;
}
