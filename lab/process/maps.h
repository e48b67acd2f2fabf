/* maps.h - /proc/PID/maps, the mappings of a process, line by line. */
#ifndef LAB_PROCESS_MAPS_H
#define LAB_PROCESS_MAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct map_line {
	uint64_t start, end, offset; /* addresses; bytes into the file */
	uint64_t inode;              /* 0: no file */
	bool writable;
	const char *path; /* "": anonymous; also "[heap]" and the like; good until visit returns */
};

/* Calls visit(arg, line) for each mapping in address order, until it returns false.  Returns 0, or
 * the errno of opening the file. */
int maps_visit(pid_t pid, bool (*visit)(void *arg, const struct map_line *line), void *arg);

#endif
