/* tune_print.c - what a search found: the settings file, the table for people and machines, and
 * words. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "cli/table.h"
#include "cli/units.h"
#include "tune/tune.h"

/* Bytes, for people or for machines. */
static void add_bytes(struct table *t, enum format format, uint64_t bytes)
{
	char text[UNITS_LEN];

	if (format == FORMAT_CSV)
		table_cell(t, "%" PRIu64, bytes);
	else
		table_cell(t, "%s", units_bytes(text, (double)bytes));
}

static void add_row(struct table *t, const struct tune_result *x, enum format format,
    const struct tuned *u,
    bool found)
{
	const struct tune_figure *const all = found ? u->set : u->own;

	table_cell(t, "%s", u->sys->name);
	table_paint(t, u == x->best && found ? PAINT_GOOD : PAINT_PLAIN, "%s",
	    !found ? "as it comes" : u->found.conf[0] != '\0' ? u->found.conf
	    : "nothing better found");
	for (size_t i = 0; i < x->paths; i++) {
		add_bytes(t, format, all[i].peak);
		table_cell(t, "%.2f", (double)all[i].peak /
		    (double)x->rec[i].ops.head->peak_payload);
		table_cell(t, "%.1f", all[i].ns);
	}
}

enum { TITLE_LEN = 160 };

/* Three columns a recording.  A machine needs names that occur once. */
static void make_titles(const struct tune_result *x, bool text, struct column *columns,
    char (*title)[TITLE_LEN])
{
	const char *const short_words[] = {"", "of bound", "ns a call"};
	const char *const words[] = {" peak footprint", " of bound", " ns a call"};

	for (size_t i = 0; i < x->paths; i++)
		for (size_t k = 0; k < 3; k++) {
			char *const to = title[3 * i + k];
			snprintf(to, TITLE_LEN, "%s%s%s", text && k > 0 ? "" : x->rec[i].name,
			    text ? short_words[k] : words[k], text && k == 0 &&
			    i > 0 ? " (unseen)" : "");
			columns[3 * i + k] = (struct column){to, true};
		}
}

static void print_table(const struct tune_result *x, enum format format)
{
	struct column columns[2 + 3 * TUNE_RECORDINGS] = {{"system", false}, {"settings", false}};
	char title[3 * TUNE_RECORDINGS][TITLE_LEN];
	const size_t count = x->paths;
	struct table t;

	make_titles(x, format == FORMAT_TEXT, columns + 2, title);
	table_begin(&t, columns, 2 + 3 * count);
	for (size_t i = 0; i < x->systems; i++) {
		add_row(&t, x, format, &x->tuned[i], false);
		add_row(&t, x, format, &x->tuned[i], true);
	}
	table_cell(&t, "lower bound");
	table_cell(&t, "the peak payload");
	for (size_t i = 0; i < count; i++) {
		add_bytes(&t, format, x->rec[i].ops.head->peak_payload);
		table_cell(&t, "1.00");
		table_cell(&t, "%s", "");
	}
	if (format == FORMAT_CSV)
		table_csv(&t, stdout);
	else
		table_text(&t, stdout);
	table_end(&t);
	if (format == FORMAT_TEXT)
		printf("peak footprint in simulated memory; ns of CPU, payloads untouched; the "
		    "search saw %s%s\n",
		    x->rec[0].name, count > 1 ? " only" : "");
}

static void print_figures(struct json *j, const char *key, const struct tune_figure *f,
    size_t count)
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

