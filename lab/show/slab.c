/* slab.c - see slab.h. */
#include "show/slab.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lab.h"
#include "slab/system.h"
#include "cli/units.h"

enum { SLABS = 12, CLASS_ROWS = 10, MAP_ROWS = 8 };

bool slab_scene_serves(const struct dmm_system *sys)
{
	return sys == &system_slab;
}

void slab_scene_look(struct slab_scene *scene)
{
	const struct outside_view old = scene->before;
	struct memory_error e;

	scene->before = scene->now;
	scene->now = old;
	if (scene->outside.root == 0)
		outside_open_self(&scene->outside);
	if (!outside_look(&scene->outside, &scene->now, &e))
		scene->now = (struct outside_view){.heaps = old.heaps, .heap_cap = old.heap_cap,
		    .runs = old.runs,
		    /* not begun yet */
		    .run_cap = old.run_cap, .masks = old.masks, .mask_cap = old.mask_cap};
}

void slab_scene_drop(struct slab_scene *scene)
{
	outside_view_drop(&scene->before);
	outside_view_drop(&scene->now);
	outside_close(&scene->outside);
	*scene = (struct slab_scene){0};
}

/* ---- facts ----------------------------------------------------------------------------------- */

/* The state of an address before the call and after it. */
enum state { STATE_NOTHING, STATE_UNUSED, STATE_DIRTY, STATE_LARGE, STATE_LIVE, STATE_CACHED,
    STATE_AVAIL };

static enum state state_of(const struct outside_view *v, uint64_t p, const struct outside_run **run)
{
	static const enum state states[] = {[OUTSIDE_IS_UNUSED] = STATE_UNUSED,
	    [OUTSIDE_IS_DIRTY] = STATE_DIRTY,
	    [OUTSIDE_IS_LARGE] = STATE_LARGE, [OUTSIDE_IS_TORN] = STATE_NOTHING};

	*run = v->run_count != 0 && p >= v->base ? outside_find_run(v, p) : NULL;
	if (*run == NULL)
		return STATE_NOTHING;
	if ((*run)->kind != OUTSIDE_IS_SLAB)
		return states[(*run)->kind];
	const uint64_t offset = p - (v->base + (*run)->granule * v->granule);
	const unsigned i = (unsigned)(offset / (16ull * (*run)->step));
	if (i >= (*run)->objects)
		return STATE_NOTHING;
	return outside_is_live(v, *run, i) ? STATE_LIVE : outside_is_cached(v, *run, i)
	    ? STATE_CACHED : STATE_AVAIL;
}

/* ---- words ----------------------------------------------------------------------------------- */

struct scene_speaker {
	FILE *out;
	const struct draw_style *s;
	const struct slab_scene *scene;
};

#define line(speaker, ...) draw_say((speaker)->out, (speaker)->s, 4, __VA_ARGS__)

static const char *granules(char buf[32], uint32_t count)
{
	snprintf(buf, 32, "%u granule%s", count, count == 1 ? "" : "s");
	return buf;
}

static void tell_growth(const struct scene_speaker *k)
{
	const struct outside_view *const b = &k->scene->before, *const n = &k->scene->now;
	char bytes[UNITS_LEN];

	if (n->granules > b->granules)
		line(k, "No room in the chunks %s mmap(): %s more, next to them", draw_then(k->s),
		    units_bytes(bytes, (double)((n->granules - b->granules) * n->granule)));
}

static void tell_large_malloc(const struct scene_speaker *k, const struct outside_run *run,
    enum state was)
{
	char count[32];

	line(k, "Too large for a class %s the shortest run of free granules that fits",
	    draw_then(k->s));
	tell_growth(k);
	line(k, "Use %s %s", granules(count, run->count),
	    was == STATE_DIRTY ? "that were used before: their memory is still there"
	                       : "without memory: the kernel gives it at the first touch");
}

/* An object came out of the stack, from a slab that had it, or with a new slab. */
static void tell_small_malloc(const struct scene_speaker *k, const struct outside_run *run,
    enum state was)
{
	const struct outside_view *const b = &k->scene->before, *const n = &k->scene->now;
	const uint64_t cached_before = b->classes[run->cls].cached,
	    cached_now = n->classes[run->cls].cached;
	const uint64_t got = cached_now + 1 - (cached_before < cached_now + 1 ? cached_before : 0);
	char count[32];

