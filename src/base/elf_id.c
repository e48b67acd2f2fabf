/* elf_id.c - see elf_id.h. */
#include "base/elf_id.h"

#include <elf.h>
#include <string.h>

#include "base/bits.h"

enum { ID_BYTES = 20, NOTES_LEN = 2048, HEADERS_MAX = 64 };

static void hex(char *to, const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		to[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		to[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	to[2 * n] = '\0';
}

bool elf_id_in_notes(const void *bytes, size_t len, char id[ELF_ID_ROOM])
{
	const unsigned char *const notes = bytes;

	for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= len;) {
		Elf64_Nhdr h;
		memcpy(&h, notes + at, sizeof h);
		const size_t name = at + sizeof h;
		const size_t desc = name + round_up(h.n_namesz, 4);
		if (h.n_namesz > 64 || h.n_descsz > 64 || desc + h.n_descsz > len)
			return false;
		if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 &&
		    memcmp(notes + name, "GNU", 4) == 0) {
			hex(id, notes + desc, min_size(h.n_descsz, ID_BYTES));
			return true;
		}
		at = desc + round_up(h.n_descsz, 4);
	}
	return false;
}

void elf_id_at(elf_peek *peek, void *arg, uint64_t base, char id[ELF_ID_ROOM])
{
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr;
	uint64_t bias = base;
	unsigned char notes[NOTES_LEN];

	id[0] = '-';
	id[1] = '\0';
	if (base == 0 || !peek(arg, base, &ehdr, sizeof ehdr) ||
	    memcmp(ehdr.e_ident, ELFMAG, SELFMAG) != 0)
		return;
	if (ehdr.e_type == ET_EXEC)
		bias = 0;
	for (unsigned i = 0; i < ehdr.e_phnum && i < HEADERS_MAX; i++) {
		if (!peek(arg, base + ehdr.e_phoff + i * sizeof phdr, &phdr, sizeof phdr))
			return;
		if (phdr.p_type != PT_NOTE)
			continue;
		const size_t len = min_size(phdr.p_filesz, sizeof notes);
		if (peek(arg, bias + phdr.p_vaddr, notes, len) && elf_id_in_notes(notes, len, id))
			return;
	}
}
