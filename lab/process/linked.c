/* linked.c - the loader's own list of a process.
 *
 *   AT_PHDR -> PT_DYNAMIC -> DT_DEBUG -> struct r_debug -> link_map -> link_map -> ...
 *                                                          program     preloaded, then linked
 *
 * At the entry point the list is in the order in which names are looked up: the first that defines
 * malloc is the program's.
 */
#include "process/linked.h"

#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/uio.h>

#include "base/bits.h"
#include "process/elf_file.h"

enum { OBJECTS_MAX = 4096, SEGMENTS_MAX = 64, ENTRIES_MAX = 256 };

bool linked_auxiliary(pid_t pid, unsigned long type, unsigned long *value)
{
	char name[64];
	Elf64_auxv_t entry;
	bool found = false;

	snprintf(name, sizeof name, "/proc/%d/auxv", pid);
	FILE *const f = fopen(name, "re");
	if (f == NULL)
		return false;
	while (!found && fread(&entry, sizeof entry, 1, f) == 1)
		found = entry.a_type == type;
	fclose(f);
	*value = entry.a_un.a_val;
	return found;
}

static bool peek(pid_t pid, uintptr_t at, void *to, size_t len)
{
	const struct iovec local = {to, len}, remote = {(void *)at, len};
	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

/* A name may end just before a page that is not there. */
static bool peek_name(pid_t pid, uintptr_t at, char name[PATH_MAX])
{
	for (size_t used = 0; used < PATH_MAX;) {
		const size_t len = min_size(64 - (at + used) % 64, PATH_MAX - used);
		if (!peek(pid, at + used, name + used, len))
			return false;
		if (memchr(name + used, '\0', len) != NULL)
			return true;
		used += len;
	}
	return false;
}

static uintptr_t find_dynamic(pid_t pid)
{
	unsigned long at, count;
	Elf64_Phdr ph[SEGMENTS_MAX];
	uintptr_t bias = 0, dynamic = 0;

	if (!linked_auxiliary(pid, AT_PHDR, &at) || !linked_auxiliary(pid, AT_PHNUM, &count) ||
	    count > SEGMENTS_MAX || !peek(pid, at, ph, count * sizeof *ph))
		return 0;
	for (unsigned long i = 0; i < count; i++) {
		if (ph[i].p_type == PT_PHDR)
			bias = at - ph[i].p_vaddr;
		if (ph[i].p_type == PT_DYNAMIC)
			dynamic = ph[i].p_vaddr;
	}
	return dynamic != 0 ? dynamic + bias : 0;
}

static uintptr_t find_list(pid_t pid)
{
	const uintptr_t dynamic = find_dynamic(pid);
	Elf64_Dyn entry = {.d_tag = DT_NULL};
	struct r_debug debug;

	for (size_t i = 0; dynamic != 0 && i < ENTRIES_MAX; i++) {
		if (!peek(pid, dynamic + i * sizeof entry, &entry, sizeof entry) ||
		    entry.d_tag == DT_NULL)
			return 0;
		if (entry.d_tag == DT_DEBUG)
			return peek(pid, entry.d_un.d_ptr, &debug, sizeof debug)
			    ? (uintptr_t)debug.r_map : 0;
	}
	return 0;
}

static void look(const char *path, struct linked *linked)
{
	const char *const slash = strrchr(path, '/');
	struct elf_facts facts;

	if (slash == NULL || !elf_read(path, &facts) || !facts.has_malloc)
		return;
	if (linked->malloc_from[0] == '\0')
		snprintf(linked->malloc_from, PATH_MAX, "%s", path);
	if (strcmp(slash + 1, "libc.so.6") == 0)
		snprintf(linked->libc, PATH_MAX, "%s", path);
}

bool linked_read(pid_t pid, struct linked *linked)
{
	char path[PATH_MAX];
	struct link_map map;
	uintptr_t at = find_list(pid);
	const bool found = at != 0;

	*linked = (struct linked){.malloc_from = ""};
	for (size_t i = 0; at != 0 && i < OBJECTS_MAX; i++, at = (uintptr_t)map.l_next) {
		if (!peek(pid, at, &map, sizeof map))
			return false;
		/* the first is the program */
		if (i != 0 && peek_name(pid, (uintptr_t)map.l_name, path))
			look(path, linked);
	}
	return found;
}
