/* code_maps.c - see code_maps.h. */
#include "interpose/code_maps.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/proc_maps.h"

/* The kernel refuses what is not mapped; a library may be unmapped at this moment. */
static bool peek(void *arg, uint64_t addr, void *to, size_t n)
{
	(void)arg;
	const int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	const bool got = fd >= 0 && pread(fd, to, n, (off_t)addr) == (ssize_t)n;

	if (fd >= 0)
		close(fd);
	return got;
}

int code_maps_visit(void (*visit)(void *arg, const struct code_map *map), void *arg)
{
	char buf[PROC_MAPS_WHOLE], path[PATH_MAX] = "";
	uint64_t base = 0; /* where the beginning of the file `path` is mapped; 0: nowhere */
	struct proc_maps maps;
	struct map_line line;
	const int error = proc_maps_open(&maps, 0, buf, sizeof buf);

	if (error != 0)
		return error;
	while (proc_maps_next(&maps, &line)) {
		if (line.path[0] != '/' && strcmp(line.path, "[vdso]") != 0)
			continue;
		if (line.offset == 0 || strcmp(line.path, path) != 0) {
			base = line.offset == 0 ? line.start : 0;
			strncpy(path, line.path, sizeof path - 1);
		}
		struct code_map m = {.start = line.start, .end = line.end, .offset = line.offset,
		    .path = line.path};
		if (!line.executable)
			continue;
		elf_id_at(peek, NULL, base, m.id);
		visit(arg, &m);
	}
	proc_maps_close(&maps);
	return 0;
}
