/* figure.c - where everything of a figure lies. */
#include "draw/figure.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/lab.h"
#include "draw/figure_paper.h"
#include "draw/rows.h"

/* points; a column is one glyph of boxes.c */
enum { LEFT = 16, TOP = 14, LINE = 17, COLUMN = 8, BOX = 26, BAR_CELLS = 160 };

struct drawn_figure {
	FILE *out;
	FILE *body; /* in memory: an SVG says its height first */
	char *text;
	size_t len, width, unit;
	enum figure_format format;
	struct paper paper;
	double y;
	unsigned kinds;
	bool open; /* a call */
};

struct drawn_figure *figure_begin(FILE *out, enum figure_format format, size_t width)
{
	struct drawn_figure *const f = calloc(1, sizeof *f);

	if (f == NULL || (f->body = open_memstream(&f->text, &f->len)) == NULL)
		lab_die(EXIT_OURS, "no memory for a figure");
	f->out = out;
	f->format = format;
	f->width = width;
	f->paper = format == FIGURE_SVG ? paper_svg : paper_tikz;
	f->y = TOP;
	return f;
}

static void end_call(struct drawn_figure *f)
{
	if (f->open)
		f->paper.call_end(f->body);
	f->open = false;
}

void figure_title(struct drawn_figure *f, const char *text)
{
	end_call(f);
	if (f->format == FIGURE_TIKZ)
		f->y = 0; /* each call is a picture of its own */
	else if (f->y > TOP)
		f->y += LINE;
	f->paper.call_begin(f->body);
	f->open = true;
	f->y += LINE;
	f->paper.words(f->body, LEFT, f->y, PAPER_TITLE, PAPER_LEFT, text);
	f->y += 6;
}

void figure_text(struct drawn_figure *f, enum figure_text kind, const char *text)
{
	static const enum paper_font fonts[] = {PAPER_TEXT, PAPER_STRONG, PAPER_NOTE};

	while (*text != '\0') {
		const size_t n = strcspn(text, "\n");
		char *const line = strndup(text + strspn(text, " "),
		    n - min_size(n, strspn(text, " ")));
		if (line == NULL)
			lab_die(EXIT_OURS, "no memory for a figure");
		f->y += LINE;
		f->paper.words(f->body, LEFT + (kind == FIGURE_NOTE ? 0 : LINE), f->y, fonts[kind],
		    PAPER_LEFT, line);
		free(line);
		text += n + (text[n] == '\n');
	}
}

/* ---- boxes ----------------------------------------------------------------------------------- */

/* The words inside a box: glyphs that are not the box's own. */
static void box_words(char text[40], const struct draw_column *c, size_t count)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		if (((unsigned char)c[i].glyph[0] < 0x80 && at + 2 < 40 &&
		        strcmp(c[i].glyph, "x") != 0) || c[i].look == LOOK_LINKS)
			at += (size_t)snprintf(text + at, 40 - at, "%s", c[i].glyph);
	if (at == count && (text[0] == 'h' || text[0] == 'f'))
		text[1] = '\0'; /* a letter for the box, not one for each column */
	while (text[0] == ' ')
		memmove(text, text + 1, strlen(text));
}

static void put_names(struct drawn_figure *f, const struct draw_column *c, size_t count)
{
	char name[2 * DRAW_GLYPH + 32];

	for (size_t i = 0; i < count; i++) {
		size_t at = 0, from = i;
		while (i < count && strcmp(c[i].name, " ") != 0 && at + DRAW_GLYPH < sizeof name)
			at += (size_t)snprintf(name + at, sizeof name - at, "%s", c[i++].name);
		if (at != 0)
			f->paper.words(f->body, LEFT + (double)(from * COLUMN), f->y - 5,
			    PAPER_NAME,
			    PAPER_LEFT, name);
	}
}

static bool has_names(const struct draw_column *c, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(c[i].name, " ") != 0)
			return true;
	return false;
}

/* Columns from i on that are one box. */
static size_t box_len(const struct draw_column *c, size_t i, size_t count)
{
	size_t n = 1;

	while (i + n < count && c[i + n].edge == EDGE_NONE && c[i + n].look == c[i].look)
		n++;
	return n;
}

static void heading(void *arg, const char *text)
{
	struct drawn_figure *const f = arg;

	f->y += LINE + 3;
	f->paper.words(f->body, LEFT, f->y, PAPER_NOTE, PAPER_LEFT, text);
	f->y += 5;
}

