/* preload_check.h - is the allocator really in the program?
 *
 * The program is started under it and stopped at its own first instruction, when the loader has
 * done its work and the program nothing: what it has mapped then is the proof.  It is killed there,
 * so the proof has no effect on files and costs about a millisecond.
 */
#ifndef LAB_RUN_PRELOAD_CHECK_H
#define LAB_RUN_PRELOAD_CHECK_H

#include "run/launch.h"
#include "process/linked.h"

enum verdict {
	PROOF_LOADED,
	PROOF_NOT_LOADED,
	PROOF_UNKNOWN, /* this process may not trace, or the program never came so far */
};

enum { PROOF_WHY_LEN = 160 };

struct proof {
	enum verdict verdict;
	bool whole_program; /* the reason holds for every allocator: static, setuid, ... */
	char why[PROOF_WHY_LEN];
};

void proof_make(const struct launch *l, struct proof *proof);
/* The same check of a program on which nothing is preloaded: which malloc it uses. False:
 * unknown. */
bool proof_linked(const struct launch *l, struct linked *linked);

#endif
