/* run.h - dmm run: runs a program on a design or another allocator. */
#ifndef LAB_RUN_RUN_H
#define LAB_RUN_RUN_H

#include <stdbool.h>

#include "allocators/allocators.h"

struct run_order {
	struct allocators list; /* of one */
	char **command;
	const char *conf; /* a file of settings; NULL: none */
	bool stats;
};

/* Replaces this process by the program, or ends it with EXIT_OURS, EXIT_NOT_FOUND or
 * EXIT_NOT_EXECUTABLE.  With stats: returns the program's exit status, after it ended and a line on
 * stderr said what it took. */
int run_program(const struct run_order *r);

#endif
