/* verdict.c - from runs to figures, and from figures to a verdict. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "compare/compare.h"
#include "cli/units.h"

/* With less, an interval is no evidence: 5 runs give 0.94, 4 give 0.88. */
static const double coverage_least = 0.9;
enum { RUNS_LEAST = 5 };
static const double worth_changing = 1.03; /* memory, where time is the same */

enum figure { WALL, CPU, RSS, TREE, FAULTS };

static double figure_of(const struct run *run, enum figure figure)
{
	switch (figure) {
	case WALL:
		return run->wall_s;
	case CPU:
		return run->cpu_s;
	case RSS:
		return (double)run->peak_rss;
	case TREE:
		return (double)run->tree_rss;
	default:
		return (double)run->faults;
	}
}

static bool is_good(const struct row *row, size_t round)
{
	return round < row->rounds && row->run[round].ending == ENDING_EXIT;
}

static struct summary summary_of(const struct row *row, enum figure figure)
{
	double value[STATS_RUNS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < row->rounds; i++)
		if (is_good(row, i))
			value[n++] = figure_of(&row->run[i], figure);
	return stats_summary(value, n);
}

static struct interval ratio_of(const struct row *row, const struct row *base, enum figure figure)
{
	double value[STATS_RUNS_MAX], against[STATS_RUNS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < row->rounds; i++) {
		if (!is_good(row, i) || !is_good(base, i))
			continue;
		value[n] = figure_of(&row->run[i], figure);
		against[n++] = figure_of(&base->run[i], figure);
	}
	return stats_ratio(value, against, n);
}

static void digest_row(const struct compare *c, struct row *row)
{
	const struct row *const base = &c->row[row->base];

	row->good = 0;
	for (size_t i = 0; i < row->rounds; i++)
		row->good += is_good(row, i);
	if (row->good == 0 && row->outcome == OUTCOME_FINE)
		row->outcome = OUTCOME_NOT_RUN;
	row->wall = summary_of(row, WALL);
	row->cpu = summary_of(row, CPU);
	row->rss = summary_of(row, RSS);
	row->tree = summary_of(row, TREE);
	row->faults = summary_of(row, FAULTS);
	row->wall_ratio = ratio_of(row, base, WALL);
	row->cpu_ratio = ratio_of(row, base, CPU);
	row->rss_ratio = ratio_of(row, base, RSS);
	row->time = c->by_cpu ? row->cpu : row->wall;
	row->time_ratio = c->by_cpu ? row->cpu_ratio : row->wall_ratio;
}

void digest(struct compare *c)
{
	for (size_t i = 0; i < c->rows; i++)
		digest_row(c, &c->row[i]);
}

double digest_noise(const struct compare *c, const struct row *row)
{
	const struct interval *const twin = &c->row[row->base + 1].time_ratio;
	return fmax(fabs(twin->high - 1), fabs(1 - twin->low));
}

bool digest_differs(const struct interval *ratio, double noise)
{
	return ratio->coverage >= coverage_least && (ratio->low > 1 || ratio->high < 1) &&
	    fabs(ratio->median - 1) > noise;
}

/* ---- the verdict ------------------------------------------------------------------------------ */

static bool is_candidate(const struct row *row, bool no_huge_pages)
{
	return row->no_huge_pages == no_huge_pages && row->outcome == OUTCOME_FINE &&
	    strcmp(row->allocator->name, "glibc-again") != 0;
}

bool digest_ties(const struct compare *c, const struct row *row, const struct row *best)
{
	const struct interval ratio = ratio_of(row, best, c->by_cpu ? CPU : WALL);
	return row == best || !digest_differs(&ratio, digest_noise(c, row));
}

static const struct row *fastest_of(const struct compare *c, bool no_huge_pages)
{
	const struct row *fastest = NULL;

	for (size_t i = 0; i < c->rows; i++)
		if (is_candidate(&c->row[i], no_huge_pages) &&
		    (fastest == NULL || c->row[i].time.median < fastest->time.median))
			fastest = &c->row[i];
	return fastest;
}

/* Is it faster than glibc, as far as one can tell?  The fastest need not be: its runs may vary more. */
static bool is_told_faster(const struct compare *c, const struct row *row)
{
	return row->time_ratio.median < 1 && digest_differs(&row->time_ratio, digest_noise(c, row));
}

static bool some_are_told_faster(const struct compare *c, bool no_huge_pages)
{
	for (size_t i = 0; i < c->rows; i++)
		if (is_candidate(&c->row[i], no_huge_pages) && is_told_faster(c, &c->row[i]))
			return true;
	return false;
}

/* As fast as the fastest, as far as one can tell, and the leanest of those; but who has nothing to
 * gain shall not be told to change. */
