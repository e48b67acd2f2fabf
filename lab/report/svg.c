/* svg.c - still pictures of the heap over time and by cause; colours are the template's classes.
 *
 * What the script shows is drawn anew from the tiles; these are for a page without it, and for
 * paper.
 */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "report/page.h"
#include "cli/units.h"

enum { WIDTH = 960, LEFT = 64, RIGHT = 130, TOP = 12, BOTTOM = 30 };

/* ---- axes ------------------------------------------------------------------------------------ */

/* 1, 2 or 5 times a power of `base` (1024 for bytes, in steps that print well). */
static double step_of(double most, int ticks)
{
	double unit = 1;

	while (unit * 1024 <= most)
		unit *= 1024;
	const double raw = most / unit / ticks;
	const double ten = pow(10, floor(log10(raw)));
	const double nice = raw / ten <= 1 ? 1 : raw / ten <= 2 ? 2 : raw / ten <= 5 ? 5 : 10;
	return nice * ten * unit;
}

static void put_y_axis(FILE *out, double most, double height)
{
	const double step = step_of(most, 4);
	char a[UNITS_LEN];

	for (double v = 0; v <= most; v += step) {
		const double y = TOP + height * (1 - v / most);
		fprintf(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"tick end\" "
			     "x=\"%d\" y=\"%.1f\">%s</text>\n", LEFT, y, WIDTH - RIGHT, LEFT - 6,
			     y + 4, v == 0 ? "0" : units_bytes(a, v));
	}
}

static void put_x_axis(FILE *out, double most, double height)
{
	char a[UNITS_LEN];
	const double ten = pow(10, floor(log10(most / 5 + 1e-9)));
	const double raw = most / 5 / ten, step = ten * (raw <= 1 ? 1 : raw <= 2 ? 2 : raw <= 5 ? 5
	    : 10);

	for (double v = 0; v <= most && step >= 1; v += step) {
		const double x = LEFT + (WIDTH - LEFT - RIGHT) * v / most;
		fprintf(out, "<text class=\"tick mid\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", x,
		    TOP + height + 18,
		    units_count(a, v));
	}
	fprintf(out, "<text class=\"tick\" x=\"%d\" y=\"%.1f\">calls</text>\n", WIDTH - RIGHT + 6,
	    TOP + height + 18);
}

/* ---- series ---------------------------------------------------------------------------------- */

static double x_of(const struct report *r, uint64_t events)
{
	const uint64_t all = r->survey->events;
	return LEFT + (double)(WIDTH - LEFT - RIGHT) * (double)events / (double)(all + !all);
}

static void put_live_area(const struct report *r, FILE *out, const struct report_design *d,
    double most,
    double height)
{
	fprintf(out, "<path class=\"live\" d=\"M%d %.1f", LEFT, TOP + height);
	for (size_t i = 0; i < d->samples; i++)
		fprintf(out, "L%.1f %.1f", x_of(r, d->sample[i].events),
		    TOP + height * (1 - (double)d->sample[i].part[PART_PAYLOAD] / most));
	fprintf(out, "V%.1fZ\"/>\n", TOP + height);
}

static void put_line(const struct report *r, FILE *out, size_t index, double most, double height)
{
	const struct report_design *const d = &r->designs[index];

	fprintf(out, "<path class=\"line d%zu\" d=\"M%d %.1f", index % 8, LEFT, TOP + height);
	for (size_t i = 0; i < d->samples; i++)
		fprintf(out, "L%.1f %.1f", x_of(r, d->sample[i].events),
		    TOP + height * (1 - (double)d->sample[i].footprint / most));
	fputs("\"/>\n", out);
}

/* Names at the right ends of the lines, pushed apart where they would cover each other. */
static void put_line_names(const struct report *r, FILE *out, double most, double height)
{
	size_t order[REPORT_DESIGNS], n = 0;
	double y[REPORT_DESIGNS];

	for (size_t i = 0; i < r->design_count; i++) {
		const struct report_design *const d = &r->designs[i];
		if (!page_has_picture(d))
			continue;
		y[i] = TOP + 4 + height * (1 - (double)d->sample[d->samples - 1].footprint / most);
		size_t k = n++;
		for (; k > 0 && y[order[k - 1]] > y[i]; k--)
			order[k] = order[k - 1];
		order[k] = i;
	}
	for (size_t k = 1; k < n; k++)
		y[order[k]] = fmax(y[order[k]], y[order[k - 1]] + 15);
	const double over = n != 0 ? y[order[n - 1]] - (TOP + height + 4) : 0;
	for (size_t k = 0; k < n; k++) {
		const double at = y[order[k]] - (over > 0 ? over : 0);
		fprintf(out, "<path class=\"line d%zu\" d=\"M%d %.1fh24\"/><text class=\"name\" "
		    "x=\"%d\" y=\"%.1f\">",
		    order[k] % 8, WIDTH - RIGHT + 6, at - 4, WIDTH - RIGHT + 36, at);
		page_text(out, r->designs[order[k]].name);
		fputs("</text>\n", out);
	}
}

