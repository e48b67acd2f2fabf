/* subject.h - systems with settings on the command line: bins, bins?fit:best,split_min:64 ... */
#ifndef LAB_ALLOCATORS_SUBJECT_H
#define LAB_ALLOCATORS_SUBJECT_H

#include "dmm_system.h"

enum { SUBJECTS_MAX = 64 };

/* A system and its settings: what is replayed on. */
struct subject {
	char name[128]; /* as given */
	const struct dmm_system *sys;
	struct dmm_params params;
};

/* names: comma-separated, or NULL for all systems of this build.  After a comma, key:value belongs
 * to the system before it.  Returns how many; what is wrong ends with exit(EXIT_USAGE). */
size_t subjects_choose(struct subject *subjects, const char *names);

#endif
