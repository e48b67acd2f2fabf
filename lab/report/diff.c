/* diff.c - what changed between two recordings, as a page: the whole, then call sites, then sizes.
 *
 *   before   after   change   |  #####      |  to the right: grown; to the left: shrunk;
 *                             |      ####   |  lengths compare within a table
 */
#include "report/diff.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "cli/units.h"
#include "report/page.h"

enum { SITES_SHOWN = 100 };

static const char head[] =
    "<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport "
    "content='width=device-width'>\n<style>\n"
    ":root{color-scheme:light dark;--paper:#fdfcfa;--ink:#1d2126;--soft:#5a626c;--hair:#e4e1db;"
    "--more:#d55e00;--less:#0072b2;--card:#fff}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e8eaed;--soft:#a3abb5;"
    "--hair:#31373f;--more:#ff8640;--less:#4aa8e8;--card:#1b1f24}}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;"
    "font-variant-numeric:tabular-nums}\nmain{max-width:1080px;margin:0 auto;padding:2.5rem "
    "1.5rem 4rem}\nh1{font-size:1.9rem;line-height:1.2;margin:0 0 .75rem;overflow-wrap:anywhere}\n"
    "h2{font-size:1.25rem;margin:2.5rem 0 .35rem}\np{margin:0 0 .6rem}\n"
    ".answer{font-size:1.2rem;padding:1rem 1.3rem;background:var(--card);border:1px solid "
    "var(--hair);border-left:4px solid var(--less);border-radius:6px}\n"
    ".soft,.noise td{color:var(--soft)}\n.wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%;font-size:.9rem}\n"
    "th,td{padding:.4rem .75rem .4rem 0;text-align:right;vertical-align:top;"
    "border-bottom:1px solid var(--hair);white-space:nowrap}\n"
    "th{color:var(--soft);font-weight:500}\n"
    "th:last-child,td:last-child{text-align:left;padding-right:0;width:50%;white-space:normal;"
    "overflow-wrap:anywhere}\n.more{color:var(--more)}.less{color:var(--less)}\n"
    "h2::first-letter,.answer::first-letter{text-transform:uppercase}\n"
    "th:nth-child(5){text-align:center}td:nth-child(5){width:132px}.last{margin-top:1.5rem}\n"
    "td svg{display:block;margin-top:.25rem}\n"
    "rect.more{fill:var(--more)}rect.less{fill:var(--less)}\n"
    "line{stroke:var(--soft)}\n.noise rect{opacity:.35}\n</style>\n";

static void put_value(FILE *out, enum quantity m, double value)
{
	char text[UNITS_LEN];

	fputs(m == MEASURE_CALLS ? units_count(text, value) : units_bytes(text, value), out);
}

static const char *direction(const struct change *c)
{
	return c->after > c->before ? "more" : "less";
}

static void put_sign(FILE *out, enum quantity m, const struct change *c)
{
	const double more = c->after - c->before;

	if (more == 0) {
		fputs("<td>=<td>", out);
		return;
	}
	fprintf(out, "<td class=%s>%s", direction(c), more > 0 ? "+" : "\u2212");
	put_value(out, m, fabs(more));
	fprintf(out, "<td class=%s>", direction(c));
	if (c->before > 0)
		fprintf(out, "%s%.1f %%", more > 0 ? "+" : "\u2212", 100 * fabs(more) / c->before);
	else
		fputs("new", out);
}

/* largest: the difference whose bar reaches an edge. */
static void put_bar(FILE *out, const struct change *c, double largest)
{
	enum { HALF = 60 };
	const double length = largest > 0 ? HALF * fabs(c->after - c->before) / largest : 0;

	const double from = c->after > c->before ? HALF : HALF - length;
	fprintf(out, "<td><svg width=%d height=14 aria-hidden=true><rect class=%s x=%.1f y=2 "
	             "width=%.1f height=10 /><line x1=%d x2=%d y1=0 y2=14 /></svg>",
	    2 * HALF, direction(c), from, length, HALF, HALF);
}

static void put_change(FILE *out, enum quantity m, const struct change *c, double largest)
{
	fprintf(out, "<tr%s><td>", c->counts ? "" : " class=noise");
	put_value(out, m, c->before);
	fputs("<td>", out);
	put_value(out, m, c->after);
	put_sign(out, m, c);
	put_bar(out, c, largest);
}

