/* recording.c - a recording's calls, performed on a heap of any system on os_arena.
 *
 * Invariant: `objects` maps every address of the recorded program that is live after `done` calls
 * to our object in its place (.user); `moving` does so, by thread, between the halves of a realloc.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bits.h"
#include "draw/look.h"
#include "cli/lab.h"
#include "cli/progress.h"
#include "cli/screen.h"
#include "trace/live.h"
#include "os/os.h"
#include "show/show.h"
#include "show/slab.h"
#include "trace/symbols.h"
#include "draw/narrate.h"
#include "cli/terminal.h"
#include "trace/trace.h"
#include "cli/units.h"

static const size_t HEAP_LEN = (size_t)64 << 30, MAP_LEN = (size_t)64 << 30;

struct recording {
	const struct dmm_system *sys;
	const struct dmm_params *params; /* NULL: its defaults */
	struct trace_file file;
	struct trace_reader *reader;
	struct symbols *symbols; /* opened when first needed */
	struct os_arena arena;
	struct heap heap;
	struct live objects, moving;
	size_t done, steps, threads;
	size_t refused; /* calls for which the simulated heap had no memory */
	struct trace_event last; /* the call just performed */
	struct picture before, now;
	struct tell told;
	struct slab_scene scene; /* instead of pictures, for slab */
	bool moved, failed; /* a realloc that moved; a call that found no memory here or there */
	void *result;
};

static void rewind_recording(struct recording *r)
{
	const int e = os_arena_open(&r->arena, 0, HEAP_LEN, MAP_LEN);

	if (e != 0)
		lab_die(EXIT_OURS, "cannot reserve an arena: %s", strerror(-e));
	const int refused = heap_open(&r->heap, r->sys, r->params, &r->arena.os);
	if (refused != 0)
		lab_die(EXIT_OURS, "cannot open a heap of %s: %s", r->sys->name,
		    strerror(-refused));
	if (!live_open(&r->objects) || !live_open(&r->moving) ||
	    (r->reader = trace_reader_open(&r->file)) == NULL)
		lab_die(EXIT_OURS, "out of memory");
	r->done = 0;
}

static void close_heap(struct recording *r)
{
	trace_reader_close(r->reader);
	live_close(&r->objects);
	live_close(&r->moving);
	heap_close(&r->heap);
	os_arena_close(&r->arena);
}

static void remember(struct live *t, uint64_t key, const void *p)
{
	struct live_object *const o = live_add(t, key);

	if (o == NULL)
		lab_die(EXIT_OURS, "out of memory");
	o->user = (uintptr_t)p;
}

static void *forget(struct live *t, uint64_t key)
{
	struct live_object *const o = live_slot(t, key);
	void *const p = o->addr != 0 ? (void *)(uintptr_t)o->user : NULL;

	if (o->addr != 0)
		live_remove(t, o);
	return p;
}

/* The object that a call takes: what a first half laid aside, or what lives at the address. */
static void *taken(struct recording *r, const struct trace_event *ev)
{
	void *const aside = forget(&r->moving, (uint64_t)ev->thread + 1);
	return aside != NULL ? aside : forget(&r->objects, ev->class & TRACE_IS_FREE ? ev->addr :
	    ev->old);
}

/* The simulated heap had no memory for a call that succeeded in the program; the picture is then
 * another than the program's heap, and says so. */
static void refused_here(struct recording *r, const struct trace_event *ev, void *old)
{
	if (r->refused++ == 0)
		lab_say("out of memory: %s has none for the %llu bytes of call %zu, the picture "
		    "goes on without them",
		    r->sys->name, (unsigned long long)ev->size, r->done + 1);
	if (old != NULL) /* a realloc that failed changed nothing */
		remember(&r->objects, ev->addr, old);
}

