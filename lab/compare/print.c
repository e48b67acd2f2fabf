/* print.c - dmm compare for people, and as CSV. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "compare/compare.h"
#include "cli/screen.h"
#include "cli/table.h"
#include "cli/units.h"
#include "cli/plain.h"

/* ---- the table ------------------------------------------------------------------------------- */

static void put_ratio(struct table *t, const struct interval *ratio, double noise)
{
	const bool differs = verdict_differs(ratio, noise);

	if (isnan(ratio->median))
		table_cell(t, "%s", "");
	else
		table_paint(t, !differs ? PAINT_PLAIN : ratio->median < 1 ? PAINT_GOOD : PAINT_BAD,
		    ratio->median < 9.995 ? "%.2f" : "%.1f", ratio->median);
}

static void put_interval(struct table *t, const struct interval *ratio)
{
	if (isnan(ratio->median) || ratio->coverage == 0)
		table_cell(t, "%s", "");
	else
		table_paint(t, PAINT_DIM, ratio->high < 9.995 ? "%.2f-%.2f" : "%.1f-%.1f",
		    ratio->low, ratio->high);
}

static bool has(const struct compare *c, bool no_huge_pages, enum figure figure)
{
	for (size_t i = 0; i < c->rows; i++)
		if (c->row[i].no_huge_pages == no_huge_pages && !isnan(c->row[i].is[figure].median))
			return true;
	return false;
}

static void put_memory(struct table *t, const struct compare *c, const struct row *row,
    enum figure figure)
{
	char text[UNITS_LEN];

	if (!has(c, row->no_huge_pages, figure))
		return;
	if (isnan(row->is[figure].median))
		table_cell(t, "%s", "");
	else
		table_cell(t, "%s", units_bytes(text, row->is[figure].median));
	put_ratio(t, &row->ratio[figure], verdict_noise(c, row, figure));
}

static void put_figures(struct table *t, const struct compare *c, const struct row *row)
{
	const enum figure time = verdict_time(c);
	char text[UNITS_LEN];

	table_cell(t, "%s", units_seconds(text, row->is[time].median));
	put_ratio(t, &row->ratio[time], verdict_noise(c, row, time));
	put_interval(t, &row->ratio[time]);
	put_memory(t, c, row, FIGURE_PEAK);
	put_memory(t, c, row, FIGURE_MEAN);
	put_memory(t, c, row, FIGURE_END);
}

static void put_row(struct table *t, const struct compare *c, const struct row *row)
{
	static const char *const word[] = {"not loaded", "crashed", "no service", "differs"};

	table_cell(t, "%s", row->allocator->name);
	if (row->outcome == OUTCOME_TOO_SLOW)
		table_paint(t, PAINT_BAD, "> %.3g s", c->timeout_s);
	else if (row->good > 0)
		put_figures(t, c, row);
	while (t->cells % t->columns != t->columns - 1)
		table_cell(t, "%s", "");
	if (row->outcome < OUTCOME_TOO_SLOW)
		table_paint(t, PAINT_BAD, "%s", word[row->outcome]);
	else if (row->outcome == OUTCOME_TOO_SLOW)
		table_paint(t, PAINT_BAD, "%s", "too slow");
	else if (row->outcome == OUTCOME_NOT_RUN)
		table_paint(t, PAINT_DIM, "%s", "not run");
	else
		verdict_remark(c, row, t);
}

/* Below glibc's two rows: by how much they differ in each figure. */
static void put_noise(struct table *t, const struct compare *c, const struct row *row)
{
	const enum figure time = verdict_time(c);
	const enum figure figures[] = {time, FIGURE_PEAK, FIGURE_MEAN, FIGURE_END};

	table_paint(t, PAINT_DIM, "noise");
	for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
		if (i > 1 && !has(c, row->no_huge_pages, figures[i]))
			continue;
		table_cell(t, "%s", "");
		verdict_noise_cell(c, row, figures[i], t);
		if (i == 0)
			table_cell(t, "%s", ""); /* the interval */
	}
	table_cell(t, "%s", "");
}

/* The probability that the interval of this many runs contains the true median. */
static double coverage_of(const struct compare *c)
{
	for (size_t i = 0; i < c->rows; i++)
		if (c->row[i].good == c->runs)
			return c->row[i].ratio[verdict_time(c)].coverage;
	return 0;
}

