/* memory.c - the part that all sources of memory share: mappings, threads, reads of several
 * pieces. */
#include "process/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "cli/array.h"

bool memory_refuse(struct memory_error *e, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(e->text, sizeof e->text, format, args);
	va_end(args);
	return false;
}

void memory_add_mapping(struct memory *m, const struct memory_mapping *map)
{
	ARRAY_GROW(m->maps, m->map_cap, m->map_count + 1);
	m->maps[m->map_count] = *map;
	m->maps[m->map_count].path = strdup(map->path);
	CHECK(m->maps[m->map_count].path != NULL);
	m->map_count++;
}

void memory_add_thread(struct memory *m, pid_t tid)
{
	ARRAY_GROW(m->threads, m->thread_cap, m->thread_count + 1);
	m->threads[m->thread_count++] = tid;
}

const struct memory_mapping *memory_mapping(const struct memory *m, uint64_t addr)
{
	size_t low = 0, high = m->map_count;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;
		if (addr < m->maps[mid].start)
			high = mid;
		else if (addr >= m->maps[mid].end)
			low = mid + 1;
		else
			return &m->maps[mid];
	}
	return NULL;
}

void memory_read_many(struct memory *m, struct memory_piece *pieces, size_t count)
{
	for (size_t i = 0; i < count; i++)
		pieces[i].got = false;
	for (size_t from = 0; from < count; from += MEMORY_BATCH)
		m->source->read(m, pieces + from, min_size(count - from, MEMORY_BATCH));
}

bool memory_read(struct memory *m, uint64_t addr, void *to, size_t len)
{
	struct memory_piece piece = {.addr = addr, .to = to, .len = len};

	memory_read_many(m, &piece, 1);
	return piece.got;
}

bool memory_read_string(struct memory *m, uint64_t addr, char *to, size_t room)
{
	for (size_t i = 0; i + 1 < room; i++) {
		if (!memory_read(m, addr + i, &to[i], 1))
			return false;
		if (to[i] == '\0')
			return true;
	}
	to[room - 1] = '\0';
	return true;
}

void memory_close(struct memory *m)
{
	for (size_t i = 0; i < m->map_count; i++)
		free(m->maps[i].path);
	free(m->maps);
	free(m->threads);
	if (m->source != NULL && m->source->close != NULL)
		m->source->close(m);
	*m = (struct memory){0};
}
