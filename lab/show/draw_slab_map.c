/* draw_slab_map.c - where slabs and large objects lie, and which objects of a slab are live. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "draw/look.h"
#include "cli/lab.h"
#include "show/draw_slab.h"
#include "cli/units.h"

enum { MARGIN = 2, ADDRESS = 13 };

static const struct {
	const char *name, *glyph, *ascii, *colour;
} looks[SLAB_LOOKS] = {
    [SLAB_UNUSED] = {"unused", "·", ".", "\033[90m"},
    [SLAB_DIRTY] = {"dirty", "×", "x", "\033[33m"},
    [SLAB_EMPTY] = {"slab without live objects", "▁", "0", "\033[37m"},
    [SLAB_QUARTER] = {"", "░", "1", "\033[32m"},
    [SLAB_HALF] = {"", "▒", "2", "\033[32m"},
    [SLAB_MOST] = {"", "▓", "3", "\033[32m"},
    [SLAB_FULL_LOOK] = {"", "█", "4", "\033[32m"},
    [SLAB_LARGE] = {"large object", "━", "=", "\033[36m"},
    [SLAB_TORN] = {"in motion", "?", "?", "\033[31m"},
};

const char *slab_glyph(const struct draw_style *s, enum slab_look look)
{
	return s->ascii ? looks[look].ascii : looks[look].glyph;
}

const char *slab_colour(const struct draw_style *s, enum slab_look look)
{
	return s->colour ? looks[look].colour : "";
}

const struct outside_run *outside_find_run(const struct outside_view *v, uint64_t addr)
{
	const uint64_t granule = (addr - v->base) / v->granule;
	size_t low = 0, high = v->run_count;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;
		const struct outside_run *const run = &v->runs[mid];
		if (granule < run->granule)
			high = mid;
		else if (granule >= (uint64_t)run->granule + run->count)
			low = mid + 1;
		else
			return run;
	}
	return NULL;
}

/* ---- the map --------------------------------------------------------------------------------- */

struct slab_cell {
	uint64_t granules[OUTSIDE_IS_TORN + 1];
	double live; /* granules' worth of live objects in slabs */
};

struct slab_map {
	FILE *out;
	const struct draw_style *s;
	const struct outside_view *v;
	uint64_t granules, cell_at; /* granules of a cell; the first of the one being filled */
	uint64_t marked;            /* granule; UINT64_MAX: none */
	size_t columns, at;
	struct slab_cell cell;
};

static enum slab_look shade(double share)
{
	return share <= 0    ? SLAB_EMPTY
	       : share <= .25 ? SLAB_QUARTER
	       : share <= .5  ? SLAB_HALF
	       : share <= .75 ? SLAB_MOST
	                      : SLAB_FULL_LOOK;
}

/* What most of it is. */
static enum slab_look look_of_cell(const struct slab_cell *c)
{
	static const enum slab_look kinds[] = {[OUTSIDE_IS_UNUSED] = SLAB_UNUSED,
	    [OUTSIDE_IS_DIRTY] = SLAB_DIRTY,
	    [OUTSIDE_IS_SLAB] = SLAB_EMPTY, [OUTSIDE_IS_LARGE] = SLAB_LARGE,
	    [OUTSIDE_IS_TORN] = SLAB_TORN};
	size_t most = 0;

	for (size_t k = 1; k <= OUTSIDE_IS_TORN; k++)
		if (c->granules[k] > c->granules[most])
			most = k;
	return most == OUTSIDE_IS_SLAB ? shade(c->live / (double)c->granules[most]) : kinds[most];
}

static void finish_cell(struct slab_map *m)
{
	const bool marked = m->marked - m->cell_at < m->granules;
	const enum slab_look look = look_of_cell(&m->cell);

	if (m->at == 0)
		fprintf(m->out, "%*s%s%012llx%s ", MARGIN, "", look_dim(m->s),
		    (unsigned long long)(m->v->base + m->cell_at * m->v->granule), look_off(m->s));
	fprintf(m->out, "%s%s%s", marked && m->s->colour ? "\033[7m" : slab_colour(m->s, look),
	    marked ? "p" : slab_glyph(m->s, look), look_off(m->s));
	m->cell = (struct slab_cell){0};
	m->cell_at += m->granules;
	if (++m->at == m->columns) {
		fputc('\n', m->out);
		m->at = 0;
	}
}

