/* replay.c - dmm replay: a recording on every allocator, really or on simulated memory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cmd/commands.h"
#include "cli/lab.h"
#include "replay/model_print.h"
#include "replay/native.h"
#include "sweep/merge.h"
#include "run/prefault.h"

enum {
	KEY_MODEL = OPTION_OWN, KEY_SYSTEMS, KEY_PEERS, KEY_RUNS, KEY_TIMEOUT, KEY_THP, KEY_WARM,
	    KEY_BY,
	KEY_TOUCH, KEY_SAMPLES, KEY_OVER_TIME, KEY_NO_LATENCY, KEY_CELL, KEY_REPEAT,
};
enum { STEPS_TEXT = 20, STEPS_JSON = 100, WARM_LEAST = 128 << 20 };

struct request {
	const char *path, *systems, *peers;
	enum format format;
	size_t steps; /* 0: as the format has it */
	bool model, over_time;
	const char *output, *hash; /* -o, --cell */
	struct sweep_cell cell;
	struct native native;
};

static const struct argp_option options[] = {
    {"model", KEY_MODEL, NULL, 0, "On simulated memory: exact, the same in every run; designs only",
        0},
    {"systems", KEY_SYSTEMS, "LIST", 0,
        "Designs, with settings if wanted: bins,gnu?reuse:links (all that are built; none), also "
        "NAME=PATH.so",
        0},
    {"peers", KEY_PEERS, "auto|none|P,..", 0,
        "Other allocators (auto: those installed), also NAME=PATH.so[?VAR=VALUE&..]", 0},
    {"touch", KEY_TOUCH, "all|first|none", 0,
        "What is written of new memory: every page of it, its first bytes, nothing (all)", 0},
    {"runs", KEY_RUNS, "N", 0, "Timed runs of each (6, the fewest that give 95 % intervals)", 0},
    {"timeout", KEY_TIMEOUT, "S", 0,
        "Seconds after which a run is stopped (20 times glibc's, at least 10)",
        0},
    {"thp", KEY_THP, "as-is|off|both", 0, "Transparent huge pages (as-is)", 0},
    {"warm", KEY_WARM, "BYTES", 0,
        "Memory to touch and free before each run (128M and 4 times the peak payload, at most 1G; "
        "0: none)",
        0},
    {"by", KEY_BY, "trade|time|cpu", 0,
        "The figure that decides; trade: time times peak memory (trade)", 0},
    {"no-latency", KEY_NO_LATENCY, NULL, 0, "Leave out the runs that time every call", 0},
    {"over-time", KEY_OVER_TIME, "N", OPTION_ARG_OPTIONAL,
        "Show memory at N even steps of calls (20): with --model every part of the footprint, "
        "else what is resident",
        0},
    {"samples", KEY_SAMPLES, "N", 0, "Steps in JSON without --over-time (100)", 0},
    {"output", 'o', "FILE", 0, "Write the data there, whole or not at all, not to stdout", 0},
    {"cell", KEY_CELL, "HASH", 0,
        "This is a cell of dmm sweep: do nothing if FILE has its result, and fail if it is not "
        "what it was planned to be",
        0},
    {"repeat", KEY_REPEAT, "K", 0, "Which repeat of the cell it is", 0},
    OPTION_FORMAT_LINE,
    {0},
};

static error_t parse_native(int key, char *arg, struct compare *c, struct native *n)
{
	static const char *const modes[] = {"as-is", "off", "both", NULL};
	static const char *const figures[] = {"trade", "time", "cpu", NULL};
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
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *const r = state->input;

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
		if (r->path != NULL)
			return ARGP_ERR_UNKNOWN;
		r->path = arg;
		break;
	default:
		return parse_native(key, arg, &r->native.compare, &r->native);
	}
	return 0;
}

