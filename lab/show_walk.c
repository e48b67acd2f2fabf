/* show_walk.c - forward and backward through a heap's calls, by keys. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "lab.h"
#include "show.h"
#include "terminal.h"

static void put_screen(struct show_source *source, const struct draw_style *s, size_t step)
{
	char *text = NULL, status[160];
	size_t len = 0;
	FILE *const out = open_memstream(&text, &len);

	if (out == NULL)
		lab_die(EXIT_OURS, "out of memory");
	source->seek(source->arg, step);
	source->put(source->arg, out, s);
	fclose(out);
	snprintf(status, sizeof status, " step %zu of %zu   right, space: forward   left: backward   "
	         "g, G: ends   q: leave ", step, source->steps);
	terminal_put(text, status, s->colour);
	free(text);
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

void show_walk(struct show_source *source, const struct draw_style *style, size_t step)
{
	struct draw_style s = *style;
	bool draw = true;

	terminal_enter("show --step needs a terminal; without --step all is printed");
	while (step != 0) {
		if (draw)
			put_screen(source, &s, step);
		const int key = terminal_key(-1);
		const size_t next = next_step(key, step, source->steps);
		if (key == KEY_RESIZED && !s.fixed)
			s.width = max_size(terminal_columns(), DRAW_WIDTH_MIN);
		draw = next != step || key == KEY_RESIZED;
		step = next;
	}
	terminal_leave();
}
