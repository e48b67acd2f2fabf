/* plan.h - one line a job, each a whole command.
 *
 * Jobs of space are models: the same everywhere, and any number may share a host.  Jobs of time run
 * glibc twice and one allocator once: the ratio is made within the job, so that hosts need not be
 * alike, but a host must be quiet.  The comment at the end of a line tells which is which.
 */
#ifndef LAB_SWEEP_PLAN_H
#define LAB_SWEEP_PLAN_H

#include <stddef.h>

enum { GRID_KEYS = 16, GRID_VALUES = 32 };
enum kind_wanted { WANT_ALL, WANT_SPACE, WANT_TIME };

struct grid_key {
	const char *key, *value[GRID_VALUES];
	size_t values;
};

/* Words for touch, thp and kind; NULL ends each. */
extern const char *const sweep_touches[], *const sweep_modes[], *const sweep_kinds[];

struct sweep_order {
	const char *systems, *peers; /* lists; NULL: all, and those installed */
	const char *results;         /* the directory of the results */
	char **recordings;           /* NULL ends it */
	size_t repeat, warm;         /* warm: bytes; SIZE_MAX: by the recording */
	int kind, touch, thp;        /* indices of the words above */
	struct grid_key grid[GRID_KEYS];
	size_t keys;
	char dmm[4096];     /* this command's path, once planned */
	size_t space, time; /* jobs, once planned */
};

/* Print the jobs on stdout.  Returns the exit status; ends the program if a recording cannot be
 * read. */
int sweep_plan(struct sweep_order *r);

#endif
