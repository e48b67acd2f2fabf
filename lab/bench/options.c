/* options.c - measures how each technique of the appendix changes the space that a design needs.
 *
 * Utilisation is peak payload / peak footprint, both in bytes, payloads aligned to 16.  Generated
 * loads and recordings run on simulated memory: the same figures in every run.  First each value of
 * each technique alone against the design's own settings, then the best set that coordinate ascent
 * finds: change one technique at a time for as long as the geometric mean gains.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/array.h"
#include "tune/ascent.h"
#include "bench/bench.h"
#include "bench/loads.h"
#include "cli/json.h"
#include "replay/model.h"
#include "system/policy/params.h"
#include "cli/table.h"
#include "allocators/techniques.h"

enum { RECORDINGS_MAX = 16, COLUMNS_MAX = LOADS + RECORDINGS_MAX };
static const double GAIN = 1.0005; /* of the mean; less is not worth another setting */

struct option_row {
	char conf[ASCENT_CONF]; /* key:value,..; "" as the design comes */
	double utilisation[COLUMNS_MAX], mean; /* of 1; mean is geometric */
};

struct option_suite {
	const struct bench_options *o;
	const struct dmm_system *sys;
	char *const *recordings;
	size_t columns;
};

static double of_load(const struct load *load, const struct dmm_system *sys,
    const struct dmm_params *params)
{
	struct bench_heap heap;

	bench_heap_open(&heap, sys, params);
	const size_t payload = load->run(&heap);
	const size_t footprint = heap.os.peak_bytes;
	bench_heap_close(&heap);
	return (double)payload / (double)footprint;
}

/* Recording i, made ready when it is first wanted. */
static const struct replay_ops *ops_of(const struct option_suite *s, size_t i)
{
	static struct replay_ops ops[RECORDINGS_MAX];
	struct trace_error e;

	if (ops[i].head == NULL && !replay_ops_build(&ops[i], s->recordings[i], OPS_FOR_MODELS, &e))
		lab_die(EXIT_FAULT, "%s: %s", s->recordings[i], e.text);
	return &ops[i];
}

static double of_recording(const struct option_suite *s, size_t i, const struct dmm_params *params)
{
	const char *const path = s->recordings[i];
	const struct dmm_system *const sys = s->sys;
	struct subject subject = {.sys = sys, .params = *params};
	struct model_result r;

	snprintf(subject.name, sizeof subject.name, "%s", sys->name);
	if (!model_memory(&r, ops_of(s, i), &subject, 0, NULL))
		lab_die(EXIT_OURS, "%s: no memory", path);
	if (r.problem[0] != '\0' || r.peak.footprint == 0)
		lab_die(EXIT_FAULT, "%s on %s: %s", path, sys->name,
		    r.problem[0] != '\0' ? r.problem : "nothing is allocated in it");
	const double utilisation = (double)r.peak_payload / (double)r.peak.footprint;
	return utilisation;
}

/* False: these settings cannot be together. */
static bool measure(const struct option_suite *s, const char *conf, struct option_row *row)
{
	struct dmm_params params = s->sys->defaults;
	struct conf_error e;
	double sum = 0;

	if (!params_parse(&params, s->sys, conf, &e))
		return false;
	snprintf(row->conf, sizeof row->conf, "%s", conf);
	for (size_t i = 0; i < s->columns; i++) {
		row->utilisation[i] = i < LOADS ? of_load(&bench_loads[i], s->sys, &params)
		                                : of_recording(s, i - LOADS, &params);
		sum += log(row->utilisation[i]);
	}
	row->mean = exp(sum / (double)s->columns);
	return true;
}

/* ---- the best set ---------------------------------------------------------------------------- */

static bool mean_of(void *arg, const char *conf, double *score)
{
	struct option_row row;

	if (!measure(arg, conf, &row))
		return false;
	*score = row.mean;
	return true;
}

static void find_best(const struct option_suite *s, struct option_row *best)
{
	const struct ascent a = {.sys = s->sys,
	    .technique = techniques,
	    .count = TECHNIQUES,
	    .gain = GAIN,
	    .score = mean_of,
	    .arg = (void *)(uintptr_t)s};
	struct ascent_result r;

	ascent_climb(&a, &r);
	measure(s, r.conf, best);
}

/* ---- results --------------------------------------------------------------------------------- */

