/* check.h - budgets for a program's memory: kept, or broken and by how much.
 *
 * A budget is an amount, or a share more than a baseline recording has.  Leaks are what was never
 * freed; a suppression is a pattern (fnmatch) of a function name, and leaves out each site that has
 * it in its chain of calls.
 */
#ifndef LAB_BUDGET_CHECK_H
#define LAB_BUDGET_CHECK_H

#include "budget/profile.h"
#include "cli/lab.h"

enum check_form { CHECK_TEXT, CHECK_GITHUB, CHECK_JSON };

enum { CHECK_PATTERNS = 256, CHECK_RESULTS = 8, CHECK_LINE = 512 };

struct suppression {
	char *pattern;
	size_t line;   /* in its file */
	size_t used;   /* sites that it left out */
};

struct check_result {
	const char *name; /* "max-peak", ... */
	double found, budget;
	bool bytes, broken;
	char text[CHECK_LINE]; /* "peak 12.1 MiB, the budget is 10.0 MiB; most at main <- f" */
};

struct check {
	const char *path, *baseline, *suppress_file, *junit; /* NULL: none */
	double max_peak, max_leaked, max_calls; /* < 0: none */
	double tolerance; /* of the baseline's figures: 0.05 is 5 % more */
	enum check_form form;
	struct profile now, then;
	struct suppression suppression[CHECK_PATTERNS];
	size_t suppressions;
	struct check_result result[CHECK_RESULTS];
	size_t results;
};

/* Exits with a message where a file cannot be read or budgets contradict each other. */
void check_run(struct check *c);
bool check_is_broken(const struct check *c);
/* On stdout, and into the JUnit file. */
void check_print(const struct check *c);

#endif
