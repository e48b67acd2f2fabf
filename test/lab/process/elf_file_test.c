/* elf_file_test.c - what elf_read() says of programs, of libraries, and of files
 * that are damaged. */
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/elf_file.h"
#include "test.h"

static char *bytes; /* of LIBRARY */
static size_t len;

static void load(void)
{
	FILE *const f = fopen(LIBRARY, "rb");
	struct stat st;

	assert_non_null(f);
	fstat(fileno(f), &st);
	len = (size_t)st.st_size;
	bytes = malloc(len);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, len, f), len);
	fclose(f);
}

static Elf64_Ehdr *head(void)
{
	return (Elf64_Ehdr *)(void *)bytes;
}

static Elf64_Phdr *segment(uint32_t type)
{
	Elf64_Phdr *const p = (Elf64_Phdr *)(void *)(bytes + head()->e_phoff);

	for (size_t i = 0; i < head()->e_phnum; i++)
		if (p[i].p_type == type)
			return &p[i];
	fail_msg("the library has no segment of type %u", type);
	return NULL;
}

static Elf64_Shdr *sections(void)
{
	return (Elf64_Shdr *)(void *)(bytes + head()->e_shoff);
}

static Elf64_Shdr *symbols(void)
{
	for (size_t i = 0; i < head()->e_shnum; i++)
		if (sections()[i].sh_type == SHT_DYNSYM)
			return &sections()[i];
	fail_msg("the library has no dynamic symbols");
	return NULL;
}

