/* print.c - dmm compare for people, and as CSV. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "compare/compare.h"
#include "cli/table.h"
#include "cli/units.h"

enum { PROSE_WIDTH = 90 };

static bool is_twin(const struct compare *c, const struct row *row)
{
	return row == &c->row[row->base + 1];
}

/* ---- the table -------------------------------------------------------------------------------- */

static void put_ratio(struct table *t, const struct interval *ratio, double noise)
{
	const bool differs = digest_differs(ratio, noise);

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
		table_paint(t, PAINT_DIM, ratio->high < 9.995 ? "%.2f-%.2f" : "%.1f-%.1f", ratio->low,
		    ratio->high);
}

/* What the time says, and nothing that noise might have said. */
static void put_remark(struct table *t, const struct compare *c, const struct row *row)
{
	const double noise = digest_noise(c, row);
	const bool best = row == digest_best(c, row->no_huge_pages);

	if (row->base == (size_t)(row - c->row))
		table_paint(t, best ? PAINT_GOOD : PAINT_DIM, "%s", best ? "best" : "");
	else if (is_twin(c, row) && !isnan(noise))
		table_paint(t, PAINT_DIM, "noise: %.1f %%", noise * 100);
	else if (digest_best(c, row->no_huge_pages) == NULL)
		table_cell(t, "%s", "");
	else if (!digest_differs(&row->time_ratio, noise))
		table_paint(t, best ? PAINT_GOOD : PAINT_DIM, "no difference%s", best ? ", best" : "");
	else
		table_paint(t, row->time_ratio.median < 1 ? PAINT_GOOD : PAINT_BAD, "%s%s",
		    row->time_ratio.median < 1 ? "faster" : "slower", best ? ", best" : "");
}

static void put_figures(struct table *t, const struct compare *c, const struct row *row)
{
	char text[UNITS_LEN];
	const double noise = digest_noise(c, row);

	table_cell(t, "%s", units_seconds(text, row->time.median));
	put_ratio(t, &row->time_ratio, noise);
	put_interval(t, &row->time_ratio);
	table_cell(t, "%s", units_seconds(text, c->by_cpu ? row->wall.median : row->cpu.median));
	table_cell(t, "%s", units_bytes(text, row->rss.median));
	put_ratio(t, &row->rss_ratio, 0.01);
	table_cell(t, "%s", units_count(text, row->faults.median));
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
		put_remark(t, c, row);
}

/* The chance that an interval of so many runs holds the true median. */
static double coverage_of(const struct compare *c)
{
	for (size_t i = 0; i < c->rows; i++)
		if (c->row[i].good == c->runs)
			return c->row[i].time_ratio.coverage;
	return 0;
}

static void print_table(const struct compare *c, bool no_huge_pages, FILE *out)
{
	const double coverage = coverage_of(c);
	char title[16];
	const struct column columns[] = {{"allocator", false}, {c->by_cpu ? "cpu" : "time", true},
	    {"/glibc", true}, {title, true}, {c->by_cpu ? "time" : "cpu", true}, {"memory", true},
	    {"/glibc", true}, {"faults", true}, {"", false}};
	struct table t;

	snprintf(title, sizeof title, coverage > 0 ? "%.0f %%" : "", fmin(round(coverage * 100), 95));
	table_begin(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < c->rows; i++)
		if (c->row[i].no_huge_pages == no_huge_pages)
			put_row(&t, c, &c->row[i]);
	table_text(&t, out);
	table_end(&t);
}

/* ---- prose ------------------------------------------------------------------------------------ */

