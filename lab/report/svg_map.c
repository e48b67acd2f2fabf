/* svg_map.c - still pictures that are grids: the heap map, lifetimes by size; and the scatter of
 * time and space. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "report/page.h"
#include "cli/units.h"

enum { MAP_W = 480, MAP_H = 256 };

/* Paper white for what is not owned, then from pale amber (free) to dark blue (live). */
static void make_palette(uint8_t palette[256][3])
{
	static const double free_rgb[3] = {246, 205, 130}, live_rgb[3] = {8, 66, 120};

	for (int i = 0; i < 256; i++)
		for (int c = 0; c < 3; c++)
			palette[i][c] = i == 0 ? 255
			                       : (uint8_t)(free_rgb[c] + (live_rgb[c] -
			                       free_rgb[c]) * (i - 1) / 254);
}

/* The mean of the cells that fall into a pixel: 0 where nothing is owned. */
static uint8_t pixel(const struct report_design *d, size_t x0, size_t x1, size_t y0, size_t y1)
{
	unsigned live = 0, owned = 0;

	for (size_t x = x0; x < x1; x++)
		for (size_t y = y0; y < y1; y++) {
			live += d->live[x][y];
			owned += d->owned[x][y];
		}
	return owned == 0 ? 0 : (uint8_t)(1 + min_size(254, 254 * (size_t)live / owned));
}

void svg_map(const struct report_design *d, FILE *out)
{
	const size_t w = min_size(MAP_W, d->samples), h = min_size(MAP_H, d->rows);
	uint8_t *const pixels = malloc(w * h + 1), palette[256][3];
	char a[UNITS_LEN], b[UNITS_LEN];

	CHECK(pixels != NULL);
	make_palette(palette);
	for (size_t y = 0; y < h; y++)
		for (size_t x = 0; x < w; x++) {
			/* rows rise with the address, pixels fall */
			const size_t from = y * d->rows / h;
			pixels[(h - 1 - y) * w + x] = pixel(d, x * d->samples / w,
			    max_size((x + 1) * d->samples / w, x * d->samples / w + 1), from,
			    max_size((y + 1) * d->rows / h, from + 1));
		}
	fputs("<svg class=\"still\" viewBox=\"0 0 480 300\" role=\"img\" aria-label=\"Heap map of ",
	    out);
	page_text(out, d->name);
	fputs("\">\n<text class=\"name\" x=\"0\" y=\"14\">", out);
	page_text(out, d->name);
	fprintf(out, "</text><text class=\"tick end\" x=\"480\" y=\"14\">%s of addresses, %s a "
	    "row</text>\n",
	    units_bytes(a, (double)(d->rows * d->granule)), units_bytes(b, (double)d->granule));
	fputs("<image x=\"0\" y=\"22\" width=\"480\" height=\"256\" preserveAspectRatio=\"none\" "
	      "class=\"pixels\" href=\"", out);
	if (w * h != 0)
		tile_png(out, pixels, w, h, palette);
	fputs("\"/>\n<rect x=\".5\" y=\"22.5\" width=\"479\" height=\"255\" class=\"frame\"/>"
	      "<text class=\"tick\" x=\"0\" y=\"294\">first call</text>"
	      "<text class=\"tick end\" x=\"480\" y=\"294\">last call</text>\n</svg>\n", out);
	free(pixels);
}

/* ---- lives ----------------------------------------------------------------------------------- */

struct life_grid {
	int size0, size1, time1; /* the used part of the grid */
	double most;
};

static struct life_grid used_part(const struct report_survey *s)
{
	struct life_grid f = {LIFE_SIZES, 0, 0, 1};

	for (int t = 0; t < LIFE_TIMES; t++)
		for (int k = 0; k < LIFE_SIZES; k++)
			if (s->call_count[t][k] != 0) {
				f.size0 = k < f.size0 ? k : f.size0;
				f.size1 = k > f.size1 ? k : f.size1;
				f.time1 = t < LIFE_TIMES - 1 && t > f.time1 ? t : f.time1;
				f.most = fmax(f.most, (double)s->call_count[t][k]);
			}
	return f;
}