/* elf_read() of the first `n` bytes, as they are now. */
static bool read_bytes(size_t n, struct elf_facts *facts)
{
	char path[64];
	const int fd = memfd_create("elf", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	const bool is = elf_read(path, facts);
	close(fd);
	assert_true(is == (facts->problem[0] == '\0'));
	return is;
}

static void is_refused(const char *words)
{
	struct elf_facts facts;

	assert_false(read_bytes(len, &facts));
	if (strstr(facts.problem, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", facts.problem, words);
}

/* It is read, but what is damaged says nothing. */
static void has_no_malloc(void)
{
	struct elf_facts facts;

	assert_true(read_bytes(len, &facts));
	assert_false(facts.has_malloc);
	free(bytes);
	load();
}

TEST(a_library_of_ours_defines_malloc_and_has_a_build_id)
{
	struct elf_facts facts;

	assert_true(elf_read(LIBRARY, &facts));
	assert_true(facts.shared && facts.has_malloc);
	assert_false(facts.interpreted);
	assert_true(strlen(facts.build_id) >= 16);
	assert_int_equal(strspn(facts.build_id, "0123456789abcdef"), strlen(facts.build_id));
}

TEST(a_program_asks_for_a_loader)
{
	struct elf_facts facts;

	assert_true(elf_read("/proc/self/exe", &facts));
	assert_true(facts.interpreted);
	assert_false(facts.has_entry);
}

TEST(what_is_no_file_is_refused)
{
	char directory[] = "/tmp/dmm-elf-XXXXXX", path[64];
	struct elf_facts facts;

	assert_false(elf_read("/no/such/file", &facts));
	assert_string_equal(facts.problem, "No such file or directory");
	assert_false(elf_read("/", &facts));
	assert_string_equal(facts.problem, "not an ELF file");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/fifo", directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(elf_read(path, &facts)); /* and does not wait for a writer */
	assert_string_equal(facts.problem, "not an ELF file");
	unlink(path);
	rmdir(directory);
}

TEST(a_file_cut_off_anywhere_is_read_or_refused)
{
	struct elf_facts facts;

	load();
	for (size_t n = 0; n < 80; n++)
		read_bytes(n, &facts);
	assert_false(read_bytes(0, &facts));
	assert_string_equal(facts.problem, "not an ELF file");
	assert_false(read_bytes(sizeof(Elf64_Ehdr) - 1, &facts));
	assert_string_equal(facts.problem, "not an ELF file of this machine");
	assert_true(read_bytes(sizeof(Elf64_Ehdr), &facts));
	assert_false(facts.interpreted || facts.has_malloc || facts.build_id[0] != '\0');
	for (size_t n = 80; n < len; n += len / 97)
		read_bytes(n, &facts);
	assert_true(read_bytes(len, &facts));
	assert_true(facts.has_malloc);
	free(bytes);
}

TEST(a_file_of_another_kind_of_machine_is_refused_by_what_it_is)
{
	load();
	bytes[EI_CLASS] = ELFCLASS32;
	is_refused("wrong ELF class: a 32-bit file");
	bytes[EI_CLASS] = ELFCLASS64;
	bytes[EI_DATA] = ELFDATA2MSB;
	is_refused("not an ELF file of this machine");
	bytes[EI_DATA] = ELFDATA2LSB;
	head()->e_machine = EM_S390;
	is_refused("an ELF file for another machine");
	bytes[0] = 'M';
	is_refused("not an ELF file");
	free(bytes);
}

TEST(tables_that_lie_out_of_the_file_say_nothing)
{
	struct elf_facts facts;

	load();
	const uint64_t places[] = {len, UINT64_MAX - 7, (uint64_t)1 << 62, 1};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		head()->e_phoff = places[i];
		read_bytes(len, &facts);
		assert_false(facts.interpreted);
		free(bytes);
		load();
		head()->e_shoff = places[i];
		has_no_malloc();
		symbols()->sh_offset = places[i] | 1 << 20;
		has_no_malloc();
		segment(PT_NOTE)->p_offset = places[i];
		read_bytes(len, &facts);
		free(bytes);
		load();
	}
	symbols()->sh_size = (uint64_t)1 << 60;
	has_no_malloc();
	symbols()->sh_link = 60000;
	has_no_malloc();
	sections()[symbols()->sh_link].sh_offset = (uint64_t)1 << 60;
	has_no_malloc();
	sections()[symbols()->sh_link].sh_size = 1;
	has_no_malloc();
	free(bytes);
}

TEST(notes_that_claim_too_much_give_no_build_id)
{
	struct elf_facts facts;
	const uint32_t sizes[] = {UINT32_MAX, UINT32_MAX - 3, 1u << 31, 1u << 20};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (size_t field = 0; field < 2; field++) {
			load();
			Elf64_Phdr *const p = (Elf64_Phdr *)(void *)(bytes + head()->e_phoff);
			for (size_t k = 0; k < head()->e_phnum; k++)
				if (p[k].p_type == PT_NOTE)
					memcpy(bytes + p[k].p_offset + field * 4, &sizes[i], 4);
			assert_true(read_bytes(len, &facts));
			assert_true(facts.has_malloc);
			assert_string_equal(facts.build_id, "");
			free(bytes);
		}
}

TEST(a_build_id_of_any_length_fits)
{
	struct elf_facts facts;

	load();
	const Elf64_Nhdr note = {.n_namesz = 4, .n_descsz = 200, .n_type = NT_GNU_BUILD_ID};
	const Elf64_Phdr only = {.p_type = PT_NOTE, .p_offset = 256, .p_filesz = 12 + 4 + 200,
	    .p_align = 4};
	memset(bytes + 256, 0xab, 12 + 4 + 200);
	memcpy(bytes + 256, &note, sizeof note);
	memcpy(bytes + 256 + sizeof note, "GNU", 4);
	memcpy(bytes + sizeof(Elf64_Ehdr), &only, sizeof only);
	head()->e_phoff = sizeof(Elf64_Ehdr);
	head()->e_phnum = 1;
	assert_true(read_bytes(len, &facts));
	assert_int_equal(strlen(facts.build_id), ELF_ID_LEN - 1);
	assert_int_equal(strspn(facts.build_id, "ab"), ELF_ID_LEN - 1);
	free(bytes);
}
