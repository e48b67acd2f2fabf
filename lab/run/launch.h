/* launch.h - starts a program under an allocator, so that nothing but the allocator differs. */
#ifndef LAB_RUN_LAUNCH_H
#define LAB_RUN_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "allocators/allocators.h"

struct launch {
	char *const *argv;
	const struct allocator *allocator; /* NULL: the environment stays as it is */
	bool no_huge_pages; /* by prctl, which exec and fork hand on */
	bool traced;        /* stop at exec for this process to look (ptrace) */
	int input;          /* reopened from its beginning; -1: /dev/null */
	int output, errors; /* -1: /dev/null */
};

/* Seconds of the monotonic clock. */
double launch_now(void);
/* The child, which leads a process group of its own and dies with this process; *started is the
 * moment before exec.  -errno: it could not be started (-ENOENT: no such command). */
pid_t launch_start(const struct launch *l, double *started);
/* The exit status of the run: 128+N for a signal N, as shells have it. */
int launch_status(int wait_status);

/* A file without a name for output, or -1. */
int launch_scratch(void);
/* The input that every run reads: standard input if it is a file or holds data, else -1. */
int launch_input(void);
/* The path that exec would take, or NULL and errno; the caller frees it. */
char *launch_path(const char *command);

#endif
