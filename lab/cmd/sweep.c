/* sweep.c - dmm sweep --plan: one line a job, each a whole command; it runs nothing itself. */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/lab.h"
#include "cmd/commands.h"
#include "sweep/plan.h"

enum {
	KEY_PLAN = OPTION_OWN, KEY_SYSTEMS, KEY_PEERS, KEY_GRID, KEY_REPEAT, KEY_KIND, KEY_RESULTS,
	    KEY_TOUCH,
	KEY_THP, KEY_WARM,
};

struct sweep_request {
	bool plan;
	size_t recordings; /* so far */
	struct sweep_order order;
};

static const struct argp_option options[] = {
    {"plan", KEY_PLAN, NULL, 0, "Print the jobs; other tools run them", 0},
    {"systems", KEY_SYSTEMS, "LIST", 0, "Designs (all that are built; none), also NAME=PATH.so", 0},
    {"peers", KEY_PEERS, "auto|none|P,..", 0, "Other allocators (auto: those installed)", 0},
    {"conf-grid", KEY_GRID, "K:V|V,..", 0,
        "Try every combination of these settings on designs that have them: "
        "fit:first|best,split_min:0|64", 0},
    {"repeat", KEY_REPEAT, "N", 0, "Plan this many cells of time for each allocator (6)", 0},
    {"kind", KEY_KIND, "all|space|time", 0, "Plan cells of space, of time, or both (all)", 0},
    {"results", KEY_RESULTS, "DIR", 0, "The directory for results (results)", 0},
    {"touch", KEY_TOUCH, "all|first|none", 0, "As for dmm replay", 0},
    {"thp", KEY_THP, "as-is|off", 0, "As for dmm replay", 0},
    {"warm", KEY_WARM, "BYTES", 0, "As for dmm replay", 0},
    {0},
};

/* "fit:first|best,split_min:0|64" */
static void parse_grid(struct sweep_order *r, const char *arg)
{
	char *text = strdup(arg);

	for (char *save, *item = strtok_r(text, ",", &save); item != NULL;
	    item = strtok_r(NULL, ",", &save)) {
		char *const colon = strchr(item, ':');
		if (colon == NULL || colon == item || colon[1] == '\0')
			lab_die(EXIT_USAGE, "--conf-grid=%s: '%s' is not KEY:VALUE|VALUE", arg,
			    item);
		if (r->keys == GRID_KEYS)
			lab_die(EXIT_USAGE, "--conf-grid: more than %d keys", GRID_KEYS);
		*colon = '\0';
		struct grid_key *const k = &r->grid[r->keys++];
		k->key = item;
		for (char *inner, *v = strtok_r(colon + 1, "|", &inner); v != NULL;
		    v = strtok_r(NULL, "|", &inner)) {
			if (k->values == GRID_VALUES)
				lab_die(EXIT_USAGE, "--conf-grid: more than %d values of %s",
				    GRID_VALUES, item);
			k->value[k->values++] = v;
		}
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct sweep_request *const q = state->input;
	struct sweep_order *const r = &q->order;

	switch (key) {
	case KEY_PLAN:
		q->plan = true;
		break;
	case KEY_SYSTEMS:
		r->systems = arg;
		break;
	case KEY_PEERS:
		r->peers = arg;
		break;
	case KEY_GRID:
		parse_grid(r, arg);
		break;
	case KEY_REPEAT:
		r->repeat = option_count("repeat", arg, 1);
		break;
	case KEY_KIND:
		r->kind = option_choice("kind", arg, sweep_kinds);
		break;
	case KEY_RESULTS:
		r->results = arg;
		break;
	case KEY_TOUCH:
		r->touch = option_choice("touch", arg, sweep_touches);
		break;
	case KEY_THP:
		r->thp = option_choice("thp", arg, sweep_modes);
		break;
	case KEY_WARM:
		r->warm = option_bytes("warm", arg);
		break;
	case ARGP_KEY_ARG:
		if (r->recordings == NULL)
			r->recordings = calloc((size_t)state->argc + 1, sizeof(char *));
		CHECK(r->recordings != NULL);
		r->recordings[q->recordings++] = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_sweep(int argc, char **argv)
{
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T...",
	    .doc = "Plan replays of recordings on many allocators and settings: each line is a "
	           "command that runs one cell, a replay of one recording on one allocator.  "
	           "Run the lines with GNU parallel or as a Slurm array, in any order, and "
	           "again after a failure: cells with a result do nothing.  Then dmm merge "
	           "makes one table of the results.\vA line that ends in '# time: exclusive "
	           "cores' needs a host of its own while it runs; a line that ends in '# space' "
	           "does not.  docs/manual/sweep.md shows both ways in full."};
	static struct sweep_request r = {
	    .order = {.repeat = 6, .results = "results", .warm = SIZE_MAX}};

	options_parse(&argp, argc, argv, &r);
	if (!r.plan)
		lab_die(EXIT_USAGE, "dmm sweep only plans: dmm sweep --plan T... > jobs");
	if (r.order.recordings == NULL)
		lab_die(EXIT_USAGE, "no recording is given: dmm sweep --plan T... > jobs");
	return sweep_plan(&r.order);
}