static void print_prose(const char *text, FILE *out)
{
	size_t used = 0;

	while (*text != '\0') {
		const size_t n = strcspn(text, " ");
		if (used > 0)
			fputc(used + 1 + n > PROSE_WIDTH ? '\n' : ' ', out);
		used = used > 0 && used + 1 + n <= PROSE_WIDTH ? used + 1 + n : n;
		fwrite(text, 1, n, out);
		text += n;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void print_command(const struct compare *c, FILE *out)
{
	const size_t width = table_width(out);
	size_t used = 0;

	for (char *const *word = c->command; *word != NULL; word++) {
		const size_t n = strcspn(*word, "\n");
		if (used + n + 5 > width) {
			fputs(" ...", out);
			break;
		}
		used += (size_t)fprintf(out, "%s%.*s", used > 0 ? " " : "", (int)n, *word);
	}
	fputc('\n', out);
	if (c->drive != NULL)
		fprintf(out, "driven by: %s\n", c->drive);
}

static void print_head(const struct compare *c, FILE *out)
{
	const struct provenance *const p = &c->provenance;

	fputs(table_escape(out, PAINT_DIM), out);
	print_command(c, out);
	fprintf(out, "%zu run%s each in rotating order; %ld x %s, %s, %s\n", c->runs,
	    c->runs == 1 ? "" : "s", p->cpus, p->cpu, p->kernel, p->libc);
	if (c->linked != NULL)
		fprintf(out, "by itself it runs on %s, row '%s'; glibc is preloaded\n", c->linked, c->linked_row);
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
			fprintf(out, "%s\n", said = row->why);
		else
			fprintf(out, "%s: %s\n", row->allocator->name, row->why);
	}
}

/* A child that a program starts with a clean environment runs on glibc, unnoticed. */
static void print_strays(const struct compare *c, bool no_huge_pages, FILE *out)
{
	for (size_t i = 0; i < c->rows; i++) {
		const struct row *const row = &c->row[i];
		if (row->no_huge_pages != no_huge_pages || row->good == 0 || row->run[0].without == 0 ||
		    row->proof.verdict != PROOF_LOADED)
			continue;
		fprintf(out, "%s: %u of %u processes looked at ran without it\n", row->allocator->name,
		    row->run[0].without, row->run[0].with + row->run[0].without);
	}
}

static void print_part(const struct compare *c, bool no_huge_pages, FILE *out)
{
	char *const verdict = digest_verdict(c, no_huge_pages);

	fprintf(out, "%shuge pages: %s%s%s\n\n", table_escape(out, PAINT_DIM),
	    no_huge_pages ? "off for all" : "as they are, ",
	    no_huge_pages ? "" : c->provenance.huge_pages, table_escape(out, PAINT_PLAIN));
	print_table(c, no_huge_pages, out);
	fputc('\n', out);
	print_reasons(c, no_huge_pages, out);
	print_strays(c, no_huge_pages, out);
	print_prose(verdict, out);
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

/* ---- CSV -------------------------------------------------------------------------------------- */

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
	numbers(t, &row->wall);
	numbers(t, &row->cpu);
	numbers(t, &row->rss);
	number(t, row->faults.median);
	number(t, row->wall_ratio.median);
	number(t, row->wall_ratio.low);
	number(t, row->wall_ratio.high);
	number(t, row->cpu_ratio.median);
	number(t, row->rss_ratio.median);
	table_cell(t, "%s", row->why);
}

void compare_csv(const struct compare *c, FILE *out)
{
	static const struct column columns[] = {{"name", 0}, {"kind", 0}, {"thp", 0}, {"outcome", 0},
	    {"runs", 0}, {"wall_min_s", 0}, {"wall_median_s", 0}, {"wall_max_s", 0}, {"cpu_min_s", 0},
	    {"cpu_median_s", 0}, {"cpu_max_s", 0}, {"peak_rss_min_bytes", 0},
	    {"peak_rss_median_bytes", 0}, {"peak_rss_max_bytes", 0}, {"faults_median", 0},
	    {"wall_ratio", 0}, {"wall_ratio_low", 0}, {"wall_ratio_high", 0}, {"cpu_ratio", 0},
	    {"peak_rss_ratio", 0}, {"why", 0}};
	struct table t;

	table_begin(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < c->rows; i++)
		csv_row(&t, &c->row[i]);
	table_csv(&t, out);
	table_end(&t);
}