static void add_to_map(struct slab_map *m, const struct outside_run *run)
{
	const double live = run->objects == 0 ? 0 : (double)run->live / run->objects;

	for (uint64_t at = run->granule, end = at + run->count; at < end;) {
		const uint64_t n = min_size(end, m->cell_at + m->granules) - at;
		m->cell.granules[run->kind] += n;
		m->cell.live += live * (double)n;
		at += n;
		if (at == m->cell_at + m->granules)
			finish_cell(m);
	}
}

/* From the last granule in use on there is nothing to see. */
static size_t runs_to_show(const struct outside_view *v)
{
	size_t count = v->run_count;
	while (count > 0 && v->runs[count - 1].kind == OUTSIDE_IS_UNUSED)
		count--;
	return count;
}

void draw_slab_map(FILE *out, const struct draw_style *s, const struct outside_view *v,
    uint64_t marked, size_t rows)
{
	const size_t columns = s->width - MARGIN - ADDRESS, count = runs_to_show(v);
	struct slab_map m = {.out = out, .s = s, .v = v, .granules = 1, .columns = columns,
	    .marked = UINT64_MAX};
	char cell[UNITS_LEN];

	if (count == 0 || rows == 0)
		return;
	if (marked != 0)
		m.marked = (marked - v->base) / v->granule;
	const uint64_t last = v->runs[count - 1].granule + v->runs[count - 1].count;
	while ((last + m.granules - 1) / m.granules > columns * rows)
		m.granules *= 2;
	for (size_t i = 0; i < count; i++)
		add_to_map(&m, &v->runs[i]);
	if (m.cell_at < last)
		finish_cell(&m);
	if (m.at != 0)
		fputc('\n', out);
	fprintf(out, "%*s%sone cell is %s%s\n", MARGIN, "", look_dim(s),
	    units_bytes(cell, (double)(m.granules * v->granule)), look_off(s));
}

static void put_meaning(FILE *out, const struct draw_style *s, size_t *at, const char *glyphs,
    const char *colour,
    size_t glyph_columns, const char *name)
{
	enum { APART = 3 };
	const size_t len = glyph_columns + 1 + strlen(name);
	const bool wraps = *at != 0 && *at + APART + len > s->width;

	fprintf(out, "%s%*s%s%s%s %s", wraps ? "\n" : "", *at == 0 || wraps ? MARGIN : APART, "",
	    colour, glyphs,
	    look_off(s), name);
	*at = *at == 0 || wraps ? MARGIN + len : *at + APART + len;
}

void draw_slab_legend(FILE *out, const struct draw_style *s, const struct outside_view *v)
{
	bool there[OUTSIDE_IS_TORN + 1] = {false}, empty = false;
	size_t at = 0;

	for (size_t i = 0, count = runs_to_show(v); i < count; i++) {
		there[v->runs[i].kind] = true;
		empty |= v->runs[i].kind == OUTSIDE_IS_SLAB && v->runs[i].live == 0;
	}
	if (there[OUTSIDE_IS_SLAB])
		put_meaning(out, s, &at, s->ascii ? "1234" : "░▒▓█", slab_colour(s, SLAB_HALF), 4,
		    "slab, the fuller the darker");
	if (empty)
		put_meaning(out, s, &at, slab_glyph(s, SLAB_EMPTY), slab_colour(s, SLAB_EMPTY), 1,
		    looks[SLAB_EMPTY].name);
	for (enum slab_look l = SLAB_UNUSED; l < SLAB_LOOKS; l++)
		if ((l == SLAB_LARGE && there[OUTSIDE_IS_LARGE]) ||
		    (l == SLAB_DIRTY && there[OUTSIDE_IS_DIRTY]) ||
		    (l == SLAB_TORN && there[OUTSIDE_IS_TORN]) ||
		    (l == SLAB_UNUSED && there[OUTSIDE_IS_UNUSED]))
			put_meaning(out, s, &at, slab_glyph(s, l), slab_colour(s, l), 1,
			    looks[l].name);
	fputc('\n', out);
}

/* Slabs of a class, the emptiest first: they are what a program's few survivors keep. */
static int by_live(const void *a, const void *b)
{
	const struct outside_run *const x = *(const struct outside_run *const *)a;
	const struct outside_run *const y = *(const struct outside_run *const *)b;

	if (x->live != y->live)
		return x->live < y->live ? -1 : 1;
	return x->granule < y->granule ? -1 : x->granule > y->granule;
}

/* ---- objects --------------------------------------------------------------------------------- */

/* Objects to draw: up to the last live one, but at least a few, at most four rows. */
static unsigned objects_to_draw(const struct outside_view *v, const struct outside_run *run,
    size_t columns)
{
	unsigned count = run->objects;

	while (count > 0 && !outside_is_live(v, run, count - 1))
		count--;
	count = (unsigned)max_size(count + 4, 16);
	return (unsigned)min_size(count, min_size(run->objects, 4 * columns));
}

