/* boxes.c - boxes: a region becomes one long strip of columns, which is then cut to the width.
 *
 * A strip has four rows: names, upper line, content, lower line.  A column is one glyph in each.
 */
#include "cli/array.h"
#include "draw/draw.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "draw/rows.h"
#include "cli/lab.h"

enum {
	COLUMN_BYTES = 8,
	LONG = 30,  /* columns; longer pieces are shortened ... */
	SHORT = 18, /* ... to so many */
	RUN = 4,    /* this many equal chunks in a row are counted instead */
	MARGIN = 2,
	NAME = 12,
};

struct strip {
	struct draw_column *columns;
	size_t count, cap, named; /* names end at column `named` */
};

static struct draw_column *add(struct strip *t, const char *glyph, enum look look, enum edge edge)
{
	if (!ARRAY_RESERVE(t->columns, t->cap, t->count + 1))
		lab_die(EXIT_OURS, "no memory to draw %zu columns", t->count + 1);
	struct draw_column *const c = &t->columns[t->count++];
	*c = (struct draw_column){.look = look, .edge = edge, .name = " "};
	snprintf(c->glyph, sizeof c->glyph, "%s", glyph);
	return c;
}

/* A line before the next box; two that meet become the heavier one. */
static void add_edge(struct strip *t, enum edge edge)
{
	struct draw_column *const last = t->count != 0 ? &t->columns[t->count - 1] : NULL;

	if (last == NULL || last->edge == EDGE_NONE)
		add(t, "", LOOK_PAD, edge);
	else if (edge > last->edge)
		last->edge = edge;
}

/* `text` in the middle of what was filled from column `from` on. */
static void write_inside(struct strip *t, size_t from, const char *text)
{
	const size_t len = strlen(text), room = t->count - from;
	if (len + 2 > room)
		return;
	const size_t at = from + (room - len) / 2;
	for (size_t i = 0; i < len; i++)
		snprintf(t->columns[at + i].glyph, DRAW_GLYPH, "%c", text[i]);
}

static void dots_around(struct strip *t, const struct draw_style *s, size_t from, size_t len)
{
	const size_t at = from + (t->count - from - len) / 2;
	snprintf(t->columns[at - 1].glyph, DRAW_GLYPH, "%s", look_dots(s));
	snprintf(t->columns[at + len].glyph, DRAW_GLYPH, "%s", look_dots(s));
}

static void fill(struct strip *t, const struct draw_style *s, enum look look, size_t bytes)
{
	const size_t want = (bytes + COLUMN_BYTES - 1) / COLUMN_BYTES;
	const size_t from = t->count;

	for (size_t i = 0; i < (want > LONG ? (size_t)SHORT : want); i++)
		add(t, look_glyph(s, look), look, EDGE_NONE);
	if (want > LONG) {
		char size[DRAW_SIZE_TEXT], text[DRAW_SIZE_TEXT + 2];
		snprintf(text, sizeof text, " %s ", draw_size(size, s, bytes));
		write_inside(t, from, text);
		dots_around(t, s, from, strlen(text));
	}
}

/* A header or footer of two words has room for a link, and a free chunk keeps one there. */
static void fill_link(struct strip *t, const struct draw_style *s, enum look look)
{
	const bool back = look == LOOK_FOOTER;

	if (back)
		add(t, look_arrow(s, true), LOOK_LINKS, EDGE_NONE);
	add(t, look_glyph(s, look), look, EDGE_NONE);
	if (!back)
		add(t, look_arrow(s, false), LOOK_LINKS, EDGE_NONE);
}

static const struct draw_label *label_of(const struct picture_chunk *c,
    const struct draw_label *labels, size_t count)
{
	for (size_t i = 0; c->live && i < count; i++)
		if (labels[i].mem == c->mem)
			return &labels[i];
	return NULL;
}

static void name_column(struct strip *t, size_t at, const char *text)
{
	const size_t len = strlen(text);

	if (at < t->named)
		return; /* no room: the name before it reaches here */
	while (t->count < at + len)
		return;
	for (size_t i = 0; i < len; i++)
		snprintf(t->columns[at + i].name, DRAW_GLYPH, "%c", text[i]);
	t->named = at + len + 1;
}

/* Headers of 16 bytes in a free chunk hold a link; see fill_link(). */
static void add_piece(struct strip *t, const struct draw_style *s, const struct dmm_piece *piece,
    const struct picture_chunk *c, const struct draw_label *label)
{
	const enum look look = look_of(piece);
	const bool two_words = piece->len == 2 * sizeof(void *);
	const size_t asked = label != NULL && label->n != 0 ? min_size(label->n, piece->len)
	    : piece->len;
	const size_t from = t->count;

	if (look == LOOK_LINKS) {
		add(t, look_arrow(s, false), look, EDGE_NONE);
		if (two_words)
			add(t, look_arrow(s, true), look, EDGE_NONE);
		return;
	}
	if (!c->live && two_words && (look == LOOK_HEADER || look == LOOK_FOOTER)) {
		fill_link(t, s, look);
		return;
	}
	fill(t, s, look, look == LOOK_PAYLOAD ? asked : piece->len);
	if (look == LOOK_PAYLOAD && round_down(piece->len - asked, COLUMN_BYTES) != 0)
		fill(t, s, LOOK_WASTE, round_down(piece->len - asked, COLUMN_BYTES));
	if (look == LOOK_PAYLOAD && label != NULL)
		name_column(t, from, label->text);
}