/* 0, 1 B, 2 B, ... 512 KiB: the least size of a column. */
static const char *power_of_two(char buf[UNITS_LEN], int k)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB"};
	const int log = k - 1;

	snprintf(buf, UNITS_LEN, "%d %s", k == 0 ? 0 : 1 << log % 10,
	    unit[k == 0 ? 0 : min_size((size_t)log / 10, 3)]);
	return buf;
}

static void put_life_row(FILE *out, const uint64_t *cells, const struct life_grid *f, double y,
    double w, double h)
{
	char a[UNITS_LEN];

	for (int k = f->size0; k <= f->size1; k++) {
		if (cells[k] == 0)
			continue;
		fprintf(out, "<rect class=\"heat\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
			     "height=\"%.1f\" fill-opacity=\"%.2f\"><title>%s "
			     "objects</title></rect>\n", 90 + (k - f->size0) * w, y,
		    w - 1, h - 1, 0.08 + 0.92 * log1p((double)cells[k]) / log1p(f->most),
		    units_count(a, (double)cells[k]));
	}
}

void svg_lives(const struct report_survey *s, FILE *out)
{
	const struct life_grid f = used_part(s);
	const double w = fmin(60, 860.0 / (f.size1 - f.size0 + 1)), h = 12;
	const double bottom = 30 + h * (f.time1 + 1);
	char a[UNITS_LEN];

	fprintf(out, "<svg class=\"still\" viewBox=\"0 0 960 %.0f\" role=\"img\" aria-label=\"How "
		     "many objects of which size lived how many calls\">\n", bottom + 40);
	put_life_row(out, s->call_count[LIFE_TIMES - 1], &f, 8, w, h);
	fputs("<text class=\"tick end\" x=\"84\" y=\"18\">never freed</text>\n", out);
	for (int t = 0; t <= f.time1; t++) {
		const double y = bottom - h * (t + 1);
		put_life_row(out, s->call_count[t], &f, y, w, h);
		if (t % 4 == 1)
			fprintf(out, "<text class=\"tick end\" x=\"84\" y=\"%.1f\">%s "
			    "call%s</text>\n", y + 10,
			    units_count(a, (double)((uint64_t)1 << (t - 1))), t == 1 ? "" : "s");
	}
	for (int k = f.size0; k <= f.size1; k += w < 55 ? 2 : 1)
		fprintf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
		    90 + (k - f.size0) * w,
		    bottom + 14, power_of_two(a, k));
	fputs("</svg>\n", out);
}

/* ---- time and space -------------------------------------------------------------------------- */

struct axis_range {
	double low, high;
};

static void widen(struct axis_range *r, double v)
{
	r->low = fmin(r->low, v);
	r->high = fmax(r->high, v);
}

static double place(const struct axis_range *r, double v, double from, double to)
{
	return from + (to - from) * (log(v) - log(r->low)) / (log(r->high) - log(r->low));
}

static double place_time(const struct axis_range *x, double v)
{
	return place(x, v, 70, 830);
}

static double place_memory(const struct axis_range *y, double v)
{
	return place(y, v, 270, 20);
}

struct label_box {
	double x, y, w;
};

/* The first place around the dot where the name covers no other. */
static struct label_box place_label(const struct label_box *taken, size_t n, double x, double y,
    double w)
{
	static const double down[] = {-7, 15, -21, 29, -35, 43, -49, 57, -63, 71};

	for (size_t i = 0; i < 2 * sizeof down / sizeof *down; i++) {
		const struct label_box b = {i % 2 == 0 ? x + 10 : x - 10 - w, y + down[i / 2], w};
		bool free = true;
		for (size_t k = 0; k < n && free; k++)
			free = fabs(taken[k].y - b.y) > 13 || b.x + b.w < taken[k].x ||
			    taken[k].x + taken[k].w < b.x;
		if (free)
			return b;
	}
	return (struct label_box){x + 10, y - 7, w};
}

static void put_score(FILE *out, const struct report_score *s, const struct axis_range *x,
    const struct axis_range *y,
    struct label_box *taken, size_t n)
{
	const double px = place_time(x, s->time.median), py = place_memory(y, s->memory.median);

