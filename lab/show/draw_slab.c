/* draw_slab.c - the bars and tables of draw_slab.h. */
#include "show/draw_slab.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "draw/look.h"
#include "cli/units.h"
#include "cli/plain.h"
#include "cli/screen.h"

enum { MARGIN = 2 };

char *slab_count(char buf[32], uint64_t n)
{
	char digits[32];
	const size_t len = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		if (i != 0 && (len - i) % 3 == 0)
			buf[at++] = ',';
		buf[at++] = digits[i];
	}
	buf[at] = '\0';
	return buf;
}

/* ---- bars ------------------------------------------------------------------------------------ */

/* `part` of `whole` in `columns`; less than half a column shows as a thin line. */
static void put_bar(FILE *out, const struct draw_style *s, const char *colour, uint64_t part,
    uint64_t whole,
    size_t columns)
{
	const double exact = whole == 0 ? 0 : (double)part / (double)whole * (double)columns;
	const size_t n = (size_t)(exact + 0.5);

	if (part == 0)
		return;
	fputs(colour, out);
	if (n == 0)
		fputs(s->ascii ? "|" : "▏", out);
	for (size_t i = 0; i < min_size(n, columns); i++)
		fputs(s->ascii ? "#" : "█", out);
	fputs(look_off(s), out);
}

/* The same with its rest drawn too, so that the eye sees the whole. */
static void put_gauge(FILE *out, const struct draw_style *s, uint64_t part, uint64_t whole,
    size_t columns)
{
	size_t n = whole == 0 ? 0 : (size_t)((double)part / (double)whole * (double)columns + 0.5);

	if (n == 0 && part != 0)
		n = 1;
	if (n == columns && part < whole)
		n = columns - 1;
	put_bar(out, s, slab_colour(s, SLAB_FULL_LOOK), n, columns, columns);
	fputs(look_dim(s), out);
	for (size_t i = n; i < columns; i++)
		fputs(s->ascii ? "." : "░", out);
	fputs(look_off(s), out);
}

/* ---- by cause -------------------------------------------------------------------------------- */

static const struct {
	const char *text, *colour;
} causes[OUTSIDE_HELD] = {
    [OUTSIDE_LIVE] = {"live objects", "\033[32m"},
    [OUTSIDE_LARGE] = {"large objects", "\033[36m"},
    [OUTSIDE_FREE] = {"free in slabs", "\033[37m"},
    [OUTSIDE_CACHED] = {"in thread caches", "\033[94m"},
    [OUTSIDE_REMOTE] = {"freed by others", "\033[35m"},
    [OUTSIDE_TAIL] = {"slab ends", "\033[90m"},
    [OUTSIDE_DIRTY] = {"dirty, to reuse", "\033[33m"},
    [OUTSIDE_TABLES] = {"slab's tables", "\033[34m"},
    [OUTSIDE_TORN] = {"in motion", "\033[31m"},
};

static void put_cause(FILE *out, const struct draw_style *s, const char *name, const char *colour,
    uint64_t bytes,
    uint64_t held)
{
	char text[UNITS_LEN];
	const size_t used = MARGIN + 16 + 11 + 9 + 2;

	fprintf(out, "%*s%-16s %10s  %5.1f %%", MARGIN, "", name, units_bytes(text, (double)bytes),
	    held == 0 ? 0.0 : 100.0 * (double)bytes / (double)held);
	if (s->width > used + 4 && bytes != 0) {
		fputs("  ", out);
		put_bar(out, s, s->colour ? colour : "", bytes, held, min_size(s->width - used,
		    50));
	}
	fputc('\n', out);
}

/* What the kernel says of the same. */
static void put_resident(FILE *out, const struct draw_style *s, const struct outside_view *v)
{
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN], swapped[UNITS_LEN], text[300], more[60] =
	    "", huge[60] = "";

	if (!v->pages_known)
		return;
	if (v->swapped != 0)
		snprintf(more, sizeof more, ", %s are swapped out", units_bytes(swapped,
		    (double)v->swapped));
	if (v->resident[OUTSIDE_IS_UNUSED] != 0) /* what huge pages back beyond what was asked */
		snprintf(huge, sizeof huge, ", %s unused", units_bytes(a,
		    (double)v->resident[OUTSIDE_IS_UNUSED]));
	snprintf(text, sizeof text, "resident %s, of it %s tables%s; the whole process %s%s",
	    units_bytes(a, (double)outside_resident(v)), units_bytes(b,
	    (double)v->resident_tables), huge,
	    units_bytes(c, (double)v->rss), more);
	draw_text(out, s, MARGIN, text);
}

