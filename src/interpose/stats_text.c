/* stats_text.c - the figures of dmm_stats() as a line for people, as JSON, and as OpenMetrics, by
 * write(2) alone.
 *
 * OpenMetrics: https://github.com/OpenObservability/OpenMetrics; every sample carries the process
 * and its program, so that the files of several processes can be read together.
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/write_all.h"
#include "interpose/interpose.h"
#include "interpose/stats.h"
#include "os/os.h"
#include "slab/root.h"

enum { PAGE = 4096 };

struct stats_sink {
	int fd, error;
	size_t n;
	char text[4096];
};

static void sink_flush(struct stats_sink *o)
{
	if (o->error == 0)
		o->error = write_all(o->fd, o->text, o->n);
	o->n = 0;
}

/* crash_format's words; at most 512 bytes. */
static void put(struct stats_sink *o, const char *format, ...)
{
	va_list args;

	if (o->n + 512 > sizeof o->text)
		sink_flush(o);
	va_start(args, format);
	o->n += crash_vformat(o->text + o->n, 512, format, args);
	va_end(args);
}

/* ---- one row a figure ------------------------------------------------------------------------ */

static const struct stats_figure {
	const char *name, *doc;
	bool bytes, counts; /* a number of bytes; it only grows */
	size_t at;
} figures[] = {
#define FIGURE(field, doc, bytes, counts)                                                          \
	{                                                                                          \
#field, doc, bytes, counts, offsetof(struct dmm_stats, field)                      \
	}
    FIGURE(mapped_bytes, "memory that slab has mapped: live, free, lost and tables", true, false),
    FIGURE(live_bytes, "live objects with their padding", true, false),
    FIGURE(live_objects, "live objects", false, false),
    FIGURE(large_bytes, "of the live: objects above 32 KiB", true, false),
    FIGURE(large_objects, "of the live: objects above 32 KiB", false, false),
    FIGURE(guarded_bytes, "of the live: objects between inaccessible pages", true, false),
    FIGURE(guarded_objects, "of the live: objects between inaccessible pages", false, false),
    FIGURE(free_bytes, "free objects and free pages", true, false),
    FIGURE(dirty_bytes, "of the free: pages that hold memory and can go back", true, false),
    FIGURE(lost_bytes, "ends of slabs", true, false),
    FIGURE(tables_bytes, "tables of slab", true, false),
    FIGURE(heaps, "heaps of threads", false, false),
    FIGURE(maps, "calls of mmap", false, true),
    FIGURE(unmaps, "calls of munmap", false, true),
    FIGURE(moves, "calls of mremap", false, true),
    FIGURE(protects, "calls of mprotect", false, true),
    FIGURE(advices, "calls of madvise but those that purge", false, true),
    FIGURE(purges, "calls of madvise that gave memory back", false, true),
    FIGURE(purged_bytes, "memory given back by madvise", true, true),
    FIGURE(unmapped_bytes, "memory given back by munmap", true, true),
};

enum { FIGURES = sizeof figures / sizeof *figures };

static size_t value(const struct dmm_stats *s, const struct stats_figure *f)
{
	uint64_t x;

	memcpy(&x, (const char *)s + f->at, sizeof x);
	return x;
}

struct stats_rows {
	const struct dmm_thread_stats *at;
	size_t count;
};

static void text(struct stats_sink *o, const struct dmm_stats *s, const struct stats_rows *rows)
{
	(void)rows;
	put(o, "dmm: slab[%u]: %u bytes = %u live in %u + %u free + %u lost + %u tables; ",
	    (size_t)getpid(), s->mapped_bytes, s->live_bytes, s->live_objects, s->free_bytes,
	    s->lost_bytes, s->tables_bytes);
	put(o, "%u dirty; %u purged in %u calls; %u heaps\n", s->dirty_bytes, s->purged_bytes,
	    s->purges, s->heaps);
}

