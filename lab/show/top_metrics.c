/* top_metrics.c - one look at a process's heap as OpenMetrics, for Prometheus and node_exporter.
 *
 * Families that dmm_stats_write() has too (src/interpose/stats_text.c) mean the same here.  The
 * process counts nothing for us, so all are gauges.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "show/top.h"

enum { LABELS_LEN = 256 };

/* A label's value: backslash, quote and line end are escaped, other control characters are not
 * shown. */
static void escape(char *out, size_t cap, const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n + 3 < cap; text++) {
		if (*text == '\\' || *text == '"')
			out[n++] = '\\';
		out[n++] = (unsigned char)*text < ' ' || *text == 0x7f ? '_' : *text;
	}
	out[n] = '\0';
}

static void begin(const char *name, const char *doc)
{
	const size_t n = strlen(name);

	printf("# HELP dmm_%s %s\n# TYPE dmm_%s gauge\n", name, doc, name);
	if (n > 6 && strcmp(name + n - 6, "_bytes") == 0)
		printf("# UNIT dmm_%s bytes\n", name);
}

static void put(const char *labels, const char *name, const char *doc, uint64_t value)
{
	begin(name, doc);
	printf("dmm_%s{%s} %" PRIu64 "\n", name, labels, value);
}

static void put_totals(const char *labels, const struct outside_view *v)
{
	const uint64_t *const b = v->bytes;

	put(labels, "held_bytes", "memory that the heap holds", outside_held(v));
	put(labels, "live_bytes", "live objects with their padding",
	    b[OUTSIDE_LIVE] + b[OUTSIDE_LARGE]);
	put(labels, "live_objects", "live objects", v->live_objects + v->large_objects);
	put(labels, "large_bytes", "of the live: objects above 32 KiB", b[OUTSIDE_LARGE]);
	put(labels, "large_objects", "of the live: objects above 32 KiB", v->large_objects);
	put(labels, "free_bytes", "free objects",
	    b[OUTSIDE_FREE] + b[OUTSIDE_CACHED] + b[OUTSIDE_REMOTE]);
	put(labels, "cached_bytes", "of the free: objects in the magazines of threads",
	    b[OUTSIDE_CACHED]);
	put(labels, "dirty_bytes", "free pages that hold memory and can go back", b[OUTSIDE_DIRTY]);
	put(labels, "lost_bytes", "ends of slabs", b[OUTSIDE_TAIL]);
	put(labels, "tables_bytes", "tables of slab", b[OUTSIDE_TABLES]);
	put(labels, "torn_bytes", "memory that changed whenever it was looked at", b[OUTSIDE_TORN]);
	if (!v->pages_known)
		return;
	put(labels, "resident_bytes", "resident memory of the heap", outside_resident(v));
	put(labels, "process_resident_bytes", "resident memory of the process", v->rss);
	put(labels, "swapped_bytes", "memory of the heap that is swapped out", v->swapped);
}

static void put_classes(const char *labels, const struct outside_view *v)
{
	static const struct {
		const char *name, *doc;
		size_t at;
	} families[] = {
	    {"class_live_objects", "live objects of a size class",
	        offsetof(struct outside_class, live)},
	    {"class_slabs", "slabs of a size class", offsetof(struct outside_class, slabs)},
	    {"class_held_bytes", "memory that the slabs of a size class hold",
	        offsetof(struct outside_class, held)},
	};

	for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
		begin(families[f].name, families[f].doc);
		for (size_t i = 0; i < OUTSIDE_CLASSES; i++) {
			const struct outside_class *const c = &v->classes[i];
			uint64_t value;
			memcpy(&value, (const char *)c + families[f].at, sizeof value);
			if (c->slabs != 0)
				printf("dmm_%s{%s,class=\"%zu\",object_bytes=\"%" PRIu64
				       "\"} %" PRIu64 "\n",
				    families[f].name, labels, i, c->size, value);
		}
	}
}

static void put_threads(const char *labels, const struct outside_view *v)
{
	begin("thread_live_bytes", "live objects in the slabs of a thread");
	for (size_t i = 0; i < v->heap_count; i++) {
		const struct outside_heap *const h = &v->heaps[i];
		char name[2 * OUTSIDE_NAME_LEN];
		escape(name, sizeof name, h->name);
		printf("dmm_thread_live_bytes{%s,heap=\"%u\",tid=\"%d\",thread=\"%s\"} %" PRIu64
		       "\n",
		    labels, h->number, h->tid, name, h->live_bytes);
	}
}

int top_metrics(const struct top *t)
{
	const struct memory *const m = &t->outside.memory;
	char labels[LABELS_LEN], name[LABELS_LEN / 2];

	escape(name, sizeof name, m->name);
	snprintf(labels, sizeof labels, "pid=\"%d\",program=\"%s\"", (int)m->pid, name);
	put_totals(labels, top_view(t));
	put_classes(labels, top_view(t));
	put_threads(labels, top_view(t));
	puts("# EOF");
	return EXIT_FINE;
}
