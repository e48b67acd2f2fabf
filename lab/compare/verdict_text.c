/* verdict_text.c - the verdict in words, generated from the rows and intervals of the table. */
#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "compare/judge.h"
#include "cli/units.h"

enum { NAMES_MOST = 3 };

static const struct {
	enum figure figure;
	const char *least, *noun, *where;
} told[] = {
    {FIGURE_WALL, "fastest", "time", "time"},
    {FIGURE_CPU, "fastest", "CPU time", "CPU time"},
    {FIGURE_PEAK, "leanest at the peak", "memory at the peak", "peak memory"},
    {FIGURE_MEAN, "leanest on average", "memory on average", "average memory"},
    {FIGURE_END, "leanest at the end", "memory at the end", "memory at the end"},
};
enum { TOLD = sizeof told / sizeof *told };

/* Wall-clock or CPU time, as the user chose, and the three memories. */
static bool is_told(const struct compare *c, bool no_huge_pages, size_t i)
{
	return (judge_memory(told[i].figure) || told[i].figure == verdict_time(c)) &&
	    verdict_can_judge(c, no_huge_pages, told[i].figure) &&
	    judge_least(c, no_huge_pages, told[i].figure) != NULL;
}

/* "against glibc 6 % less time, 40 % less memory on average": only differences beyond noise. */
static void add_changes(const struct compare *c, const struct row *row, FILE *out)
{
	char text[UNITS_LEN];
	bool any = false;

	for (size_t i = 0; i < TOLD; i++) {
		if (!is_told(c, row->no_huge_pages, i) ||
		    judge_against_base(c, row, told[i].figure) == 0)
			continue;
		fprintf(out, "%s%s", any ? ", " : "against glibc ",
		    units_change(text, row->ratio[told[i].figure].median, told[i].noun));
		any = true;
	}
}

/* "By memory alone, ": not all figures that decide can be judged. */
static void add_by(const struct compare *c, bool no_huge_pages, FILE *out)
{
	const bool time = verdict_judges_time(c, no_huge_pages),
	           memory = verdict_judges_memory(c, no_huge_pages);

	if (verdict_lead(c, no_huge_pages) != FIGURES)
		return;
	if (time != memory)
		fprintf(out, "by %s alone, ", time ? "time" : "memory");
	else if (verdict_asked(c) != FIGURES)
		fputs("by the other figures, ", out);
}

/* "no other allocator is faster by 5 %, or about as fast and better by 3 % in all, beyond noise" */
static void add_stay(const struct compare *c, const struct row *base, FILE *out)
{
	const enum figure lead = verdict_lead(c, base->no_huge_pages);

	fprintf(out, "stay with %s: no other allocator ", base->allocator->name);
	if (lead != FIGURES)
		fprintf(out, "is %s by 5 %%, or about as %s and better by 3 %% in all figures "
		    "together, beyond noise.",
		    judge_memory(lead) ? "leaner" : "faster",
		    judge_memory(lead) ? "lean" : "fast");
	else if (!verdict_judges_memory(c, base->no_huge_pages))
		fputs("gains 3 % in time beyond noise.", out);
	else if (!verdict_judges_time(c, base->no_huge_pages))
		fputs("gains 3 % in memory on the whole, beyond noise.", out);
	else
		fputs("gains 3 % in time and memory together, beyond noise.", out);
}

static void add_take(const struct compare *c, const struct row *best, FILE *out)
{
	add_by(c, best->no_huge_pages, out);
	if (best == &c->row[best->base]) {
		add_stay(c, best, out);
		return;
	}
	fprintf(out, "take %s: ", best->allocator->name);
	if (c->row[best->base].outcome != OUTCOME_FINE)
		fputs("glibc did not run the program to its end", out);
	else
		add_changes(c, best, out);
	fputc('.', out);
}

/* "Fastest: A and B; leanest on average: C." */
static void add_least(const struct compare *c, bool no_huge_pages, enum figure figure, FILE *out)
{
	const struct row *const least = judge_least(c, no_huge_pages, figure);
	size_t more = 0, said = 1;

	fputs(least->allocator->name, out);
	for (size_t i = 0; i < c->rows; i++) {
		const struct row *const row = &c->row[i];
		if (row == least || !judge_candidate(row, no_huge_pages) ||
		    !judge_ties(c, row, least, figure))
			continue;
		if (said++ < NAMES_MOST)
			fprintf(out, ", %s", row->allocator->name);
		else
			more++;
	}
	if (more != 0)
		fprintf(out, " and %zu more within noise", more);
	else if (said > 1)
		fputs(" within noise", out);
}

