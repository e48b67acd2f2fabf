/* merge_read.c - results of cells from JSON (cJSON).  A result may come from anywhere: every field
 * is looked at before it is used. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocators/allocators.h"
#include "cli/input.h"
#include "sweep/merge.h"

enum { RESULT_MAX = 64 << 20 }; /* bytes */

__attribute__((format(printf, 2, 3))) static bool bad(char why[MERGE_WHY], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, MERGE_WHY, format, args);
	va_end(args);
	return false;
}

static char *read_whole(const char *path, char why[MERGE_WHY])
{
	const int fd = input_open(path);
	FILE *const f = fd >= 0 ? fdopen(fd, "r") : NULL;
	char *text = NULL;
	long len;

	if (f == NULL) {
		bad(why, "%s", input_why(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (fseek(f, 0, SEEK_END) != 0 || (len = ftell(f)) < 0 || len > RESULT_MAX)
		bad(why, "not a result: larger than %d MiB", RESULT_MAX >> 20);
	else if ((text = malloc((size_t)len + 1)) == NULL)
		bad(why, "no memory");
	else {
		rewind(f);
		text[fread(text, 1, (size_t)len, f)] = '\0';
	}
	fclose(f);
	return text;
}

static cJSON *parse(const char *path, char why[MERGE_WHY])
{
	char *const text = read_whole(path, why);
	cJSON *root = NULL;
	const char *end = NULL;

	if (text == NULL)
		return NULL;
	root = cJSON_ParseWithOpts(text, &end, 0);
	if (root == NULL)
		bad(why, "not JSON at offset %td", end != NULL ? end - text : 0);
	free(text);
	return root;
}

/* ---- fields ---------------------------------------------------------------------------------- */

static void text_of(const cJSON *o, const char *key, char *to, size_t cap)
{
	const cJSON *const v = cJSON_GetObjectItemCaseSensitive(o, key);
	snprintf(to, cap, "%s", cJSON_IsString(v) ? v->valuestring : "");
}

static double number_of(const cJSON *o, const char *key)
{
	const cJSON *const v = cJSON_GetObjectItemCaseSensitive(o, key);
	return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

static const cJSON *at(const cJSON *o, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(o, key);
}

static void read_model_row(const cJSON *o, struct merge_row *r)
{
	static const char *const parts[MERGE_PARTS] = {"payload", "padding", "headers", "bins",
	    "caches",
	    "tails", "retained"};
	const cJSON *const peak = at(o, "peak");

	text_of(o, "problem", r->problem, sizeof r->problem);
	r->footprint = number_of(peak, "footprint_bytes");
	r->live_objects = number_of(peak, "live_objects");
	r->peak_events = number_of(peak, "events");
	r->peak_ns = number_of(peak, "ns");
	r->mean = number_of(o, "mean_footprint_bytes");
	r->end = number_of(o, "end_footprint_bytes");
	for (int i = 0; i < MERGE_PARTS; i++)
		r->part[i] = number_of(peak, parts[i]);
}

static void read_time_row(const cJSON *o, struct merge_row *r)
{
	static const char *const quantiles[MERGE_QUANTILES] = {"p50", "p90", "p99", "p99.9",
	    "p99.99"};
	const cJSON *const run = cJSON_GetArrayItem(at(o, "runs"), 0);
	const cJSON *const all = at(at(o, "latency_ns"), "all"), *const loaded = at(o, "loaded");
	char thp[16];

	text_of(o, "kind", r->kind, sizeof r->kind);
	text_of(o, "outcome", r->outcome, sizeof r->outcome);
	text_of(o, "why", r->why, sizeof r->why);
	text_of(o, "path", r->path, sizeof r->path);
	text_of(o, "build_id", r->build_id, sizeof r->build_id);
	text_of(o, "thp", thp, sizeof thp);
	r->no_huge_pages = strcmp(thp, "off") == 0;
	r->loaded = cJSON_IsBool(loaded) ? cJSON_IsTrue(loaded) : -1;
	r->wall_s = number_of(run, "wall_s");
	r->cpu_s = number_of(run, "cpu_s");
	r->peak_rss = number_of(run, "peak_rss_bytes");
	r->faults = number_of(run, "faults");
	r->failed = number_of(o, "failed_calls");
	for (int i = 0; i < MERGE_QUANTILES; i++)
		r->latency_ns[i] = number_of(all, quantiles[i]);
	r->longest_ns = number_of(all, "max");
}

static bool read_rows(const cJSON *root, struct merge_cell *c, char why[MERGE_WHY])
{
	const cJSON *const rows = at(root, "rows");
	const int n = cJSON_IsArray(rows) ? cJSON_GetArraySize(rows) : 0;

	if (n < (c->model ? 1 : 3) || n > MERGE_ROWS)
		return bad(why, "%d rows are not those of one cell", n);
	for (int i = 0; i < n; i++) {
		const cJSON *const o = cJSON_GetArrayItem(rows, i);
		struct merge_row *const r = &c->row[c->rows++];
		text_of(o, "name", r->name, sizeof r->name);
		if (r->name[0] == '\0')
			return bad(why, "row %d has no name", i);
		if (c->model)
			read_model_row(o, r);
		else
			read_time_row(o, r);
	}
	if (!c->model && (strcmp(c->row[0].name, "glibc") != 0 ||
	    strcmp(c->row[1].name, GLIBC_AGAIN) != 0))
		return bad(why, "the first rows are not glibc and glibc again");
	return true;
}

static void read_provenance(const cJSON *root, struct merge_cell *c)
{
	const cJSON *const p = at(root, "provenance");
	const double cpus = number_of(p, "cpus");

	text_of(p, "cpu", c->cpu, sizeof c->cpu);
	text_of(p, "kernel", c->kernel, sizeof c->kernel);
	text_of(p, "libc", c->libc, sizeof c->libc);
	text_of(p, "huge_pages", c->huge_pages, sizeof c->huge_pages);
	text_of(p, "date", c->date, sizeof c->date);
	c->cpus = cpus > 0 && cpus < 1e6 ? (long)cpus : 0;
}

/* Version 3 of dmm-replay means another thing by "differs", which is not read here. */
static bool is_known(const char *schema, double version, bool model)
{
	return strcmp(schema, model ? "dmm-replay-model" : "dmm-replay") == 0 &&
	    (version == 2 || (version == 3 && !model));
}

static bool read_cell(const cJSON *root, struct merge_cell *c, char why[MERGE_WHY])
{
	const cJSON *const cell = at(root, "cell");
	char kind[16], schema[32];

	text_of(cell, "hash", c->hash, sizeof c->hash);
	if (c->hash[0] == '\0')
		return bad(why, "not the result of a cell: made by dmm replay --cell");
	text_of(cell, "kind", kind, sizeof kind);
	c->model = strcmp(kind, "space") == 0;
	text_of(root, "schema", schema, sizeof schema);
	if (!is_known(schema, number_of(root, "version"), c->model))
		return bad(why, "'%s': another version of dmm made it", schema);
	text_of(cell, "recording_hash", c->recording_hash, sizeof c->recording_hash);
	const double repeat = number_of(cell, "repeat");
	c->repeat = repeat > 0 && repeat < 1e6 ? (unsigned)repeat : 0;
	text_of(root, "recording", c->recording, sizeof c->recording);
	c->calls = number_of(root, c->model ? "events" : "calls");
	c->threads = number_of(root, "threads");
	c->lower_bound = number_of(root, "lower_bound_bytes");
	text_of(root, "touch", c->touch, sizeof c->touch);
	text_of(root, "thp", c->thp, sizeof c->thp);
	read_provenance(root, c);
	return read_rows(root, c, why);
}

bool merge_read(const char *path, struct merge_cell *c, char why[MERGE_WHY])
{
	cJSON *const root = parse(path, why);

	*c = (struct merge_cell){0};
	if (root == NULL)
		return false;
	snprintf(c->file, sizeof c->file, "%s", path);
	const bool fine = read_cell(root, c, why);
	cJSON_Delete(root);
	return fine;
}

bool merge_is_done(const char *path, const char *hash)
{
	char why[MERGE_WHY];
	struct merge_cell *const c = malloc(sizeof *c);
	const bool done = c != NULL && merge_read(path, c, why) && strcmp(c->hash, hash) == 0;

	free(c);
	return done;
}
