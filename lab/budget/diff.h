/* diff.h - what changed between two programs' recordings, by call site and by size.
 *
 * Each side is one recording or several of the same program.  A difference counts if it is larger
 * than what runs of one side differ among themselves.  With fewer than three recordings on a side
 * nothing is known about that: a share of the whole program's figure is taken for it, and averages
 * over time never count.  The share depends on whether the two sides made the same calls.  Programs
 * without threads and clocks do, to the last call, but for what was changed.  Where several call
 * sites made a few calls more or less, the program goes by the clock, as node's collector does, and
 * its peak differs from run to run by up to 13 %.
 */
#ifndef LAB_BUDGET_DIFF_H
#define LAB_BUDGET_DIFF_H

#include "budget/profile.h"
#include "cli/lab.h"

enum { DIFF_RUNS = 32, DIFF_LEAST_BYTES = 4096, DIFF_LEAST_CALLS = 16 };
#define DIFF_USUAL         0.02 /* of the whole program's figure */
#define DIFF_UNSTEADY      0.05 /* the same where the sides did not make the same calls */
#define DIFF_UNSTEADY_PEAK 0.15 /* and of what was live at the peak */
enum { DIFF_UNSTEADY_SITES = 3 }; /* that many call sites are unsteady: so is the program */

struct side {
	struct profile run[DIFF_RUNS];
	size_t runs;
};

struct change {
	const char *name;
	double before, after; /* medians */
	double noise;         /* a difference of at most so much is none */
	bool counts;
};

struct change_list {
	struct change *change; /* the largest difference first; those that do not count last */
	size_t count, counted;
};

struct diff {
	struct side a, b;
	size_t unsteady;       /* call sites whose calls differ, by less than a quarter */
	enum quantity by;      /* what the lists are sorted by, and what counts */
	struct change all[MEASURES];
	struct change_list sites, sizes;
};

/* Comma-separated paths.  Exits with a message where one cannot be read, or where two recordings
 * are of different programs (any: that is what the user wants). */
void diff_open(struct diff *d, const char *before, const char *after, enum quantity by, bool any);
void diff_close(struct diff *d);
/* The noise assumed when a side has fewer than three recordings: a share of the whole. */
double diff_usual_noise(const struct diff *d, enum quantity m);
/* Does anything count? */
bool diff_found(const struct diff *d);

void diff_text(const struct diff *d, size_t top, FILE *out);
/* "2 % of the whole": what is taken for noise with fewer than three recordings on a side. */
void diff_usual_text(const struct diff *d, FILE *out);
void diff_json(const struct diff *d, FILE *out);
/* A line a site, "main;g;f before after", for flame graphs of differences. */
void diff_folded(const struct diff *d, FILE *out);

#endif
