/* verdict.c - from runs to figures, and from figures to what to take and what it costs.
 *
 * Rules that every sentence obeys:
 *   V1 noise      a figure in which glibc differs from itself by more than 25 % gets no verdict
 *   V2 told       a row is better or worse than another only if the interval of their ratios
 *                 excludes 1 and the median lies beyond the noise
 *   V3 ties       a row that does not differ from the best by more than noise is named beside it
 *   V4 one word   no row is told to be slower than glibc and as good as the best, unless the best
 *                 is slower too
 */
#include <math.h>
#include <string.h>

#include "compare/judge.h"

/* With less, an interval is no evidence: 5 runs give 0.94, 4 give 0.88. */
static const double coverage_least = 0.9;
static const double memory_noise_least = 0.01; /* page tables and stacks differ by that much */
static const double worth_changing = 1.03; /* in the second figure, where the first is the same */

static double figure_of(const struct run *run, enum figure figure)
{
	switch (figure) {
	case FIGURE_WALL:
		return run->wall_s;
	case FIGURE_CPU:
		return run->cpu_s;
	case FIGURE_PEAK:
		return (double)run->peak_rss;
	case FIGURE_MEAN:
		return run->mean_rss != 0 ? (double)run->mean_rss : NAN;
	case FIGURE_END:
		return run->end_rss != 0 ? (double)run->end_rss : NAN;
	case FIGURE_TREE:
		return (double)run->tree_rss;
	case FIGURE_TRADE:
		return run->wall_s * (double)(run->mean_rss != 0 ? run->mean_rss : run->peak_rss);
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
		if (is_good(row, i) && !isnan(value[n] = figure_of(&row->run[i], figure)))
			n++;
	return stats_summary(value, n);
}

struct interval verdict_ratio(const struct row *row, const struct row *base, enum figure figure)
{
	double value[STATS_RUNS_MAX], against[STATS_RUNS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < row->rounds; i++) {
		if (!is_good(row, i) || !is_good(base, i))
			continue;
		value[n] = figure_of(&row->run[i], figure);
		against[n] = figure_of(&base->run[i], figure);
		n += !isnan(value[n]) && !isnan(against[n]);
	}
	return stats_ratio(value, against, n);
}

static void digest_row(const struct compare *c, struct row *row)
{
	row->good = 0;
	for (size_t i = 0; i < row->rounds; i++)
		row->good += is_good(row, i);
	if (row->good == 0 && row->outcome == OUTCOME_FINE)
		row->outcome = OUTCOME_NOT_RUN;
	for (enum figure f = 0; f < FIGURES; f++) {
		row->is[f] = summary_of(row, f);
		row->ratio[f] = verdict_ratio(row, &c->row[row->base], f);
	}
}

void verdict_digest(struct compare *c)
{
	for (size_t i = 0; i < c->rows; i++)
		digest_row(c, &c->row[i]);
}

enum figure verdict_time(const struct compare *c)
{
	return c->by == BY_CPU ? FIGURE_CPU : FIGURE_WALL;
}

/* ---- what can be told ------------------------------------------------------------------------ */

bool judge_memory(enum figure figure)
{
	return figure == FIGURE_PEAK || figure == FIGURE_MEAN || figure == FIGURE_END ||
	    figure == FIGURE_TREE;
}

double judge_noise(const struct compare *c, size_t base, enum figure figure)
{
	const struct interval *const twin = &c->row[base + 1].ratio[figure];
	const double noise = fmax(fabs(twin->high - 1), fabs(1 - twin->low));

	return isnan(twin->median) ? NAN : judge_memory(figure) ? fmax(noise, memory_noise_least)
	    : noise;
}

double verdict_noise(const struct compare *c, const struct row *row, enum figure figure)
{
	return judge_noise(c, row->base, figure);
}

/* The first row of a world is glibc's. */
size_t judge_base(const struct compare *c, bool no_huge_pages)
{
	for (size_t i = 0; i < c->rows; i++)
		if (c->row[i].no_huge_pages == no_huge_pages)
			return c->row[i].base;
	return 0;
}

bool verdict_can_judge(const struct compare *c, bool no_huge_pages, enum figure figure)
{
	const size_t base = judge_base(c, no_huge_pages);

	return c->rows > base + 1 && c->row[base].good >= RUNS_LEAST &&
	    c->row[base + 1].ratio[figure].coverage >= coverage_least &&
	    judge_noise(c, base, figure) <= NOISE_MOST;
}

bool verdict_differs(const struct interval *ratio, double noise)
{
	return ratio->coverage >= coverage_least && (ratio->low > 1 || ratio->high < 1) &&
	    fabs(ratio->median - 1) > noise;
}

/* -1: better than glibc, 1: worse, 0: no difference beyond noise. */
int judge_against_base(const struct compare *c, const struct row *row, enum figure figure)
{
	const struct interval *const ratio = &row->ratio[figure];

	if (!verdict_differs(ratio, judge_noise(c, row->base, figure)))
		return 0;
	return ratio->median < 1 ? -1 : 1;
}

bool judge_ties(const struct compare *c, const struct row *row, const struct row *best,
    enum figure figure)
{
	const struct interval ratio = verdict_ratio(row, best, figure);

	if (row == best)
		return true;
	if (isnan(ratio.median) || verdict_differs(&ratio, judge_noise(c, row->base, figure)))
		return false;
	return judge_against_base(c, row, figure) <= 0 || judge_against_base(c, best, figure) > 0;
}

/* ---- what to take ---------------------------------------------------------------------------- */

bool judge_candidate(const struct row *row, bool no_huge_pages)
{
	return row->no_huge_pages == no_huge_pages && row->outcome == OUTCOME_FINE &&
	    strcmp(row->allocator->name, GLIBC_AGAIN) != 0;
}

const struct row *judge_least(const struct compare *c, bool no_huge_pages, enum figure figure)
{
	const struct row *least = NULL;

	for (size_t i = 0; i < c->rows; i++)
		if (judge_candidate(&c->row[i], no_huge_pages) &&
		    !isnan(c->row[i].is[figure].median) &&
		    (least == NULL || c->row[i].is[figure].median < least->is[figure].median))
			least = &c->row[i];
	return least;
}

enum figure verdict_asked(const struct compare *c)
{
	static const enum figure asked[] = {FIGURE_TRADE, FIGURE_WALL, FIGURE_CPU, FIGURE_PEAK,
	    FIGURE_MEAN,
	    FIGURE_END};
	return asked[c->by];
}

enum figure verdict_lead(const struct compare *c, bool no_huge_pages)
{
	const enum figure order[] = {verdict_asked(c), verdict_time(c), FIGURE_MEAN, FIGURE_PEAK};

	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (verdict_can_judge(c, no_huge_pages, order[i]))
			return order[i];
	return FIGURES;
}

/* The figure that decides between rows that tie in the leading figure: memory after time, time
 * after memory. */
static enum figure second_of(const struct compare *c, bool no_huge_pages, enum figure lead)
{
	const enum figure order[] = {judge_memory(lead) ? verdict_time(c) : FIGURE_MEAN, FIGURE_PEAK};

	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (order[i] != lead && verdict_can_judge(c, no_huge_pages, order[i]))
			return order[i];
	return FIGURES;
}

static bool some_are_better(const struct compare *c, bool no_huge_pages, enum figure figure)
{
	for (size_t i = 0; i < c->rows; i++)
		if (judge_candidate(&c->row[i], no_huge_pages) &&
		    judge_against_base(c, &c->row[i], figure) < 0)
			return true;
	return false;
}

/* Of the rows that tie with the first in the leading figure, take the one with the least second
 * figure. If some of them are better than glibc beyond noise, only those count: the first may vary
 * too much to be better itself. */
static const struct row *pick(const struct compare *c, const struct row *first, enum figure lead,
    enum figure second, bool better)
{
	const struct row *best = better && judge_against_base(c, first, lead) >= 0 ? NULL : first;

	for (size_t i = 0; i < c->rows && second != FIGURES; i++) {
		const struct row *const row = &c->row[i];
		if (judge_candidate(row, first->no_huge_pages) && judge_ties(c, row, first, lead) &&
		    (!better || judge_against_base(c, row, lead) < 0) &&
		    (best == NULL || row->is[second].median < best->is[second].median))
			best = row;
	}
	return best != NULL ? best : first;
}

const struct row *verdict_best(const struct compare *c, bool no_huge_pages)
{
	const enum figure lead = verdict_lead(c, no_huge_pages);
	const enum figure second = second_of(c, no_huge_pages, lead);
	const struct row *const first = lead != FIGURES ? judge_least(c, no_huge_pages, lead) : NULL;

	if (first == NULL)
		return NULL;
	const bool better = some_are_better(c, no_huge_pages, lead);
	const struct row *const best = pick(c, first, lead, second, better);
	const struct row *const base = &c->row[best->base];
	const bool gains = !judge_candidate(base, no_huge_pages) || better ||
	    !judge_ties(c, base, first, lead) ||
	    (second != FIGURES && judge_against_base(c, best, second) < 0 &&
	        best->ratio[second].median * worth_changing < 1);
	return gains ? best : base; /* a user with nothing to gain is not advised to change */
}

bool verdict_ties(const struct compare *c, const struct row *row, const struct row *best)
{
	const enum figure lead = verdict_lead(c, row->no_huge_pages);
	return lead != FIGURES && judge_ties(c, row, best, lead);
}

void verdict_remark(const struct compare *c, const struct row *row, struct table *t)
{
	static const char *const words[] = {"faster", "no difference", "slower"};
	static const enum paint paints[] = {PAINT_GOOD, PAINT_DIM, PAINT_BAD};
	const enum figure time = verdict_time(c);
	const bool best = row == verdict_best(c, row->no_huge_pages);
	const size_t at = (size_t)(row - c->row);
	const int against = judge_against_base(c, row, time);

	if (at == row->base + 1 && !isnan(row->ratio[time].median))
		table_paint(t, PAINT_DIM, "noise: %.1f %%", 100 * verdict_noise(c, row, time));
	else if (at == row->base || !verdict_can_judge(c, row->no_huge_pages, time))
		table_paint(t, PAINT_GOOD, "%s", best ? "take" : "");
	else
		table_paint(t, best ? PAINT_GOOD : paints[1 + against], "%s%s", words[1 + against],
		    best ? ", take" : "");
}
