/* config_print.c - every setting of some systems, with its value, where that came from, and
 * mistakes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/config_keys.h"
#include "cli/json.h"
#include "cli/table.h"

static void read_all(const struct config_order *r, struct settings *all)
{
	const char *const text = getenv("DMM_CONF");

	for (size_t i = 0; i < r->systems; i++) {
		settings_begin(&all[i], r->system[i]);
		if (text != NULL)
			settings_obey(&all[i], text);
		if (r->conf != NULL)
			settings_obey_argument(&all[i], r->conf);
		settings_end(&all[i]);
	}
}

static void print_table(const struct config_order *r, const struct settings *all)
{
	static const struct column columns[] = {{"system", false}, {"key", false}, {"value", false},
	    {"from", false}, {"may be", false}, {"what it is", false}};
	struct table t;

	table_begin(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < r->systems; i++)
		for (size_t k = 0; k < all[i].count; k++) {
			const struct setting *const s = &all[i].item[k];
			const bool set = strcmp(s->from, "default") != 0;
			table_cell(&t, "%s", all[i].sys->name);
			table_cell(&t, "%s", s->key);
			table_paint(&t, set ? PAINT_GOOD : PAINT_PLAIN, "%s", s->value);
			table_paint(&t, set ? PAINT_GOOD : PAINT_DIM, "%s", s->from);
			table_cell(&t, "%s", s->range);
			table_cell(&t, "%s", s->doc);
		}
	if (r->format == FORMAT_CSV)
		table_csv(&t, stdout);
	else if (t.cells > 0)
		table_text(&t, stdout);
	table_end(&t);
}

static void print_json(const struct config_order *r, const struct settings *all)
{
	struct json j;

	json_begin(&j, stdout);
	json_schema(&j, "dmm-config", 1);
	json_array(&j, "systems");
	for (size_t i = 0; i < r->systems; i++) {
		json_object(&j, NULL);
		json_string(&j, "name", all[i].sys->name);
		json_array(&j, "settings");
		for (size_t k = 0; k < all[i].count; k++) {
			json_object(&j, NULL);
			json_string(&j, "key", all[i].item[k].key);
			json_string(&j, "value", all[i].item[k].value);
			json_string(&j, "from", all[i].item[k].from);
			json_string(&j, "range", all[i].item[k].range);
			json_string(&j, "what", all[i].item[k].doc);
			json_end(&j);
		}
		json_end(&j);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
}

/* Of many systems it is a mistake only if all of them say so: word by word. */
static size_t who_complain(const struct config_order *r, const struct settings *all, size_t word)
{
	size_t n = 0;

	for (size_t i = 0; i < r->systems; i++)
		for (size_t k = 0; k < all[i].problems; k++)
			n += all[i].problem[k].word == word;
	return n;
}

/* The one to show for a word: of a system that has the key, it knows the range. */
static bool best_told(const struct config_order *r, const struct settings *all, size_t i, size_t k)
{
	const struct setting_problem *const p = &all[i].problem[k];

	for (size_t other = 0; other < r->systems; other++)
		for (size_t m = 0; m < all[other].problems; m++) {
			const struct setting_problem *const q = &all[other].problem[m];
			if (q->word == p->word && (q->ours > p->ours ||
			    (q->ours == p->ours && other < i)))
				return false;
		}
	return true;
}

static bool tell_problems(const struct config_order *r, const struct settings *all)
{
	bool any = false;

	for (size_t i = 0; i < r->systems; i++)
		for (size_t k = 0; k < all[i].problems; k++) {
			const struct setting_problem *const p = &all[i].problem[k];
			const bool mistake = p->word == 0 || r->chosen ||
			    (who_complain(r, all, p->word) == r->systems &&
			    best_told(r, all, i, k));
			if (!mistake)
				continue;
			lab_say("%s%s%s", p->word == 0 ? all[i].sys->name : "",
			    p->word == 0 ? ": " : "", p->text);
			any = true;
		}
	return any;
}

/* The first system that has any settings; "bins" where there was no choice. */
static void tell_next(const struct config_order *r, const struct settings *all)
{
	const char *usable = NULL;

	for (size_t i = 0; r->chosen && i < r->systems; i++) {
		if (all[i].count == 0)
			lab_say("%s has no settings", all[i].sys->name);
		else if (usable == NULL)
			usable = all[i].sys->name;
	}
	if (usable == NULL && r->chosen)
		lab_next(NULL, "dmm config");
	else
		lab_next(NULL, "DMM_CONF=KEY:VALUE,... dmm run --system=%s -- PROGRAM ARG...",
		    usable != NULL ? usable : "bins");
}

int config_print(const struct config_order *r)
{
	struct settings *const all = calloc(r->systems + 1, sizeof *all);
	if (all == NULL)
		lab_die(EXIT_OURS, "no memory for the settings");
	read_all(r, all);
	if (r->format == FORMAT_JSON)
		print_json(r, all);
	else
		print_table(r, all);
	const bool mistakes = tell_problems(r, all);
	tell_next(r, all);
	free(all);
	return mistakes ? EXIT_FAULT : EXIT_FINE;
}
