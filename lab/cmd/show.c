/* show.c - dmm show: the heap, drawn in the terminal. */
#include <argp.h>

#include "allocators/registry.h"
#include "cli/lab.h"
#include "cmd/commands.h"
#include "show/show.h"

enum { OPTION_DEMO = OPTION_OWN, OPTION_SYSTEM, OPTION_ASCII, OPTION_WIDTH, OPTION_STEP,
	OPTION_AT, OPTION_FROM, OPTION_TO, OPTION_QUIZ, OPTION_CONF, OPTION_PID, OPTION_CORE,
	    OPTION_SIZE };

static const struct argp_option options[] = {
    {"demo", OPTION_DEMO, NULL, 0,
        "Draw the lecture's examples: p1 to p5, external and internal fragmentation", 0},
    {"system", OPTION_SYSTEM, "S,..", 0,
        "The designs to draw, or NAME=PATH.so (all; for a recording or with --step: bins)", 0},
    {"at", OPTION_AT, "N", 0,
        "Draw the heap after call N of the recording (the call with most live bytes)", 0},
    {"from", OPTION_FROM, "N", 0, "Draw one picture for each call from N on (1)", 0},
    {"to", OPTION_TO, "N", 0, "Draw one picture for each call up to N (the last)", 0},
    {"quiz", OPTION_QUIZ, NULL, 0,
        "Before each call, ask you what the call will do; then draw what it did", 0},
    {"conf", OPTION_CONF, "KEY:VALUE,...", 0, "Use these settings, as in DMM_CONF", 0},
    {"step", OPTION_STEP, NULL, 0, "Step forward and backward by keys", 0},
    {"pid", OPTION_PID, "P", 0,
        "Draw the heap of a running process that uses slab, without stopping it", 0},
    {"core", OPTION_CORE, "F", 0, "Draw the heap of a core file, as gcore or the kernel writes it",
        0},
    {"size", OPTION_SIZE, "BYTES", 0,
        "With --pid or --core: draw the slabs of this object size, every object", 0},
    {"format", OPTION_FORMAT, "text|svg|tikz|json|csv", 0,
        "The format of stdout (text): svg and tikz for calls; json and csv for --pid and --core",
        0},
    {"ascii", OPTION_ASCII, NULL, 0, "Use only ASCII characters", 0},
    {"width", OPTION_WIDTH, "COLUMNS", 0, "Use at most this many columns (the terminal's)", 0},
    {0},
};

static void choose_format(struct show_order *show, const char *arg)
{
	static const char *const names[] = {"text", "json", "csv", "svg", "tikz", NULL};
	const int choice = option_choice("format", arg, names);

	show->paper = choice == 3 ? SHOW_SVG : choice == 4 ? SHOW_TIKZ : SHOW_TERMINAL;
	show->target.format = choice < 3 ? (enum format)choice : FORMAT_TEXT;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct show_order *const show = state->input;

	switch (key) {
	case OPTION_DEMO:
		show->demo = true;
		return 0;
	case OPTION_SYSTEM:
		registry_choose_list("system", arg, show->systems, &show->system_count,
		    SHOW_SYSTEMS_MAX);
		return 0;
	case OPTION_STEP:
		show->step = true;
		return 0;
	case OPTION_FROM:
		show->from = option_count("from", arg, 1);
		return 0;
	case OPTION_TO:
		show->to = option_count("to", arg, 1);
		return 0;
	case OPTION_CONF:
		show->conf = arg;
		return 0;
	case OPTION_QUIZ:
		show->quiz = true;
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
		choose_format(show, arg);
		return 0;
	case OPTION_ASCII:
		show->ascii = true;
		return 0;
	case OPTION_WIDTH:
		show->width = option_count("width", arg, DRAW_WIDTH_MIN);
		return 0;
	case ARGP_KEY_ARG:
		option_operand(&show->recording, arg, "recording");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char doc[] = "Draw the heap of any design, step by step, in the lecture's words.";
static const struct argp argp = {options, parse, "[RECORDING]", doc, NULL, NULL, NULL};

int cmd_show(int argc, char **argv)
{
	struct show_order show = {0};

	options_parse(&argp, argc, argv, &show);
	return show_print(&show);
}
