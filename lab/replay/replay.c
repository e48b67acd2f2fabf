/* replay.c - dmm replay: a recording on every allocator, really or on simulated memory, printed. */
#include "replay/replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "allocators/design.h"
#include "base/bits.h"
#include "cli/lab.h"
#include "replay/model_print.h"
#include "run/prefault.h"
#include "trace/caveat.h"

enum { STEPS_TEXT = 20, STEPS_JSON = 100, WARM_LEAST = 128 << 20 };

void replay_caveats(const char *path, const struct replay_ops *ops, bool diagnosed)
{
	const struct replay_head *const h = ops->head;
	const struct caveat_facts k = {h->calls, replay_ops_ns(ops, h->count), h->peak_payload,
	    h->idle_ns, diagnosed};
	struct trace_file file;
	struct trace_error e;

	if (!trace_file_open(&file, path, &e))
		return;
	caveats_say(&file, &k);
	trace_file_close(&file);
}

static void read_recording(const char *path, enum ops_use use, struct replay_ops *ops)
{
	struct trace_error e;

	if (!replay_ops_build(ops, path, use, &e))
		lab_die(EXIT_FAULT, "%s: %s", path, e.text);
	if (ops->head->calls == 0)
		lab_die(EXIT_FAULT, "%s: no calls are in it; dmm info %s says why", path, path);
	replay_caveats(path, ops, false);
	if (ops->head->foreign != 0 || ops->head->overlaid != 0)
		lab_say("%s: left out %llu frees of objects whose malloc is not recorded, put in "
		    "%llu frees that are not recorded", path,
		    (unsigned long long)ops->head->foreign,
		    (unsigned long long)ops->head->overlaid);
}

/* ---- where it goes --------------------------------------------------------------------------- */

static FILE *output(const struct replay_order *q, struct cell_out *o)
{
	if (q->output == NULL)
		return stdout;
	cell_out_open(o, q->output);
	return o->file;
}

static void output_end(const struct replay_order *q, struct cell_out *o)
{
	if (q->output == NULL)
		return;
	cell_out_close(o);
	lab_say("%s is written", q->output);
}

/* ---- on simulated memory --------------------------------------------------------------------- */

static void print_model(const struct replay_order *q, const struct model_result *results, size_t n,
    FILE *out)
{
	struct json j;
	struct table t;

	switch (q->format) {
	case FORMAT_JSON:
		json_begin(&j, out);
		model_json(q->path, results, n, q->hash != NULL ? &q->cell : NULL, &j);
		json_end(&j);
		break;
	case FORMAT_CSV:
		model_csv_begin(&t);
		model_csv_rows(q->path, results, n, q->over_time, &t);
		table_csv(&t, out);
		table_end(&t);
		break;
	case FORMAT_TEXT:
		model_text(results, n, out);
		if (q->over_time)
			model_over_time_text(results, n, out);
	}
}

static int replay_model(const struct replay_order *q, const struct replay_ops *ops)
{
	static struct subject subjects[SUBJECTS_MAX];
	static struct model_result results[SUBJECTS_MAX];
	const size_t n = subjects_choose(subjects, q->systems);
	const size_t steps = q->steps != 0 ? q->steps : q->format == FORMAT_JSON ? STEPS_JSON
	    : STEPS_TEXT;
	bool problem = false;

	for (size_t i = 0; i < n; i++) {
		if (!model_replay(&results[i], ops, &subjects[i], steps))
			lab_die(EXIT_OURS, "no memory for %zu objects and %zu samples",
			    (size_t)ops->head->slots, steps);
		problem |= results[i].problem[0] != '\0';
		lab_say("%s: %.1f million events a second", subjects[i].name,
		    results[i].seconds > 0 ? (double)results[i].calls / results[i].seconds * 1e-6
		    : 0.0);
	}
	struct cell_out o;
	print_model(q, results, n, output(q, &o));
	output_end(q, &o);
	for (size_t i = 0; i < n; i++)
		model_free(&results[i]);
	if (q->hash != NULL)
		return problem ? EXIT_FAULT : EXIT_FINE;
	for (size_t i = 0; i < n; i++)
		if (results[i].problem[0] != '\0' && design_blame(subjects[i].name))
			return EXIT_FAULT;
	if (q->over_time)
		lab_next(NULL, "dmm replay %s", lab_quoted(q->path));
	else
		lab_next(NULL, "dmm replay --model --over-time --systems=%s %s",
		    lab_quoted(subjects[n - 1].name), lab_quoted(q->path));
	return problem ? EXIT_FAULT : EXIT_FINE;
}

/* ---- really ---------------------------------------------------------------------------------- */

static void print_native(const struct replay_order *q, FILE *out)
{
	const struct native *const n = &q->native;
	struct json j;
	struct table t;

	switch (q->format) {
	case FORMAT_JSON:
		json_begin(&j, out);
		native_json(n, &j);
		json_end(&j);
		break;
	case FORMAT_CSV:
		if (q->over_time) {
			native_over_time_csv(n, out);
			break;
		}
		native_csv_begin(&t);
		native_csv_rows(n, &t);
		table_csv(&t, out);
		table_end(&t);
		break;
	case FORMAT_TEXT:
		native_text(n, out);
		if (q->over_time)
			native_over_time_text(n, q->steps != 0 ? q->steps : STEPS_TEXT, out);
	}
}

static int replay_native(struct replay_order *q, const struct replay_ops *ops)
{
	struct native *const n = &q->native;
	bool failed = false;

	n->path = q->path;
	n->ops = ops;
	if (n->compare.warm == SIZE_MAX)
		n->compare.warm = min_size(WARM_LEAST + 4 * ops->head->peak_payload, WARM_DEFAULT);
	n->memory = q->over_time || (q->format == FORMAT_JSON && q->hash == NULL);
	n->cell = q->hash != NULL ? &q->cell : NULL;
	if (n->pace > 0 && ops->head->timeless)
		lab_die(EXIT_FAULT, "%s: it has no times, so it has no pace: leave out --pace, or "
		    "record the program with dmm record", q->path);
	native_run(n);
	struct cell_out o;
	print_native(q, output(q, &o));
	output_end(q, &o);
	for (size_t i = 0; i < n->compare.rows; i++)
		failed |= n->row[i].failed != 0;
	if (q->hash == NULL && !compare_blame(&n->compare))
		lab_next(NULL, "dmm replay --model --over-time %s", lab_quoted(q->path));
	return failed || verdict_has_fault(&n->compare) ? EXIT_FAULT : EXIT_FINE;
}

void replay_list(struct replay_order *q)
{
	struct allocators *const list = &q->native.compare.allocators;

	allocators_add_baselines(list);
	allocators_add_systems(list, q->systems != NULL ? q->systems : "all");
	allocators_add_peers(list, q->peers != NULL ? q->peers : "auto");
}

int replay_print(struct replay_order *q)
{
	struct replay_ops ops;

	read_recording(q->path, q->model ? OPS_FOR_MODELS : OPS_FOR_THREADS, &ops);
	const int status = q->model ? replay_model(q, &ops) : replay_native(q, &ops);
	replay_ops_close(&ops);
	return q->hash != NULL ? EXIT_FINE : status; /* what went wrong stands in the result */
}
