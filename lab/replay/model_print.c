/* model_print.c - where every byte is: a model replay for people, as CSV and as JSON. */
#include "replay/model_print.h"

#include <inttypes.h>
#include <string.h>

#include "cli/screen.h"
#include "cli/units.h"

static const struct column part_columns[] = {{"payload", true}, {"padding", true},
    {"headers", true},
    {"bins", true}, {"caches", true}, {"tails", true}, {"retained", true}};

/* ---- peaks ----------------------------------------------------------------------------------- */

static void add_row(struct table *t, const struct model_result *r)
{
	char bytes[UNITS_LEN];
	const double all = (double)r->peak.footprint;

	table_cell(t, "%s", r->subject->name);
	table_cell(t, "%s", units_bytes(bytes, all));
	table_cell(t, "%.1f %%", all > 0 ? 100.0 * (double)r->peak_payload / all : 0.0);
	table_cell(t, "%s", units_bytes(bytes, r->mean));
	table_cell(t, "%s", units_bytes(bytes, (double)r->end));
	for (int i = 0; i < PARTS; i++)
		table_cell(t, "%.1f", all > 0 ? 100.0 * (double)r->peak.part[i] / all : 0.0);
	table_paint(t, PAINT_BAD, "%s", r->problem);
}

void model_text(const struct model_result *results, size_t n, FILE *out)
{
	enum { FIRST = 5 };
	struct column columns[FIRST + PARTS + 1] = {{"system", false}, {"peak footprint", true},
	    {"utilisation", true}, {"on average", true}, {"at the end", true}};
	struct table t;
	char bytes[UNITS_LEN];

	memcpy(columns + FIRST, part_columns, sizeof part_columns);
	columns[FIRST].title = "payload %";
	columns[FIRST + PARTS] = (struct column){"", false};
	table_begin(&t, columns, sizeof columns / sizeof *columns);
	table_split(&t, 1, FIRST);
	for (size_t i = 0; i < n; i++)
		add_row(&t, &results[i]);
	table_text(&t, out);
	screen_words(out, 0,
	    "lower bound: %s, the peak payload; the parts are %% of each system's peak footprint",
	    units_bytes(bytes, (double)results[0].peak_payload));
	table_end(&t);
}

static void csv_accounting(struct table *t, const char *path, const struct model_result *r,
    const char *what, const struct accounting *a)
{
	table_cell(t, "%s", path);
	table_cell(t, "%s", r->subject->name);
	table_cell(t, "%s", what);
	table_cell(t, "%" PRIu64, a->events);
	table_cell(t, "%" PRIu64, a->ns);
	table_cell(t, "%" PRIu64, a->footprint);
	for (int i = 0; i < PARTS; i++)
		table_cell(t, "%" PRIu64, a->part[i]);
	table_cell(t, "%" PRIu64, a->live_count);
	table_cell(t, "%s", r->problem);
}

void model_csv_begin(struct table *t)
{
	static const struct column columns[] = {{"recording", 0}, {"system", 0}, {"at", 0},
	    {"events", 0}, {"ns", 0},
	    {"footprint_bytes", 0}, {"payload", 0}, {"padding", 0}, {"headers", 0}, {"bins", 0},
	    {"caches", 0}, {"tails", 0}, {"retained", 0}, {"live_objects", 0}, {"problem", 0}};

	table_begin(t, columns, sizeof columns / sizeof *columns);
}

void model_csv_rows(const char *path, const struct model_result *results, size_t n, bool over_time,
    struct table *t)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; over_time && k < results[i].sample_count; k++)
			csv_accounting(t, path, &results[i], "sample", &results[i].samples[k]);
		csv_accounting(t, path, &results[i], "peak", &results[i].peak);
	}
}

/* ---- over time ------------------------------------------------------------------------------- */

static void add_sample(struct table *t, const struct accounting *a, bool timed)
{
	char text[UNITS_LEN];

	table_cell(t, "%s", units_count(text, (double)a->events));
	table_cell(t, "%s", timed ? units_seconds(text, (double)a->ns * 1e-9) : "-");
	table_cell(t, "%s", units_bytes(text, (double)a->footprint));
	for (int i = 0; i < PARTS; i++)
		if (a->part[i] == 0)
			table_cell(t, "%s", "-");
		else
			table_cell(t, "%s", units_bytes(text, (double)a->part[i]));
}

void model_over_time_text(const struct model_result *results, size_t n, FILE *out)
{
	struct column columns[3 + PARTS] = {{"calls", true}, {"at", true}, {"footprint", true}};
	struct table t;

	memcpy(columns + 3, part_columns, sizeof part_columns);
	for (size_t i = 0; i < n; i++) {
		table_begin(&t, columns, sizeof columns / sizeof *columns);
		table_split(&t, 2, 0);
		const size_t n_samples = results[i].sample_count;
		for (size_t k = 0; k < n_samples; k++)
			add_sample(&t, &results[i].samples[k],
			    results[i].samples[n_samples - 1].ns != 0);
		fputc('\n', out);
		screen_words(out, 0, "%s: footprint = payload + padding + headers + bins + caches "
		    "+ tails + retained",
		    results[i].subject->name);
		fputc('\n', out);
		table_text(&t, out);
		table_end(&t);
	}
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void write_accounting(struct json *j, const struct accounting *a)
{
	json_count(j, "events", a->events);
	json_count(j, "ns", a->ns);
	json_count(j, "footprint_bytes", a->footprint);
	json_count(j, "live_objects", a->live_count);
	for (int i = 0; i < PARTS; i++)
		json_count(j, part_names[i], a->part[i]);
}

static void write_result(struct json *j, const struct model_result *r)
{
	json_object(j, NULL);
	json_string(j, "name", r->subject->name);
	json_string(j, "problem", r->problem[0] != '\0' ? r->problem : NULL);
	json_object(j, "peak");
	write_accounting(j, &r->peak);
	json_end(j);
	json_number(j, "mean_footprint_bytes", r->mean);
	json_count(j, "end_footprint_bytes", r->end);
	json_array(j, "samples");
	for (size_t k = 0; k < r->sample_count; k++) {
		json_object(j, NULL);
		write_accounting(j, &r->samples[k]);
		json_end(j);
	}
	json_end(j);
	json_end(j);
}

/* Nothing here depends on the run: the same recording gives the same bytes. */
void model_json(const char *path, const struct model_result *results, size_t n,
    const struct sweep_cell *cell,
    struct json *j)
{
	json_schema(j, "dmm-replay-model", 2);
	if (cell != NULL)
		cell_json(cell, j);
	json_string(j, "recording", path);
	json_count(j, "events", results[0].calls);
	json_count(j, "lower_bound_bytes", results[0].peak_payload);
	json_array(j, "rows");
	for (size_t i = 0; i < n; i++)
		write_result(j, &results[i]);
	json_end(j);
}
