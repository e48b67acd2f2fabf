/* measure.c - time, and resident memory over time, of designs and peers: by dmm replay's rounds. */
#include <stdlib.h>

#include "base/bits.h"
#include "cli/lab.h"
#include "report/page.h"
#include "run/prefault.h"

enum { WARM_LEAST = 128 << 20 };

static void list_allocators(struct allocators *list, const struct report_plan *p)
{
	allocators_add_baselines(list);
	allocators_add_systems(list, p->systems);
	allocators_add_peers(list, p->peers);
}

/* A recording that cannot be prepared is no reason to make no page: it says so. */
bool report_measure(struct native *n, const char *path, const struct report_plan *p)
{
	static struct replay_ops ops;
	struct trace_error e;

	*n = (struct native){.path = path, .memory = true,
	    .compare = {.runs = p->runs, .warm = p->warm, .timeout_s = p->timeout_s}};
	list_allocators(&n->compare.allocators, p); /* unknown names end it here */
	if (!replay_ops_build(&ops, path, OPS_FOR_THREADS, &e)) {
		lab_say("%s: not measured: %s", path, e.text);
		return false;
	}
	n->ops = &ops;
	if (n->compare.warm == SIZE_MAX)
		n->compare.warm = min_size(WARM_LEAST + 4 * ops.head->peak_payload, WARM_DEFAULT);
	native_run(n);
	return true;
}

/* ---- on the page ----------------------------------------------------------------------------- */

bool page_has_samples(const struct native *n, size_t row)
{
	/* glibc once is enough */
	return n->row[row].samples != 0 && row != n->compare.row[row].base + 1;
}

/* One row a sample: calls, ns, payload, usable, resident. */
static void put_samples(FILE *out, const struct native *n, size_t row)
{
	const struct native_row *const r = &n->row[row];
	double *const v = calloc(5 * r->samples, sizeof *v);
	char id[32];

	if (v == NULL)
		return;
	for (size_t i = 0; i < r->samples; i++) {
		const struct replay_sample *const s = &r->sample[i];
		v[5 * i] = (double)replay_ops_calls(n->ops, s->at);
		v[5 * i + 1] = (double)replay_ops_ns(n->ops, s->at);
		v[5 * i + 2] = (double)s->payload;
		v[5 * i + 3] = (double)s->usable;
		v[5 * i + 4] = (double)s->rss;
	}
	snprintf(id, sizeof id, "m%zu-series", row);
	tile_put(out, id, "f64", v, 5 * r->samples);
	free(v);
}

void page_measured_tiles(const struct native *n, FILE *out)
{
	for (size_t i = 0; i < n->compare.rows; i++)
		if (page_has_samples(n, i))
			put_samples(out, n, i);
}

void page_measured_json(const struct native *n, struct json *j)
{
	json_array(j, "measured");
	for (size_t i = 0; n != NULL && i < n->compare.rows; i++) {
		if (!page_has_samples(n, i))
			continue;
		json_object(j, NULL);
		json_string(j, "name", n->compare.row[i].allocator->name);
		json_string(j, "kind", allocator_kind(n->compare.row[i].allocator));
		json_count(j, "tile", i);
		json_end(j);
	}
	json_end(j);
}
