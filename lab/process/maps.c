/* maps.c - see maps.h. */
#include "process/maps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { PATHS = 4096 };

/* "5581c0de2000-5581c0de4000 rw-p 00002000 fe:00 123   /usr/bin/x" */
static bool parse(const char *text, struct map_line *line, char path[PATHS])
{
	char permission[8];

	path[0] = '\0';
	*line = (struct map_line){.path = path};
	if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %" SCNu64 " %4095[^\n]",
	    &line->start,
		&line->end, permission, &line->offset, &line->inode, path) < 5)
		return false;
	line->writable = permission[1] == 'w';
	return true;
}

int maps_visit(pid_t pid, bool (*visit)(void *arg, const struct map_line *line), void *arg)
{
	char text[PATHS + 128], path[PATHS];
	struct map_line line;
	bool more = true;

	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	FILE *const f = fopen(path, "re");
	if (f == NULL)
		return errno;
	while (more && fgets(text, sizeof text, f) != NULL)
		if (parse(text, &line, path))
			more = visit(arg, &line);
	fclose(f);
	return 0;
}
