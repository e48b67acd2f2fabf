/* head.c - the top of the page: which program, which design is best for it, and the scoreboard. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/page.h"
#include "cli/units.h"

/* ---- the title ------------------------------------------------------------------------------- */

static void put_facts(const struct report *r, FILE *out)
{
	const struct report_survey *const s = r->survey;
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN], n[32];

	fputs("<ul class=\"facts\">\n", out);
	fprintf(out, "<li><b>%s</b> calls</li>\n<li><b>%s</b></li>\n<li><b>%u</b> thread%s</li>\n",
	    page_count(n, s->events),
	    s->ns != 0 ? units_seconds(a, (double)s->ns * 1e-9) : "no times recorded", s->threads,
	    s->threads == 1 ? "" : "s");
	fprintf(out, "<li><b>%s</b> allocated in %s objects</li>\n<li>at most <b>%s</b> live at "
	    "once</li>\n",
	    units_bytes(a, (double)s->bytes_asked), units_count(b, (double)s->allocs),
	    units_bytes(c, (double)s->peak_payload));
	fputs("</ul>\n", out);
}

static void put_damage(const struct report *r, FILE *out)
{
	const struct report_survey *const s = r->survey;

	if (s->file.damage.text[0] != '\0') {
		fputs("<p class=\"warn\">The recording is damaged: ", out);
		page_text(out, s->file.damage.text);
		fputs(". This page shows what comes before.</p>\n", out);
	} else if (!s->file.ended && !s->file.head.tick_is_ns) {
		fputs("<p class=\"warn\">The recording has no end: the program was killed, "
		      "crashed or replaced itself, so the last moments are missing.</p>\n", out);
	}
}

/* ---- the verdict ----------------------------------------------------------------------------- */

static const char *const part_words[PARTS] = {"the program's own data",
    "padding, from rounding sizes up", "headers and tables", "free memory in bins, ready for reuse",
    "free memory waiting in caches", "page and slab tails that no request can use",
    "free memory retained beyond the bins"};

static enum part largest_waste(const struct accounting *a)
{
	enum part most = PART_PADDING;

	for (int p = PART_PADDING; p < PARTS; p++)
		if (a->part[p] > a->part[most])
			most = (enum part)p;
	return most;
}

static void put_three(FILE *out, const struct report_design *d)
{
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN];

	fprintf(out, "<b>%s</b> on average, <b>%s</b> at its peak, <b>%s</b> at the end",
	    units_bytes(a, d->mean),
	    units_bytes(b, (double)d->peak.footprint), units_bytes(c, (double)d->end));
}

enum { ON_AVERAGE, AT_PEAK, AT_END };

static double memory_of(const struct report_design *d, int when)
{
	return when == ON_AVERAGE ? d->mean
	    : when == AT_PEAK     ? (double)d->peak.footprint
	                          : (double)d->end;
}

/* The design that holds less than `best` then, and least of all; NULL: none. */
static const struct report_design *less_than(const struct report *r,
    const struct report_design *best, int when)
{
	const struct report_design *least = best;

	for (size_t i = 0; i < r->design_count; i++) {
		const struct report_design *const d = &r->designs[i];
		if (page_has_picture(d) && d->problem[0] == '\0' &&
		    memory_of(d, when) < memory_of(least, when))
			least = d;
	}
	return least != best ? least : NULL;
}

static void put_space_answer(const struct report *r, FILE *out, const struct report_design *best)
{
	static const char *const words[] = {[AT_PEAK] = "At its peak", [AT_END] = "At the end"};
	char a[UNITS_LEN];

	fprintf(out, "<p class=\"answer\"><strong>");
	page_text(out, best->name);
	fputs("</strong> takes the least memory on average: ", out);
	put_three(out, best);
	for (int when = AT_PEAK; when <= AT_END; when++) {
		const struct report_design *const less = less_than(r, best, when);
		if (less == NULL)
			continue;
		fprintf(out, ". %s, ", words[when]);
		page_text(out, less->name);
		fputs(" holds less", out);
	}
	fprintf(out, ". At most %s were live, which any allocator needs.</p>\n",
	    units_bytes(a, (double)best->peak_payload));
}

