/* where.c - /proc/self/maps, read line by line in a buffer on the stack. */
#include "base/where.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/crash.h"

__thread const void *where_called;

enum { LINE = 512, BUFFER = 1024 }; /* on the stack: of a signal handler too, which may be 8 KiB */

struct lines {
	int fd;
	size_t at, end;
	char buffer[BUFFER];
};

/* The next line without its end, cut off at LINE - 1 letters. */
static bool next_line(struct lines *l, char line[LINE])
{
	size_t n = 0;

	for (;;) {
		if (l->at == l->end) {
			ssize_t got;
			while ((got = read(l->fd, l->buffer, sizeof l->buffer)) < 0 &&
			    errno == EINTR)
				;
			if (got <= 0)
				return false;
			l->at = 0;
			l->end = (size_t)got;
		}
		const char c = l->buffer[l->at++];
		if (c == '\n')
			break;
		if (n < LINE - 1)
			line[n++] = c;
	}
	line[n] = '\0';
	return true;
}

static uintptr_t hex(const char **text)
{
	uintptr_t x = 0;

	for (;; ++*text) {
		const char c = **text;
		if (c >= '0' && c <= '9')
			x = x * 16 + (uintptr_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			x = x * 16 + (uintptr_t)(c - 'a' + 10);
		else
			return x;
	}
}

/* What a file's own addresses begin at: where it is mapped, but 0 for a program that cannot
 * move. */
static uintptr_t base_of(uintptr_t start, bool readable)
{
	const Elf64_Ehdr *const head = (const Elf64_Ehdr *)start;
	const bool fixed = readable && memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 &&
	    head->e_type == ET_EXEC;
	return fixed ? 0 : start;
}

/* The file mapped at `code`, and what its addresses there begin at.  Line by line:
 *   55d0c0a00000-55d0c0a01000 r--p 00000000 fe:01 1234    /usr/bin/program */
static bool find(struct lines *l, uintptr_t code, char path[LINE], uintptr_t *base)
{
	char line[LINE];

	path[0] = '\0';
	while (next_line(l, line)) {
		const char *at = line, *const name = strchr(line, '/');
		const uintptr_t start = hex(&at);
		at++;
		const uintptr_t end = hex(&at);
		const bool readable = at[0] == ' ' && at[1] == 'r';
		if (name != NULL && strcmp(name, path) != 0) { /* a file's first mapping */
			memcpy(path, name, strlen(name) + 1);
			*base = base_of(start, readable);
		}
		if (start <= code && code < end)
			return name != NULL;
	}
	return false;
}

size_t where_format(char *buf, size_t cap, const void *code)
{
	const uintptr_t call = (uintptr_t)code - 1; /* inside the call instruction */
	struct lines l = {.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)};
	char path[LINE];
	uintptr_t base = 0;

	const bool found = l.fd >= 0 && find(&l, call, path, &base);
	if (l.fd >= 0)
		close(l.fd);
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