	line(k, "Look up the class: objects of %u bytes", run->size);
	if (was == STATE_CACHED) {
		line(k, "Pop the newest object off the thread's stack of that class; set its live "
		    "bit");
		return;
	}
	if (was == STATE_AVAIL || was == STATE_LIVE) {
		line(k, "The stack is empty %s refill it from a slab with free objects: %llu, "
		    "lowest address first",
		    draw_then(k->s), (unsigned long long)got);
	} else {
		line(k, "The stack is empty, no slab of the class has a free object %s a new slab "
		    "of %s %s", draw_then(k->s),
		    granules(count, run->count), was == STATE_DIRTY ? "that were used before"
		    : "without memory yet");
		tell_growth(k);
		line(k, "Fill the stack from it: %llu of its %u objects", (unsigned long long)got,
		    run->objects);
	}
	line(k, "Pop one; set its live bit");
}

static void tell_malloc(const struct scene_speaker *k, const struct tell_call *call)
{
	const struct outside_run *was_run, *run;
	const enum state was = state_of(&k->scene->before, (uint64_t)(uintptr_t)call->p, &was_run);
	const enum state is = state_of(&k->scene->now, (uint64_t)(uintptr_t)call->p, &run);

	if (is != STATE_LIVE && is != STATE_LARGE)
		return;
	if (was == is) { /* realloc */
		line(k, "Enough room behind it %s it stays where it is", draw_then(k->s));
		return;
	}
	const uint64_t usable = is == STATE_LARGE ? run->count * k->scene->now.granule : run->size;
	if (is == STATE_LARGE)
		tell_large_malloc(k, run, was);
	else
		tell_small_malloc(k, run, was);
	if (was == STATE_DIRTY)
		draw_caption(k->out, k->s, "* DMM system reused previously freed chunk");
	if (usable > call->n) {
		char a[DRAW_SIZE_TEXT], b[DRAW_SIZE_TEXT], c[DRAW_SIZE_TEXT];
		draw_caption(k->out, k->s,
		    "* Internal fragmentation! asked %s, provided %s: %s wasted",
		    draw_size(a, k->s, call->n),
		    draw_size(b, k->s, usable), draw_size(c, k->s, usable - call->n));
	}
}

static void tell_free(const struct scene_speaker *k, const struct tell_call *call)
{
	const struct outside_view *const b = &k->scene->before, *const n = &k->scene->now;
	const struct outside_run *was_run, *run;
	const enum state was = state_of(b, (uint64_t)(uintptr_t)call->p, &was_run);
	const enum state is = state_of(n, (uint64_t)(uintptr_t)call->p, &run);
	char count[32];

	if (was == STATE_LARGE) {
		line(k, "Examine address, infer granule: a large object %s its %s are free and "
		        "dirty, until they are reused or given back", draw_then(k->s),
		        granules(count, was_run->count));
		return;
	}
	if (was != STATE_LIVE)
		return;
	line(k, "Examine address, infer granule, read its tag: class of %u bytes", was_run->size);
	line(k, "Its live bit is set %s clear it, push the object on the thread's stack of that "
	    "class", draw_then(k->s));
	if (n->classes[was_run->cls].cached < b->classes[was_run->cls].cached)
		line(k, "The stack is full %s its oldest objects go back to the slabs",
		    draw_then(k->s));
	if (n->slabs < b->slabs)
		line(k, "No object of a slab is live or in a stack %s its granules are free and "
		    "dirty", draw_then(k->s));
	else if (is == STATE_AVAIL)
		line(k, "The object is free in its slab");
}

void slab_scene_tell(FILE *out, const struct draw_style *s, const struct slab_scene *scene,
    const struct tell_call *call)
{
	const struct scene_speaker k = {out, s, scene};

	if (call->is_malloc)
		tell_malloc(&k, call);
	else
		tell_free(&k, call);
}

/* ---- pictures -------------------------------------------------------------------------------- */

void slab_scene_draw_small(FILE *out, const struct draw_style *s, const struct slab_scene *scene,
    const struct draw_label *labels, size_t label_count)
{
	draw_slab_objects(out, s, &scene->now, -1, labels, label_count, SLABS);
	draw_slab_map(out, s, &scene->now, 0, 2);
}

void slab_scene_draw(FILE *out, const struct draw_style *s, const struct slab_scene *scene,
    const struct draw_label *label, uint64_t p)
{
	const struct outside_view *const v = &scene->now;
	const struct outside_run *run;

	if (v->run_count == 0) {
		draw_slab_split(out, s, v);
		return;
	}
	if (state_of(v, p, &run) != STATE_NOTHING && run->kind == OUTSIDE_IS_SLAB)
		draw_slab_run(out, s, v, run, label, label != NULL);
	draw_slab_map(out, s, v, p, MAP_ROWS);
	draw_slab_legend(out, s, v);
	fputc('\n', out);
	draw_slab_split(out, s, v);
	fputc('\n', out);
	draw_slab_classes(out, s, v, SLAB_BY_HELD, CLASS_ROWS);
}