static void add_chunk(struct strip *t, const struct draw_style *s, const struct picture *p,
    const struct picture_chunk *c, const struct draw_label *label)
{
	for (uint32_t i = 0; i < c->count; i++) {
		add_edge(t, i == 0 ? EDGE_CHUNK : EDGE_INNER);
		add_piece(t, s, &p->pieces[c->first + i], c, label);
	}
	add_edge(t, EDGE_CHUNK);
}

static bool equal_chunks(const struct picture_chunk *a, const struct picture_chunk *b)
{
	return a->addr + a->len == b->addr && a->len == b->len && a->live == b->live &&
	       a->bin == b->bin && a->count == b->count;
}

/* How many chunks from chunk i on are equal and unnamed, so that they can be counted. */
static size_t run_length(const struct picture *p, size_t i, const struct draw_label *labels,
    size_t label_count)
{
	size_t n = 0;
	while (i + n < p->chunk_count && label_of(&p->chunks[i + n], labels, label_count) == NULL &&
	    (n == 0 || equal_chunks(&p->chunks[i + n - 1], &p->chunks[i + n])))
		n++;
	return n;
}

static void add_count(struct strip *t, const struct draw_style *s, enum look look, size_t more)
{
	char text[32];
	const size_t from = t->count;

	snprintf(text, sizeof text, " %zu more ", more);
	for (size_t i = 0; i < SHORT; i++)
		add(t, look_glyph(s, look), look, EDGE_NONE);
	write_inside(t, from, text);
	dots_around(t, s, from, strlen(text));
	add_edge(t, EDGE_CHUNK);
}

/* ---- output ------------------------------------------------------------------------------- */

static const char *line_glyph(const struct draw_style *s, int row, enum edge edge, bool first,
    bool last)
{
	static const char *const chunk[3][3] = {{"┏", "┳", "┓"}, {"┃", "┃", "┃"}, {"┗", "┻", "┛"}};
	static const char *const inner[3] = {"┯", "│", "┷"};

	if (edge == EDGE_NONE)
		return s->ascii ? "-" : "━";
	if (s->ascii)
		return row == 1 ? (edge == EDGE_CHUNK ? "|" : ":") : edge == EDGE_CHUNK ? "+" : "-";
	return edge == EDGE_CHUNK ? chunk[row][first ? 0 : last ? 2 : 1] : inner[row];
}

static void put_names(FILE *out, const struct draw_style *s, const struct draw_column *c,
    size_t count)
{
	size_t end = count;
	while (end > 0 && strcmp(c[end - 1].name, " ") == 0)
		end--;
	if (end == 0)
		return;
	fprintf(out, "%*s%s", MARGIN, "", s->colour ? "\033[1m" : "");
	for (size_t i = 0; i < end; i++)
		fputs(c[i].name, out);
	fprintf(out, "%s\n", look_off(s));
}

/* Change the colour only where it differs from the one before. */
static void put_glyph(FILE *out, const char **colour, const char *wanted, const char *off,
    const char *glyph)
{
	if (*colour != wanted)
		fprintf(out, "%s%s", **colour != '\0' ? off : "", wanted);
	*colour = wanted;
	fputs(glyph, out);
}

static void put_row(FILE *out, const struct draw_style *s, const struct draw_column *c,
    size_t count,
    int row)
{
	const char *colour = "", *const off = look_off(s);

	fprintf(out, "%*s", MARGIN, "");
	for (size_t i = 0; i < count; i++)
		if (row != 1 || c[i].edge != EDGE_NONE)
			put_glyph(out, &colour, look_dim(s), off,
			    line_glyph(s, row, c[i].edge, i == 0, i == count - 1));
		else
			put_glyph(out, &colour, look_on(s, c[i].look), off, c[i].glyph);
	fprintf(out, "%s\n", *colour != '\0' ? off : "");
}

/* Columns that go into the next row: up to a line between boxes if one is near, which both rows
 * then show. */
static size_t cut(const struct strip *t, size_t from, size_t room)
{
	if (t->count - from <= room)
		return t->count - from;
	for (size_t n = room; n > room / 2; n--)
		if (t->columns[from + n - 1].edge == EDGE_CHUNK)
			return n;
	return room;
}