static void put_where(FILE *out, const struct report_design *d)
{
	const enum part waste = largest_waste(&d->peak);
	const double all = (double)d->peak.footprint / 100;
	char a[UNITS_LEN];

	fputs("<p>Of what <b>", out);
	page_text(out, d->name);
	fprintf(out, "</b> holds at its peak, %.0f %% is the program&#8217;s own data",
	    (double)d->peak.part[PART_PAYLOAD] / all);
	if (d->peak.part[waste] != 0)
		fprintf(out, "; most of the rest is %s (%s, %.0f %%)", part_words[waste],
		    units_bytes(a, (double)d->peak.part[waste]), (double)d->peak.part[waste] / all);
	fputs(".</p>\n", out);
}

static void put_others(const struct report *r, FILE *out, const struct report_design *best,
    bool all)
{
	for (size_t i = 0; i < r->design_count; i++) {
		const struct report_design *const d = &r->designs[i];
		if ((d == best && !all) || !page_has_picture(d) || d->problem[0] != '\0')
			continue;
		fputs("<p>", out);
		page_text(out, d->name);
		fputs(": ", out);
		put_three(out, d);
		fputs(".</p>\n", out);
	}
}

static bool has_best(const struct report_scores *s)
{
	for (size_t i = 0; s != NULL && i < s->count; i++)
		if (s->score[i].best)
			return true;
	return false;
}

/* The design that was best by the clock, if it is one whose heap is known. */
static const struct report_design *measured_best(const struct report *r)
{
	for (size_t i = 0; r->scores != NULL && i < r->scores->count; i++)
		for (size_t k = 0; k < r->design_count && r->scores->score[i].best; k++)
			if (strcmp(r->designs[k].name, r->scores->score[i].name) == 0 &&
			    page_has_picture(&r->designs[k]))
				return &r->designs[k];
	return NULL;
}

/* The page lists faults of the program before it recommends an allocator. */
static void put_diagnosis(const struct diagnosis *d, FILE *out)
{
	if (d == NULL)
		return;
	fputs("<section id=\"diagnosis\" aria-label=\"Diagnosis\">\n<h2>What is wrong</h2>\n", out);
	if (d->count == 0 && d->limited)
		fputs("<p>No fault is found.</p>\n", out);
	else if (d->count == 0)
		fputs("<p>Nothing: nothing grows, is pinned, retained or oversized, or "
		    "churns.</p>\n", out);
	else
		fputs("<ol>\n", out);
	for (size_t i = 0; i < d->count; i++) {
		fprintf(out, "<li><strong>%s</strong>: ", finding_names[d->finding[i].kind]);
		page_text(out, d->finding[i].what);
		if (d->finding[i].site[0] != '\0') {
			fputs("<br>at <code>", out);
			page_text(out, d->finding[i].site);
			fputs("</code>", out);
		}
		fputs("</li>\n", out);
	}
	if (d->count != 0)
		fputs("</ol>\n", out);
	if (d->unsaid[0] != '\0') {
		fputs("<p class=\"warn\">", out);
		page_text(out, d->unsaid);
		fputs(".</p>\n", out);
	}
	fputs("</section>\n", out);
}

static void put_verdict(const struct report *r, FILE *out)
{
	const struct report_design *const best = page_leanest(r);

	fputs("<section id=\"verdict\" aria-label=\"Verdict\">\n", out);
	const bool decided = has_best(r->scores);
	if (decided || (best == NULL && r->scores != NULL)) {
		fputs("<p class=\"answer\">", out);
		page_text(out, r->scores->verdict);
		fputs("</p>\n", out);
	}
	if (best != NULL) {
		const struct report_design *const chosen = measured_best(r);
		if (!decided)
			put_space_answer(r, out, best);
		if (!decided && r->scores != NULL) {
			fputs("<p>", out);
			page_text(out, r->scores->verdict);
			fputs("</p>\n", out);
		}
		put_others(r, out, best, decided);
		put_where(out, chosen != NULL ? chosen : best);
	} else if (r->scores == NULL) {
		fputs("<p class=\"answer\">No design could replay this recording.</p>\n", out);
	}
	page_names(r, out);
	fputs("</section>\n", out);
}

/* ---- the scoreboard -------------------------------------------------------------------------- */

struct line {
	const struct report_design *design; /* NULL: not replayed */
	const struct report_score *score;   /* NULL: not measured */
	size_t index;                       /* of the design: its colour */
};

enum { LINES = REPORT_DESIGNS + ROWS_MAX };

