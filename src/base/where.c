/* where.c - see where.h. */
#include "base/where.h"

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/crash.h"
#include "base/proc_maps.h"

__thread const void *where_called;

enum { PATH_LEN = 512, BUFFER = 1024 }; /* on the stack: of a signal handler too, with 8 KiB */

/* The address at which a file's own addresses begin: where it is mapped, but 0 for a program that
 * cannot move. */
static uintptr_t base_of(uintptr_t start, bool readable)
{
	const Elf64_Ehdr *const head = (const Elf64_Ehdr *)start;
	const bool fixed = readable && memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 &&
	    head->e_type == ET_EXEC;
	return fixed ? 0 : start;
}

/* The file mapped at `code`, its path cut at PATH_LEN - 1 bytes, and what its addresses there begin
 * at. */
static bool find(struct proc_maps *maps, uintptr_t code, char path[PATH_LEN], uintptr_t *base)
{
	struct map_line line;

	path[0] = '\0';
	while (proc_maps_next(maps, &line)) {
		const size_t len = strnlen(line.path, PATH_LEN - 1);
		const bool file = line.path[0] == '/';
		if (file && (strncmp(line.path, path, len) != 0 || path[len] != '\0')) {
			memcpy(path, line.path, len); /* a file's first mapping */
			path[len] = '\0';
			*base = base_of((uintptr_t)line.start, line.readable);
		}
		if (line.start <= code && code < line.end)
			return file;
	}
	return false;
}

size_t where_format(char *buf, size_t cap, const void *code)
{
	const uintptr_t call = (uintptr_t)code - 1; /* inside the call instruction */
	struct proc_maps maps;
	char text[BUFFER], path[PATH_LEN];
	uintptr_t base = 0;
	bool found = false;

	if (proc_maps_open(&maps, 0, text, sizeof text) == 0) {
		found = find(&maps, call, path, &base);
		proc_maps_close(&maps);
	}
	return found ? crash_format(buf, cap, "%s+%p", path, (void *)(call - base))
	             : crash_format(buf, cap, "%p", (void *)call);
}

size_t where_found(char *buf, size_t cap)
{
	static const char words[] = "; found in the call at ";

	buf[0] = '\0';
	if (where_called == NULL || cap <= sizeof words)
		return 0;
	memcpy(buf, words, sizeof words);
	return sizeof words - 1 + where_format(buf + sizeof words - 1, cap - sizeof words + 1,
	    where_called);
}