static void perform(struct recording *r, const struct trace_event *ev)
{
	void *old = NULL;
	void *p = NULL;

	r->last = *ev;
	r->moved = r->failed = false;
	if (ev->class & TRACE_IS_FREE) {
		r->result = taken(r, ev);
		heap_free(&r->heap, r->result);
		return;
	}
	if (ev->addr == 0) { /* it failed there too, and changed nothing */
		r->failed = true;
		return;
	}
	if (ev->class & TRACE_IS_REALLOC) {
		old = taken(r, ev);
		p = heap_realloc(&r->heap, old, ev->size != 0 ? ev->size : 1);
		r->moved = old != NULL && p != old;
	} else {
		p = heap_aligned(&r->heap, ev->align_log2 != 0 ? (size_t)1 << ev->align_log2 :
		    DMM_ALIGN_MIN,
		    ev->size);
	}
	if (r->arena.refused > 0)
		lab_die(EXIT_OURS,
		    "out of memory: the kernel refused memory to the simulated heap of %s",
		    r->sys->name);
	r->failed = p == NULL;
	r->result = p;
	if (p == NULL)
		refused_here(r, ev, old);
	else
		remember(&r->objects, ev->addr, p);
}

/* The next whole call; false at the end.  First halves of reallocs are no calls. */
static bool next_call(struct recording *r, struct trace_event *ev)
{
	struct trace_error e;
	int found;

	while ((found = trace_reader_next(r->reader, ev, &e)) == 1 && ev->begin) {
		void *const p = forget(&r->objects, ev->old);
		if (p != NULL)
			remember(&r->moving, (uint64_t)ev->thread + 1, p);
	}
	if (found < 0)
		lab_say("%s: %s; what was read so far is shown", r->file.path, e.text);
	return found == 1;
}

/* The recorded program's peak and its time; needs no heap of ours. */
static size_t find_peak(struct recording *r)
{
	struct trace_event ev;
	uint64_t live = 0, most = 0;
	size_t peak = 1, step = 0;

	while (next_call(r, &ev)) {
		step++;
		r->threads = max_size(r->threads, ev.thread);
		struct live_object *const o = live_slot(&r->objects,
		    ev.class & TRACE_IS_FREE ? ev.addr : ev.old);
		if (o->addr != 0 && (ev.class & (TRACE_IS_FREE | TRACE_IS_REALLOC))) {
			live -= o->size;
			live_remove(&r->objects, o);
		}
		if (!(ev.class & TRACE_IS_FREE) && ev.addr != 0) {
			remember(&r->objects, ev.addr, NULL);
			live_slot(&r->objects, ev.addr)->size = ev.size;
			live += ev.size;
		}
		if (live > most)
			most = live, peak = step;
	}
	progress_hide();
	r->steps = step;
	return peak;
}

static void tell_last(struct recording *r)
{
	const bool is_free = (r->last.class & TRACE_IS_FREE) != 0;
	const bool in_place = (r->last.class & TRACE_IS_REALLOC) && !r->moved && r->last.old != 0;
	const struct tell_call call = {!is_free, "p", r->last.size, r->result,
	    (char *)r->result >= r->arena.heap_end};

	r->told = (struct tell){.call = call};
	if (r->result != NULL && !r->failed && !in_place && (!is_free || picture_find(&r->before,
	        (uintptr_t)r->result) != NULL))
		r->told = tell_compare(&call, &r->before, &r->now);
}

/* What was now becomes before. */
static void look(struct recording *r)
{
	const struct picture old = r->before;

	if (slab_scene_serves(r->sys)) {
		slab_scene_look(&r->scene);
		return;
	}
	r->before = r->now;
	r->now = old;
	picture_take(&r->now, &r->heap);
}

static void seek(void *arg, size_t step)
{
	struct recording *const r = arg;
	struct trace_event ev;

	if (step < r->done) {
		close_heap(r);
		rewind_recording(r);
	}
	if (step == r->done)
		return;
	while (r->done + 1 < step && next_call(r, &ev)) {
		perform(r, &ev);
		r->done++;
	}
	progress_hide();
	look(r);
	if (next_call(r, &ev)) {
		perform(r, &ev);
		r->done++;
	}
	look(r);
	if (!slab_scene_serves(r->sys))
		tell_last(r);
}

