/* diff.h - the page of dmm diff. */
#ifndef LAB_REPORT_DIFF_H
#define LAB_REPORT_DIFF_H

#include "budget/diff.h"

/* One page of HTML without scripts.  Ends the program if `path` cannot be written. */
void report_diff(const struct diff *d, const char *path);

#endif
