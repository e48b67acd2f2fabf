/* profile.h - dmm profile: the sampled heap profile of a running process, with functions' names. */
#ifndef LAB_PROFILE_PROFILE_H
#define LAB_PROFILE_PROFILE_H

#include <sys/types.h>

enum profile_to { PROFILE_TO_TEXT, PROFILE_TO_PPROF, PROFILE_TO_FOLDED, PROFILE_TO_SPEEDSCOPE };
enum profile_what { PROFILE_LIVE, PROFILE_ALLOCATED, PROFILE_PEAK, PROFILE_TEMPORARY };

struct profile_order {
	pid_t pid;
	enum profile_to to;
	enum profile_what what; /* by which the text is sorted, and which a folded stack counts */
	const char *output;     /* NULL: stdout */
	size_t rows;            /* of the text */
};

/* Returns the exit status of dmm; ends the program where there is nothing to tell. */
int profile_run(const struct profile_order *order);

#endif
