/* score.h - the classical malloc lab's score: utilisation and throughput of a design on each trace
 * of a folder.
 *
 *   folder/x.rep --> import, in a child --> recording --> play, in a child for each design
 *                                              |            --> verdict, figures
 *                                              `--------> the C library's malloc, in a child:
 *                                                         the reference
 *
 * Whatever a file or a student's library does ends a child and not the command: the parent waits so
 * many seconds, and names what happened.
 *
 *   utilisation  peak payload / peak of what the design obtained from its operating system, on
 *                simulated memory
 *   throughput   calls a second of CPU, without checks, the best of some runs
 *   score        100 * (w * utilisation + (1 - w) * min(1, throughput / reference)); 0 for a trace
 *                that failed
 */
#ifndef LAB_SCORE_SCORE_H
#define LAB_SCORE_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/lab.h"

enum { SCORE_DESIGNS = 8, SCORE_TEXT = 200 };

/* How the throughputs of traces become one. */
enum score_mean {
	SCORE_MEAN_TOTAL,      /* all calls over all seconds, as in the first labs */
	SCORE_MEAN_ARITHMETIC, /* of the traces' */
	SCORE_MEAN_HARMONIC,   /* of the traces', and of the utilisations as well */
};

/* Of one design on one trace; lies in memory that the child shares. */
struct score_result {
	char problem[SCORE_TEXT]; /* "": none */
	bool done;                /* the child came to its end */
	uint64_t peak_payload, peak_footprint; /* bytes */
	double seconds;                        /* of all calls */
};

struct score_trace {
	char *path, *name;  /* name: the path's last part */
	char problem[SCORE_TEXT]; /* "" or why it cannot be played */
	char note[SCORE_TEXT];    /* what is strange about it; "": nothing */
	uint64_t calls;
	double reference_seconds; /* of the C library */
	struct score_result result[SCORE_DESIGNS];
};

struct score_order {
	const char *traces;                 /* a folder, or one file */
	/* as --systems of replay has them: bins?runs:64, my=./my.so */
	const char *design[SCORE_DESIGNS];
	size_t designs;
	double weight;                      /* of utilisation, 0 to 1 */
	double reference;                   /* calls a second; 0: the C library's, measured here */
	enum score_mean mean;
	double timeout_s;                   /* for each trace and design */
	enum format format;
	const char *page; /* HTML goes there; NULL: none */
};

struct score_total {
	/* of 1, calls a second, calls a second, of 100 */
	double utilisation, throughput, reference, score;
	size_t failed; /* traces */
};

struct score_board {
	const struct score_order *order;
	struct score_trace *trace;
	size_t traces, cap;
};

/* ---- play.c: in a child */

/* One trace, a recording at `path`, on one design; ends the process if the design cannot be
 * loaded. */
void score_play(struct score_result *r, const char *design, const char *path);
/* The same calls on the C library's malloc. */
void score_reference(struct score_result *r, const char *path);

/* ---- board.c */

void score_measure(struct score_board *b, const struct score_order *order);
void score_free(struct score_board *b);

/* ---- total.c */

/* False: that trace failed on that design. */
bool score_counts(const struct score_trace *t, size_t design);
double score_utilisation(const struct score_trace *t, size_t design);
double score_throughput(const struct score_trace *t, size_t design);
double score_of_trace(const struct score_order *o, const struct score_trace *t, size_t design);
struct score_total score_total(const struct score_board *b, size_t design);

/* The final word of a row: "correct", with oddities of the trace, or the fault. */
const char *score_verdict(const struct score_trace *t, size_t design, char buf[2 * SCORE_TEXT]);

/* ---- print.c, page.c */

void score_print(const struct score_board *b);
void score_page(const struct score_board *b, const char *path);

#endif
