/* tune_print.c - what a search found: the settings file, the table for people and machines, and
 * words. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/screen.h"
#include "cli/table.h"
#include "cli/units.h"
#include "slab/system.h"
#include "tune/tune.h"

static const double HOLDS =
    1.005; /* of the memory as it comes, on a recording that was not searched */

/* ---- the table ------------------------------------------------------------------------------- */

/* Bytes, for people or for machines. */
static void add_bytes(struct table *t, enum format format, double bytes)
{
	char text[UNITS_LEN];

	if (format == FORMAT_CSV)
		table_cell(t, "%.0f", bytes);
	else
		table_cell(t, "%s", units_bytes(text, bytes));
}

static const char *role(const struct tune_result *x, size_t i)
{
	return i < x->order->searched ? "searched" : "not searched";
}

static void add_row(struct table *t, const struct tune_result *x, enum format format,
    const struct tuned *u, size_t i, bool found)
{
	const struct tune_figure *const f = found ? &u->set[i] : &u->own[i];

	table_cell(t, "%s", x->rec[i].name);
	table_cell(t, "%s", role(x, i));
	table_cell(t, "%s", u->sys->name);
	table_paint(t, u == x->best && found ? PAINT_GOOD : PAINT_PLAIN, "%s",
	    !found                     ? "as it comes"
	    : u->found.conf[0] != '\0' ? u->found.conf
	                               : "nothing better found");
	add_bytes(t, format, f->mean);
	add_bytes(t, format, (double)f->peak);
	add_bytes(t, format, (double)f->end);
	table_cell(t, "%+.2f %%", found ? 100 * tune_longer(u, x->rec, i) : 0.0);
}

static void add_bound(struct table *t, const struct tune_result *x, enum format format, size_t i)
{
	table_cell(t, "%s", x->rec[i].name);
	table_cell(t, "%s", role(x, i));
	table_cell(t, "lower bound");
	table_cell(t, "the peak payload");
	table_cell(t, "%s", "");
	add_bytes(t, format, (double)x->rec[i].ops.head->peak_payload);
	table_cell(t, "%s", "");
	table_cell(t, "%s", "");
}

static void print_table(const struct tune_result *x, enum format format)
{
	static const struct column columns[] = {{"recording", false}, {"role", false},
	    {"design", false}, {"settings", false}, {"on average", true}, {"at the peak", true},
	    {"at the end", true}, {"run time", true}};
	enum { ROLE = 1, SETTINGS = 3, AT_PEAK = 5, AT_END, RUN_TIME };
	struct table t;

	table_begin(&t, columns, sizeof columns / sizeof *columns);
	table_below(&t, SETTINGS);
	table_spare(&t, AT_END, 1);
	table_spare(&t, AT_PEAK, 1);
	table_spare(&t, RUN_TIME, 1);
	table_spare(&t, ROLE, 1);
	for (size_t i = 0; i < x->paths; i++) {
		for (size_t k = 0; k < x->systems; k++) {
			add_row(&t, x, format, &x->tuned[k], i, false);
			add_row(&t, x, format, &x->tuned[k], i, true);
		}
		add_bound(&t, x, format, i);
	}
	if (format == FORMAT_CSV)
		table_csv(&t, stdout);
	else
		table_text(&t, stdout);
	table_end(&t);
	if (format == FORMAT_TEXT)
		screen_text(stdout, 0,
		    "bytes of heap, in simulated memory; run time: change against the design as it "
		    "comes, estimated from system calls, page faults and slow calls");
}

/* ---- for machines ---------------------------------------------------------------------------- */

static void print_figures(
    struct json *j, const char *key, const struct tune_figure *f, size_t count)
{
	json_array(j, key);
	for (size_t i = 0; i < count; i++) {
		json_object(j, NULL);
		json_number(j, "mean_footprint_bytes", f[i].mean);
		json_count(j, "peak_footprint_bytes", f[i].peak);
		json_count(j, "end_footprint_bytes", f[i].end);
		json_number(j, "steps", f[i].steps);
		json_end(j);
	}
	json_end(j);
}

