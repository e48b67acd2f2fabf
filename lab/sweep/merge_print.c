/* merge_print.c - results of cells as one table a recording and kind of result. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/input.h"
#include "cli/progress.h"
#include "cli/array.h"
#include "cli/lab.h"
#include "replay/model_print.h"
#include "sweep/merge_table.h"

struct merging {
	const struct merge_order *order;
	struct merge_cell *cell;
	size_t cells, room;
	bool fault;
};

static bool have(const struct merging *r, const char *hash)
{
	for (size_t i = 0; i < r->cells; i++)
		if (strcmp(r->cell[i].hash, hash) == 0)
			return true;
	return false;
}

static void read_results(struct merging *r)
{
	char why[MERGE_WHY];
	size_t all = 0, done = 0;

	while (r->order->files[all] != NULL)
		all++;
	progress_begin("reading the results of %zu cell%s", all, all == 1 ? "" : "s");
	for (char *const *file = r->order->files; *file != NULL; file++) {
		progress_share((double)done++ / (double)all);
		ARRAY_GROW(r->cell, r->room, r->cells + 1);
		struct merge_cell *const c = &r->cell[r->cells];
		if (!merge_read(*file, c, why)) {
			lab_say("%s: %s; it is left out", *file, why);
			r->fault = true;
		} else if (!have(r, c->hash)) { /* one cell may have been run, or named, twice */
			r->cells++;
		}
	}
	progress_end();
	if (r->cells == 0)
		lab_die(EXIT_FAULT, "no file holds the result of a cell");
}

/* Each planned cell has its hash in its line. */
static void check_jobs(struct merging *r)
{
	static const char key[] = "--cell=";
	char *line = NULL, hash[CELL_HASH_LEN];
	size_t cap = 0, missing = 0, all = 0;
	FILE *const f = input_text(r->order->jobs);

	if (f == NULL)
		lab_die(EXIT_FAULT, "%s: %s", r->order->jobs, input_why(errno));
	while (getline(&line, &cap, f) > 0) {
		const char *const at = strstr(line, key);
		if (at == NULL)
			continue;
		snprintf(hash, sizeof hash, "%.*s", CELL_HASH_LEN - 1, at + strlen(key));
		all++;
		missing += !have(r, hash);
	}
	free(line);
	fclose(f);
	if (missing != 0)
		lab_say("%zu of %zu planned cells have no result yet; run the jobs again, what is "
		    "done is not redone",
		    missing, all);
	r->fault |= missing != 0;
}

/* ---- groups: one recording, one kind, one set of options ------------------------------------- */

static int compare_cells(const void *x, const void *y)
{
	const struct merge_cell *const a = x, *const b = y;
	int d = a->model - b->model;

	d = d != 0 ? d : strcmp(a->recording, b->recording);
	d = d != 0 ? d : strcmp(a->recording_hash, b->recording_hash);
	d = d != 0 ? d : strcmp(a->touch, b->touch);
	d = d != 0 ? d : strcmp(a->thp, b->thp);
	return d;
}

/* In the order in which one would list them: by repeat, so that each name first comes in repeat
 * 1. */
static int compare_all(const void *x, const void *y)
{
	const struct merge_cell *const a = x, *const b = y;
	const int d = compare_cells(x, y);

	if (d != 0)
		return d;
	if (a->repeat != b->repeat)
		return a->repeat < b->repeat ? -1 : 1;
	return strcmp(a->row[a->rows - 1].name, b->row[b->rows - 1].name);
}

/* Same name, another binary: no table can hold both. */
static void check_binaries(const struct merge_cell *const *cells, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = 0; k < i; k++) {
			const struct merge_row *const a = &cells[i]->row[cells[i]->rows - 1];
			const struct merge_row *const b = &cells[k]->row[cells[k]->rows - 1];
			if (strcmp(a->name, b->name) == 0 &&
			    (strcmp(a->build_id, b->build_id) != 0 || cells[i]->model))
				lab_die(EXIT_FAULT,
				    "%s and %s are both of %s, but of another build or option; "
				    "merge them in two calls",
				    cells[k]->file, cells[i]->file, a->name);
		}
}

struct merge_sink {
	const struct merging *r;
	struct json json;
	struct table table;
};