void svg_series(const struct report *r, FILE *out)
{
	enum { HEIGHT = 320 };
	const double height = HEIGHT - TOP - BOTTOM;
	double most = 1;

	for (size_t i = 0; i < r->design_count; i++)
		if (page_has_picture(&r->designs[i]))
			most = fmax(most, (double)r->designs[i].peak.footprint);
	most *= 1.04;
	fprintf(out, "<svg class=\"still\" viewBox=\"0 0 %d %d\" role=\"img\" "
		     "aria-label=\"Footprint of each design over the calls of the program, above "
		     "its live data\">\n", WIDTH, HEIGHT);
	put_y_axis(out, most, height);
	put_x_axis(out, (double)r->survey->events, height);
	put_live_area(r, out, page_first(r), most, height);
	for (size_t i = 0; i < r->design_count; i++)
		if (page_has_picture(&r->designs[i]))
			put_line(r, out, i, most, height);
	put_line_names(r, out, most, height);
	fputs("</svg>\n", out);
}

/* ---- the gap by cause ------------------------------------------------------------------------ */

/* A hatching for each cause, so that no picture depends on colour alone. */
void svg_patterns(FILE *out)
{
	static const char *const strokes[PARTS] = {NULL, "M0 8L8 0M-2 2L2 -2M6 10L10 6", "M0 4H8",
	    NULL, "M4 0V8", "M0 0L8 8M-2 6L2 10M6 -2L10 2", "M2 2h1M6 6h1"};

	fputs("<svg width=\"0\" height=\"0\" aria-hidden=\"true\" class=\"defs\"><defs>\n", out);
	for (int p = 0; p < PARTS; p++) {
		fprintf(out, "<pattern id=\"p%d\" width=\"8\" height=\"8\" "
			     "patternUnits=\"userSpaceOnUse\"><rect width=\"8\" height=\"8\" "
			     "class=\"pf%d\"/>", p, p);
		if (strokes[p] != NULL)
			fprintf(out, "<path class=\"hatch\" d=\"%s\"/>", strokes[p]);
		fputs("</pattern>\n", out);
	}
	fputs("</defs></svg>\n", out);
}

static void put_gap_bar(FILE *out, const struct report_design *d, double y, double height,
    double scale)
{
	double x = LEFT + 60;
	char a[UNITS_LEN];

	fprintf(out, "<text class=\"name end\" x=\"%d\" y=\"%.1f\">", LEFT + 52,
	    y + height / 2 + 4);
	page_text(out, d->name);
	fputs("</text>\n", out);
	for (int p = 0; p < PARTS; p++) {
		const double w = (double)d->peak.part[p] * scale;
		if (w < 0.05)
			continue;
		fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
			     "fill=\"url(#p%d)\" class=\"seg\"/>\n", x, y, w, height, p);
		x += w;
	}
	fprintf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", x + 6,
	    y + height / 2 + 4,
	    units_bytes(a, (double)d->peak.footprint));
}

static void put_gap_legend(FILE *out, double y)
{
	static const char *const names[PARTS] = {"payload", "padding", "headers, tables",
	    "free in bins",
	    "caches", "tails", "retained"};
	double x = LEFT + 60;

	for (int p = 0; p < PARTS; p++) {
		fprintf(out, "<rect x=\"%.0f\" y=\"%.1f\" width=\"16\" height=\"12\" "
			     "fill=\"url(#p%d)\" class=\"seg\"/><text class=\"tick\" x=\"%.0f\" "
			     "y=\"%.1f\">%s</text>\n", x, y, p, x + 21,
		    y + 10, names[p]);
		x += 40 + 7 * (double)strlen(names[p]);
	}
}

void svg_gap(const struct report *r, FILE *out)
{
	enum { BAR = 24, APART = 34 };
	double most = 1, y = TOP;
	size_t n = 0;

	for (size_t i = 0; i < r->design_count; i++)
		if (page_has_picture(&r->designs[i])) {
			most = fmax(most, (double)r->designs[i].peak.footprint);
			n++;
		}
	fprintf(out, "<svg class=\"still\" viewBox=\"0 0 %d %zu\" role=\"img\" "
		     "aria-label=\"Footprint of each design at its peak, by cause; the numbers "
		     "are in the table below\">\n", WIDTH, n * APART + 40);
	for (size_t i = 0; i < r->design_count; i++) {
		if (!page_has_picture(&r->designs[i]))
			continue;
		put_gap_bar(out, &r->designs[i], y, BAR, (WIDTH - LEFT - 60 - 90) / most);
		y += APART;
	}
	put_gap_legend(out, y + 6);
	fputs("</svg>\n", out);
}
