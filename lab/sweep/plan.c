/* plan.c - the jobs of a sweep: allocators with every combination of settings, and a line a job. */
#include "sweep/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocators/registry.h"
#include "cli/progress.h"
#include "cli/lab.h"
#include "replay/job.h"
#include "system/policy/params.h"
#include "trace/trace.h"

enum { WORD_LEN = 4352 };

const char *const sweep_touches[] = {"all", "first", "none", NULL};
const char *const sweep_modes[] = {"as-is", "off", NULL};
const char *const sweep_kinds[] = {"all", "space", "time", NULL};

/* ---- allocators, with every combination of the grid ------------------------------------------ */

/* Combination number `i`, as DMM_CONF has it. */
static void combination(const struct sweep_order *r, size_t i, char *conf, size_t cap)
{
	size_t n = 0;

	conf[0] = '\0';
	for (size_t k = 0; k < r->keys; i /= r->grid[k++].values)
		n += (size_t)snprintf(conf + n, cap - n, "%s%s:%s", k != 0 ? "," : "",
		    r->grid[k].key,
		    r->grid[k].value[i % r->grid[k].values]);
}

static void add_combinations(const struct sweep_order *r, const struct dmm_system *sys,
    struct allocators *to)
{
	char conf[1024], word[1200];
	size_t all = r->keys != 0, taken = 0;
	struct conf_error e = {""};

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
		lab_say("%s runs with its defaults only: %s", sys->name, e.text);
}

/* The grid's keys must be somebody's, or it is a misspelling. */
static void check_grid(const struct sweep_order *r)
{
	for (size_t k = 0; k < r->keys; k++) {
		bool known = false;
		for (const char *const *key = params_keys; *key != NULL; key++)
			known |= strcmp(*key, r->grid[k].key) == 0;
		if (!known)
			lab_unknown("key of --conf-grid", r->grid[k].key, params_keys);
	}
}

static void list_allocators(const struct sweep_order *r, struct allocators *list)
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

/* ---- lines ----------------------------------------------------------------------------------- */

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

static void put_cell(struct sweep_order *r, struct sweep_cell *c)
{
	const struct allocator *const a = c->allocator;
	char word[WORD_LEN];

	cell_hash(c);
	cell_word(a, word, sizeof word);
	progress_hide(); /* both may be the same terminal */
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
		printf(a->kind == KIND_PEER ? "--systems=none --peers="
		    : "--peers=none --systems=");
		put_quoted(word);
	}
	putchar(' ');
	put_quoted(c->recording);
	puts(c->model ? " # space" : " # time: exclusive cores");
	r->space += c->model;
	r->time += !c->model;
}

static void plan_recording(struct sweep_order *r, const struct allocators *list, const char *path)
{
	char *const whole = realpath(path, NULL);
	struct trace_file f;
	struct trace_error e;

	if (whole == NULL)
		lab_die(EXIT_FAULT, "%s: %s", path, strerror(errno));
	if (!trace_file_open(&f, whole, &e))
		lab_die(EXIT_FAULT, "%s: %s", path, e.text);
	trace_file_close(&f);
	struct sweep_cell c = {.recording = whole, .touch = sweep_touches[r->touch],
	    .thp = sweep_modes[r->thp]};
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

int sweep_plan(struct sweep_order *r)
{
	struct allocators list = {0};

	const ssize_t n = readlink("/proc/self/exe", r->dmm, sizeof r->dmm - 1);
	r->dmm[n > 0 ? n : 0] = '\0';
	list_allocators(r, &list);
	size_t all = 0;
	while (r->recordings[all] != NULL)
		all++;
	progress_begin("planning");
	for (size_t i = 0; i < all; i++) {
		progress_label("planning replays of %s", r->recordings[i]);
		progress_share((double)i / (double)all);
		plan_recording(r, &list, r->recordings[i]);
	}
	progress_end();
	lab_say("%zu cells of space, %zu of time", r->space, r->time);
	lab_next(NULL, "parallel -j1 --joblog log --resume < jobs; dmm merge %s/*.json",
	    lab_quoted(r->results));
	allocators_free(&list);
	return EXIT_FINE;
}