static void print_json(const struct tune_result *x, const struct gain *g)
{
	static const char *const figures[] = {"mean", "peak", "end"};
	struct json j;

	json_begin(&j, stdout);
	json_schema(&j, "dmm-tune", 2);
	json_string(&j, "best", x->best->sys->name);
	json_string(&j, "by", figures[x->order->by]);
	json_array(&j, "recordings");
	for (size_t i = 0; i < x->paths; i++) {
		json_object(&j, NULL);
		json_string(&j, "path", x->rec[i].path);
		json_bool(&j, "searched", i < x->order->searched);
		json_count(&j, "calls", x->rec[i].ops.head->calls);
		json_count(&j, "lower_bound_bytes", x->rec[i].ops.head->peak_payload);
		json_end(&j);
	}
	json_end(&j);
	json_array(&j, "systems");
	for (size_t i = 0; i < x->systems; i++) {
		const struct tuned *const u = &x->tuned[i];
		json_object(&j, NULL);
		json_string(&j, "name", u->sys->name);
		json_string(&j, "settings", u->found.conf);
		json_count(&j, "tried", u->found.tried);
		json_bool(&j, "cut_short", u->cut_short);
		print_figures(&j, "as_it_comes", u->own, x->paths);
		print_figures(&j, "tuned", u->set, x->paths);
		json_end(&j);
	}
	json_end(&j);
	if (g != NULL)
		gain_json(g, &j);
	json_end(&j);
}

/* ---- the file -------------------------------------------------------------------------------- */

static const char *const when[] = {"on average", "at the peak", "at the end"};

/* "17.7 MiB -> 16.4 MiB on average, 25.1 MiB -> 22.0 MiB at the peak" */
static void print_gain(FILE *f, const struct tune_result *x, size_t i)
{
	const enum tune_by order[] = {
	    x->order->by, x->order->by == TUNE_BY_PEAK ? TUNE_BY_MEAN : TUNE_BY_PEAK};
	char own[UNITS_LEN], set[UNITS_LEN];

	for (size_t k = 0; k < 2; k++)
		fprintf(f, "%s%s -> %s %s", k != 0 ? ", " : "",
		    units_bytes(own, tune_figure_by(&x->best->own[i], order[k])),
		    units_bytes(set, tune_figure_by(&x->best->set[i], order[k])), when[order[k]]);
}

