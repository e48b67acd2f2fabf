/* sections.c - the heap, design by design: over time, by cause, the map, the size classes. */
#include <string.h>

#include "report/page.h"
#include "cli/units.h"

static const char *const part_titles[PARTS] = {"payload", "padding", "headers, tables",
    "free in bins",
    "caches", "tails", "retained"};

/* ---- over time ------------------------------------------------------------------------------- */

static const struct report_design *holds_most_at_end(const struct report *r)
{
	const struct report_design *most = NULL;

	for (size_t i = 0; i < r->design_count; i++) {
		const struct report_design *const d = &r->designs[i];
		if (page_has_picture(d) && (most == NULL || d->sample[d->samples - 1].footprint >
		                                                most->sample[most->samples -
		                                                1].footprint))
			most = d;
	}
	return most;
}

static void put_over_time(const struct report *r, FILE *out)
{
	const struct report_survey *const s = r->survey;
	const struct report_design *const most = holds_most_at_end(r);
	char a[UNITS_LEN], b[UNITS_LEN], c[32], d[32], e[UNITS_LEN];

	fputs("<section id=\"series\">\n<h2>Memory over time</h2>\n", out);
	fprintf(out, "<p class=\"says\">Live data peaks at <b>%s</b> after %s of %s calls",
	    units_bytes(a, (double)s->peak_payload), page_count(c, s->peak_event),
	    page_count(d, s->events));
	if (s->peak_ns != 0)
		fprintf(out, " (%s)", units_seconds(e, (double)s->peak_ns * 1e-9));
	fprintf(out, ". At the end %s is live", units_bytes(a, (double)s->end_payload));
	if (most != NULL) {
		fputs("; ", out);
		page_text(out, most->name);
		fprintf(out, " then still holds the most: <b>%s</b>",
		    units_bytes(b, (double)most->sample[most->samples - 1].footprint));
	}
	fputs(".</p>\n<figure class=\"pic\" data-figure=\"series\">\n", out);
	svg_series(r, out);
	fputs("<figcaption>The filled area is live data, the least that any allocator could hold. "
	      "Each line is what a design has obtained from the system", out);
	fputs(r->native != NULL ? "; measured lines are what of it was resident" : "", out);
	fputs(".</figcaption>\n</figure>\n</section>\n", out);
}

/* ---- by cause -------------------------------------------------------------------------------- */

static void put_gap_table(const struct report *r, FILE *out)
{
	char a[UNITS_LEN];

	fputs("<details class=\"numbers\" open><summary>The numbers: each design at its own "
	      "peak</summary>\n<div class=\"wide\"><table>\n<thead><tr><th "
	      "scope=\"col\">Design</th><th scope=\"col\">footprint</th>", out);
	for (int p = 0; p < PARTS; p++)
		fprintf(out, "<th scope=\"col\"><i class=\"part p%d\"></i>%s</th>", p,
		    part_titles[p]);
	fputs("<th scope=\"col\">largest hole, end</th></tr></thead>\n<tbody>\n", out);
	for (size_t i = 0; i < r->design_count; i++) {
		const struct report_design *const d = &r->designs[i];
		if (!page_has_picture(d))
			continue;
		fputs("<tr><th scope=\"row\">", out);
		page_text(out, d->name);
		fprintf(out, "</th><td class=\"n\">%s</td>",
		    units_bytes(a, (double)d->peak.footprint));
		for (int p = 0; p < PARTS; p++)
			fprintf(out, "<td class=\"n\">%s <span "
			    "class=\"range\">%.1f&#160;%%</span></td>",
			    units_bytes(a, (double)d->peak.part[p]),
			    100.0 * (double)d->peak.part[p] /
			    (double)(d->peak.footprint + !d->peak.footprint));
		fprintf(out, "<td class=\"n\">%s</td></tr>\n",
		    units_bytes(a, (double)d->hole[d->samples - 1]));
	}
	fputs("</tbody></table></div></details>\n", out);
}

static void put_gap(const struct report *r, FILE *out)
{
	const struct report_design *worst = NULL;
	double most = 0;
	char a[UNITS_LEN];

	for (size_t i = 0; i < r->design_count; i++) {
		const struct report_design *const d = &r->designs[i];
		const double gap = (double)(d->peak.footprint - d->peak.part[PART_PAYLOAD]);
		if (page_has_picture(d) && gap >= most) {
			most = gap;
			worst = d;
		}
	}
	fputs("<section id=\"gap\">\n<h2>Where the memory is</h2>\n<p class=\"says\">", out);
	if (worst != NULL) {
		fputs("<b>", out);
		page_text(out, worst->name);
		fprintf(out, "</b> has the widest gap at its peak: <b>%s</b>, %.0f %% of what it "
			     "holds, is not the program&#8217;s data.", units_bytes(a, most),
		    100.0 * most / (double)(worst->peak.footprint + !worst->peak.footprint));
	}
	fputs(" Every byte of a footprint has one cause, and the causes sum to it.</p>\n"
	      "<figure class=\"pic\" data-figure=\"gap\">\n", out);
	svg_gap(r, out);
	fputs("</figure>\n", out);
	put_gap_table(r, out);
	fputs("</section>\n", out);
}