static void put_call(const struct recording *r, FILE *out, const struct draw_style *s)
{
	char text[240], thread[32] = "";
	int at;

	if (r->threads > 1)
		snprintf(thread, sizeof thread, ", thread %u", r->last.thread);
	at = snprintf(text, sizeof text, "%s: call %zu of %zu%s: ", r->sys->name, r->done,
	    r->steps, thread);
	if (r->last.class & TRACE_IS_FREE)
		at += snprintf(text + at, sizeof text - (size_t)at, "free(p)%s",
		    r->result == NULL ? ", p unknown to the recording or NULL" : "");
	else if (r->last.class & TRACE_IS_REALLOC)
		at += snprintf(text + at, sizeof text - (size_t)at, "p = realloc(%s, %zu)%s",
		    r->last.old != 0 ? "p" : "NULL", (size_t)r->last.size,
		    r->moved ? ": malloc, copy, free" : r->last.old != 0 ? ": in place" : "");
	else
		at += snprintf(text + at, sizeof text - (size_t)at, "p = malloc(%zu)",
		    (size_t)r->last.size);
	if (r->failed)
		snprintf(text + at, sizeof text - (size_t)at, ": no memory");
	fputs(s->colour ? "\033[1m" : "", out);
	draw_text(out, s, 0, text);
	fputs(look_off(s), out);
}

/* The innermost callers, where the recording has them: as many as fit one line. */
static void put_callers(struct recording *r, FILE *out, const struct draw_style *s)
{
	enum { INDENT = 4, CALLERS = 4 };
	const char *names[SYMBOLS_DEPTH];
	size_t room = s->width - INDENT - strlen("called from ");

	if (r->last.stack == 0)
		return;
	if (r->symbols == NULL)
		r->symbols = symbols_open(&r->file);
	fprintf(out, "%*s%scalled from", INDENT, "", look_dim(s));
	const size_t count =
	    r->symbols != NULL ? symbols_path(r->symbols, r->reader, r->last.stack, names, NULL) :
	    0;
	for (size_t i = 0; i < CALLERS && i < count; i++) {
		const char *const name = names[i];
		const size_t len = screen_columns(name, strlen(name)) + (i == 0 ? 0 : 2);
		if (i != 0 && len > room)
			break;
		fprintf(out, "%s%.*s", i == 0 ? " " : ", ", (int)screen_cut(name, room), name);
		room -= len < room ? len : room;
	}
	fprintf(out, "%s\n", look_off(s));
}

static void put_sums(const struct recording *r, FILE *out, const struct draw_style *s)
{
	const struct picture *const p = &r->now;
	const struct {
		const char *name;
		size_t bytes;
	} parts[] = {{"live", p->live_bytes}, {"free", p->free_bytes},
	    {"headers, footers, tables", p->meta_bytes}, {"pad", p->pad_bytes}};
	char bytes[UNITS_LEN], text[240];
	const char *sign = " =";

	int at = snprintf(text, sizeof text, "footprint %s", units_bytes(bytes,
	    (double)p->owned_bytes));
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		if (parts[i].bytes == 0)
			continue;
		at += snprintf(text + at, sizeof text - (size_t)at, "%s %s" DRAW_HARD_SPACE
		    "%.1f" DRAW_HARD_SPACE "%%",
		    sign, parts[i].name, 100 * (double)parts[i].bytes / (double)p->owned_bytes);
		sign = " +";
	}
	draw_text(out, s, 2, text);
}

static void put_slab(const struct recording *r, FILE *out, const struct draw_style *s)
{
	const bool is_free = (r->last.class & TRACE_IS_FREE) != 0;
	const struct tell_call call = {!is_free, "p", r->last.size, r->result, true};
	const struct draw_label label = {(uintptr_t)r->result, r->last.size, "p"};

	if (r->result != NULL && !r->failed)
		slab_scene_tell(out, s, &r->scene, &call);
	slab_scene_draw(out, s, &r->scene, is_free || r->failed ? NULL : &label,
	    (uintptr_t)r->result);
}