static void put_rows(const struct draw_sink *sink, const struct draw_style *s,
    const struct strip *t)
{
	for (size_t from = 0; from + 1 < t->count;) {
		const struct draw_column *const c = &t->columns[from];
		const size_t n = cut(t, from, s->width - MARGIN);
		sink->row(sink->arg, c, n);
		from += c[n - 1].edge == EDGE_CHUNK ? n - 1 : n;
	}
}

/* ---- a whole heap ------------------------------------------------------------------------- */

static size_t region_end(const struct picture *p, size_t i)
{
	do
		i++;
	while (i < p->piece_count && !picture_begins_region(p, i));
	return i;
}

/* Pieces of no chunk; equal ones in a row are one box.  How many there were. */
static size_t add_outside(struct strip *t, const struct draw_style *s, const struct picture *p,
    size_t i, size_t end)
{
	const enum look look = look_in(p, &p->pieces[i]);
	size_t n = 1, len = p->pieces[i].len;

	while (i + n < end && look_in(p, &p->pieces[i + n]) == look &&
	       picture_find(p, p->pieces[i + n].addr) == NULL)
		len += p->pieces[i + n++].len;
	add_edge(t, EDGE_CHUNK);
	fill(t, s, look, len);
	add_edge(t, EDGE_CHUNK);
	return n;
}

static void build(struct strip *t, const struct draw_style *s, const struct picture *p, size_t from,
    size_t end, const struct draw_label *labels, size_t label_count)
{
	for (size_t i = from; i < end;) {
		const struct picture_chunk *const c = picture_find(p, p->pieces[i].addr);
		if (c == NULL) {
			i += add_outside(t, s, p, i, end);
			continue;
		}
		const size_t run = run_length(p, (size_t)(c - p->chunks), labels, label_count);
		add_chunk(t, s, p, c, label_of(c, labels, label_count));
		i += c->count;
		if (run > RUN) {
			add_count(t, s, c->live ? LOOK_PAYLOAD : LOOK_FREE, run - 1);
			i = c[run - 1].first + c[run - 1].count;
		}
	}
}

/* A region of one piece that is no chunk, such as an array of bins, is printed as text and not
 * drawn. */
static bool is_table(const struct picture *p, size_t from, size_t end)
{
	return end == from + 1 && picture_find(p, p->pieces[from].addr) == NULL;
}

static void put_heading(const struct draw_sink *sink, const struct draw_style *s,
    const struct picture *p, size_t from, size_t end)
{
	const uintptr_t addr = p->pieces[from].addr;
	const size_t len = p->pieces[end - 1].addr + p->pieces[end - 1].len - addr;
	const bool table = is_table(p, from, end);
	char size[DRAW_SIZE_TEXT], text[160];

	snprintf(text, sizeof text, "0x%zx: %s%s%s%s", (size_t)addr, draw_size(size, s, len),
	    s->unit != 0 ? " units" : "", table ? ", " : "", table ? p->pieces[from].what : "");
	sink->heading(sink->arg, text);
}

void draw_rows(const struct draw_sink *sink, const struct draw_style *s, const struct picture *p,
    const struct draw_label *labels, size_t label_count)
{
	struct strip t = {0};

	for (size_t from = 0, end; from < p->piece_count; from = end) {
		end = region_end(p, from);
		put_heading(sink, s, p, from, end);
		if (is_table(p, from, end))
			continue;
		t.count = t.named = 0;
		build(&t, s, p, from, end, labels, label_count);
		put_rows(sink, s, &t);
	}
	free(t.columns);
}

struct text_sink {
	FILE *out;
	const struct draw_style *s;
};

static void text_heading(void *arg, const char *text)
{
	const struct text_sink *const t = arg;
	fprintf(t->out, "%*s%s%s%s\n", MARGIN, "", look_dim(t->s), text, look_off(t->s));
}

static void text_row(void *arg, const struct draw_column *c, size_t count)
{
	const struct text_sink *const t = arg;

	put_names(t->out, t->s, c, count);
	for (int row = 0; row < 3; row++)
		put_row(t->out, t->s, c, count, row);
}

void draw_boxes(FILE *out, const struct draw_style *s, const struct picture *p,
    const struct draw_label *labels, size_t label_count)
{
	struct text_sink text = {out, s};
	const struct draw_sink sink = {&text, text_heading, text_row};

	if (p->piece_count == 0)
		fprintf(out, "%*s%sthe heap is empty%s\n", MARGIN, "", look_dim(s), look_off(s));
	draw_rows(&sink, s, p, labels, label_count);
}

size_t draw_boxes_wanted(const struct picture *p, const struct draw_label *labels,
    size_t label_count)
{
	size_t boxes = 0;
	for (size_t i = 0; i < p->chunk_count; boxes++) {
		const size_t run = run_length(p, i, labels, label_count);
		boxes += run > RUN;
		i += run > RUN ? run : 1;
	}
	return boxes;
}
