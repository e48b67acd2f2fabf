/* maps.c - see maps.h. */
#include "process/maps.h"

#include <errno.h>

int maps_visit(pid_t pid, bool (*visit)(void *arg, const struct map_line *line), void *arg)
{
	char text[PROC_MAPS_WHOLE];
	struct proc_maps maps;
	struct map_line line;

	if (pid <= 0) /* 0 would be ourselves */
		return ESRCH;
	const int refused = proc_maps_open(&maps, pid, text, sizeof text);
	if (refused != 0)
		return refused;
	while (proc_maps_next(&maps, &line) && visit(arg, &line))
		;
	proc_maps_close(&maps);
	return maps.error;
}