void draw_slab_split(FILE *out, const struct draw_style *s, const struct outside_view *v)
{
	const uint64_t held = outside_held(v);
	char text[300], a[UNITS_LEN], b[32], c[32], d[32];

	snprintf(text, sizeof text, "holds %s for %s live objects, %s of them large, in %s slabs",
	    units_bytes(a, (double)held), slab_count(b, v->live_objects + v->large_objects),
	    slab_count(c, v->large_objects), slab_count(d, v->slabs));
	draw_text(out, s, MARGIN, text);
	for (int i = 0; i < OUTSIDE_HELD; i++)
		if (v->bytes[i] != 0 || i == OUTSIDE_LIVE || i == OUTSIDE_FREE ||
		    i == OUTSIDE_DIRTY)
			put_cause(out, s, causes[i].text, causes[i].colour, v->bytes[i], held);
	if (v->bytes[OUTSIDE_PURGED] != 0) {
		snprintf(text, sizeof text, "given back from inside slabs: %s",
		    units_bytes(a, (double)v->bytes[OUTSIDE_PURGED]));
		draw_text(out, s, MARGIN, text);
	}
	if (v->guarded_slots != 0) {
		snprintf(text, sizeof text, "beside it, guarded objects: %s live (%s), %s freed, "
		    "of %s",
		    slab_count(b, v->guarded_live), units_bytes(a, (double)v->guarded_bytes),
		    slab_count(c, v->guarded_freed), slab_count(d, v->guarded_slots));
		draw_text(out, s, MARGIN, text);
	}
	put_resident(out, s, v);
}

/* ---- by class -------------------------------------------------------------------------------- */

const char *slab_order_name(enum slab_order order)
{
	static const char *const names[SLAB_ORDERS] = {"size", "held", "live", "free"};
	return names[order];
}

static uint64_t free_bytes(const struct outside_class *c)
{
	return (c->objects - c->live) * c->size - min_size(c->purged,
	    (c->objects - c->live) * c->size);
}

static enum slab_order sort_order; /* of compare_classes: qsort passes no argument */

static uint64_t sort_key(const struct outside_class *c)
{
	return sort_order == SLAB_BY_HELD ? c->held :
	    sort_order == SLAB_BY_LIVE ? c->live * c->size : free_bytes(c);
}

static int compare_classes(const void *a, const void *b)
{
	const struct outside_class *const x = *(const struct outside_class *const *)a;
	const struct outside_class *const y = *(const struct outside_class *const *)b;

	if (sort_order != SLAB_BY_SIZE && sort_key(x) != sort_key(y))
		return sort_key(x) > sort_key(y) ? -1 : 1;
	return x->size < y->size ? -1 : x->size > y->size;
}

static size_t sorted_classes(const struct outside_view *v, enum slab_order order,
    const struct outside_class *sorted[OUTSIDE_CLASSES])
{
	size_t count = 0;

	for (int i = 0; i < OUTSIDE_CLASSES; i++)
		if (v->classes[i].slabs != 0)
			sorted[count++] = &v->classes[i];
	sort_order = order;
	qsort(sorted, count, sizeof sorted[0], compare_classes);
	return count;
}

/* Columns by the width: the narrowest keeps size, live, held and the gauge. */
static void put_class(FILE *out, const struct draw_style *s, const struct outside_view *v,
    const struct outside_class *c)
{
	char live[32], all[32], slabs[32], held[UNITS_LEN], resident[UNITS_LEN];
	const bool wide = s->width >= 64, widest = s->width >= 78 && v->pages_known;

	fprintf(out, "%*s%6llu", MARGIN, "", (unsigned long long)c->size);
	if (wide)
		fprintf(out, " %8s", slab_count(slabs, c->slabs));
	fprintf(out, " %10s", slab_count(live, c->live));
	if (wide)
		fprintf(out, " %10s", slab_count(all, c->objects));
	fprintf(out, " %9s", units_bytes(held, (double)c->held));
	if (widest)
		fprintf(out, " %9s", units_bytes(resident, (double)c->resident));
	fputs("  ", out);
	put_gauge(out, s, c->live, c->objects, wide ? 10 : 5);
	if (wide)
		fprintf(out, " %3llu %%", (unsigned long long)(100 * c->live / max_size(c->objects,
		    1)));
	fputc('\n', out);
}

