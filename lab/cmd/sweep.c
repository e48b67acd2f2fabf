/* sweep.c - dmm sweep --plan: one line a cell, each a whole command; it runs nothing itself.
 *
 * Cells of space are models: the same everywhere, and any number may share a host.  Cells of time run
 * glibc twice and one allocator once: the ratio is made within the cell, so that hosts need not be
 * alike, but a host must be quiet.  The comment at the end of a line tells which is which.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "replay/job.h"
#include "cmd/commands.h"
#include "cli/lab.h"
#include "allocators/registry.h"
#include "system/policy/params.h"
#include "trace/trace.h"

enum {
	KEY_PLAN = OPTION_OWN, KEY_SYSTEMS, KEY_PEERS, KEY_GRID, KEY_REPEAT, KEY_KIND, KEY_RESULTS, KEY_TOUCH,
	KEY_THP, KEY_WARM,
};
enum { GRID_KEYS = 16, GRID_VALUES = 32, WORD_LEN = 4352 };
enum kind_wanted { WANT_ALL, WANT_SPACE, WANT_TIME };

struct grid_key {
	const char *key, *value[GRID_VALUES];
	size_t values;
};

struct request {
	bool plan;
	const char *systems, *peers, *results;
	char **recordings;
	size_t recordings_count;
	size_t repeat, warm;
	int kind, touch, thp;
	struct grid_key grid[GRID_KEYS];
	size_t keys;
	char dmm[4096];
	size_t space, time; /* cells planned */
};

static const char *const touches[] = {"all", "first", "none", NULL};
static const char *const modes[] = {"as-is", "off", NULL};
static const char *const kinds[] = {"all", "space", "time", NULL};

static const struct argp_option options[] = {
    {"plan", KEY_PLAN, NULL, 0, "Print the jobs; running them is for others", 0},
    {"systems", KEY_SYSTEMS, "LIST", 0, "Designs (all that are built; none), also NAME=PATH.so", 0},
    {"peers", KEY_PEERS, "auto|none|P,..", 0, "Other allocators (auto: those installed)", 0},
    {"conf-grid", KEY_GRID, "K:V|V,..", 0,
        "Settings to try on designs that have them, every combination: fit:first|best,split_min:0|64", 0},
    {"repeat", KEY_REPEAT, "N", 0, "Cells of time for each allocator (6)", 0},
    {"kind", KEY_KIND, "all|space|time", 0, "Which cells (all)", 0},
    {"results", KEY_RESULTS, "DIR", 0, "Where results go (results)", 0},
    {"touch", KEY_TOUCH, "all|first|none", 0, "As of dmm replay", 0},
    {"thp", KEY_THP, "as-is|off", 0, "As of dmm replay", 0},
    {"warm", KEY_WARM, "BYTES", 0, "As of dmm replay", 0},
    {0},
};

