/* shrink.h - the fewest and simplest steps that still fail in the same way.
 *
 * Delta debugging (Zeller and Hildebrandt, 2002): leave out ever smaller parts of the script as
 * long as what is left still fails; then make sizes smaller, and calls simpler.
 */
#ifndef LAB_LESSON_SHRINK_H
#define LAB_LESSON_SHRINK_H

#include "torture/play.h"

struct shrink {
	const struct torture *t;
	bool blind;                /* as struct play has it */
	double seconds;            /* stop searching for a shorter script after this time */
	struct play_result target; /* the failure that must stay */
	struct script_step *step;  /* the answer: owned by this, shrink_free() */
	size_t count;
	uint64_t repeat;           /* of all steps; 1: once */
	size_t tries;
	bool stopped;              /* time ran out: perhaps less would do */
};

/* Set .t, .blind and .seconds before.  False: the script does not fail again as `target` says. */
bool shrink_script(struct shrink *x, const struct script *script, const struct play_result *target);
void shrink_free(struct shrink *x);

#endif
