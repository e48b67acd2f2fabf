/* cmd_show.c - dmm show: the heap, drawn in the terminal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "demo.h"
#include "lab.h"
#include "registry.h"

enum { SYSTEMS_MAX = 32 };

struct show {
	bool demo, ascii, step;
	size_t width;
	const struct dmm_system *systems[SYSTEMS_MAX + 1];
	size_t system_count;
};

static void choose_systems(struct show *show, const char *list)
{
	char *const words = strdup(list), *rest = words;

	for (char *word; (word = strsep(&rest, ",")) != NULL;)
		if (show->system_count < SYSTEMS_MAX)
			show->systems[show->system_count++] = registry_choose(word);
	free(words);
}

enum { OPTION_DEMO = OPTION_OWN, OPTION_SYSTEM, OPTION_ASCII, OPTION_WIDTH, OPTION_STEP };

static const struct argp_option options[] = {
    {"demo", OPTION_DEMO, NULL, 0, "The lecture's examples: p1 to p5, the 150 bytes, the 98 in 100", 0},
    {"system", OPTION_SYSTEM, "S,..", 0, "Designs to show, also NAME=PATH.so (all)", 0},
    {"step", OPTION_STEP, NULL, 0, "Walk forward and backward by keys", 0},
    {"ascii", OPTION_ASCII, NULL, 0, "No other characters than ASCII", 0},
    {"width", OPTION_WIDTH, "COLUMNS", 0, "Fit so many columns (the terminal's)", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct show *const show = state->input;

	switch (key) {
	case OPTION_DEMO:
		show->demo = true;
		return 0;
	case OPTION_SYSTEM:
		choose_systems(show, arg);
		return 0;
	case OPTION_STEP:
		show->step = true;
		return 0;
	case OPTION_ASCII:
		show->ascii = true;
		return 0;
	case OPTION_WIDTH:
		show->width = option_count("width", arg, DRAW_WIDTH_MIN);
		return 0;
	case ARGP_KEY_ARG:
		lab_die(EXIT_USAGE, "show: '%s' is not understood; dmm show --demo draws the lecture's heap",
		    arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char doc[] = "Draw the heap of any design, step by step, in the lecture's words.";
static const struct argp argp = {options, parse, NULL, doc, NULL, NULL, NULL};

/* What differs from the system's own settings. */
static void put_settings(FILE *out, const struct draw_style *s, const struct dmm_system *sys)
{
	const struct dmm_params params = demo_params(sys);
	char text[120];

	if (params.grow_min == sys->defaults.grow_min && params.coalesce == sys->defaults.coalesce)
		return;
	snprintf(text, sizeof text, "As on the slides, the heap grows by what is asked%s.",
	    params.coalesce != sys->defaults.coalesce ? ", and coalesces at once (coalesce:now)" : "");
	draw_text(out, s, 2, text);
}

static void show_example(FILE *out, const struct draw_style *s, const struct demo *demo,
    const struct dmm_system *sys)
{
	struct demo_stage stage;
	const int r = demo_open(&stage, demo, sys);

	if (r != 0)
		lab_die(EXIT_OURS, "cannot open a heap of %s: %s", sys->name, strerror(-r));
	fprintf(out, "\n%s: %s\n", sys->name, demo->title);
	char text[160];
	snprintf(text, sizeof text, "%s One unit is %zu bytes.", demo->lesson, demo->unit);
	draw_text(out, s, 2, text);
	unsigned kinds = 0;
	put_settings(out, s, sys);
	while (stage.done < demo->step_count) {
		fputc('\n', out);
		demo_advance(&stage);
		kinds |= draw_kinds(&stage.now, stage.labels, stage.label_count);
		demo_show(out, s, &stage);
	}
	fputc('\n', out);
	draw_legend(out, s, kinds);
	demo_close(&stage);
}

static void show_demo(const struct show *show, const struct dmm_system *sys)
{
	struct draw_style s = draw_style(stdout, show->ascii, show->width);
	char text[200];

	snprintf(text, sizeof text, "%s - %s", sys->name, sys->doc);
	draw_text(stdout, &s, 0, text);
	for (size_t i = 0; i < DEMO_EXAMPLES; i++) {
		s.unit = demo_examples[i].unit;
		show_example(stdout, &s, &demo_examples[i], sys);
	}
}

int cmd_show(int argc, char **argv)
{
	struct show show = {0};

	options_parse(&argp, argc, argv, &show);
	if (!show.demo)
		lab_die(EXIT_USAGE, "show: what? 'dmm show --demo' draws the lecture's example");
	if (show.system_count == 0)
		for (const struct dmm_system *const *s = registry_systems(); *s != NULL; s++)
			show.systems[show.system_count++] = *s;
	for (size_t i = 0; i < show.system_count; i++) {
		if (i != 0)
			puts("\n");
		show_demo(&show, show.systems[i]);
	}
	return EXIT_FINE;
}