static void print_json(const struct tune_result *x)
{
	struct json j;

	json_begin(&j, stdout);
	json_schema(&j, "dmm-tune", 1);
	json_string(&j, "best", x->best->sys->name);
	json_array(&j, "recordings");
	for (size_t i = 0; i < x->paths; i++) {
		json_object(&j, NULL);
		json_string(&j, "path", x->rec[i].path);
		json_bool(&j, "searched", i == 0);
		json_integer(&j, "calls", (int64_t)x->rec[i].ops.head->calls);
		json_integer(&j, "lower_bound_bytes", (int64_t)x->rec[i].ops.head->peak_payload);
		json_end(&j);
	}
	json_end(&j);
	json_array(&j, "systems");
	for (size_t i = 0; i < x->systems; i++) {
		const struct tuned *const u = &x->tuned[i];
		json_object(&j, NULL);
		json_string(&j, "name", u->sys->name);
		json_string(&j, "settings", u->found.conf);
		json_integer(&j, "tried", (int64_t)u->found.tried);
		print_figures(&j, "as_it_comes", u->own, x->paths);
		print_figures(&j, "tuned", u->set, x->paths);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
}

/* ---- the file -------------------------------------------------------------------------------- */

/* "4.31 MiB -> 4.26 MiB, lower bound 3.62 MiB" */
static void print_gain(FILE *f, const struct tune_result *x, size_t i)
{
	char own[UNITS_LEN], set[UNITS_LEN], bound[UNITS_LEN];

	fprintf(f, "%s -> %s, lower bound %s", units_bytes(own, (double)x->best->own[i].peak),
	    units_bytes(set, (double)x->best->set[i].peak),
	    units_bytes(bound, (double)x->rec[i].ops.head->peak_payload));
}

static void write_file(const struct tune_result *x)
{
	FILE *const f = fopen(x->out, "we");
	const char *const name = x->best->sys->name;

	if (f == NULL)
		lab_die(EXIT_OURS, "%s: %s", x->out, strerror(errno));
	fprintf(f, "# Settings for %s, found by dmm " DMM_VERSION " tune.\n"
	           "#   dmm run --system=%s --conf=THIS_FILE -- PROGRAM ARG...\n"
	           "#   LD_PRELOAD=libdmm-%s.so DMM_CONF=file:THIS_FILE PROGRAM ARG...\n"
	           "# Peak footprint of the model, as it comes -> with these settings:\n",
	    name, name, name);
	for (size_t i = 0; i < x->paths; i++) {
		fprintf(f, "#   %s, %s: ", x->rec[i].name,
		    i == 0 ? "searched" : "not seen by the search");
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
		lab_die(EXIT_OURS, "%s: %s", x->out, strerror(errno));
}

/* ---- in words -------------------------------------------------------------------------------- */

static double ratio(const struct tuned *u, size_t i)
{
	return (double)u->set[i].peak / (double)u->own[i].peak;
}

/* False: on some recording that was not searched, the settings cost memory. */
static bool tell(const struct tune_result *x)
{
	const struct tuned *const u = x->best;
	char change[UNITS_LEN];
	bool holds = true;

	for (size_t i = 0; i < x->paths; i++) {
		lab_say("%s: %s, next to %s as it comes; %.0f %% above the lower bound%s",
		    x->rec[i].name,
		    units_change(change, ratio(u, i), "memory"), u->sys->name,
		    100 * ((double)u->set[i].peak / (double)x->rec[i].ops.head->peak_payload - 1),
		    i == 0 ? "" : "; the search did not see it");
		holds &= i == 0 || ratio(u, i) <= 1.005;
	}
	if (x->paths == 1)
		lab_say("one recording cannot show that the gain holds: record another run and "
		    "give it as well");
	if (!holds)
		lab_say("the gain does not hold: do not use %s", x->out);
	lab_next(NULL, "dmm run --system=%s --conf=%s -- PROGRAM ARG...", u->sys->name, x->out);
	return holds;
}

const struct tuned *tune_best(const struct tuned *all, size_t count)
{
	const struct tuned *best = &all[0];

	for (size_t i = 1; i < count; i++)
		if (all[i].score > best->score)
			best = &all[i];
	return best;
}

bool tune_report(const struct tune_result *x, enum format format)
{
	write_file(x);
	if (format == FORMAT_JSON)
		print_json(x);
	else
		print_table(x, format);
	return tell(x);
}
