/* demo.c - the lecture's examples, drawn one after the other or walked by keys. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "draw/demo.h"
#include "cli/lab.h"
#include "show/show.h"
#include "show/slab.h"

static void open_example(struct demo_stage *stage, const struct demo *demo,
    const struct dmm_system *sys, const struct dmm_params *params)
{
	const int r = demo_open(stage, demo, sys, params);
	if (r != 0)
		lab_die(EXIT_OURS, "cannot open a heap of %s: %s", sys->name, strerror(-r));
}

/* The settings that differ from the system's own. */
static void put_settings(FILE *out, const struct draw_style *s, const struct dmm_system *sys,
    const struct dmm_params *given)
{
	const struct dmm_params params = demo_params(sys);
	char text[120];

	if (given != NULL)
		return; /* who gives settings knows them */
	if (params.grow_min == sys->defaults.grow_min && params.coalesce == sys->defaults.coalesce)
		return;
	snprintf(text, sizeof text, "As on the slides, the heap grows by what is asked%s.",
	    params.coalesce != sys->defaults.coalesce ? ", and coalesces at once (coalesce:now)"
	    : "");
	draw_text(out, s, 2, text);
}

static void put_title(FILE *out, const struct draw_style *s, const struct demo *demo,
    const struct dmm_system *sys, const struct dmm_params *params)
{
	char text[160];

	fprintf(out, "%s: %s\n", sys->name, demo->title);
	snprintf(text, sizeof text, "%s One unit is %zu bytes.", demo->lesson, demo->unit);
	draw_text(out, s, 2, text);
	put_settings(out, s, sys, params);
}

/* The step performed last. slab is drawn from its own records, since its heap has no chunks with
 * headers. */
static void put_step(FILE *out, const struct draw_style *s, const struct demo_stage *stage,
    const struct slab_scene *scene)
{
	if (!slab_scene_serves(stage->heap.sys)) {
		demo_show(out, s, stage);
		return;
	}
	demo_show_call(out, s, stage);
	slab_scene_tell(out, s, scene, &stage->told.call);
	slab_scene_draw_small(out, s, scene, stage->labels, stage->label_count);
}

/* The legend of the glyphs; kinds: of pictures. */
static void put_legend(FILE *out, const struct draw_style *s, const struct demo_stage *stage,
    const struct slab_scene *scene, unsigned kinds)
{
	if (!slab_scene_serves(stage->heap.sys)) {
		draw_legend(out, s, kinds);
		return;
	}
	draw_slab_object_legend(out, s);
	draw_slab_legend(out, s, &scene->now);
}

static void advance(struct demo_stage *stage, struct slab_scene *scene)
{
	demo_advance(stage);
	if (slab_scene_serves(stage->heap.sys))
		slab_scene_look(scene);
}

static void put_example(FILE *out, const struct draw_style *s, const struct demo *demo,
    const struct dmm_system *sys, const struct dmm_params *params)
{
	struct demo_stage stage;
	struct slab_scene scene = {0};
	unsigned kinds = 0;

	open_example(&stage, demo, sys, params);
	if (slab_scene_serves(sys))
		slab_scene_look(&scene);
	fputc('\n', out);
	put_title(out, s, demo, sys, params);
	while (stage.done < demo->step_count) {
		fputc('\n', out);
		advance(&stage, &scene);
		kinds |= draw_kinds(&stage.now, stage.labels, stage.label_count);
		put_step(out, s, &stage, &scene);
	}
	fputc('\n', out);
	put_legend(out, s, &stage, &scene, kinds);
	if (slab_scene_serves(sys))
		slab_scene_drop(&scene);
	demo_close(&stage);
}

void show_demo_all(FILE *out, const struct draw_style *style, const struct dmm_system *sys,
    const struct dmm_params *params)
{
	struct draw_style s = *style;
	char text[200];

	snprintf(text, sizeof text, "%s - %s", sys->name, sys->doc);
	draw_text(out, &s, 0, text);
	for (size_t i = 0; i < DEMO_EXAMPLES; i++) {
		s.unit = demo_examples[i].unit;
		put_example(out, &s, &demo_examples[i], sys, params);
	}
}

/* ---- by keys --------------------------------------------------------------------------------- */

struct demo_walk {
	const struct dmm_system *sys;
	const struct dmm_params *params; /* NULL: as on the slides */
	struct demo_stage stage;
	struct slab_scene scene;
	size_t example; /* now open */
};

/* Which example step number `step` of all belongs to; *within counts from 1. */
static size_t example_of(size_t step, size_t *within)
{
	size_t i = 0;
	for (; step > demo_examples[i].step_count; i++)
		step -= demo_examples[i].step_count;
	*within = step;
	return i;
}

/* Backward is forward from the beginning: a heap cannot undo. */
static void seek(void *arg, size_t step)
{
	struct demo_walk *const w = arg;
	size_t within;
	const size_t example = example_of(step, &within);

	if (example != w->example || within < w->stage.done) {
		demo_close(&w->stage);
		open_example(&w->stage, &demo_examples[example], w->sys, w->params);
		w->example = example;
		if (slab_scene_serves(w->sys))
			slab_scene_look(&w->scene);
	}
	while (w->stage.done < within)
		advance(&w->stage, &w->scene);
}

/* The program as on the slides, with an arrow at the call just made: at most `rows` lines of it,
 * around that call. */
