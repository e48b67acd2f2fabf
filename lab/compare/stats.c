/* stats.c - medians and their exact intervals. */
#include "compare/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double middle(const double *sorted, size_t n)
{
	return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static const double *sorted_copy(const double *value, size_t n, double copy[STATS_RUNS_MAX])
{
	CHECK(n <= STATS_RUNS_MAX);
	memcpy(copy, value, n * sizeof *value);
	qsort(copy, n, sizeof *copy, ascending);
	return copy;
}

struct summary stats_summary(const double *value, size_t n)
{
	double copy[STATS_RUNS_MAX];

	if (n == 0)
		return (struct summary){NAN, NAN, NAN};
	const double *const v = sorted_copy(value, n, copy);
	return (struct summary){.min = v[0], .median = middle(v, n), .max = v[n - 1]};
}

/* P(Binomial(n, 1/2) <= k), by logarithms: n may be large. */
static double binomial_tail(size_t n, size_t k)
{
	double sum = 0;

	for (size_t i = 0; i <= k; i++)
		sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) -
		    lgamma((double)(n - i) + 1) - (double)n * log(2));
	return sum;
}

struct interval stats_ratio(const double *value, const double *base, size_t n)
{
	double ratio[STATS_RUNS_MAX], copy[STATS_RUNS_MAX];
	size_t cut = 0; /* ratios left out at either end */

	if (n == 0)
		return (struct interval){NAN, NAN, NAN, 0};
	CHECK(n <= STATS_RUNS_MAX);
	for (size_t i = 0; i < n; i++)
		ratio[i] = value[i] / base[i];
	const double *const v = sorted_copy(ratio, n, copy);
	while (2 * (cut + 1) < n && 2 * binomial_tail(n, cut + 1) <= 0.05)
		cut++;
	return (struct interval){
	    .median = middle(v, n),
	    .low = v[cut],
	    .high = v[n - 1 - cut],
	    .coverage = n == 1 ? 0 : 1 - 2 * binomial_tail(n, cut),
	};
}