static size_t collect(const struct report *r, struct line *lines)
{
	size_t n = 0;

	for (size_t i = 0; i < r->design_count; i++)
		lines[n++] = (struct line){&r->designs[i], NULL, i};
	for (size_t i = 0; r->scores != NULL && i < r->scores->count; i++) {
		size_t k = 0;
		while (k < r->design_count && strcmp(lines[k].design->name,
		    r->scores->score[i].name) != 0)
			k++;
		if (k == r->design_count)
			lines[n++] = (struct line){NULL, &r->scores->score[i], SIZE_MAX};
		else
			lines[k].score = &r->scores->score[i];
	}
	return n;
}

/* The best first; measured before replayed; what went wrong last. */
static double rank(const struct line *l)
{
	if (l->score != NULL && l->score->best)
		return 0;
	if (l->score != NULL && !isnan(l->score->seconds))
		return 1 + l->score->seconds + (l->score->why[0] != '\0' ? 1e9 : 0);
	if (l->design != NULL && l->design->problem[0] == '\0')
		return 1e12 + l->design->mean;
	return INFINITY;
}

static int by_rank(const void *a, const void *b)
{
	const double x = rank(a), y = rank(b);
	return x < y ? -1 : x > y;
}

static void put_bar(FILE *out, double share)
{
	fprintf(out, "<span class=\"bar\" style=\"--v:%.1f%%\" aria-hidden=\"true\"></span>",
	    share * 100);
}

static void put_ratio(FILE *out, const struct interval *i)
{
	if (isnan(i->median)) {
		fputs("<td class=\"n\">&#8211;</td>", out);
		return;
	}
	fprintf(out, "<td class=\"n\">%.2f", i->median);
	if (i->coverage > 0)
		fprintf(out, " <span class=\"range\">%.2f&#8211;%.2f</span>", i->low, i->high);
	fputs("</td>", out);
}

static void put_space(FILE *out, const struct report_design *d, double most)
{
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN];

	if (d == NULL || !page_has_picture(d)) {
		for (int i = 0; i < 4; i++)
			fputs("<td class=\"n\">&#8211;</td>", out);
		return;
	}
	fprintf(out, "<td class=\"n withbar\">%s", units_bytes(a, (double)d->peak.footprint));
	put_bar(out, (double)d->peak.footprint / most);
	fprintf(out, "</td><td class=\"n\">%.2f</td><td class=\"n\">%s</td><td class=\"n\">%s</td>",
	    (double)d->peak.footprint / (double)(d->peak_payload != 0 ? d->peak_payload : 1),
	    units_bytes(b, d->mean), units_bytes(c, (double)d->end));
}

static void put_measured(FILE *out, const struct report_score *s, double most_time,
    double most_bytes)
{
	char a[UNITS_LEN];

	if (s == NULL || isnan(s->seconds)) {
		for (int i = 0; i < 4; i++)
			fputs("<td class=\"n\">&#8211;</td>", out);
		return;
	}
	fprintf(out, "<td class=\"n withbar\">%s", units_seconds(a, s->seconds));
	put_bar(out, s->seconds / most_time);
	fputs("</td>", out);
	put_ratio(out, &s->time);
	fprintf(out, "<td class=\"n withbar\">%s", units_bytes(a, s->bytes));
	put_bar(out, s->bytes / most_bytes);
	fputs("</td>", out);
	put_ratio(out, &s->memory);
}

/* glibc's second name: how far apart the two come is chance. */
static bool is_noise(const struct report_score *s)
{
	return strcmp(s->name, GLIBC_AGAIN) == 0;
}

static void put_name(FILE *out, const struct line *l, bool least)
{
	const char *const why = l->score != NULL && l->score->why[0] != '\0' ? l->score->why
	    : l->design != NULL                                                ? l->design->problem
	                                                                       : "";

	fputs("<th scope=\"row\">", out);
	if (l->index != SIZE_MAX)
		fprintf(out, "<i class=\"key d%zu\"></i>", l->index % 8);
	page_text(out, l->design != NULL ? l->design->name : is_noise(l->score) ? "glibc again"
	    : l->score->name);
	if ((l->score != NULL && l->score->best) || least)
		fprintf(out, " <span class=\"tag good\">%s</span>",
		    least ? "least on average" : "best");
	else if (l->score != NULL && is_noise(l->score))
		fputs(" <span class=\"tag\">the noise</span>", out);
	else if (l->score != NULL && l->score->ties && strcmp(l->score->kind, "baseline") != 0)
		fputs(" <span class=\"tag\">as good</span>", out);
	if (why[0] != '\0') {
		fputs("<br><span class=\"warn\">", out);
		page_text(out, why);
		fputs("</span>", out);
	}
	fputs("</th>", out);
}