	taken[n] = place_label(taken, n, px, py, 7.6 * (double)strlen(s->name));
	fprintf(out, "<path class=\"whisker\" d=\"M%.1f %.1fH%.1fM%.1f %.1fV%.1f\"/>\n",
	    place_time(x, s->time.low), py, place_time(x, s->time.high), px,
	    place_memory(y, s->memory.low), place_memory(y, s->memory.high));
	fprintf(out, "<circle class=\"dot %s%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"/><text "
		     "class=\"%s\" x=\"%.1f\" "
		     "y=\"%.1f\">", s->kind, s->best ? " best" : "", px, py, s->best ? 7 : 5,
	    s->best ? "name" : "tick", taken[n].x, taken[n].y);
	page_text(out, s->name);
	fputs("</text>\n", out);
}

static bool can_be_placed(const struct report_score *s)
{
	return s->why[0] == '\0' && strcmp(s->name, GLIBC_AGAIN) != 0 && s->time.median > 0 &&
	    s->memory.median > 0 && s->time.low > 0 && s->memory.low > 0 &&
	    isfinite(s->time.high) &&
	    isfinite(s->memory.high);
}

/* No name covers a dot, nor another name. */
static void put_dots(FILE *out, const struct report_scores *s, const struct axis_range *x,
    const struct axis_range *y)
{
	static struct label_box taken[2 * ROWS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		if (can_be_placed(&s->score[i]))
			taken[n++] = (struct label_box){place_time(x, s->score[i].time.median) - 6,
			    place_memory(y, s->score[i].memory.median) + 4, 12};
	for (size_t i = 0; i < s->count; i++)
		if (can_be_placed(&s->score[i]))
			put_score(out, &s->score[i], x, y, taken, n++);
}

void svg_scores(const struct report *r, FILE *out)
{
	struct axis_range x = {0.8, 1.25}, y = {0.8, 1.25};
	static const double ticks[] = {0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10, 20, 50, 100};

	for (size_t i = 0; i < r->scores->count; i++) {
		const struct report_score *const s = &r->scores->score[i];
		if (!can_be_placed(s))
			continue;
		widen(&x, s->time.low / 1.05), widen(&x, s->time.high * 1.05);
		widen(&y, s->memory.low / 1.05), widen(&y, s->memory.high * 1.05);
	}
	fputs("<figure class=\"pic always\">\n<svg viewBox=\"0 0 960 314\" role=\"img\" "
	      "aria-label=\"Time against memory, as ratios to glibc; the table above has the "
	      "numbers\">\n", out);
	for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++) {
		if (ticks[i] >= x.low && ticks[i] <= x.high)
			fprintf(out, "<path class=\"grid%s\" d=\"M%.1f 12V276\"/><text "
				     "class=\"tick mid\" x=\"%.1f\" y=\"292\">%g</text>\n",
				     ticks[i] == 1 ? " one" : "", place_time(&x, ticks[i]),
			    place_time(&x, ticks[i]), ticks[i]);
		if (ticks[i] >= y.low && ticks[i] <= y.high)
			fprintf(out, "<path class=\"grid%s\" d=\"M70 %.1fH830\"/><text "
				     "class=\"tick end\" x=\"62\" y=\"%.1f\">%g</text>\n",
				     ticks[i] == 1 ? " one" : "",
			    place_memory(&y, ticks[i]), place_memory(&y, ticks[i]) + 4,
			    ticks[i]);
	}
	fputs("<text class=\"tick end\" x=\"830\" y=\"308\">time &#247; glibc</text>"
	      "<text class=\"tick\" x=\"8\" y=\"10\">memory &#247; glibc</text>\n", out);
	put_dots(out, r->scores, &x, &y);
	fputs("</svg>\n<figcaption>Down and to the left is better", out);
	if (r->scores->coverage > 0)
		fprintf(out, "; the lines are %.0f %% intervals", r->scores->coverage * 100);
	fputs(".</figcaption>\n</figure>\n", out);
}