static void put(void *arg, FILE *out, const struct draw_style *s)
{
	struct recording *const r = arg;
	const struct draw_label label = {(uintptr_t)r->result, r->last.size, "p"};
	const bool there = r->result != NULL && !r->failed; /* label: what p is, or was */
	const bool named = there && r->told.used != NULL && r->told.call.is_malloc;

	put_call(r, out, s);
	put_callers(r, out, s);
	if (slab_scene_serves(r->sys)) {
		put_slab(r, out, s);
		return;
	}
	if (r->told.used != NULL) {
		tell_steps(out, s, r->sys, &r->told);
		tell_captions(out, s, &r->told);
	}
	put_sums(r, out, s);
	draw_heap(out, s, &r->now, &label, there);
	draw_legend(out, s, draw_kinds(&r->now, &label, named));
	draw_bins(out, s, &r->now);
}

/* The last callers of put() above, with the arguments of show_words(). */
static void words_of_call(const void *arg, FILE *out, const struct draw_style *s)
{
	put_call(arg, out, s);
}

static void words_of_steps(const void *arg, FILE *out, const struct draw_style *s)
{
	const struct recording *const r = arg;
	if (r->told.used != NULL)
		tell_steps(out, s, r->sys, &r->told);
}

static void words_of_captions(const void *arg, FILE *out, const struct draw_style *s)
{
	const struct recording *const r = arg;
	if (r->told.used != NULL)
		tell_captions(out, s, &r->told);
}

static void words_of_lists(const void *arg, FILE *out, const struct draw_style *s)
{
	const struct recording *const r = arg;
	put_sums(r, out, s);
	draw_bins(out, s, &r->now);
}

static void figure(void *arg, struct drawn_figure *f)
{
	const struct recording *const r = arg;
	const struct draw_label label = {(uintptr_t)r->result, r->last.size, "p"};
	char *const call = show_words(words_of_call, r, 0),
	    *const steps = show_words(words_of_steps, r, 0);
	char *const captions = show_words(words_of_captions, r, 0);
	char *const lists = show_words(words_of_lists, r, 0);

	call[strcspn(call, "\n")] = '\0';
	figure_title(f, call);
	figure_text(f, FIGURE_STEP, steps);
	figure_text(f, FIGURE_CAPTION, captions);
	figure_heap(f, &r->now, 0, &label, r->result != NULL && !r->failed);
	figure_text(f, FIGURE_NOTE, lists);
	free(call);
	free(steps);
	free(captions);
	free(lists);
}

static void before(void *arg, FILE *out, const struct draw_style *s)
{
	const struct recording *const r = arg;
	const bool is_free = (r->last.class & TRACE_IS_FREE) != 0;
	const struct draw_label label = {(uintptr_t)r->result, 0, "p"};

	draw_heap(out, s, &r->before, &label, is_free);
	draw_bins(out, s, &r->before);
	if (is_free)
		fprintf(out, "Call %zu is free(p).\n", r->done);
	else
		fprintf(out, "Call %zu is p = malloc(%zu).\n", r->done, (size_t)r->last.size);
}

static const struct tell *told(void *arg)
{
	const struct recording *const r = arg;
	return &r->told;
}

struct show_source show_recording_open(const char *path, const struct dmm_system *sys,
    const struct dmm_params *params, size_t *peak)
{
	struct recording *const r = calloc(1, sizeof *r);
	struct trace_error e;

	CHECK(r != NULL);
	r->sys = sys;
	r->params = params;
	if (!trace_file_open(&r->file, path, &e))
		lab_die(EXIT_FAULT, "%s: %s", path, e.text);
	if (r->file.damage.text[0] != '\0')
		lab_say("%s: %s; only the part before that is shown", path, r->file.damage.text);
	rewind_recording(r);
	*peak = find_peak(r);
	close_heap(r);
	rewind_recording(r);
	if (r->steps == 0)
		lab_die(EXIT_FAULT, "%s: no calls are recorded; 'dmm info %s' may say why", path,
		    path);
	const bool chunks = !slab_scene_serves(sys);
	return (struct show_source){r, r->steps, seek, put, chunks ? figure : NULL,
	    chunks ? before : NULL, told};
}

bool show_recording_close(struct show_source *source)
{
	struct recording *const r = source->arg;
	const bool whole = r->refused == 0;

	close_heap(r);
	if (r->symbols != NULL)
		symbols_close(r->symbols);
	trace_file_close(&r->file);
	picture_drop(&r->before);
	picture_drop(&r->now);
	slab_scene_drop(&r->scene);
	free(r);
	return whole;
}
