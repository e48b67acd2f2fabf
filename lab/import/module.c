/* module.c - the files that an imported recording names, as they are here and now: where their
 * code was mapped, and their build-ids. */
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "import/import.h"

enum { ID_LEN = 48, ID_BYTES = 20 };

/* The NT_GNU_BUILD_ID in hexadecimal, or "-". */
static void build_id(Elf *elf, char id[ID_LEN])
{
	size_t count = 0, name, desc;
	GElf_Phdr p;
	GElf_Nhdr note;

	snprintf(id, ID_LEN, "-");
	if (elf_getphdrnum(elf, &count) != 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (gelf_getphdr(elf, (int)i, &p) == NULL || p.p_type != PT_NOTE)
			continue;
		Elf_Data *const data = elf_getdata_rawchunk(elf, (int64_t)p.p_offset, p.p_filesz,
		    ELF_T_NHDR);
		for (size_t at = 0, next; data != NULL &&
		     (next = gelf_getnote(data, at, &note, &name, &desc)) > 0; at = next) {
			const unsigned char *const bytes = (const unsigned char *)data->d_buf;
			if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
			    memcmp(bytes + name, "GNU", 4) != 0)
				continue;
			for (size_t k = 0; k < min_size(note.n_descsz, ID_BYTES); k++)
				snprintf(id + 2 * k, 3, "%02x", bytes[desc + k]);
			return;
		}
	}
}

/* The part of the command that a recording may show: scrubbed, as the recorder does. */
static const char *shown(const struct import *im, const char *path)
{
	const char *const slash = strrchr(path, '/');

	if (!im->scrub)
		return path;
	return strstr(path, ".so") == NULL ? "program" : slash != NULL ? slash + 1 : path;
}

static bool say_segments(struct import *im, Elf *elf, const char *path, uint64_t base,
    bool relative)
{
	size_t count = 0;
	GElf_Phdr p;
	char id[ID_LEN];
	bool first = true;

	if (elf_kind(elf) != ELF_K_ELF || elf_getphdrnum(elf, &count) != 0)
		return false;
	build_id(elf, id);
	for (size_t i = 0; i < count; i++) {
		if (gelf_getphdr(elf, (int)i, &p) == NULL || p.p_type != PT_LOAD)
			continue;
		if (first && !relative)
			base -= round_down(p.p_vaddr, 4096);
		first = false;
		if ((p.p_flags & PF_X) != 0)
			import_say(im, TRACE_MAPS, "%" PRIx64 " %" PRIx64 " %" PRIx64 " %s %s",
			    base + p.p_vaddr,
			    base + p.p_vaddr + p.p_filesz, p.p_offset, id, shown(im, path));
	}
	return !first;
}

bool import_module(struct import *im, const char *path, uint64_t base, bool relative)
{
	char full[4096];
	struct stat st;
	bool said = false;

	if (realpath(path, full) == NULL || stat(full, &st) != 0 || !S_ISREG(st.st_mode))
		return false; /* a device or a pipe might never answer */
	const int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	elf_version(EV_CURRENT);
	Elf *const elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (elf != NULL)
		said = say_segments(im, elf, full, base, relative);
	elf_end(elf);
	close(fd);
	return said;
}