static void put_rest(FILE *out, const struct draw_style *s, const struct outside_class **sorted,
    size_t count)
{
	char text[120], held[UNITS_LEN];
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += sorted[i]->held;
	snprintf(text, sizeof text, "and %zu more classes, which hold %s", count, units_bytes(held,
	    (double)bytes));
	fputs(look_dim(s), out);
	draw_text(out, s, MARGIN, text);
	fputs(look_off(s), out);
}

void draw_slab_classes(FILE *out, const struct draw_style *s, const struct outside_view *v,
    enum slab_order order, size_t rows)
{
	const struct outside_class *sorted[OUTSIDE_CLASSES];
	const size_t count = sorted_classes(v, order, sorted);
	const bool wide = s->width >= 64, widest = s->width >= 78 && v->pages_known;

	if (count == 0 || rows < 2)
		return;
	const size_t shown = count + 1 <= rows ? count : rows - 2;
	fprintf(out, "%s%*s%6s%s %10s", look_dim(s), MARGIN, "", "size", wide ? "    slabs" : "",
	    "live");
	fprintf(out, "%s %9s%s  %s%s\n", wide ? "         of" : "", "held",
	    widest ? "  resident" : "", wide ? "occupied" : "used", look_off(s));
	for (size_t i = 0; i < shown; i++)
		put_class(out, s, v, sorted[i]);
	if (shown < count)
		put_rest(out, s, sorted + shown, count - shown);
}

/* ---- by thread ------------------------------------------------------------------------------- */

static int by_held(const void *a, const void *b)
{
	const struct outside_heap *const x = *(const struct outside_heap *const *)a;
	const struct outside_heap *const y = *(const struct outside_heap *const *)b;

	if (x->held != y->held)
		return x->held > y->held ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static void heap_title(char *text, size_t room, const struct outside_heap *h)
{
	if (h->kind == OUTSIDE_LATE)
		snprintf(text, room, "(asked after a thread's end)");
	else if (h->kind == OUTSIDE_IDLE)
		snprintf(text, room, "(of a thread that ended)");
	else if (h->tid == 0 && h->pointer == 0)
		snprintf(text, room, "(a thread)");
	else if (h->tid == 0)
		snprintf(text, room, "thread at 0x%llx", (unsigned long long)h->pointer);
	else
		snprintf(text, room, "%d %s", h->tid, plain(h->name));
}

static void put_heap(FILE *out, const struct draw_style *s, const struct outside_heap *h)
{
	char title[64], live[UNITS_LEN], held[UNITS_LEN], slabs[32];
	const bool wide = s->width >= 64;
	const size_t room = wide ? 30 : 15;

	heap_title(title, sizeof title, h);
	const size_t shown = screen_cut(title, room);
	fprintf(out, "%*s%.*s%*s", MARGIN, "", (int)shown, title,
	    (int)(room - screen_columns(title, shown)), "");
	if (wide)
		fprintf(out, " %8s", slab_count(slabs, h->slabs));
	fprintf(out, " %10s %10s", units_bytes(live, (double)h->live_bytes), units_bytes(held,
	    (double)h->held));
	if (wide) {
		fputs("  ", out);
		put_gauge(out, s, h->live_bytes, h->held, 10);
	}
	fputc('\n', out);
}

void draw_slab_heaps(FILE *out, const struct draw_style *s, const struct outside_view *v,
    size_t rows)
{
	const struct outside_heap **const sorted = calloc(v->heap_count + 1, sizeof *sorted);
	const bool wide = s->width >= 64;
	size_t count = 0;

	if (sorted == NULL || rows < 2) {
		free(sorted);
		return;
	}
	for (size_t i = 0; i < v->heap_count; i++)
		if (v->heaps[i].slabs != 0 || v->heaps[i].kind == OUTSIDE_THREAD)
			sorted[count++] = &v->heaps[i];
	qsort(sorted, count, sizeof sorted[0], by_held);
	const size_t shown = count + 1 <= rows ? count : rows - 2;
	if (count != 0)
		fprintf(out, "%s%*s%-*s%s %10s %10s%s\n", look_dim(s), MARGIN, "", wide ? 30 : 15,
		    "thread",
		    wide ? "    slabs" : "", "live", "held", look_off(s));
	for (size_t i = 0; i < shown; i++)
		put_heap(out, s, sorted[i]);
	if (shown < count)
		fprintf(out, "%*s%sand %zu more threads%s\n", MARGIN, "", look_dim(s),
		    count - shown, look_off(s));
	free(sorted);
}
