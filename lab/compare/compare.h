/* compare.h - one program on several allocators, fairly.
 *
 *   round 0    glibc A B C      Each round runs every row once, and begins one row later than the
 *   round 1    A B C glibc      round before, so that no row always follows the same one.  Ratios
 *   round 2    B C glibc A      are made within a round: what slows a round down slows both.
 *
 * glibc runs twice under two names: what differs between the two is noise, and no difference that
 * is smaller is one.
 */
#ifndef LAB_COMPARE_COMPARE_H
#define LAB_COMPARE_COMPARE_H

#include <stdio.h>

#include "allocators/allocators.h"
#include "run/measure.h"
#include "run/preload_check.h"
#include "run/provenance.h"
#include "compare/stats.h"

enum huge_pages { HUGE_AS_IS, HUGE_OFF, HUGE_BOTH };

/* What happened to a row, worst first. */
enum outcome {
	OUTCOME_NOT_LOADED, /* why says it */
	OUTCOME_CRASHED,
	OUTCOME_NOT_SERVED, /* a server that did not listen, or a driver that failed */
	OUTCOME_DIFFERS,    /* another exit status or output than glibc's */
	OUTCOME_TOO_SLOW,
	OUTCOME_FINE,
	OUTCOME_NOT_RUN, /* the user interrupted */
};

enum { ROWS_MAX = 96, WHY_LEN = 256 };

struct row {
	const struct allocator *allocator;
	bool no_huge_pages;
	size_t base; /* the row that it is compared with */
	struct proof proof;
	struct run *run; /* by round */
	size_t rounds;   /* runs done; all but the last came to a good end */
	enum outcome outcome;
	char why[WHY_LEN];

	/* ---- made by digest() ---- */
	size_t good; /* runs that the figures are from */
	struct summary wall, cpu, rss, tree, faults;
	struct interval wall_ratio, cpu_ratio, rss_ratio;
	struct summary time; /* wall or cpu, as asked for: what the verdict is by */
	struct interval time_ratio;
};

struct compare {
	char *const *command;
	const char *drive; /* NULL: no server */
	size_t runs;
	double timeout_s; /* 0: set by the first run of glibc */
	enum huge_pages huge_pages;
	size_t warm; /* bytes */
	bool check_output;
	bool by_cpu; /* "time" is user + system, not wall-clock */

	struct allocators allocators; /* glibc, glibc-again, then the others */
	struct row row[ROWS_MAX];
	size_t rows;
	int input; /* what every run read, reopened from its beginning; -1: nothing.  Made by compare_run */
	struct provenance provenance;
	/* The program is linked with a malloc other than libc's: the file, and the row that runs on it. */
	const char *linked, *linked_row;

	/* A program that measures itself (dmm replay): told what comes, asked what it was.  May be NULL. */
	void (*before_run)(struct compare *c, const struct row *row);
	void (*after_run)(struct compare *c, const struct row *row, struct run *run);
	/* Was that too short to tell?  True: run it once more; false: *run is what counts. */
	bool (*again)(struct compare *c, struct run *run);
	void (*more_json)(const struct compare *c, const struct row *row, struct json *j);
};

/* Prove, run, digest.  Talks on stderr. */
void compare_run(struct compare *c);
/* One run more of a row that is fine, which counts for nothing but its end. */
void compare_run_extra(struct compare *c, struct row *row, struct run *run);

/* ---- what it means (verdict.c) ---------------------------------------------------------------- */

void digest(struct compare *c);
/* How far apart glibc and glibc came in time, e.g. 0.02: the noise floor beside `row`. */
double digest_noise(const struct compare *c, const struct row *row);
/* Is the ratio more than noise? */
bool digest_differs(const struct interval *ratio, double noise);
/* The row to recommend among those with the same huge pages; NULL when none is fit to be, or when
 * the runs are too few. */
const struct row *digest_best(const struct compare *c, bool no_huge_pages);
/* Cannot its time be told from best's? */
bool digest_ties(const struct compare *c, const struct row *row, const struct row *best);
/* The verdict in a sentence or three; the caller frees it. */
char *digest_verdict(const struct compare *c, bool no_huge_pages);
/* A fault or a difference was found. */
bool digest_has_fault(const struct compare *c);

/* ---- what is printed --------------------------------------------------------------------------- */

void compare_text(const struct compare *c, FILE *out);
void compare_csv(const struct compare *c, FILE *out);
void compare_json(const struct compare *c, FILE *out);
/* Its parts, for a document of one's own: the array of rows, and that of verdicts. */
void compare_json_rows(const struct compare *c, struct json *j);
void compare_json_verdicts(const struct compare *c, struct json *j);

#endif