static void read_recording(const char *path, struct replay_ops *ops)
{
	struct trace_error e;

	if (!replay_ops_build(ops, path, &e))
		lab_die(EXIT_FAULT, "%s: %s", path, e.text);
	if (ops->head->calls == 0)
		lab_die(EXIT_FAULT, "%s: no calls are in it; dmm info %s says why", path, path);
	if (ops->head->foreign != 0 || ops->head->overlaid != 0)
		lab_say("%s: %llu frees of what it never saw are left out, %llu that it missed "
		    "are put in", path,
		    (unsigned long long)ops->head->foreign,
		    (unsigned long long)ops->head->overlaid);
}

/* ---- where it goes --------------------------------------------------------------------------- */

static FILE *output(const struct request *q, struct cell_out *o)
{
	if (q->output == NULL)
		return stdout;
	cell_out_open(o, q->output);
	return o->file;
}

static void output_end(const struct request *q, struct cell_out *o)
{
	if (q->output == NULL)
		return;
	cell_out_close(o);
	lab_say("%s is written", q->output);
}

/* Is there nothing to do? */
static bool enter_cell(struct request *q)
{
	static const char *const thp[] = {"as-is", "off", "both"};
	static const char *const touch[] = {"all", "first", "none"};
	struct allocators *const list = &q->native.compare.allocators;

	if (q->output == NULL)
		lab_die(EXIT_USAGE, "--cell needs -o FILE for its result");
	if (q->model) {
		allocators_add_baseline(list, "glibc");
		allocators_add_baseline(list, "glibc-again");
		allocators_add_systems(list, q->systems != NULL ? q->systems : "all");
	}
	if (list->count != 3)
		lab_die(EXIT_USAGE, "--cell: one allocator is wanted, not %zu", list->count - 2);
	q->cell.recording = q->path;
	q->cell.model = q->model;
	q->cell.allocator = &list->item[2];
	q->cell.touch = touch[q->native.touch];
	q->cell.thp = thp[q->native.compare.huge_pages];
	q->cell.warm = q->native.compare.warm;
	q->cell.steps = q->steps;
	cell_hash(&q->cell);
	if (strcmp(q->cell.hash, q->hash) != 0)
		lab_die(EXIT_FAULT, "cell %s: the recording, the allocator, dmm or an option is "
		    "not what it was planned with (now it is %s); make a new plan", q->hash,
		    q->cell.hash);
	if (!merge_is_done(q->output, q->cell.hash))
		return false;
	lab_say("%s is done already", q->output);
	return true;
}

/* ---- on simulated memory --------------------------------------------------------------------- */

static void print_model(const struct request *q, const struct model_result *results, size_t n,
    FILE *out)
{
	struct json j;
	struct table t;

	switch (q->format) {
	case FORMAT_JSON:
		json_begin(&j, out);
		model_json(q->path, results, n, q->hash != NULL ? &q->cell : NULL, &j);
		json_end(&j);
		break;
	case FORMAT_CSV:
		model_csv_begin(&t);
		model_csv_rows(q->path, results, n, q->over_time, &t);
		table_csv(&t, out);
		table_end(&t);
		break;
	case FORMAT_TEXT:
		model_text(results, n, out);
		if (q->over_time)
			model_over_time_text(results, n, out);
	}
}

static int replay_model(const struct request *q, const struct replay_ops *ops)
{
	static struct subject subjects[SUBJECTS_MAX];
	static struct model_result results[SUBJECTS_MAX];
	const size_t n = subjects_choose(subjects, q->systems);
	const size_t steps = q->steps != 0 ? q->steps : q->format == FORMAT_JSON ? STEPS_JSON
	    : STEPS_TEXT;
	bool problem = false;

	for (size_t i = 0; i < n; i++) {
		if (!model_replay(&results[i], ops, &subjects[i], steps))
			lab_die(EXIT_OURS, "no memory for %zu objects and %zu samples",
			    (size_t)ops->head->slots, steps);
		problem |= results[i].problem[0] != '\0';
		lab_say("%s: %.1f million events a second", subjects[i].name,
		    results[i].seconds > 0 ? (double)results[i].calls / results[i].seconds * 1e-6
		    : 0.0);
	}
	struct cell_out o;
	print_model(q, results, n, output(q, &o));
	output_end(q, &o);
	for (size_t i = 0; i < n; i++)
		model_free(&results[i]);
	if (q->hash != NULL)
		return problem ? EXIT_FAULT : EXIT_FINE;
	if (q->over_time)
		lab_next(NULL, "dmm replay %s", q->path);
	else
		lab_next(NULL, "dmm replay --model --over-time --systems=%s %s",
		    subjects[n - 1].name, q->path);
	return problem ? EXIT_FAULT : EXIT_FINE;
}

