/* tune.c - dmm tune: a settings file fitted to one program, and what it is worth on another run. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "cli/json.h"
#include "cli/lab.h"
#include "allocators/registry.h"
#include "cli/table.h"
#include "tune/tune.h"
#include "cli/units.h"

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

static void choose_systems(struct request *r, char *names)
{
	for (char *save, *word = strtok_r(names, ",", &save); word != NULL;
	     word = strtok_r(NULL, ",", &save)) {
		const struct dmm_system *const sys = registry_choose(word);
		if (!tune_can(sys))
			lab_die(EXIT_USAGE, "%s has nothing to tune: %s", sys->name, sys->doc);
		if (r->systems == SYSTEMS_MAX)
			lab_die(EXIT_USAGE, "--system: at most %d", SYSTEMS_MAX);
		r->system[r->systems++] = sys;
	}
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
		r->slower = strcmp(arg, "any") == 0 ? -1 : (double)option_count("slower", arg, 0) / 100;
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

/* ---- what is shown ------------------------------------------------------------------------------ */

struct result {
	const struct request *r;
	const struct tune_recording *rec;
	const struct tuned *tuned; /* r->systems of them */
	const struct tuned *best;
};

/* Bytes, for people or for machines. */
static void add_bytes(struct table *t, const struct result *x, uint64_t bytes)
{
	char text[UNITS_LEN];

	if (x->r->format == FORMAT_CSV)
		table_cell(t, "%" PRIu64, bytes);
	else
		table_cell(t, "%s", units_bytes(text, (double)bytes));
}

static void add_row(struct table *t, const struct result *x, const struct tuned *u, bool found)
{
	const struct tune_figure *const all = found ? u->set : u->own;

	table_cell(t, "%s", u->sys->name);
	table_paint(t, u == x->best && found ? PAINT_GOOD : PAINT_PLAIN, "%s",
	    !found ? "as it comes" : u->found.conf[0] != '\0' ? u->found.conf : "nothing better found");
	for (size_t i = 0; i < x->r->paths; i++) {
		add_bytes(t, x, all[i].peak);
		table_cell(t, "%.2f", (double)all[i].peak / (double)x->rec[i].ops.head->peak_payload);
		table_cell(t, "%.1f", all[i].ns);
	}
}

enum { TITLE_LEN = 160 };

/* Three columns a recording.  A machine needs names that occur once. */
static void make_titles(const struct result *x, struct column *columns, char (*title)[TITLE_LEN])
{
	const char *const short_words[] = {"", "of bound", "ns a call"};
	const char *const words[] = {" peak footprint", " of bound", " ns a call"};
	const bool text = x->r->format == FORMAT_TEXT;

	for (size_t i = 0; i < x->r->paths; i++)
		for (size_t k = 0; k < 3; k++) {
			char *const to = title[3 * i + k];
			snprintf(to, TITLE_LEN, "%s%s%s", text && k > 0 ? "" : x->rec[i].name,
			    text ? short_words[k] : words[k], text && k == 0 && i > 0 ? " (unseen)" : "");
			columns[3 * i + k] = (struct column){to, true};
		}
}

static void print_table(const struct result *x)
{
	struct column columns[2 + 3 * TUNE_RECORDINGS] = {{"system", false}, {"settings", false}};
	char title[3 * TUNE_RECORDINGS][TITLE_LEN];
	const size_t count = x->r->paths;
	struct table t;

	make_titles(x, columns + 2, title);
	table_begin(&t, columns, 2 + 3 * count);
	for (size_t i = 0; i < x->r->systems; i++) {
		add_row(&t, x, &x->tuned[i], false);
		add_row(&t, x, &x->tuned[i], true);
	}
	table_cell(&t, "lower bound");
	table_cell(&t, "the peak payload");
	for (size_t i = 0; i < count; i++) {
		add_bytes(&t, x, x->rec[i].ops.head->peak_payload);
		table_cell(&t, "1.00");
		table_cell(&t, "%s", "");
	}
	if (x->r->format == FORMAT_CSV)
		table_csv(&t, stdout);
	else
		table_text(&t, stdout);
	table_end(&t);
	if (x->r->format == FORMAT_TEXT)
		printf("peak footprint in simulated memory; ns of CPU, payloads untouched; the search saw %s%s\n",
		    x->rec[0].name, count > 1 ? " only" : "");
}

static void print_figures(struct json *j, const char *key, const struct tune_figure *f, size_t count)
{
	json_array(j, key);
	for (size_t i = 0; i < count; i++) {
		json_object(j, NULL);
		json_integer(j, "peak_footprint_bytes", (int64_t)f[i].peak);
		json_number(j, "ns_a_call", f[i].ns);
		json_end(j);
	}
	json_end(j);
}