static void put_program(FILE *out, const struct draw_style *s, const struct demo_stage *stage,
    size_t rows)
{
	const size_t count = stage->demo->step_count, shown = min_size(rows, count);
	const size_t before = min_size(stage->done - 1, shown / 2);
	const size_t first = min_size(stage->done - 1 - before, count - shown);
	char line[DEMO_LINE];

	for (size_t i = first; i < first + shown; i++)
		fprintf(out, "  %s %s%s\n", i + 1 != stage->done ? " " : s->ascii ? ">" : "→",
		    demo_line(line, &stage->demo->step[i]),
		    (i == first && i != 0) || (i + 1 == first + shown && i + 1 != count)
		        ? "  ..." : "");
	if (shown != 0)
		fputc('\n', out);
}

static size_t count_lines(const char *text)
{
	size_t n = 0;
	for (; (text = strchr(text, '\n')) != NULL; text++)
		n++;
	return n;
}

/* A drawing as text, which the caller frees. */
static char *drawn(void (*draw)(const struct demo_walk *, FILE *, const struct draw_style *),
    const struct demo_walk *w, const struct draw_style *s)
{
	char *text = NULL;
	size_t len;
	FILE *const out = open_memstream(&text, &len);

	if (out == NULL)
		lab_die(EXIT_OURS, "out of memory");
	draw(w, out, s);
	fclose(out);
	return text;
}

static void draw_title(const struct demo_walk *w, FILE *out, const struct draw_style *s)
{
	put_title(out, s, w->stage.demo, w->sys, w->params);
	fputc('\n', out);
}

static void draw_step(const struct demo_walk *w, FILE *out, const struct draw_style *s)
{
	put_step(out, s, &w->stage, &w->scene);
	put_legend(out, s, &w->stage, &w->scene, draw_kinds(&w->stage.now, w->stage.labels,
	    w->stage.label_count));
}

/* The heap comes first: of title and program as much as the screen has room for. */
static void put(void *arg, FILE *out, const struct draw_style *style)
{
	enum { LEAST = 3 }; /* lines of the program that tell where one is */
	const struct demo_walk *const w = arg;
	struct draw_style s = *style;

	s.unit = w->stage.demo->unit;
	char *const title = drawn(draw_title, w, &s), *const step = drawn(draw_step, w, &s);
	const size_t used = count_lines(step) + 1; /* the line below the program */
	const size_t room = s.rows == 0 ? SIZE_MAX : s.rows > used ? s.rows - used : 0;
	const bool titled = room >= count_lines(title) + LEAST;

	if (titled)
		fputs(title, out);
	put_program(out, &s, &w->stage, titled ? room - count_lines(title) : room);
	fputs(step, out);
	free(title);
	free(step);
}

static void words_of_steps(const void *arg, FILE *out, const struct draw_style *s)
{
	const struct demo_walk *const w = arg;
	tell_steps(out, s, w->sys, &w->stage.told);
}

static void words_of_captions(const void *arg, FILE *out, const struct draw_style *s)
{
	const struct demo_walk *const w = arg;
	tell_captions(out, s, &w->stage.told);
}

static void words_of_lists(const void *arg, FILE *out, const struct draw_style *s)
{
	const struct demo_walk *const w = arg;
	draw_bins(out, s, &w->stage.now);
}

static void figure(void *arg, struct drawn_figure *f)
{
	const struct demo_walk *const w = arg;
	const struct demo_stage *const stage = &w->stage;
	const size_t unit = stage->demo->unit;
	char *const steps = show_words(words_of_steps, w, unit);
	char *const captions = show_words(words_of_captions, w, unit);
	char *const lists = show_words(words_of_lists, w, unit);
	char line[DEMO_LINE], title[DEMO_LINE + 64];

	snprintf(title, sizeof title, "%s: %s", w->sys->name,
	    demo_line(line, &stage->demo->step[stage->done - 1]));
	figure_title(f, title);
	figure_text(f, FIGURE_STEP, steps);
	figure_text(f, FIGURE_CAPTION, captions);
	figure_heap(f, &stage->now, unit, stage->labels, stage->label_count);
	figure_text(f, FIGURE_NOTE, lists);
	free(steps);
	free(captions);
	free(lists);
}

static void before(void *arg, FILE *out, const struct draw_style *style)
{
	const struct demo_walk *const w = arg;
	const struct demo_stage *const stage = &w->stage;
	struct draw_style s = *style;
	char line[DEMO_LINE];
	/* the last label is that of the malloc to come */
	const size_t labels = stage->label_count - stage->told.call.is_malloc;

	s.unit = stage->demo->unit;
	draw_heap(out, &s, &stage->before, stage->labels, labels);
	draw_bins(out, &s, &stage->before);
	fprintf(out, "The next call is %s\n", demo_line(line, &stage->demo->step[stage->done - 1]));
}

static const struct tell *told(void *arg)
{
	const struct demo_walk *const w = arg;
	return &w->stage.told;
}

struct show_source show_demo_open(const struct dmm_system *sys,
    const struct dmm_params *params)
{
	struct demo_walk *const w = calloc(1, sizeof *w);
	size_t steps = 0;

	CHECK(w != NULL);
	w->sys = sys;
	w->params = params;
	open_example(&w->stage, &demo_examples[0], sys, params);
	if (slab_scene_serves(sys))
		slab_scene_look(&w->scene);
	for (size_t i = 0; i < DEMO_EXAMPLES; i++)
		steps += demo_examples[i].step_count;
	const bool chunks = !slab_scene_serves(sys);
	return (struct show_source){w, steps, seek, put, chunks ? figure : NULL,
	    chunks ? before : NULL, told};
}

void show_demo_close(struct show_source *source)
{
	struct demo_walk *const w = source->arg;

	if (slab_scene_serves(w->sys))
		slab_scene_drop(&w->scene);
	demo_close(&w->stage);
	free(w);
}