/* ---- really ---------------------------------------------------------------------------------- */

static void print_native(const struct request *q, FILE *out)
{
	const struct native *const n = &q->native;
	struct json j;
	struct table t;

	switch (q->format) {
	case FORMAT_JSON:
		json_begin(&j, out);
		native_json(n, &j);
		json_end(&j);
		break;
	case FORMAT_CSV:
		if (q->over_time) {
			native_over_time_csv(n, out);
			break;
		}
		native_csv_begin(&t);
		native_csv_rows(n, &t);
		table_csv(&t, out);
		table_end(&t);
		break;
	case FORMAT_TEXT:
		native_text(n, out);
		if (q->over_time)
			native_over_time_text(n, q->steps != 0 ? q->steps : STEPS_TEXT, out);
	}
}

static void add_allocators(const struct request *q, struct allocators *list)
{
	allocators_add_baseline(list, "glibc");
	allocators_add_baseline(list, "glibc-again");
	allocators_add_systems(list, q->systems != NULL ? q->systems : "all");
	allocators_add_peers(list, q->peers != NULL ? q->peers : "auto");
}

static int replay_native(struct request *q, const struct replay_ops *ops)
{
	struct native *const n = &q->native;
	bool failed = false;

	n->path = q->path;
	n->ops = ops;
	if (n->compare.warm == SIZE_MAX)
		n->compare.warm = min_size(WARM_LEAST + 4 * ops->head->peak_payload, WARM_DEFAULT);
	n->memory = q->over_time || (q->format == FORMAT_JSON && q->hash == NULL);
	n->cell = q->hash != NULL ? &q->cell : NULL;
	native_run(n);
	struct cell_out o;
	print_native(q, output(q, &o));
	output_end(q, &o);
	for (size_t i = 0; i < n->compare.rows; i++)
		failed |= n->row[i].failed != 0;
	if (q->hash == NULL)
		lab_next(NULL, "dmm replay --model --over-time %s", q->path);
	return failed || verdict_has_fault(&n->compare) ? EXIT_FAULT : EXIT_FINE;
}

int cmd_replay(int argc, char **argv)
{
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T",
	    .doc = "Replay a recording on every design and other allocators in turn: each call is "
	           "really made, by as many threads as there were.  With --model on designs over "
	           "simulated memory: where every byte of the footprint is.\v"
	           "Calls a second are from runs that do nothing else; latencies from runs of "
	           "their own.  Memory is what is resident beyond the replayer's own."};
	static struct request q = {.native = {.compare = {.runs = STATS_RUNS_FOR_95,
	    .warm = SIZE_MAX},
	                               .latency = true}};
	struct replay_ops ops;

	options_parse(&argp, argc, argv, &q);
	if (q.path == NULL)
		lab_die(EXIT_USAGE, "replay what?  dmm replay T");
	if (q.model && q.peers != NULL && strcmp(q.peers, "none") != 0)
		lab_die(EXIT_USAGE, "--peers: other allocators have no model; leave out --model");
	if (!q.model)
		add_allocators(&q, &q.native.compare.allocators); /* unknown names end it here */
	if (q.hash != NULL) {
		q.format = FORMAT_JSON;
		q.native.compare.runs = 1; /* a repeat is a cell of its own */
		if (enter_cell(&q))
			return EXIT_FINE;
	}
	read_recording(q.path, &ops);
	const int status = q.model ? replay_model(&q, &ops) : replay_native(&q, &ops);
	replay_ops_close(&ops);
	return q.hash != NULL ? EXIT_FINE : status; /* what went wrong stands in the result */
}
