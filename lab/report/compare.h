/* compare.h - the page of a comparison. */
#ifndef LAB_REPORT_COMPARE_H
#define LAB_REPORT_COMPARE_H

#include "compare/compare.h"

/* After compare_run: records the program once more, for its heap, and writes the page.  Ends the
 * program if the page cannot be written. */
void report_compare(const struct compare *c, const char *output);
/* Ends the program if `path` cannot be written. */
void report_check_output(const char *path);

#endif
