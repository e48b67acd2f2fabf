/* top_screen.c - dmm top in a terminal.
 *
 *   title, rates           what and how fast
 *   live, held             a curve each of the last minutes
 *   by cause               draw_slab.h's panels, each in its share of the rows
 *   classes | threads | map
 *   status                 keys
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/clock.h"
#include "draw/look.h"
#include "cli/terminal.h"
#include "show/top.h"
#include "cli/units.h"
#include "cli/plain.h"

enum panel { PANEL_ALL, PANEL_CLASSES, PANEL_THREADS, PANEL_MAP };

struct screen {
	enum panel panel;
	enum slab_order order;
	bool paused;
	double interval;
};

/* "+1.2 MiB/s" */
static char *signed_rate(char buf[UNITS_LEN + 8], double bytes)
{
	char text[UNITS_LEN];
	snprintf(buf, UNITS_LEN + 8, "%s%s/s", bytes < 0 ? "-" : "+", units_bytes(text,
	    bytes < 0 ? -bytes : bytes));
	return buf;
}

static void put_head(FILE *out, const struct draw_style *s, const struct top *t)
{
	const struct memory *const m = &t->outside.memory;
	char text[300], a[UNITS_LEN], b[UNITS_LEN], live[UNITS_LEN + 8], resident[UNITS_LEN + 8];

	fputs(s->colour ? "\033[1m" : "", out);
	snprintf(text, sizeof text, "%s, %zu thread%s: slab of %s", plain(m->title),
	    m->thread_count,
	    m->thread_count == 1 ? "" : "s", t->outside.library);
	draw_text(out, s, 0, text);
	fputs(look_off(s), out);
	if (!t->rates.known) {
		draw_text(out, s, 0, "rates follow with the next look");
		return;
	}
	snprintf(text, sizeof text, "cpu %.0f %%, %s faults/s, live %s, resident %s",
	    100 * t->rates.cpu,
	    units_count(a, t->rates.faults), signed_rate(live, t->rates.live),
	    signed_rate(resident, t->rates.resident));
	draw_text(out, s, 0, text);
	snprintf(text, sizeof text, "at least %s objects/s allocated, %s/s freed", units_count(a,
	    t->rates.allocated),
	    units_count(b, t->rates.freed));
	draw_text(out, s, 0, text);
}

/* The newest to the right; the height is from 0 to the most of both curves. */
static void put_curve(FILE *out, const struct draw_style *s, const char *name, const struct top *t,
    const double *values, double most, const char *colour)
{
	static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const ascii[] = {" ", ".", ".", ":", "-", "=", "+", "*", "#"};
	const size_t room = min_size(s->width - 20, min_size(t->looks, TOP_HISTORY - 1));
	char bytes[UNITS_LEN];

	fprintf(out, "  %-5s%10s  %s", name, units_bytes(bytes,
	    values[(t->looks - 1) % TOP_HISTORY]),
	    s->colour ? colour : "");
	for (size_t i = t->looks - room; i < t->looks; i++) {
		const double share = most > 0 ? values[i % TOP_HISTORY] / most : 0;
		const size_t level = min_size((size_t)(share * 8 + 0.5), 8);
		fputs((s->ascii ? ascii : blocks)[level], out);
	}
	fprintf(out, "%s\n", look_off(s));
}

static void put_curves(FILE *out, const struct draw_style *s, const struct top *t)
{
	const size_t count = min_size(t->looks, TOP_HISTORY);
	double most = 0;

	for (size_t i = 0; i < count; i++)
		most = t->held[i] > most ? t->held[i] : most;
	put_curve(out, s, "live", t, t->live, most, "\033[32m");
	put_curve(out, s, "held", t, t->held, most, "\033[37m");
}

static size_t heap_rows(const struct outside_view *v)
{
	size_t n = 1;
	for (size_t i = 0; i < v->heap_count; i++)
		n += v->heaps[i].slabs != 0 || v->heaps[i].kind == OUTSIDE_THREAD;
	return n;
}

static size_t class_rows(const struct outside_view *v)
{
	size_t n = 1;
	for (int i = 0; i < OUTSIDE_CLASSES; i++)
		n += v->classes[i].slabs != 0;
	return n;
}