static void row(void *arg, const struct draw_column *c, size_t count)
{
	struct drawn_figure *const f = arg;
	size_t chunk = 0;
	char text[40];

	f->y += has_names(c, count) ? LINE : 4;
	put_names(f, c, count);
	for (size_t i = 0; i < count;) {
		const double x = LEFT + (double)(i * COLUMN);
		if (c[i].edge != EDGE_NONE) {
			i++;
			continue;
		}
		const size_t n = box_len(c, i, count);
		/* A line between boxes has a column, of which each box gets half. */
		const double from = x - (i > 0 && c[i - 1].edge != EDGE_NONE ? COLUMN / 2.0 : 0);
		const bool to_edge = i + n < count && c[i + n].edge != EDGE_NONE;
		const double to = x + (double)(n * COLUMN) + (to_edge ? COLUMN / 2.0 : 0);
		f->paper.box(f->body, from, f->y, to - from, BOX, c[i].look);
		box_words(text, &c[i], n);
		if (text[0] != '\0')
			f->paper.words(f->body, (from + to) / 2, f->y + BOX - 8,
			    c[i].look == LOOK_PAYLOAD ? PAPER_BOX_ON : PAPER_BOX,
			    PAPER_MIDDLE, text);
		i += n;
	}
	for (size_t i = 0; i < count; i++) {
		const double x = LEFT + (double)i * COLUMN + COLUMN / 2.0;
		if (c[i].edge == EDGE_INNER)
			f->paper.line(f->body, x, f->y, BOX);
		if ((c[i].edge == EDGE_CHUNK || i + 1 == count) && i > chunk) {
			const double from = LEFT + (double)chunk * COLUMN + COLUMN / 2.0;
			f->paper.frame(f->body, from, f->y, x - from, BOX);
		}
		if (c[i].edge == EDGE_CHUNK)
			chunk = i;
	}
	f->y += BOX;
}

/* ---- a heap of many chunks ------------------------------------------------------------------- */

/* Cells from..to of the bar, which look alike. */
static void put_cells(struct drawn_figure *f, size_t from, size_t to, enum look look)
{
	const double w = (double)(f->width * COLUMN) / BAR_CELLS;

	if (to > from)
		f->paper.box(f->body, LEFT + (double)from * w, f->y, (double)(to - from) * w,
		    BOX / 2.0,
		    look);
}

/* One region after the other, each cell by what most of it is. */
static void put_bar(struct drawn_figure *f, const struct picture *p)
{
	size_t len[LOOK_COUNT] = {0}, at = 0, cell = 0, from = 0;
	enum look look = LOOK_COUNT;

	heading(f, "the whole heap, in order of address");
	for (size_t i = 0; i < p->piece_count; i++) {
		size_t left = p->pieces[i].len;
		while (left > 0) {
			const size_t end = (cell + 1) * p->owned_bytes / BAR_CELLS;
			const size_t n = min_size(left, max_size(end - at, 1));
			len[look_in(p, &p->pieces[i])] += n;
			at += n;
			left -= n;
			if (at < end)
				continue;
			enum look most = 0;
			for (enum look l = 0; l < LOOK_COUNT; l++)
				most = len[l] > len[most] ? l : most;
			if (most != look) {
				put_cells(f, from, cell, look);
				from = cell;
				look = most;
			}
			cell++;
			memset(len, 0, sizeof len);
		}
	}
	put_cells(f, from, cell, look);
	f->paper.frame(f->body, LEFT, f->y, (double)(f->width * COLUMN), BOX / 2.0);
	f->y += BOX / 2.0;
}

void figure_heap(struct drawn_figure *f, const struct picture *p, size_t unit,
    const struct draw_label *labels, size_t label_count)
{
	/* fill() shortens what is long; a figure has the same columns as the terminal */
	const struct draw_style s = {.width = f->width, .unit = unit};
	const struct draw_sink sink = {f, heading, row};
	struct picture_chunk near[DRAW_NEAR];
	struct picture part;

	f->unit = unit;
	f->kinds |= draw_kinds(p, labels, label_count);
	if (p->piece_count == 0) {
		heading(f, "the heap is empty");
	} else if (draw_boxes_wanted(p, labels, label_count) <= DRAW_BOXES_MANY) {
		draw_rows(&sink, &s, p, labels, label_count);
	} else {
		if (label_count != 0 && draw_near(&part, near, p, labels[0].mem))
			draw_rows(&sink, &s, &part, labels, label_count);
		put_bar(f, p);
	}
	f->y += 8;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void put_legend(struct drawn_figure *f)
{
	double x = LEFT;

	if (f->format == FIGURE_TIKZ) {
		f->paper.call_begin(f->body);
		f->y = 0;
	}
	f->y += 10;
	for (enum look l = 0; l < LOOK_COUNT; l++) {
		const double w = 26 + 7.2 * (double)strlen(look_name(l)) + 14;
		if (!(f->kinds & 1u << l))
			continue;
		if (x + w > LEFT + (double)(f->width * COLUMN) && x > LEFT) {
			x = LEFT;
			f->y += 20;
		}
		f->paper.box(f->body, x, f->y, 18, 13, l);
		f->paper.frame(f->body, x, f->y, 18, 13);
		f->paper.words(f->body, x + 24, f->y + 11, PAPER_NOTE, PAPER_LEFT, look_name(l));
		x += w;
	}
	f->y += 22;
	if (f->format == FIGURE_TIKZ)
		f->paper.call_end(f->body);
}

bool figure_end(struct drawn_figure *f)
{
	end_call(f);
	put_legend(f);
	fclose(f->body);
	f->paper.begin(f->out, (double)(2 * LEFT + f->width * COLUMN), f->y + TOP);
	fwrite(f->text, 1, f->len, f->out);
	f->paper.end(f->out);
	fflush(f->out);
	const bool fine = ferror(f->out) == 0;
	free(f->text);
	free(f);
	return fine;
}
