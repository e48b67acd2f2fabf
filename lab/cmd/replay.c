/* replay.c - dmm replay: a recording on every allocator, really or on simulated memory. */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lab.h"
#include "cmd/commands.h"
#include "replay/replay.h"
#include "sweep/cell.h"

enum {
	KEY_MODEL = OPTION_OWN, KEY_SYSTEMS, KEY_PEERS, KEY_RUNS, KEY_TIMEOUT, KEY_THP, KEY_WARM,
	    KEY_BY,
	KEY_STUDY, KEY_TOUCH, KEY_SAMPLES, KEY_OVER_TIME, KEY_NO_LATENCY, KEY_PACE, KEY_CELL,
	KEY_REPEAT,
};
static const struct argp_option options[] = {
    {"model", KEY_MODEL, NULL, 0,
        "Replay on simulated memory: exact, the same in every run; designs only", 0},
    {"systems", KEY_SYSTEMS, "LIST", 0,
        "Designs, with settings if wanted: bins,gnu?reuse:links (slab, with --model also gnu, "
        "which is glibc's design; none), also NAME=PATH.so",
        0},
    {"study", KEY_STUDY, NULL, 0, "Replay on all designs, those of the lecture too", 0},
    {"peers", KEY_PEERS, "auto|none|P,..", 0,
        "Other allocators (auto: those installed), also NAME=PATH.so[?VAR=VALUE&..]", 0},
    {"touch", KEY_TOUCH, "all|first|none", 0,
        "What the replay writes to new memory: all of its pages, its first bytes, or "
        "nothing (all)",
        0},
    {"runs", KEY_RUNS, "N", 0, "Replay this often on each (6, the fewest that give 95 % intervals)",
        0},
    {"timeout", KEY_TIMEOUT, "S", 0,
        "Stop a run after this many seconds (20 times glibc's, at least 10)", 0},
    {"thp", KEY_THP, "as-is|off|both", 0,
        "Run with transparent huge pages as the system has them, off, or both (as-is)", 0},
    {"warm", KEY_WARM, "BYTES", 0,
        "Touch and free this much memory before each run (128M and 4 times the peak "
        "payload, at most 1G; 0: none)",
        0},
    {"by", KEY_BY, "trade|time|cpu|peak|mean|end", 0,
        "The figure that decides (trade): time and peak memory alike, time, processor time, "
        "or memory at its peak, on average or at the end; mean and end replay every run once more "
        "at the recorded pace",
        0},
    {"no-latency", KEY_NO_LATENCY, NULL, 0, "Leave out the runs that time each call", 0},
    {"pace", KEY_PACE, "SPEED", OPTION_ARG_OPTIONAL,
        "Also measure memory once on each at the recorded pace, with the idle times (1), or SPEED "
        "times as fast: peak, mean over time, and end",
        0},
    {"over-time", KEY_OVER_TIME, "N", OPTION_ARG_OPTIONAL,
        "Show memory after each of N equal parts of the calls (20): with --model the "
        "footprint by its parts, otherwise resident memory",
        0},
    {"samples", KEY_SAMPLES, "N", 0, "Sample memory N times in JSON without --over-time (100)", 0},
    {"output", 'o', "FILE", 0, "Write the data to FILE, in full or not at all, instead of stdout",
        0},
    {"cell", KEY_CELL, "HASH", 0,
        "Run one cell of dmm sweep: do nothing if FILE has its result, and fail if the "
        "cell is not the planned one",
        0},
    {"repeat", KEY_REPEAT, "K", 0,
        "The number of this cell among its repeats, as dmm sweep gives it", 0},
    OPTION_FORMAT_LINE,
    {0},
};

static double factor(const char *arg)
{
	char *end;
	const double value = strtod(arg, &end);

	if (end == arg || *end != '\0' || !(value >= 0.01 && value <= 1000))
		lab_die(EXIT_USAGE, "--pace=%s: a factor from 0.01 to 1000 is wanted, e.g. 4", arg);
	return value;
}

