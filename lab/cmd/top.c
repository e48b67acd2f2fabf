/* top.c - dmm top: the heap of a running process, watched from outside. */
#include <argp.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "show/top.h"

struct top_options {
	const char *pid;
	double interval;
	size_t count, width;
	enum format format;
	bool ascii, metrics;
};

enum { OPTION_INTERVAL = OPTION_OWN, OPTION_COUNT, OPTION_ASCII, OPTION_WIDTH, OPTION_METRICS };

static const struct argp_option options[] = {
    {"interval", OPTION_INTERVAL, "SECONDS", 0, "Wait this long between two samples (1)", 0},
    {"count", OPTION_COUNT, "N", 0,
        "Print one line for each of N samples and end, in a terminal too", 0},
    {"openmetrics", OPTION_METRICS, NULL, 0,
        "Print one sample as OpenMetrics, for Prometheus and node_exporter", 0},
    OPTION_FORMAT_LINE,
    {"ascii", OPTION_ASCII, NULL, 0, "Use only ASCII characters", 0},
    {"width", OPTION_WIDTH, "COLUMNS", 0, "Use at most this many columns (the terminal's)", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct top_options *const o = state->input;

	switch (key) {
	case OPTION_INTERVAL:
		o->interval = option_seconds("interval", arg);
		return 0;
	case OPTION_COUNT:
		o->count = option_count("count", arg, 1);
		return 0;
	case OPTION_FORMAT:
		o->format = option_format(arg);
		return 0;
	case OPTION_METRICS:
		o->metrics = true;
		return 0;
	case OPTION_ASCII:
		o->ascii = true;
		return 0;
	case OPTION_WIDTH:
		o->width = option_count("width", arg, DRAW_WIDTH_MIN);
		return 0;
	case ARGP_KEY_ARG:
		option_operand(&o->pid, arg, "process");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char doc[] =
    "Watch the heap of a process that runs slab: its memory by cause, by size class and by thread, "
    "and its map. dmm top does not stop the process, and the process needs no preparation.\v"
    "Keys: q leave, p or space pause, s sort, a all, c classes, t threads, m map, + and "
    "- interval.";
static const struct argp argp = {options, parse, "PID", doc, NULL, NULL, NULL};

int cmd_top(int argc, char **argv)
{
	struct top_options o = {.interval = 1};

	options_parse(&argp, argc, argv, &o);
	if (o.pid == NULL)
		top_ask_for_pid();
	struct top *const t = top_open((pid_t)option_count("pid", o.pid, 1));
	struct draw_style s = draw_style(stdout, o.ascii, o.width);
	const bool lines = o.count != 0 || o.format != FORMAT_TEXT || !isatty(STDOUT_FILENO);
	const int status = o.metrics ? top_metrics(t)
	    : lines                  ? top_lines(t, &s, o.format, o.interval, o.count)
	    : top_screen(t, &s, o.interval);
	top_close(t);
	return status;
}
