/* subject.h - systems with settings on the command line: bins, bins?fit:best,split_min:64 ... */
#ifndef LAB_ALLOCATORS_SUBJECT_H
#define LAB_ALLOCATORS_SUBJECT_H

#include <stddef.h>

#include "dmm_system.h"

enum { SUBJECTS_MAX = 64, SUBJECT_CONF = 256 };

/* A system and its settings: what is replayed on. */
struct subject {
	char name[SUBJECT_CONF + 64]; /* as given */
	const struct dmm_system *sys;
	struct dmm_params params;
	char conf[SUBJECT_CONF]; /* of slab, whose settings are no dmm_params: as in DMM_CONF */
};

/* A system with settings as DMM_CONF has them; "": as it comes.  False: what is wrong is in
 * why[cap]. */
bool subject_make(struct subject *s, const struct dmm_system *sys, const char *conf, char *why,
    size_t cap);

/* Can a model replay it (slab_conf_simulable())?  False: the reason is in why[cap]. */
bool subject_simulable(const struct subject *s, char *why, size_t cap);

/* names: comma-separated, or NULL for all systems of this build.  After a comma, key:value belongs
 * to the system before it.  Returns how many; what is wrong ends with exit(EXIT_USAGE). */
size_t subjects_choose(struct subject *subjects, const char *names);

#endif
