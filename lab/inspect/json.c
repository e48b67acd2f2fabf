/* json.c - see json.h. */
#include "inspect/json.h"

static void put_classes(struct json *j, const struct outside_view *v)
{
	json_array(j, "classes");
	for (int i = 0; i < OUTSIDE_CLASSES; i++) {
		const struct outside_class *const c = &v->classes[i];
		if (c->slabs == 0)
			continue;
		json_object(j, NULL);
		json_count(j, "size_bytes", c->size);
		json_count(j, "slabs", c->slabs);
		json_count(j, "objects", c->objects);
		json_count(j, "live", c->live);
		json_count(j, "cached", c->cached);
		json_count(j, "freed_by_others", c->remote);
		json_count(j, "held_bytes", c->held);
		json_count(j, "purged_bytes", c->purged);
		json_end(j);
	}
	json_end(j);
}

static void put_threads(struct json *j, const struct outside_view *v)
{
	static const char *const kinds[] = {
	    [OUTSIDE_THREAD] = "thread", [OUTSIDE_LATE] = "late", [OUTSIDE_IDLE] = "ended"};

	json_array(j, "heaps");
	for (size_t i = 0; i < v->heap_count; i++) {
		const struct outside_heap *const h = &v->heaps[i];
		if (h->slabs == 0 && h->kind != OUTSIDE_THREAD)
			continue;
		json_object(j, NULL);
		json_count(j, "number", h->number);
		json_string(j, "kind", kinds[h->kind]);
		if (h->tid != 0)
			json_integer(j, "tid", h->tid);
		else
			json_null(j, "tid");
		json_count(j, "slabs", h->slabs);
		json_count(j, "objects", h->objects);
		json_count(j, "live", h->live);
		json_count(j, "live_bytes", h->live_bytes);
		json_count(j, "held_bytes", h->held);
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
	json_count(j, "bytes", outside_resident(v));
	for (int i = 0; i <= OUTSIDE_IS_TORN; i++)
		json_count(j, kinds[i], v->resident[i]);
	json_count(j, "tables_bytes", v->resident_tables);
	json_count(j, "swapped_bytes", v->swapped);
	json_count(j, "process_rss_bytes", v->rss);
	json_count(j, "process_faults", v->faults);
	json_number(j, "process_cpu_s", v->cpu_seconds);
	json_end(j);
}

void outside_json_figures(struct json *j, const struct outside_view *v)
{
	char key[48];

	json_object(j, "heap");
	json_count(j, "held_bytes", outside_held(v));
	for (int i = 0; i < OUTSIDE_CAUSES; i++) {
		snprintf(key, sizeof key, "%s_bytes", outside_cause_name(i));
		json_count(j, key, v->bytes[i]);
	}
	json_count(j, "granule_bytes", v->granule);
	json_count(j, "granules", v->granules);
	json_count(j, "slabs", v->slabs);
	json_count(j, "objects", v->objects);
	json_count(j, "live_objects", v->live_objects);
	json_count(j, "large_objects", v->large_objects);
	put_classes(j, v);
	put_threads(j, v);
	json_object(j, "guarded");
	json_count(j, "slots", v->guarded_slots);
	json_count(j, "live_objects", v->guarded_live);
	json_count(j, "live_bytes", v->guarded_bytes);
	json_count(j, "freed_objects", v->guarded_freed);
	json_end(j);
	json_end(j);
	put_resident(j, v);
	json_object(j, "reading");
	json_number(j, "seconds", v->seconds);
	json_count(j, "torn_granules", v->torn_slabs);
	json_count(j, "chunks_read_again", v->again);
	json_count(j, "moved_bytes", v->moved);
	json_end(j);
}

void outside_json(FILE *out, const struct outside *o, const struct outside_view *v)
{
	struct json j;

	json_begin(&j, out);
	/* 2: the kind "ended" is a heap whose thread has ended, not the one for calls after that */
	json_schema(&j, "dmm-heap", 2);
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