static void write_file(const struct tune_result *x)
{
	FILE *const f = fopen(x->out, "we");
	const char *const name = x->best->sys->name;

	if (f == NULL)
		lab_die(EXIT_OURS, "%s: %s", x->out, strerror(errno));
	fprintf(f,
	    "# Settings for %s, found by dmm " DMM_VERSION " tune.\n"
	    "#   dmm run --system=%s --conf=THIS_FILE -- PROGRAM ARG...\n"
	    "#   LD_PRELOAD=libdmm%s%s.so DMM_CONF=file:THIS_FILE PROGRAM ARG...\n"
	    "# Footprint of the model, as it comes -> with these settings:\n",
	    name, name, x->best->sys == &system_slab ? "" : "-",
	    x->best->sys == &system_slab ? "" : name);
	for (size_t i = 0; i < x->paths; i++) {
		fprintf(f, "#   %s, %s: ", x->rec[i].name, role(x, i));
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

static double ratio(const struct tune_result *x, size_t i)
{
	const enum tune_by by = x->order->by;
	return tune_figure_by(&x->best->set[i], by) / tune_figure_by(&x->best->own[i], by);
}

bool tune_gains(const struct tune_result *x)
{
	return x->best->found.conf[0] != '\0';
}

static void tell_nothing(const struct tune_result *x)
{
	lab_say(
	    "nothing is to be gained: none of %zu sets of settings holds less memory %s than %s "
	    "as it comes without making the run longer by more than it saves",
	    x->best->found.tried, when[x->order->by], x->best->sys->name);
}

static void tell_gain(const struct tune_result *x, size_t i)
{
	char change[UNITS_LEN], noun[64], own[UNITS_LEN], set[UNITS_LEN], time[64];
	const double percent = 100 * tune_longer(x->best, x->rec, i);

	snprintf(noun, sizeof noun, "memory %s", when[x->order->by]);
	if (fabs(percent) < 0.05)
		snprintf(time, sizeof time, "takes the same time");
	else
		snprintf(time, sizeof time, "takes %.1f %% %s", fabs(percent),
		    percent < 0 ? "less time" : "more time");
	lab_say(
	    "%s (%s): %s, %s against %s of %s as it comes; the model counts that the run %s",
	    x->rec[i].name, role(x, i), units_change(change, ratio(x, i), noun),
	    units_bytes(set, tune_figure_by(&x->best->set[i], x->order->by)),
	    units_bytes(own, tune_figure_by(&x->best->own[i], x->order->by)), x->best->sys->name,
	    time);
}

/* False: on some recording that was not searched, the settings cost memory.  measured: real runs
 * tell afterwards what to take instead. */
static bool tell(const struct tune_result *x, bool measured)
{
	bool holds = true;

	if (x->best->cut_short)
		lab_say(
		    "%s: the search ended after %zu sets of settings: on recordings this long it "
		    "tries no more",
		    x->best->sys->name, x->best->found.tried);
	if (!tune_gains(x)) {
		tell_nothing(x);
		return true;
	}
	for (size_t i = 0; i < x->paths; i++) {
		tell_gain(x, i);
		holds &= i < x->order->searched || ratio(x, i) <= HOLDS;
	}
	if (x->paths == x->order->searched)
		lab_say("no recording was left to show that the gain holds: record another run and "
		        "give it as well");
	if (!holds && measured)
		lab_say("the gain does not hold: do not use %s", x->out);
	else if (!holds)
		lab_say("the gain does not hold: do not use %s; stay with %s as it comes, or "
		        "search all recordings (--search=%zu) and check on another one",
		    x->out, x->best->sys->name, x->paths);
	return holds;
}

/* The settings file says what it was measured to be worth. */
static void add_proof(const char *path, const struct gain *g)
{
	FILE *const f = fopen(path, "ae");

	if (f == NULL)
		lab_die(EXIT_OURS, "%s: %s", path, strerror(errno));
	fprintf(f, "# Measured in %zu real runs: ", g->set->good);
	gain_sentence(g, f);
	fputc('\n', f);
	if (fclose(f) != 0)
		lab_die(EXIT_OURS, "%s: %s", path, strerror(errno));
}

static void measure(const struct tune_result *x, struct gain *g, bool holds)
{
	static const enum figure figures[] = {FIGURE_MEAN, FIGURE_PEAK, FIGURE_END};

	g->system = x->best->sys->name;
	g->conf = tune_gains(x) ? x->out : NULL;
	g->figure = figures[x->order->by];
	g->slower = x->order->slower;
	g->refuted = !holds;
	gain_measure(g);
	add_proof(x->out, g);
}

/* The gain was not measured: by which command it is; or what to do if it does not hold. */
static void tell_next(const struct tune_result *x, bool holds)
{
	const char *const name = x->best->sys->name;
	char *systems = NULL;

	if (!holds)
		lab_next(NULL, "dmm record -o other.dmm -- PROGRAM ARG...");
	else if (tune_gains(x) &&
	    asprintf(&systems, "--systems=%s,%s?DMM_CONF=file:%s", name, name, x->out) >= 0)
		lab_next(NULL, "dmm compare %s -- PROGRAM ARG...", lab_quoted(systems));
	else
		lab_next(NULL, "dmm compare --systems=%s -- PROGRAM ARG...", name);
	free(systems);
}

bool tune_report(const struct tune_result *x, enum format format, struct gain *g)
{
	bool holds;

	write_file(x);
	if (format != FORMAT_JSON)
		print_table(x, format);
	fflush(stdout);
	holds = tell(x, g != NULL);
	if (g == NULL) {
		if (format == FORMAT_JSON)
			print_json(x, g);
		tell_next(x, holds);
		return holds;
	}
	measure(x, g, holds);
	if (format == FORMAT_JSON)
		print_json(x, g);
	holds = gain_text(g, format == FORMAT_TEXT ? stdout : stderr) && holds;
	gain_next(g);
	return holds;
}