/* `rows` are left: the map gets what the tables leave, at least a third. */
static void put_panels(FILE *out, const struct draw_style *s, const struct screen *c,
    const struct outside_view *v,
    size_t rows)
{
	enum { LEGEND = 3 };
	const bool all = c->panel == PANEL_ALL;

	if (c->panel == PANEL_CLASSES) {
		draw_slab_classes(out, s, v, c->order, rows);
	} else if (c->panel == PANEL_THREADS) {
		draw_slab_heaps(out, s, v, rows);
	} else if (c->panel == PANEL_MAP) {
		draw_slab_map(out, s, v, 0, rows > LEGEND ? rows - LEGEND : 1);
		draw_slab_legend(out, s, v);
	}
	if (!all || rows < 4)
		return;
	const size_t heaps = rows < 12 ? 0 : min_size(heap_rows(v), max_size(rows / 5, 3));
	const size_t classes = min_size(class_rows(v), (rows - heaps) * 3 / 5);
	const size_t left = rows - heaps - classes;
	draw_slab_classes(out, s, v, c->order, classes);
	draw_slab_heaps(out, s, v, heaps);
	if (left > 1)
		draw_slab_map(out, s, v, 0, left > LEGEND + 1 ? left - LEGEND : left - 1);
	if (left > LEGEND + 1)
		draw_slab_legend(out, s, v);
}

static void put_torn(FILE *out, const struct draw_style *s, const struct outside_view *v)
{
	char text[200], bytes[UNITS_LEN];

	if (v->torn_slabs == 0)
		return;
	snprintf(text, sizeof text, "%llu granules (%s) changed whenever they were looked at",
	    (unsigned long long)v->torn_slabs, units_bytes(bytes, (double)v->bytes[OUTSIDE_TORN]));
	draw_text(out, s, 2, text);
}

static size_t count_lines(const char *text)
{
	size_t n = 0;
	for (; (text = strchr(text, '\n')) != NULL; text++)
		n++;
	return n;
}

static void put_screen(const struct top *t, const struct draw_style *s, const struct screen *c)
{
	char *text = NULL, status[160];
	size_t len = 0;
	FILE *const out = open_memstream(&text, &len);
	const struct outside_view *const v = top_view(t);

	if (out == NULL)
		lab_die(EXIT_OURS, "out of memory");
	put_head(out, s, t);
	if (terminal_rows() >= 30)
		put_curves(out, s, t);
	draw_slab_split(out, s, v);
	put_torn(out, s, v);
	fflush(out);
	const size_t used = count_lines(text) + 1;
	put_panels(out, s, c, v, terminal_rows() > used ? terminal_rows() - used : 0);
	fclose(out);
	if (s->width < 80)
		snprintf(status, sizeof status, " %s%.3g s by %s  q p s a/c/t/m + -", c->paused ?
		    "PAUSED " : "",
		    c->interval, slab_order_name(c->order));
	else
		snprintf(status, sizeof status, " %severy %.3g s, by %s   q leave  p pause  s "
		    "sort  a/c/t/m panels  "
	         "+/- interval ", c->paused ? "PAUSED, " : "", c->interval,
	         slab_order_name(c->order));
	terminal_put(text, status, s->colour);
	free(text);
}

/* False: leave. */
static bool obey(struct screen *c, int key)
{
	static const char panels[] = "actm";
	const char *const panel = key > 0 && key < 128 ? strchr(panels, key) : NULL;

	if (key == 'q' || key == KEY_ESCAPE || key == KEY_CLOSED)
		return false;
	if (key == 'p' || key == ' ')
		c->paused = !c->paused;
	else if (key == 's')
		c->order = (c->order + 1) % SLAB_ORDERS;
	else if (key == '+')
		c->interval = c->interval < 60 ? c->interval * 2 : c->interval;
	else if (key == '-')
		c->interval = c->interval > 0.1 ? c->interval / 2 : c->interval;
	else if (panel != NULL)
		c->panel = (enum panel)(panel - panels);
	return true;
}

int top_screen(struct top *t, struct draw_style *s, double interval)
{
	struct screen c = {.order = SLAB_BY_HELD, .interval = interval};
	struct memory_error e = {""};
	bool there = true, stay = true;

	terminal_enter("top needs a terminal; --count=N prints lines instead");
	put_screen(t, s, &c);
	while (stay && there) {
		const double wait = top_view(t)->time + c.interval - clock_s(CLOCK_MONOTONIC);
		const int key = wait > 0 || c.paused ? terminal_key(c.paused ? -1 :
		    (int)(wait * 1000) + 1) : KEY_NONE;
		stay = obey(&c, key);
		if (key == KEY_RESIZED && !s->fixed)
			s->width = max_size(terminal_columns(), DRAW_WIDTH_MIN);
		if (stay && !c.paused && clock_s(CLOCK_MONOTONIC) >= top_view(t)->time + c.interval)
			there = top_look(t, &e);
		if (stay && there)
			put_screen(t, s, &c);
	}
	terminal_leave();
	if (!there)
		lab_say("%s", e.text);
	return EXIT_FINE;
}
