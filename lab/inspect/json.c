/* json.c - see json.h. */
#include "inspect/json.h"

static void integer(struct json *j, const char *key, uint64_t value)
{
	json_integer(j, key, (int64_t)value);
}

static void put_classes(struct json *j, const struct outside_view *v)
{
	json_array(j, "classes");
	for (int i = 0; i < OUTSIDE_CLASSES; i++) {
		const struct outside_class *const c = &v->classes[i];
		if (c->slabs == 0)
			continue;
		json_object(j, NULL);
		integer(j, "size_bytes", c->size);
		integer(j, "slabs", c->slabs);
		integer(j, "objects", c->objects);
		integer(j, "live", c->live);
		integer(j, "cached", c->cached);
		integer(j, "freed_by_others", c->remote);
		integer(j, "held_bytes", c->held);
		integer(j, "purged_bytes", c->purged);
		json_end(j);
	}
	json_end(j);
}

static void put_threads(struct json *j, const struct outside_view *v)
{
	static const char *const kinds[] = {"thread", "ended", "late", "idle"};

	json_array(j, "heaps");
	for (size_t i = 0; i < v->heap_count; i++) {
		const struct outside_heap *const h = &v->heaps[i];
		if (h->slabs == 0 && h->kind != OUTSIDE_THREAD)
			continue;
		json_object(j, NULL);
		integer(j, "number", h->number);
		json_string(j, "kind", kinds[h->kind]);
		if (h->tid != 0)
			json_integer(j, "tid", h->tid);
		else
			json_null(j, "tid");
		integer(j, "slabs", h->slabs);
		integer(j, "objects", h->objects);
		integer(j, "live", h->live);
		integer(j, "live_bytes", h->live_bytes);
		integer(j, "held_bytes", h->held);
		json_end(j);
	}
	json_end(j);
}

/* Fields that only a process has; they are null for a core. */
static void put_resident(struct json *j, const struct outside_view *v)
{
	static const char *const kinds[] = {"unused_bytes", "dirty_bytes", "slabs_bytes",
	    "large_bytes", "torn_bytes"};

	if (!v->pages_known) {
		json_null(j, "resident");
		return;
	}
	json_object(j, "resident");
	integer(j, "bytes", outside_resident(v));
	for (int i = 0; i <= OUTSIDE_IS_TORN; i++)
		integer(j, kinds[i], v->resident[i]);
	integer(j, "tables_bytes", v->resident_tables);
	integer(j, "swapped_bytes", v->swapped);
	integer(j, "process_rss_bytes", v->rss);
	integer(j, "process_faults", v->faults);
	json_number(j, "process_cpu_s", v->cpu_seconds);
	json_end(j);
}

void outside_json_figures(struct json *j, const struct outside_view *v)
{
	char key[48];

	json_object(j, "heap");
	integer(j, "held_bytes", outside_held(v));
	for (int i = 0; i < OUTSIDE_CAUSES; i++) {
		snprintf(key, sizeof key, "%s_bytes", outside_cause_name(i));
		integer(j, key, v->bytes[i]);
	}
	integer(j, "granule_bytes", v->granule);
	integer(j, "granules", v->granules);
	integer(j, "slabs", v->slabs);
	integer(j, "objects", v->objects);
	integer(j, "live_objects", v->live_objects);
	integer(j, "large_objects", v->large_objects);
	put_classes(j, v);
	put_threads(j, v);
	json_object(j, "guarded");
	integer(j, "slots", v->guarded_slots);
	integer(j, "live_objects", v->guarded_live);
	integer(j, "live_bytes", v->guarded_bytes);
	integer(j, "freed_objects", v->guarded_freed);
	json_end(j);
	json_end(j);
	put_resident(j, v);
	json_object(j, "reading");
	json_number(j, "seconds", v->seconds);
	integer(j, "torn_granules", v->torn_slabs);
	integer(j, "chunks_read_again", v->again);
	integer(j, "moved_bytes", v->moved);
	json_end(j);
}

void outside_json(FILE *out, const struct outside *o, const struct outside_view *v)
{
	struct json j;

	json_begin(&j, out);
	json_schema(&j, "dmm-heap", 1);
	json_string(&j, "program", o->memory.name);
	json_integer(&j, "pid", o->memory.pid);
	json_string(&j, "source", o->memory.live ? "process" : "core");
	json_string(&j, "library", o->library);
	json_integer(&j, "root_version", v->version);
	outside_json_figures(&j, v);
	json_end(&j);
}

void outside_csv(FILE *out, const struct outside_view *v)
{
	fputs("size_bytes,slabs,objects,live,cached,freed_by_others,held_bytes,purged_bytes\n",
	    out);
	for (int i = 0; i < OUTSIDE_CLASSES; i++) {
		const struct outside_class *const c = &v->classes[i];
		const uint64_t row[] = {c->size, c->slabs, c->objects, c->live, c->cached,
		    c->remote, c->held,
		    c->purged};
		for (size_t k = 0; c->slabs != 0 && k < sizeof row / sizeof row[0]; k++)
			fprintf(out, "%s%llu", k == 0 ? "" : ",", (unsigned long long)row[k]);
		fputs(c->slabs != 0 ? "\n" : "", out);
	}
}
