/* judge.h - the verdict as data, from verdict.c to verdict_text.c: which rows differ in which
 * figure. */
#ifndef LAB_COMPARE_JUDGE_H
#define LAB_COMPARE_JUDGE_H

#include "compare/compare.h"

enum { RUNS_LEAST = 5 };

bool judge_memory(enum figure figure);
/* The noise floor of the rows that are compared with row `base`. NaN: not measured. */
double judge_noise(const struct compare *c, size_t base, enum figure figure);
/* glibc's row among those with the same huge pages. */
size_t judge_base(const struct compare *c, bool no_huge_pages);
/* -1: better than glibc, 1: worse, 0: no difference beyond noise. */
int judge_against_base(const struct compare *c, const struct row *row, enum figure figure);
/* Is the row as good as `best` in a figure, within noise? */
bool judge_ties(const struct compare *c, const struct row *row, const struct row *best,
    enum figure figure);
/* May the row be named? glibc's second row is not, nor one that did not run to its end. */
bool judge_candidate(const struct row *row, bool no_huge_pages);
/* The row with the least median; NULL: none. */
const struct row *judge_least(const struct compare *c, bool no_huge_pages, enum figure figure);

#endif