static void put_time(struct merge_sink *s, const struct native *n)
{
	switch (s->r->order->format) {
	case FORMAT_TEXT:
		native_text(n, stdout);
		putchar('\n');
		break;
	case FORMAT_CSV:
		native_csv_rows(n, &s->table);
		break;
	case FORMAT_JSON:
		json_object(&s->json, NULL);
		native_json(n, &s->json);
		json_end(&s->json);
	}
}

static bool merge_group_time(struct merge_sink *s, const struct merge_cell *const *cells,
    size_t count)
{
	static struct native n;
	struct replay_ops ops = {.fd = -1};
	struct replay_head head;
	bool fault = false;

	check_binaries(cells, count);
	if (!merge_time(&n, &ops, &head, cells, count))
		lab_die(EXIT_FAULT, "more than %d allocators on %s; merge fewer", ROWS_MAX,
		    cells[0]->recording);
	put_time(s, &n);
	for (size_t i = 0; i < n.compare.rows; i++)
		fault |= n.row[i].failed != 0;
	return fault || verdict_has_fault(&n.compare);
}

static bool merge_group_model(struct merge_sink *s, const struct merge_cell *const *cells,
    size_t count)
{
	struct model_result *const results = calloc(count, sizeof *results);
	struct subject *const subjects = calloc(count, sizeof *subjects);
	bool fault = false;

	CHECK(results != NULL && subjects != NULL);
	check_binaries(cells, count);
	for (size_t i = 0; i < count; i++) {
		merge_model(&results[i], &subjects[i], cells[i]);
		fault |= results[i].problem[0] != '\0';
	}
	if (s->r->order->format == FORMAT_TEXT) {
		printf("%s, on simulated memory\n\n", cells[0]->recording);
		model_text(results, count, stdout);
		putchar('\n');
	} else if (s->r->order->format == FORMAT_CSV) {
		model_csv_rows(cells[0]->recording, results, count, false, &s->table);
	} else {
		json_object(&s->json, NULL);
		model_json(cells[0]->recording, results, count, NULL, &s->json);
		json_end(&s->json);
	}
	free(results);
	free(subjects);
	return fault;
}

/* All groups of one kind. */
static void merge_kind(struct merging *r, struct merge_sink *s, bool model)
{
	const struct merge_cell **const group = calloc(r->cells + 1, sizeof *group);

	CHECK(group != NULL);
	for (size_t i = 0, n; i < r->cells; i += n) {
		for (n = 0; i + n < r->cells && compare_cells(&r->cell[i], &r->cell[i + n]) == 0;
		    n++)
			group[n] = &r->cell[i + n];
		if (r->cell[i].model == model)
			r->fault |= model ? merge_group_model(s, group, n)
			    : merge_group_time(s, group, n);
	}
	free(group);
}

static bool any(const struct merging *r, bool model)
{
	for (size_t i = 0; i < r->cells; i++)
		if (r->cell[i].model == model)
			return true;
	return false;
}

static void print(struct merging *r)
{
	struct merge_sink s = {.r = r};

	if (r->order->format == FORMAT_CSV) {
		if (any(r, true) && any(r, false))
			lab_die(EXIT_USAGE, "cells of space and of time have different columns: "
			                    "for CSV, merge them in two calls");
		if (any(r, true))
			model_csv_begin(&s.table);
		else
			native_csv_begin(&s.table);
	}
	if (r->order->format == FORMAT_JSON) {
		json_begin(&s.json, stdout);
		json_schema(&s.json, "dmm-merge", 1);
		json_count(&s.json, "cells", r->cells);
		json_array(&s.json, "time");
	}
	merge_kind(r, &s, false);
	if (r->order->format == FORMAT_JSON) {
		json_end(&s.json);
		json_array(&s.json, "space");
	}
	merge_kind(r, &s, true);
	if (r->order->format == FORMAT_JSON) {
		json_end(&s.json);
		json_end(&s.json);
	}
	if (r->order->format == FORMAT_CSV) {
		table_csv(&s.table, stdout);
		table_end(&s.table);
	}
}

int merge_print(const struct merge_order *order)
{
	static struct merging r;

	r = (struct merging){.order = order};
	read_results(&r);
	if (order->jobs != NULL)
		check_jobs(&r);
	qsort(r.cell, r.cells, sizeof *r.cell, compare_all);
	print(&r);
	return r.fault ? EXIT_FAULT : EXIT_FINE;
}
