/* show.c - dmm show: the heap, drawn in the terminal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "cli/lab.h"
#include "allocators/registry.h"
#include "show/show.h"

enum { SYSTEMS_MAX = 32 };

struct show {
	bool demo, ascii, step;
	size_t width, at;
	const char *recording;
	struct show_target target;
	const struct dmm_system *systems[SYSTEMS_MAX + 1];
	size_t system_count;
};

enum { OPTION_DEMO = OPTION_OWN, OPTION_SYSTEM, OPTION_ASCII, OPTION_WIDTH, OPTION_STEP,
	OPTION_AT, OPTION_PID, OPTION_CORE, OPTION_SIZE };

static const struct argp_option options[] = {
    {"demo", OPTION_DEMO, NULL, 0, "The lecture's examples: p1 to p5, the 150 bytes, the 98 in 100",
        0},
    {"system", OPTION_SYSTEM, "S,..", 0,
        "Designs to show, also NAME=PATH.so (all; of a recording, or with --step: bins)", 0},
    {"at", OPTION_AT, "N", 0, "The recording's heap after call N (where most was live)", 0},
    {"step", OPTION_STEP, NULL, 0, "Walk forward and backward by keys", 0},
    {"pid", OPTION_PID, "P", 0,
        "The heap of a running process on slab; it is neither stopped nor slowed", 0},
    {"core", OPTION_CORE, "F", 0, "The same of a core, as gcore or the kernel writes them", 0},
    {"size", OPTION_SIZE, "BYTES", 0,
        "Of --pid and --core: the slabs of that object size, every object", 0},
    OPTION_FORMAT_LINE,
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
		registry_choose_list("system", arg, show->systems, &show->system_count,
		    SYSTEMS_MAX);
		return 0;
	case OPTION_STEP:
		show->step = true;
		return 0;
	case OPTION_AT:
		show->at = option_count("at", arg, 1);
		return 0;
	case OPTION_PID:
		show->target.pid = (pid_t)option_count("pid", arg, 1);
		return 0;
	case OPTION_CORE:
		show->target.core = arg;
		return 0;
	case OPTION_SIZE:
		show->target.size = option_bytes("size", arg);
		return 0;
	case OPTION_FORMAT:
		show->target.format = option_format(arg);
		return 0;
	case OPTION_ASCII:
		show->ascii = true;
		return 0;
	case OPTION_WIDTH:
		show->width = option_count("width", arg, DRAW_WIDTH_MIN);
		return 0;
	case ARGP_KEY_ARG:
		if (show->recording != NULL)
			lab_die(EXIT_USAGE, "show: one recording at a time, '%s' is the second",
			    arg);
		show->recording = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char doc[] = "Draw the heap of any design, step by step, in the lecture's words.";
static const struct argp argp = {options, parse, "[RECORDING]", doc, NULL, NULL, NULL};

static void show_demos(const struct show *show, const struct draw_style *s)
{
	if (show->step) {
		struct show_source source = show_demo_open(show->systems[0]);
		show_walk(&source, s, 1);
		show_demo_close(&source);
		return;
	}
	for (size_t i = 0; i < show->system_count; i++) {
		if (i != 0)
			puts("\n");
		show_demo_all(stdout, s, show->systems[i]);
	}
}

static bool show_recording(const struct show *show, const struct draw_style *s)
{
	bool whole = true;

	for (size_t i = 0; i < show->system_count; i++) {
		size_t peak;
		struct show_source source = show_recording_open(show->recording, show->systems[i],
		    &peak);
		const size_t at = show->at == 0 ? peak : show->at;
		if (at > source.steps)
			lab_die(EXIT_USAGE, "show: --at=%zu: the recording has %zu calls", at,
			    source.steps);
		if (show->step) {
			show_walk(&source, s, at);
		} else {
			source.seek(source.arg, at);
			source.put(source.arg, stdout, s);
		}
		whole = show_recording_close(&source) && whole;
		if (i + 1 < show->system_count)
			putchar('\n');
	}
	return whole;
}

/* All designs perform the demo; what takes time or keys is done on one. */
static void choose_default(struct show *show)
{
	if (show->step || !show->demo) {
		registry_choose_list("system", "bins", show->systems, &show->system_count,
		    SYSTEMS_MAX);
		return;
	}
	for (const struct dmm_system *const *sys = registry_systems(); *sys != NULL; sys++)
		show->systems[show->system_count++] = *sys;
}

/* Exactly one thing to look at. */
static bool shows_outside(const struct show *show)
{
	const bool outside = show->target.pid != 0 || show->target.core != NULL;

	if (show->demo + (show->recording != NULL) + (show->target.pid != 0) +
	    (show->target.core != NULL) != 1)
		lab_die(EXIT_USAGE, "show: give one of: a recording, --demo for the lecture's "
		                    "example, --pid=P, --core=F");
	if (outside && (show->step || show->at != 0 || show->system_count != 0))
		lab_die(EXIT_USAGE,
		    "show: --step, --at and --system are for recordings and --demo");
	if (!outside && (show->target.size != 0 || show->target.format != FORMAT_TEXT))
		lab_die(EXIT_USAGE, "show: --size and --format are for --pid and --core");
	return outside;
}

int cmd_show(int argc, char **argv)
{
	struct show show = {0};

	options_parse(&argp, argc, argv, &show);
	const struct draw_style s = draw_style(stdout, show.ascii, show.width);
	if (shows_outside(&show)) {
		show_outside(&show.target, &s);
		return EXIT_FINE;
	}
	if (show.step && show.system_count > 1)
		lab_die(EXIT_USAGE, "show: --step walks one system");
	if (show.system_count == 0)
		choose_default(&show);
	if (show.demo)
		show_demos(&show, &s);
	else if (!show_recording(&show, &s))
		return EXIT_OURS;
	return EXIT_FINE;
}