static void add_all_least(const struct compare *c, bool no_huge_pages, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < TOLD; i++) {
		if (!is_told(c, no_huge_pages, i))
			continue;
		fprintf(out, "%s%c%s: ", any ? "; " : " ",
		    any ? told[i].least[0] : (char)(told[i].least[0] - 'a' + 'A'),
		    told[i].least + 1);
		add_least(c, no_huge_pages, told[i].figure, out);
		any = true;
	}
	if (any)
		fputc('.', out);
}

/* "Its price: against mimalloc 6 % more time." */
static void add_price(const struct compare *c, const struct row *best, FILE *out)
{
	char text[UNITS_LEN];
	bool any = false;

	for (size_t i = 0; i < TOLD; i++) {
		if (!is_told(c, best->no_huge_pages, i))
			continue;
		const struct row *const least = judge_least(c, best->no_huge_pages, told[i].figure);
		if (judge_ties(c, best, least, told[i].figure))
			continue;
		const struct interval ratio = verdict_ratio(best, least, told[i].figure);
		fprintf(out, "%s against %s %s", any ? "," : " Its price:", least->allocator->name,
		    units_change(text, ratio.median, told[i].noun));
		any = true;
	}
	if (any)
		fputc('.', out);
}

/* Figures that glibc cannot reproduce itself, and what to do about it. */
static void add_unjudged(const struct compare *c, bool no_huge_pages, FILE *out)
{
	const size_t base = judge_base(c, no_huge_pages);

	for (size_t i = 0; i < TOLD; i++) {
		const enum figure f = told[i].figure;
		if ((!judge_memory(f) && f != verdict_time(c)) ||
		    verdict_can_judge(c, no_huge_pages, f) ||
		    isnan(judge_noise(c, base, f)) || judge_noise(c, base, f) <= NOISE_MOST)
			continue;
		fprintf(out, " No verdict on %s: glibc differs from itself by up to %.0f %%; use "
		             "more --runs%s.",
		    told[i].where, 100 * judge_noise(c, base, f),
		    f == FIGURE_WALL ? ", an idle machine or --by=cpu" : " or an idle machine");
	}
}

static void add_excluded(const struct compare *c, bool no_huge_pages, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < c->rows; i++) {
		const struct row *const row = &c->row[i];
		if (row->no_huge_pages != no_huge_pages || row->outcome == OUTCOME_FINE ||
		    row->outcome == OUTCOME_NOT_RUN)
			continue;
		fprintf(out, "%s%s", any ? ", " : " Not counted: ", row->allocator->name);
		any = true;
	}
	if (any)
		fputc('.', out);
}

/* The user interrupted before the first run had ended. */
static bool nothing_ran(const struct compare *c, bool no_huge_pages)
{
	for (size_t i = 0; i < c->rows; i++)
		if (c->row[i].no_huge_pages == no_huge_pages &&
		    c->row[i].outcome != OUTCOME_NOT_RUN)
			return false;
	return true;
}

static void add_no_verdict(const struct compare *c, bool no_huge_pages, FILE *out)
{
	const struct row *const first = judge_least(c, no_huge_pages, verdict_time(c));
	const struct row *const base = &c->row[judge_base(c, no_huge_pages)];

	if (nothing_ran(c, no_huge_pages))
		fputs("no verdict: no run has ended.", out);
	else if (first == NULL)
		fputs("no verdict: glibc and all others failed at least once.", out);
	else if (base->good != 0 && base->good < RUNS_LEAST)
		fprintf(out, "no verdict: %zu %s too few to tell a difference from noise; take "
		    "--runs=%d.",
		    base->good, base->good == 1 ? "run is" : "runs are", STATS_RUNS_FOR_95);
	else if (base->good == 0)
		fputs("no verdict: glibc did not run the program to its end, so the noise is not "
		    "known.", out);
	else
		fputs("no verdict: the noise is too large.", out);
}

char *verdict_text(const struct compare *c, bool no_huge_pages)
{
	const struct row *const best = verdict_best(c, no_huge_pages);
	char *text = NULL;
	size_t len = 0;
	FILE *const out = open_memstream(&text, &len);

	CHECK(out != NULL);
	if (c->huge_pages == HUGE_BOTH)
		fputs(no_huge_pages ? "Without huge pages, " : "With huge pages as they are, ",
		    out);
	if (best == NULL) {
		add_no_verdict(c, no_huge_pages, out);
	} else {
		add_take(c, best, out);
		add_all_least(c, no_huge_pages, out);
		add_price(c, best, out);
	}
	add_unjudged(c, no_huge_pages, out);
	add_excluded(c, no_huge_pages, out);
	fclose(out);
	if (text[0] >= 'a' && text[0] <= 'z')
		text[0] = (char)(text[0] - 'a' + 'A');
	return text;
}

bool verdict_has_fault(const struct compare *c)
{
	for (size_t i = 0; i < c->rows; i++)
		if (c->row[i].outcome < OUTCOME_TOO_SLOW)
			return true;
	return false;
}