/* ---- the map --------------------------------------------------------------------------------- */

static void put_map_sentence(FILE *out, const struct report_design *d)
{
	const struct accounting *const end = &d->sample[d->samples - 1];
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN];

	page_text(out, d->name);
	fprintf(out, ": %s at the end, of which %s is live; the largest hole is %s",
	    units_bytes(a, (double)end->footprint), units_bytes(b, (double)end->part[PART_PAYLOAD]),
	    units_bytes(c, (double)d->hole[d->samples - 1]));
}

static void put_map(const struct report *r, FILE *out)
{
	fputs("<section id=\"map\">\n<h2>Heap map: address by time</h2>\n<p class=\"says\">Each "
	      "column is the whole heap at one moment, lowest address at the bottom. Dark is "
	      "live; pale is free memory that the design still holds; blank is not its own. Pale "
	      "bands that never end are fragmentation.</p>\n<div class=\"maps\">\n", out);
	for (size_t i = 0; i < r->design_count; i++) {
		if (!page_has_picture(&r->designs[i]))
			continue;
		fprintf(out, "<figure class=\"pic map\" data-figure=\"map\" data-design=\"%zu\">\n",
		    i);
		svg_map(&r->designs[i], out);
		fputs("<figcaption>", out);
		put_map_sentence(out, &r->designs[i]);
		fputs(".</figcaption>\n</figure>\n", out);
	}
	fputs("</div>\n</section>\n", out);
}

/* ---- size classes ---------------------------------------------------------------------------- */

static void put_classes_table(FILE *out, const struct report_design *d)
{
	enum { TOP = 8 };
	const size_t x = d->samples - 1;
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN];
	bool told[REPORT_BINS + REPORT_SIZES] = {false};

	fputs("<div class=\"wide\"><table><thead><tr><th scope=\"col\">Size</th><th "
	      "scope=\"col\">live</th><th scope=\"col\">free</th><th "
	      "scope=\"col\">occupancy</th></tr></thead>\n<tbody>\n", out);
	for (int k = 0; k < TOP; k++) {
		size_t most = SIZE_MAX;
		for (size_t i = 0; i < REPORT_BINS + REPORT_SIZES; i++)
			if (!told[i] && d->class_live[x][i] + d->class_free[x][i] > 0 &&
			    (most == SIZE_MAX || d->class_live[x][i] + d->class_free[x][i] >
			                             d->class_live[x][most] +
			                             d->class_free[x][most]))
				most = i;
		if (most == SIZE_MAX)
			break;
		told[most] = true;
		const double live = d->class_live[x][most], waste = d->class_free[x][most];
		fprintf(out, "<tr><th scope=\"row\">%s%s</th><td class=\"n\">%s</td><td "
			     "class=\"n\">%s</td><td class=\"n\">%.0f %%</td></tr>\n",
		    units_bytes(a, (double)d->class_size[most]),
		    most >= REPORT_BINS ? " and up" : "",
		    units_bytes(b, live), units_bytes(c, waste), 100 * live / (live + waste));
	}
	fputs("</tbody></table></div>\n", out);
}

static void put_classes(const struct report *r, FILE *out)
{
	const struct report_design *const d = page_first(r);
	const size_t x = d->samples - 1;
	double live = 0, waste = 0;
	char a[UNITS_LEN], b[UNITS_LEN];

	for (size_t i = 0; i < REPORT_BINS + REPORT_SIZES; i++) {
		live += d->class_live[x][i];
		waste += d->class_free[x][i];
	}
	fputs("<section id=\"classes\">\n<h2>Size classes</h2>\n<p class=\"says\">", out);
	page_text(out, d->name);
	fprintf(out, "%s: at the end %s of blocks are live and %s are free, an occupancy of "
	    "<b>%.0f %%</b>.</p>\n",
	    d->classed ? "&#8217;s own classes" : ", by the size of its chunks",
	    units_bytes(a, live),
	    units_bytes(b, waste), 100 * live / (live + waste + (live + waste == 0)));
	fputs("<figure class=\"pic\" data-figure=\"classes\">\n<div class=\"still\">", out);
	put_classes_table(out, d);
	fputs("</div>\n</figure>\n</section>\n", out);
}

void page_sections(const struct report *r, FILE *out)
{
	if (r->survey == NULL)
		return;
	if (page_first(r) != NULL) {
		put_over_time(r, out);
		put_gap(r, out);
		put_map(r, out);
		put_classes(r, out);
	}
}
