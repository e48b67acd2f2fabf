/* paper.c - calls of a source as figures, and one after the other as text: for handouts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lab.h"
#include "show/show.h"

/* A document of more figures than these would be too long to read. */
enum { FIGURES_MAX = 500, COLUMNS = 92, PAGE_COLUMNS = 72, WORDS = 84 };

char *show_words(void (*put)(const void *arg, FILE *out, const struct draw_style *s),
    const void *arg,
    size_t unit)
{
	const struct draw_style wide = {.width = WORDS, .unit = unit};
	char *text = NULL;
	size_t len = 0;
	FILE *const out = open_memstream(&text, &len);

	if (out == NULL)
		lab_die(EXIT_OURS, "no memory for a figure");
	put(arg, out, &wide);
	fclose(out);
	return text;
}

void show_range_text(struct show_source *source, const struct draw_style *s, size_t from, size_t to)
{
	for (size_t step = from; step <= to; step++) {
		source->seek(source->arg, step);
		source->put(source->arg, stdout, s);
		if (step != to)
			putchar('\n');
	}
}

void show_range_figure(struct show_source *source, const struct show_order *show, size_t from,
    size_t to)
{
	if (source->figure == NULL)
		lab_die(EXIT_USAGE, "show: slab's heap has no chunks to draw on paper: "
		    "--format=text");
	if (to - from >= FIGURES_MAX)
		lab_die(EXIT_USAGE, "show: calls %zu to %zu are %zu figures, at most %d: --to=%zu",
		    from, to,
		    to - from + 1, FIGURES_MAX, from + FIGURES_MAX - 1);
	struct drawn_figure *const f = figure_begin(stdout, show->paper == SHOW_SVG ? FIGURE_SVG :
	    FIGURE_TIKZ,
	    show->width != 0 ? show->width : show->paper == SHOW_SVG ? COLUMNS : PAGE_COLUMNS);
	for (size_t step = from; step <= to; step++) {
		source->seek(source->arg, step);
		source->figure(source->arg, f);
	}
	if (!figure_end(f))
		lab_die(EXIT_OURS, "the figure cannot be written: %s", strerror(errno));
}