static error_t parse_native(int key, char *arg, struct compare *c, struct native *n)
{
	static const char *const modes[] = {"as-is", "off", "both", NULL};
	static const char *const figures[] = {"trade", "time", "cpu", "peak", "mean", "end", NULL};
	static const char *const touches[] = {"all", "first", "none", NULL};

	switch (key) {
	case KEY_RUNS:
		c->runs = option_count("runs", arg, 1);
		if (c->runs > STATS_RUNS_MAX)
			lab_die(EXIT_USAGE, "--runs=%s: at most %d", arg, STATS_RUNS_MAX);
		break;
	case KEY_TIMEOUT:
		c->timeout_s = option_seconds("timeout", arg);
		break;
	case KEY_THP:
		c->huge_pages = (enum huge_pages)option_choice("thp", arg, modes);
		break;
	case KEY_WARM:
		c->warm = option_bytes("warm", arg);
		break;
	case KEY_BY:
		c->by = (enum compare_by)option_choice("by", arg, figures);
		break;
	case KEY_TOUCH:
		n->touch = (enum replay_touch)option_choice("touch", arg, touches);
		break;
	case KEY_NO_LATENCY:
		n->latency = false;
		break;
	case KEY_PACE:
		n->pace = arg != NULL ? factor(arg) : 1;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct replay_order *const r = state->input;

	switch (key) {
	case OPTION_FORMAT:
		r->format = option_format(arg);
		break;
	case KEY_MODEL:
		r->model = true;
		break;
	case KEY_SYSTEMS:
		r->systems = arg;
		break;
	case KEY_STUDY:
		r->study = true;
		break;
	case KEY_PEERS:
		r->peers = arg;
		break;
	case KEY_OVER_TIME:
		r->over_time = true;
		r->steps = arg != NULL ? option_count("over-time", arg, 1) : r->steps;
		break;
	case 'o':
		r->output = arg;
		break;
	case KEY_CELL:
		r->hash = arg;
		break;
	case KEY_REPEAT:
		r->cell.repeat = option_count("repeat", arg, 1);
		break;
	case KEY_SAMPLES:
		r->steps = option_count("samples", arg, 1);
		break;
	case ARGP_KEY_ARG:
		option_operand(&r->path, arg, "recording");
		break;
	default:
		return parse_native(key, arg, &r->native.compare, &r->native);
	}
	return 0;
}

int cmd_replay(int argc, char **argv)
{
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T",
	    .doc = "Replay a recording on glibc, slab and other allocators in turn: as many "
	           "threads as the program had make the calls that it made.  With --model the "
	           "designs replay on simulated memory, and the table has every part of the "
	           "footprint.\vThe runs that count calls a second do not time single calls; "
	           "latencies come from further runs.  Memory is resident memory without the "
	           "replayer's own."};
	static struct replay_order q = {.native = {.compare = {.runs = STATS_RUNS_FOR_95,
	    .warm = SIZE_MAX},
	                               .latency = true}};

	options_parse(&argp, argc, argv, &q);
	if (q.path == NULL)
		lab_die(EXIT_USAGE, "no recording is given: dmm replay T");
	if (q.model && q.peers != NULL && strcmp(q.peers, "none") != 0)
		lab_die(EXIT_USAGE, "--peers: other allocators have no model; leave out --model");
	if (q.model && q.native.pace > 0)
		lab_die(EXIT_USAGE, "--pace: a model is always on the recording's clock; leave out "
		    "one of the two");
	if (q.model && q.native.compare.by != BY_TRADE)
		lab_die(EXIT_USAGE, "--by: a model gives no verdict; leave out one of the two");
	if (q.native.compare.by >= BY_MEAN && !(q.native.pace > 0))
		q.native.pace = 1;
	if (q.systems == NULL && !q.study && q.hash == NULL)
		q.systems = q.model ? "gnu,slab" : "slab";
	if (!q.model)
		replay_list(&q);
	if (q.hash != NULL) {
		q.format = FORMAT_JSON;
		q.native.compare.runs = 1; /* a repeat is a cell of its own */
		if (sweep_enter_cell(&q))
			return EXIT_FINE;
	}
	return replay_print(&q);
}
