/* measure.h - one run of a program, from exec to the end of all its processes.
 *
 *   wall       from exec to the end of the first process (for a server: of the driver)
 *   cpu        user + system of all processes that were waited for, by the kernel's accounting
 *   peak_rss   of the largest process, exact
 *   tree_rss   of all processes at once, at most; mean_rss, averaged over the run; end_rss, just
 *              before the end (for a server: when the driver has ended).  These three come from
 *              looks at the tree every 5 to 50 ms, so a run of a few milliseconds has none, and
 *              tree_rss is a lower bound
 *
 * Needs to be the only user of child processes, and the subreaper of its orphans.
 */
#ifndef LAB_RUN_MEASURE_H
#define LAB_RUN_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/launch.h"

enum ending {
	ENDING_EXIT,        /* code: the status */
	ENDING_SIGNAL,      /* code: the signal */
	ENDING_TIMEOUT,     /* killed by us; wall_s is the timeout */
	ENDING_NOT_STARTED, /* code: errno of exec */
	ENDING_NO_SERVER,   /* it did not listen in time */
	ENDING_INTERRUPTED, /* by the user */
};

enum { WORDS_LEN = 120 };

struct run {
	enum ending ending;
	int code;
	int drive_code; /* the driver's exit status (128 + signal) */
	double wall_s, cpu_s;
	size_t peak_rss, tree_rss; /* bytes */
	size_t mean_rss, end_rss;  /* bytes; 0: the run was too short for a look */
	uint64_t faults;
	unsigned with, without; /* processes seen with and without the library */
	unsigned left;          /* processes that outlived the first and were killed */
	uint64_t output;        /* hash of standard output, 0 if not asked for */
	char last_words[WORDS_LEN]; /* the last line on stderr */
};

struct measure {
	struct launch program;
	const char *drive; /* NULL, or a shell command that drives the program, a server */
	double timeout_s;  /* 0: none */
	bool check_output;
};

/* Once.  The caller may go on as a child of itself, when it was born with children. */
void measure_begin(void);
void measure_run(const struct measure *m, struct run *run);
/* The user pressed ^C: stop asking for runs. */
bool measure_interrupted(void);

#endif
