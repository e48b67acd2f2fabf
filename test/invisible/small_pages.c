/* small_pages.c - a heap below 16 MiB gets no huge page where the kernel uses them always.
 *
 * The kernel fills an anonymous mapping with huge pages only where it holds a whole 2 MiB, aligned,
 * and has no MADV_NOHUGEPAGE (in /proc/self/smaps: "nh").  So this program needs no other setting
 * of the kernel: it looks for such a mapping.
 *
 * Exit 0: there is none; 1: there is one; 77: the kernel has no huge pages.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uintptr_t HUGE = 2 << 20;

static void fill_heap(void)
{
	enum { SMALL = 40000, SMALL_SIZE = 200, LARGE = 20, LARGE_SIZE = 200 << 10 };

	for (int i = 0; i < SMALL + LARGE; i++) {
		const size_t n = i < SMALL ? SMALL_SIZE : LARGE_SIZE;
		char *const p = malloc(n);
		if (p == NULL)
			exit(1);
		memset(p, 1, n);
	}
}

/* A line that begins a mapping: is it one that malloc may have made, and large enough? */
static int is_candidate(const char *line)
{
	uintptr_t from, to;
	char access[8] = "", name[64] = "";

	if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %63s", &from, &to, access, name) < 3)
		return 0;
	if (access[1] != 'w' || (name[0] != '\0' && strcmp(name, "[heap]") != 0))
		return 0;
	return (from + HUGE - 1) / HUGE * HUGE + HUGE <= to;
}

int main(void)
{
	char line[512], mapping[512] = "";
	unsigned seen = 0, bad = 0;

	if (access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) != 0)
		return 77;
	fill_heap();
	FILE *const file = fopen("/proc/self/smaps", "r");
	if (file == NULL)
		return 77;
	while (fgets(line, sizeof line, file) != NULL) {
		if (strncmp(line, "VmFlags:", 8) != 0) {
			if (strchr(line, '-') != NULL && strchr(line, '-') < strchr(line, ' '))
				strcpy(mapping, line);
			continue;
		}
		if (!is_candidate(mapping))
			continue;
		seen++;
		if (strstr(line, " nh") == NULL) {
			bad++;
			printf("may get huge pages: %s", mapping);
		}
	}
	fclose(file);
	printf("%u mappings with room for a huge page, %u without MADV_NOHUGEPAGE\n", seen, bad);
	return bad != 0 || seen == 0;
}
