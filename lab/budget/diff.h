/* diff.h - what changed between two programs' recordings, by call site and by size.
 *
 * Each side is one recording or several of the same program.  A difference counts if it is larger
 * than what runs of one side differ among themselves.  With fewer than three recordings on a side
 * nothing is known about that: DIFF_USUAL is taken for it, and averages over time never count.
 */
#ifndef LAB_BUDGET_DIFF_H
#define LAB_BUDGET_DIFF_H

#include "budget/profile.h"
#include "cli/lab.h"

enum { DIFF_RUNS = 32, DIFF_LEAST_BYTES = 4096, DIFF_LEAST_CALLS = 16 };
#define DIFF_USUAL      0.02 /* of the whole program's figure */

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
	enum quantity by;      /* what the lists are sorted by, and what counts */
	struct change all[MEASURES];
	struct change_list sites, sizes;
};

/* Comma-separated paths.  Exits with a message where one cannot be read, or where two recordings
 * are of different programs (any: that is what the user wants). */
void diff_open(struct diff *d, const char *before, const char *after, enum quantity by, bool any);
void diff_close(struct diff *d);
/* Does anything count? */
bool diff_found(const struct diff *d);

void diff_text(const struct diff *d, size_t top, FILE *out);
void diff_json(const struct diff *d, FILE *out);
/* A line a site, "main;g;f before after", for flame graphs of differences. */
void diff_folded(const struct diff *d, FILE *out);

#endif