static double most_of(const struct line *lines, size_t n, int what)
{
	double most = 0;

	for (size_t i = 0; i < n; i++) {
		const struct report_score *const s = lines[i].score;
		const double v = what == 0 ? (lines[i].design != NULL
		    ? (double)lines[i].design->peak.footprint : 0)
		    : s == NULL            ? 0
		    : what == 1            ? s->seconds
		                           : s->bytes;
		if (v > most)
			most = v;
	}
	return most > 0 ? most : 1;
}

/* "Time", and by what factor it is that of glibc. */
static void put_measured_titles(FILE *out, const char *figure, double coverage)
{
	fprintf(out, "<th scope=\"col\">%1$s</th><th scope=\"col\">%1$s &#247;&nbsp;glibc", figure);
	if (coverage > 0)
		fprintf(out, " <span class=\"range\">and %.0f %% interval</span>", coverage * 100);
	fputs("</th>", out);
}

/* What was measured on the program itself stands before what the models hold. */
static void put_table(const struct report *r, FILE *out, const struct line *lines, size_t n)
{
	const bool measured = r->scores != NULL, replayed = r->design_count != 0;
	const struct report_design *const leanest = measured ? NULL : page_leanest(r);

	fputs("<div class=\"wide\"><table class=\"scores\">\n<thead><tr><th "
	    "scope=\"col\">Allocator</th>", out);
	if (measured) {
		put_measured_titles(out, "Time", r->scores->coverage);
		put_measured_titles(out, "Peak memory", r->scores->coverage);
	}
	if (replayed)
		fputs("<th scope=\"col\">Heap at its peak</th><th scope=\"col\">times the live "
		      "peak</th><th scope=\"col\">Heap on average</th><th scope=\"col\">Heap at "
		      "the end</th>", out);
	fputs("</tr></thead>\n<tbody>\n", out);
	for (size_t i = 0; i < n; i++) {
		fputs("<tr>", out);
		put_name(out, &lines[i], lines[i].design != NULL && lines[i].design == leanest);
		if (measured)
			put_measured(out, lines[i].score, most_of(lines, n, 1),
			    most_of(lines, n, 2));
		if (replayed)
			put_space(out, lines[i].design, most_of(lines, n, 0));
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
}

static void put_measured_note(const struct report_scores *s, FILE *out)
{
	fprintf(out, "<b>Time and peak memory</b>: %s%s.", s->coverage > 0 ? "medians of " : "",
	    s->how);
	if (s->coverage > 0)
		fprintf(out,
		    " A ratio compares two runs of one round; its interval contains the true "
		    "median with a probability of %.0f %%.",
		    s->coverage * 100);
	if (!isnan(s->noise))
		fprintf(out, " Two rows of glibc differ by up to %.1f %%: no smaller difference "
		    "counts.",
		    s->noise * 100);
}

static void put_notes(const struct report *r, FILE *out)
{
	fputs("<p class=\"note\">", out);
	if (r->design_count != 0)
		fputs("<b>Heap</b>: every call of the recording replayed on the design, on "
		      "simulated memory: exact, and the same in every run. It is what the design "
		      "obtained from the system, touched or not; of slab, what it put to use. ",
		    out);
	if (r->scores != NULL)
		put_measured_note(r->scores, out);
	else
		fputs("Time is not in this page, as nothing was measured: <code>--runs=6</code> "
		    "does.", out);
	fputs("</p>\n", out);
}

void page_head(const struct report *r, FILE *out)
{
	static struct line lines[LINES];
	const size_t n = collect(r, lines);

	fputs("<header>\n<p class=\"kind\">Heap report</p>\n<h1>", out);
	page_text(out, r->title);
	fputs("</h1>\n", out);
	if (r->survey != NULL) {
		put_facts(r, out);
		put_damage(r, out);
	}
	fputs("</header>\n", out);
	put_diagnosis(r->diagnosis, out);
	put_verdict(r, out);
	qsort(lines, n, sizeof *lines, by_rank);
	fputs("<section id=\"scores\">\n<h2>Scoreboard</h2>\n", out);
	put_table(r, out, lines, n);
	if (r->scores != NULL && r->scores->count > 1)
		svg_scores(r, out);
	put_notes(r, out);
	fputs("</section>\n", out);
}
