/* picture.c - two drawings, made in a child: the heap that is drawn may be damaged. */
#include "lesson/picture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "draw/look.h"
#include "lesson/program.h"

enum { LABELS = 64, PIECES_MAX = 20000, ROWS = 16, HEAD = 36, COLUMN_MIN = 8, APART = 1 << 20 };

static const size_t LONGEST = (size_t)1 << 40;

struct drawing {
	const struct shrink *x;
	const struct draw_style *style;
	FILE *before, *after; /* files that the child writes and the parent reads */
	bool walk;
};

/* ---- what the program holds ------------------------------------------------------------------ */

/* Objects from..to lie near each other: bytes for a column, so that they fit. */
static size_t column_bytes(const struct draw_style *s, const struct shadow_object *from,
    const struct shadow_object *to)
{
	const size_t room = s->width > HEAD + 16 ? s->width - HEAD : 16;
	size_t end = 0, bytes = COLUMN_MIN;

	for (const struct shadow_object *o = from; o <= to; o++)
		end = max_size(end, ptr_diff(o->p, from->p) + max_size(o->usable, o->n));
	while (end / bytes > room)
		bytes *= 2;
	return bytes;
}

static void put_row(FILE *out, const struct shadow_object *first, const struct shadow_object *o,
    size_t column, const char *name)
{
	char size[DRAW_SIZE_TEXT];
	const size_t at = ptr_diff(o->p, first->p) / column;
	const size_t end = round_up(max_size(ptr_diff(o->p, first->p) + o->usable, 1),
	    column) / column;
	const size_t asked = round_up(max_size(ptr_diff(o->p, first->p) + o->n, 1),
	    column) / column;

	snprintf(size, sizeof size, "%zu byte%s", o->n, o->n == 1 ? "" : "s");
	fprintf(out, "  %-3s %#14zx  %-13s%*s", name, (size_t)o->p, size, (int)at, "");
	for (size_t i = at; i < max_size(asked, at + 1); i++)
		fputc(name[0], out);
	for (size_t i = max_size(asked, at + 1); i < end; i++)
		fputc('+', out);
	fputc('\n', out);
}

void draw_objects(FILE *out, const struct draw_style *s, const struct shadow *shadow,
    const struct script_step *step, size_t count)
{
	char name[PROGRAM_NAME];
	size_t rows = 0;

	if (shadow->count == 0)
		fprintf(out, "  the program holds nothing\n");
	for (size_t from = 0, to; from < shadow->count && rows < ROWS; from = to + 1) {
		const struct shadow_object *const o = shadow->objects;
		for (to = from; to + 1 < shadow->count && to + 1 - from < ROWS &&
		    ptr_diff(o[to + 1].p, o[to].p) < APART + o[to].usable;)
			to++;
		const size_t column = column_bytes(s, &o[from], &o[to]);
		fprintf(out, "%s  what the program holds; a column is %zu bytes, + is usable "
		    "beyond what "
		    "was asked%s\n", look_dim(s), column, look_off(s));
		for (size_t i = from; i <= to && rows < ROWS; i++, rows++)
			put_row(out, &o[from], &o[i], column,
			    program_name(name, step, count, o[i].name));
	}
}

/* ---- what the design tells ------------------------------------------------------------------- */

struct counted {
	size_t pieces;
	uintptr_t end;
};

/* Not 0: the walk tells nonsense, and cannot be drawn. */
static int count_piece(void *arg, const struct dmm_piece *piece)
{
	struct counted *const c = arg;
	const bool fine = piece->what != NULL && piece->len != 0 && piece->len < LONGEST &&
	    piece->addr >= c->end && ++c->pieces <= PIECES_MAX;

	c->end = piece->addr + piece->len;
	return !fine;
}

static void draw_walk(FILE *out, const struct draw_style *s, struct heap *heap,
    const struct shadow *shadow, const struct drawing *d)
{
	static char names[LABELS][PROGRAM_NAME];
	struct draw_label labels[LABELS];
	struct picture picture = {0};
	struct counted c = {0};
	const size_t count = min_size(shadow->count, LABELS);

	if (heap_walk(heap, count_piece, &c) != 0 || c.pieces == 0)
		return;
	for (size_t i = 0; i < count; i++)
		labels[i] = (struct draw_label){(uintptr_t)shadow->objects[i].p,
		    shadow->objects[i].n,
		    program_name(names[i], d->x->step, d->x->count, shadow->objects[i].name)};
	picture_take(&picture, heap);
	draw_heap(out, s, &picture, labels, count);
	draw_bins(out, s, &picture);
	draw_legend(out, s, draw_kinds(&picture, labels, count));
	picture_drop(&picture);
}

/* In the child. */
static void look(void *arg, struct heap *heap, const struct shadow *shadow, size_t step)
{
	const struct drawing *const d = arg;
	FILE *const out = step + 2 == d->x->count ? d->before
	    : step + 1 == d->x->count             ? d->after : NULL;
	char *text = NULL;
	size_t len = 0;

	if (out == NULL)
		return;
	FILE *const memory = open_memstream(&text, &len);
	if (memory == NULL)
		return;
	rewind(out);
	if (d->walk)
		draw_walk(memory, d->style, heap, shadow, d);
	draw_objects(memory, d->style, shadow, d->x->step, d->x->count);
	fclose(memory);
	fwrite(text, 1, len, out);
	fflush(out);
}

static char *read_all(FILE *file)
{
	char *text = NULL;
	size_t len = 0;
	FILE *const out = open_memstream(&text, &len);
	int c;

	if (out == NULL || file == NULL)
		return strdup("");
	rewind(file);
	while ((c = fgetc(file)) != EOF)
		fputc(c, out);
	fclose(out);
	return text;
}

struct lesson_pictures lesson_draw(const struct shrink *x, const struct draw_style *style)
{
	struct drawing d = {.x = x, .style = style, .before = tmpfile(), .after = tmpfile(),
	    .walk = x->t->sys->walk != NULL};
	struct play play = {.t = x->t, .step = x->step, .count = x->count, .blind = x->blind,
	    .closely = true, .look = look, .arg = &d};
	struct lesson_pictures p = {0};

	if (d.before != NULL && d.after != NULL && play_run(&play).looked && d.walk) {
		d.walk = false; /* the design's walk crashed, or reported impossible pieces */
		play_run(&play);
	}
	p.walked = d.walk;
	p.before = read_all(d.before);
	p.after = read_all(d.after);
	if (d.before != NULL)
		fclose(d.before);
	if (d.after != NULL)
		fclose(d.after);
	return p;
}
