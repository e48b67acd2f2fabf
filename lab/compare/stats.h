/* stats.h - medians of a few noisy runs, and the exact intervals in which they lie.
 *
 * A run's time is skewed and has outliers, so: medians, and for a ratio the exact interval of the
 * median by order statistics.  It assumes nothing about the distribution: each ratio lies below the
 * true median with chance 1/2, so the k-th smallest and k-th largest of n enclose it with chance
 * 1 - 2 P(Binomial(n, 1/2) < k).  Six runs are the fewest that give 95 %; with fewer, `coverage`
 * says what they do give.
 */
#ifndef LAB_COMPARE_STATS_H
#define LAB_COMPARE_STATS_H

#include <stddef.h>

struct summary {
	double min, median, max;
};

struct interval {
	double median, low, high;
	double coverage; /* the chance that the true median lies within; 0 for a single run */
};

enum { STATS_RUNS_MAX = 1000, STATS_RUNS_FOR_95 = 6 };

/* NaN in all fields if n == 0. */
struct summary stats_summary(const double *value, size_t n);
/* The median of value[i] / base[i], which ran in the same round i, with its 95 % interval. */
struct interval stats_ratio(const double *value, const double *base, size_t n);

#endif
