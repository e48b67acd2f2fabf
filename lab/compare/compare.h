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
#include "cli/lab.h"
#include "cli/table.h"
#include "run/provenance.h"
#include "compare/stats.h"

enum huge_pages { HUGE_AS_IS, HUGE_OFF, HUGE_BOTH };

/* The figures of a run. Memory is resident memory in bytes. */
enum figure {
	FIGURE_WALL,   /* seconds on the clock */
	FIGURE_CPU,    /* seconds of user + system */
	FIGURE_PEAK,   /* of the largest process, at most */
	FIGURE_MEAN,   /* of all processes, averaged over the run; NaN: too short to be looked at */
	FIGURE_END,    /* of all processes, just before the end; NaN likewise */
	FIGURE_TREE,   /* of all processes at once, at most */
	FIGURE_FAULTS, /* page faults */
	FIGURES,
};

/* The figure that decides, named by --by. BY_TRADE: all do; time counts as much as the average of
 * the three memories. */
enum compare_by { BY_TRADE, BY_TIME, BY_CPU, BY_PEAK, BY_MEAN, BY_END };

/* The outcomes of a row, worst first. */
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

	/* ---- made by verdict_digest() ---- */
	size_t good; /* runs that the figures are from */
	struct summary is[FIGURES];
	struct interval ratio[FIGURES]; /* to the row that it is compared with, round by round */
};

struct compare {
	char *const *command;
	const char *drive; /* NULL: no server */
	size_t runs;
	double timeout_s; /* 0: set by the first run of glibc */
	enum huge_pages huge_pages;
	size_t warm; /* bytes that are touched and freed before each run */
	/* Seconds in which nothing runs before each run: the host of a virtual machine takes free
	 * memory back meanwhile, and a cold program is measured. */
	double idle_s;
	bool check_output;
	enum compare_by by;

	struct allocators allocators; /* glibc, glibc-again, then the others */
	struct row row[ROWS_MAX];
	size_t rows;
	/* what every run read, reopened from its beginning; -1: nothing.  Made by compare_run */
	int input;
	struct provenance provenance;
	/* The program is linked with a malloc other than libc's: the file, and the row that runs
	 * on it. */
	const char *linked, *linked_row;

	/* For a program that measures itself (dmm replay): called before each run, and asked for
	 * figures after it. May be NULL. */
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

/* ---- what it means (verdict.c) --------------------------------------------------------------- */

/* Fill every row's figures and ratios from its runs. */
void verdict_digest(struct compare *c);
/* One row next to another in a figure, over the rounds in which both came to a good end. */
struct interval verdict_ratio(const struct row *row, const struct row *base, enum figure figure);
/* The figure that stands for time: FIGURE_CPU if the user asked for it, else FIGURE_WALL. */
enum figure verdict_time(const struct compare *c);
/* The figure that --by asks for; FIGURES: all together. */
enum figure verdict_asked(const struct compare *c);
/* By how much two rows of glibc differ in a figure, e.g. 0.02: the noise floor for `row`. NaN: the
 * figure was not measured. */
double verdict_noise(const struct compare *c, const struct row *row, enum figure figure);
/* Are the noise small enough and the runs numerous enough to compare rows by this figure? */
bool verdict_can_judge(const struct compare *c, bool no_huge_pages, enum figure figure);
/* With less an interval is no evidence: 5 runs give 0.94, 4 give 0.88. */
#define COVERAGE_LEAST 0.9
#define NOISE_MOST 0.25 /* glibc against itself: with more, a figure gets no verdict */
/* Is the ratio further from 1 than noise can explain? Not if the noise is above NOISE_MOST. */
bool verdict_differs(const struct interval *ratio, double noise);
/* The row to take among those with the same huge pages; glibc's where no other is worth a change.
 * Never a row that failed.  NULL: none is left, or nothing can be judged. */
const struct row *verdict_best(const struct compare *c, bool no_huge_pages);
/* The figure that decides first: the one that was asked for. FIGURES: none was asked for, or it
 * cannot be judged, and all that can be judged decide together. */
enum figure verdict_lead(const struct compare *c, bool no_huge_pages);
bool verdict_judges_time(const struct compare *c, bool no_huge_pages);
/* Is there a memory (at the peak, on average, at the end) that can be judged? */
bool verdict_judges_memory(const struct compare *c, bool no_huge_pages);
/* Is the row as good as `best` in the leading figure, within noise? Without a leading figure: do
 * the two differ by less than 3 % in all figures together? */
bool verdict_ties(const struct compare *c, const struct row *row, const struct row *best);
/* The row against glibc, in time, as a table's last column: "faster", "slower", "same, take", ...
 * "same": no difference beyond noise. */
void verdict_remark(const struct compare *c, const struct row *row, struct table *t);
/* A cell with the noise of a figure. */
void verdict_noise_cell(const struct compare *c, const struct row *row, enum figure figure,
    struct table *t);
/* The verdict in a sentence or three; the caller frees it. */
char *verdict_text(const struct compare *c, bool no_huge_pages);
/* Say as the last line on stderr how dmm torture hunts a design of one's own that crashed or
 * changed the output.  False: there is none, and nothing was said. */
bool compare_blame(const struct compare *c);

/* A fault or a difference was found. */
bool verdict_has_fault(const struct compare *c);

/* ---- what is printed ------------------------------------------------------------------------- */

void compare_text(const struct compare *c, FILE *out);
void compare_csv(const struct compare *c, FILE *out);
void compare_json(const struct compare *c, FILE *out);
/* Its parts, for another document: the array of rows, and that of verdicts. */
void compare_json_rows(const struct compare *c, struct json *j);
void compare_json_verdicts(const struct compare *c, struct json *j);

/* ---- what dmm compare does (command.c) ------------------------------------------------------- */

enum { COMPARE_LISTS_MAX = 16 };

struct compare_order {
	struct compare c;
	enum format format;
	bool server;
	const char *systems[COMPARE_LISTS_MAX], *peers[COMPARE_LISTS_MAX];
	size_t systems_lists, peers_lists;
	const char *report; /* a page to write; NULL: none */
	void (*page)(const struct compare *c, const char *path); /* writes it; NULL: no page */
};

/* Fill in the allocators and check the rest; a mistake ends dmm here, before anything runs. */
void compare_list(struct compare_order *r);
/* Compare, print, write the page, say what to do next.  Returns the exit status. */
int compare_print(struct compare_order *r);

#endif
