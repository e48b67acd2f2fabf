/* small_program.c - what the library itself costs a small program in resident memory: its code, its
 * constants and its variables, but not the heap.
 *
 *   small_program KIB
 *
 * Exit 0: no more than KIB; 77: the kernel does not tell, or it brings whole mappings at the first
 * touch, since the file system's pages are large.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A program's day: objects of all small sizes, some of which grow. */
static int work(void)
{
	enum { OBJECTS = 1000 };
	static char *p[OBJECTS];

	for (size_t i = 0; i < OBJECTS; i++)
		if ((p[i] = i % 3 == 0 ? calloc(1, i + 1) : malloc(i + 1)) == NULL)
			return 1;
	for (size_t i = 0; i < OBJECTS; i += 7)
		if ((p[i] = realloc(p[i], 2 * i + 1)) == NULL)
			return 1;
	for (size_t i = 0; i < OBJECTS; i++)
		free(p[i]);
	return 0;
}

/* The whole of smaps; no stdio, which allocates. */
static const char *mappings(void)
{
	static char text[1 << 18];
	const int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	for (ssize_t got = 1; fd >= 0 && got > 0 && n < sizeof text - 1; n += (size_t)got)
		if ((got = read(fd, text + n, sizeof text - 1 - n)) < 0)
			break;
	return n == 0 ? NULL : text;
}

struct resident {
	size_t kib;
	unsigned code; /* mappings that may be executed */
	bool whole;    /* the file's mappings are resident as a whole */
};

/* Of all mappings of the library, and of the one that follows its last without a gap: its zeroed
 * variables. */
static struct resident resident(const char *text)
{
	struct resident r = {.whole = true};
	size_t kib;
	unsigned long from = 0, to = 0, end = 0;
	char name[256] = "";
	bool file = false, ours = false;

	for (const char *line = text; line != NULL && *line != '\0';) {
		char here[256] = "", rights[8];
		unsigned long a, b;
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s%*[ ]%255[^\n]", &a, &b, rights, here) >=
		    3) {
			from = a, to = b;
			strcpy(name, here);
			file = strstr(name, "/libdmm.so") != NULL;
			ours = file || (name[0] == '\0' && from == end);
			end = file ? to : 0;
			r.code += file && rights[2] == 'x';
		} else if (ours && sscanf(line, "Rss: %zu", &kib) == 1) {
			printf("%lx-%lx %4zu KiB %s\n", from, to, kib, name);
			r.kib += kib;
			r.whole = r.whole && (!file || kib == (to - from) / 1024);
		}
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return r;
}

int main(int argc, char **argv)
{
	if (argc != 2 || work() != 0)
		return 2;
	const char *const text = mappings();
	if (text == NULL || sysconf(_SC_PAGESIZE) != 4096)
		return 77;
	const struct resident r = resident(text);
	const size_t most = strtoul(argv[1], NULL, 10);
	printf("%zu KiB of the library are resident; allowed are %zu\n", r.kib, most);
	/* The code that a small program does not execute has a mapping of its own (libdmm.ld). */
	if (r.code == 2 && r.whole)
		return 77;
	return r.kib == 0 || r.kib > most;
}
