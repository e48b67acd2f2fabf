/* score.h - time and space as measured, by a comparison of runs or by a replay on real memory. */
#ifndef LAB_REPORT_SCORE_H
#define LAB_REPORT_SCORE_H

#include "compare/compare.h"

struct report_score {
	char name[128], why[WHY_LEN]; /* why: "" or what went wrong */
	const char *kind;             /* system, peer, baseline */
	char build_id[ELF_ID_LEN];
	double seconds, bytes;        /* medians; NAN: none */
	struct interval time, memory; /* ratios to the baseline; median NAN: none */
	bool best, ties;
};

struct report_scores {
	const char *how;    /* "6 runs of the program", for people */
	char *verdict;      /* a sentence or three */
	double coverage;    /* of the intervals: 0.95, or what the few runs give */
	double noise;       /* in time, between the baseline and itself */
	bool huge_pages_off;
	size_t count;
	struct report_score score[ROWS_MAX];
};

/* What was run, in two parts: "replay", "of the recording on real memory". */
void scores_of_compare(struct report_scores *s, const struct compare *c, const char *noun,
    const char *of);

#endif
