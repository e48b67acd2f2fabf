/* tune.c - dmm tune: fits a settings file to one program, and measures its gain on other runs. */
#include <argp.h>
#include <string.h>

#include "allocators/registry.h"
#include "cli/lab.h"
#include "cmd/commands.h"
#include "tune/tune.h"

enum {
	KEY_SYSTEM = OPTION_OWN,
	KEY_STUDY,
	KEY_BY,
	KEY_SLOWER,
	KEY_SEARCH,
	KEY_RUNS,
	KEY_WARM,
	KEY_SERVER,
	KEY_DRIVE,
	SYSTEMS_MAX = 8
};

struct tune_request {
	const char *path[TUNE_RECORDINGS];
	size_t paths;
	const struct dmm_system *system[SYSTEMS_MAX];
	size_t systems;
	const char *out;
	struct tune_order order;
	struct gain gain; /* command NULL: no real runs */
	bool server;
	enum format format;
};

static const struct argp_option options[] = {
    {"output", 'o', "F", 0, "Write the settings to this file", 0},
    {"systems", KEY_SYSTEM, "S,..", 0, "Tune these designs, and write the best (slab)", 0},
    {"system", KEY_SYSTEM, "S,..", OPTION_HIDDEN, "", 0},
    {"study", KEY_STUDY, NULL, 0, "Tune designs of the lecture, too: bins and gnu beside slab", 0},
    {"by", KEY_BY, "mean|peak|end", 0, "Make this footprint small (mean)", 0},
    {"slower", KEY_SLOWER, "PERCENT|any", 0,
        "Let the run take this much longer than on the malloc that the program had (1)", 0},
    {"search", KEY_SEARCH, "N", 0,
        "Search the first N recordings, and check the gain on the others (half of them)", 0},
    {"runs", KEY_RUNS, "N", 0,
        "Run PROGRAM this often on each (6, the fewest that give 95 % intervals)", 0},
    {"warm", KEY_WARM, "BYTES", 0, "Touch and free this much memory before each run (1G; 0: none)",
        0},
    {"server", KEY_SERVER, NULL, 0, "PROGRAM is a server: start it, drive it, stop it", 0},
    {"drive", KEY_DRIVE, "CMD", 0, "The shell command that drives the server", 0},
    OPTION_FORMAT_LINE,
    {0},
};

static void choose_systems(struct tune_request *r, const char *names)
{
	registry_choose_list("system", names, r->system, &r->systems, SYSTEMS_MAX);
	for (size_t i = 0; i < r->systems; i++)
		if (!tune_can(r->system[i]))
			lab_die(EXIT_USAGE, "%s has nothing to tune: %s", r->system[i]->name,
			    r->system[i]->doc);
}

static error_t parse_runs(int key, char *arg, struct argp_state *state)
{
	struct tune_request *const r = state->input;

	switch (key) {
	case KEY_RUNS:
		r->gain.runs = option_count("runs", arg, 1);
		if (r->gain.runs > STATS_RUNS_MAX)
			lab_die(EXIT_USAGE, "--runs=%s: at most %d", arg, STATS_RUNS_MAX);
		break;
	case KEY_WARM:
		r->gain.warm = option_bytes("warm", arg);
		break;
	case KEY_SERVER:
		r->server = true;
		break;
	case KEY_DRIVE:
		r->gain.drive = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* Words before "--" are recordings, words after it are the program. */
static void take_word(struct tune_request *r, struct argp_state *state, char *arg)
{
	if (state->quoted != 0 && state->next > state->quoted) {
		r->gain.command = state->argv + state->next - 1;
		state->next = state->argc;
		return;
	}
	if (r->paths == TUNE_RECORDINGS)
		lab_die(EXIT_USAGE, "at most %d recordings", TUNE_RECORDINGS);
	r->path[r->paths++] = arg;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const figures[] = {"mean", "peak", "end", NULL};
	struct tune_request *const r = state->input;

	switch (key) {
	case 'o':
		r->out = arg;
		break;
	case KEY_SYSTEM:
		choose_systems(r, arg);
		break;
	case KEY_STUDY:
		choose_systems(r, "slab,bins,gnu");
		break;
	case KEY_BY:
		r->order.by = (enum tune_by)option_choice("by", arg, figures);
		break;
	case KEY_SLOWER:
		r->order.slower =
		    strcmp(arg, "any") == 0 ? -1 : (double)option_count("slower", arg, 0) / 100;
		break;
	case KEY_SEARCH:
		r->order.searched = option_count("search", arg, 1);
		break;
	case OPTION_FORMAT:
		r->format = option_format(arg);
		break;
	case ARGP_KEY_ARG:
		take_word(r, state, arg);
		break;
	default:
		return parse_runs(key, arg, state);
	}
	return 0;
}

static void check(struct tune_request *r)
{
	if (r->paths == 0 || r->out == NULL)
		lab_die(EXIT_USAGE, "no recording or no -o is given: dmm tune T [T...] -o F.conf "
		                    "[-- PROGRAM ARG...]");
	if (r->order.searched > r->paths)
		lab_die(EXIT_USAGE, "--search=%zu: there are %zu recordings", r->order.searched,
		    r->paths);
	if (r->server != (r->gain.drive != NULL))
		lab_die(EXIT_USAGE, "--server and --drive=CMD go together");
	if (r->server && r->gain.command == NULL)
		lab_die(EXIT_USAGE, "--server needs the program: -- PROGRAM ARG...");
	if (r->order.searched == 0)
		r->order.searched = tune_searched(r->paths);
	if (r->systems == 0)
		choose_systems(r, "slab");
}

int cmd_tune(int argc, char **argv)
{
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T [T...] [-- PROGRAM ARG...]",
	    .doc =
	        "Search the settings of slab for the least memory on recordings of a program, and "
	        "write them to a file.  Of several recordings the first half is searched; the "
	        "others "
	        "show whether the gain holds.  With a program, real runs measure what the file "
	        "gains."
	        "\vThe same recordings give the same file: time is counted in system calls, page "
	        "faults and slow calls, not taken from a clock.  Exit status 1: on a recording "
	        "that "
	        "was not searched, or in real runs, the settings cost memory."};
	static struct tune_recording rec[TUNE_RECORDINGS];
	static struct tuned tuned[SYSTEMS_MAX];
	static struct tune_request r = {
	    .order = {.slower = 0.01}, .gain = {.runs = STATS_RUNS_FOR_95, .warm = WARM_DEFAULT}};

	options_parse(&argp, argc, argv, &r);
	check(&r);
	tune_recordings_open(rec, r.path, r.paths);
	for (size_t i = 0; i < r.systems; i++)
		tune_search(&tuned[i], r.system[i], rec, r.paths, &r.order);
	const struct tune_result x = {.rec = rec,
	    .paths = r.paths,
	    .order = &r.order,
	    .tuned = tuned,
	    .systems = r.systems,
	    .best = tune_best(tuned, r.systems, rec, &r.order),
	    .out = r.out};
	return tune_report(&x, r.format, r.gain.command != NULL ? &r.gain : NULL) ? EXIT_FINE
	                                                                          : EXIT_FAULT;
}