static bool has_intervals(const struct compare *c, bool no_huge_pages)
{
	for (size_t i = 0; i < c->rows; i++)
		if (c->row[i].no_huge_pages == no_huge_pages &&
		    c->row[i].ratio[verdict_time(c)].coverage > 0)
			return true;
	return false;
}

/* Without several runs there are no intervals.  A narrow screen leaves out the intervals first, and
 * then bytes of memory, of which the ratios stay. */
static size_t set_columns(const struct compare *c, bool no_huge_pages, struct column *columns,
    const char *interval, size_t *spare)
{
	const bool cpu = c->by == BY_CPU;
	size_t count = 0;

	columns[count++] = (struct column){"allocator", false};
	columns[count++] = (struct column){cpu ? "CPU time" : "time", true};
	columns[count++] = (struct column){cpu ? "CPU /glibc" : "time /glibc", true};
	spare[0] = count;
	columns[count++] =
	    (struct column){has_intervals(c, no_huge_pages) ? interval : "", true};
	columns[count++] = (struct column){"peak", true};
	columns[count++] = (struct column){"peak /glibc", true};
	for (enum figure f = FIGURE_MEAN; f <= FIGURE_END; f++) {
		const bool mean = f == FIGURE_MEAN;
		if (!has(c, no_huge_pages, f))
			continue;
		spare[mean ? 2 : 1] = count;
		columns[count++] = (struct column){mean ? "mean" : "end", true};
		columns[count++] = (struct column){mean ? "mean /glibc" : "end /glibc", true};
	}
	columns[count++] = (struct column){"time, verdict", false};
	return count;
}

static void print_table(const struct compare *c, bool no_huge_pages, FILE *out)
{
	char interval[32];
	struct column columns[12];
	size_t spare[3] = {0};
	struct table t;

	snprintf(interval, sizeof interval, "%.0f %% interval",
	    fmin(round(coverage_of(c) * 100), 95));
	table_begin(&t, columns, set_columns(c, no_huge_pages, columns, interval, spare));
	for (size_t i = 0; i < sizeof spare / sizeof *spare; i++)
		if (spare[i] != 0)
			table_spare(&t, spare[i], 1);
	for (size_t i = 0; i < c->rows; i++) {
		const struct row *const row = &c->row[i];
		if (row->no_huge_pages != no_huge_pages)
			continue;
		put_row(&t, c, row);
		if (i == row->base + 1 && c->runs > 1)
			put_noise(&t, c, row);
	}
	table_text(&t, out);
	table_end(&t);
}

/* ---- prose ----------------------------------------------------------------------------------- */

static void print_command(const struct compare *c, FILE *out)
{
	const size_t width = screen_width(out);
	size_t used = 0;

	for (char *const *word = c->command; *word != NULL; word++) {
		const char *const text = plain(*word);
		const size_t n = strcspn(text, "\n"), columns = screen_columns(text, n);
		if (used + columns + 5 > width) {
			fputs(" ...", out);
			break;
		}
		fprintf(out, "%s%.*s", used > 0 ? " " : "", (int)n, text);
		used += columns + (used > 0);
	}
	fputc('\n', out);
	if (c->drive != NULL)
		screen_words(out, 0, "driven by: %s", c->drive);
}

static void print_head(const struct compare *c, FILE *out)
{
	const struct provenance *const p = &c->provenance;

	fputs(table_escape(out, PAINT_DIM), out);
	print_command(c, out);
	screen_words(out, 0, "%zu run%s each in rotating order; %ld x %s, %s, %s", c->runs,
	    c->runs == 1 ? "" : "s", p->cpus, p->cpu, p->kernel, p->libc);
	if (c->linked != NULL)
		screen_words(out, 0, "by itself it runs on %s, row '%s'; glibc is preloaded",
		    c->linked, c->linked_row);
	fputs(table_escape(out, PAINT_PLAIN), out);
}

static void print_reasons(const struct compare *c, bool no_huge_pages, FILE *out)
{
	const char *said = "";

	for (size_t i = 0; i < c->rows; i++) {
		const struct row *const row = &c->row[i];
		if (row->no_huge_pages != no_huge_pages || row->why[0] == '\0' ||
		    row->outcome == OUTCOME_TOO_SLOW || strcmp(row->why, said) == 0)
			continue;
		if (row->proof.whole_program) /* the same for all */
			screen_text(out, 0, said = row->why);
		else
			screen_words(out, 0, "%s: %s", row->allocator->name, row->why);
	}
}