static const char columns[] =
    "<div class=wide><table><tr><th>before<th>after<th>change<th><th>less | more<th>";

static void put_whole(FILE *out, const struct diff *d)
{
	fprintf(out, "<h2>The whole program</h2>\n%smeasure\n", columns);
	for (enum quantity m = 0; m < MEASURES; m++) {
		const struct change *const c = &d->all[m];
		put_change(out, m, c, fmax(c->before, c->after));
		fprintf(out, "<td>%s%s\n", measure_names[m],
		    c->counts                                             ? ""
		        : m == MEASURE_MEAN && (d->a.runs < 3 || d->b.runs < 3) ? ", not judged"
		                                                          : ", within noise");
	}
	fputs("</table></div>\n", out);
}

static void put_list(FILE *out, const struct diff *d, const struct change_list *l, const char *by)
{
	const size_t shown = l->counted < SITES_SHOWN ? l->counted : SITES_SHOWN;

	fprintf(out, "<h2>%s, by %s</h2>\n", measure_names[d->by], by);
	if (shown == 0) {
		fprintf(out, "<p class=soft>No %s differs by more than noise.</p>\n", by);
		return;
	}
	fprintf(out, "%s%s\n", columns, by);
	const double largest = fabs(l->change[0].after - l->change[0].before);
	for (size_t i = 0; i < shown; i++) {
		put_change(out, d->by, &l->change[i], largest);
		fputs("<td>", out);
		page_text(out, l->change[i].name);
		fputc('\n', out);
	}
	fputs("</table></div>\n", out);
	if (l->counted > shown)
		fprintf(out, "<p class=soft>%zu more: dmm diff --format=json</p>\n",
		    l->counted - shown);
}

static void put_answer(FILE *out, const struct diff *d)
{
	const struct change *const c = &d->all[d->by];

	fputs("<p class=answer>", out);
	if (!diff_found(d)) {
		fputs("No difference: every call site and size is within noise.</p>\n", out);
		return;
	}
	fprintf(out, "%s: ", measure_names[d->by]);
	put_value(out, d->by, c->before);
	fputs(" before, ", out);
	put_value(out, d->by, c->after);
	fprintf(out, " after%s.", c->counts ? "" : ", within noise");
	if (d->sites.counted != 0) {
		fputs(" Most of all changed: ", out);
		page_text(out, d->sites.change[0].name);
		fputc('.', out);
	}
	fputs("</p>\n", out);
}

static void put_side(FILE *out, const char *which, const struct side *s)
{
	fprintf(out, "<p class=soft>%s:", which);
	for (size_t i = 0; i < s->runs; i++) {
		fputs(i == 0 ? " " : ", ", out);
		page_text(out, s->run[i].path);
	}
	if (s->run[0].command[0] != '\0') {
		fputs(" (", out);
		page_text(out, s->run[0].command);
		fputc(')', out);
	}
	fputs("</p>\n", out);
}

static void put_noise(FILE *out, const struct diff *d)
{
	if (d->a.runs > 2 && d->b.runs > 2) {
		fputs("<p class='soft last'>Noise is 1.5 times what the recordings of one side "
		      "differ by.</p>\n", out);
		return;
	}
	fputs("<p class='soft last'>Noise is taken as ", out);
	diff_usual_text(d, out);
	fputs("; averages over time are not judged. With three recordings on each side noise is "
	      "measured.</p>\n", out);
}

void report_diff(const struct diff *d, const char *path)
{
	char *text = NULL, why[256];
	size_t len = 0;
	FILE *const out = open_memstream(&text, &len);

	CHECK(out != NULL);
	fprintf(out, "%s<title>dmm diff</title>\n<main>\n<h1>What changed in the heap</h1>\n",
	    head);
	put_answer(out, d);
	put_side(out, "before", &d->a);
	put_side(out, "after", &d->b);
	put_whole(out, d);
	put_list(out, d, &d->sites, "call site");
	put_list(out, d, &d->sizes, "size");
	put_noise(out, d);
	fputs("</main></html>\n", out);
	fclose(out);
	if (!page_store(path, text, len, why, sizeof why))
		lab_die(EXIT_OURS, "%s cannot be written: %s", path, why);
	free(text);
}