static const char *column_name(const struct option_suite *s, size_t i)
{
	if (i < LOADS)
		return bench_loads[i].name;
	const char *const path = s->recordings[i - LOADS], *const slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

struct rows {
	struct option_row *row;
	size_t count, cap;
};

static struct option_row *rows_add(struct rows *rows)
{
	if (!ARRAY_RESERVE(rows->row, rows->cap, rows->count + 1))
		lab_die(EXIT_OURS, "no memory for the results");
	return &rows->row[rows->count++];
}

/* The design as it comes, each value alone, the best set. */
static struct rows measure_all(const struct option_suite *s)
{
	struct rows rows = {0};
	char conf[64];

	measure(s, "", rows_add(&rows));
	for (size_t i = 0; i < TECHNIQUES; i++)
		for (size_t v = 0; techniques[i].values[v] != NULL; v++) {
			snprintf(conf, sizeof conf, "%s:%s", techniques[i].key,
			    techniques[i].values[v]);
			if (!(s->sys->options & techniques[i].option) ||
			    ascent_changes_nothing(s->sys, conf))
				continue;
			if (!measure(s, conf, rows_add(&rows)))
				rows.count--;
		}
	find_best(s, rows_add(&rows));
	return rows;
}

static void print_table(const struct option_suite *s, const struct rows *rows)
{
	struct column columns[COLUMNS_MAX + 2] = {{s->sys->name, false}};
	struct table t;

	for (size_t i = 0; i < s->columns; i++)
		columns[i + 1] = (struct column){column_name(s, i), true};
	columns[s->columns + 1] = (struct column){"mean", true};
	table_begin(&t, columns, s->columns + 2);
	table_split(&t, 1, 0);
	for (size_t r = 0; r < rows->count; r++) {
		const struct option_row *const row = &rows->row[r];
		table_cell(&t, "%s", row->conf[0] != '\0' ? row->conf : "as it comes");
		for (size_t i = 0; i < s->columns; i++)
			table_cell(&t, "%.1f", 100 * row->utilisation[i]);
		table_paint(&t, row->mean > rows->row[0].mean * GAIN ? PAINT_GOOD : PAINT_PLAIN,
		    "%.1f", 100 * row->mean);
	}
	if (s->o->format == FORMAT_CSV)
		table_csv(&t, stdout);
	else
		table_text(&t, stdout);
	table_end(&t);
	if (s->o->format == FORMAT_TEXT)
		printf("peak payload in %% of peak footprint; the last row is the best set "
		       "found\n\n");
}

static void print_json(struct json *j, const struct option_suite *s, const struct rows *rows)
{
	json_object(j, NULL);
	json_string(j, "name", s->sys->name);
	json_array(j, "rows");
	for (size_t r = 0; r < rows->count; r++) {
		json_object(j, NULL);
		json_string(j, "settings", rows->row[r].conf);
		json_object(j, "utilisation");
		for (size_t i = 0; i < s->columns; i++)
			json_number(j, column_name(s, i), rows->row[r].utilisation[i]);
		json_end(j);
		json_number(j, "geometric_mean", rows->row[r].mean);
		json_bool(j, "best", r + 1 == rows->count);
		json_end(j);
	}
	json_end(j);
	json_end(j);
}

static size_t count_words(char *const *words)
{
	size_t n = 0;

	while (words[n] != NULL)
		n++;
	if (n > RECORDINGS_MAX)
		lab_die(EXIT_USAGE, "at most %d recordings", RECORDINGS_MAX);
	return n;
}

static int list_loads(void)
{
	for (size_t i = 0; i < LOADS; i++)
		printf("%-10s %s\n", bench_loads[i].name, bench_loads[i].doc);
	return EXIT_FINE;
}

int bench_techniques(const struct bench_options *o)
{
	struct json j;

	if (o->list)
		return list_loads();
	if (o->format == FORMAT_JSON) {
		json_begin(&j, stdout);
		json_schema(&j, "dmm-bench-options", 2);
		json_array(&j, "systems");
	}
	for (size_t i = 0; i < o->system_count; i++) {
		struct option_suite s = {o, o->systems[i], o->words, LOADS + count_words(o->words)};
		if (!(s.sys->options & DMM_OPT_REUSE)) {
			if (o->systems_text != NULL)
				lab_say("%s has none of these techniques", s.sys->name);
			continue;
		}
		const struct rows rows = measure_all(&s);
		if (o->format == FORMAT_JSON)
			print_json(&j, &s, &rows);
		else
			print_table(&s, &rows);
		free(rows.row);
	}
	if (o->format == FORMAT_JSON) {
		json_end(&j);
		json_end(&j);
	}
	return EXIT_FINE;
}