static void json(struct stats_sink *o, const struct dmm_stats *s, const struct stats_rows *rows)
{
	put(o, "{\"schema\":\"dmm-stats\",\"version\":1,\"pid\":%u", (size_t)getpid());
	for (const struct stats_figure *f = figures; f < figures + FIGURES; f++)
		put(o, ",\"%s\":%u", f->name, value(s, f));
	put(o, ",\"classes\":[");
	for (size_t i = 0; i < s->class_count; i++) {
		const struct dmm_class_stats *const c = &s->classes[i];
		put(o,
		    "%s{\"object_bytes\":%u,\"slabs\":%u,\"live_objects\":%u,\"free_objects\":%u}",
		    i != 0 ? "," : "", c->object_bytes, c->slabs, c->live_objects, c->free_objects);
	}
	put(o, "],\"threads\":[");
	for (size_t i = 0, said = 0; i < rows->count; i++) {
		const struct dmm_thread_stats *const t = &rows->at[i];
		if (t->slabs == 0)
			continue;
		put(o, "%s{\"heap\":%u,\"thread\":%u,\"slabs\":%u,\"live_objects\":%u,",
		    said++ != 0 ? "," : "", i, t->thread, t->slabs, t->live_objects);
		put(o, "\"live_bytes\":%u,\"free_objects\":%u,\"free_bytes\":%u}", t->live_bytes,
		    t->free_objects, t->free_bytes);
	}
	put(o, "]}\n");
}

/* A label's value may hold no quote, backslash or line end. */
static void program_name(char name[16])
{
	prctl(PR_GET_NAME, name);
	for (char *p = name; *p != '\0'; p++)
		if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ' || *p == 0x7f)
			*p = '_';
}

static void metric(struct stats_sink *o, const struct stats_figure *f, size_t x, const char *labels)
{
	put(o, "# HELP dmm_%s %s\n", f->name, f->doc);
	put(o, "# TYPE dmm_%s %s\n", f->name, f->counts ? "counter" : "gauge");
	if (f->bytes)
		put(o, "# UNIT dmm_%s bytes\n", f->name);
	put(o, "dmm_%s%s{%s} %u\n", f->name, f->counts ? "_total" : "", labels, x);
}

static void class_metric(struct stats_sink *o, const struct dmm_stats *s, const char *name,
    const char *doc, size_t at, const char *labels)
{
	put(o, "# HELP dmm_class_%s %s\n# TYPE dmm_class_%s gauge\n", name, doc, name);
	for (size_t i = 0; i < s->class_count; i++) {
		uint64_t x;
		memcpy(&x, (const char *)&s->classes[i] + at, sizeof x);
		put(o, "dmm_class_%s{%s,class=\"%u\",object_bytes=\"%u\"} %u\n", name, labels, i,
		    s->classes[i].object_bytes, x);
	}
}

static void openmetrics(struct stats_sink *o, const struct dmm_stats *s,
    const struct stats_rows *rows)
{
	(void)rows;
	char labels[80], name[17] = "";

	program_name(name);
	crash_format(labels, sizeof labels, "pid=\"%u\",program=\"%s\"", (size_t)getpid(), name);
	for (const struct stats_figure *f = figures; f < figures + FIGURES; f++)
		metric(o, f, value(s, f), labels);
	class_metric(o, s, "live_objects", "live objects of a size class",
	    offsetof(struct dmm_class_stats, live_objects), labels);
	class_metric(o, s, "free_objects", "free objects of a size class",
	    offsetof(struct dmm_class_stats, free_objects), labels);
	class_metric(o, s, "slabs", "slabs of a size class",
	    offsetof(struct dmm_class_stats, slabs), labels);
	put(o, "# EOF\n");
}

int stats_write(int fd, enum dmm_stats_format format)
{
	static void (*const write_as[])(struct stats_sink *, const struct dmm_stats *,
	    const struct stats_rows *) = {
	    text, json, openmetrics};
	struct stats_sink o = {.fd = fd};
	struct dmm_stats s;

	if ((unsigned)format >= sizeof write_as / sizeof *write_as)
		return EINVAL;
	/* As many threads as begin meanwhile are in row 0. */
	const size_t room = __atomic_load_n(&root.heap_count, __ATOMIC_RELAXED) + 1;
	const size_t len = round_up(room * sizeof(struct dmm_thread_stats), PAGE);
	struct dmm_thread_stats *const rows = os_linux.map(os_linux.ctx, len, PAGE);
	if (rows == NULL)
		return ENOMEM;
	const size_t all = stats_fill_threads(&s, rows, room);
	write_as[format](&o, &s, &(struct stats_rows){rows, min_size(all, room)});
	sink_flush(&o);
	os_linux.unmap(os_linux.ctx, rows, len);
	return o.error;
}

EXPORT int dmm_stats_write(int fd, enum dmm_stats_format format)
{
	const int error = stats_write(fd, format);

	if (error == 0)
		return 0;
	errno = error;
	return -1;
}
