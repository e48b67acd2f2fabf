/* walk.c - forward and backward through a heap's calls, by keys. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/lab.h"
#include "show/show.h"
#include "cli/terminal.h"

/* Screens of steps, newest over oldest.  A heap cannot undo: to go back is to begin anew, and so
 * a step back also makes the pictures before it, for the next keys. */
enum { KEPT = 64, BACK = 24 };

struct kept {
	size_t step;
	char *text;
};

struct key_walk {
	struct show_source *source;
	struct draw_style style;
	struct kept kept[KEPT];
	size_t at; /* where the heap is now; 0: at its beginning */
	size_t scroll; /* lines above the screen */
};

static void forget(struct key_walk *w)
{
	for (size_t i = 0; i < KEPT; i++)
		free(w->kept[i].text);
	memset(w->kept, 0, sizeof w->kept);
}

static void render(struct key_walk *w, size_t step)
{
	struct kept *const k = &w->kept[step % KEPT];
	size_t len = 0;

	free(k->text);
	*k = (struct kept){.step = step};
	FILE *const out = open_memstream(&k->text, &len);
	if (out == NULL)
		lab_die(EXIT_OURS, "out of memory");
	w->source->seek(w->source->arg, step);
	w->source->put(w->source->arg, out, &w->style);
	fclose(out);
	w->at = step;
}

/* What takes its time is said. */
static void announce(const struct key_walk *w, size_t step)
{
	enum { LONG = 20000 };
	const size_t calls = step < w->at ? step : step - w->at;
	char status[80];

	if (calls < LONG)
		return;
	snprintf(status, sizeof status, " performing %zu calls ... ", calls);
	terminal_status(status, w->style.colour);
}

static const char *screen_of(struct key_walk *w, size_t step)
{
	const struct kept *const k = &w->kept[step % KEPT];

	if (k->step == step)
		return k->text;
	announce(w, step);
	for (size_t s = step >= w->at || step <= BACK ? step : step - BACK; s < step; s++)
		render(w, s);
	render(w, step);
	return k->text;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;
	for (; (text = strchr(text, '\n')) != NULL; text++)
		n++;
	return n;
}

/* From line w->scroll on, or as far down as there is something to see. */
static const char *scrolled(struct key_walk *w, const char *text)
{
	const size_t lines = count_lines(text), rows = terminal_rows() - 1;

	w->scroll = min_size(w->scroll, lines > rows ? lines - rows : 0);
	for (size_t i = 0; i < w->scroll; i++)
		text = strchr(text, '\n') + 1;
	return text;
}

static void put_screen(struct key_walk *w, size_t step)
{
	char status[160];

	if (w->style.width < 80)
		snprintf(status, sizeof status, " %zu of %zu  arrows  g G  d u  q", step,
		    w->source->steps);
	else
		snprintf(status, sizeof status,
		    " step %zu of %zu   right, left: walk   g, G: ends   d, u: scroll   "
		         "q: leave ", step, w->source->steps);
	terminal_put(scrolled(w, screen_of(w, step)), status, w->style.colour);
}

/* Where a key leads; 0: out. */
static size_t next_step(int key, size_t step, size_t steps)
{
	switch (key) {
	case KEY_RIGHT:
	case ' ':
	case '\n':
	case 'j':
	case 'l':
	case 'n':
		return min_size(step + 1, steps);
	case KEY_LEFT:
	case 'b':
	case 'h':
	case 'k':
	case 'p':
	case 127:
		return max_size(step - 1, 1);
	case 'g':
		return 1;
	case 'G':
		return steps;
	case 'q':
	case KEY_ESCAPE:
	case KEY_CLOSED:
		return 0;
	default:
		return step;
	}
}

static void resize(struct key_walk *w)
{
	if (!w->style.fixed)
		w->style.width = max_size(terminal_columns(), DRAW_WIDTH_MIN);
	w->style.rows = terminal_rows() - 1;
	forget(w);
}

void show_walk(struct show_source *source, const struct draw_style *style, size_t step)
{
	struct key_walk w = {.source = source, .style = *style};
	enum { SCROLL = 8 };
	bool draw = true;

	terminal_enter("show --step needs a terminal; without --step all is printed");
	w.style.rows = terminal_rows() - 1;
	while (step != 0) {
		if (draw)
			put_screen(&w, step);
		const int key = terminal_key(-1);
		const size_t next = next_step(key, step, source->steps);
		if (key == KEY_RESIZED)
			resize(&w);
		if (key == 'd' || key == 'u')
			w.scroll = key == 'd' ? w.scroll + SCROLL
			    : w.scroll - min_size(w.scroll, SCROLL);
		draw = next != step || key == KEY_RESIZED || key == 'd' || key == 'u';
		step = next;
	}
	terminal_leave();
	forget(&w);
}
