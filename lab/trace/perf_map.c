/* perf_map.c - see perf_map.h. */
#include "trace/perf_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/array.h"
#include "cli/input.h"

struct made_code {
	uint64_t start, end;
	char *name;
	/* of the map: the place of code that was dropped is given out again, and the
	 * last line holds */
	size_t line;
};

struct perf_map {
	uint32_t pid;
	struct made_code *at; /* by address */
	size_t count;
	uint64_t longest; /* bytes of the longest piece of code */
	bool tried;
};

struct perf_map *perf_map_open(uint32_t pid)
{
	struct perf_map *const m = calloc(1, sizeof *m);

	if (m != NULL)
		m->pid = pid;
	return m;
}

void perf_map_close(struct perf_map *m)
{
	for (size_t i = 0; m != NULL && i < m->count; i++)
		free(m->at[i].name);
	if (m != NULL)
		free(m->at);
	free(m);
}

static int by_start(const void *a, const void *b)
{
	const struct made_code *const x = a, *const y = b;
	return x->start < y->start ? -1 : x->start > y->start;
}

/* A line "START SIZE NAME" in hexadecimal for each piece of code. */
static void read_lines(struct perf_map *m, FILE *f)
{
	char *line = NULL;
	size_t line_cap = 0, cap = 0;
	int name_at = 0;
	struct made_code j;

	while (getline(&line, &line_cap, f) > 0) {
		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %n", &j.start, &j.end, &name_at) != 2)
			continue;
		if (!ARRAY_RESERVE(m->at, cap, m->count + 1))
			break;
		line[strcspn(line, "\n")] = '\0';
		m->longest = max_size(m->longest, j.end);
		j.end += j.start;
		j.line = m->count;
		j.name = strdup(line + name_at);
		if (j.name != NULL)
			m->at[m->count++] = j;
	}
	free(line);
	if (m->at != NULL)
		qsort(m->at, m->count, sizeof *m->at, by_start);
}

static void read_once(struct perf_map *m)
{
	char path[64];

	if (m->tried)
		return;
	m->tried = true;
	snprintf(path, sizeof path, "/tmp/perf-%u.map", m->pid);
	const int fd = m->pid != 0 ? input_open(path) : -1; /* anyone may put a pipe there */
	FILE *const f = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (f != NULL) {
		read_lines(m, f);
		fclose(f);
	} else if (fd >= 0) {
		close(fd);
	}
}

bool perf_map_is_empty(struct perf_map *m)
{
	if (m != NULL)
		read_once(m);
	return m == NULL || m->count == 0;
}

const char *perf_map_name(struct perf_map *m, uint64_t addr)
{
	if (perf_map_is_empty(m))
		return NULL;
	size_t low = 0, high = m->count;
	while (low < high) {
		const size_t middle = (low + high) / 2;
		if (m->at[middle].start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	const struct made_code *found = NULL;
	for (; low > 0 && addr - m->at[low - 1].start < m->longest; low--)
		if (addr < m->at[low - 1].end &&
		    (found == NULL || m->at[low - 1].line > found->line))
			found = &m->at[low - 1];
	return found != NULL ? found->name : NULL;
}
