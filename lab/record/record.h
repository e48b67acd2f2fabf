/* record.h - dmm record: runs a program with the recorder preloaded. */
#ifndef LAB_RECORD_RECORD_H
#define LAB_RECORD_RECORD_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "allocators/allocators.h"

struct record_order {
	struct allocators list; /* the allocator that the program runs on; none: its own */
	char **command;
	const char *stacks;  /* as DMM_RECORD_STACKS has it: none, caller, fp, dwarf */
	char path[PATH_MAX]; /* of the recording, from the root */
	bool scrub, paused, no_python;
	uint64_t max_size; /* bytes; 0: no limit */
	int toggle;        /* signal; 0: none */
};

/* Runs the program, and says on stderr what was recorded.  An earlier recording of this name is
 * removed once the program runs.  Frees the list.  Returns the program's exit status, as a shell
 * has it. */
int record_program(struct record_order *r);

#endif