/* "fit:first|best,split_min:0|64" */
static void parse_grid(struct request *r, const char *arg)
{
	char *text = strdup(arg);

	for (char *save, *item = strtok_r(text, ",", &save); item != NULL; item = strtok_r(NULL, ",", &save)) {
		char *const colon = strchr(item, ':');
		if (colon == NULL || colon == item || colon[1] == '\0')
			lab_die(EXIT_USAGE, "--conf-grid=%s: '%s' is not KEY:VALUE|VALUE", arg, item);
		if (r->keys == GRID_KEYS)
			lab_die(EXIT_USAGE, "--conf-grid: more than %d keys", GRID_KEYS);
		*colon = '\0';
		struct grid_key *const k = &r->grid[r->keys++];
		k->key = item;
		for (char *inner, *v = strtok_r(colon + 1, "|", &inner); v != NULL; v = strtok_r(NULL, "|", &inner)) {
			if (k->values == GRID_VALUES)
				lab_die(EXIT_USAGE, "--conf-grid: more than %d values of %s", GRID_VALUES, item);
			k->value[k->values++] = v;
		}
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *const r = state->input;

	switch (key) {
	case KEY_PLAN:
		r->plan = true;
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
		r->kind = option_choice("kind", arg, kinds);
		break;
	case KEY_RESULTS:
		r->results = arg;
		break;
	case KEY_TOUCH:
		r->touch = option_choice("touch", arg, touches);
		break;
	case KEY_THP:
		r->thp = option_choice("thp", arg, modes);
		break;
	case KEY_WARM:
		r->warm = option_bytes("warm", arg);
		break;
	case ARGP_KEY_ARG:
		if (r->recordings == NULL)
			r->recordings = calloc((size_t)state->argc + 1, sizeof(char *));
		CHECK(r->recordings != NULL);
		r->recordings[r->recordings_count++] = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* ---- allocators, with every combination of the grid --------------------------------------------- */

/* Combination number `i`, as DMM_CONF has it. */
static void combination(const struct request *r, size_t i, char *conf, size_t cap)
{
	size_t n = 0;

	conf[0] = '\0';
	for (size_t k = 0; k < r->keys; i /= r->grid[k++].values)
		n += (size_t)snprintf(conf + n, cap - n, "%s%s:%s", k != 0 ? "," : "", r->grid[k].key,
		    r->grid[k].value[i % r->grid[k].values]);
}

static void add_combinations(const struct request *r, const struct dmm_system *sys, struct allocators *to)
{
	char conf[1024], word[1200];
	size_t all = r->keys != 0, taken = 0;
	struct params_error e = {""};

	for (size_t k = 0; k < r->keys; k++)
		all *= r->grid[k].values;
	for (size_t i = 0; i < all; i++) {
		struct dmm_params params = sys->defaults;
		combination(r, i, conf, sizeof conf);
		if (!params_parse(&params, sys, conf, &e) || !params_valid(&params, sys, &e))
			continue;
		snprintf(word, sizeof word, "%s?%s", sys->name, conf);
		allocators_add_systems(to, word);
		taken++;
	}
	if (taken == 0)
		allocators_add_systems(to, sys->name); /* it has none of these settings */
	if (taken == 0 && r->keys != 0)
		lab_say("%s runs as it is: %s", sys->name, e.text);
}

/* The grid's keys must be somebody's, or it is a misspelling. */
static void check_grid(const struct request *r)
{
	for (size_t k = 0; k < r->keys; k++) {
		bool known = false;
		for (const char *const *key = params_keys; *key != NULL; key++)
			known |= strcmp(*key, r->grid[k].key) == 0;
		if (!known)
			lab_unknown("key of --conf-grid", r->grid[k].key, params_keys);
	}
}

static void list_allocators(const struct request *r, struct allocators *list)
{
	struct allocators plain = {0};
	char word[WORD_LEN];

	check_grid(r);
	allocators_add_systems(&plain, r->systems != NULL ? r->systems : "all");
	for (size_t i = 0; i < plain.count; i++) {
		const struct allocator *const a = &plain.item[i];
		const struct dmm_system *const sys = a->own_path ? NULL : registry_find(a->name);
		if (sys != NULL) {
			add_combinations(r, sys, list);
			continue;
		}
		cell_word(a, word, sizeof word);
		allocators_add_systems(list, word);
	}
	allocators_free(&plain);
	allocators_add_peers(list, r->peers != NULL ? r->peers : "auto");
	for (size_t i = 0; i < list->count; i++)
		if (list->item[i].problem[0] != '\0')
			lab_say("%s: %s", list->item[i].name, list->item[i].problem);
}

/* ---- lines -------------------------------------------------------------------------------------- */

static void put_quoted(const char *word)
{
	putchar('\'');
	for (; *word != '\0'; word++)
		if (*word == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*word);
	putchar('\'');
}

static void put_cell(struct request *r, struct sweep_cell *c)
{
	const struct allocator *const a = c->allocator;
	char word[WORD_LEN];

	cell_hash(c);
	cell_word(a, word, sizeof word);
	put_quoted(r->dmm);
	printf(" replay --cell=%s -o ", c->hash);
	put_quoted(r->results);
	printf("/%s.json ", c->hash);
	if (c->model) {
		printf("--model --systems=");
		put_quoted(word);
	} else {
		printf("--repeat=%zu --touch=%s --thp=%s ", c->repeat, c->touch, c->thp);
		if (c->warm != SIZE_MAX)
			printf("--warm=%zu ", c->warm);
		printf(a->kind == KIND_PEER ? "--systems=none --peers=" : "--peers=none --systems=");
		put_quoted(word);
	}
	putchar(' ');
	put_quoted(c->recording);
	puts(c->model ? " # space" : " # time: exclusive cores");
	r->space += c->model;
	r->time += !c->model;
}

static void plan_recording(struct request *r, const struct allocators *list, const char *path)
{
	char *const whole = realpath(path, NULL);
	struct trace_file f;
	struct trace_error e;

	if (whole == NULL)
		lab_die(EXIT_FAULT, "%s: %s", path, strerror(errno));
	if (!trace_file_open(&f, whole, &e))
		lab_die(EXIT_FAULT, "%s: %s", path, e.text);
	trace_file_close(&f);
	struct sweep_cell c = {.recording = whole, .touch = touches[r->touch], .thp = modes[r->thp]};
	for (size_t i = 0; i < list->count && r->kind != WANT_TIME; i++) {
		c.allocator = &list->item[i];
		c.model = c.allocator->kind == KIND_SYSTEM && !c.allocator->own_path;
		c.warm = SIZE_MAX;
		if (c.model)
			put_cell(r, &c);
	}
	c.model = false;
	c.warm = r->warm;
	for (c.repeat = 1; c.repeat <= r->repeat && r->kind != WANT_SPACE; c.repeat++)
		for (size_t i = 0; i < list->count; i++) {
			c.allocator = &list->item[i];
			if (c.allocator->problem[0] == '\0')
				put_cell(r, &c);
		}
	free(whole);
}

int cmd_sweep(int argc, char **argv)
{
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T...",
	    .doc = "Plan replays of recordings on many allocators and settings, one command a line.  Run the "
	           "lines by GNU parallel or a Slurm array, in any order, again after a failure; what is done "
	           "is not done again.  Then dmm merge makes one table of the results.\v"
	           "Lines that end in '# time: exclusive cores' want a host of their own while they run; those "
	           "that end in '# space' do not.  docs/SWEEP.md has both ways in full."};
	static struct request r = {.repeat = 6, .results = "results", .warm = SIZE_MAX};
	struct allocators list = {0};

	options_parse(&argp, argc, argv, &r);
	if (!r.plan)
		lab_die(EXIT_USAGE, "dmm sweep only plans: dmm sweep --plan T... > jobs");
	if (r.recordings == NULL)
		lab_die(EXIT_USAGE, "sweep over what?  dmm sweep --plan T... > jobs");
	const ssize_t n = readlink("/proc/self/exe", r.dmm, sizeof r.dmm - 1);
	r.dmm[n > 0 ? n : 0] = '\0';
	list_allocators(&r, &list);
	for (char *const *path = r.recordings; *path != NULL; path++)
		plan_recording(&r, &list, *path);
	lab_say("%zu cells of space, %zu of time", r.space, r.time);
	lab_next(NULL, "parallel -j1 --joblog log --resume < jobs; dmm merge %s/*.json", r.results);
	allocators_free(&list);
	return EXIT_FINE;
}
