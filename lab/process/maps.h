/* maps.h - the mappings of a process, one after another. */
#ifndef LAB_PROCESS_MAPS_H
#define LAB_PROCESS_MAPS_H

#include "base/proc_maps.h"

/* Calls visit(arg, line) for each mapping in address order, until it returns false.  Returns 0, or
 * the errno of opening or reading /proc/PID/maps. */
int maps_visit(pid_t pid, bool (*visit)(void *arg, const struct map_line *line), void *arg);

#endif