const struct row *digest_best(const struct compare *c, bool no_huge_pages)
{
	const struct row *const fastest = fastest_of(c, no_huge_pages);
	const struct row *best = fastest;

	if (fastest == NULL || fastest->good < RUNS_LEAST)
		return NULL;
	const bool faster = some_are_told_faster(c, no_huge_pages);
	if (faster && !is_told_faster(c, fastest))
		best = NULL;
	for (size_t i = 0; i < c->rows; i++) {
		const struct row *const row = &c->row[i];
		if (is_candidate(row, no_huge_pages) && digest_ties(c, row, fastest) &&
		    (!faster || is_told_faster(c, row)) && (best == NULL || row->rss.median < best->rss.median))
			best = row;
	}
	if (best == NULL) /* who is told to be faster is not as fast as that one */
		best = fastest;
	const struct row *const base = &c->row[best->base];
	const bool gains = !is_candidate(base, no_huge_pages) || faster || !digest_ties(c, base, fastest) ||
	    base->rss.median > worth_changing * best->rss.median;
	return gains ? best : base;
}

static const struct row *leanest_of(const struct compare *c, bool no_huge_pages)
{
	const struct row *leanest = NULL;

	for (size_t i = 0; i < c->rows; i++)
		if (is_candidate(&c->row[i], no_huge_pages) &&
		    (leanest == NULL || c->row[i].rss.median < leanest->rss.median))
			leanest = &c->row[i];
	return leanest;
}

static void add_names(const struct compare *c, const struct row *best, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < c->rows; i++) {
		const struct row *const row = &c->row[i];
		if (!is_candidate(row, best->no_huge_pages) || row == best || !digest_ties(c, row, best))
			continue;
		fprintf(out, "%s%s", any ? ", " : " Within noise of it in time: ",
		    row->allocator->name);
		any = true;
	}
	if (any)
		fputc('.', out);
}

static void add_leanest(const struct compare *c, const struct row *best, FILE *out)
{
	const struct row *const leanest = leanest_of(c, best->no_huge_pages);
	char memory[UNITS_LEN], time[UNITS_LEN];

	if (leanest == best || leanest->rss.median > 0.98 * best->rss.median)
		return;
	fprintf(out, " The leanest is %s: against %s %s, %s.", leanest->allocator->name,
	    best->allocator->name,
	    units_change(memory, leanest->rss.median / best->rss.median, "memory"),
	    units_change(time, leanest->time.median / best->time.median, "time"));
}

static void add_excluded(const struct compare *c, bool no_huge_pages, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < c->rows; i++) {
		const struct row *const row = &c->row[i];
		if (row->no_huge_pages != no_huge_pages || row->outcome == OUTCOME_FINE)
			continue;
		fprintf(out, "%s%s", any ? ", " : " Not counted: ", row->allocator->name);
		any = true;
	}
	if (any)
		fputc('.', out);
}

static void add_best(const struct compare *c, const struct row *best, FILE *out)
{
	const struct row *const base = &c->row[best->base];
	char time[UNITS_LEN], memory[UNITS_LEN], wall[UNITS_LEN], rss[UNITS_LEN];

	fprintf(out, best == base ? "for this program nothing beats %s: %s, %s"
	                          : "for this program %s is best: %s, %s",
	    best->allocator->name, units_seconds(wall, best->time.median),
	    units_bytes(rss, best->rss.median));
	if (best != base && base->good > 0)
		fprintf(out, "; against glibc %s, %s",
		    digest_ties(c, base, best) ? "no difference in time"
		                               : units_change(time, best->time_ratio.median, "time"),
		    units_change(memory, best->rss_ratio.median, "memory"));
	fputc('.', out);
}

char *digest_verdict(const struct compare *c, bool no_huge_pages)
{
	const struct row *const fastest = fastest_of(c, no_huge_pages);
	const struct row *const best = digest_best(c, no_huge_pages);
	char *text = NULL;
	size_t len = 0;
	FILE *const out = open_memstream(&text, &len);

	CHECK(out != NULL);
	if (c->huge_pages == HUGE_BOTH)
		fputs(no_huge_pages ? "Without huge pages, " : "With huge pages as they are, ", out);
	if (fastest == NULL) {
		fputs("no verdict: not one allocator ran the program to its end.", out);
	} else if (best == NULL) {
		fprintf(out, "no verdict: %zu %s too few to tell a difference from noise; --runs=%d.",
		    fastest->good, fastest->good == 1 ? "run is" : "runs are", STATS_RUNS_FOR_95);
	} else {
		add_best(c, best, out);
		add_names(c, best, out);
		add_leanest(c, best, out);
	}
	add_excluded(c, no_huge_pages, out);
	fclose(out);
	if (text[0] >= 'a' && text[0] <= 'z')
		text[0] = (char)(text[0] - 'a' + 'A');
	return text;
}

bool digest_has_fault(const struct compare *c)
{
	for (size_t i = 0; i < c->rows; i++)
		if (c->row[i].outcome < OUTCOME_TOO_SLOW)
			return true;
	return false;
}