/* A child that a program starts with a clean environment runs on glibc, unnoticed. */
static void print_strays(const struct compare *c, bool no_huge_pages, FILE *out)
{
	for (size_t i = 0; i < c->rows; i++) {
		const struct row *const row = &c->row[i];
		if (row->no_huge_pages != no_huge_pages || row->good == 0 ||
		    row->run[0].without == 0 || row->proof.verdict != PROOF_LOADED)
			continue;
		screen_words(out, 0, "%s: %u of %u processes looked at ran without it",
		    row->allocator->name, row->run[0].without,
		    row->run[0].with + row->run[0].without);
	}
}

static void print_part(const struct compare *c, bool no_huge_pages, FILE *out)
{
	char *const verdict = verdict_text(c, no_huge_pages);

	fprintf(out, "%shuge pages: %s%s%s\n\n", table_escape(out, PAINT_DIM),
	    no_huge_pages ? "off for all" : "as they are, ",
	    no_huge_pages ? "" : c->provenance.huge_pages, table_escape(out, PAINT_PLAIN));
	print_table(c, no_huge_pages, out);
	fputc('\n', out);
	print_reasons(c, no_huge_pages, out);
	print_strays(c, no_huge_pages, out);
	screen_text(out, 0, verdict);
	free(verdict);
}

void compare_text(const struct compare *c, FILE *out)
{
	print_head(c, out);
	if (c->huge_pages != HUGE_OFF)
		print_part(c, false, out);
	if (c->huge_pages == HUGE_BOTH)
		fputc('\n', out);
	if (c->huge_pages != HUGE_AS_IS)
		print_part(c, true, out);
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static void number(struct table *t, double value)
{
	if (isfinite(value))
		table_cell(t, "%.9g", value);
	else
		table_cell(t, "%s", "");
}

static void numbers(struct table *t, const struct summary *s)
{
	number(t, s->min);
	number(t, s->median);
	number(t, s->max);
}

static void csv_row(struct table *t, const struct row *row)
{
	static const char *const outcome[] = {"not-loaded", "crashed", "not-served", "differs",
	    "timeout", "fine", "not-run"};

	table_cell(t, "%s", row->allocator->name);
	table_cell(t, "%s", allocator_kind(row->allocator));
	table_cell(t, "%s", row->no_huge_pages ? "off" : "as-is");
	table_cell(t, "%s", outcome[row->outcome]);
	table_cell(t, "%zu", row->good);
	numbers(t, &row->is[FIGURE_WALL]);
	numbers(t, &row->is[FIGURE_CPU]);
	numbers(t, &row->is[FIGURE_PEAK]);
	number(t, row->is[FIGURE_FAULTS].median);
	number(t, row->ratio[FIGURE_WALL].median);
	number(t, row->ratio[FIGURE_WALL].low);
	number(t, row->ratio[FIGURE_WALL].high);
	number(t, row->ratio[FIGURE_CPU].median);
	number(t, row->ratio[FIGURE_PEAK].median);
	number(t, row->is[FIGURE_MEAN].median);
	number(t, row->ratio[FIGURE_MEAN].median);
	number(t, row->is[FIGURE_END].median);
	number(t, row->ratio[FIGURE_END].median);
	table_cell(t, "%s", row->why);
}

void compare_csv(const struct compare *c, FILE *out)
{
	static const struct column columns[] = {{"name", 0}, {"kind", 0}, {"thp", 0},
	    {"outcome", 0}, {"runs", 0}, {"wall_min_s", 0}, {"wall_median_s", 0}, {"wall_max_s", 0},
	    {"cpu_min_s", 0}, {"cpu_median_s", 0}, {"cpu_max_s", 0}, {"peak_rss_min_bytes", 0},
	    {"peak_rss_median_bytes", 0}, {"peak_rss_max_bytes", 0}, {"faults_median", 0},
	    {"wall_ratio", 0}, {"wall_ratio_low", 0}, {"wall_ratio_high", 0}, {"cpu_ratio", 0},
	    {"peak_rss_ratio", 0}, {"mean_rss_median_bytes", 0}, {"mean_rss_ratio", 0},
	    {"end_rss_median_bytes", 0}, {"end_rss_ratio", 0}, {"why", 0}};
	struct table t;

	table_begin(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < c->rows; i++)
		csv_row(&t, &c->row[i]);
	table_csv(&t, out);
	table_end(&t);
}