static void put_names(FILE *out, const struct outside_view *v, const struct outside_run *run,
    const struct draw_label *labels, size_t label_count, unsigned from, unsigned end)
{
	char line[512];
	size_t width = 0;

	memset(line, ' ', sizeof line);
	for (size_t i = 0; i < label_count; i++) {
		const uint64_t offset = labels[i].mem - (v->base + run->granule * v->granule);
		const uint64_t object = run->size != 0 ? offset / run->size : UINT64_MAX;
		const size_t len = strlen(labels[i].text);
		if (labels[i].mem == 0 || object < from || object >= end ||
		    object - from + len >= sizeof line)
			continue;
		memcpy(line + (object - from), labels[i].text, len);
		width = max_size(width, object - from + len);
	}
	if (width != 0)
		fprintf(out, "%*s%.*s\n", 2 * MARGIN, "", (int)width, line);
}

static void put_objects(FILE *out, const struct draw_style *s, const struct outside_view *v,
    const struct outside_run *run, const struct draw_label *labels, size_t label_count)
{
	const size_t columns = min_size(s->width - 2 * MARGIN, 64);
	const unsigned count = objects_to_draw(v, run, columns);

	for (unsigned from = 0; from < count; from += (unsigned)columns) {
		const unsigned end = (unsigned)min_size(count, from + columns);
		put_names(out, v, run, labels, label_count, from, end);
		fprintf(out, "%*s", 2 * MARGIN, "");
		for (unsigned i = from; i < end; i++) {
			const bool cached = outside_is_cached(v, run, i);
			const enum look look = outside_is_live(v, run, i) ? LOOK_PAYLOAD
			    : LOOK_FREE;
			fprintf(out, "%s%s%s", cached ? slab_colour(s, SLAB_DIRTY)
			    : look_on(s, look),
			    cached ? (s->ascii ? "o" : "○") : look_glyph(s, look), look_off(s));
		}
		fputc('\n', out);
	}
	if (count < run->objects)
		fprintf(out, "%*s%sand %u more%s\n", 2 * MARGIN, "", look_dim(s),
		    run->objects - count, look_off(s));
}

void draw_slab_run(FILE *out, const struct draw_style *s, const struct outside_view *v,
    const struct outside_run *run, const struct draw_label *labels, size_t label_count)
{
	char text[200], cached[48] = "";

	if (run->cached != 0)
		snprintf(cached, sizeof cached, ", %u in a stack", run->cached);
	snprintf(text, sizeof text, "slab at 0x%llx: %u-byte objects, %u of %u live%s",
	    (unsigned long long)(v->base + run->granule * v->granule), run->size, run->live,
	    run->objects, cached);
	draw_text(out, s, MARGIN, text);
	put_objects(out, s, v, run, labels, label_count);
}

void draw_slab_object_legend(FILE *out, const struct draw_style *s)
{
	size_t at = 0;

	put_meaning(out, s, &at, look_glyph(s, LOOK_PAYLOAD), look_on(s, LOOK_PAYLOAD), 1, "live");
	put_meaning(out, s, &at, s->ascii ? "o" : "○", slab_colour(s, SLAB_DIRTY), 1,
	    "free, in a thread's stack");
	put_meaning(out, s, &at, look_glyph(s, LOOK_FREE), look_on(s, LOOK_FREE), 1, "free");
	fputc('\n', out);
}

void draw_slab_objects(FILE *out, const struct draw_style *s, const struct outside_view *v, int cls,
    const struct draw_label *labels, size_t label_count, size_t slabs)
{
	const struct outside_run **const chosen = calloc(v->run_count + 1, sizeof *chosen);
	size_t count = 0;

	if (chosen == NULL)
		lab_die(EXIT_OURS, "no memory to draw %zu slabs", v->run_count);
	for (size_t i = 0; i < v->run_count; i++)
		if (v->runs[i].kind == OUTSIDE_IS_SLAB && (cls < 0 || v->runs[i].cls == cls))
			chosen[count++] = &v->runs[i];
	if (cls >= 0)
		qsort(chosen, count, sizeof chosen[0], by_live);
	for (size_t i = 0; i < min_size(count, slabs); i++)
		draw_slab_run(out, s, v, chosen[i], labels, label_count);
	if (count > slabs)
		fprintf(out, "%*s%sand %zu more slabs%s\n", MARGIN, "", look_dim(s), count - slabs,
		    look_off(s));
	free(chosen);
}
