/* verdict.c - computes figures from runs, and from the figures which allocator to take and at
 * what cost.
 *
 * Rules that every sentence obeys:
 *   V1 noise      a figure in which glibc differs from itself by more than 25 % gets no verdict
 *   V2 told       a row is better or worse than another only if the interval of their ratios
 *                 excludes 1 and the median lies beyond the noise
 *   V3 ties       a row that does not differ from the best by more than noise is named beside it
 *   V4 one word   no row is told to be slower than glibc and as good as the best, unless the best
 *                 is slower too
 *   V5 the whole  a few percent in one figure decide nothing where the other figures differ by
 *                 more: the choice between such rows is by the cost of all figures
 *
 * The cost of a row is the logarithm of its time plus the average logarithm of its memory (on
 * average, at the peak, at the end), as ratios to glibc's. Figures without a verdict and
 * differences within noise do not count.
 */
#include <math.h>
#include <string.h>

#include "compare/judge.h"

static const double memory_noise_least = 0.01; /* page tables and stacks differ by that much */
static const double worth_changing = 1.03; /* in the cost of all figures */
static const double few = 1.05; /* rows that differ by less in the figure that was asked for are
    compared in all figures */

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
	    c->row[base + 1].ratio[figure].coverage >= COVERAGE_LEAST &&
	    judge_noise(c, base, figure) <= NOISE_MOST;
}

bool verdict_differs(const struct interval *ratio, double noise)
{
	return ratio->coverage >= COVERAGE_LEAST && (ratio->low > 1 || ratio->high < 1) &&
	    noise <= NOISE_MOST && fabs(ratio->median - 1) > noise;
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
	static const enum figure asked[] = {FIGURES, FIGURE_WALL, FIGURE_CPU, FIGURE_PEAK,
	    FIGURE_MEAN, FIGURE_END};
	return asked[c->by];
}

enum figure verdict_lead(const struct compare *c, bool no_huge_pages)
{
	const enum figure asked = verdict_asked(c);

	return asked != FIGURES && verdict_can_judge(c, no_huge_pages, asked) ? asked : FIGURES;
}

static const enum figure memories[] = {FIGURE_MEAN, FIGURE_PEAK, FIGURE_END};
enum { MEMORIES = sizeof memories / sizeof *memories };

bool verdict_judges_time(const struct compare *c, bool no_huge_pages)
{
	return verdict_can_judge(c, no_huge_pages, verdict_time(c));
}

bool verdict_judges_memory(const struct compare *c, bool no_huge_pages)
{
	for (size_t i = 0; i < MEMORIES; i++)
		if (verdict_can_judge(c, no_huge_pages, memories[i]))
			return true;
	return false;
}

/* The logarithm of the ratio of two rows in a figure. 0: no difference beyond noise. */
static double change(const struct compare *c, const struct row *row, const struct row *than,
    enum figure figure)
{
	const struct interval ratio = verdict_ratio(row, than, figure);

	return verdict_differs(&ratio, judge_noise(c, row->base, figure)) ? log(ratio.median) : 0;
}

/* Negative: the row needs less than the other in all figures together. */
static double cost(const struct compare *c, const struct row *row, const struct row *than)
{
	const bool off = row->no_huge_pages;
	double memory = 0;
	size_t n = 0;

	for (size_t i = 0; i < MEMORIES; i++)
		if (verdict_can_judge(c, off, memories[i])) {
			memory += change(c, row, than, memories[i]);
			n++;
		}
	return (n != 0 ? memory / (double)n : 0) +
	    (verdict_judges_time(c, off) ? change(c, row, than, verdict_time(c)) : 0);
}

/* Is the row better than glibc in the figure that was asked for, by more than a few percent? */
static bool gains(const struct compare *c, const struct row *row, enum figure lead)
{
	return lead != FIGURES && change(c, row, &c->row[row->base], lead) < -log(few);
}

/* A user with nothing to gain is not advised to change. */
static bool is_worth_changing(const struct compare *c, const struct row *row, enum figure lead)
{
	const struct row *const base = &c->row[row->base];

	return !judge_candidate(base, row->no_huge_pages) || gains(c, row, lead) ||
	    cost(c, row, base) < -log(worth_changing);
}

/* Is the row near the least of those that may be taken in the leading figure?  `row` may be. */
static bool is_near(const struct compare *c, const struct row *row, enum figure lead)
{
	const struct row *const base = &c->row[row->base], *first = row;

	for (size_t i = 0; i < c->rows; i++) {
		const struct row *const other = &c->row[i];
		if (judge_candidate(other, row->no_huge_pages) &&
		    (other == base || is_worth_changing(c, other, lead)) &&
		    verdict_ratio(other, first, lead).median < 1)
			first = other;
	}
	return judge_ties(c, row, first, lead) || verdict_ratio(row, first, lead).median < few;
}

/* Is the row a better choice than `best`? One that gains in the leading figure comes first: the
 * row with the least median may vary too much to gain. */
static bool is_better(const struct compare *c, const struct row *row, const struct row *best,
    enum figure lead)
{
	const struct row *const base = &c->row[row->base];

	if (best == NULL || gains(c, row, lead) != gains(c, best, lead))
		return best == NULL || gains(c, row, lead);
	return cost(c, row, base) < cost(c, best, base);
}

const struct row *verdict_best(const struct compare *c, bool no_huge_pages)
{
	const enum figure lead = verdict_lead(c, no_huge_pages);
	const struct row *best = NULL;

	if (!verdict_judges_time(c, no_huge_pages) && !verdict_judges_memory(c, no_huge_pages))
		return NULL;
	for (size_t i = 0; i < c->rows; i++) {
		const struct row *const row = &c->row[i];
		if (judge_candidate(row, no_huge_pages) && is_worth_changing(c, row, lead) &&
		    (lead == FIGURES || is_near(c, row, lead)) && is_better(c, row, best, lead))
			best = row;
	}
	const struct row *const base = &c->row[judge_base(c, no_huge_pages)];
	return best != NULL || !judge_candidate(base, no_huge_pages) ? best : base;
}

bool verdict_ties(const struct compare *c, const struct row *row, const struct row *best)
{
	const enum figure lead = verdict_lead(c, row->no_huge_pages);

	return lead != FIGURES ? judge_ties(c, row, best, lead)
	    : fabs(cost(c, row, best)) < log(worth_changing);
}

void verdict_noise_cell(const struct compare *c, const struct row *row, enum figure figure,
    struct table *t)
{
	const double noise = verdict_noise(c, row, figure);

	if (isnan(noise))
		table_cell(t, "%s", "");
	else
		table_paint(t, noise > NOISE_MOST ? PAINT_BAD : PAINT_DIM,
		    noise < 0.995 ? "%.2g %%" : "%.0f %%", 100 * noise);
}

void verdict_remark(const struct compare *c, const struct row *row, struct table *t)
{
	static const char *const words[] = {"faster", "same", "slower"};
	static const enum paint paints[] = {PAINT_GOOD, PAINT_DIM, PAINT_BAD};
	const enum figure time = verdict_time(c);
	const bool best = row == verdict_best(c, row->no_huge_pages);
	const size_t at = (size_t)(row - c->row);
	const int against = judge_against_base(c, row, time);

	if (at == row->base || at == row->base + 1 ||
	    !verdict_can_judge(c, row->no_huge_pages, time))
		table_paint(t, PAINT_GOOD, "%s", best ? "take" : "");
	else
		table_paint(t, best ? PAINT_GOOD : paints[1 + against], "%s%s", words[1 + against],
		    best ? ", take" : "");
}