static void print_json(const struct result *x)
{
	struct json j;

	json_begin(&j, stdout);
	json_string(&j, "schema", "dmm-tune");
	json_integer(&j, "version", 1);
	json_string(&j, "best", x->best->sys->name);
	json_array(&j, "recordings");
	for (size_t i = 0; i < x->r->paths; i++) {
		json_object(&j, NULL);
		json_string(&j, "path", x->rec[i].path);
		json_bool(&j, "searched", i == 0);
		json_integer(&j, "calls", (int64_t)x->rec[i].ops.head->calls);
		json_integer(&j, "lower_bound_bytes", (int64_t)x->rec[i].ops.head->peak_payload);
		json_end(&j);
	}
	json_end(&j);
	json_array(&j, "systems");
	for (size_t i = 0; i < x->r->systems; i++) {
		const struct tuned *const u = &x->tuned[i];
		json_object(&j, NULL);
		json_string(&j, "name", u->sys->name);
		json_string(&j, "settings", u->found.conf);
		json_integer(&j, "tried", (int64_t)u->found.tried);
		print_figures(&j, "as_it_comes", u->own, x->r->paths);
		print_figures(&j, "tuned", u->set, x->r->paths);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
}

/* ---- the file ----------------------------------------------------------------------------------- */

/* "4.31 MiB -> 4.26 MiB, lower bound 3.62 MiB" */
static void print_gain(FILE *f, const struct result *x, size_t i)
{
	char own[UNITS_LEN], set[UNITS_LEN], bound[UNITS_LEN];

	fprintf(f, "%s -> %s, lower bound %s", units_bytes(own, (double)x->best->own[i].peak),
	    units_bytes(set, (double)x->best->set[i].peak),
	    units_bytes(bound, (double)x->rec[i].ops.head->peak_payload));
}

static void write_file(const struct result *x)
{
	FILE *const f = fopen(x->r->out, "we");
	const char *const name = x->best->sys->name;

	if (f == NULL)
		lab_die(EXIT_OURS, "%s: %s", x->r->out, strerror(errno));
	fprintf(f, "# Settings for %s, found by dmm " DMM_VERSION " tune.\n"
	           "#   dmm run --system=%s --conf=THIS_FILE -- PROGRAM ARG...\n"
	           "#   LD_PRELOAD=libdmm-%s.so DMM_CONF=file:THIS_FILE PROGRAM ARG...\n"
	           "# Peak footprint of the model, as it comes -> with these settings:\n",
	    name, name, name);
	for (size_t i = 0; i < x->r->paths; i++) {
		fprintf(f, "#   %s, %s: ", x->rec[i].name, i == 0 ? "searched" : "not seen by the search");
		print_gain(f, x, i);
		fputc('\n', f);
	}
	if (x->best->found.conf[0] == '\0')
		fputs("# Nothing was better than what the design has anyway.\n", f);
	for (const char *at = x->best->found.conf; *at != '\0';) {
		const size_t n = strcspn(at, ",");
		fprintf(f, "%.*s\n", (int)n, at);
		at += n + (at[n] == ',');
	}
	if (fclose(f) != 0)
		lab_die(EXIT_OURS, "%s: %s", x->r->out, strerror(errno));
}

/* ---- in words ----------------------------------------------------------------------------------- */

static double ratio(const struct tuned *u, size_t i)
{
	return (double)u->set[i].peak / (double)u->own[i].peak;
}

/* False: on some recording that was not searched, the settings cost memory. */
static bool tell(const struct result *x)
{
	const struct tuned *const u = x->best;
	char change[UNITS_LEN];
	bool holds = true;

	for (size_t i = 0; i < x->r->paths; i++) {
		lab_say("%s: %s, next to %s as it comes; %.0f %% above the lower bound%s", x->rec[i].name,
		    units_change(change, ratio(u, i), "memory"), u->sys->name,
		    100 * ((double)u->set[i].peak / (double)x->rec[i].ops.head->peak_payload - 1),
		    i == 0 ? "" : "; the search did not see it");
		holds &= i == 0 || ratio(u, i) <= 1.005;
	}
	if (x->r->paths == 1)
		lab_say("one recording cannot show that the gain holds: record another run and give it as well");
	if (!holds)
		lab_say("the gain does not hold: do not use %s", x->r->out);
	lab_next(NULL, "dmm run --system=%s --conf=%s -- PROGRAM ARG...", u->sys->name, x->r->out);
	return holds;
}

static const struct tuned *best_of(const struct tuned *all, size_t count)
{
	const struct tuned *best = &all[0];

	for (size_t i = 1; i < count; i++)
		if (all[i].score > best->score)
			best = &all[i];
	return best;
}

int cmd_tune(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"output", 'o', "F", 0, "The settings file to write", 0},
	    {"system", KEY_SYSTEM, "S,..", 0, "Designs to tune; the best of them is written (bins,gnu)", 0},
	    {"slower", KEY_SLOWER, "PERCENT|any", 0, "How much longer calls may take than as it comes (25)", 0},
	    OPTION_FORMAT_LINE, {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T [UNSEEN...]",
	    .doc = "Search the settings of a design for the least memory on recording T, and write them to "
	           "a file.  Further recordings are not searched: they show whether the gain holds.\v"
	           "Exit status 1: on one of them the settings cost memory."};
	static struct tune_recording rec[TUNE_RECORDINGS];
	static struct tuned tuned[SYSTEMS_MAX];
	char usual[] = "bins,gnu";
	struct request r = {.slower = 0.25};

	options_parse(&argp, argc, argv, &r);
	if (r.paths == 0 || r.out == NULL)
		lab_die(EXIT_USAGE, "tune what, into what?  dmm tune T [UNSEEN...] -o F.conf");
	if (r.systems == 0)
		choose_systems(&r, usual);
	tune_recordings_open(rec, r.path, r.paths);
	for (size_t i = 0; i < r.systems; i++)
		tune_search(&tuned[i], r.system[i], rec, r.paths, r.slower);
	const struct result x = {&r, rec, tuned, best_of(tuned, r.systems)};
	write_file(&x);
	if (r.format == FORMAT_JSON)
		print_json(&x);
	else
		print_table(&x);
	return tell(&x) ? EXIT_FINE : EXIT_FAULT;
}
