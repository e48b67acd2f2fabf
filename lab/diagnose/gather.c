/* gather.c - one pass over a recording; see gather.h. */
#include "cli/array.h"
#include "diagnose/gather.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

enum { FIRST_SITES = 1024 };

/* ---- marks ----------------------------------------------------------------------------------- */

static uint64_t now_of(const struct gather *g, uint64_t tick)
{
	return g->timeless ? g->events : tick - g->first_tick;
}

static uint64_t whole_of(const struct gather *g)
{
	return g->timeless ? g->file->events : g->end_tick - g->first_tick;
}

static bool take_mark(struct gather *g)
{
	const unsigned k = g->marks_done++;

	for (size_t i = 0; i < g->site_cap; i++) {
		g->site[i].at[k] = (float)g->site[i].live_bytes;
		g->site[i].objects_at[k] = (float)g->site[i].live_objects;
	}
	return pages_look(g, k);
}

/* All marks that lie before this moment: nothing has changed since the call before. */
static bool take_marks(struct gather *g, uint64_t now)
{
	const double at = (double)now, whole = (double)whole_of(g);

	while (g->fine_done <= FINE_MARKS && (double)g->fine_done / FINE_MARKS * whole < at) {
		g->fine[g->fine_done] = g->stream->payload;
		if (g->fine_done % (FINE_MARKS / MARKS) == 0 && !take_mark(g))
			return false;
		g->fine_done++;
	}
	return true;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void begin(struct gather *g, uint32_t stack, uint64_t size)
{
	struct gathered_site *const s = &g->site[stack];

	s->live_bytes += size;
	s->live_objects++;
	s->live_peak = max_size(s->live_peak, s->live_bytes);
	if (size < LARGE_BYTES)
		return;
	s->large_live += size;
	s->large_size = size;
	s->large_peak = max_size(s->large_peak, s->large_live);
}

static void end(struct gather *g, const struct live_object *o)
{
	struct gathered_site *const s = &g->site[o->stack];

	s->live_bytes -= o->size;
	s->live_objects--;
	s->large_live -= o->size >= LARGE_BYTES ? o->size : 0;
}

static struct gathered_thread *worker_of(struct gather *g, uint32_t serial)
{
	return &g->worker[min_size(serial, THREADS_MAX - 1)];
}

static void note_free(struct gather *g, const struct step *step)
{
	struct gathered_site *const s = &g->site[step->was.stack];

	s->frees++;
	s->early_frees += g->marks_done < MARKS;
	s->temporary += g->stream->events - step->was.call <= CHURN_CALLS;
	end(g, &step->was);

	worker_of(g, step->ev.thread)->freed_late += step->was.size;
}

/* A thread may have used again the memory that it freed before the peak. */
static void note_thread(struct gather *g, const struct trace_event *ev)
{
	struct gathered_thread *const w = worker_of(g, ev->thread);

	if (w->peak != g->peaks)
		*w = (struct gathered_thread){.peak = g->peaks, .last_tick = ev->tick};
	if (ev->tick - w->last_tick > w->idle_ticks) {
		w->idle_ticks = ev->tick - w->last_tick;
		w->idle_freed = w->freed_late;
	}
	w->last_tick = ev->tick;
}

static void note_resize(struct gather *g, const struct step *step)
{
	struct gathered_site *const s = &g->site[step->was.stack];

	if (step->ev.size * 2 <= step->was.size) {
		s->shrunk_bytes += step->was.size - step->ev.size;
		s->shrunk_count++;
	}
	end(g, &step->was);
	begin(g, step->object->stack, step->ev.size);
}

static bool note(struct gather *g, const struct step *step)
{
	const uint32_t node = step->ev.stack;

	if (!ARRAY_RESERVE(g->site, g->site_cap, (size_t)node + 1))
		return false;
	note_thread(g, &step->ev);
	if (step->overlaid)
		end(g, &step->dropped);
	if (step->kind == STEP_ALLOC) {
		g->site[node].allocs++;
		begin(g, node, step->ev.size);
	} else if (step->kind == STEP_FREE) {
		note_free(g, step);
	} else if (step->kind == STEP_RESIZE) {
		note_resize(g, step);
	}
	if (g->stream->payload > g->peak_payload) {
		g->peak_payload = g->stream->payload;
		g->peak_tick = step->ev.tick;
		g->peaks++;
	}
	return true;
}

/* The stream has done this step already; a mark before it is off by one call. */
bool gather_step(struct gather *g, const struct step *step)
{
	if (!take_marks(g, now_of(g, step->ev.tick)) || !note(g, step))
		return false;
	g->events++;
	return true;
}

static void find_times(struct gather *g)
{
	char clock[16];

	g->timeless = trace_file_value(g->file, TRACE_META, "clock", clock, sizeof clock) &&
	    strcmp(clock, "none") == 0;
	g->first_tick = UINT64_MAX;
	for (size_t i = 0; i < g->file->count; i++) {
		g->first_tick = min_size(g->first_tick, g->file->blocks[i].first_tick);
		g->end_tick = max_size(g->end_tick, g->file->blocks[i].last_tick);
	}
	g->end_tick = max_size(g->end_tick, g->file->end_tick);
	if (g->file->count == 0)
		g->first_tick = 0;
}

bool gather_open(struct gather *g, const struct trace_file *f, const struct trace_stream *s)
{
	*g = (struct gather){.file = f, .stream = s, .site_cap = FIRST_SITES};
	g->site = calloc(FIRST_SITES, sizeof *g->site);
	g->worker = calloc(THREADS_MAX, sizeof *g->worker);
	find_times(g);
	return g->site != NULL && g->worker != NULL;
}

/* The marks that are left have what was live at the end. */
bool gather_end(struct gather *g)
{
	return take_marks(g, UINT64_MAX);
}

void gather_close(struct gather *g)
{
	free(g->site);
	free(g->worker);
	*g = (struct gather){0};
}

double gather_seconds(const struct gather *g)
{
	return g->timeless ? 0 : (double)trace_file_ns(g->file, g->end_tick) * 1e-9;
}
