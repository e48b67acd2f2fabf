/* cmd_replay.c - dmm replay --model: a recording on systems over simulated memory, byte by byte. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "json.h"
#include "lab.h"
#include "launch.h"
#include "replay_model.h"
#include "table.h"
#include "units.h"

enum { KEY_MODEL = OPTION_OWN, KEY_SYSTEMS, KEY_SAMPLES };

struct request {
	const char *path, *systems;
	enum format format;
	size_t samples;
	bool model;
};

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
	case KEY_SAMPLES:
		r->samples = option_count("samples", arg, 1);
		break;
	case ARGP_KEY_ARG:
		if (r->path != NULL)
			return ARGP_ERR_UNKNOWN;
		r->path = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void add_row(struct table *t, const struct model_result *r)
{
	char bytes[UNITS_LEN];
	const double all = (double)r->peak.footprint;

	table_cell(t, "%s", r->subject->name);
	table_cell(t, "%s", units_bytes(bytes, all));
	table_cell(t, "%.1f %%", all > 0 ? 100.0 * (double)r->peak_payload / all : 0.0);
	for (int i = 0; i < PARTS; i++)
		table_cell(t, "%.1f", all > 0 ? 100.0 * (double)r->peak.part[i] / all : 0.0);
	table_paint(t, PAINT_BAD, "%s", r->problem);
}

static void print_table(const struct request *q, const struct model_result *results, size_t n)
{
	static const struct column columns[] = {{"system", false}, {"peak footprint", true},
	    {"utilisation", true}, {"payload %", true}, {"padding", true}, {"headers", true},
	    {"bins", true}, {"caches", true}, {"tails", true}, {"retained", true}, {"", false}};
	struct table t;
	char bytes[UNITS_LEN];

	table_begin(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < n; i++)
		add_row(&t, &results[i]);
	if (q->format == FORMAT_CSV) {
		table_csv(&t, stdout);
	} else {
		table_text(&t, stdout);
		printf("lower bound: %s, the peak payload; the parts are those of each peak\n",
		    units_bytes(bytes, (double)results[0].peak_payload));
	}
	table_end(&t);
}

static void write_accounting(struct json *j, const struct accounting *a)
{
	json_integer(j, "events", (int64_t)a->events);
	json_integer(j, "ns", (int64_t)a->ns);
	json_integer(j, "footprint_bytes", (int64_t)a->footprint);
	json_integer(j, "live_objects", (int64_t)a->live_count);
	for (int i = 0; i < PARTS; i++)
		json_integer(j, part_names[i], (int64_t)a->part[i]);
}

/* Nothing here depends on the run: the same recording gives the same bytes. */
static void print_json(const struct request *q, const struct model_result *results, size_t n)
{
	struct json j;

	json_begin(&j, stdout);
	json_string(&j, "format", "dmm-replay-model-1");
	json_string(&j, "recording", q->path);
	json_integer(&j, "events", (int64_t)results[0].calls);
	json_integer(&j, "lower_bound_bytes", (int64_t)results[0].peak_payload);
	json_array(&j, "rows");
	for (size_t i = 0; i < n; i++) {
		json_object(&j, NULL);
		json_string(&j, "name", results[i].subject->name);
		json_string(&j, "problem", results[i].problem[0] != '\0' ? results[i].problem : NULL);
		json_object(&j, "peak");
		write_accounting(&j, &results[i].peak);
		json_end(&j);
		json_array(&j, "samples");
		for (size_t k = 0; k < results[i].sample_count; k++) {
			json_object(&j, NULL);
			write_accounting(&j, &results[i].samples[k]);
			json_end(&j);
		}
		json_end(&j);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
}

static int replay_model(const struct request *q)
{
	static struct subject subjects[SUBJECTS_MAX];
	static struct model_result results[SUBJECTS_MAX];
	const size_t n = subjects_choose(subjects, q->systems);
	struct replay_ops ops;
	struct trace_error e;
	bool problem = false;
	const double began = launch_now();

	if (!replay_ops_build(&ops, q->path, &e))
		lab_die(EXIT_FAULT, "%s: %s", q->path, e.text);
	lab_say("%.1f million events a second read", (double)ops.head->calls / (launch_now() - began) * 1e-6);
	for (size_t i = 0; i < n; i++) {
		if (!model_replay(&results[i], &ops, &subjects[i], q->samples))
			lab_die(EXIT_OURS, "no memory");
		problem |= results[i].problem[0] != '\0';
		lab_say("%s: %.1f million events a second", subjects[i].name,
		    results[i].seconds > 0 ? (double)results[i].calls / results[i].seconds * 1e-6 : 0.0);
	}
	if (q->format == FORMAT_JSON)
		print_json(q, results, n);
	else
		print_table(q, results, n);
	for (size_t i = 0; i < n; i++)
		model_free(&results[i]);
	return problem ? EXIT_FAULT : EXIT_FINE;
}

int cmd_replay(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"model", KEY_MODEL, NULL, 0, "On simulated memory: exact, the same in every run", 0},
	    {"systems", KEY_SYSTEMS, "LIST", 0, "Designs, with settings if wanted: bins,gnu?reuse:links (all)", 0},
	    {"samples", KEY_SAMPLES, "N", 0, "Samples over time in JSON (100)", 0},
	    OPTION_FORMAT_LINE, {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T",
	    .doc = "Replay a recording on designs, and account for every byte of their footprint."};
	struct request q = {.samples = 100};

	options_parse(&argp, argc, argv, &q);
	if (q.path == NULL)
		lab_die(EXIT_USAGE, "replay what?  dmm replay --model T");
	if (!q.model)
		lab_die(EXIT_USAGE, "only --model is there so far: dmm replay --model %s", q.path);
	return replay_model(&q);
}
