/* tune.c - dmm tune: a settings file fitted to one program, and what it is worth on another run. */
#include <string.h>

#include "allocators/registry.h"
#include "cli/lab.h"
#include "cmd/commands.h"
#include "tune/tune.h"

enum { KEY_SYSTEM = OPTION_OWN, KEY_SLOWER, SYSTEMS_MAX = 8 };

struct request {
	const char *path[TUNE_RECORDINGS];
	size_t paths;
	const struct dmm_system *system[SYSTEMS_MAX];
	size_t systems;
	const char *out;
	double slower; /* of 1; < 0: any */
	enum format format;
};

static void choose_systems(struct request *r, const char *names)
{
	registry_choose_list("system", names, r->system, &r->systems, SYSTEMS_MAX);
	for (size_t i = 0; i < r->systems; i++)
		if (!tune_can(r->system[i]))
			lab_die(EXIT_USAGE, "%s has nothing to tune: %s", r->system[i]->name,
			    r->system[i]->doc);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *const r = state->input;

	switch (key) {
	case 'o':
		r->out = arg;
		break;
	case KEY_SYSTEM:
		choose_systems(r, arg);
		break;
	case KEY_SLOWER:
		r->slower = strcmp(arg, "any") == 0 ? -1
		    : (double)option_count("slower", arg, 0) / 100;
		break;
	case OPTION_FORMAT:
		r->format = option_format(arg);
		break;
	case ARGP_KEY_ARG:
		if (r->paths == TUNE_RECORDINGS)
			lab_die(EXIT_USAGE, "at most %d recordings", TUNE_RECORDINGS);
		r->path[r->paths++] = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_tune(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"output", 'o', "F", 0, "The settings file to write", 0},
	    {"system", KEY_SYSTEM, "S,..", 0,
	        "Designs to tune; the best of them is written (bins,gnu)", 0},
	    {"slower", KEY_SLOWER, "PERCENT|any", 0,
	        "How much longer calls may take than as it comes (25)", 0},
	    OPTION_FORMAT_LINE, {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T [UNSEEN...]",
	    .doc = "Search the settings of a design for the least memory on recording T, and "
	           "write them to a file.  Further recordings are not searched: they show whether "
	           "the gain holds.\vExit status 1: on one of them the settings cost memory."};
	static struct tune_recording rec[TUNE_RECORDINGS];
	static struct tuned tuned[SYSTEMS_MAX];
	struct request r = {.slower = 0.25};

	options_parse(&argp, argc, argv, &r);
	if (r.paths == 0 || r.out == NULL)
		lab_die(EXIT_USAGE, "tune what, into what?  dmm tune T [UNSEEN...] -o F.conf");
	if (r.systems == 0)
		choose_systems(&r, "bins,gnu");
	tune_recordings_open(rec, r.path, r.paths);
	for (size_t i = 0; i < r.systems; i++)
		tune_search(&tuned[i], r.system[i], rec, r.paths, r.slower);
	const struct tune_result x = {.rec = rec, .paths = r.paths, .tuned = tuned,
	    .systems = r.systems,
	    .best = tune_best(tuned, r.systems), .out = r.out};
	return tune_report(&x, r.format) ? EXIT_FINE : EXIT_FAULT;
}
