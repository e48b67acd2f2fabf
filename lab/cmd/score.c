/* score.c - dmm score: the classical malloc lab's score of designs on a folder of traces. */
#include <argp.h>
#include <string.h>

#include "allocators/design.h"
#include "cli/lab.h"
#include "cmd/commands.h"
#include "score/score.h"

enum { KEY_TRACES = OPTION_OWN, KEY_WEIGHT, KEY_REFERENCE, KEY_MEAN, KEY_TIMEOUT };

static const char *const means[] = {"total", "arithmetic", "harmonic", NULL};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct score_order *const o = state->input;

	switch (key) {
	case KEY_TRACES:
		o->traces = arg;
		break;
	case KEY_WEIGHT:
		o->weight = (double)option_count("weight", arg, 0) / 100;
		if (o->weight > 1)
			lab_die(EXIT_USAGE, "--weight: of utilisation in percent, at most 100");
		break;
	case KEY_REFERENCE:
		o->reference = strcmp(arg, "libc") == 0 ? 0
		    : 1e3 * (double)option_count("reference", arg, 1);
		break;
	case KEY_MEAN:
		o->mean = (enum score_mean)option_choice("mean", arg, means);
		break;
	case KEY_TIMEOUT:
		o->timeout_s = option_seconds("timeout", arg);
		break;
	case OPTION_FORMAT:
		o->format = option_format(arg);
		break;
	case 'o':
		o->page = arg;
		break;
	case ARGP_KEY_ARG:
		if (o->designs == SCORE_DESIGNS)
			lab_die(EXIT_USAGE, "at most %d designs", SCORE_DESIGNS);
		o->design[o->designs++] = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* A trace failed on it that can be played. */
static bool fails_by_itself(const struct score_board *b, size_t design)
{
	for (size_t i = 0; i < b->traces; i++)
		if (b->trace[i].problem[0] == '\0' && !score_counts(&b->trace[i], design))
			return true;
	return false;
}

/* 1 if any trace failed on any design. */
static int verdict(const struct score_board *b)
{
	size_t failed = 0;

	for (size_t i = 0; i < b->order->designs; i++)
		failed += score_total(b, i).failed;
	return failed != 0 ? EXIT_FAULT : EXIT_FINE;
}

int cmd_score(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"traces", KEY_TRACES, "DIR", 0,
	        "A folder of traces, or one trace: .rep, .trace or a recording, packed or not", 0},
	    {"weight", KEY_WEIGHT, "PERCENT", 0,
	        "The share of utilisation in the score (60); throughput has the rest", 0},
	    {"reference", KEY_REFERENCE, "libc|KCALLS", 0,
	        "The throughput that earns all points, in thousand calls a second (libc: that of "
	        "the C library's malloc, measured now)",
	        0},
	    {"mean", KEY_MEAN, "total|arithmetic|harmonic", 0,
	        "How to combine the throughputs of the traces (total: all calls over all seconds)",
	        0},
	    {"timeout", KEY_TIMEOUT, "SECONDS", 0,
	        "Stop a design that takes longer than this for a trace (60)", 0},
	    {"output", 'o', "PAGE", 0, "Also write an HTML page", 0}, OPTION_FORMAT_LINE, {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "[DESIGN...]",
	    .doc = "Score designs as the classical malloc lab does: utilisation and throughput of "
	           "each DESIGN on each trace, and a score.  A DESIGN is a name with settings if "
	           "wanted (bins, "
	           "gnu?runs:64,min_chunk:16) or a library, my=./my.so (examples/my_system.c)."
	           "\vThe table names each trace that is damaged, and each library that crashes, "
	           "hangs, gives blocks that overlap, or writes outside them.  Exit status 1: a "
	           "trace failed."};
	struct score_order order = {.weight = 0.6, .timeout_s = 60};
	struct score_board board;

	options_parse(&argp, argc, argv, &order);
	if (order.traces == NULL)
		lab_die(EXIT_USAGE, "no traces are given: dmm score --traces=DIR my=./my.so");
	if (order.designs == 0)
		order.design[order.designs++] = "bins";
	score_measure(&board, &order);
	score_print(&board);
	if (order.page != NULL)
		score_page(&board, order.page);
	const int status = verdict(&board);
	for (size_t i = 0; i < order.designs; i++)
		if (score_total(&board, i).failed != 0 && fails_by_itself(&board, i) &&
		    design_blame(order.design[i]))
			break;
	score_free(&board);
	return status;
}
