/* gain_judge.h - what the runs of a struct gain prove, from gain_judge.c to gain.c's sentences. */
#ifndef LAB_TUNE_GAIN_JUDGE_H
#define LAB_TUNE_GAIN_JUDGE_H

#include "tune/gain.h"

/* By how much glibc differs from itself in a figure.  NaN: not measured. */
double gain_noise(const struct gain *g, enum figure figure);
/* The program came to its end on it. */
bool gain_is_fine(const struct row *row);
/* -1: by the runs, `row` is less than `than` in a figure, 1: more, 0: they do not tell.  None tell
 * in a figure that is mostly noise. */
int gain_tells(const struct gain *g, const struct row *row, const struct row *than,
    enum figure figure);
/* Does a run on it take longer than on the usual malloc, by more than the user allows? */
bool gain_is_slower(const struct gain *g, const struct row *row);
/* Do the settings hold more memory than the usual malloc, or than the design as it comes? If the
 * run is too slow without them, that does not count against them. */
bool gain_is_worse(const struct gain *g);

#endif
