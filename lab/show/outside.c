/* outside.c - dmm show --pid and --core: slab's heap of a process, running or dead. */
#include <stdlib.h>
#include <string.h>

#include "show/draw_slab.h"
#include "cli/lab.h"
#include "inspect/guarded.h"
#include "inspect/json.h"
#include "show/show.h"
#include "cli/units.h"
#include "cli/plain.h"

enum { MAP_ROWS = 16, CLASS_ROWS = 24, HEAP_ROWS = 18, SLABS = 32 };

static void put_heading(FILE *out, const struct draw_style *s, const struct outside *o,
    const struct outside_view *v)
{
	char text[300], took[UNITS_LEN];

	snprintf(text, sizeof text, "%s, %zu thread%s: slab of %s", plain(o->memory.title),
	    o->memory.thread_count,
	    o->memory.thread_count == 1 ? "" : "s", plain(o->library));
	draw_text(out, s, 0, text);
	if (o->memory.live) {
		snprintf(text, sizeof text, "read in %s while it ran on", units_seconds(took,
		    v->seconds));
		draw_text(out, s, 2, text);
	}
}

/* A heap that changes while it is read is not of one moment: how far it is not, is said. */
static void put_honesty(FILE *out, const struct draw_style *s, const struct outside *o,
    const struct outside_view *v)
{
	char text[300], bytes[UNITS_LEN];

	if (v->again != 0 || v->moved != 0) {
		snprintf(text, sizeof text, "%llu of %llu chunks changed while they were read and "
		    "were read again; the "
		         "books moved by %s meanwhile", (unsigned long long)v->again,
		    (unsigned long long)(v->granules / 128), units_bytes(bytes, (double)v->moved));
		draw_text(out, s, 2, text);
	}
	if (v->torn_slabs != 0) {
		snprintf(text, sizeof text, "torn: %llu granules (%s) never fitted their "
		    "neighbours; they count as in "
		         "motion, their objects not at all", (unsigned long long)v->torn_slabs,
		    units_bytes(bytes, (double)v->bytes[OUTSIDE_TORN]));
		draw_text(out, s, 2, text);
	}
	if (o->memory.missing != 0) {
		snprintf(text, sizeof text, "the core was cut short: %s of it are missing",
		    units_bytes(bytes, (double)o->memory.missing));
		draw_text(out, s, 2, text);
	}
}

static int class_of_size(const struct outside_view *v, size_t size)
{
	int best = -1;

	for (int i = 0; i < OUTSIDE_CLASSES; i++)
		if (v->classes[i].slabs != 0 && v->classes[i].size >= size &&
		    (best < 0 || v->classes[i].size < v->classes[best].size))
			best = i;
	return best;
}

static void put_text(FILE *out, const struct draw_style *s, struct outside *o,
    const struct outside_view *v,
    size_t size)
{
	put_heading(out, s, o, v);
	put_honesty(out, s, o, v);
	fputc('\n', out);
	if (outside_tell_guarded(out, o))
		fputc('\n', out);
	if (size != 0) {
		const int cls = class_of_size(v, size);
		if (cls < 0)
			lab_die(EXIT_USAGE, "show: --size=%zu: no slab has objects of that size "
			    "or larger", size);
		draw_slab_objects(out, s, v, cls, NULL, 0, SLABS);
		draw_slab_object_legend(out, s);
		return;
	}
	draw_slab_split(out, s, v);
	fputc('\n', out);
	draw_slab_classes(out, s, v, SLAB_BY_HELD, CLASS_ROWS);
	fputc('\n', out);
	draw_slab_heaps(out, s, v, HEAP_ROWS);
	fputc('\n', out);
	draw_slab_map(out, s, v, 0, MAP_ROWS);
	draw_slab_legend(out, s, v);
}

void show_outside(const struct show_target *target, const struct draw_style *s)
{
	struct outside o;
	struct outside_view v = {0};
	struct memory_error e;
	const bool opened = target->core != NULL ? outside_open_core(&o, target->core, &e)
	                                         : outside_open_process(&o, target->pid, &e);

	if (!opened || !outside_look(&o, &v, &e))
		lab_die(target->core != NULL ? EXIT_FAULT : EXIT_OURS, "%s", e.text);
	if (target->format == FORMAT_JSON)
		outside_json(stdout, &o, &v);
	else if (target->format == FORMAT_CSV)
		outside_csv(stdout, &v);
	else
		put_text(stdout, s, &o, &v, target->size);
	if (target->format != FORMAT_TEXT && (v.torn_slabs != 0 || o.memory.missing != 0))
		put_honesty(stderr, s, &o, &v);
	if (o.memory.live)
		lab_next(NULL, "dmm top %d", o.memory.pid);
	outside_view_drop(&v);
	outside_close(&o);
}
